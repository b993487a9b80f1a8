"""One connection to one life of a node: the asyncio shell around `agent.protocol`. Only this file opens sockets."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent import control, epmd
from agent.errors import ConnectError, ConnectionLost, EpmdUnreachable, NodeUnreachable, RemoteProtocolError
from agent.handshake import Cookie, Identity, Introduction
from agent.names import Target, parse_own_name
from agent.protocol import Closed, Connected, Connection, Counters
from agent.rpc import DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_HEAP_WORDS, Calls
from agent.terms import Atom, Pid, Term

CLOSE_SECONDS: Final = 2.0  # for our last bytes to leave a connection that we close
CONNECT_SECONDS: Final = 5.0  # for each TCP connection, to epmd and to the node
MAX_UNSENT_BYTES: Final = 4 * 1024 * 1024  # we write some kilobytes; a peer that leaves this much lying does not read


@dataclass(frozen=True, slots=True)
class Options:
    """How to connect. ``own_name`` is a fixed name for us; without one the node gives us a name each time."""

    own_name: str | None = None
    epmd_port: int = epmd.DEFAULT_PORT


class Session:
    """One connection to one life of a node, from both proofs of the cookie until it ends."""

    def __init__(self, link: _Link, own: Identity, peer: Identity) -> None:
        peer_init = Pid(Atom(str(peer.name)), 0, 0, peer.creation)  # the first process of every node
        self.own = own
        self.peer = peer
        self.connected_at = asyncio.get_running_loop().time()
        self._link = link
        self._calls = Calls(link.connection.own_pid, peer_init, link.send)

    @property
    def counters(self) -> Counters:
        """What has passed over this connection."""
        return self._link.connection.counters

    async def call(
        self,
        module: str,
        function: str,
        arguments: Sequence[Term],
        *,
        deadline_seconds: float,
        max_heap_words: int = DEFAULT_MAX_HEAP_WORDS,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
    ) -> Term:
        """Ask the node in a guarded worker: see `agent.rpc.Calls.call`."""
        return await self._calls.call(
            module,
            function,
            arguments,
            deadline_seconds=deadline_seconds,
            max_heap_words=max_heap_words,
            max_answer_bytes=max_answer_bytes,
        )

    async def call_detached(
        self, module: str, function: str, arguments: Sequence[Term], *, deadline_seconds: float
    ) -> Term:
        """Change something on the node: see `agent.rpc.Calls.call_detached`."""
        return await self._calls.call_detached(module, function, arguments, deadline_seconds=deadline_seconds)

    def receive(self, message: control.SpawnReply | control.Exit | control.MonitorExit) -> None:
        """Take a message from the link."""
        if not self._calls.receive(message):
            self.counters.skipped += 1

    def lost(self, error: ConnectionLost) -> None:
        """Learn from the link that the connection is over."""
        self._calls.lost(error)

    def set_net_ticktime(self, seconds: float) -> None:
        """Tick as often as a node with this net_ticktime expects."""
        self._link.set_net_ticktime(seconds)

    def close(self) -> None:
        """End the connection; workers that still run on the node die with it."""
        self._link.close()

    async def wait_closed(self) -> ConnectionLost:
        """Wait until the connection has ended, and return why."""
        return await asyncio.shield(self._link.closed)


class _Link(asyncio.Protocol):
    """A socket and the `Connection` that knows what its bytes mean."""

    def __init__(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        self.connection = connection
        self.opened: asyncio.Future[Session] = loop.create_future()
        self.closed: asyncio.Future[ConnectionLost] = loop.create_future()
        self._loop = loop
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_resort: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=MAX_UNSENT_BYTES)
        self._transport = transport
        self.connection.start(self._loop.time())
        self._pump()

    def data_received(self, data: bytes) -> None:
        self.connection.receive_data(data, self._loop.time())
        self._pump()

    def connection_lost(self, _error: Exception | None) -> None:
        self.connection.receive_data(b"", self._loop.time())
        try:
            self._pump()
        finally:
            self._finish(ConnectionLost("the connection has ended"))  # whatever happens, nobody waits for ever
            if self._last_resort is not None:
                self._last_resort.cancel()

    def pause_writing(self) -> None:
        self._finish(ConnectionLost(f"the node leaves {MAX_UNSENT_BYTES} bytes of ours unread"))

    def send(self, message: control.Outgoing) -> None:
        """Send a control message now. Hands out no events: whoever sends may be handling one."""
        self.connection.send(message, self._loop.time())
        self._flush()

    def set_net_ticktime(self, seconds: float) -> None:
        """Follow the node's net_ticktime from now on."""
        self.connection.set_net_ticktime(seconds)
        self._arm()

    def close(self) -> None:
        """End the connection properly: what was written still leaves, if the peer takes it soon."""
        if not self.opened.cancel() and not self.opened.cancelled():
            self.opened.exception()  # looked at, or asyncio would complain that nobody did
        transport, self._transport = self._transport, None
        self._finish(ConnectionLost("we have closed the connection"))
        if transport is not None:
            transport.close()
            self._last_resort = self._loop.call_later(CLOSE_SECONDS, transport.abort)

    def _pump(self) -> None:
        self._flush()
        while event := self.connection.next_event():
            if isinstance(event, Connected):
                self._session = Session(self, event.own, event.peer)
                if not self.opened.done():
                    self.opened.set_result(self._session)
            elif isinstance(event, Closed):
                self._finish(event.error)
            elif self._session is not None:
                self._session.receive(event.message)
        self._flush()

    def _flush(self) -> None:
        if self._transport is not None and (data := self.connection.data_to_send()):
            self._transport.write(data)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.closed.done() and (deadline := self.connection.next_deadline()) is not None:
            self._timer = self._loop.call_at(deadline, self._wake)

    def _wake(self) -> None:
        self.connection.handle_deadline(self._loop.time())
        self._pump()

    def _finish(self, error: ConnectError | ConnectionLost) -> None:
        if self.closed.done():
            return
        lost = error if isinstance(error, ConnectionLost) else ConnectionLost(str(error))
        self.closed.set_result(lost)
        if not self.opened.done():
            self.opened.set_exception(error)
        if self._session is not None:
            self._session.lost(lost)
        if self._transport is not None:
            # Not close(): it would wait for a peer that may never read what is left.
            self._transport.abort()
        self._arm()


