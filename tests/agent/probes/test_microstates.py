from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from agent.errors import DeadlineExceeded, UnexpectedAnswer, WorkerDied
from agent.probes import microstates
from agent.probes.microstates import MAX_STATES, MAX_THREADS, Microstates, Thread
from agent.terms import Atom, Term
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies
from tests.terms_strategies import QUICK

THREAD: Term = (Atom("scheduler"), 1, [(Atom("emulator"), 1_500), (Atom("sleep"), 250)])


async def test_ticks_become_seconds() -> None:
    found = await microstates.ask(FakeShell((1_000, [THREAD])), 1.0)
    assert found == Microstates((Thread("scheduler", 1, {"emulator": 1.5, "sleep": 0.25}),))


async def test_a_node_that_has_counted_nothing_has_no_threads() -> None:
    assert await microstates.ask(FakeShell(Atom("none")), 1.0) == Microstates(())


async def test_a_worker_has_a_limit_and_the_deadline() -> None:
    shell = FakeShell(Atom("none"))
    await microstates.ask(shell, 1.5)
    (asked,) = shell.evaluations
    assert asked.max_heap_words == microstates.HEAP_WORDS
    assert asked.deadline_seconds == 1.5


def test_nothing_is_switched_on() -> None:
    assert "system_flag" not in microstates.LOOK.source


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), WorkerDied("heap")])
async def test_a_question_that_fails_says_why(error: Exception) -> None:
    with pytest.raises(type(error)):
        await microstates.ask(FakeShell(error), 1.0)


# ----------------------------------------------------------------------------------------------------- nodes that lie

TRUTH = (1_000, [THREAD, THREAD])
LIES: dict[str, Term] = {
    "another atom": Atom("ok"),
    "a clock that stands": (0, [THREAD]),
    "a clock of 70 bits": (1 << 70, [THREAD]),
    "negative ticks": (1_000, [(Atom("scheduler"), 1, [(Atom("emulator"), -1)])]),
    "a state without ticks": (1_000, [(Atom("scheduler"), 1, [Atom("emulator")])]),
    "more states than there are": (1_000, [(Atom("scheduler"), 1, [(Atom("emulator"), 1)] * (MAX_STATES + 1))]),
    "more threads than were asked for": (1_000, [THREAD] * (MAX_THREADS + 1)),
}


@pytest.mark.parametrize("answer", LIES.values(), ids=LIES)
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer):
        await microstates.ask(FakeShell(answer), 1.0)


@QUICK
@given(lies(TRUTH))
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(answer: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await microstates.ask(FakeShell(answer), 1.0)


async def test_no_part_of_the_answer_is_taken_for_granted() -> None:
    for answer in every_small_lie(TRUTH):
        with contextlib.suppress(UnexpectedAnswer):
            await microstates.ask(FakeShell(answer), 1.0)
