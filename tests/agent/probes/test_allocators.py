from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from agent.errors import DeadlineExceeded, UnexpectedAnswer, WorkerDied
from agent.probes import allocators
from agent.probes.allocators import MAX_ROWS, AllocatorRow
from agent.terms import Atom, Term
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies, replaced
from tests.terms_strategies import QUICK

ROW: Term = ((Atom("eheap_alloc"), 1, Atom("mbcs")), (112, 1_176_120), (3, 1_835_008))


async def test_every_figure_has_its_place() -> None:
    found = await allocators.ask(FakeShell((1, [ROW])), 1.0)
    assert found.rows == (AllocatorRow("eheap_alloc", 1, "mbcs", 112, 1_176_120, 3, 1_835_008),)
    assert found.left_out == ()


async def test_a_worker_has_a_limit_and_the_deadline() -> None:
    shell = FakeShell((0, []))
    await allocators.ask(shell, 1.5)
    (asked,) = shell.evaluations
    assert asked.max_heap_words == allocators.HEAP_WORDS
    assert asked.deadline_seconds == 1.5
    assert asked.bindings == {"Max": MAX_ROWS}


async def test_what_does_not_fit_is_said() -> None:
    found = await allocators.ask(FakeShell((MAX_ROWS + 7, [ROW] * MAX_ROWS)), 1.0)
    assert found.left_out == ("instances of allocators after the first: 7 figures",)


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), WorkerDied("heap")])
async def test_a_question_that_fails_says_why(error: Exception) -> None:
    with pytest.raises(type(error)):
        await allocators.ask(FakeShell(error), 1.0)


# ----------------------------------------------------------------------------------------------------- nodes that lie

TRUTH = (2, [ROW, ROW])
LIES: dict[str, Term] = {
    "an atom": Atom("ok"),
    "a negative count": replaced(TRUTH, 0, -1),
    "rows that are none": replaced(TRUTH, 1, Atom("none")),
    "a row too short": (1, [(Atom("eheap_alloc"), 1)]),
    "an instance without a number": (1, [((Atom("eheap_alloc"), Atom("all"), Atom("mbcs")), (1, 1), (1, 1))]),
    "a size of 70 bits": (1, [((Atom("eheap_alloc"), 1, Atom("mbcs")), (1, 1 << 70), (1, 1))]),
    "more rows than were asked for": (MAX_ROWS + 1, [ROW] * (MAX_ROWS + 1)),
}


@pytest.mark.parametrize("answer", LIES.values(), ids=LIES)
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer):
        await allocators.ask(FakeShell(answer), 1.0)


@QUICK
@given(lies(TRUTH))
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(answer: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await allocators.ask(FakeShell(answer), 1.0)


async def test_no_part_of_the_answer_is_taken_for_granted() -> None:
    for answer in every_small_lie(TRUTH):
        with contextlib.suppress(UnexpectedAnswer):
            await allocators.ask(FakeShell(answer), 1.0)
