"""Does a figure grow, gradually or suddenly, since when, and when does it reach a limit?

A figure of a node has noise, spikes, saw teeth of garbage collections, gaps, and ways up and down without aim. What is
called growth here is none of these by chance, but for one time in a hundred or so (`Criteria.chance`):

- *gradual*: the additions from block to block are upward too often and too much, and the figure was never as high;
- *sudden*: within a few points it has risen by many times its noise, and it has stayed there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Final

from collector.diagnosis.ranks import Slope, chance_of_such_a_rise, deviation, theil_sen

BLOCKS: Final = 12  # whose medians are compared: noise is gone in them, and 11 steps suffice for one chance in 2,048
LINE_POINTS: Final = 60  # for the slope: 1,770 pairs take a millisecond
LEAST_POINTS: Final = 12  # whatever the criteria say: two for each side of a jump, and one in each block
FAR_OFF: Final = 2  # points that may be anywhere and change nothing
BESIDE_A_JUMP: Final = 6  # points on each side of it
AFTER_A_JUMP: Final = 3  # points that it has lasted at the least
SHORTER: Final = (1, 4, 12)  # parts of what is known in which growth is looked for: it may have begun just now

STEEPER: Final = 1.05

Points = Sequence[tuple[float, float]]
"""Seconds, and the figure then. In the order of time."""


class Pattern(StrEnum):
    """How a figure has changed."""

    NOT_ENOUGH_DATA = "not enough data yet"
    STEADY = "steady"
    GRADUAL = "gradual"
    SUDDEN = "sudden"


@dataclass(frozen=True, slots=True)
class Criteria:
    """What counts as growth. A rise by less than ``least_rise_share`` of what it began with is none."""

    least_points: int = 30
    least_rise_share: float = 0.05
    chance: float = 0.01
    jump_deviations: float = 6.0
    confidence: float = 0.95


CRITERIA: Final = Criteria()


@dataclass(frozen=True, slots=True)
class Growth:
    """How a figure has changed, over ``points`` points within ``span_seconds``.

    ``rise`` is by how much it grew since ``since_seconds`` before the last point; both are 0 where it did not grow.
    ``slope`` is what it rises by in a second: all along where it is steady, since it began where it is gradual, after
    the jump where it is sudden; None when too little is known for that. ``chance`` is how likely such a gradual growth
    is in a figure that wanders without aim.
    """

    pattern: Pattern
    points: int
    span_seconds: float
    rise: float = 0.0
    since_seconds: float = 0.0
    slope: Slope | None = None
    chance: float | None = None

    @property
    def is_growth(self) -> bool:
        """Whether it grows, or has grown at once."""
        return self.pattern in {Pattern.GRADUAL, Pattern.SUDDEN}


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """In how many seconds a limit is reached. ``latest`` is None when it may also never be."""

    earliest: float
    likely: float
    latest: float | None


def growth(
    values: Sequence[float | None],
    interval_seconds: float,
    criteria: Criteria = CRITERIA,
) -> Growth:
    """Judge the values of one figure at equal distances, in one life of the node; None where it was not measured."""
    points = [(index * interval_seconds, float(value)) for index, value in enumerate(values) if value is not None]
    span_seconds = points[-1][0] - points[0][0] if points else 0.0
    if len(points) < max(criteria.least_points, LEAST_POINTS):
        return Growth(Pattern.NOT_ENOUGH_DATA, len(points), span_seconds)
    jump = _jump(points, criteria)
    if jump is not None:
        return jump
    found: Growth | None = None
    for part in SHORTER:
        each = _gradual(points, part, criteria)
        if each is not None and (found is None or _is_steeper(each, found)):
            found = each
    if found is not None:
        return found
    return Growth(
        Pattern.STEADY, len(points), span_seconds, slope=theil_sen(_blocks(points, LINE_POINTS), criteria.confidence)
    )


def time_left(slope: Slope | None, left: float) -> TimeLeft | None:
    """Return when so much more is reached at this slope; None when the figure does not rise."""
    if slope is None or slope.likely <= 0.0:
        return None
    likely = left / slope.likely
    earliest = left / slope.highest if slope.highest > 0.0 else likely
    return TimeLeft(earliest, likely, left / slope.lowest if slope.lowest > 0.0 else None)


def _gradual(points: Points, part: int, criteria: Criteria) -> Growth | None:
    """Look for gradual growth in the last one of so many parts."""
    some = points[-max(criteria.least_points, len(points) // part) :]
    before = points[: len(points) - len(some)]
    if part > 1 and not before:
        return None
    levels = [value for _, value in _blocks(some, BLOCKS)]
    chance = chance_of_such_a_rise([after - level for level, after in pairwise(levels)])
    slope = theil_sen(_blocks(some, LINE_POINTS), criteria.confidence)
    if chance > criteria.chance / len(SHORTER) or slope is None or slope.lowest <= 0.0:
        return None
    highest_before = sorted(value for _, value in before)[-FAR_OFF - 1 :]
    if highest_before and highest_before[0] >= levels[-1]:
        return None  # it was as high before, and has come down: a tooth of a saw
    rise = levels[-1] - levels[0]
    if rise < criteria.least_rise_share * abs(levels[0]):
        return None
    since_seconds = some[-1][0] - some[0][0]
    return Growth(
        Pattern.GRADUAL,
        len(points),
        points[-1][0] - points[0][0],
        rise,
        since_seconds,
        slope,
        min(1.0, chance * len(SHORTER)),
    )


def _is_steeper(recent: Growth, whole: Growth) -> bool:
    """Say whether growth has become faster beyond doubt; else what was seen for longer is known better."""
    if recent.slope is None or whole.slope is None:
        return False
    return recent.slope.lowest > whole.slope.highest * STEEPER


def _jump(points: Points, criteria: Criteria) -> Growth | None:
    """Look for the highest jump, and judge it by what the figure does on both sides of it."""
    values = [value for _, value in points]
    places = range(BESIDE_A_JUMP, len(values) - AFTER_A_JUMP + 1)
    place = max(places, key=lambda at: (_height(values, at), values[at] - values[at - 1]))
    height = _height(values, place)
    before, after = values[:place], values[place:]
    level = median(before[-BESIDE_A_JUMP:])
    if height <= 0.0 or height < criteria.least_rise_share * abs(level):
        return None
    if sorted(before)[-min(len(before), FAR_OFF + 1)] >= level + height / 2:
        return None  # it was as high before, and has come down: it will again
    noise = deviation([*_around_median(before), *_around_median(after)])
    has_stayed = median(after[-BESIDE_A_JUMP:]) >= level + height / 2
    if height < criteria.jump_deviations * noise or not has_stayed:
        return None
    since_seconds = points[-1][0] - points[place][0]
    slope = theil_sen(_blocks(points[place:], LINE_POINTS), criteria.confidence) if len(after) > AFTER_A_JUMP else None
    rise = median(after[-AFTER_A_JUMP:]) - level
    return Growth(Pattern.SUDDEN, len(points), points[-1][0] - points[0][0], rise, since_seconds, slope)


def _height(values: Sequence[float], place: int) -> float:
    return median(values[place : place + BESIDE_A_JUMP]) - median(values[place - BESIDE_A_JUMP : place])


def _around_median(values: Sequence[float]) -> Iterator[float]:
    middle = median(values)
    return (value - middle for value in values)


def _blocks(points: Points, most: int) -> list[tuple[float, float]]:
    """Return the medians of at most so many equal parts, in time and in value."""
    count = min(most, len(points))
    bounds = [len(points) * number // count for number in range(count + 1)]
    parts = [points[first:last] for first, last in pairwise(bounds)]
    return [(median(time for time, _ in part), median(value for _, value in part)) for part in parts]
