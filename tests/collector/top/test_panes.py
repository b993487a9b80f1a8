"""What each pane makes of an answer. How it looks as a whole is in `golden`; here is what it must never miss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from agent.probes.applications import Applications
from agent.probes.processes import Mailboxes, Queues
from agent.probes.supervision_tree import Root, SupervisionTree
from agent.supervision import ChildState, Status, Supervisor
from collector.freshness import Asker
from collector.top.layout import page_lines
from collector.top.pages import Page, Subject
from collector.top.panes import applications, governors, ports, processes, supervisors, tables
from collector.views.applications import APPLICATIONS, ApplicationsQuery
from collector.views.processes import MAILBOXES, MailboxesQuery
from collector.views.supervisors import SUPERVISORS, SupervisorsAnswer, SupervisorsQuery
from tests import collector_results as made
from tests.collector_results import below, child, supervisor
from tests.top_source import TREND, FakeSource, point, trend_of

SUBJECTS: Mapping[str, Subject[Any]] = {
    "applications": applications.ALL,
    "busy": processes.BY_REDUCTIONS,
    "ets": tables.BY_MEMORY,
    "governors": governors.ALL,
    "mailboxes": processes.BY_QUEUE,
    "ports": ports.ALL,
    "processes": processes.BY_MEMORY,
    "supervisors": supervisors.ALL,
}


def page_of(name: str) -> Page:
    page = SUBJECTS[name].page(made.ANSWERS[name], TREND)
    assert isinstance(page, Page)
    return page


def drawn(page: Page) -> list[str]:
    return [line.plain.rstrip() for line in page_lines(page, 250, 50, 0)]


def first_words(page: Page) -> list[str]:
    return [row.cells[0].plain for row in page.rows]


@pytest.mark.parametrize("name", SUBJECTS)
def test_each_row_has_a_cell_for_each_column(name: str) -> None:
    page = page_of(name)
    assert {len(row.cells) for row in page.rows} == {len(page.columns)}


@pytest.mark.parametrize("name", SUBJECTS)
def test_rows_can_be_told_apart(name: str) -> None:
    keys = [row.key for row in page_of(name).rows]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", SUBJECTS)
def test_without_a_trend_there_is_still_a_page(name: str) -> None:
    page = SUBJECTS[name].page(made.ANSWERS[name], None)
    assert len(page.rows) == len(page_of(name).rows)


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_subject_asks_as_whom_it_is_told_to(name: str) -> None:
    source = FakeSource()
    SUBJECTS[name].ask(source, Asker.PERSON)
    SUBJECTS[name].ask(source, Asker.PROGRAM)
    assert source.asked == [f"{name}!", name]


@pytest.mark.parametrize("name", [name for name in SUBJECTS if name != "applications"])
def test_the_first_row_leads_to_one_thing(name: str) -> None:
    look = page_of(name).rows[0].look
    if name == "governors":  # the first has no process
        assert look is None
        look = page_of(name).rows[1].look
    assert look is not None
    source = FakeSource()
    answer = look.ask(source, Asker.PERSON)
    assert look.draw(answer)
    assert source.asked == ["table!" if name == "ets" else "supervisor!" if name == "supervisors" else "process!"]


def test_an_application_that_runs_leads_to_its_top_process() -> None:
    running = page_of("applications").rows[1]
    assert running.look is not None
    assert running.look.key == "process <0.49.0>"


# ------------------------------------------------------------------------------------------------------ what is longest


def test_a_long_mailbox_stands_out_by_its_length() -> None:
    assert processes.queue_text(999).style == ""
    assert "yellow" in str(processes.queue_text(1_000).style)
    assert "red" in str(processes.queue_text(100_000).style)


def test_no_message_anywhere_is_said() -> None:
    queues = Queues(412, 0, 0, dict.fromkeys(made.QUEUES.over, 0))
    answer = made.answer(MAILBOXES, MailboxesQuery(), "mailboxes", Mailboxes(queues, ()))
    assert drawn(processes.BY_QUEUE.page(answer, TREND)) == ["no message waits"]


# --------------------------------------------------------------------------------------------------------------- tables


def rows_over_time(*sizes: int) -> str:
    """What is said of a watched table that has had these sizes."""
    made_of = [point(number) for number in range(len(sizes))]
    for one, size in zip(made_of, sizes, strict=True):
        assert isinstance(one.values, dict)
        one.values["table", "receipt_ledger", "size"] = size
    page = tables.BY_MEMORY.page(made.tables_answer, trend_of(*made_of))
    return page.rows[0].cells[4].plain


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((100, 110, 120), "+60/min never fell"),
        ((100, 0, 50, 0), "-150/min fell 2x"),
        ((100, 100, 100), "same"),
        ((10_000, 10_000, 10_001), "+3/min never fell"),
        ((100,), ""),
    ],
)
def test_of_a_watched_table_it_is_said_whether_its_rows_ever_fell(sizes: tuple[int, ...], said: str) -> None:
    assert rows_over_time(*sizes) == said


def test_watched_tables_come_first_and_one_that_is_not_there_has_no_rows() -> None:
    page = page_of("ets")
    assert first_words(page)[:3] == ["* receipt_ledger", "* tai_receipts_store", "* ggen_receipts"]
    assert [cell.plain for cell in page.rows[1].cells[1:3]] == ["", "no such"]


# ---------------------------------------------------------------------------------------------------------- supervisors


def tree(*tops: Supervisor) -> SupervisorsAnswer:
    found = SupervisionTree(tuple(Root("tai_autonomics", None, top) for top in tops))
    return made.answer(SUPERVISORS, SupervisorsQuery(), "supervision_tree", found)


NO_TROUBLE = {Status.RUNNING, Status.NOT_A_SUPERVISOR, Status.NOT_LOOKED_AT}
WELL = supervisor("<0.1.0>", "well_sup", child("worker", "<0.2.0>"))


def test_a_tree_that_is_well_is_said_to_be() -> None:
    assert drawn(supervisors.ALL.page(tree(WELL), TREND))[0] == "1 supervisor, all are well"
    assert supervisors.troubles(tree(WELL)) == []


@pytest.mark.parametrize("status", [one for one in Status if one not in NO_TROUBLE])
def test_a_supervisor_that_does_not_run_comes_first_and_is_a_trouble(status: Status) -> None:
    answer = tree(WELL, Supervisor("<0.9.0>", "ill_sup", status))
    assert first_words(supervisors.ALL.page(answer, TREND)) == ["ill_sup", "well_sup"]
    assert supervisors.troubles(answer) == [f"ill_sup {status}"]


@pytest.mark.parametrize("state", [ChildState.RESTARTING, ChildState.TERMINATED, ChildState.UNDEFINED])
def test_a_supervisor_that_is_down_is_found_with_the_one_above_it(state: ChildState) -> None:
    above = supervisor(
        "<0.1.0>", "above_sup", child("below_sup", None, state, type="supervisor"), child("w", "<0.3.0>")
    )
    page = supervisors.ALL.page(tree(WELL, above), TREND)
    assert first_words(page)[0] == "below_sup of above_sup"
    assert "not running" in page.rows[0].cells[1].plain
    assert supervisors.troubles(tree(WELL, above)) == ["below_sup not running"]


def test_a_tree_is_searched_to_its_leaves() -> None:
    deep = supervisor("<0.5.0>", "deep_sup", child("lost", None, ChildState.UNDEFINED))
    answer = tree(supervisor("<0.4.0>", "top_sup", below(supervisor("<0.6.0>", "mid_sup", below(deep)))))
    assert supervisors.troubles(answer) == ["lost not running"]


def test_a_child_that_need_not_run_for_ever_and_has_ended_is_shown_and_no_trouble() -> None:
    ended = child("on_load", None, ChildState.UNDEFINED, restart="transient")
    answer = tree(supervisor("<0.1.0>", "kernel_sup", ended, child("worker", "<0.2.0>")))
    assert supervisors.troubles(answer) == []
    assert drawn(supervisors.ALL.page(answer, TREND))[0] == "1 supervisor, all are well"
    assert "on_load of kernel_sup" in first_words(supervisors.ALL.page(answer, TREND))


@pytest.mark.parametrize("state", [ChildState.RESTARTING, ChildState.TERMINATED])
def test_one_that_is_about_to_be_restarted_is_a_trouble_less_bad_than_one_that_must_run(state: ChildState) -> None:
    crashed, lost = child("crashed", None, state, restart="transient"), child("lost", None, ChildState.UNDEFINED)
    answer = tree(supervisor("<0.1.0>", "some_sup", crashed, lost))
    assert supervisors.troubles(answer) == ["lost not running", "crashed not running"]


def test_restarts_that_were_used_up_are_a_trouble() -> None:
    spent = supervisor("<0.1.0>", "spent_sup", intensity=3, restarts=3)
    some = supervisor("<0.2.0>", "some_sup", intensity=3, restarts=1)
    assert supervisors.troubles(tree(some, spent)) == [
        "spent_sup has 0 of 3 restarts left",
        "some_sup has 2 of 3 restarts left",
    ]


def test_children_that_do_not_run_are_counted_where_they_are_not_listed() -> None:
    assert supervisors.troubles(tree(made.CONNECTIONS)) == ["10 children of Elixir.Tai.Connections not running"]


# ------------------------------------------------------------------------------------------------------------ the rest


def test_applications_that_do_not_run_come_first() -> None:
    assert first_words(page_of("applications")) == ["ssl", "kernel", "stdlib"]


def test_applications_that_all_run_are_said_to() -> None:
    found = Applications(made.APPLICATIONS_FOUND.applications[:1])
    answer = made.answer(APPLICATIONS, ApplicationsQuery(), "applications", found)
    assert drawn(applications.ALL.page(answer, None))[0] == "1 application, all that have something to run do run"


def test_governors_without_a_process_come_first_then_the_longest_mailboxes() -> None:
    assert first_words(page_of("governors")) == [
        '{quota_governor,<<"acme">>}',
        '{billing_governor,<<"acme">>}',
        '{billing_governor,<<"globex">>}',
    ]
    assert "nobody is registered as pricing_sup" in drawn(page_of("governors"))[0]
