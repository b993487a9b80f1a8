"""Whatever keeps a node away, and however long: we hold no more than at first, and the log has an end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager

import pytest

from agent import Cookie, Down, Node, Options, State, Target
from agent import node as node_module
from agent import protocol as protocol_module
from agent import session as session_module
from agent.names import NodeName
from collector.changes import LINES_AT_ONCE, ChangeLog
from erlang_fixtures.beam import free_port
from tests.fakes import until

NOBODY = NodeName("nobody", "127.0.0.1")
FIRST_ATTEMPTS = 20
ATTEMPTS = 200


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "backoff_seconds", lambda *_, **__: 0.001)
    monkeypatch.setattr(session_module, "CONNECT_SECONDS", 0.01)
    monkeypatch.setattr(protocol_module, "HANDSHAKE_SECONDS", 0.01)


@contextlib.asynccontextmanager
async def nobody_listens() -> AsyncIterator[tuple[Target, Options]]:
    yield Target(NOBODY, free_port()), Options()


@contextlib.asynccontextmanager
async def no_epmd() -> AsyncIterator[tuple[Target, Options]]:
    yield Target(NOBODY), Options(epmd_port=free_port())


@contextlib.asynccontextmanager
async def epmd_that_knows_no_such_node() -> AsyncIterator[tuple[Target, Options]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"w\1")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield Target(NOBODY), Options(epmd_port=server.sockets[0].getsockname()[1])


@contextlib.asynccontextmanager
async def epmd_that_hangs() -> AsyncIterator[tuple[Target, Options]]:
    # The system takes the connections, and nobody ever looks at them.
    with socket.create_server(("127.0.0.1", 0), backlog=4 * ATTEMPTS) as listener:
        yield Target(NOBODY), Options(epmd_port=listener.getsockname()[1])


@contextlib.asynccontextmanager
async def node_that_hangs() -> AsyncIterator[tuple[Target, Options]]:
    with socket.create_server(("127.0.0.1", 0), backlog=4 * ATTEMPTS) as listener:
        yield Target(NOBODY, listener.getsockname()[1]), Options()


@contextlib.asynccontextmanager
async def packets_that_are_swallowed() -> AsyncIterator[tuple[Target, Options]]:
    # Linux drops the first packet of a connection for which a listener has no place, as a firewall does.
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filling = stack.enter_context(socket.socket())
            filling.settimeout(0)
            filling.connect_ex(listener.getsockname())
        yield Target(NOBODY, listener.getsockname()[1]), Options()


@contextlib.asynccontextmanager
async def host_that_does_not_resolve() -> AsyncIterator[tuple[Target, Options]]:
    yield Target(NodeName("nobody", "no-such-host.invalid"), 9100), Options()


CASES: Mapping[Callable[[], AbstractAsyncContextManager[tuple[Target, Options]]], str] = {
    nobody_listens: "nothing listens there",
    no_epmd: "nothing listens there",
    epmd_that_knows_no_such_node: "knows no node",
    epmd_that_hangs: "no answer within 0.01 s",
    node_that_hangs: "did not finish the handshake within 0.01 s",
    packets_that_are_swallowed: "no answer within 0.01 s",
    host_that_does_not_resolve: "the host name no-such-host.invalid cannot be resolved",
}


def held() -> dict[str, int]:
    """What a program can run out of."""
    gc.collect()
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208  # as many names as there are
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_it_holds_no_more_and_the_log_has_an_end(
    case: Callable[[], AbstractAsyncContextManager[tuple[Target, Options]]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO")
    if case is host_that_does_not_resolve:  # as a resolver says it at once, which a real one may not

        def unknown(*_about: object, **_more: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
    log, attempts = ChangeLog(str(NOBODY)), 0

    def count(state: State) -> None:
        nonlocal attempts
        attempts += 1
        log(state)

    async with case() as (target, options), Node(target, Cookie("x"), options, count) as node:
        await until(lambda: attempts >= FIRST_ATTEMPTS, "the first attempts", 30)
        before, objects_before = held(), len(gc.get_objects())
        await until(lambda: attempts >= ATTEMPTS, "the others", 60)
        after, objects_after = held(), len(gc.get_objects())
        assert isinstance(node.state, Down)
        assert CASES[case] in str(node.state.error)
    assert all(after[what] <= before[what] + 2 for what in before), (before, after)  # an attempt may be under way
    assert objects_after - objects_before < ATTEMPTS - FIRST_ATTEMPTS, "each attempt leaves something"
    assert len(caplog.records) <= LINES_AT_ONCE + 2
