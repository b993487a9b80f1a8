"""The metrics of the memory limit that the node itself sees: its container's, its ulimit, or the machine's memory."""

from __future__ import annotations

from typing import Final

from prometheus_client.core import GaugeMetricFamily

from agent.probes.memory_limit import MemoryLimit
from collector.metrics.family import Family, of

LIMITS: Final = (
    Family(
        "beam_memory_limit_bytes",
        GaugeMetricFamily,
        "The memory limit that is reached first: when it is, the kernel ends the node.",
        of(MemoryLimit, lambda found: None if found.nearest is None else found.nearest.limit_bytes),
        always_names_node=True,
        probes=("memory_limit",),
    ),
    Family(
        "beam_memory_limit_used_bytes",
        GaugeMetricFamily,
        "What counts against that limit and would not be given back.",
        of(MemoryLimit, lambda found: None if found.nearest is None else found.nearest.needed_bytes),
        always_names_node=True,
        probes=("memory_limit",),
    ),
    Family(
        "beam_resident_memory_bytes",
        GaugeMetricFamily,
        "What the operating system process of the node has in memory.",
        of(MemoryLimit, lambda found: found.resident_bytes),
        always_names_node=True,
        probes=("memory_limit",),
    ),
)
