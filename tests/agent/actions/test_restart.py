"""What the worker that restarts a child reports, as it is read."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given

from agent.actions import restart
from agent.actions.restart import Changed, Done, Locked, Start, read_report
from agent.errors import UnexpectedAnswer
from agent.expression import Evaluated, Expression
from agent.probes.restart_rows import read_facts
from agent.restarting import NoFacts, Obstacle, RestartFacts
from agent.terms import UNDEFINED, Atom, Term
from tests.agent.probes.process_terms import pid
from tests.agent.probes.restart_terms import CHILD, facts
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies, replaced
from tests.terms_strategies import QUICK

TERMINATED = Atom("terminated")
NOT_LOOKED_AT = Atom("not_looked_at")
NOT_RUNNING = facts(child=replaced(CHILD, 1, UNDEFINED), processes=(0, 0, [], 0, []))


def report(
    outcome: Term, *, ended: Term = TERMINATED, after: Term = NOT_LOOKED_AT, tries: Term = 1
) -> tuple[Term, ...]:
    """What the worker gives when it has done it."""
    return (Atom("done"), ended, 1_500, outcome, tries, 250, after, 8)


def tagged(word: str, value: Term) -> Term:
    return (Atom(word), value)


def done(answer: Term) -> Done:
    found = read_report(answer)
    assert isinstance(found, Done)
    return found


@pytest.mark.parametrize(
    ("outcome", "start", "found_pid", "reason"),
    [
        (tagged("started", pid(61)), Start.STARTED, "<0.61.0>", None),
        (Atom("running"), Start.RUNNING, None, None),
        (Atom("ignored"), Start.IGNORED, None, "its start function said ignore"),
        (tagged("already_started", pid(90)), Start.ALREADY_STARTED, "<0.90.0>", "<0.90.0> has its name already"),
        (tagged("failed", b"{not_ready,2}"), Start.FAILED, None, "{not_ready,2}"),
        (Atom("not_found"), Start.NOT_FOUND, None, "its supervisor does not know it any more"),
        (tagged("supervisor_gone", b"noproc"), Start.SUPERVISOR_GONE, None, "noproc"),
    ],
)
def test_each_end_of_a_start_is_told(outcome: Term, start: Start, found_pid: str | None, reason: str | None) -> None:
    found = done(report(outcome, tries=3))
    assert (found.start, found.pid, found.reason, found.tries) == (start, found_pid, reason, 3)
    assert (found.shutdown_seconds, found.start_seconds) == (1.5, 0.25)
    assert found.not_ended_because is None


@pytest.mark.parametrize(
    ("ended", "because"),
    [(TERMINATED, None), (Atom("nothing_ran"), None), (tagged("not_terminated", b"not_found"), "not_found")],
)
def test_why_a_child_was_not_ended_is_told(ended: Term, because: str | None) -> None:
    assert done(report(Atom("running"), ended=ended)).not_ended_because == because


@pytest.mark.parametrize(
    ("outcome", "after", "is_up"),
    [
        (tagged("started", pid(60)), facts(), True),
        (tagged("started", pid(60)), NOT_RUNNING, False),  # it has died since
        (tagged("started", pid(60)), Atom("not_looked_at"), True),
        (Atom("running"), Atom("supervisor_gone"), True),
        (tagged("failed", b"x"), facts(), True),  # somebody else has started it
        (tagged("failed", b"x"), Atom("not_looked_at"), False),
        (tagged("already_started", pid(90)), NOT_RUNNING, False),
        (Atom("ignored"), NOT_RUNNING, False),
    ],
)
def test_whether_the_child_is_up_is_what_the_look_afterwards_says(outcome: Term, after: Term, *, is_up: bool) -> None:
    assert done(report(outcome, after=after)).is_up == is_up


def test_another_action_is_named_where_it_has_a_name() -> None:
    assert read_report((Atom("locked"), b"a-1")) == Locked("a-1")
    assert read_report((Atom("locked"), UNDEFINED)) == Locked(None)


def test_what_has_changed_is_told_as_it_is_now() -> None:
    assert read_report((Atom("changed"), facts(), 8)) == Changed(read_facts(facts(), 8))
    assert read_report((Atom("changed"), Atom("not_looked_at"), 8)) == Changed(None)
    assert read_report((Atom("changed"), Atom("supervisor_gone"), 8)) == Changed(NoFacts(Obstacle.SUPERVISOR_GONE))


class ActingFake(FakeShell):
    """One that can also be told to act."""

    def __init__(self, value: Term) -> None:
        super().__init__(value)
        self.acted: list[tuple[str, Mapping[str, Term], float]] = []

    async def evaluate_detached(
        self, expression: Expression, bindings: Mapping[str, Term], *, deadline_seconds: float
    ) -> Evaluated:
        self.acted.append((expression.name, bindings, deadline_seconds))
        assert not isinstance(self.value, Exception)
        return Evaluated(self.value, 0.001, 1_000)


def the_facts(answer: Term) -> RestartFacts:
    found = read_facts(answer, 8)
    assert isinstance(found, RestartFacts)
    return found


async def test_the_worker_gets_what_the_plan_stands_on() -> None:
    shell = ActingFake(report(Atom("running")))
    before = the_facts(facts())
    assert isinstance(await restart.execute(shell, before, "a-1", 100.0, 3), Done)
    ((name, bindings, deadline),) = shell.acted
    assert (name, deadline) == ("actions/restart", 100.0)
    assert bindings["Supervisor"] == pid(50)
    assert bindings["Child"] == pid(60)
    assert bindings["Expected"] == before.fingerprint
    assert (bindings["Action"], bindings["Retries"]) == (b"a-1", 3)


async def test_a_child_without_a_process_is_named_by_its_id() -> None:
    shell = ActingFake(report(Atom("running")))
    down = replace(the_facts(NOT_RUNNING), id='{a,<<"x y">>}')
    await restart.execute(shell, down, "a-1", float("inf"), 0)
    ((_, bindings, deadline),) = shell.acted
    assert bindings["Child"] == b'{a,<<"xy">>}'
    assert deadline == 1e6


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(Atom("none"), None), (tagged("held", b"a-1"), "a-1"), (tagged("held", UNDEFINED), "")],
)
async def test_who_holds_the_lock_is_told(answer: Term, expected: str | None) -> None:
    assert await restart.holder(FakeShell(answer), 1.0) == expected


async def test_another_answer_for_the_lock_is_unexpected() -> None:
    with pytest.raises(UnexpectedAnswer):
        await restart.holder(FakeShell(Atom("held")), 1.0)


TRUTHS: tuple[Term, ...] = (
    (Atom("locked"), b"a-1"),
    (Atom("changed"), facts(), 8),
    report(tagged("started", pid(61)), after=facts()),
    report(tagged("failed", b"x"), ended=tagged("not_terminated", b"y")),
)


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
@pytest.mark.parametrize("truth", TRUTHS)
def test_no_part_of_a_report_is_taken_for_granted(truth: Term) -> None:
    for said in every_small_lie(truth):
        with contextlib.suppress(UnexpectedAnswer):
            read_report(said)


@given(said=lies(TRUTHS[2]))
@QUICK
def test_whatever_a_node_reports_ends_in_a_report_or_an_unexpected_answer(said: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        read_report(said)
