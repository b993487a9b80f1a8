from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from agent.errors import DeadlineExceeded, UnexpectedAnswer, WorkerDied
from agent.probes import watched_tables
from agent.probes.watched_tables import WatchedName
from agent.terms import Atom, Term
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies
from tests.terms_strategies import QUICK

SUMS: Term = (1, 10, 1_000, 0)
ABSENT: Term = (0, 0, 0, 0)


async def ask(names: tuple[str, ...], answer: Term) -> tuple[WatchedName, ...]:
    return (await watched_tables.ask(names, FakeShell(answer), 1.0)).tables


async def test_every_figure_has_its_place() -> None:
    (found,) = await ask(("receipt_ledger",), [(5, 70_000, 9_000_000, 2)])
    assert found == WatchedName("receipt_ledger", count=7, not_measured=2, size=70_000, memory_bytes=9_000_000)


async def test_a_name_that_no_table_has_is_not_an_empty_table() -> None:
    absent, empty = await ask(("nobody", "receipt_ledger"), [ABSENT, (1, 0, 1_112, 0)])
    assert (absent.name, absent.count) == ("nobody", 0)
    assert (empty.name, empty.count, empty.size) == ("receipt_ledger", 1, 0)


async def test_each_name_is_asked_for_once_as_a_binary_and_without_quotes() -> None:
    shell = FakeShell([SUMS, ABSENT, ABSENT])
    found = await watched_tables.ask(("b", "'a'", "b", "a", "größe"), shell, 1.0)
    assert [one.name for one in found.tables] == ["b", "a", "größe"]
    assert shell.evaluations[0].bindings["Watch"] == [b"b", b"a", "größe".encode()]


async def test_it_is_a_sweep_with_a_heap_in_proportion_to_the_node() -> None:
    async def heap_words(count: int) -> int:
        shell = FakeShell([], {"erlang:system_info": count})
        await watched_tables.ask((), shell, 1.0)
        (asked,) = shell.evaluations
        assert asked.is_sweep
        assert shell.calls == [("erlang:system_info", [Atom("ets_count")])]
        return asked.max_heap_words

    assert await heap_words(20_000) > await heap_words(0)


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), WorkerDied("heap")])
async def test_a_sweep_that_fails_says_why(error: Exception) -> None:
    with pytest.raises(type(error)):
        await watched_tables.ask((), FakeShell(error), 1.0)


TRUTH: Term = [SUMS]


@pytest.mark.parametrize("answer", [Atom("ok"), [], [SUMS, SUMS], [(1, 2, 3)], [(-1, 0, 0, 0)], [(1, 0, b"", 0)]])
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer):
        await ask(("receipt_ledger",), answer)


@QUICK
@given(lies(TRUTH))
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(answer: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await ask(("receipt_ledger",), answer)


async def test_no_part_of_the_answer_is_taken_for_granted() -> None:
    for answer in every_small_lie(TRUTH):
        with contextlib.suppress(UnexpectedAnswer):
            await ask(("receipt_ledger",), answer)
