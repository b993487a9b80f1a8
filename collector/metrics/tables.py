"""The metrics of ETS tables, by name: all tables of one name together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily

from agent.probes.ets import Tables
from collector.metrics.bounded import OTHER, label_of
from collector.metrics.family import Samples
from collector.metrics.labelled import NodeSeries, Row, Subject
from collector.snapshot import Snapshot

SIZE: Final = "beam_ets_table_size"
MEMORY: Final = "beam_ets_table_memory_bytes"

_ROWS: Final = (
    Row(
        SIZE,
        GaugeMetricFamily,
        "Rows of the ETS tables of a name: of the watched ones, and of the hundred with most rows or memory; other: of "
        "those that have no label of their own.",
        ("table",),
        ("ets",),
    ),
    Row(
        MEMORY,
        GaugeMetricFamily,
        "Memory of the ETS tables of a name, as with their rows; other: of all tables else.",
        ("table",),
        ("ets",),
    ),
)


def _fill(snapshot: Snapshot, series: NodeSeries, now: float) -> Mapping[str, Samples]:
    found = snapshot.result(Tables)
    if found is None:
        return {}
    sizes, memory = defaultdict[str, int](int), defaultdict[str, int](int)
    rows = {row.id: row for row in (*found.by_memory, *found.by_size)}
    for row in rows.values():
        sizes[label_of(row.name)] += row.size
        memory[label_of(row.name)] += row.memory_bytes
    watched = [one for one in found.watched if one.count and not one.not_measured]
    for one in watched:  # these are of all tables of the name, and the rows above may be of some
        sizes[label_of(one.name)], memory[label_of(one.name)] = one.size, one.memory_bytes
    names = [label_of(one.name) for one in watched]
    admitted = series.tables.admit((*names, *sorted(memory, key=lambda name: -memory[name])), now)
    rows_of: dict[tuple[str, ...], float] = {(name,): sizes[name] for name in sizes if name in admitted}
    bytes_of: dict[tuple[str, ...], float] = {(name,): memory[name] for name in memory if name in admitted}
    rest = sum(size for name, size in sizes.items() if name not in admitted)
    return {
        SIZE: rows_of | {(OTHER,): rest},
        MEMORY: bytes_of | {(OTHER,): max(0.0, found.memory_bytes - sum(bytes_of.values()))},
    }


TABLES: Final = Subject(_ROWS, _fill)
