"""The metrics of our own memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from collector.memory_ceiling import MemoryCeiling
from collector.metrics.family import OwnFamily

RESIDENT: Final = OwnFamily(
    "beamwarden_resident_memory_bytes", GaugeMetricFamily, "Memory of this program that is resident."
)
CEILING: Final = OwnFamily(
    "beamwarden_memory_ceiling_bytes",
    GaugeMetricFamily,
    "Resident memory beyond which this program refuses what takes much, and scrapes have only vital signs.",
)
REFUSALS: Final = OwnFamily(
    "beamwarden_refused_for_memory_total", CounterMetricFamily, "Requests that were refused at the memory ceiling."
)
SHEDS: Final = OwnFamily(
    "beamwarden_caches_shed_total",
    CounterMetricFamily,
    "How often what can be asked again was forgotten to stay below the memory ceiling.",
)


def memory_metrics(ceiling: MemoryCeiling) -> Iterable[Metric]:
    """Tell how much memory we take, and what was done to take no more."""
    if (used_bytes := ceiling.resident_bytes) is not None:
        yield GaugeMetricFamily(RESIDENT.name, RESIDENT.help, value=used_bytes)
    yield GaugeMetricFamily(CEILING.name, CEILING.help, value=ceiling.ceiling_bytes)
    yield CounterMetricFamily(REFUSALS.name, REFUSALS.help, value=ceiling.refusals)
    yield CounterMetricFamily(SHEDS.name, SHEDS.help, value=ceiling.sheds)
