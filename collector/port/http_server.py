"""The HTTP server: one listener, signals that end it, and no more connections than there is memory for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
from collections.abc import Iterator
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from collector.port.known_web_config import KnownWebConfig
from collector.port.tls_port import TlsPort
from collector.settings import Address, SettingsError

LAST_ANSWERS_SECONDS: Final = 0.6  # for answers on their way when we are told to end: within a second all is over
FIRST_REQUEST_SECONDS: Final = 10.0  # for a request to come on a new connection
SAME_COMPLAINT_SECONDS: Final = 60.0
KEEP_ALIVE_SECONDS: Final = 75  # longer than the usual scrape interval, so that a scraper keeps its connection
MAX_CONNECTIONS: Final = 512  # an idle one takes some 20 KiB

_LOG: Final = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn, set up as we need it, and without its signal handlers: they end the process before it is ready.

    Where the web configuration has TLS, connections come from a `TlsPort`, since uvicorn reads certificates only once.
    """

    def __init__(self, app: ASGIApp, web: KnownWebConfig | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=False,  # or whoever is let through by a proxy would say itself where it comes from
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                http=Impatient,
                ws="none",
            )
        )
        self._port = TlsPort(web, self._make_protocol) if web is not None and web.now.has_tls else None
        self._accepting: asyncio.Task[None] | None = None

    @property
    def has_tls(self) -> bool:
        """Whether connections speak TLS."""
        return self._port is not None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections."""
        if self._port is None:
            await super().startup(sockets)
            return
        await super().startup([])
        assert sockets is not None
        [listener] = sockets
        self._accepting = asyncio.create_task(self._port.accept(listener), name="tls port")
        self._accepting.add_done_callback(self._stop)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and give the answers that are on their way."""
        if self._accepting is not None:
            self._accepting.cancel()
        await super().shutdown(sockets)

    def _make_protocol(self) -> asyncio.Protocol:
        return Impatient(self.config, self.server_state, self.lifespan.state)

    def _stop(self, accepting: asyncio.Task[None]) -> None:
        if not accepting.cancelled() and (bug := accepting.exception()) is not None:
            _LOG.error("%s met a bug and has ended", accepting.get_name(), exc_info=bug)
        self.should_exit = True  # a service that nobody reaches is none

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `on_stop_signals`."""
        yield

    async def end(self, serving: asyncio.Task[None]) -> None:
        """Let answers leave that are on their way, and close. Raises what has ended the server by itself."""
        self.should_exit = True
        await asyncio.wait({serving}, timeout=LAST_ANSWERS_SECONDS)
        serving.cancel()
        await asyncio.wait({serving})
        if not serving.cancelled():
            serving.result()


class Impatient(H11Protocol):
    """uvicorn's HTTP, but a connection on which no request comes is let go, and an idle one when there are too many."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self.loop.call_later(FIRST_REQUEST_SECONDS, self._give_up)
        if len(self.connections) > MAX_CONNECTIONS:
            # Somebody goes, so that whoever asks whether we are alive is never turned away: the one that waits longest
            # is not known, and a scraper connects again by itself.
            others = (one for one in self.connections if one is not self and isinstance(one, Impatient))
            next((one for one in others if one.is_idle), self).transport.abort()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, and cut one off on which an answer waits that its asker does not read."""
        if self.transport.get_write_buffer_size() and not self.transport.is_closing():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request."""
        cycle: Any = self.cycle  # None until the first request, which its annotation forgets
        return cycle is None or bool(cycle.response_complete)

    def _give_up(self) -> None:
        has_request: object = self.cycle
        if has_request is None and not self.transport.is_closing():
            self.transport.abort()


class Complaints:
    """Logs what the event loop complains of, each complaint once a minute: it may come a thousand times a second."""

    def __init__(self) -> None:
        self._told_at: dict[str, float] = {}

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take a complaint (the loop calls this)."""
        message = str(context.get("message"))
        if loop.time() - self._told_at.get(message, -math.inf) >= SAME_COMPLAINT_SECONDS:
            self._told_at[message] = loop.time()
            _LOG.error(message, exc_info=context.get("exception"))


def on_stop_signals() -> asyncio.Future[signal.Signals]:
    """Return what is done once a signal wants us to end, and survive those that are meant otherwise."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[signal.Signals] = loop.create_future()

    def stop(by: signal.Signals) -> None:
        if not stopped.done():
            stopped.set_result(by)

    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop_signal, stop, stop_signal)
    # These would end a process that does not know them, and somebody will send one so that settings are read again.
    for other in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        loop.add_signal_handler(other, _LOG.warning, "settings are read at start only; %s does nothing", other.name)
    return stopped


def listen(address: Address) -> socket.socket:
    """Listen on an address. Raises `SettingsError` when it cannot be had."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        listener = socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        told = f"cannot listen on {address}: {why}; give another address by --listen"
        raise SettingsError(told, ["listen"]) from None
    # asyncio does this for listeners of its own; without it each answer on a kept connection is some 40 ms late.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
