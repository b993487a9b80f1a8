from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from agent.errors import UnexpectedAnswer
from agent.probes import busy
from agent.probes.processes import TOP
from agent.probes.sweep import HEAP_WORDS
from agent.terms import FALSE, Atom, Term
from tests.agent.probes.process_terms import row
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies, replaced
from tests.terms_strategies import QUICK


def looked_twice(*busiest: Term) -> tuple[Term, ...]:
    """What ``busy.expr`` gives."""
    return (412, 250_310, 2_408_001, list(busiest))


async def ask(*busiest: Term) -> busy.Busy:
    return await busy.ask(FakeShell(looked_twice(*busiest)), 1.0)


def pids(found: busy.Busy) -> list[str]:
    return [one.process.pid for one in found.busiest]


async def test_every_figure_has_its_place() -> None:
    found = await ask((1_204_551, row(7, reductions=9_000_000)))
    assert (found.processes, found.window_seconds, found.reductions) == (412, 0.25031, 2_408_001)
    (busiest,) = found.busiest
    assert busiest.reductions_in_window == 1_204_551
    assert busiest.process.pid == "<0.7.0>"
    assert busiest.process.reductions == 9_000_000


async def test_the_busiest_comes_first_by_the_window_and_not_by_its_life() -> None:
    found = await ask((5, row(1, reductions=900)), (7, row(2, reductions=8)), (6, row(3, reductions=70)))
    assert pids(found) == ["<0.2.0>", "<0.3.0>", "<0.1.0>"]


async def test_equally_busy_ones_stay_in_the_order_of_their_pids() -> None:
    assert pids(await ask(*((5, row(number)) for number in (9, 10, 100)))) == ["<0.9.0>", "<0.10.0>", "<0.100.0>"]


async def test_a_process_that_has_died_meanwhile_is_in_no_row() -> None:
    assert pids(await ask((5, row(1)), (6, FALSE))) == ["<0.1.0>"]


async def test_more_rows_than_were_asked_for_are_cut() -> None:
    found = await ask(*((number, row(number)) for number in range(TOP + 50)))
    assert len(found.busiest) == TOP
    assert found.busiest[0].reductions_in_window == TOP + 49


async def test_it_looks_for_as_long_as_it_is_told_and_that_is_beside_the_deadline() -> None:
    shell = FakeShell(looked_twice(), {"erlang:system_info": 1_000_000})
    await busy.ask(shell, 2.0, 0.25)
    (asked,) = shell.evaluations
    assert asked.bindings["Pause"] == 250
    assert 2.0 < asked.deadline_seconds <= 2.25
    assert asked.max_heap_words == HEAP_WORDS + 1_000_000 * busy.HEAP_WORDS_PER_PROCESS
    assert asked.is_sweep


@pytest.mark.parametrize(
    "answer",
    [
        Atom("ok"),
        looked_twice()[:3],
        replaced(looked_twice(), 0, -1),
        replaced(looked_twice(), 1, 1.0),
        replaced(looked_twice(), 2, 1 << 64),
        replaced(looked_twice(), 3, Atom("none")),
        looked_twice(Atom("gone")),
        looked_twice((1, Atom("gone"))),
        looked_twice((-1, row(1))),
        looked_twice((1, row(1)[:-1])),
    ],
    ids=str,
)
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer, match="the node gives"):
        await busy.ask(FakeShell(answer), 1.0)


@given(answer=lies(looked_twice((7, row(1)), (6, FALSE))))
@QUICK
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(answer: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await busy.ask(FakeShell(answer), 1.0)


async def test_no_part_of_the_answer_is_taken_for_granted() -> None:
    for answer in every_small_lie(looked_twice((7, row(1)))):
        with contextlib.suppress(UnexpectedAnswer):
            await busy.ask(FakeShell(answer), 1.0)
