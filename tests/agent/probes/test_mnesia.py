from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from agent.errors import DeadlineExceeded, UnexpectedAnswer, WorkerDied
from agent.probes import mnesia
from agent.probes.mnesia import MAX_TABLES, MnesiaTable, RunningMnesia
from agent.terms import UNDEFINED, Atom, Term
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies, replaced
from tests.terms_strategies import QUICK

TABLES: list[Term] = [(Atom("sessions"), 0, 2_440), (Atom("receipts"), 70, 9_000_000)]
TRUTH: tuple[Term, ...] = ([3, 1], [5, 900, 7, 40], 2, 2, 0, 9_002_440, TABLES)


async def running(answer: Term) -> RunningMnesia:
    found = (await mnesia.ask(FakeShell(answer), 1.0)).running
    assert found is not None
    return found


async def test_every_figure_has_its_place() -> None:
    assert await running(TRUTH) == RunningMnesia(
        held_locks=3,
        lock_queue=1,
        failed_transactions=5,
        committed_transactions=900,
        restarted_transactions=7,
        logged_transactions=40,
        memory_bytes=9_002_440,
        tables=(MnesiaTable("receipts", 70, 9_000_000), MnesiaTable("sessions", 0, 2_440)),
    )


async def test_where_it_does_not_run_that_is_known() -> None:
    assert (await mnesia.ask(FakeShell(Atom("none")), 1.0)).running is None


async def test_without_its_lock_manager_the_locks_are_not_known() -> None:
    found = await running(replaced(TRUTH, 0, [UNDEFINED, UNDEFINED]))
    assert (found.held_locks, found.lock_queue) == (None, None)


async def test_what_is_not_measured_and_what_does_not_fit_is_said() -> None:
    found = await running(([3, 1], [5, 900, 7, 40], 270, 230, 10, 9_002_440, TABLES * 100))
    assert len(found.tables) == MAX_TABLES
    assert [text.rpartition(": ")[2] for text in found.left_out] == ["30", "10", "30"]


async def test_it_is_a_sweep_within_a_limit() -> None:
    shell = FakeShell(Atom("none"))
    await mnesia.ask(shell, 1.5)
    (asked,) = shell.evaluations
    assert asked.is_sweep
    assert asked.max_heap_words == mnesia.HEAP_WORDS


def test_no_function_of_mnesia_nor_of_dets_is_called() -> None:
    assert "mnesia:" not in "".join(
        line for line in mnesia.LOOK.body.splitlines(keepends=True) if not line.lstrip().startswith("%")
    )
    assert "dets:" not in mnesia.LOOK.body


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), WorkerDied("heap")])
async def test_a_sweep_that_fails_says_why(error: Exception) -> None:
    with pytest.raises(type(error)):
        await mnesia.ask(FakeShell(error), 1.0)


# ----------------------------------------------------------------------------------------------------- nodes that lie

LIES: dict[str, Term] = {
    "another atom": Atom("ok"),
    "a lock too few": replaced(TRUTH, 0, [3]),
    "a negative total": replaced(TRUTH, 1, [5, 900, -7, 40]),
    "tables that are none": replaced(TRUTH, 6, Atom("none")),
    "a table without a name": replaced(TRUTH, 6, [(b"receipts", 70, 9_000_000)]),
    "more tables than were asked for": replaced(TRUTH, 6, TABLES * MAX_TABLES),
}


@pytest.mark.parametrize("answer", LIES.values(), ids=LIES)
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer):
        await mnesia.ask(FakeShell(answer), 1.0)


@QUICK
@given(lies(TRUTH))
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(answer: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await mnesia.ask(FakeShell(answer), 1.0)


async def test_no_part_of_the_answer_is_taken_for_granted() -> None:
    for answer in every_small_lie(TRUTH):
        with contextlib.suppress(UnexpectedAnswer):
            await mnesia.ask(FakeShell(answer), 1.0)
