from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.diagnosis.growth import AFTER_A_JUMP, Criteria, Growth, Pattern, growth, time_left
from collector.diagnosis.ranks import Slope
from tests.terms_strategies import QUICK

INTERVAL_SECONDS = 10.0
HOUR = 360  # points
ANY_RISE = Criteria(least_rise_share=0.0)
MIB = 1024 * 1024


def judged(values: list[float | None], criteria: Criteria = ANY_RISE) -> Growth:
    return growth(values, INTERVAL_SECONDS, criteria)


def noisy(make: Callable[[int], float], points: int = HOUR, noise: float = 1.0, seed: int = 1) -> list[float | None]:
    chance = random.Random(seed)
    return [make(point) + chance.gauss(0, noise) for point in range(points)]


def wandering(points: int, seed: int) -> list[float | None]:
    chance, level, values = random.Random(seed), 1_000.0, list[float | None]()
    for _ in range(points):
        level += chance.gauss(0, 1)
        values.append(level)
    return values


# ------------------------------------------------------------------------------------------------- what does not grow


@pytest.mark.parametrize("values", [[], [1.0] * 29, [None] * HOUR, [1.0, *[None] * HOUR, 2.0]])
def test_of_few_points_nothing_is_said_but_that(values: list[float | None]) -> None:
    found = judged(values)
    assert found.pattern is Pattern.NOT_ENOUGH_DATA
    assert not found.is_growth
    assert found.points == sum(value is not None for value in values)


@QUICK
@given(st.integers(0, 10_000), st.sampled_from([30, 60, HOUR]), st.floats(0.0, 100.0))
def test_steady_noise_is_not_growth(seed: int, points: int, noise: float) -> None:
    assert judged(noisy(lambda _: 1_000.0, points, noise, seed)).pattern is Pattern.STEADY


@QUICK
@given(st.integers(0, 10_000), st.sampled_from([30, 60, HOUR]))
def test_what_falls_does_not_grow(seed: int, points: int) -> None:
    assert judged(noisy(lambda point: 1_000 - 3.0 * point, points, 1.0, seed)).pattern is Pattern.STEADY


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
@pytest.mark.parametrize("points", [30, 60, 120, HOUR])
def test_of_a_hundred_that_wander_without_aim_one_or_two_are_taken_for_growth(points: int) -> None:
    found = Counter(judged(wandering(points, seed)).pattern for seed in range(200))
    assert found[Pattern.GRADUAL] + found[Pattern.SUDDEN] <= 6


@pytest.mark.parametrize("period", [20, 60, 120])
def test_a_saw_of_garbage_collections_is_not_growth_once_a_tooth_was_seen(period: int) -> None:
    def saw(phase: int) -> list[float | None]:
        return noisy(lambda point: 1_000 + 100 * ((point + phase) % period) / period, noise=3.0)

    assert {judged(saw(phase)).pattern for phase in range(0, period, 7)} == {Pattern.STEADY}


def test_a_spike_that_is_over_is_not_growth() -> None:
    assert judged(noisy(lambda point: 9_000 if 100 <= point < 105 else 1_000)).pattern is Pattern.STEADY


def test_a_rise_too_small_to_matter_is_not_growth() -> None:
    values = noisy(lambda point: 1_000 + 40 * point / HOUR, noise=0.1)
    assert judged(values, Criteria(least_rise_share=0.05)).pattern is Pattern.STEADY
    assert judged(values, Criteria(least_rise_share=0.02)).pattern is Pattern.GRADUAL


# ---------------------------------------------------------------------------------------------------------- gradually


@QUICK
@given(st.floats(0.01, 1e6), st.integers(0, 10**12), st.sampled_from([30, 31, 60, 119, HOUR]))
def test_a_line_grows_gradually_at_its_own_slope(per_second: float, start: int, points: int) -> None:
    found = judged([start + per_second * INTERVAL_SECONDS * point for point in range(points)])
    assert found.pattern is Pattern.GRADUAL
    assert found.slope is not None
    assert found.slope.likely == pytest.approx(per_second, rel=0.01, abs=start * 1e-12)
    assert found.since_seconds == pytest.approx((points - 1) * INTERVAL_SECONDS)


def test_a_leak_in_noise_is_found_with_its_slope_in_the_interval() -> None:
    for seed in range(5):
        found = judged(noisy(lambda point: 1_000 + 0.3 * point, noise=8.0, seed=seed))
        assert found.pattern is Pattern.GRADUAL
        assert found.slope is not None
        assert found.slope.lowest <= 0.03 * 1.2
        assert found.slope.highest >= 0.03 * 0.8
        assert found.chance is not None
        assert found.chance <= 0.01


