from __future__ import annotations

import pytest
from rich.text import Text

from collector.top.pages import Column, Page, row
from collector.top.panes import processes, tables
from collector.top.panes.processes import process
from collector.top.state import PANES, SHORT_CUTS, State


def page(*pids: str) -> Page:
    return Page(Text("s"), (Column("pid"),), tuple(row(pid, pid, look=process(pid)) for pid in pids))


PAGE = page("<0.1.0>", "<0.2.0>", "<0.3.0>")


def chosen(state: State, found: Page = PAGE) -> str:
    return found.rows[state.selection.among(found.rows)].cells[0].plain


def test_it_begins_with_processes_by_memory() -> None:
    assert State().subject is processes.BY_MEMORY


def test_behind_the_last_pane_comes_the_first() -> None:
    assert State().switched(-1).pane == len(PANES) - 1
    assert State().switched(len(PANES)).pane == 0


def test_a_pane_goes_through_all_its_orders() -> None:
    state, seen = State(), []
    for _ in range(4):
        seen.append(state.subject)
        state = state.with_next_order()
    assert seen == [processes.BY_MEMORY, processes.BY_QUEUE, processes.BY_REDUCTIONS, processes.BY_MEMORY]


def test_a_pane_keeps_its_order() -> None:
    state = State().with_next_order().switched(1).switched(0)
    assert state.subject is processes.BY_QUEUE


@pytest.mark.parametrize("key", SHORT_CUTS)
def test_a_short_cut_leads_there_from_everywhere(key: str) -> None:
    for number in range(len(PANES)):
        assert State().switched(number).helped().with_subject(SHORT_CUTS[key]).subject is SHORT_CUTS[key]


def test_every_order_has_a_question_of_its_own() -> None:
    keys = [subject.key for pane in PANES for subject in pane.subjects]
    assert len(set(keys)) == len(keys)


def test_the_first_row_is_chosen_whichever_that_is() -> None:
    assert chosen(State()) == "<0.1.0>"
    assert chosen(State(), page("<0.9.0>", "<0.1.0>")) == "<0.9.0>"


def test_a_row_that_was_chosen_stays_chosen_when_the_order_changes() -> None:
    state = State().moved(1, PAGE)
    assert chosen(state, page("<0.7.0>", "<0.8.0>", "<0.2.0>")) == "<0.2.0>"


def test_where_the_chosen_row_is_gone_the_one_in_its_place_is_chosen() -> None:
    state = State().moved(2, PAGE)
    assert chosen(state, page("<0.7.0>", "<0.8.0>", "<0.9.0>")) == "<0.9.0>"
    assert chosen(state, page("<0.7.0>")) == "<0.7.0>"


@pytest.mark.parametrize(("rows", "pid"), [(1, "<0.2.0>"), (100, "<0.3.0>"), (-100, "<0.1.0>")])
def test_the_choice_stays_among_the_rows(rows: int, pid: str) -> None:
    assert chosen(State().moved(rows, PAGE)) == pid


def test_each_order_has_a_choice_of_its_own() -> None:
    state = State().moved(2, PAGE).with_subject(tables.BY_MEMORY)
    assert chosen(state) == "<0.1.0>"
    assert chosen(state.with_subject(processes.BY_MEMORY)) == "<0.3.0>"


def test_without_rows_there_is_nothing_to_choose_or_to_look_at() -> None:
    for found in (None, page()):
        assert State().moved(1, found) == State().opened(found) == State()


def test_enter_looks_at_the_chosen_row_and_escape_leads_back_to_it() -> None:
    state = State().moved(1, PAGE)
    looking = state.opened(PAGE)
    assert looking.look is not None
    assert looking.look.key == "process <0.2.0>"
    assert looking.back() == state


def test_escape_on_a_page_chooses_the_first_row_again() -> None:
    assert chosen(State().moved(2, PAGE).back()) == "<0.1.0>"


def test_a_row_that_leads_nowhere_opens_nothing() -> None:
    assert State().opened(Page(Text("s"), (Column("a"),), (row(1, "kernel"),))).look is None


def test_what_is_read_is_scrolled_and_the_rows_below_it_stay() -> None:
    looking = State().opened(PAGE)
    assert looking.moved(3, PAGE).scrolled == 3
    assert looking.moved(3, PAGE).moved(-9, PAGE).scrolled == 0
    assert looking.moved(3, PAGE).selections == looking.selections


def test_help_goes_as_it_came_and_leaves_what_was_there() -> None:
    looking = State().opened(PAGE)
    assert looking.helped().helped() == looking
    assert looking.helped().back() == looking


def test_another_pane_ends_what_is_read() -> None:
    state = State().opened(PAGE).helped().switched(2)
    assert (state.look, state.is_help, state.scrolled) == (None, False, 0)
