"""What is it that grows? Kinds of memory over time, and whether one process or one table has most of a kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from collector.diagnosis.growth import CRITERIA, Criteria, Growth, growth
from collector.trend import MEMORY_KINDS, Window, change, memory_of, present_life, table_of

PARTS: Final = ("processes", "ets", "binary", "code", "atom")
OTHER: Final = "other"  # what of `system` is none of these, as `beamwarden memory` calls it
BESIDE: Final = 5  # points whose median is a level
MOST: Final = 0.5


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of memory: by how many bytes it rose while the whole did, and its share of that; its own growth."""

    kind: str
    rise_bytes: int
    share: float
    growth: Growth


@dataclass(frozen=True, slots=True)
class WhatGrows:
    """The growth of all memory, and what it is made of, the largest part first: none where it does not grow.

    A part that shrinks has a negative share; all shares together are 1, but for what was measured a moment apart.
    """

    total: Growth
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Holder:
    """One process or table that has most of its kind."""

    name: str
    memory_bytes: int
    share: float


def what_grows(window: Window, criteria: Criteria = CRITERIA) -> WhatGrows:
    """Judge the memory of a node's present life, kind by kind."""
    kinds = {kind: present_life(window, window.values[memory_of(kind)]) for kind in MEMORY_KINDS}
    # Of a node that is gone, or does not answer, the last points are not known: until then it is judged.
    known = _known(kinds["total"])
    kinds = {kind: values[:known] for kind, values in kinds.items()}
    total = growth(kinds["total"], window.interval_seconds, criteria)
    if not total.is_growth:
        return WhatGrows(total, ())
    steps = round(total.since_seconds / window.interval_seconds)
    rise_bytes = _rise(kinds["total"], steps)
    series = {kind: kinds[kind] for kind in PARTS} | {OTHER: _other(kinds["system"], kinds)}
    parts = [
        Part(
            kind,
            rise := _rise(values, steps),
            rise / rise_bytes if rise_bytes > 0 else 0.0,
            growth(values, window.interval_seconds, criteria),
        )
        for kind, values in series.items()
    ]
    return WhatGrows(total, tuple(sorted(parts, key=lambda part: -part.rise_bytes)))


def table_growth(
    window: Window,
    name: str,
    what: str,
    criteria: Criteria = CRITERIA,
) -> Growth | None:
    """Judge the rows (``size``) or the ``memory`` of a watched table; None when it is not watched or not there."""
    values = window.values.get(table_of(name, what))
    counts = window.values.get(table_of(name, "count"))
    if values is None or counts is None:
        return None
    there = [
        None if not count else value
        for value, count in zip(present_life(window, values), present_life(window, counts), strict=True)
    ]
    return growth(there, window.interval_seconds, criteria) if any(value is not None for value in there) else None


def table_falls(window: Window, name: str, since_seconds: float) -> int:
    """Count how often, within the last so many seconds, a watched table had fewer rows than at the point before."""
    values = present_life(window, window.values.get(table_of(name, "size"), ()))
    last = 1 + round(since_seconds / window.interval_seconds)
    found = change(values[: _known(values)][-last:], window.interval_seconds)
    return 0 if found is None else found.falls


def holder(largest: Sequence[tuple[str, int]], all_bytes: int, most: float = MOST) -> Holder | None:
    """Return the one that has most of the bytes of its kind, or None when they are spread.

    ``largest`` are names and bytes in any order. Where they were measured after ``all_bytes``, one may have more.
    """
    name, memory_bytes = max(largest, key=lambda each: each[1], default=("", 0))
    share = memory_bytes / all_bytes if all_bytes > 0 else 0.0
    return Holder(name, memory_bytes, min(1.0, share)) if share >= most else None


def _known(values: Sequence[int | None]) -> int:
    """Return how many values there are up to the last one that was measured."""
    return next((index for index in range(len(values), 0, -1) if values[index - 1] is not None), 0)


def _rise(values: Sequence[int | None], steps: int) -> int:
    """Return the level now less the level so many points ago."""
    then = len(values) - 1 - steps
    before = [value for value in values[max(0, then - BESIDE) : then] if value is not None]
    begun = [value for value in values[max(0, then) : then + BESIDE] if value is not None]
    # After a rise that was a moment ago not more than what has come since: the level would be the one before it.
    now = [value for value in values[-min(BESIDE, steps + 1) :] if value is not None]
    if not now or not (before or begun):
        return 0
    return round(median(now) - median(before or begun))


def _other(system: Sequence[int | None], kinds: dict[str, list[int | None]]) -> list[int | None]:
    columns = zip(system, *(kinds[kind] for kind in PARTS if kind != "processes"), strict=True)
    return [
        None if any(value is None for value in column) else 2 * (column[0] or 0) - sum(value or 0 for value in column)
        for column in columns
    ]
