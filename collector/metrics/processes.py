"""The metrics of processes and their mailboxes."""

from __future__ import annotations

from typing import Final

from prometheus_client.core import GaugeMetricFamily

from agent.probes.processes import Mailboxes, Processes, Queues
from collector.metrics.family import Family, Samples, of
from collector.snapshot import Answered, Snapshot


def later_queues(snapshot: Snapshot) -> Queues | None:
    """Return all mailboxes as the later of the two sweeps saw them that look at them."""
    found = [
        (outcome.asked_at, outcome.result.queues)
        for outcome in snapshot.shared.values()
        if isinstance(outcome, Answered) and isinstance(outcome.result, Mailboxes | Processes)
    ]
    return max(found, key=lambda one: one[0])[1] if found else None


def _queues_over(snapshot: Snapshot) -> Samples:
    queues = later_queues(snapshot)
    return {} if queues is None else {(str(threshold),): count for threshold, count in queues.over.items()}


def _longest_queue(snapshot: Snapshot) -> Samples:
    queues = later_queues(snapshot)
    return {} if queues is None else {(): queues.longest}


# Sums and largest values only: a label for each process that there ever was would have no end.
PROCESSES: Final = (
    Family(
        "beam_processes_with_queue_over",
        GaugeMetricFamily,
        "Processes with more messages in their mailbox than the threshold.",
        _queues_over,
        labels=("threshold",),
        always_names_node=True,
        probes=("mailboxes", "processes"),
    ),
    Family(
        "beam_process_message_queue_length_max",
        GaugeMetricFamily,
        "The messages in the longest mailbox of all processes.",
        _longest_queue,
        always_names_node=True,
        probes=("mailboxes", "processes"),
    ),
    Family(
        "beam_process_memory_bytes_max",
        GaugeMetricFamily,
        "The memory of the process that has most: heap, stack and messages, without binaries outside of the heap.",
        of(Processes, lambda p: p.largest_memory_bytes),
        always_names_node=True,
        probes=("processes",),
    ),
)
