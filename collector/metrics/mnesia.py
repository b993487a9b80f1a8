"""The metrics of mnesia, as prometheus.erl has them, where it runs.

Two of prometheus.erl's are not here: transactions under way, which only mnesia's transaction manager could tell, and
that may be stuck. Tables that this node has no copy of in memory are left out, not 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from agent.probes.mnesia import Mnesia, MnesiaTable, RunningMnesia
from collector.metrics.family import Family, Samples
from collector.snapshot import Snapshot


def _running(snapshot: Snapshot) -> RunningMnesia | None:
    found = snapshot.result(Mnesia)
    return None if found is None else found.running


def _of(read: Callable[[RunningMnesia], float | None]) -> Callable[[Snapshot], Samples]:
    def samples(snapshot: Snapshot) -> Samples:
        running = _running(snapshot)
        return {} if running is None else {(): read(running)}

    return samples


def _of_each_table(read: Callable[[MnesiaTable], float]) -> Callable[[Snapshot], Samples]:
    def samples(snapshot: Snapshot) -> Samples:
        running = _running(snapshot)
        return {} if running is None else {(table.name,): read(table) for table in running.tables}

    return samples


def _gauge(name: str, help_text: str, read: Callable[[RunningMnesia], float | None]) -> Family:
    return Family(f"erlang_mnesia_{name}", GaugeMetricFamily, help_text, _of(read), probes=("mnesia",))


def _counter(name: str, help_text: str, read: Callable[[RunningMnesia], float]) -> Family:
    return Family(f"erlang_mnesia_{name}", CounterMetricFamily, help_text, _of(read), probes=("mnesia",))


def _of_tables(name: str, help_text: str, read: Callable[[MnesiaTable], float]) -> Family:
    return Family(
        f"erlang_mnesia_tablewise_{name}",
        GaugeMetricFamily,
        help_text,
        _of_each_table(read),
        labels=("table",),
        probes=("mnesia",),
    )


MNESIA: Final = (
    _gauge("held_locks", "Locks that are held.", lambda m: m.held_locks),
    _gauge("lock_queue", "Transactions that wait for a lock.", lambda m: m.lock_queue),
    _counter("failed_transactions_total", "Transactions that were aborted.", lambda m: m.failed_transactions),
    _counter("committed_transactions_total", "Transactions that were committed.", lambda m: m.committed_transactions),
    _counter(
        "logged_transactions_total", "Transactions that were written to the log.", lambda m: m.logged_transactions
    ),
    _counter("restarted_transactions_total", "Restarts of transactions.", lambda m: m.restarted_transactions),
    _gauge("memory_usage_bytes", "The memory of all tables that are in memory here.", lambda m: m.memory_bytes),
    _of_tables(
        "memory_usage_bytes",
        "The memory of a table, of the 200 tables in memory here that have most.",
        lambda table: table.memory_bytes,
    ),
    _of_tables(
        "size", "The rows of a table, of the 200 tables in memory here that have most memory.", lambda t: t.size
    ),
)
