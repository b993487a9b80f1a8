from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from agent.errors import UnexpectedAnswer
from agent.probes import applications
from agent.probes.applications import MAX_APPLICATIONS, Application, Applications, ApplicationState
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Term
from tests.agent.probes.supervisor_terms import NONE, pid
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies
from tests.terms_strategies import QUICK

TOP: Term = [(pid(50), Atom("kernel_sup"))]


def loaded(
    name: str,
    tops: Term = NONE,
    *,
    includes: tuple[str, ...] = (),
    library: Term = FALSE,
    needs: tuple[str, ...] = (),
) -> tuple[Term, ...]:
    """An application as ``applications.expr`` gives it."""
    included: Term = [Atom(each) for each in includes]
    needed: Term = [Atom(each) for each in needs]
    return (Atom(name), b"1.0", b"for tests", included, library, tops, needed)


async def ask(*found: Term) -> Applications:
    return await applications.ask(FakeShell(list(found)), 1.0)


async def test_every_field_has_its_place() -> None:
    running = Application("kernel", "1.0", "for tests", ApplicationState.RUNNING, "<0.50.0>", "kernel_sup")
    assert await ask(loaded("kernel", TOP)) == Applications((running,))


async def test_each_state() -> None:
    found = await ask(
        loaded("crashed"),
        loaded("kernel", TOP),
        loaded("part"),
        loaded("starting", []),
        loaded("stdlib", library=TRUE),
        loaded("whole", TOP, includes=("part",)),
    )
    assert {each.name: each.state for each in found.applications} == {
        "crashed": ApplicationState.NOT_RUNNING,
        "kernel": ApplicationState.RUNNING,
        "part": ApplicationState.INCLUDED,
        "starting": ApplicationState.STARTING,
        "stdlib": ApplicationState.LIBRARY,
        "whole": ApplicationState.RUNNING,
    }
    assert found.not_running == ("crashed",)


async def test_who_runs_and_needs_one_that_does_not_is_told_and_nobody_else() -> None:
    found = await ask(
        loaded("gone", needs=("kernel", "syslog")),
        loaded("kernel", TOP),
        loaded("rabbit", TOP, needs=("kernel", "syslog")),
        loaded("syslog"),
    )
    assert {each.name: each.needed_by for each in found.applications if each.needed_by} == {"syslog": ("rabbit",)}


async def test_a_top_process_without_a_name_has_none() -> None:
    (one,) = (await ask(loaded("odd", [(pid(50), [])]))).applications
    assert (one.top, one.top_name) == ("<0.50.0>", None)


async def test_more_than_the_limit_are_left_out_and_still_know_what_they_include() -> None:
    many = [loaded(f"app{number:05}") for number in range(MAX_APPLICATIONS)]
    found = await ask(*many, loaded("whole", includes=("app00000",)))
    assert len(found.applications) == MAX_APPLICATIONS
    assert found.applications[0].state is ApplicationState.INCLUDED
    assert found.left_out == (f"applications after the first {MAX_APPLICATIONS}",)


async def test_it_is_a_sweep() -> None:
    shell = FakeShell([])
    assert (await applications.ask(shell, 1.0)).complete
    assert [asked.is_sweep for asked in shell.evaluations] == [True]


@pytest.mark.parametrize(
    "lie",
    [
        UNDEFINED,
        [Atom("kernel")],
        [(*loaded("kernel")[:5], TRUE, [])],
        [(*loaded("kernel")[:6], TRUE)],
        [loaded("kernel", [pid(50)])],
        [(list(b"kernel"), *loaded("kernel")[1:])],
        [(*loaded("kernel")[:1], list(b"1.0"), *loaded("kernel")[2:])],
    ],
)
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(lie: Term) -> None:
    with pytest.raises(UnexpectedAnswer, match="the node gives"):
        await applications.ask(FakeShell(lie), 1.0)


TRUTH: Term = [loaded("kernel", TOP), loaded("whole", includes=("part",)), loaded("part", library=TRUE)]


@given(said=lies(TRUTH))
@QUICK
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(said: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await applications.ask(FakeShell(said), 1.0)


async def test_no_part_of_the_answer_is_taken_for_granted() -> None:
    for said in every_small_lie(TRUTH):
        with contextlib.suppress(UnexpectedAnswer):
            await applications.ask(FakeShell(said), 1.0)
