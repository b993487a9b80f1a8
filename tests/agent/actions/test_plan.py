"""Which guard refuses what, and what a plan says."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from agent.actions.guards import Guard, Refusal
from agent.actions.plan import (
    Accepted,
    Action,
    Past,
    Plan,
    Policy,
    make_plan,
    names_to_accept,
    shutdown_limit_seconds,
)
from agent.restarting import (
    NamedProcess,
    NoFacts,
    NotAsked,
    Obstacle,
    RestartFacts,
    SharedSpec,
    Subtree,
    Tables,
    TemporaryChild,
)
from agent.supervision import ChildState, Kind, Status, Supervisor
from agent.terms import Atom, Pid

NODE = Atom("tai@127.0.0.1")
SUPERVISOR = Supervisor(
    pid="<0.50.0>",
    name="receipt_ledger_sup",
    status=Status.RUNNING,
    kind=Kind.SUPERVISOR,
    strategy="one_for_one",
    intensity=5,
    period_seconds=60,
    restarts=0,
)
SUBTREE = Subtree(
    processes=1,
    named=1,
    names=(NamedProcess("<0.60.0>", "receipt_store"),),
    told_count=0,
    told=(),
    supervisors=0,
    static_children=0,
    temporary_count=0,
    temporary=(),
    shared=(),
    not_asked=(),
    shutdown_milliseconds=5_000,
    is_shutdown_known=True,
)
FACTS = RestartFacts(
    supervisor=SUPERVISOR,
    supervisor_pid=Pid(NODE, 50, 0, 7),
    id="receipt_store",
    child_pid=Pid(NODE, 60, 0, 7),
    state=ChildState.RUNNING,
    type="worker",
    restart="permanent",
    shutdown=5_000,
    significant=False,
    supervisor_application="tai_autonomics",
    application="tai_autonomics",
    subtree=SUBTREE,
    lost_tables=Tables(),
    kept_tables=Tables(),
    fingerprint=b"0123456789abcdef",
)
NOT_RUNNING = replace(SUBTREE, processes=0, named=0, names=())
DOWN = replace(FACTS, state=ChildState.UNDEFINED, child_pid=None, application=None, subtree=NOT_RUNNING)
WITH_ROWS = replace(FACTS, lost_tables=Tables(2, 15, 4_000, ("receipt_ledger", "billing_state_<0.90.0>")))
TEMPORARY = TemporaryChild('{billing_governor,<<"acme">>}', "<0.70.0>", "<0.51.0>")
WITH_TEMPORARY = replace(FACTS, subtree=replace(SUBTREE, temporary_count=1, temporary=(TEMPORARY,)))
SHARED = SharedSpec("<0.52.0>", "pool_sup", "permanent", 4)
NO_TIME, ANY = Past(), Policy()


def plan(
    facts: RestartFacts | NoFacts,
    *,
    accepted: Accepted | None = None,
    policy: Policy = ANY,
    past: Past = NO_TIME,
    creation: int = 7,
    instance_id: str | None = "i-1",
) -> Plan:
    return make_plan(
        facts,
        creation=creation,
        instance_id=instance_id,
        accepted=accepted or Accepted(),
        policy=policy,
        past=past,
    )


def guards(found: Plan) -> list[Guard]:
    return [refusal.guard for refusal in found.refusals]


def refusal(found: Plan) -> Refusal:
    (only,) = found.refusals
    return only


def supervised_by(**changed: object) -> RestartFacts:
    return replace(FACTS, supervisor=replace(SUPERVISOR, **changed))  # type: ignore[arg-type]  # as the test says


def with_subtree(**changed: object) -> RestartFacts:
    return replace(FACTS, subtree=replace(SUBTREE, **changed))  # type: ignore[arg-type]  # as the test says


def test_an_ordinary_child_may_be_restarted() -> None:
    found = plan(FACTS)
    assert (found.action, found.is_allowed, found.warnings) == (Action.RESTART, True, ())


@pytest.mark.parametrize(
    ("facts", "guard"),
    [
        (supervised_by(kind=Kind.DYNAMIC_SUPERVISOR), Guard.NOT_OTP_SUPERVISOR),
        (supervised_by(kind=Kind.TASK_SUPERVISOR), Guard.NOT_OTP_SUPERVISOR),
        (supervised_by(kind=Kind.SUPERVISOR2), Guard.NOT_OTP_SUPERVISOR),
        (supervised_by(kind=Kind.RANCH_CONNS_SUP), Guard.NOT_OTP_SUPERVISOR),
        (supervised_by(kind=None), Guard.NOT_OTP_SUPERVISOR),
        (replace(FACTS, application="kernel"), Guard.APPLICATION_NOT_ALLOWED),
        (replace(FACTS, supervisor_application="kernel"), Guard.APPLICATION_NOT_ALLOWED),
        (replace(FACTS, application=None), Guard.APPLICATION_NOT_ALLOWED),
        (replace(DOWN, supervisor_application=None), Guard.APPLICATION_NOT_ALLOWED),
        (replace(FACTS, restart="temporary"), Guard.TEMPORARY_CHILD),
        (replace(DOWN, state=ChildState.RESTARTING), Guard.ALREADY_RESTARTING),
        (replace(FACTS, state=ChildState.UNKNOWN, subtree=NOT_RUNNING), Guard.CHILD_ELSEWHERE),
        (supervised_by(restarts=5), Guard.BUDGET_USED_UP),
        (WITH_ROWS, Guard.DATA_LOSS),
        (WITH_TEMPORARY, Guard.CHILDREN_LOST),
        (with_subtree(shared=(SHARED,)), Guard.CHILDREN_LOST),
    ],
)
def test_each_guard_refuses_what_it_is_for(facts: RestartFacts, guard: Guard) -> None:
    assert guards(plan(facts)) == [guard]


@pytest.mark.parametrize(
    "facts",
    [
        DOWN,
        supervised_by(kind=Kind.ELIXIR_SUPERVISOR),
        supervised_by(kind=Kind.PARTITION_SUPERVISOR),
        supervised_by(restarts=4),
        supervised_by(restarts=0, intensity=0),
        replace(FACTS, restart="transient"),
        replace(FACTS, kept_tables=Tables(1, 5, 100)),
        with_subtree(shared=(replace(SHARED, count=0),)),
    ],
)
def test_no_guard_refuses_what_does_no_harm(facts: RestartFacts) -> None:
    assert plan(facts).refusals == ()


def test_all_guards_that_refuse_are_named_at_once() -> None:
    facts = replace(WITH_TEMPORARY, lost_tables=WITH_ROWS.lost_tables, restart="temporary", application="stdlib")
    assert guards(plan(facts)) == [
        Guard.APPLICATION_NOT_ALLOWED,
        Guard.TEMPORARY_CHILD,
        Guard.DATA_LOSS,
        Guard.CHILDREN_LOST,
    ]


LOOKED_AT = replace(SUPERVISOR, current_function="proc_lib:sync_start_link/2", message_queue_len=3)


@pytest.mark.parametrize(
    ("facts", "guard", "says"),
    [
        (NoFacts(Obstacle.APPLICATION_TOP, application="tai_autonomics"), Guard.APPLICATION_TOP, "tai_autonomics"),
        (NoFacts(Obstacle.NO_PARENT), Guard.NO_SUPERVISOR, "name the supervisor"),
        (NoFacts(Obstacle.SUPERVISOR_GONE), Guard.NO_SUPERVISOR, "has ended"),
        (NoFacts(Obstacle.NOT_ASKED), Guard.NO_SUPERVISOR, "has ended"),
        (NoFacts(Obstacle.TOO_MANY), Guard.TOO_LARGE, "more processes"),
        (NoFacts(Obstacle.SHARED_SPEC, SUPERVISOR), Guard.SHARED_SPEC, "simple_one_for_one"),
        (
            NoFacts(Obstacle.SHARED_SPEC, replace(SUPERVISOR, kind=Kind.DYNAMIC_SUPERVISOR)),
            Guard.NOT_OTP_SUPERVISOR,
            "DynamicSupervisor",
        ),
        (
            NoFacts(Obstacle.SHARED_SPEC, replace(SUPERVISOR, status=Status.UNKNOWN_STATE)),
            Guard.NOT_OTP_SUPERVISOR,
            "release that we do not know",
        ),
        (
            NoFacts(Obstacle.NOT_OTP, replace(SUPERVISOR, kind=Kind.SUPERVISOR2)),
            Guard.NOT_OTP_SUPERVISOR,
            "supervisor2",
        ),
        *(
            (NoFacts(Obstacle.NOT_ASKED, replace(LOOKED_AT, status=status)), guard, says)
            for status, guard, says in [
                (Status.SUSPENDED, Guard.SUPERVISOR_SUSPENDED, "sys:suspend"),
                (Status.NOT_A_SUPERVISOR, Guard.NOT_A_SUPERVISOR, "no supervisor"),
                (Status.UNKNOWN_STATE, Guard.NOT_OTP_SUPERVISOR, "release that we do not know"),
                (Status.KIND_UNKNOWN, Guard.NOT_OTP_SUPERVISOR, "release that we do not know"),
                (Status.TOO_LARGE, Guard.TOO_LARGE, "receipt_ledger_sup"),
                (Status.NOT_ANSWERING, Guard.SUPERVISOR_NOT_ANSWERING, "proc_lib:sync_start_link/2 with 3 messages"),
            ]
        ),
    ],
)
def test_what_could_not_be_looked_at_is_refused_and_says_why(facts: NoFacts, guard: Guard, says: str) -> None:
    found = plan(facts)
    assert refusal(found).guard is guard
    assert says in refusal(found).detail


def test_a_child_that_does_not_run_is_started_and_nothing_is_said_of_an_end() -> None:
    down = replace(DOWN, supervisor=replace(SUPERVISOR, strategy="one_for_all"))
    dead = replace(FACTS, state=ChildState.TERMINATED, application=None, subtree=NOT_RUNNING)
    assert [(plan(each).action, plan(each).warnings) for each in (down, dead)] == [(Action.START, ())] * 2


@pytest.mark.parametrize(
    ("accepted", "is_allowed"),
    [
        (Accepted(tables=("receipt_ledger", "billing_state_<0.90.0>")), True),
        (Accepted(tables=("receipt_ledger", "billing_state_*")), True),
        (Accepted(tables=("receipt_ledger",)), False),
        (Accepted(tables=("receipt_*",)), False),
        (Accepted(tables=("*",)), False),  # who says that says nothing
        (Accepted(children=True), False),
    ],
)
def test_rows_are_lost_only_of_tables_that_were_named(accepted: Accepted, *, is_allowed: bool) -> None:
    assert plan(WITH_ROWS, accepted=accepted).is_allowed == is_allowed


def test_a_refusal_names_what_to_accept_and_no_more_than_a_person_reads() -> None:
    names = (*(f"billing_state_<0.{n}.0>" for n in range(100)), *(f"table_{n}" for n in range(10)))
    found = plan(replace(FACTS, lost_tables=Tables(110, 110, 1, names)))
    assert "billing_state_*, table_0, table_1, table_2, table_3 and 6 more" in refusal(found).detail
    assert names_to_accept(names)[0] == "billing_state_*"
    assert plan(
        replace(FACTS, lost_tables=Tables(110, 110, 1, names)), accepted=Accepted(names_to_accept(names))
    ).is_allowed


def test_a_table_whose_name_is_a_pid_alone_is_accepted_by_it() -> None:
    assert names_to_accept(["<0.90.0>"]) == ("<0.90.0>",)


def test_children_are_lost_only_when_that_was_accepted() -> None:
    assert plan(WITH_TEMPORARY, accepted=Accepted(children=True)).is_allowed


@pytest.mark.parametrize(
    ("policy", "application", "is_allowed"),
    [
        (Policy(), "tai_autonomics", True),
        (Policy(), "ssl", False),
        (Policy(), "elixir", False),
        (Policy(denied_applications=("tai_autonomics",)), "tai_autonomics", False),
        (Policy(applications=("tai_autonomics",)), "tai_autonomics", True),
        (Policy(applications=("other",)), "tai_autonomics", False),
        (Policy(applications=("ssl",)), "ssl", True),
        (Policy(applications=("ssl",), denied_applications=("ssl",)), "ssl", False),
        (Policy(applications=("ssl",)), None, False),
    ],
)
def test_which_applications_are_allowed(policy: Policy, application: str | None, *, is_allowed: bool) -> None:
    assert policy.allows(application) == is_allowed


@pytest.mark.parametrize(
    ("past", "retry_after"),
    [
        (Past(on_this_child_seconds_ago=0.0), 60),
        (Past(on_this_child_seconds_ago=59.5), 1),
        (Past(on_this_node_seconds_ago=(599.0, 10.0, 20.0, 30.0, 40.0)), 1),
        (Past(on_this_node_seconds_ago=(10.0, 20.0, 30.0, 40.0, 500.0, 550.0)), 100),
    ],
)
def test_what_was_done_a_moment_ago_is_not_done_again(past: Past, retry_after: int) -> None:
    found = refusal(plan(FACTS, past=past))
    assert (found.guard, found.retry_after_seconds) == (Guard.COOLDOWN, retry_after)


@pytest.mark.parametrize(
    "past",
    [
        Past(on_this_child_seconds_ago=60.0),
        Past(on_this_node_seconds_ago=(1.0, 2.0, 3.0, 4.0)),
        Past(on_this_node_seconds_ago=(1.0, 2.0, 3.0, 4.0, 600.0)),
    ],
)
def test_what_was_done_long_ago_counts_no_more(past: Past) -> None:
    assert plan(FACTS, past=past).is_allowed


def test_a_budget_that_is_used_up_says_when_it_is_not_any_more() -> None:
    assert refusal(plan(supervised_by(restarts=7))).retry_after_seconds == 60


def test_a_budget_that_is_used_up_accuses_no_child() -> None:
    detail = refusal(plan(supervised_by(restarts=1, intensity=1, period_seconds=5))).detail
    assert "(1 within 5 s; it allows 1)" in detail
    assert "which of its children crashed is not recorded" in detail


def test_a_start_that_met_another_process_is_not_tried_while_that_one_is_there() -> None:
    found = refusal(plan(DOWN, past=Past(blocker="<0.90.0>")))
    assert found.guard is Guard.FAILED_BEFORE
    assert "<0.90.0>" in found.detail


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (supervised_by(restarts=None), "has left is not known"),
        (supervised_by(strategy="one_for_all"), "would restart siblings too"),
        (supervised_by(strategy="rest_for_one"), "would restart siblings too"),
        (with_subtree(shutdown_milliseconds=None, is_shutdown_known=False), "may take is not known"),
        (with_subtree(shutdown_milliseconds=None), "a child says infinity"),
        (with_subtree(told_count=1), "1 process outside is linked to it"),
        (with_subtree(told_count=2, told=(NamedProcess("<0.80.0>", None),)), "will be told of its end"),
        (
            with_subtree(told_count=2, told=(NamedProcess("<0.80.0>", None), NamedProcess("<0.81.0>", "port_owner"))),
            "keeps its name (port_owner)",
        ),
        (with_subtree(not_asked=(NotAsked("<0.80.0>", None, "busy"),)), "<0.80.0> below it was not asked (busy)"),
        (with_subtree(supervisors=1), "come back only if"),
    ],
)
def test_what_is_no_reason_to_refuse_is_a_warning(facts: RestartFacts, says: str) -> None:
    found = plan(facts)
    assert found.is_allowed
    (only,) = found.warnings
    assert says in only


@pytest.mark.parametrize(
    "other",
    [
        plan(FACTS, creation=8),
        plan(FACTS, instance_id="i-2"),
        plan(FACTS, instance_id=None),
        plan(supervised_by(pid="<0.51.0>")),
        plan(replace(FACTS, id="receipt_publisher")),
        plan(replace(FACTS, child_pid=Pid(NODE, 61, 0, 7))),
        plan(DOWN),
        plan(replace(FACTS, fingerprint=b"fedcba9876543210")),
        plan(NoFacts(Obstacle.NO_PARENT)),
    ],
)
def test_the_id_is_another_when_anything_that_it_stands_for_is(other: Plan) -> None:
    assert other.id != plan(FACTS).id


def test_the_id_is_the_same_whatever_is_accepted_and_was_done_before() -> None:
    again = plan(FACTS, accepted=Accepted(("x",), children=True), past=Past(on_this_child_seconds_ago=1.0))
    assert again.id == plan(FACTS).id


@pytest.mark.parametrize(("milliseconds", "seconds"), [(1_500, 1.5), (0, 0.0), (None, math.inf)])
def test_for_how_long_the_shutdown_may_take(milliseconds: int | None, seconds: float) -> None:
    assert shutdown_limit_seconds(with_subtree(shutdown_milliseconds=milliseconds)) == seconds
