from __future__ import annotations

import random
import sys
import tracemalloc
from array import array
from datetime import UTC, datetime, timedelta

import pytest

from collector.trend import (
    LONGEST_QUEUE,
    PROCESS_COUNT,
    RUN_QUEUE,
    Change,
    Life,
    Point,
    Trend,
    all_series,
    change,
    memory_of,
    present_life,
    table_of,
)

START = 100_000.0  # what a monotonic clock says has no meaning
AT = datetime(2026, 11, 23, 3, 14, 10, tzinfo=UTC)
BORN, REBORN = 7, 8
ROWS = table_of("receipt_ledger", "size")


def trend(interval_seconds: float = 10.0) -> Trend:
    return Trend(interval_seconds, all_series(["receipt_ledger"]))


def count(processes: int, creation: int = BORN) -> Point:
    return Point(creation, {PROCESS_COUNT: processes})


def counted(kept: Trend, minutes: float = 60) -> list[int | None]:
    return list(kept.window(minutes * 60).values[PROCESS_COUNT])


def test_before_the_first_point_there_is_none() -> None:
    window = trend().window()
    assert (window.points, window.newest_at, window.first_at, window.lives) == (0, None, None, ())


def test_points_are_as_far_apart_as_the_interval() -> None:
    kept = trend()
    for number in range(4):
        kept.record(count(number), START + 10 * number, AT + timedelta(seconds=10 * number))
    window = kept.window()
    assert counted(kept) == [0, 1, 2, 3]
    assert window.first_at == AT
    assert window.newest_at == AT + timedelta(seconds=30)


def test_a_timer_may_be_a_little_early_or_late() -> None:
    kept = trend()
    for number, off in enumerate([0.0, -0.4, 0.4, 4.9, -4.9]):
        kept.record(count(number), START + 10 * number + off)
    assert counted(kept) == [0, 1, 2, 3, 4]


def test_moments_without_a_point_are_gaps_and_not_0() -> None:
    kept = trend()
    kept.record(count(5), START)
    kept.record(count(6), START + 40)
    assert counted(kept) == [5, None, None, None, 6]


def test_a_node_that_does_not_answer_leaves_a_gap_in_every_figure() -> None:
    kept = trend()
    kept.record(count(5), START)
    kept.record(Point(None, trouble="node not connected"), START + 10)
    window = kept.window()
    assert {values[1] for values in window.values.values()} == {None}
    assert window.creations == (BORN, None)
    assert window.trouble == "node not connected"


def test_a_figure_that_was_not_measured_leaves_a_gap_in_that_one_alone() -> None:
    kept = trend()
    kept.record(Point(BORN, {PROCESS_COUNT: 5, LONGEST_QUEUE: 9}), START)
    kept.record(count(6), START + 10)
    assert counted(kept) == [5, 6]
    assert kept.window().values[LONGEST_QUEUE] == (9, None)


def test_a_0_is_a_0() -> None:
    kept = trend()
    kept.record(Point(BORN, {RUN_QUEUE: 0}), START)
    assert kept.window().values[RUN_QUEUE] == (0,)


def test_large_figures_are_exact() -> None:
    kept = trend()
    kept.record(Point(BORN, {memory_of("total"): (1 << 53) - 1}), START)
    assert kept.window().values[memory_of("total")] == ((1 << 53) - 1,)


def test_a_second_point_of_a_moment_takes_the_place_of_the_first() -> None:
    kept = trend()
    kept.record(count(5), START)
    kept.record(count(6), START + 1)
    assert counted(kept) == [6]


def test_a_part_of_the_hour_can_be_had() -> None:
    kept = trend()
    for number in range(360):
        kept.record(count(number), START + 10 * number)
    assert counted(kept, minutes=1) == [354, 355, 356, 357, 358, 359]
    assert len(counted(kept)) == 360


def test_a_pause_of_more_than_an_hour_leaves_nothing_of_before() -> None:
    kept = trend()
    for number in range(400):
        kept.record(count(number), START + 10 * number)
    kept.record(count(7), START + 4_000 + 86_400)
    assert counted(kept) == [None] * 359 + [7]


def test_what_it_has_cost_is_that_of_the_points_that_are_shown() -> None:
    kept = trend()
    for number in range(12):
        kept.record(Point(BORN, cost_seconds=0.25), START + 10 * number)
    assert kept.window(60).cost_seconds == 1.5


# --------------------------------------------------------------------------------------------------------------- lives


