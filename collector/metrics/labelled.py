"""Metrics whose labels are names of a node: one row of the table, and what is kept of a node between two scrapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from collector.metrics.bounded import Bounded
from collector.metrics.family import Samples
from collector.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. ``probes`` are those that it is known from, each of them alone."""

    name: str
    kind: type[GaugeMetricFamily | CounterMetricFamily]
    help: str
    labels: tuple[str, ...]
    probes: tuple[str, ...]


@dataclass(slots=True)
class ChildRestarts:
    """How often the pid of each child was another one than at the look before, in one life of the node."""

    creation: int | None = None
    pids: dict[tuple[str, str], str] = field(default_factory=dict)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(slots=True)
class NodeSeries:
    """What is kept of one node between two scrapes. ``started_at`` is the start of which life of it."""

    names: Bounded = field(default_factory=lambda: Bounded(100))
    tables: Bounded = field(default_factory=lambda: Bounded(100))
    supervisors: Bounded = field(default_factory=lambda: Bounded(200))
    children: Bounded = field(default_factory=lambda: Bounded(500))
    applications: Bounded = field(default_factory=lambda: Bounded(200))
    restarts: ChildRestarts = field(default_factory=ChildRestarts)
    started_at: tuple[int, float] | None = None


Fill: TypeAlias = Callable[[Snapshot, NodeSeries, float], Mapping[str, Samples]]
"""Gives the samples of the rows of a subject, by the row's name; called once in each scrape, with the time of it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The rows of one subject, and what fills them."""

    rows: tuple[Row, ...]
    fill: Fill
