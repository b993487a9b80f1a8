"""From snapshots to the families of one scrape: a pure function over all tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, Metric

from collector.metrics.family import NODE_LABEL
from collector.metrics.own import OURS
from collector.metrics.processes import PROCESSES
from collector.metrics.vm import VM
from collector.snapshot import Snapshot

FAMILIES: Final = (*OURS, *PROCESSES, *VM)


def to_families(snapshots: Sequence[Snapshot]) -> Iterable[Metric]:
    """Turn the snapshots of all nodes into metric families, fresh for one scrape.

    Of a node that is not up only ``beam_up 0`` is told, and what it has cost us: nothing else about it is known now.
    With one node the ``erlang_vm_*`` families do not name it, as prometheus.erl's do not.
    """
    for family in FAMILIES:
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
    bugs = sum(snapshot.internal_errors for snapshot in snapshots)
    yield CounterMetricFamily("beamwarden_internal_errors", "Bugs of beamwarden that it met and survived.", value=bugs)
