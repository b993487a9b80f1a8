"""The figures of a trend as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collector.top.sparkline import carried, sparkline
from collector.views.trend import SeriesRow, TrendAnswer


@dataclass(frozen=True, slots=True)
class OverTime:
    """One trend, and what all of its figures have in common."""

    trend: TrendAnswer

    @property
    def births(self) -> Sequence[int]:
        """The points at which the node was started anew."""
        return [life.first_point for life in self.trend.lives[1:]]

    @property
    def minutes(self) -> float:
        """How far it goes back."""
        return max(0, self.trend.points - 1) * self.trend.interval_seconds / 60.0

    def line(self, series: SeriesRow, cells: int, *, is_from_zero: bool = False) -> str:
        """Draw one figure."""
        answered = [value is not None for value in self.trend.memory.total_bytes.values]
        values = carried(series.values, answered, self.trend.interval_seconds, self.births)
        return sparkline(values, cells, births=self.births, is_from_zero=is_from_zero)

    def growth(self, series: SeriesRow) -> str:
        """Say by which part a figure has grown within the node's present life; nothing where that is not known."""
        change = series.change
        if change is None or not change.first:
            return ""
        percent = round(100 * (change.last - change.first) / change.first)
        if percent == 0:
            return ""
        return f"{percent:+d}%" if abs(percent) < 1_000 else f"x{round(change.last / change.first)}"
