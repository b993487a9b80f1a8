from __future__ import annotations

import math
import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.diagnosis.ranks import Slope, chance_of_such_a_rise, deviation, theil_sen
from tests.terms_strategies import QUICK


def test_of_a_line_the_slope_is_its_own() -> None:
    assert theil_sen([(time, 5.0 + 3.0 * time) for time in range(20)], 0.95) == Slope(3.0, 3.0, 3.0)


def test_a_third_of_the_points_may_be_anywhere() -> None:
    points = [(float(time), 2.0 * time) for time in range(30)]
    for place in range(0, 30, 4):
        points[place] = (float(place), 1e9)
    slope = theil_sen(points, 0.95)
    assert slope is not None
    assert slope.likely == pytest.approx(2.0)


@pytest.mark.parametrize("points", [[], [(1.0, 2.0)], [(1.0, 2.0), (1.0, 3.0)]])
def test_without_two_times_there_is_no_slope(points: list[tuple[float, float]]) -> None:
    assert theil_sen(points, 0.95) is None


def test_the_interval_has_the_true_slope_as_often_as_it_says() -> None:
    chance = random.Random(6)
    inside = 0
    for _ in range(300):
        slope = theil_sen([(time, 0.5 * time + chance.gauss(0, 3)) for time in range(25)], 0.9)
        assert slope is not None
        inside += slope.lowest <= 0.5 <= slope.highest
    assert 0.84 <= inside / 300 <= 0.97


@QUICK
@given(st.lists(st.integers(-5, 5), max_size=9))
def test_the_chance_is_what_counting_all_signs_gives(steps: list[int]) -> None:
    sizes = [abs(step) for step in steps if step]
    ranks = [sum(other < size for other in sizes) + (sizes.count(size) + 1) / 2 for size in sizes]

    def upward(signs: tuple[int, ...]) -> float:
        return sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign > 0)

    seen = upward(tuple(1 if step > 0 else -1 for step in steps if step))
    every = list(product((-1, 1), repeat=len(sizes)))
    expected = sum(upward(signs) >= seen for signs in every) / len(every)
    assert chance_of_such_a_rise(steps) == pytest.approx(expected)


def test_eleven_steps_upward_happen_by_chance_once_in_two_thousand() -> None:
    assert chance_of_such_a_rise([1.0] * 11) == 1 / 2048


def test_one_step_is_as_likely_up_as_down_however_high_it_is() -> None:
    assert chance_of_such_a_rise([0.0, 0.0, 1e9, 0.0]) == 0.5


def test_the_deviation_is_that_of_a_normal_distribution_and_far_off_values_do_not_move_it() -> None:
    chance = random.Random(6)
    values = [chance.gauss(100, 7) for _ in range(2_000)]
    assert deviation(values) == pytest.approx(7, rel=0.1)
    assert deviation([*values, *[math.inf] * 100]) == pytest.approx(7, rel=0.2)
