"""When a line of the black box is due: once for each condition, told again only after it was well over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.blackbox.pacing import OF_ALL_ELSE, OF_MEMORY
from collector.blackbox.triggers import (
    SILENT_SECONDS,
    STARTED_SECONDS,
    Due,
    Key,
    Kind,
    Marks,
    Restarts,
    Sight,
    State,
    lost,
    step,
)
from tests.terms_strategies import QUICK

MARKS = Marks((0.8, 0.9, 0.95), mailbox=100_000, restarts_left=1)
WELL = Sight(creation=7, is_answering=True, uptime_seconds=3_600.0)
HOUR = 3_600.0


def told(sights: Iterable[Sight], seconds: float = 60.0) -> list[list[str]]:
    """What is told at each of these looks, by what the reasons say."""
    return [[] if due is None else [reason.what for reason in due.reasons] for due in run(sights, seconds)]


def run(sights: Iterable[Sight], seconds: float = 60.0) -> list[Due | None]:
    state, found = State.new(0.0), list[Due | None]()
    for number, sight in enumerate(sights):
        state, due = step(state, sight, number * seconds, MARKS)
        found.append(due)
    return found


def memory(*shares: float) -> list[Sight]:
    return [replace(WELL, memory_share=share) for share in shares]


def test_each_level_of_memory_is_told_once_as_it_rises() -> None:
    lines = told(memory(0.5, 0.79, 0.8, 0.85, 0.9, 0.93, 0.96, 0.99))
    assert [len(line) for line in lines] == [0, 0, 1, 0, 1, 0, 1, 0]
    assert lines[2] == ["80% of the memory limit is taken, above 80%"]


def test_levels_that_are_crossed_at_once_are_one_line() -> None:
    assert [len(line) for line in told(memory(0.5, 0.97))] == [0, 3]


def test_a_level_is_told_again_only_after_memory_was_well_below_it() -> None:
    assert [len(line) for line in told(memory(0.81, 0.79, 0.81, 0.76, 0.81, 0.74, 0.81))] == [1, 0, 0, 0, 0, 0, 1]


def test_what_is_not_known_changes_nothing() -> None:
    assert [len(line) for line in told([*memory(0.81), WELL, *memory(0.81)])] == [1, 0, 0]


def test_a_very_long_mailbox_is_told_until_half_of_it_is_gone() -> None:
    sights = [
        replace(WELL, mailbox=("store", length)) for length in (100_000, 100_001, 60_000, 100_001, 49_999, 150_000)
    ]
    lines = told(sights)
    assert [len(line) for line in lines] == [0, 1, 0, 0, 0, 1]
    assert lines[1] == ["100001 messages wait for store"]


def test_one_restart_that_is_left_is_told_and_one_that_was_never_used_is_not() -> None:
    budgets = ({"a_sup": Restarts(0, 1), "b_sup": Restarts(3, 5)}, {"a_sup": Restarts(0, 1), "b_sup": Restarts(4, 5)})
    assert told(replace(WELL, budgets=each) for each in budgets) == [
        [],
        ["4 of 5 restarts of b_sup are used, 1 left"],
    ]


def test_an_application_is_gone_when_it_ran_before_in_this_life() -> None:
    runs, down = ({"tai": True, "loaded_only": False}, {"tai": False, "loaded_only": False})
    assert told(replace(WELL, applications=each) for each in (down, runs, down)) == [
        [],
        [],
        ["the application tai ran, and does not run any more"],
    ]


def test_what_ran_in_a_former_life_is_not_gone_in_the_next_that_only_begins() -> None:
    before = replace(WELL, applications={"tai": True}, supervisors={"a_sup": True})
    begins = replace(before, creation=8, uptime_seconds=1.0, applications={"tai": False}, supervisors={"a_sup": False})
    lines = told([before, begins])
    assert len(lines[1]) == 1
    assert "another one" in lines[1][0]


@pytest.mark.parametrize(("uptime_seconds", "count"), [(STARTED_SECONDS - 1, 0), (STARTED_SECONDS, 1)])
def test_an_expected_supervisor_that_never_came_is_gone_when_the_node_had_time_to_start(
    uptime_seconds: float, count: int
) -> None:
    sight = replace(WELL, uptime_seconds=uptime_seconds, supervisors={"a_sup": False})
    assert len(told([sight])[0]) == count


def test_an_expected_supervisor_that_ran_is_gone_at_once() -> None:
    sights = [replace(WELL, uptime_seconds=2.0, supervisors={"a_sup": there}) for there in (True, False)]
    assert told(sights) == [[], ["supervisor a_sup not running, and it ran before"]]


def test_lost_contact_is_told_once_and_again_when_it_was_back() -> None:
    gone = Sight(lost="it closed the connection")
    assert [len(line) for line in told([WELL, gone, gone, WELL, gone])] == [0, 1, 0, 0, 1]


def test_a_node_that_was_never_there_is_not_lost() -> None:
    assert told([Sight(lost="nothing listens there")] * 3) == [[]] * 3


def test_a_node_that_is_silent_on_its_connection_is_lost_after_a_while() -> None:
    silent = replace(WELL, is_answering=False)
    lines = told([WELL, silent, silent, silent], seconds=SILENT_SECONDS / 2)
    assert [len(line) for line in lines] == [0, 0, 0, 1]


def test_a_node_that_was_started_anew_between_two_looks_is_told() -> None:
    state, _ = step(State.new(0.0), WELL, 0.0, MARKS)
    state, due = step(state, replace(WELL, creation=8), 60.0, MARKS)
    assert due is not None
    assert [reason.kind for reason in due.reasons] == [Kind.CONTACT]
    state, due = step(state, replace(WELL, creation=8), 120.0, MARKS)
    assert (due, lost(state)) == (None, None)


def test_several_reasons_at_once_are_one_line() -> None:
    (due,) = run([replace(WELL, memory_share=0.85, mailbox=("store", 200_000))])
    assert due is not None
    assert {reason.kind for reason in due.reasons} == {Kind.MEMORY, Kind.MAILBOX}


# ----------------------------------------------------------------------------------------------------- how many lines


def flapping(count: int) -> list[Sight]:
    return [replace(WELL, mailbox=("store", 200_000 if number % 2 else 0)) for number in range(count)]


def test_what_flaps_for_an_hour_writes_no_more_lines_than_are_allowed() -> None:
    lines = [due for due in run(flapping(7_200), seconds=0.5) if due is not None]
    assert 0 < len(lines) <= OF_ALL_ELSE.at_once + OF_ALL_ELSE.in_an_hour + 1


def test_what_was_held_back_is_counted_and_told_in_the_next_line() -> None:
    dues = run(flapping(4_000), seconds=1.0)
    lines = [due for due in dues if due is not None]
    held_back = sum(due.held_back.get("mailbox", 0) for due in lines)
    assert len(lines) + held_back == sum(1 for due in range(4_000) if due % 2) - unfinished(dues)


def unfinished(dues: list[Due | None]) -> int:
    """How often it was on after the last line."""
    last = max(number for number, due in enumerate(dues) if due is not None)
    return sum(1 for number in range(last + 1, len(dues)) if number % 2)


def test_what_still_holds_is_told_as_soon_as_a_line_may_be_written() -> None:
    sights = [
        replace(WELL, mailbox=("store", 200_000)),
        replace(WELL, mailbox=("store", 200_000), applications={"a": True}),
    ]
    sights += [replace(sights[0], applications={"a": False})] * 12
    dues = run(sights, seconds=1.0)
    numbers = [number for number, due in enumerate(dues) if due is not None]
    assert numbers == [0, round(OF_ALL_ELSE.distance_seconds)]
    late = dues[numbers[1]]
    assert late is not None
    assert [(reason.kind, reason.since) for reason in late.reasons] == [(Kind.APPLICATION, 2.0)]


def test_memory_has_lines_left_when_all_else_has_used_up_its_own() -> None:
    sights = [*flapping(3_000), replace(WELL, memory_share=0.97)]
    assert run(sights, seconds=0.5)[-1] is not None


def test_memory_that_sways_writes_no_more_lines_than_are_allowed() -> None:
    lines = [due for due in run(memory(*[0.99, 0.5] * 3_600), seconds=0.5) if due is not None]
    assert 0 < len(lines) <= OF_MEMORY.at_once + OF_MEMORY.in_an_hour + 1


SIGHTS = st.builds(
    Sight,
    creation=st.one_of(st.none(), st.integers(1, 3)),
    lost=st.one_of(st.none(), st.just("it is gone")),
    is_answering=st.one_of(st.none(), st.booleans()),
    uptime_seconds=st.one_of(st.none(), st.floats(0, 1e6)),
    memory_share=st.one_of(st.none(), st.floats(0, 2)),
    mailbox=st.one_of(st.none(), st.tuples(st.just("a"), st.integers(0, 10**6))),
    budgets=st.one_of(
        st.none(), st.dictionaries(st.sampled_from("ab"), st.builds(Restarts, st.integers(0, 9), st.just(5)))
    ),
    applications=st.one_of(st.none(), st.dictionaries(st.sampled_from("ab"), st.booleans())),
    supervisors=st.one_of(st.none(), st.dictionaries(st.sampled_from("ab"), st.booleans())),
)


@settings(QUICK, max_examples=60)
@given(st.lists(SIGHTS, max_size=40))
def test_whatever_is_seen_no_condition_is_told_twice_while_it_holds(sights: list[Sight]) -> None:
    state = State.new(0.0)
    before: set[Key] = set()
    for number, sight in enumerate(sights):
        state, due = step(state, sight, number * 60.0, MARKS)
        held = {key for key, each in state.conditions.items() if each.is_told}
        if due is None:
            assert held <= before
        else:
            assert due.reasons
            assert len({(each.kind, each.what) for each in due.reasons}) <= len(held)
        before = held
