"""A figure over time in one line of text. What is not known is a blank, and where the node was started anew a bar."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

LEVELS: Final = "▁▂▃▄▅▆▇█"
NOT_KNOWN: Final = " "
STARTED_ANEW: Final = "|"
LEAST_SPAN: Final = 0.05  # of the largest value: smaller changes are not blown up to look like large ones
CARRIED_SECONDS: Final = 150.0  # a figure that is measured less often than the rest stands for so long


def sparkline(
    values: Sequence[int | None], cells: int, *, births: Collection[int] = (), is_from_zero: bool = False
) -> str:
    """Draw values in so many cells at the most, the newest at the right end: of those in one cell the largest.

    ``births`` are the points at which a new life of the node begins. The lowest level is the smallest value, and one
    that hardly changes is drawn in the middle; or it is 0, with ``is_from_zero``.
    """
    if cells <= 0:
        return ""
    groups = _groups(len(values), cells)
    peaks = [max((value for value in values[start:end] if value is not None), default=None) for start, end in groups]
    known = [peak for peak in peaks if peak is not None]
    low, high = _scale(known, is_from_zero=is_from_zero)
    return "".join(
        STARTED_ANEW if any(start <= birth < end for birth in births) else _level(peak, low, high)
        for (start, end), peak in zip(groups, peaks, strict=True)
    )


def carried(
    values: Sequence[int | None], answered: Sequence[bool], interval_seconds: float, births: Collection[int] = ()
) -> list[int | None]:
    """Fill the points between two measurements of a figure that is measured less often than the others.

    Only where the node ``answered`` at all, never from one life of it into the next, and for a while only.
    """
    most = int(CARRIED_SECONDS / interval_seconds)
    filled: list[int | None] = []
    latest: int | None = None
    age = 0
    for number, (value, is_there) in enumerate(zip(values, answered, strict=True)):
        age += 1
        if number in births or not is_there or age > most:
            latest = None
        if value is not None:
            latest, age = value, 0
        filled.append(latest)
    return filled


def _groups(points: int, cells: int) -> list[tuple[int, int]]:
    """Share out the points among the cells, each at least one point."""
    shown = min(points, cells)
    return [(cell * points // shown, (cell + 1) * points // shown) for cell in range(shown)]


def _scale(known: Sequence[int], *, is_from_zero: bool) -> tuple[float, float]:
    low, high = min(known, default=0), max(known, default=0)
    if is_from_zero:
        return 0, high
    if high - low >= high * LEAST_SPAN:
        return low, high
    middle, span = (low + high) / 2, high * LEAST_SPAN
    return middle - span, middle + span


def _level(value: int | None, low: float, high: float) -> str:
    if value is None:
        return NOT_KNOWN
    if high <= low:
        return LEVELS[0]
    return LEVELS[round((value - low) / (high - low) * (len(LEVELS) - 1))]
