"""The last hour of a node in as many points as fit: a structure that takes the same memory after a minute and a year.

A point is a moment. A figure that nobody measured then, and a node that did not answer then, leave a gap, which is not
0. Each point knows which life of the node it is of, so that what was before a restart is never joined with what came
after it.
"""

from __future__ import annotations

import math
import operator
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, TypeAlias

HOUR_SECONDS: Final = 3_600.0

# What a row of figures is of: ("memory", "total"), ("process_count",), ("table", "receipt_ledger", "size").
Series: TypeAlias = tuple[str, ...]

MEMORY_KINDS: Final = ("total", "processes", "system", "atom", "binary", "code", "ets")
PROCESS_COUNT: Final[Series] = ("process_count",)
RUN_QUEUE: Final[Series] = ("run_queue_length",)
LONGEST_QUEUE: Final[Series] = ("message_queues", "longest")
WAITING: Final[Series] = ("message_queues", "total")
OF_A_TABLE: Final = ("count", "size", "memory")

_NOBODY: Final = -1
_NOT_KNOWN: Final = math.nan


def memory_of(kind: str) -> Series:
    """Name the bytes of one kind of memory."""
    return "memory", kind


def table_of(name: str, what: str) -> Series:
    """Name a figure of all tables that have a name: one of `OF_A_TABLE`."""
    return "table", name, what


def all_series(tables: Iterable[str]) -> tuple[Series, ...]:
    """Return what is kept of a node on which these tables are watched."""
    of_memory = (memory_of(kind) for kind in MEMORY_KINDS)
    of_tables = (table_of(name, what) for name in tables for what in OF_A_TABLE)
    return (*of_memory, PROCESS_COUNT, RUN_QUEUE, LONGEST_QUEUE, WAITING, *of_tables)


@dataclass(frozen=True, slots=True)
class Point:
    """A node at one moment. ``creation`` is None when it did not answer, and ``trouble`` then says why.

    ``values`` are the figures that were measured for this point.
    """

    creation: int | None
    values: Mapping[Series, int] = field(default_factory=dict)
    cost_seconds: float = 0.0
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """One life of the node: its creation, and the first point at which it answered."""

    creation: int
    first_point: int


@dataclass(frozen=True, slots=True)
class Window:
    """Some of the latest points, the oldest first. ``creations`` has None where the node did not answer."""

    interval_seconds: float
    newest_at: datetime | None
    creations: tuple[int | None, ...]
    values: Mapping[Series, tuple[int | None, ...]]
    cost_seconds: float
    trouble: str | None

    @property
    def points(self) -> int:
        """How many there are."""
        return len(self.creations)

    @property
    def first_at(self) -> datetime | None:
        """When the first of them was."""
        return self.newest_at and self.newest_at - timedelta(seconds=(self.points - 1) * self.interval_seconds)

    @property
    def lives(self) -> tuple[Life, ...]:
        """The lives of the node that any of these points is of, the oldest first."""
        found: list[Life] = []
        for number, creation in enumerate(self.creations):
            if creation is not None and (not found or found[-1].creation != creation):
                found.append(Life(creation, number))
        return tuple(found)


class Trend:
    """The latest points of one node. A time is whatever a clock says that never goes back, in seconds."""

    def __init__(self, interval_seconds: float, series: Sequence[Series]) -> None:
        self.interval_seconds = interval_seconds
        self.length = max(2, int(HOUR_SECONDS / interval_seconds))
        self._values = {one: array("d", [_NOT_KNOWN]) * self.length for one in series}
        self._creations = array("q", [_NOBODY]) * self.length
        self._costs = array("d", [0.0]) * self.length
        self._first: int | None = None
        self._newest = 0
        self._newest_at: datetime | None = None
        self._trouble: str | None = None

    def number_of(self, now_seconds: float) -> int:
        """Return which point a moment belongs to: the nearest, since a timer may be a little early or late."""
        return round(now_seconds / self.interval_seconds)

    def record(self, point: Point, now_seconds: float, at: datetime | None = None) -> None:
        """Put a point where it belongs. The moments since the one before at which there was none become gaps.

        A second point for the same moment takes the place of the first.
        """
        number = self.number_of(now_seconds)
        if self._first is None:
            self._first = self._newest = number
        for gap in range(max(self._newest + 1, number - self.length + 1), number):
            self._put(gap, Point(None))
        self._put(number, point)
        self._newest = number
        self._newest_at = at or datetime.now(UTC)
        self._trouble = point.trouble

    def window(self, seconds: float = HOUR_SECONDS) -> Window:
        """Return the points of the last so many seconds, but none from before the first that was recorded."""
        wanted = min(self.length, max(1, math.ceil(seconds / self.interval_seconds)))
        known = 0 if self._first is None else self._newest - self._first + 1
        places = [number % self.length for number in range(self._newest + 1 - min(wanted, known), self._newest + 1)]
        creations = (self._creations[place] for place in places)
        return Window(
            self.interval_seconds,
            self._newest_at,
            tuple(None if creation == _NOBODY else creation for creation in creations),
            {one: _known(values[place] for place in places) for one, values in self._values.items()},
            math.fsum(self._costs[place] for place in places),
            self._trouble,
        )

    def _put(self, number: int, point: Point) -> None:
        place = number % self.length
        self._creations[place] = _NOBODY if point.creation is None else point.creation
        self._costs[place] = point.cost_seconds
        for one, values in self._values.items():
            values[place] = point.values.get(one, _NOT_KNOWN)


@dataclass(frozen=True, slots=True)
class Change:
    """How a figure has changed. ``falls`` counts how often it was less than the time before.

    ``per_minute`` is the slope of the straight line that is nearest to the points; None for a single one.
    """

    first: int
    last: int
    smallest: int
    largest: int
    falls: int
    per_minute: float | None


def change(values: Sequence[int | None], interval_seconds: float) -> Change | None:
    """Say how a figure has changed over points of one life; None when it was not measured at any of them."""
    found = [(number, value) for number, value in enumerate(values) if value is not None]
    if not found:
        return None
    numbers, known = zip(*found, strict=True)
    return Change(
        first=known[0],
        last=known[-1],
        smallest=min(known),
        largest=max(known),
        falls=sum(map(operator.lt, known[1:], known)),
        per_minute=_slope(numbers, known) * 60.0 / interval_seconds if len(known) > 1 else None,
    )


def present_life(window: Window, values: Sequence[int | None]) -> list[int | None]:
    """Return those of the values that are of the latest life. What was before is another program's."""
    lives = window.lives
    return list(islice(values, lives[-1].first_point, None)) if lives else []


def _known(values: Iterable[float]) -> tuple[int | None, ...]:
    return tuple(None if value != value else int(value) for value in values)  # noqa: PLR0124  # not a number, quickly


def _slope(numbers: Sequence[int], values: Sequence[int]) -> float:
    """By least squares, in units for each point. The sums are those of whole numbers, and so exact."""
    count, along, high = len(numbers), sum(numbers), sum(values)
    both, squares = sum(map(operator.mul, numbers, values)), sum(map(operator.mul, numbers, numbers))
    slope: float = (count * both - along * high) / (count * squares - along * along)
    return slope
