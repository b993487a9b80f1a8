"""Takes connections on a port that speaks TLS: each by the certificates and rules that are in force when it begins.

asyncio's own server keeps the context that it was started with, so connections are accepted here. Whoever speaks plain
HTTP is told so, as Go's server does it, and not left with the error of a handshake.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final

from collector.liveness import TLS_NEEDED
from collector.models import Problem
from collector.port.known_web_config import KnownWebConfig
from collector.port.web_tls import is_allowed

BEGIN_SECONDS: Final = 10.0  # for the first byte, and then for the handshake
OUT_OF_RESOURCES_SECONDS: Final = 1.0  # as asyncio's server waits when there is no descriptor left
SAME_REASON_SECONDS: Final = 60.0
_LOOKED_AT: Final = 1  # byte: a handshake begins with 0x16, and a request of HTTP with a capital letter

_LOG: Final = logging.getLogger(__name__)
_SPEAK_TLS: Final = Problem(
    type=TLS_NEEDED.decode(),
    title=HTTPStatus.BAD_REQUEST.phrase,
    status=HTTPStatus.BAD_REQUEST,
    detail="this port speaks TLS, and was asked without: ask it by https, on the command line with --url https://…",
)


class TlsPort:
    """Gives each connection to a protocol of its own, once TLS stands."""

    def __init__(self, web: KnownWebConfig, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        self._web = web
        self._make_protocol = make_protocol
        self._beginning: set[asyncio.Task[None]] = set()
        self._told_at: dict[str, float] = {}  # as many as OpenSSL has reasons

    async def accept(self, listener: socket.socket) -> None:
        """Accept connections until this is cancelled."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)  # noqa: FBT003  # as the library has it
        try:
            while True:
                try:
                    connection, _address = await loop.sock_accept(listener)
                except OSError as error:  # of descriptors or memory there is none left, or the other side is gone
                    loop.call_exception_handler({"message": "a connection cannot be accepted", "exception": error})
                    await asyncio.sleep(OUT_OF_RESOURCES_SECONDS)
                    continue
                task = asyncio.create_task(self._begin(connection), name="tls handshake")
                self._beginning.add(task)
                task.add_done_callback(self._beginning.discard)
        finally:
            for task in self._beginning:
                task.cancel()

    async def _begin(self, connection: socket.socket) -> None:
        """Do the handshake; whatever goes wrong with it ends this connection and nothing else."""
        try:
            async with asyncio.timeout(BEGIN_SECONDS):
                first = await _first_byte(connection)
                if first.isupper():
                    await _answer_plainly(connection)
                config, context = (found := await self._web.look()).config, found.context
                asker = connection.getpeername()[0]
        except (OSError, TimeoutError):
            connection.close()
            return
        except asyncio.CancelledError:
            connection.close()
            raise
        if not first or first.isupper():
            connection.close()
            return
        assert context is not None, "a configuration without TLS is not taken for one with it"
        assert config.tls_server_config is not None
        allowed_sans = config.tls_server_config.client_allowed_sans
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: _Admitting(self._make_protocol, allowed_sans, partial(self._tell, asker)),
                connection,
                ssl=context,
                ssl_handshake_timeout=BEGIN_SECONDS,
            )
        except OSError as error:  # of which TLS's errors are; the transport has closed the socket then
            # asyncio sends no alert, so that nobody but this log says why.
            reason = (getattr(error, "reason", None) or str(error)).lower().replace("_", " ")
            self._tell(asker, getattr(error, "verify_message", None) or reason)

    def _tell(self, asker: str, why: str) -> None:
        """Log why a client was not let in: each reason once a minute, as scanners come often."""
        now = asyncio.get_running_loop().time()
        if now - self._told_at.get(why, -math.inf) >= SAME_REASON_SECONDS:
            self._told_at[why] = now
            _LOG.warning("no TLS with %s: %s", asker, why)


class _Admitting(asyncio.Protocol):
    """Gives way to another protocol once the handshake is over, if the client's certificate is for a name allowed."""

    def __init__(
        self,
        make_protocol: Callable[[], asyncio.Protocol],
        allowed_sans: tuple[str, ...],
        on_refusal: Callable[[str], None],
    ) -> None:
        self._make_protocol = make_protocol
        self._allowed_sans = allowed_sans
        self._on_refusal = on_refusal

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look at the certificate (asyncio calls this when the handshake is over)."""
        assert isinstance(transport, asyncio.Transport)
        if not is_allowed(transport.get_extra_info("peercert"), self._allowed_sans):
            self._on_refusal("its certificate is for none of client_allowed_sans")
            transport.abort()
            return
        protocol = self._make_protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


async def _first_byte(connection: socket.socket) -> bytes:
    """Look at the first byte without taking it; nothing when the other side has gone."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()

    def note() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(connection, note)
    try:
        await readable
    finally:
        loop.remove_reader(connection)
    with contextlib.suppress(BlockingIOError):
        return connection.recv(_LOOKED_AT, socket.MSG_PEEK)
    return b""


async def _answer_plainly(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    body = _SPEAK_TLS.model_dump_json(exclude_none=True).encode()
    head = (
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    await loop.sock_sendall(connection, head.encode() + body)
    # What was not read would have the system answer with a reset, which may overtake the answer.
    connection.shutdown(socket.SHUT_WR)
    while await loop.sock_recv(connection, 65_536):
        pass
