"""The metrics of processes that have a registered name: those of which a person can say what they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily

from agent.probes.processes import Mailboxes, Processes, ProcessRow
from collector.metrics.bounded import OTHER, label_of
from collector.metrics.family import Samples
from collector.metrics.labelled import NodeSeries, Row, Subject
from collector.metrics.processes import later_queues
from collector.snapshot import Snapshot

QUEUE: Final = "beam_named_process_message_queue_length"
MEMORY: Final = "beam_named_process_memory_bytes"

_ROWS: Final = (
    Row(
        QUEUE,
        GaugeMetricFamily,
        "Messages in the mailbox of a registered process, of the hundred longest; other: in all mailboxes else.",
        ("name",),
        ("mailboxes", "processes"),
    ),
    Row(
        MEMORY,
        GaugeMetricFamily,
        "Memory of a registered process, of the hundred largest; other: of all processes else.",
        ("name",),
        ("processes",),
    ),
)


def _fill(snapshot: Snapshot, series: NodeSeries, now: float) -> Mapping[str, Samples]:
    processes, mailboxes, queues = snapshot.result(Processes), snapshot.result(Mailboxes), later_queues(snapshot)
    later = mailboxes if mailboxes is not None and mailboxes.queues is queues else processes
    lengths = _by_label(later.by_message_queue_len, lambda row: row.message_queue_len) if later else {}
    sizes = _by_label(processes.by_memory, lambda row: row.memory_bytes) if processes else {}
    named = series.names.admit((*lengths, *sizes), now)
    filled: dict[str, Samples] = {}
    if queues is not None:
        filled[QUEUE] = _with_other(lengths, named, queues.total)
    if processes is not None:
        filled[MEMORY] = _with_other(sizes, named, processes.memory_bytes)
    return filled


def _by_label(rows: Iterable[ProcessRow], read: Callable[[ProcessRow], int]) -> dict[str, int]:
    """Give the figure of each name, the largest first, as the rows are."""
    found: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        if row.name is not None:
            found[label_of(row.name)] += read(row)
    return found


def _with_other(values: Mapping[str, int], named: frozenset[str], total: int) -> Samples:
    shown: dict[tuple[str, ...], float] = {(name,): value for name, value in values.items() if name in named}
    # Each row is of a moment after the sum: together they may have more.
    return shown | {(OTHER,): max(0.0, total - sum(shown.values()))}


NAMED: Final = Subject(_ROWS, _fill)
