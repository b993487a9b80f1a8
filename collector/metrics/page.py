"""From snapshots to the families of one scrape: a pure function over all tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from collector.metrics.allocators import ALLOCATORS
from collector.metrics.connections import LIFE
from collector.metrics.distribution import DISTRIBUTION
from collector.metrics.family import NODE_LABEL, Family, OwnFamily, Samples
from collector.metrics.labelled import NodeSeries, Row
from collector.metrics.limits import LIMITS
from collector.metrics.microstates import MICROSTATES
from collector.metrics.mnesia import MNESIA
from collector.metrics.named import NAMED
from collector.metrics.own import OURS
from collector.metrics.processes import PROCESSES
from collector.metrics.supervision import SUPERVISION
from collector.metrics.tables import TABLES
from collector.metrics.vm import VM
from collector.snapshot import Snapshot

FAMILIES: Final = (*OURS, *PROCESSES, *LIMITS, *VM, *ALLOCATORS, *DISTRIBUTION, *MNESIA, *MICROSTATES)
SUBJECTS: Final = (LIFE, NAMED, TABLES, SUPERVISION)

BUGS: Final = OwnFamily(
    "beamwarden_internal_errors_total", CounterMetricFamily, "Bugs of beamwarden that it met and survived."
)
LABELS_LEFT_OUT: Final = OwnFamily(
    "beamwarden_label_values_left_out",
    GaugeMetricFamily,
    "Names of the node that have no series of their own, since there is no room for more.",
    labels=(NODE_LABEL, "kind"),
)

# The label values that each of these has now; those that have no place are in `other`.
_BOUNDED: Final = ("names", "tables", "supervisors", "children", "applications")


def to_families(snapshots: Sequence[Snapshot], probes: Collection[str] | None = None) -> Iterable[Metric]:
    """Turn the snapshots of all nodes into metric families, fresh for one scrape; with ``probes``, what these tell.

    Of a node that is not up only ``beam_up 0`` is told, and what it has cost us: nothing else about it is known now.
    With one node the ``erlang_vm_*`` families do not name it, as prometheus.erl's do not.
    """
    for family in FAMILIES:
        if not _is_told(family, probes):
            continue
        names_node = family.always_names_node or len(snapshots) > 1
        node_label = (NODE_LABEL,) if names_node else ()
        metric = family.kind(family.name, family.help, labels=(*node_label, *family.labels))
        for snapshot in snapshots:
            if not snapshot.is_up and not family.is_told_when_down:
                continue
            node = (snapshot.name,) if names_node else ()
            for labels, value in family.samples(snapshot).items():
                if value is not None:
                    metric.add_metric((*node, *labels), float(value))
        if metric.samples:
            yield metric
    yield bugs_survived(sum(snapshot.internal_errors for snapshot in snapshots))


def bugs_survived(count: int) -> Metric:
    """Return how many bugs of ours have been met."""
    return CounterMetricFamily(BUGS.name, BUGS.help, value=count)


def to_labelled(
    snapshots: Sequence[Snapshot], kept: Mapping[str, NodeSeries], now: float, probes: Collection[str] | None = None
) -> Iterable[Metric]:
    """Turn what has names of a node for labels into families; ``kept`` is what is kept of each node.

    ``now`` is whatever a clock says that never goes back. Of a node that is not up nothing is told.
    """
    up = [snapshot for snapshot in snapshots if snapshot.is_up]
    for subject in SUBJECTS:
        filled = [(one.name, subject.fill(one, kept[one.name], now)) for one in up]
        for row in subject.rows:
            metric = _labelled(row, [(name, samples.get(row.name, {})) for name, samples in filled])
            if metric.samples and _is_told(row, probes):
                yield metric
    yield _left_out(up, kept)


def _is_told(row: Family | Row, probes: Collection[str] | None) -> bool:
    return probes is None or not row.probes or not set(row.probes).isdisjoint(probes)


def _labelled(row: Row, filled: Iterable[tuple[str, Samples]]) -> Metric:
    metric = row.kind(row.name, row.help, labels=(NODE_LABEL, *row.labels))
    for node, samples in filled:
        for labels, value in samples.items():
            if value is not None:
                metric.add_metric((node, *labels), value)
    return metric


def _left_out(up: Iterable[Snapshot], kept: Mapping[str, NodeSeries]) -> Metric:
    metric = GaugeMetricFamily(LABELS_LEFT_OUT.name, LABELS_LEFT_OUT.help, labels=LABELS_LEFT_OUT.labels)
    for snapshot in up:
        for kind in _BOUNDED:
            metric.add_metric((snapshot.name, kind), getattr(kept[snapshot.name], kind).left_out)
    return metric