@QUICK
@given(st.integers(0, HOUR - 1), st.floats(-1e9, 1e9))
def test_one_value_far_off_changes_nothing(place: int, value: float) -> None:
    values = noisy(lambda point: 1_000 + 1.0 * point, noise=2.0)
    values[place] = value
    found = judged(values)
    assert found.pattern is Pattern.GRADUAL
    assert found.slope is not None
    assert found.slope.likely == pytest.approx(0.1, rel=0.02)


@QUICK
@given(st.integers(0, HOUR - 1), st.floats(-1e9, 1e9))
def test_one_value_far_off_in_noise_is_not_growth(place: int, value: float) -> None:
    values = noisy(lambda _: 1_000.0)
    values[place] = value
    assert judged(values).pattern is Pattern.STEADY


def test_gaps_change_neither_the_judgement_nor_the_slope() -> None:
    values: list[float | None] = [1_000 + 2.0 * point for point in range(HOUR)]
    chance = random.Random(6)
    for place in chance.sample(range(1, HOUR - 1), 200):
        values[place] = None
    found = judged(values)
    assert found.pattern is Pattern.GRADUAL
    assert found.points == HOUR - 200
    assert found.slope is not None
    assert found.slope.likely == pytest.approx(0.2)


def test_a_leak_that_began_ten_minutes_ago_is_found_and_dated() -> None:
    found = judged(noisy(lambda point: 1_000 + max(0, point - 300) * 1.0, noise=2.0))
    assert found.is_growth
    assert 200 <= found.since_seconds <= 900


# ----------------------------------------------------------------------------------------------------------- suddenly


@QUICK
@given(st.integers(10, 50), st.sampled_from([60, 120, HOUR]), st.integers(0, 1_000))
def test_a_step_is_sudden_and_dated(place: int, points: int, seed: int) -> None:
    found = judged(noisy(lambda point: 1_300.0 if point >= place else 1_000.0, points, 5.0, seed))
    assert found.pattern is Pattern.SUDDEN
    assert found.rise == pytest.approx(300, abs=20)
    assert found.since_seconds == pytest.approx((points - 1 - place) * INTERVAL_SECONDS, abs=3 * INTERVAL_SECONDS)


def test_a_step_is_seen_as_soon_as_it_has_lasted() -> None:
    def stepped(lasting: int) -> list[float | None]:
        return noisy(lambda point: 1_300.0 if point >= HOUR - lasting else 1_000.0)

    assert judged(stepped(AFTER_A_JUMP - 2)).pattern is Pattern.STEADY
    assert judged(stepped(AFTER_A_JUMP)).pattern is Pattern.SUDDEN


def test_a_flood_that_began_two_minutes_ago_is_sudden_and_still_rising() -> None:
    found = judged(noisy(lambda point: 1_000 + max(0, point - HOUR + 12) * 100.0, noise=5.0))
    assert found.pattern is Pattern.SUDDEN
    assert found.slope is not None
    assert found.slope.likely == pytest.approx(10.0, rel=0.3)


def test_a_step_downward_is_not_growth() -> None:
    assert judged(noisy(lambda point: 1_000.0 if point >= 200 else 1_300.0)).pattern is Pattern.STEADY


# ---------------------------------------------------------------------------------------------------------- time left


def test_the_time_left_is_between_that_of_the_steepest_and_that_of_the_flattest_slope() -> None:
    found = time_left(Slope(2.0, 1.0, 4.0), 100.0)
    assert found is not None
    assert (found.earliest, found.likely, found.latest) == (25.0, 50.0, 100.0)


def test_where_it_may_not_rise_at_all_there_is_no_latest_time() -> None:
    found = time_left(Slope(2.0, -1.0, 4.0), 100.0)
    assert found is not None
    assert found.latest is None


@pytest.mark.parametrize("slope", [None, Slope(0.0, -1.0, 1.0), Slope(-2.0, -3.0, -1.0)])
def test_what_does_not_rise_reaches_no_limit(slope: Slope | None) -> None:
    assert time_left(slope, 100.0) is None


@QUICK
@given(st.lists(st.one_of(st.none(), st.integers(0, 1 << 60)), max_size=120))
def test_any_figures_are_judged(values: list[int | None]) -> None:
    found = growth(values, INTERVAL_SECONDS)
    assert found.is_growth == (found.rise != 0)


def test_what_has_come_and_gone_before_has_not_risen_when_it_comes_again() -> None:
    tooth = [100.0] * 4 + [150.0] * 2
    assert growth(tooth * 10, 10.0).pattern is Pattern.STEADY
    assert growth([100.0] * 57 + [150.0] * 3, 10.0).pattern is Pattern.SUDDEN
