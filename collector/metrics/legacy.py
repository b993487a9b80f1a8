"""The names that prometheus.erl gave its metrics before 6.0, which most public dashboards still ask for.

A counter without ``_total`` and a gauge with it cannot be told as what they are: by their old names both are untyped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from prometheus_client.core import Metric


class Naming(StrEnum):
    """Which names a scrape has."""

    V6 = "v6"
    LEGACY = "legacy"
    BOTH = "both"


class Legacy(NamedTuple):
    """The old name, and how much larger its values are: some were in milliseconds."""

    name: str
    factor: float = 1.0


# Of those not named here the name has stayed.
LEGACY: Final[Mapping[str, Legacy]] = {
    "erlang_vm_memory_atom_bytes": Legacy("erlang_vm_memory_atom_bytes_total"),
    "erlang_vm_memory_bytes": Legacy("erlang_vm_memory_bytes_total"),
    "erlang_vm_memory_processes_bytes": Legacy("erlang_vm_memory_processes_bytes_total"),
    "erlang_vm_memory_system_bytes": Legacy("erlang_vm_memory_system_bytes_total"),
    "erlang_vm_statistics_context_switches_total": Legacy("erlang_vm_statistics_context_switches"),
    "erlang_vm_statistics_garbage_collection_number_of_gcs_total": Legacy(
        "erlang_vm_statistics_garbage_collection_number_of_gcs"
    ),
    "erlang_vm_statistics_garbage_collection_bytes_reclaimed_total": Legacy(
        "erlang_vm_statistics_garbage_collection_bytes_reclaimed"
    ),
    "erlang_vm_statistics_garbage_collection_words_reclaimed_total": Legacy(
        "erlang_vm_statistics_garbage_collection_words_reclaimed"
    ),
    "erlang_vm_statistics_runtime_seconds_total": Legacy("erlang_vm_statistics_runtime_milliseconds", 1000.0),
    "erlang_vm_statistics_wallclock_time_seconds_total": Legacy(
        "erlang_vm_statistics_wallclock_time_milliseconds", 1000.0
    ),
    "erlang_vm_ports": Legacy("erlang_vm_port_count"),
    "erlang_vm_processes": Legacy("erlang_vm_process_count"),
    "erlang_vm_atoms": Legacy("erlang_vm_atom_count"),
    "erlang_mnesia_failed_transactions_total": Legacy("erlang_mnesia_failed_transactions"),
    "erlang_mnesia_committed_transactions_total": Legacy("erlang_mnesia_committed_transactions"),
    "erlang_mnesia_logged_transactions_total": Legacy("erlang_mnesia_logged_transactions"),
    "erlang_mnesia_restarted_transactions_total": Legacy("erlang_mnesia_restarted_transactions"),
}


def named(metrics: Iterable[Metric], naming: Naming) -> Iterable[Metric]:
    """Give each metric the names that are wanted. One whose name has stayed comes once."""
    for metric in metrics:
        old = LEGACY.get(exposed_name(metric))
        if old is None or naming is not Naming.LEGACY:
            yield metric
        if old is not None and naming is not Naming.V6:
            yield _renamed(metric, old)


def exposed_name(metric: Metric) -> str:
    """Return the name that a metric's samples have: prometheus_client takes ``_total`` off a counter's."""
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def _renamed(metric: Metric, old: Legacy) -> Metric:
    renamed = Metric(old.name, metric.documentation, _legacy_type(metric, old))
    for sample in metric.samples:
        renamed.add_sample(old.name, sample.labels, sample.value * old.factor)
    return renamed


def _legacy_type(metric: Metric, old: Legacy) -> str:
    is_counter = metric.type == "counter"
    return metric.type if is_counter == old.name.endswith("_total") else "unknown"
