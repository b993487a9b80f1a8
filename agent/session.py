"""One connection to one life of a node: how it is made, and what can be done with it. Only this file opens sockets."""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from agent import epmd
from agent.errors import ConnectionLost, EpmdUnreachable, NodeUnreachable, RemoteProtocolError, TlsSettingError
from agent.expression import Evaluated, Evaluator, Expression
from agent.handshake import Cookie, Introduction
from agent.limits import DEFAULT_LIMITS, Limits
from agent.link import Link
from agent.names import Target, parse_own_name
from agent.protocol import Connected, Connection, Counters
from agent.rpc import DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_HEAP_WORDS
from agent.terms import Term
from agent.ticks import Ticks
from agent.tls import Tls, TlsClient
from agent.worker import Form

CONNECT_SECONDS: Final = 5.0  # for each TCP connection, to epmd and to the node
TLS_SECONDS: Final = 7.0  # for TLS to begin: as long as the node gives each handshake
NEXT_ADDRESS_SECONDS: Final = 0.25  # RFC 8305: a host with two addresses may have one that leads nowhere


@dataclass(frozen=True, slots=True)
class Options:
    """How to connect. ``own_name`` is a fixed name for us; without one the node gives us a name each time."""

    own_name: str | None = None
    epmd_port: int = epmd.DEFAULT_PORT
    tls: Tls | None = None
    limits: Limits = DEFAULT_LIMITS


class Session:
    """One connection to one life of a node, from both proofs of the cookie until it ends."""

    def __init__(self, link: Link, connected: Connected) -> None:
        self.own = connected.own
        self.peer = connected.peer
        self.connected_at = asyncio.get_running_loop().time()
        self._link = link
        self._evaluator = Evaluator(link.calls.call, link.calls.call_detached)

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended."""
        return self._link.closed.done()

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
        return await self._link.calls.call(
            module,
            function,
            arguments,
            deadline_seconds=deadline_seconds,
            max_heap_words=max_heap_words,
            max_answer_bytes=max_answer_bytes,
        )

    async def evaluate(
        self,
        expression: Expression,
        bindings: Mapping[str, Term],
        *,
        deadline_seconds: float,
        max_heap_words: int = DEFAULT_MAX_HEAP_WORDS,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
        is_sweep: bool = False,
    ) -> Evaluated:
        """Evaluate an expression on the node in a guarded worker: see `agent.expression.Evaluator.evaluate`."""
        return await self._evaluator.evaluate(
            expression,
            bindings,
            deadline_seconds=deadline_seconds,
            max_heap_words=max_heap_words,
            max_answer_bytes=max_answer_bytes,
            is_sweep=is_sweep,
        )

    async def call_detached(
        self, module: str, function: str, arguments: Sequence[Term], *, deadline_seconds: float
    ) -> Term:
        """Change something on the node: see `agent.rpc.Calls.call_detached`."""
        return await self._link.calls.call_detached(module, function, arguments, deadline_seconds=deadline_seconds)

    async def evaluate_detached(
        self, expression: Expression, bindings: Mapping[str, Term], *, deadline_seconds: float
    ) -> Evaluated:
        """Change something on the node by an expression: see `agent.expression.Evaluator.evaluate_detached`."""
        return await self._evaluator.evaluate_detached(expression, bindings, deadline_seconds=deadline_seconds)

    def ask_by(self, form: Form) -> None:
        """Ask in this form from now on (`agent.worker`); erpc's until then."""
        self._link.calls.form = form

    def set_evaluator(self, *, is_there: bool | None) -> None:
        """Say whether the node can evaluate expressions; None when that is not known."""
        self._evaluator.is_there = is_there

    def set_ticks(self, ticks: Ticks) -> None:
        """Tick as often as this node expects it."""
        self._link.set_ticks(ticks)

    def close(self) -> None:
        """End the connection; workers that still run on the node die with it."""
        self._link.close()

    async def wait_closed(self) -> ConnectionLost:
        """Wait until the connection has ended and its socket is closed, and return why."""
        why = await asyncio.shield(self._link.closed)
        await asyncio.shield(self._link.gone)
        return why


async def connect(target: Target, cookie: Cookie, options: Options = Options()) -> Session:  # frozen
    """Connect to a node, once, for a program that asks and ends.

    The session ticks as OTP does by default; `agent.node.Node` follows the node's own settings, and reconnects.
    Raises `ConnectError`, and `SettingError` for an own name or a certificate that cannot work.
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
    host, where = target.node.host, f"{target.node} on port {port}"
    tls = None if options.tls is None else await _read_certificates(options.tls, host, where)
    connection = Connection(introduction, options.limits, over_tls=tls is not None)
    link = Link(connection, options.limits, tls)
    is_open = False
    try:
        await _open(link, host, port, tls)
        connected = await link.opened  # or its end: the protocol gives every handshake a deadline
        is_open = True
    except (OSError, TimeoutError) as error:
        raise NodeUnreachable(f"{where}: {_explain(error, host)}") from None
    finally:
        if not is_open:
            link.close()
    return Session(link, connected)


async def _read_certificates(tls: Tls, host: str, where: str) -> TlsClient:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.to_thread(tls.towards, host, where)
    except TimeoutError:
        raise TlsSettingError(f"the files of the tls settings could not be read within {CONNECT_SECONDS:g} s") from None


async def _open(link: Link, host: str, port: int, tls: TlsClient | None) -> None:
    """Open a socket for ``link``. Raises `ConnectError` for what TLS has to say, else `OSError` and `TimeoutError`."""
    loop = asyncio.get_running_loop()
    delay = _next_address_delay(host)
    if tls is None:
        async with asyncio.timeout(CONNECT_SECONDS):
            await loop.create_connection(lambda: link, host, port, happy_eyeballs_delay=delay)
        return
    try:
        async with asyncio.timeout(CONNECT_SECONDS + TLS_SECONDS):
            await loop.create_connection(
                lambda: link,
                host,
                port,
                ssl=tls.context,
                server_hostname=tls.server_name,
                ssl_handshake_timeout=TLS_SECONDS,
                happy_eyeballs_delay=delay,
            )
    except (ssl.SSLError, ConnectionResetError, ConnectionAbortedError) as error:
        raise tls.explain(error) from None


async def _ask_epmd(target: Target, epmd_port: int) -> int:
    host = target.node.host
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                host, epmd_port, happy_eyeballs_delay=_next_address_delay(host)
            )
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


def _next_address_delay(host: str) -> float | None:
    """Return after how long the next address of a host is tried too; None for an address, which has no other.

    Where it can be helped asyncio does not race for addresses: when it is cancelled it forgets to close the winner.
    """
    try:
        ip_address(host)
    except ValueError:
        return NEXT_ADDRESS_SECONDS
    return None


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