async def connect(target: Target, cookie: Cookie, options: Options = Options()) -> Session:  # frozen
    """Connect to a node, once, for a program that asks and ends.

    The session ticks for the default net_ticktime; `agent.node.Node` follows the node's own, and reconnects.
    Raises `ConnectError`, and `NodeNameError` for an own name that cannot work.
    """
    own_name = parse_own_name(options.own_name, target.node) if options.own_name else None
    port = target.port or await _ask_epmd(target, options.epmd_port)
    introduction = Introduction(
        target=target.node,
        cookie=cookie,
        challenge=secrets.randbits(32),
        creation=secrets.randbelow((1 << 32) - 4) + 4,  # erts: up to 3 are the creations of old releases
        own_name=own_name,
    )
    link = _Link(Connection(introduction))
    is_open = False
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().create_connection(lambda: link, target.node.host, port)
        session = await link.opened  # or its end: the protocol gives every handshake a deadline
        is_open = True
    except (OSError, TimeoutError) as error:
        raise NodeUnreachable(f"{target.node} on port {port}: {_explain(error, target.node.host)}") from None
    finally:
        if not is_open:
            link.close()
    return session


async def _ask_epmd(target: Target, epmd_port: int) -> int:
    host = target.node.host
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(host, epmd_port)
            writer.write(epmd.port_request(target.node))
            reply = b""
            while len(reply) < epmd.MAX_REPLY_BYTES and (more := await reader.read(epmd.MAX_REPLY_BYTES)):
                reply += more
            return epmd.parse_port_reply(reply, target.node)
    except (OSError, TimeoutError) as error:
        raise EpmdUnreachable(
            f"epmd on {host}, port {epmd_port}: {_explain(error, host)}. If the node runs without epmd, "
            f"give its port: {target.node}:PORT"
        ) from None
    except RemoteProtocolError as error:
        raise EpmdUnreachable(f"epmd on {host}, port {epmd_port}: {error}") from None
    finally:
        if writer is not None:
            writer.close()


def _explain(error: OSError | TimeoutError, host: str) -> str:
    if isinstance(error, socket.gaierror):
        return f"the host name {host} cannot be resolved"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_SECONDS:g} s"
    if error.errno is None:  # asyncio's, when several addresses were tried
        return "none of its addresses answers"
    return error.strerror or str(error)
