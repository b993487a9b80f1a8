"""Keep the trend of every node: one look at each interval, for ever, at what costs little.

This and the black box are all that we ask nodes on timers of our own. So it takes figures that cost the same on every
node, and of those that grow with the node only the lengths of mailboxes and the sizes of watched tables: as programs
get them, shared with everybody else and no more often than our share of a scheduler allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final

from agent.probes import watched_tables
from agent.probes.ets import plain_name
from agent.probes.memory import Memory
from agent.probes.processes import Mailboxes
from agent.probes.statistics import Statistics
from agent.probes.system_info import SystemInfo
from agent.probes.watched_tables import WatchedTables
from collector.fleet import Fleet
from collector.health import why_unavailable
from collector.question import QUESTION_SECONDS, SWEEP_SECONDS, Question
from collector.settings import Settings
from collector.snapshot import Answered, Snapshot
from collector.trend import (
    LONGEST_QUEUE,
    MEMORY_KINDS,
    PROCESS_COUNT,
    RUN_QUEUE,
    WAITING,
    Point,
    Series,
    Trend,
    Window,
    all_series,
    memory_of,
    table_of,
)
from collector.views.processes import SWEEP_MAILBOXES
from collector.watched import WatchedNode

MAX_TABLES: Final = 32  # watched tables that are kept: three figures of each, for an hour
OF_CONSTANT_COST: Final = ("memory", "statistics", "system_info")


class Trends:
    """The trend of every node, by name. ``tables`` are the watched tables that are in it."""

    def __init__(self, names: Iterable[str], settings: Settings) -> None:
        watched = tuple(dict.fromkeys(map(plain_name, settings.watch_tables)))
        self.tables = watched[:MAX_TABLES]
        self.left_out = tuple(f"the table {name}: after the first {MAX_TABLES}" for name in watched[MAX_TABLES:])
        self.interval_seconds = settings.trend_interval_seconds
        series = all_series(self.tables)
        self.of_node: Mapping[str, Trend] = (
            {name: Trend(self.interval_seconds, series) for name in names} if self.interval_seconds else {}
        )

    def window_of(self, name: str) -> Callable[[], Window | None]:
        """Return what gives the last hour of a node at any time; None where no trend is kept."""
        trend = self.of_node.get(name)
        return (lambda: None) if trend is None else trend.window


async def record_trends(fleet: Fleet, trends: Trends) -> None:
    """Look at every node at each interval, for ever. Without an interval, do nothing."""
    await asyncio.gather(*(_record(fleet.nodes[name], trend, trends) for name, trend in trends.of_node.items()))


async def _record(node: WatchedNode, trend: Trend, trends: Trends) -> None:
    clock = asyncio.get_running_loop().time
    sweeps = (SWEEP_MAILBOXES, *_tables_of(trends))
    told: Mapping[str, datetime] = {}
    while True:
        now_seconds, now = clock(), datetime.now(UTC)
        snapshot = await node.look(OF_CONSTANT_COST, sweeps, min(QUESTION_SECONDS, trend.interval_seconds))
        trend.record(point_of(snapshot, told), now_seconds, now)
        told = {**told, **_asked_at(snapshot)}
        next_seconds = (trend.number_of(now_seconds) + 1) * trend.interval_seconds
        await asyncio.sleep(max(0.0, next_seconds - clock()))


def point_of(snapshot: Snapshot, told: Mapping[str, datetime]) -> Point:
    """Take the figures out of a snapshot. ``told`` says of each sweep which answer a point has been made of already."""
    if snapshot.peer is None or not snapshot.is_up:
        return Point(None, trouble=why_unavailable([snapshot]))
    values: dict[Series, int] = {}
    if memory := snapshot.result(Memory):
        values |= {memory_of(kind): getattr(memory, kind) for kind in MEMORY_KINDS}
    if (info := snapshot.result(SystemInfo)) and info.processes is not None:
        values[PROCESS_COUNT] = info.processes
    if statistics := snapshot.result(Statistics):
        values[RUN_QUEUE] = statistics.run_queue_length
    cost_seconds = 0.0
    for probe, outcome in snapshot.shared.items():
        if isinstance(outcome, Answered) and outcome.asked_at != told.get(probe):
            values |= _of_sweep(outcome)
            cost_seconds += outcome.cost_seconds
    troubles = (snapshot.why_no(probe) for probe in (*OF_CONSTANT_COST, *snapshot.shared))
    trouble = next((str(error) for error in troubles if error is not None), None)
    return Point(snapshot.peer.creation, values, cost_seconds, trouble)


def _of_sweep(answered: Answered) -> dict[Series, int]:
    match answered.result:
        case Mailboxes(queues=queues):
            return {LONGEST_QUEUE: queues.longest, WAITING: queues.total}
        case WatchedTables(tables=tables):
            counts = {table_of(one.name, "count"): one.count for one in tables}
            measured = [one for one in tables if one.count and not one.not_measured]
            sizes = {table_of(one.name, "size"): one.size for one in measured}
            return counts | sizes | {table_of(one.name, "memory"): one.memory_bytes for one in measured}
    return {}


def _asked_at(snapshot: Snapshot) -> dict[str, datetime]:
    return {probe: outcome.asked_at for probe, outcome in snapshot.shared.items() if isinstance(outcome, Answered)}


def _tables_of(trends: Trends) -> tuple[Question, ...]:
    if not trends.tables:
        return ()
    ask = partial(watched_tables.ask, trends.tables)
    return (Question("watched_tables", ask, trends.tables, deadline_seconds=SWEEP_SECONDS, is_sweep=True),)
