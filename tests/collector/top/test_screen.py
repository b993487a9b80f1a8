from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.top.panes import processes, supervisors
from collector.top.schedule import Latest
from collector.top.screen import LEAST_HEIGHT, LEAST_WIDTH, Screen
from collector.top.state import PANES, State
from tests.collector_fakes import CREATION, MOMENT
from tests.top_golden import GOLDEN, NOW, SCREENS, SIZES, as_golden, screen
from tests.top_source import NODE, VIEWS, known_of, point, trend_of


def shown(found: Screen, width: int = 80, height: int = 24) -> str:
    return "\n".join(line.plain.rstrip() for line in found.lines(width, height))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_screen_is_as_it_was(width: int, height: int) -> None:
    assert as_golden(width, height) == (GOLDEN / f"{width}x{height}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCREENS)
@given(width=st.integers(LEAST_WIDTH, 220), height=st.integers(LEAST_HEIGHT, 80))
def test_a_screen_has_exactly_its_size(name: str, width: int, height: int) -> None:
    lines = SCREENS[name].lines(width, height)
    assert len(lines) == height
    assert max(line.cell_len for line in lines) <= width


@pytest.mark.parametrize("pane", range(len(PANES)))
def test_at_80x24_every_pane_shows_rows_below_all_vital_signs(pane: int) -> None:
    drawn = shown(screen(State().switched(pane)))
    assert all(sign in drawn for sign in ("memory", "binary", "ets", "run queue", "longest queue", "processes"))
    assert "\n> " in drawn


@pytest.mark.parametrize(("width", "height"), [(LEAST_WIDTH - 1, 24), (80, LEAST_HEIGHT - 1), (1, 1)])
def test_a_terminal_that_is_too_small_is_told(width: int, height: int) -> None:
    (line,) = screen().lines(width, height)
    assert "too small" in line.plain


def test_the_keys_are_always_in_the_last_line() -> None:
    for found in SCREENS.values():
        assert found.lines(80, 24)[-1].plain.startswith("q quit  ? help")


def test_a_paused_screen_says_so() -> None:
    assert "PAUSED" in shown(screen(State().paused()))


def test_how_old_an_answer_is_stands_above_it() -> None:
    assert "34 s old" in shown(replace(screen(), now=NOW + 34.0))


def test_what_it_has_cost_is_told_when_it_is_much() -> None:
    dear = VIEWS["processes"].model_copy(update={"cost_seconds": 0.25})
    assert "cost 250 ms" in shown(screen(State(), **{processes.BY_MEMORY.key: dear}))
    assert "cost" not in shown(screen())


def test_a_trouble_of_one_question_is_told_with_the_answer_before_it() -> None:
    key = processes.BY_MEMORY.key
    found = screen()
    late = replace(found.known[key], trouble="gave no answer within 10 s: it is saturated")
    drawn = shown(replace(found, known={**found.known, key: late}))
    assert "! gave no answer within 10 s: it is saturated (below: as it was 1 s ago)" in drawn
    assert "receipt_store" in drawn


def test_a_trouble_without_an_answer_is_told_in_its_place() -> None:
    key = processes.BY_MEMORY.key
    found = screen()
    failed = Latest(NOW, None, NOW, "the worker met its heap limit")
    drawn = shown(replace(found, known={**found.known, key: failed}))
    assert "! the worker met its heap limit" in drawn
    assert "asking" not in drawn


def test_a_node_that_is_down_is_told_once_and_with_how_old_the_rest_is() -> None:
    drawn = shown(SCREENS["a node that is gone"])
    assert drawn.count("nothing listens there") == 1
    assert "what is shown is\n34 s old" in drawn


def test_a_long_trouble_is_cut_and_not_let_over_everything() -> None:
    found = screen()
    loud = replace(found.known["memory"], trouble="the peer says " + "a very long story " * 40)
    lines = shown(replace(found, known={**found.known, "memory": loud})).splitlines()
    assert lines[8].endswith(" ...")
    assert "[1 processes]" in lines[9]


def test_what_is_left_out_is_told() -> None:
    assert "not complete: 200000 children are counted and not listed" in shown(
        screen(State().with_subject(supervisors.ALL))
    )


def test_an_expected_supervisor_that_does_not_run_is_a_trouble() -> None:
    assert NODE.supervisors is not None
    gone = NODE.model_copy(
        update={"supervisors": [one.model_copy(update={"is_running": False}) for one in NODE.supervisors[:1]]}
    )
    assert "! supervisor governance_sup not running" in shown(screen(State(), node=gone))


def test_a_node_with_which_nothing_is_the_matter_has_no_line_for_it() -> None:
    quiet = trend_of(replace(point(0), values={}))
    drawn = shown(Screen(State(), known_of(NOW, trend=quiet), NOW, MOMENT, 2.0))
    assert "!" not in drawn


def test_where_the_node_was_started_anew_the_line_is_broken_and_the_growth_is_that_of_the_present_life() -> None:
    lives = trend_of(*(point(number) for number in range(4)), *(point(number, CREATION + 1) for number in range(4)))
    memory = shown(screen(State(), trend=lives), 100).splitlines()[1]
    assert "|" in memory.partition(" | ")[0]
    assert "+7%" in memory
    assert "| started anew" in shown(screen(State(), trend=lives), 140, 45)


def test_what_nobody_measured_is_a_blank_in_the_line_and_not_known_in_numbers() -> None:
    silent = trend_of(*(replace(point(number), values={}) for number in range(5)))
    line = shown(screen(State(), trend=silent)).splitlines()[2]
    assert "longest queue not known" in line


def test_long_texts_are_scrolled_to_their_end_and_no_further() -> None:
    found = screen(State().helped())
    limit = found.scroll_limit(80, 24)
    assert limit > 0
    assert "fewer than are added" in shown(replace(found, state=replace(found.state, scrolled=limit)))
    assert shown(replace(found, state=replace(found.state, scrolled=limit + 50))) == shown(
        replace(found, state=replace(found.state, scrolled=limit))
    )


def test_what_fits_is_not_scrolled() -> None:
    assert screen(State().helped()).scroll_limit(140, 60) == 0


def test_no_colour_is_needed_to_see_what_is_chosen_or_ill() -> None:
    drawn = shown(screen(State().with_subject(supervisors.ALL)))
    assert "> ledger_writer of billing_sup  not running" in drawn
    assert "quota_sla_sup                 not answering" in drawn
    assert "[3 supervisors]" in drawn
