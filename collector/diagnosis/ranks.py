"""Statistics by ranks, for figures of which nobody knows how they are distributed, and of which some are far off.

Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968; Wilcoxon, "Individual comparisons by
ranking methods", 1945.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

MAD_TO_DEVIATION = 1.4826  # of a normal distribution


@dataclass(frozen=True, slots=True)
class Slope:
    """How steeply a figure rises, in units for each unit of time, and between what and what it is likely to be."""

    likely: float
    lowest: float
    highest: float


def theil_sen(points: Sequence[tuple[float, float]], confidence: float) -> Slope | None:
    """Return the median of the slopes between all pairs of points; None when there are not two different times.

    A third of the points may be anywhere without moving it far. The interval is Sen's, by the ranks of the slopes.
    """
    slopes = sorted(
        (high - low) / (late - early)
        for index, (early, low) in enumerate(points)
        for late, high in points[index + 1 :]
        if late > early
    )
    if not slopes:
        return None
    count, pairs = len(points), len(slopes)
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    width = NormalDist().inv_cdf((1 + confidence) / 2) * deviation
    first = max(0, math.floor((pairs - width) / 2))
    last = min(pairs - 1, math.ceil((pairs + width) / 2))
    return Slope(median(slopes), slopes[first], slopes[last])


def chance_of_such_a_rise(steps: Sequence[float]) -> float:
    """Return how likely steps as high as these are, or higher, where up and down are equally likely. Exact.

    That is Wilcoxon's signed-rank test on what was added from one moment to the next. A figure that wanders without
    aim, which has long ways up and down, is not taken for one that rises, as it is by a test for a trend.
    """
    signed = [step for step in steps if step]
    doubled_ranks = _doubled_ranks([abs(step) for step in signed])
    upward = sum(rank for rank, step in zip(doubled_ranks, signed, strict=True) if step > 0)
    ways: dict[int, int] = {0: 1}
    for rank in doubled_ranks:
        after: defaultdict[int, int] = defaultdict(int, ways)
        for total, number in ways.items():
            after[total + rank] += number
        ways = after
    as_high = sum(number for total, number in ways.items() if total >= upward)
    return as_high / sum(ways.values())


def deviation(values: Sequence[float]) -> float:
    """Return the standard deviation as the median of the distances from the median has it."""
    middle = median(values)
    return MAD_TO_DEVIATION * median(abs(value - middle) for value in values)


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Rank the values from 1; equal ones share the mean of their ranks. Doubled, so that they are whole numbers."""
    places: defaultdict[float, list[int]] = defaultdict(list)
    for place, value in enumerate(sorted(values), start=1):
        places[value].append(place)
    return [places[value][0] + places[value][-1] for value in values]
