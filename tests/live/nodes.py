"""What the live tests ask a node beside the questions under test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from agent import Node, Options, Session, State, Target, connect, read_cookie_file
from agent.errors import ConnectError, ConnectionLost
from agent.terms import Atom, ExportFun, Map, Term
from erlang_fixtures.beam import Beam
from tests.fakes import pause
from tests.proxy import Proxy

SECONDS = 30.0


async def join(beam: Beam) -> Session:
    """Connect to a node."""
    return await connect(Target.parse(beam.target), read_cookie_file(beam.cookie_file))


async def ask(session: Session, function: str, *arguments: Term) -> Term:
    """Apply ``module:function`` on the node."""
    module, _, name = function.partition(":")
    return await session.call(module, name, arguments, deadline_seconds=SECONDS)


async def number(session: Session, function: str, *arguments: Term) -> int:
    """The same, for a function that gives an integer."""
    answer = await ask(session, function, *arguments)
    assert isinstance(answer, int)
    return answer


async def process_items(session: Session, item: str) -> list[Term]:
    """``process_info(Pid, Item)`` of every process that is alive."""
    pids = await ask(session, "erlang:processes")
    assert isinstance(pids, list)
    items: Sequence[Term] = [Atom(item)] * len(pids)
    found = await ask(session, "lists:zipwith", ExportFun(Atom("erlang"), Atom("process_info"), 2), pids, list(items))
    assert isinstance(found, list)
    return [pair[1] for pair in found if isinstance(pair, tuple)]


async def census(session: Session) -> dict[str, int]:
    """How many processes, links and monitors there are on the node."""
    counts = {"processes": await number(session, "erlang:system_info", Atom("process_count"))}
    for item in ("links", "monitors", "monitored_by"):
        counts[item] = sum(len(each) for each in await process_items(session, item) if isinstance(each, list))
    return counts


async def messages_waiting(session: Session) -> int:
    """How many messages lie in all mailboxes of the node."""
    return sum(length for length in await process_items(session, "message_queue_len") if isinstance(length, int))


async def settles_to(session: Session, expected: dict[str, int]) -> None:
    """Wait until the node is as it was; fail with the difference."""
    found = await census(session)
    try:
        async with asyncio.timeout(SECONDS):
            while found != expected:
                await pause()
                found = await census(session)
    except TimeoutError:
        assert found == expected


@asynccontextmanager
async def ill(session: Session, illness: str, **options: Term) -> AsyncIterator[None]:
    """Have a node ill (``erlang_fixtures/src/ill_*.erl``) for as long as the block lasts."""
    assert await ask(session, f"{illness}:on", Map((Atom(name), value) for name, value in options.items())) == Atom(
        "ok"
    )
    try:
        yield
    finally:
        assert await ask(session, f"{illness}:off") == Atom("ok")


async def until_answer(session: Session, wanted: Callable[[Term], bool], function: str, *arguments: Term) -> Term:
    """Ask until the answer is as wanted; fail when it is not in time."""
    async with asyncio.timeout(SECONDS):
        while not wanted(answer := await ask(session, function, *arguments)):
            await pause()
    return answer


async def join_through(proxy: Proxy, beam: Beam) -> Session:
    """Connect to a node over a link that a test can spoil."""
    return await connect(Target.parse(f"{beam.name}:{proxy.port}"), read_cookie_file(beam.cookie_file))


def watch_through(
    proxy: Proxy,
    beam: Beam,
    own_name: str | None = None,
    on_change: Callable[[State], None] = lambda _state: None,
) -> Node:
    """Keep a node connected over such a link."""
    target, cookie = Target.parse(f"{beam.name}:{proxy.port}"), read_cookie_file(beam.cookie_file)
    return Node(target, cookie, Options(own_name=own_name), on_change)


async def until_it_answers(node: Node, beam: Beam, deadline_seconds: float = SECONDS) -> Session:
    """Wait until the node is connected and has answered a question; return the connection on which it did."""
    why: Exception | None = None
    try:
        async with asyncio.timeout(deadline_seconds):
            while True:
                try:
                    session = node.session()
                    assert await ask(session, "erlang:node") == Atom(beam.name)
                except (ConnectError, ConnectionLost) as error:
                    why = error
                    await asyncio.sleep(0.01)
                else:
                    return session
    except TimeoutError:
        raise AssertionError(f"{beam.name} does not answer: {why}") from None
