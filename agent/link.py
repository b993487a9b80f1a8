"""A socket and the `Connection` that knows what its bytes mean: the one place where asyncio meets `agent.protocol`."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from agent import control
from agent.errors import ConnectError, ConnectionLost
from agent.limits import Limits
from agent.protocol import Closed, Connected, Connection
from agent.rpc import Calls
from agent.terms import Atom, Pid
from agent.ticks import Ticks
from agent.tls import TlsClient

CLOSE_SECONDS: Final = 2.0  # for our last bytes to leave a connection that we close
MAX_UNSENT_BYTES: Final = 4 * 1024 * 1024  # we write some kilobytes; a peer that leaves this much lying does not read


class Link(asyncio.Protocol):
    """One socket, from the moment that it is open; ``tls`` None is one without.

    ``opened`` ends with `Connected`, or with the `ConnectError` that came instead; ``closed`` with the reason why the
    connection is over, and ``gone`` when its socket is closed too.
    """

    def __init__(self, connection: Connection, limits: Limits, tls: TlsClient | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.connection = connection
        self.opened: asyncio.Future[Connected] = loop.create_future()
        self.closed: asyncio.Future[ConnectionLost] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        self._limits = limits
        self._tls = tls
        self._loop = loop
        self._calls: Calls | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_resort: asyncio.TimerHandle | None = None

    @property
    def calls(self) -> Calls:
        """The questions over this connection. Only once it is opened."""
        assert self._calls is not None
        return self._calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake (asyncio calls this)."""
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=MAX_UNSENT_BYTES)
        self._transport = transport
        self.connection.start(self._loop.time())
        self._pump()

    def data_received(self, data: bytes) -> None:
        """Take bytes (asyncio calls this)."""
        self.connection.receive_data(data, self._loop.time())
        self._pump()

    def connection_lost(self, error: Exception | None) -> None:
        """Take the end (asyncio calls this)."""
        if isinstance(error, ssl.SSLError) and self._tls is not None:
            # With TLS 1.3 a node looks at our certificate only when we believe TLS to stand.
            self._finish(self._tls.explain(error, is_open=self._calls is not None))
        self._transport = None
        self.connection.receive_data(b"", self._loop.time())
        try:
            self._pump()
        finally:
            self._finish(ConnectionLost("the connection has ended"))  # whatever happens, nobody waits for ever
            if self._last_resort is not None:
                self._last_resort.cancel()
            if not self.gone.done():
                self.gone.set_result(None)

    def pause_writing(self) -> None:
        """Leave a peer that does not read (asyncio calls this)."""
        self._finish(ConnectionLost(f"the node leaves {MAX_UNSENT_BYTES} bytes of ours unread"))

    def send(self, message: control.Outgoing) -> None:
        """Send a control message now. Hands out no events: whoever sends may be handling one."""
        self.connection.send(message, self._loop.time())
        self._flush()

    def set_ticks(self, ticks: Ticks) -> None:
        """Follow the node's ticks from now on."""
        self.connection.set_ticks(ticks)
        self._arm()

    def close(self) -> None:
        """End the connection properly: what was written still leaves, if the peer takes it soon.

        One that has not been opened is cut: neither side has anything to say any more.
        """
        if not self.opened.cancel() and not self.opened.cancelled():
            self.opened.exception()  # looked at, or asyncio would complain that nobody did
        transport, self._transport = self._transport, None
        self._finish(ConnectionLost("we have closed the connection"))
        if transport is not None and self._calls is None:
            transport.abort()
        elif transport is not None:
            transport.close()
            self._last_resort = self._loop.call_later(CLOSE_SECONDS, transport.abort)

    def _pump(self) -> None:
        self._flush()
        while event := self.connection.next_event():
            if isinstance(event, Connected):
                self._open(event)
            elif isinstance(event, Closed):
                self._finish(event.error)
            elif self._calls is not None and not self._calls.receive(event.message):
                self.connection.count_unasked(self._loop.time())
        self._flush()

    def _open(self, event: Connected) -> None:
        peer_init = Pid(Atom(str(event.peer.name)), 0, 0, event.peer.creation)  # the first process of every node
        self._calls = Calls(self.connection.own_pid, peer_init, self.send, self._limits)
        if not self.opened.done():
            self.opened.set_result(event)

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
        if self._calls is not None:
            self._calls.lost(lost)
        if self._transport is not None:
            # Not close(): it would wait for a peer that may never read what is left.
            self._transport.abort()
        self._arm()
