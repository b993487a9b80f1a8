from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from collector.port import http_server
from collector.port.http_server import Complaints, Impatient, listen
from collector.settings import Address
from tests.fakes import until


@contextlib.asynccontextmanager
async def answering(app: ASGIApp, keep_alive_seconds: int = 5) -> AsyncIterator[tuple[int, ServerState]]:
    """Serve with the protocol alone; gives the port, and which connections there are."""
    config = uvicorn.Config(app, http=Impatient, ws="none", log_config=None, timeout_keep_alive=keep_alive_seconds)
    config.load()
    state, loop = ServerState(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Impatient(config, state, {}, loop), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], state
        for connection in [*state.connections]:
            connection.transport.abort()


async def has_ended(reader: asyncio.StreamReader) -> bool:
    with contextlib.suppress(ConnectionResetError):
        return await asyncio.wait_for(reader.read(), 10) == b""
    return True


def test_answers_on_a_kept_connection_are_not_held_back() -> None:
    # Accepted sockets inherit it. (asyncio sets it only on listeners that it makes itself.)
    with listen(Address("127.0.0.1", 0)) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_a_complaint_that_comes_a_thousand_times_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    complaints, loop = Complaints(), asyncio.get_running_loop()
    for _ in range(1000):
        complaints(loop, {"message": "socket.accept() out of system resource", "exception": OSError(24, "too many")})
    complaints(loop, {"message": "another"})
    assert [record.getMessage() for record in caplog.records] == ["socket.accept() out of system resource", "another"]


async def test_a_connection_on_which_no_request_comes_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "FIRST_REQUEST_SECONDS", 0.05)
    async with answering(PlainTextResponse("hello")) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await has_ended(reader)
        writer.close()


async def test_of_too_many_connections_an_idle_one_goes_and_the_newest_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_server, "MAX_CONNECTIONS", 3)
    async with answering(PlainTextResponse("hello")) as (port, _):
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 10)).endswith(b"hello")
        assert sum(one.at_eof() or one.exception() is not None for one, _ in idle) == 1
        for _, each in [*idle, (reader, writer)]:
            each.close()


async def test_an_answer_that_nobody_reads_is_not_kept_for_ever() -> None:
    large = PlainTextResponse(b"x" * (1 << 25))
    async with answering(large, keep_alive_seconds=0) as (port, state):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: state.total_requests == 1 and not state.connections, "it is cut off")
        with contextlib.suppress(ConnectionResetError):
            assert len(await reader.read()) < 1 << 25
        writer.close()
