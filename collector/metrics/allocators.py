"""The metrics of the emulator's allocators, as prometheus.erl has them."""

from __future__ import annotations

from typing import Final

from prometheus_client.core import GaugeMetricFamily

from agent.probes.allocators import Allocators
from collector.metrics.family import Family, Samples
from collector.snapshot import Snapshot


def _allocators(snapshot: Snapshot) -> Samples:
    found = snapshot.result(Allocators)
    if found is None:
        return {}
    return {
        (row.allocator, str(row.instance), row.kind, usage): value
        for row in found.rows
        for usage, value in (
            ("blocks", row.blocks),
            ("blocks_size", row.blocks_bytes),
            ("carriers", row.carriers),
            ("carriers_size", row.carriers_bytes),
        )
    }


ALLOCATORS: Final = (
    Family(
        "erlang_vm_allocators",
        GaugeMetricFamily,
        "Memory that allocators have taken (carriers) and that is used of it (blocks), by number and by size in bytes.",
        _allocators,
        labels=("alloc", "instance_no", "kind", "usage"),
        probes=("allocators",),
    ),
)
