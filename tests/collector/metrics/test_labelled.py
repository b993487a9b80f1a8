"""The metrics whose labels are names of a node: of processes, tables, supervisors, applications and governors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from agent.errors import DeadlineExceeded
from agent.probes.applications import Application, Applications, ApplicationState
from agent.probes.ets import TableRow, Tables, TablesOfName
from agent.probes.governor_ages import AgedGovernors
from agent.probes.governors import Governor, Governors
from agent.probes.processes import Mailboxes, Processes, ProcessRow, Queues
from agent.probes.supervision_tree import Root, SupervisionTree
from agent.probes.supervisors import Supervisor as Expected
from agent.probes.supervisors import Supervisors
from agent.supervision import Child, ChildState, Counts, Status, Supervisor
from collector.metrics.labelled import NodeSeries
from collector.metrics.page import SUBJECTS, to_labelled
from collector.snapshot import Outcome
from tests.collector_fakes import CREATION, NODE, answered, failed, snapshot, snapshot_down
from tests.collector_results import AGED_GOVERNORS, child, supervisor

LATE = DeadlineExceeded("no answer within 10 s")
Values = Mapping[tuple[str, ...], float]


def told(series: NodeSeries | None = None, now: float = 0.0, /, **found: Outcome) -> dict[str, Values]:
    """Every labelled family by name, its samples without the node. Mailboxes are those of the larger sweep."""
    found = {"mailboxes": failed(LATE), **found}
    kept = {NODE: series or NodeSeries()}
    return {
        family.name: {tuple(sample.labels.values())[1:]: sample.value for sample in family.samples}
        for family in to_labelled([snapshot(**found)], kept, now)
    }


def process(name: str | None, messages: int, memory_bytes: int = 1_000) -> ProcessRow:
    return ProcessRow("<0.9.0>", name, None, None, None, None, "waiting", 1, memory_bytes, messages)


def processes(*rows: ProcessRow, total_bytes: int = 10_000, messages: int = 50) -> Processes:
    return Processes(Queues(9, messages, messages, {}), total_bytes, 1_000, rows, rows)


def table(name: str, size: int, memory_bytes: int, number: int = 1) -> TableRow:
    return TableRow(f"#Ref<0.{number}>", name, False, "set", "public", "<0.1.0>", None, size, memory_bytes)  # noqa: FBT003  # is_named


def tables(*rows: TableRow, watched: tuple[TablesOfName, ...] = ()) -> Tables:
    return Tables(61, 8_192, 100_000, rows, rows, watched)


def tree(*children: Child, **changes: object) -> SupervisionTree:
    top = replace(supervisor("<0.5.0>", "billing_sup", *children), **changes)  # type: ignore[arg-type]  # a test's own
    return SupervisionTree((Root("tai_autonomics", None, top),))


def test_a_registered_process_is_told_by_its_name_and_all_others_together() -> None:
    found = told(processes=answered(processes(process("receipt_store", 30, 6_000), process(None, 20))))
    assert found["beam_named_process_message_queue_length"] == {("receipt_store",): 30.0, ("other",): 20.0}
    assert found["beam_named_process_memory_bytes"] == {("receipt_store",): 6_000.0, ("other",): 4_000.0}


@pytest.mark.parametrize(("later_seconds", "told_messages"), [(-1.0, 30.0), (1.0, 70.0)])
def test_lengths_are_of_the_later_sweep(later_seconds: float, told_messages: float) -> None:
    swept = answered(Mailboxes(Queues(9, 70, 70, {}), (process("receipt_store", 70),)))
    mailboxes = replace(swept, asked_at=swept.asked_at + timedelta(seconds=later_seconds))
    found = told(processes=answered(processes(process("receipt_store", 30))), mailboxes=mailboxes)
    assert found["beam_named_process_message_queue_length"][("receipt_store",)] == told_messages


def test_a_hundred_names_have_a_series_and_the_rest_are_other_and_counted() -> None:
    rows = [process(f"worker_{number}", 1, 10) for number in range(130)]
    found = told(processes=answered(processes(*rows)))
    assert len(found["beam_named_process_memory_bytes"]) == 101
    assert found["beam_named_process_memory_bytes"][("other",)] == 10_000.0 - 100 * 10
    assert found["beamwarden_label_values_left_out"][("names",)] == 30.0


def test_tables_of_one_name_are_told_together_and_pids_in_names_are_none() -> None:
    found = told(ets=answered(tables(table("state_<0.1.0>", 3, 300), table("state_<0.2.0>", 4, 400, 2))))
    assert found["beam_ets_table_size"] == {("state_<>",): 7.0, ("other",): 0.0}
    assert found["beam_ets_table_memory_bytes"] == {("state_<>",): 700.0, ("other",): 99_300.0}


def test_a_watched_table_is_told_whole_and_one_that_does_not_exist_not_at_all() -> None:
    watched = (
        TablesOfName("receipts", 12, 0, 5_000, 80_000, ()),
        TablesOfName("absent", 0, 0, 0, 0, ()),
    )
    found = told(ets=answered(tables(table("receipts", 3, 300), watched=watched)))
    assert found["beam_ets_table_size"] == {("receipts",): 5_000.0, ("other",): 0.0}


def test_a_supervisor_tells_its_children_by_state_and_the_restarts_left() -> None:
    counts = Counts(running=3, undefined=1)
    found = told(supervision_tree=answered(tree(counts=counts, intensity=5, restarts=4)))
    children = found["beam_supervisor_children"]
    assert children[("billing_sup", "running")] == 3.0
    assert children[("billing_sup", "undefined")] == 1.0
    assert found["beam_supervisor_restart_budget_left"] == {("billing_sup",): 1.0}


def test_a_supervisor_whose_budget_is_not_known_has_no_sample_and_no_zero() -> None:
    found = told(supervision_tree=answered(tree(intensity=None, restarts=None)))
    assert "beam_supervisor_restart_budget_left" not in found


def test_an_expected_supervisor_that_does_not_run_is_down() -> None:
    expected = Supervisors((Expected("billing_sup", "<0.5.0>"), Expected("governance_sup", None)))
    found = told(supervisors=answered(expected), supervision_tree=answered(tree()))
    assert found["beam_supervisor_up"] == {("billing_sup",): 1.0, ("governance_sup",): 0.0}


def test_a_supervisor_without_a_name_is_told_by_where_it_is() -> None:
    below = replace(child("{pool,<0.7.0>}", "<0.8.0>"), supervisor=supervisor("<0.8.0>", None))
    found = told(supervision_tree=answered(tree(below)))
    assert set(found["beam_supervisor_up"]) >= {("billing_sup",), ("billing_sup/{pool,<>}",)}


def test_what_is_no_supervisor_is_not_told_as_one() -> None:
    poolboy = Supervisor("<0.8.0>", "action_pool", Status.NOT_A_SUPERVISOR)
    found = told(supervision_tree=answered(tree(replace(child("action_pool", "<0.8.0>"), supervisor=poolboy))))
    assert ("action_pool",) not in found["beam_supervisor_up"]


def restarts(series: NodeSeries, *pids: str | None, creation: int = CREATION) -> float | None:
    """What is told of a child that has these pids at one look after the other."""
    found: dict[str, Values] = {}
    for pid in pids:
        state = ChildState.RUNNING if pid else ChildState.UNDEFINED
        one = answered(tree(child("worker", pid, state, restart="permanent")))
        whole = snapshot(supervision_tree=one)
        assert whole.peer is not None
        whole = replace(whole, peer=replace(whole.peer, creation=creation))
        found = {
            family.name: {tuple(sample.labels.values())[1:]: sample.value for sample in family.samples}
            for family in to_labelled([whole], {NODE: series}, 0.0)
        }
    return found["beam_supervisor_child_restarts"].get(("billing_sup", "worker"))


def test_a_child_that_has_another_pid_was_restarted() -> None:
    assert restarts(NodeSeries(), "<0.1.0>", "<0.1.0>") == 0.0
    assert restarts(NodeSeries(), "<0.1.0>", "<0.2.0>", "<0.3.0>") == 2.0


def test_a_child_that_was_down_meanwhile_was_restarted_once() -> None:
    assert restarts(NodeSeries(), "<0.1.0>", None, None, "<0.2.0>") == 1.0


def test_another_life_of_the_node_is_no_restart_of_its_children() -> None:
    series = NodeSeries()
    assert restarts(series, "<0.1.0>", "<0.2.0>") == 1.0
    assert restarts(series, "<0.3.0>", creation=CREATION + 1) == 0.0


def test_children_that_come_and_go_are_forgotten() -> None:
    series = NodeSeries()
    for number in range(1_000):
        one = child(f"tenant_{number}", f"<0.{number}.0>", restart="permanent")
        told(series, supervision_tree=answered(tree(one)))
    assert len(series.restarts.counts) == len(series.restarts.pids) == 1


def test_temporary_children_and_those_that_share_an_id_have_no_restarts() -> None:
    children = [
        child("tenant", "<0.1.0>", restart="temporary"),
        child("cowboy_clear", "<0.2.0>", restart="permanent"),
        child("cowboy_clear", "<0.3.0>", restart="permanent"),
    ]
    assert "beam_supervisor_child_restarts" not in told(supervision_tree=answered(tree(*children)))


def test_an_application_that_has_processes_runs_or_does_not() -> None:
    states = {
        "tai_autonomics": ApplicationState.RUNNING,
        "ranch": ApplicationState.NOT_RUNNING,
        "stdlib": ApplicationState.LIBRARY,
    }
    found = Applications(tuple(Application(name, "1", "", state, None, None) for name, state in states.items()))
    running = told(applications=answered(found))["beam_application_running"]
    assert running == {("tai_autonomics",): 1.0, ("ranch",): 0.0}


def governors(*states: ChildState, left_out: tuple[str, ...] = ()) -> AgedGovernors:
    listed = tuple(
        Governor(f"tenant_{number}", "billing_sup", None, state, None, None) for number, state in enumerate(states)
    )
    return replace(AGED_GOVERNORS, found=Governors(listed, len(listed), 1, (), (), 60.0, left_out))


def test_governors_are_counted_below_their_supervisors() -> None:
    found = told(governors=answered(governors(ChildState.RUNNING, ChildState.RUNNING, ChildState.UNDEFINED)))
    counts = {labels: count for labels, count in found["beam_governors"].items() if count}
    assert counts == {("billing_sup", "running"): 2.0, ("billing_sup", "undefined"): 1.0}


def test_of_too_many_governors_the_listed_ones_are_no_count() -> None:
    found = told(governors=answered(governors(ChildState.RUNNING, left_out=("11000 governors",))))
    assert "beam_governors" not in found


def test_the_start_of_a_life_stays_the_same_until_the_next() -> None:
    series = NodeSeries()
    first = told(series)["beam_node_start_time_seconds"]
    assert told(series, 60.0)["beam_node_start_time_seconds"] == first


def test_of_a_node_that_is_down_nothing_is_told() -> None:
    families = list(to_labelled([snapshot_down()], {NODE: NodeSeries()}, 0.0))
    assert [sample for family in families for sample in family.samples] == []


def test_every_row_is_a_sentence_and_no_name_comes_twice() -> None:
    rows = [row for subject in SUBJECTS for row in subject.rows]
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.help.endswith(".") for row in rows)
