"""What people see of each view. The answers are those of the golden files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from rich.console import RenderableType

from agent.probes.applications import Applications
from agent.probes.governors import Sightings
from agent.probes.processes import QUEUE_THRESHOLDS, Mailboxes, Queues
from agent.probes.supervision_tree import Root, SupervisionTree
from agent.supervision import Child, ChildState, Counts, Kind, Status, Supervisor
from collector.render.applications import applications_table
from collector.render.binaries import binaries_table
from collector.render.governors import governor_facts, governors_table
from collector.render.ports import ports_table
from collector.render.processes import busy_table, mailboxes_table, process_facts, processes_table
from collector.render.supervisors import supervisor_tree, supervisors_tree
from collector.render.tables import table_facts, tables_table
from collector.views.applications import APPLICATIONS, ApplicationsQuery
from collector.views.governors import GOVERNORS, GovernorsQuery
from collector.views.ports import PORTS, PortsQuery
from collector.views.processes import MAILBOXES, MailboxesQuery
from collector.views.supervisors import SUPERVISOR, SUPERVISORS, SupervisorQuery, SupervisorsQuery
from collector.views.tables import TABLES, TablesQuery
from tests import collector_results as made
from tests.collector.test_render import printed
from tests.collector_results import below, child, supervisor

DRAWINGS: Mapping[str, Callable[[], RenderableType]] = {
    "applications": lambda: applications_table(made.applications_answer),
    "binaries": lambda: binaries_table(made.binaries_answer),
    "binaries_processes": lambda: binaries_table(made.holders_answer),
    "busy": lambda: busy_table(made.busy_answer),
    "ets": lambda: tables_table(made.tables_answer),
    "governor": lambda: governor_facts(made.governor_answer),
    "governors": lambda: governors_table(made.governors_answer),
    "mailboxes": lambda: mailboxes_table(made.mailboxes_answer),
    "ports": lambda: ports_table(made.ports_answer),
    "process": lambda: process_facts(made.process_answer),
    "processes": lambda: processes_table(made.processes_answer),
    "supervisor": lambda: supervisor_tree(made.supervisor_answer),
    "supervisors": lambda: supervisors_tree(made.supervisors_answer),
    "table": lambda: table_facts(made.table_answer),
}


def test_every_answer_has_a_drawing() -> None:
    assert DRAWINGS.keys() == made.ANSWERS.keys()


@pytest.mark.parametrize("name", DRAWINGS)
@pytest.mark.parametrize("width", [40, 80, 120, 10_000])
def test_a_drawing_stays_within_its_width(name: str, width: int) -> None:
    lines = printed(DRAWINGS[name](), width).splitlines()
    assert lines
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("name", DRAWINGS)
def test_colors_are_for_terminals_alone(name: str) -> None:
    assert "\x1b[" in printed(DRAWINGS[name](), color=True)
    assert "\x1b[" not in printed(DRAWINGS[name]())


@pytest.mark.parametrize("name", [name for name, answer in made.ANSWERS.items() if answer.left_out])
def test_what_was_left_out_is_told_first(name: str) -> None:
    lines = printed(DRAWINGS[name](), 200).splitlines()
    assert lines[1] == f"not complete: {made.ANSWERS[name].left_out[0]}"


# --------------------------------------------------------------------------------------------------------- supervisors

TREE_AT_80 = """\
tai_autonomics@127.0.0.1, 03:14:07 UTC
not complete: 200000 children are counted and not listed: more than are listed
of one supervisor
not complete: the children of supervisors: 1 not answering
4 supervisors
tai_autonomics_sup <0.89.0> has no restart left: 0 of 5 left in 60 s
ledger_writer of billing_sup <0.102.0> not running, permanent
quota_sla_sup <0.104.0> not answering, in proc_lib:sync_start_link/2, 3 messages
wait
billing_sup <0.102.0> has restarted children: 4 of 5 left in 60 s

