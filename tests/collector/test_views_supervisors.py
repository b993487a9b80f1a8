"""What the answers about supervisors and governors are made of, and which questions they need."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.probes.governor_ages import AgedGovernors
from agent.probes.governors import Governor, Sightings
from agent.probes.process import NoProcess
from agent.probes.supervision_tree import Root, SupervisionTree
from agent.supervision import ChildState, Status, Supervisor
from collector.settings import Settings
from collector.views import NotFound
from collector.views.governors import (
    GOVERNOR,
    GOVERNORS,
    GovernorAnswer,
    GovernorQuery,
    GovernorsAnswer,
    GovernorsQuery,
)
from collector.views.supervisors import (
    SUPERVISOR,
    SUPERVISORS,
    SupervisorAnswer,
    SupervisorQuery,
    SupervisorsAnswer,
    SupervisorsQuery,
)
from tests.collector_results import (
    AGED_GOVERNORS,
    GOVERNORS_FOUND,
    STATE_FOUND,
    SUBTREE_FOUND,
    TREE_FOUND,
    below,
    found,
    supervisor,
)


def tree(*tops: Supervisor) -> SupervisorsAnswer:
    trees = SupervisionTree(tuple(Root("some", None, top) for top in tops))
    return SupervisorsAnswer.of(found("supervision_tree", trees), SupervisorsQuery())


# --------------------------------------------------------------------------------------------------------- supervisors


def test_what_is_no_supervisor_is_not_counted_as_one() -> None:
    pool = Supervisor("<0.93.0>", None, Status.NOT_A_SUPERVISOR)
    gone = Supervisor("<0.94.0>", None, Status.GONE)
    stuck = Supervisor("<0.95.0>", None, Status.NOT_ANSWERING)
    assert tree(supervisor("<0.1.0>", "top", *map(below, (pool, gone, stuck)))).supervisor_count == 2


def test_the_tree_is_as_deep_as_it_was_found() -> None:
    top = supervisor("<0.0.0>", "sup_0")
    for level in range(1, 32):
        top = supervisor(f"<0.{level}.0>", f"sup_{level}", below(top))
    row, names = tree(top).roots[0].supervisor, []
    while row is not None:
        names.append(row.name)
        row = row.children[0].supervisor if row.children else None
    assert names == [f"sup_{level}" for level in reversed(range(32))]


def test_the_restarts_that_are_left_are_told() -> None:
    row = tree(supervisor("<0.1.0>", "top", intensity=5, restarts=2)).roots[0].supervisor
    assert row is not None
    assert row.budget_left == 3


def test_restarts_that_are_not_known_are_null_and_not_zero() -> None:
    row = tree(supervisor("<0.1.0>", "top", restarts=None)).roots[0].supervisor
    assert row is not None
    assert row.budget_left is None


def test_a_root_without_a_supervisor_says_why() -> None:
    answer = SupervisorsAnswer.of(found("supervision_tree", TREE_FOUND), SupervisorsQuery())
    assert answer.roots[1].supervisor is None
    assert answer.roots[1].why == "nobody is registered under this name"
    assert not answer.complete


def test_the_supervisors_of_the_settings_are_roots_too() -> None:
    question = SUPERVISORS.question(SupervisorsQuery(), Settings(extra_supervisors=("lonely_sup",)))
    assert question.arguments == ("lonely_sup",)
    assert question.is_sweep


def test_one_supervisor_is_a_lookup_of_its_own() -> None:
    one, other = (SUPERVISOR.question(SupervisorQuery(name=name), Settings()) for name in ("a", "b"))
    assert one.key != other.key
    assert not one.is_sweep


def test_the_supervisor_that_was_asked_for_is_the_answer() -> None:
    answer = SupervisorAnswer.of(found("supervisor", SUBTREE_FOUND), SupervisorQuery(name="billing_sup"))
    assert answer.supervisor.name == "billing_sup"
    assert answer.complete


def test_a_name_of_no_process_is_answered_with_the_nearest() -> None:
    missing = found("supervisor", NoProcess("governor_sup", ("governance_sup",)))
    with pytest.raises(NotFound, match="no process is registered as governor_sup; the nearest that exist: governance"):
        SupervisorAnswer.of(missing, SupervisorQuery(name="governor_sup"))


@pytest.mark.parametrize("top", [None, Supervisor("<0.9.0>", None, Status.GONE)])
def test_a_supervisor_that_ends_while_it_is_looked_up_is_not_found(top: Supervisor | None) -> None:
    gone = found("supervisor", SupervisionTree((Root(None, "<0.9.0>", top),)))
    with pytest.raises(NotFound, match=r"no process 0\.9\.0 is alive"):
        SupervisorAnswer.of(gone, SupervisorQuery(name="0.9.0"))


# ----------------------------------------------------------------------------------------------------------- governors


def governor(pid: str | None, queue: int | None = 0) -> Governor:
    state = ChildState.UNDEFINED if pid is None else ChildState.RUNNING
    return Governor(f"governor_{pid}", "billing_sup", pid, state, queue, None)


def listed(*governors: Governor, limit: int = 100) -> list[str | None]:
    aged = AgedGovernors(replace(GOVERNORS_FOUND, governors=governors), Sightings(), 0.0)
    answer = GovernorsAnswer.of(found("governors", aged), GovernorsQuery(limit=limit))
    return [row.pid for row in answer.governors]


def test_governors_are_in_the_order_of_the_tree() -> None:
    assert listed(governor("<0.3.0>", 1), governor("<0.1.0>", 9), governor(None)) == ["<0.3.0>", "<0.1.0>", None]


def test_of_more_governors_than_are_wanted_the_worst_are_shown() -> None:
    many = [governor(f"<0.{number}.0>", number) for number in range(1, 50)]
    assert listed(*many, governor(None), limit=3) == [None, "<0.49.0>", "<0.48.0>"]


def test_the_age_of_a_governor_is_told_by_its_bounds() -> None:
    answer = GovernorsAnswer.of(found("governors", AGED_GOVERNORS), GovernorsQuery())
    bounds = [(row.age_at_least_seconds, row.age_at_most_seconds) for row in answer.governors]
    from_the_start, later, without_a_process = bounds
    assert from_the_start == (3_660.0, GOVERNORS_FOUND.uptime_seconds)
    assert later == (60.0, 75.0)
    assert without_a_process == (None, None)


def test_the_governors_of_the_settings_are_asked_for() -> None:
    question = GOVERNORS.question(GovernorsQuery(), Settings(governor_supervisors=("a_sup", "b_sup")))
    assert question.arguments == ("a_sup", "b_sup")
    assert question.is_sweep


def test_one_governor_is_a_lookup_of_its_own() -> None:
    one, other = (GOVERNOR.question(GovernorQuery(pid=pid), Settings()) for pid in ("a", "b"))
    assert one.key != other.key
    assert not one.is_sweep


def test_a_state_that_is_not_told_is_null_with_the_reason() -> None:
    silent = replace(STATE_FOUND, state=None, why_not="not answering")
    answer = GovernorAnswer.of(found("governor", silent), GovernorQuery(pid="0.120.0"))
    assert (answer.state, answer.why_not) == (None, "not answering")


def test_a_name_of_no_governor_is_answered_with_the_nearest() -> None:
    missing = found("governor", NoProcess("{x,1}", ("{x,2}",)))
    with pytest.raises(NotFound, match=r"no single governor is \{x,1\}; the nearest that exist: \{x,2\}"):
        GovernorAnswer.of(missing, GovernorQuery(pid="{x,1}"))


def test_a_governor_that_ends_while_it_is_asked_is_not_found() -> None:
    gone = replace(STATE_FOUND, state=None, why_not="gone")
    with pytest.raises(NotFound, match=r"no process 0\.120\.0 is alive"):
        GovernorAnswer.of(found("governor", gone), GovernorQuery(pid="0.120.0"))
