from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from agent import Session
from agent.errors import AnswerTooLarge, ConnectionLost, DeadlineExceeded, RemoteError, WorkerDied
from agent.terms import UNDEFINED, Atom, ExportFun, Term
from erlang_fixtures.beam import Beam
from tests.live.nodes import SECONDS, ask, census, join, settles_to, until_answer

pytestmark = pytest.mark.live

CHANGE = Atom("beamwarden_test_change")
SLEEP_THEN_SET: list[Term] = [
    ExportFun(Atom("erlang"), Atom("apply"), 3),
    [Atom("timer"), Atom("application")],
    [Atom("sleep"), Atom("set_env")],
    [[300], [Atom("kernel"), CHANGE, Atom("made")]],
]


async def processes(session: Session, wanted: Callable[[int], bool]) -> None:
    """Wait until the node has as many processes as wanted."""
    await until_answer(
        session,
        lambda count: isinstance(count, int) and wanted(count),
        "erlang:system_info",
        Atom("process_count"),
    )


async def test_a_thousand_questions_at_once_get_their_own_answers(beam: Beam) -> None:
    session = await join(beam)
    answers = await asyncio.gather(*(ask(session, "erlang:abs", -value) for value in range(1000)))
    assert answers == list(range(1000))
    session.close()


@pytest.mark.parametrize(
    ("function", "arguments", "says"),
    [
        ("erlang:error", [Atom("sorry")], "error: sorry"),
        ("erlang:exit", [Atom("sorry")], "exit: sorry"),
        ("erlang:throw", [Atom("sorry")], "throw: sorry"),
        ("lists:no_such_function", [], "error: undef"),
        ("no_such_module_at_all:f", [], "error: undef"),
        ("erlang:atom_to_list", [1], "error: badarg"),
    ],
)
async def test_what_is_raised_there_is_raised_here(beam: Beam, function: str, arguments: list[Term], says: str) -> None:
    session = await join(beam)
    with pytest.raises(RemoteError, match=says):
        await ask(session, function, *arguments)
    session.close()


async def test_an_error_brings_the_node_s_stack(beam: Beam) -> None:
    session = await join(beam)
    with pytest.raises(RemoteError) as caught:
        await ask(session, "lists:nth", 1, [])
    assert "function_clause" in str(caught.value)
    assert "Atom('lists'), Atom('nth')" in str(caught.value.stack)
    session.close()


async def test_a_question_that_needs_too_much_memory_is_killed_by_the_node(beam: Beam) -> None:
    session = await join(beam)
    with pytest.raises(WorkerDied, match="heap limit"):
        await session.call("lists", "seq", [1, 10_000_000], deadline_seconds=SECONDS, max_heap_words=1_000_000)
    session.close()


async def test_an_answer_longer_than_anybody_may_allow_costs_its_own_question_alone(beam: Beam) -> None:
    session = await join(beam)
    sleeping = asyncio.create_task(session.call("timer", "sleep", [300], deadline_seconds=SECONDS))
    # OTP 25 does not count the binary to the worker's heap, OTP 28 does.
    with pytest.raises((AnswerTooLarge, WorkerDied)):
        await ask(session, "binary:copy", b"x", 20_000_000)
    assert await sleeping == Atom("ok")
    session.close()


async def test_an_answer_may_be_long_when_the_caller_says_so(beam: Beam) -> None:
    session = await join(beam)
    with pytest.raises(AnswerTooLarge):
        await ask(session, "binary:copy", b"x", 2_000_000)
    answer = await session.call(
        "binary", "copy", [b"x", 2_000_000], deadline_seconds=SECONDS, max_answer_bytes=4_000_000
    )
    assert answer == b"x" * 2_000_000
    session.close()


async def test_whatever_the_called_code_prints_goes_to_the_node(beam: Beam) -> None:
    session = await join(beam)
    before = session.counters.skipped
    assert await ask(session, "io:put_chars", list(b"hello from a test\n")) == Atom("ok")
    assert session.counters.skipped == before
    session.close()


async def test_a_question_that_misses_its_deadline_is_ended_on_the_node(beam: Beam) -> None:
    session = await join(beam)
    before = await census(session)
    with pytest.raises(DeadlineExceeded):
        await session.call("timer", "sleep", [Atom("infinity")], deadline_seconds=0.05)
    assert await census(session) == before
    session.close()


async def test_a_cancelled_question_is_ended_on_the_node(beam: Beam) -> None:
    session = await join(beam)
    before = await census(session)
    question = asyncio.create_task(session.call("timer", "sleep", [Atom("infinity")], deadline_seconds=SECONDS))
    await processes(session, lambda count: count > before["processes"])
    question.cancel()
    await asyncio.wait({question})
    assert await census(session) == before
    session.close()


async def test_a_question_ends_with_our_connection(beam: Beam) -> None:
    watching, asking = await join(beam), await join(beam)
    before = await census(watching)
    questions = [
        asyncio.create_task(asking.call("timer", "sleep", [Atom("infinity")], deadline_seconds=SECONDS))
        for _ in range(20)
    ]
    await processes(watching, lambda count: count >= before["processes"] + 20)
    asking.close()
    ends = await asyncio.gather(*questions, return_exceptions=True)
    assert all(isinstance(end, ConnectionLost) for end in ends)
    # One process fewer than before: the node's own for the connection.
    await processes(watching, lambda count: count < before["processes"])
    watching.close()


async def test_a_change_is_made_although_our_connection_ends(beam: Beam) -> None:
    watching, acting = await join(beam), await join(beam)
    change = asyncio.create_task(acting.call_detached("lists", "zipwith3", SLEEP_THEN_SET, deadline_seconds=SECONDS))
    await asyncio.sleep(0)
    await ask(acting, "erlang:node")  # answered behind the change's request, so that one has arrived
    acting.close()
    with pytest.raises(ConnectionLost):
        await change
    made = await until_answer(watching, lambda found: found != UNDEFINED, "application:get_env", Atom("kernel"), CHANGE)
    assert made == (Atom("ok"), Atom("made"))
    assert await ask(watching, "application:unset_env", Atom("kernel"), CHANGE) == Atom("ok")
    watching.close()


async def test_a_change_s_deadline_ends_our_waiting_only(beam: Beam) -> None:
    session = await join(beam)
    before = await census(session)
    with pytest.raises(DeadlineExceeded, match="outcome is unknown"):
        await session.call_detached("timer", "sleep", [1500], deadline_seconds=0.05)
    assert (await census(session))["processes"] == before["processes"] + 1
    await settles_to(session, before)
    session.close()