application tai_autonomics
└── tai_autonomics_sup <0.89.0> running, one_for_all, 0 of 5 left in 60 s
    ├── action_pool <0.93.0> not a supervisor
    ├── billing_sup <0.102.0> running, one_for_one, 4 of 5 left in 60 s
    │   ├── {billing_governor,<<"acme">>} <0.120.0> running
    │   └── ledger_writer not running, permanent
    ├── quota_sla_sup <0.104.0> not answering, in proc_lib:sync_start_link/2, 3
    │   messages wait
    └── connections <0.105.0> running, DynamicSupervisor, one_for_one, budget
        unknown
        └── 200,000 children: 199,990 running, 10 restarting (not listed: more
            than are listed of one supervisor)

outside of applications: lonely_sup, nobody is registered under this name"""


def tree_of(top: Supervisor, width: int = 120) -> list[str]:
    found = SupervisionTree((Root("some", None, top),))
    answer = made.answer(SUPERVISORS, SupervisorsQuery(), "supervision_tree", found)
    return printed(supervisors_tree(answer), width).splitlines()


def workers(number: int, **changes: Any) -> list[Child]:  # noqa: ANN401  # any field
    return [child(f"worker_{index}", f"<0.{1000 + index}.0>", **changes) for index in range(number)]


def test_a_tree_tells_first_what_is_not_as_it_should_be() -> None:
    assert printed(supervisors_tree(made.supervisors_answer)) == TREE_AT_80


def test_many_children_that_are_alike_and_run_are_one_line() -> None:
    lines = tree_of(supervisor("<0.1.0>", "top", *workers(300)))
    assert len(lines) == 6
    assert lines[-1].strip("└─ ") == "300 workers, permanent, of tai_worker, all running"


def test_few_children_are_shown_one_by_one() -> None:
    lines = tree_of(supervisor("<0.1.0>", "top", *workers(8)))
    assert sum("worker_" in line for line in lines) == 8


def test_a_child_that_does_not_run_is_seen_among_three_hundred() -> None:
    dead = child("dead_one", None, ChildState.UNDEFINED)
    lines = tree_of(supervisor("<0.1.0>", "top", *workers(150), dead, *workers(150)))
    assert lines[2] == "dead_one of top <0.1.0> not running, permanent"
    assert sum("dead_one" in line for line in lines[3:]) == 1
    assert any("300 workers" in line for line in lines)


def test_of_very_many_that_do_not_run_the_rest_is_counted_by_state() -> None:
    dead = [child(f"dead_{number}", None, ChildState.UNDEFINED) for number in range(70)]
    lines = tree_of(supervisor("<0.1.0>", "top", *dead))
    assert lines[-1].strip("└─ ") == "and 20 more: 20 without a process"
    assert lines[11] == "and 61 more that are not as they should be"
    assert len(lines) < 70


def test_many_supervisors_that_are_alike_and_well_are_one_line() -> None:
    pools = [supervisor(f"<0.{number}.0>", None, *workers(2)) for number in range(2, 32)]
    lines = tree_of(supervisor("<0.1.0>", "top", *map(below, pools)))
    assert lines[-1].strip("└─ ") == "30 supervisors, permanent, of tai_sup, each with 2 children, all running"


@pytest.mark.parametrize(
    "odd",
    [
        supervisor("<0.99.0>", "odd_one", *workers(2), restarts=1),
        supervisor("<0.99.0>", "odd_one", child("dead", None, ChildState.RESTARTING), *workers(1)),
        Supervisor("<0.99.0>", "odd_one", Status.SUSPENDED),
        supervisor("<0.99.0>", "odd_one", *workers(2), restarts=None),
    ],
)
def test_a_supervisor_that_is_not_well_is_seen_among_thirty(odd: Supervisor) -> None:
    pools = [supervisor(f"<0.{number}.0>", None, *workers(2)) for number in range(2, 32)]
    lines = tree_of(supervisor("<0.1.0>", "top", *map(below, [*pools, odd])))
    assert any("odd_one" in line for line in lines)
    assert any("30 supervisors" in line for line in lines)


@pytest.mark.parametrize(
    ("intensity", "restarts", "said"),
    [
        (5, 0, "5 of 5 left in 60 s"),
        (5, 1, "4 of 5 left in 60 s"),
        (5, 9, "0 of 5 left in 60 s"),
        (0, 0, "bears no restart"),
        (5, None, "budget unknown"),
        (None, None, "budget unknown"),
    ],
)
def test_the_restarts_that_are_left_are_told(intensity: int | None, restarts: int | None, said: str) -> None:
    lines = tree_of(supervisor("<0.1.0>", "top", intensity=intensity, restarts=restarts))
    assert lines[-1].endswith(f", {said}")


ALARMS = [
    (ChildState.RESTARTING, "temporary", "not running, restarting, temporary"),
    (ChildState.TERMINATED, "transient", "not running, terminated, transient"),
    (ChildState.UNDEFINED, "permanent", "not running, permanent"),
]
NO_ALARMS = [
    (ChildState.RUNNING, "permanent", "running"),
    (ChildState.UNDEFINED, "transient", "not running, transient"),  # it may have ended as it should
    (ChildState.UNKNOWN, "permanent", "on another node, permanent"),
]


@pytest.mark.parametrize(("state", "restart", "said"), [*ALARMS, *NO_ALARMS])
def test_the_state_of_a_child_is_told_in_a_word(state: ChildState, restart: str, said: str) -> None:
    lines = tree_of(supervisor("<0.1.0>", "top", child("a_child", None, state, restart=restart)))
    assert lines[-1].endswith(f"a_child {said}")


@pytest.mark.parametrize(("state", "restart", "said"), ALARMS)
def test_what_ought_to_run_and_does_not_is_told_before_the_tree(state: ChildState, restart: str, said: str) -> None:
    lines = tree_of(supervisor("<0.1.0>", "top", child("a_child", None, state, restart=restart)))
    assert lines[2] == f"a_child of top <0.1.0> {said}"


@pytest.mark.parametrize(("state", "restart", "said"), NO_ALARMS)
def test_what_is_as_it_may_be_is_in_the_tree_alone(state: ChildState, restart: str, said: str) -> None:
    lines = tree_of(supervisor("<0.1.0>", "top", child("a_child", None, state, restart=restart)))
    assert [line for line in lines if "a_child" in line] == [f"    └── a_child {said}"]


@pytest.mark.parametrize(
    ("status", "said"),
    [(status, str(status)) for status in Status if status is not Status.RUNNING],
)
def test_a_supervisor_that_got_no_question_says_how_it_is(status: Status, said: str) -> None:
    stuck = Supervisor("<0.9.0>", "it", status, current_function="m:f/1", message_queue_len=3)
    assert tree_of(stuck)[-1].endswith(f"it <0.9.0> {said}, in m:f/1, 3 messages wait")


def test_one_that_may_be_suspended_says_so() -> None:
    sleeping = Supervisor("<0.9.0>", "it", Status.NOT_ANSWERING, may_be_suspended=True)
    assert "hibernating or suspended" in tree_of(sleeping)[-1]


def test_a_child_has_its_id_beside_its_name() -> None:
    lines = tree_of(supervisor("<0.1.0>", "top", below(supervisor("<0.2.0>", "standard_error_sup"), "standard_error")))
    assert "standard_error_sup as standard_error <0.2.0> running" in lines[-1]


def test_a_supervisor_of_another_kind_says_which() -> None:
    lines = tree_of(supervisor("<0.1.0>", "top", kind=Kind.TASK_SUPERVISOR))
    assert "running, Task.Supervisor, one_for_one" in lines[-1]


def test_below_the_one_that_was_asked_for_many_more_are_shown() -> None:
    found = SupervisionTree((Root(None, "<0.1.0>", supervisor("<0.1.0>", "top", *workers(100))),))
    answer = made.answer(SUPERVISOR, SupervisorQuery(name="top"), "supervisor", found)
    assert printed(supervisor_tree(answer)).count("worker_") == 100


def test_a_counted_supervisor_without_children_says_so() -> None:
    empty = supervisor("<0.1.0>", "top", counts=Counts(), children=None, why_not_listed="it tells only how many")
    assert tree_of(empty)[-1].strip("└─ ") == "no child (not listed: it tells only how many)"


def test_of_one_that_nothing_is_known_below_all_is_said_once() -> None:
    found = SupervisionTree((Root(None, "<0.9.0>", Supervisor("<0.9.0>", "it", Status.NOT_ANSWERING)),))
    answer = made.answer(SUPERVISOR, SupervisorQuery(name="it"), "supervisor", found)
    assert printed(supervisor_tree(answer)).count("not answering") == 1


# ----------------------------------------------------------------------------------------------------------- governors


def test_governors_stand_below_their_supervisors() -> None:
    lines = printed(governors_table(made.governors_answer), 120).splitlines()[8:]
    assert [line.split()[0] for line in lines] == [
        "billing_sup",
        '{billing_governor,<<"acme">>}',
        '{billing_governor,<<"globex">>}',
        "<0.125.0>",
        '{quota_governor,<<"acme">>}',
    ]


def test_governors_that_are_not_known_are_told_before_the_table() -> None:
    lines = printed(governors_table(made.governors_answer), 120).splitlines()
    assert lines[2:5] == [
        "3 governors, 1 not alive, up to 12,001 messages wait for one",
        "nobody is registered as pricing_sup",
        "below quota_sla_sup <0.104.0> nothing is known: not answering, in proc_lib:sync_start_link/2",
    ]


@pytest.mark.parametrize(
    ("first_seen", "not_yet", "said"),
    [
        (4_660.0, None, "< 24 h"),
        (4_660.0, 4_645.0, "< 15 s"),
        (1_000.0, None, "> 61 min"),
        (1_000.0, 985.0, "~ 61 min"),
    ],
)
def test_the_age_of_a_governor_is_what_is_known_of_it(first_seen: float, not_yet: float | None, said: str) -> None:
    aged = replace(made.AGED_GOVERNORS, sightings=Sightings({"<0.120.0>": (first_seen, not_yet)}))
    answer = made.answer(GOVERNORS, GovernorsQuery(), "governors", aged)
    (line,) = [line for line in printed(governors_table(answer), 120).splitlines() if "<0.120.0>" in line]
    assert f"  {said}  " in line


@pytest.mark.parametrize(
    ("queue", "said"),
    [(0, ""), (1, ", up to 1 message waits for one"), (1_000, ", up to 1,000 messages wait for one")],
)
def test_a_governor_that_lives_and_has_a_long_mailbox_is_not_told_as_well(queue: int, said: str) -> None:
    one = replace(made.GOVERNORS_FOUND.governors[0], message_queue_len=queue)
    aged = replace(made.AGED_GOVERNORS, found=replace(made.GOVERNORS_FOUND, governors=(one,), total=1, alive=1))
    lines = printed(governors_table(made.answer(GOVERNORS, GovernorsQuery(), "governors", aged)), 120).splitlines()
    assert lines[2] == f"1 governor, all alive{said}"


def test_that_there_is_no_governor_is_not_told_as_if_all_were_well() -> None:
    nobody = replace(made.GOVERNORS_FOUND, governors=(), total=0, alive=0)
    aged = replace(made.AGED_GOVERNORS, found=nobody)
    lines = printed(governors_table(made.answer(GOVERNORS, GovernorsQuery(), "governors", aged)), 120).splitlines()
    assert lines[2] == "no governors"


def test_of_more_governors_than_are_shown_it_is_said_which() -> None:
    answer = made.answer(GOVERNORS, GovernorsQuery(limit=2), "governors", made.AGED_GOVERNORS)
    assert "shown are 2: first without a process, then with the longest queues" in printed(governors_table(answer), 120)


# -------------------------------------------------------------------------------------------------------------- tables


def test_of_tables_with_one_name_each_has_its_reference() -> None:
    lines = printed(tables_table(made.tables_answer), 120).splitlines()
    assert [line.split()[:2] for line in lines[-3:]] == [
        ["receipt_ledger", "81,023"],
        ["ggen_receipts", "#Ref<0.1841.3.78>"],
        ["ggen_receipts", "#Ref<0.1841.3.77>"],
    ]


def test_a_watched_table_that_is_not_there_is_no_empty_one() -> None:
    lines = printed(tables_table(made.tables_answer)).splitlines()
    (line,) = [line for line in lines if line.startswith("tai_receipts_store")]
    assert line.split() == ["tai_receipts_store", "no", "such", "table"]


# ----------------------------------------------------------------------------------------------------------- mailboxes


@pytest.mark.parametrize(
    ("total", "longest", "over", "said"),
    [
        (0, 0, (0, 0, 0, 0, 0, 0, 0), "no message waits in any mailbox"),
        (1, 1, (1, 0, 0, 0, 0, 0, 0), "1 message waits in one mailbox"),
        (12_001, 12_001, (1, 1, 1, 1, 1, 0, 0), "12,001 messages wait in one mailbox"),
        (8, 1, (8, 0, 0, 0, 0, 0, 0), "8 messages wait in 8 mailboxes, one in each"),
        (9, 8, (2, 0, 0, 0, 0, 0, 0), "9 messages wait in 2 mailboxes, 8 of them in the longest"),
        (
            12_500,
            12_001,
            (9, 3, 3, 1, 1, 0, 0),
            "12,500 messages wait in 9 mailboxes, 12,001 of them in the longest; 3 hold more than 100; 1 holds more "
            "than 10,000",
        ),
    ],
)
def test_what_waits_is_said_in_a_sentence(total: int, longest: int, over: tuple[int, ...], said: str) -> None:
    queues = Queues(412, total, longest, dict(zip(QUEUE_THRESHOLDS, over, strict=True)))
    answer = made.answer(MAILBOXES, MailboxesQuery(), "mailboxes", Mailboxes(queues, ()))
    assert printed(mailboxes_table(answer), 200).splitlines()[2] == said


# --------------------------------------------------------------------------------------------- texts that others chose

EVIL = "evil\x1b[31mred\x07\n[bold]\u202egnp"
SAFE = r"evil\x1b[31mred\x07\x0a[bold]\x202egnp"


@pytest.mark.parametrize("width", [200, 10_000])
def test_no_name_can_do_anything_to_a_terminal(width: int) -> None:
    evil_one = supervisor(
        "<0.1.0>",
        EVIL,
        child(EVIL, "<0.2.0>", restart=EVIL, modules=(EVIL,)),
        child(EVIL, None, ChildState.UNDEFINED, restart=EVIL),
        *workers(9, modules=(EVIL,), restart=EVIL),
        module=EVIL,
        strategy=EVIL,
        initial_call=EVIL,
    )
    governor = replace(made.GOVERNORS_FOUND.governors[0], id=EVIL, supervisor=EVIL, current_function=EVIL)
    governors = replace(made.GOVERNORS_FOUND, governors=(governor,), missing=(EVIL,))
    aged = replace(made.AGED_GOVERNORS, found=governors)
    tree = SupervisionTree((Root(EVIL, None, evil_one),))
    tables = replace(made.TABLES_FOUND, by_memory=(replace(made.LEDGER, name=EVIL, owner_name=EVIL, type=EVIL),))
    port = replace(made.PORTS_FOUND.by_queue[0], name=EVIL, owner_name=EVIL)
    application = replace(made.APPLICATIONS_FOUND.applications[1], name=EVIL, version=EVIL, description=EVIL)
    drawn = [
        supervisors_tree(made.answer(SUPERVISORS, SupervisorsQuery(), "supervision_tree", tree)),
        governors_table(made.answer(GOVERNORS, GovernorsQuery(), "governors", aged)),
        tables_table(made.answer(TABLES, TablesQuery(), "ets", tables)),
        ports_table(made.answer(PORTS, PortsQuery(), "ports", replace(made.PORTS_FOUND, by_queue=(port,)))),
        applications_table(
            made.answer(APPLICATIONS, ApplicationsQuery(), "applications", Applications((application,)))
        ),
    ]
    for each in drawn:
        text = printed(each, width)
        assert SAFE in text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
