"""One row of the table of metrics, and the usual ways to make one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily, UnknownMetricFamily

from agent.probes import Result
from agent.probes.allocators import Allocators
from agent.probes.distribution import Distribution
from agent.probes.identity import NodeIdentity
from agent.probes.memory import Memory
from agent.probes.microstates import Microstates
from agent.probes.mnesia import Mnesia
from agent.probes.statistics import Statistics
from agent.probes.system_info import SystemInfo
from collector.snapshot import Snapshot

NODE_LABEL: Final = "erlang_node"  # not `node`: Kubernetes relabelling owns that one

PROBE_OF: Final[Mapping[type, str]] = {
    Allocators: "allocators",
    Distribution: "distribution",
    Memory: "memory",
    Microstates: "microstates",
    Mnesia: "mnesia",
    NodeIdentity: "identity",
    Statistics: "statistics",
    SystemInfo: "system_info",
}

Samples = Mapping[tuple[str, ...], float | None]
_Kind = TypeVar("_Kind", bound=Result)


@dataclass(frozen=True, slots=True)
class Family:
    """One row of the table. ``samples`` gives a value per label values; a value that is None is left out.

    ``probes`` are those that it is known from, each of them alone; none: it is about our own work.
    """

    name: str
    kind: type[GaugeMetricFamily | CounterMetricFamily | UnknownMetricFamily]
    help: str
    samples: Callable[[Snapshot], Samples]
    labels: tuple[str, ...] = ()
    always_names_node: bool = False
    is_told_when_down: bool = False
    probes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnFamily:
    """One row of the table that is no node's: of what this program did. Its values come from elsewhere."""

    name: str
    kind: type[GaugeMetricFamily | CounterMetricFamily | SummaryMetricFamily]
    help: str
    labels: tuple[str, ...] = ()


def of(kind: type[_Kind], read: Callable[[_Kind], float | None]) -> Callable[[Snapshot], Samples]:
    """Give one value of the result of that kind, without labels."""

    def samples(snapshot: Snapshot) -> Samples:
        result = snapshot.result(kind)
        return {} if result is None else {(): read(result)}

    return samples


def each_of(kind: type[_Kind], read: Mapping[str, Callable[[_Kind], float | None]]) -> Callable[[Snapshot], Samples]:
    """Give several values of one result, by what stands in their label."""

    def samples(snapshot: Snapshot) -> Samples:
        result = snapshot.result(kind)
        return {} if result is None else {(label,): value(result) for label, value in read.items()}

    return samples


def gauge(name: str, help_text: str, kind: type[_Kind], read: Callable[[_Kind], float | None]) -> Family:
    """Make a gauge of one value of a result."""
    return Family(name, GaugeMetricFamily, help_text, of(kind, read), probes=(PROBE_OF[kind],))


def counter(name: str, help_text: str, kind: type[_Kind], read: Callable[[_Kind], float | None]) -> Family:
    """Make a counter of one value of a result."""
    return Family(name, CounterMetricFamily, help_text, of(kind, read), probes=(PROBE_OF[kind],))