def test_a_new_life_of_the_node_is_marked() -> None:
    kept = trend()
    for number, creation in enumerate([BORN, BORN, None, REBORN, REBORN]):
        kept.record(Point(creation), START + 10 * number)
    assert kept.window().lives == (Life(BORN, 0), Life(REBORN, 3))


def test_the_same_life_goes_on_behind_a_gap() -> None:
    kept = trend()
    for number, creation in enumerate([None, BORN, None, BORN]):
        kept.record(Point(creation), START + 10 * number)
    assert kept.window().lives == (Life(BORN, 1),)


def test_a_restart_between_two_points_is_marked() -> None:
    kept = trend()
    kept.record(count(400, BORN), START)
    kept.record(count(50, REBORN), START + 10)
    assert kept.window().lives == (Life(BORN, 0), Life(REBORN, 1))


def test_a_change_is_that_of_the_present_life_alone() -> None:
    kept = trend()
    for number, (rows, creation) in enumerate([(1_000, BORN), (2_000, BORN), (10, REBORN), (12, REBORN)]):
        kept.record(Point(creation, {ROWS: rows}), START + 10 * number)
    window = kept.window()
    found = change(present_life(window, window.values[ROWS]), window.interval_seconds)
    assert found == Change(first=10, last=12, smallest=10, largest=12, falls=0, per_minute=12.0)


def test_a_life_that_is_no_longer_shown_is_not_named() -> None:
    kept = trend()
    kept.record(count(1, BORN), START)
    for number in range(1, 361):
        kept.record(count(number, REBORN), START + 10 * number)
    assert kept.window().lives == (Life(REBORN, 0),)


# -------------------------------------------------------------------------------------------------------------- change


def test_a_table_that_only_grows_never_falls() -> None:
    found = change([100, 110, None, 130, 140], 10.0)
    assert found == Change(first=100, last=140, smallest=100, largest=140, falls=0, per_minute=60.0)


def test_a_table_that_is_swept_falls_as_often_as_it_is_swept() -> None:
    found = change([0, 50, 100, 10, 60, 110, 20], 10.0)
    assert found is not None
    assert (found.falls, found.smallest, found.largest) == (2, 0, 110)


def test_a_single_figure_has_no_slope() -> None:
    found = change([None, 5, None], 10.0)
    assert found == Change(first=5, last=5, smallest=5, largest=5, falls=0, per_minute=None)


def test_of_what_was_never_measured_nothing_is_said() -> None:
    assert change([None, None], 10.0) is None
    assert change([], 10.0) is None


def test_of_a_node_that_never_answered_there_is_no_life() -> None:
    kept = trend()
    kept.record(Point(None), START)
    window = kept.window()
    assert present_life(window, window.values[ROWS]) == []


# -------------------------------------------------------------------------------------------------------------- bounds


def held_bytes(kept: Trend) -> int:
    arrays = [value for value in vars(kept).values() if isinstance(value, array)]
    return sum(map(sys.getsizeof, [*arrays, *kept._values.values()]))


def test_after_a_day_with_pauses_and_restarts_it_holds_an_hour_and_no_more() -> None:
    kept, rows = trend(), random.Random(4)
    before, now, newest = held_bytes(kept), START, 0
    for newest in range(8_640):
        now += 10 * rows.choice([1] * 50 + [2, 7, 500])
        kept.record(Point(newest // 1_000, {ROWS: newest}), now)
    window = kept.window()
    assert window.points == 360
    assert window.values[ROWS][-1] == newest
    assert {len(values) for values in window.values.values()} == {360}
    assert held_bytes(kept) == before


def test_a_point_more_takes_no_memory() -> None:
    kept = trend()
    values = dict.fromkeys(all_series(["receipt_ledger"]), 1 << 40)
    for number in range(400):
        kept.record(Point(number, values), START + 10 * number)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(400, 3_000):
            kept.record(Point(number, values), START + 10 * number)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2_000


def test_what_is_kept_of_a_node_with_the_playbook_s_tables_is_below_100_kilobytes() -> None:
    assert held_bytes(Trend(10.0, all_series(["a", "b", "c", "d", "e"]))) < 100_000


@pytest.mark.parametrize(("interval_seconds", "points"), [(1.0, 3_600), (10.0, 360), (60.0, 60), (3_600.0, 2)])
def test_there_are_as_many_points_as_intervals_in_an_hour(interval_seconds: float, points: int) -> None:
    assert trend(interval_seconds).length == points
