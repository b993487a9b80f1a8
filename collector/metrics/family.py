"""One row of the table of metrics, and the usual ways to make one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, UnknownMetricFamily

from agent.probes import Result
from collector.snapshot import Snapshot

NODE_LABEL: Final = "erlang_node"  # not `node`: Kubernetes relabelling owns that one

Samples = Mapping[tuple[str, ...], float | None]
_Kind = TypeVar("_Kind", bound=Result)


@dataclass(frozen=True, slots=True)
class Family:
    """One row of the table. ``samples`` gives a value per label values; a value that is None is left out."""

    name: str
    kind: type[GaugeMetricFamily | CounterMetricFamily | UnknownMetricFamily]
    help: str
    samples: Callable[[Snapshot], Samples]
    labels: tuple[str, ...] = ()
    always_names_node: bool = False
    is_told_when_down: bool = False


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
    return Family(name, GaugeMetricFamily, help_text, of(kind, read))


def counter(name: str, help_text: str, kind: type[_Kind], read: Callable[[_Kind], float | None]) -> Family:
    """Make a counter of one value of a result."""
    return Family(name, CounterMetricFamily, help_text, of(kind, read))
