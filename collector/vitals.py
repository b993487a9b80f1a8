"""One log line of vital signs a minute. On Cloud Run the log is what is left of an instance that is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from agent.probes.identity import NodeIdentity
from agent.probes.memory import Memory
from agent.probes.statistics import Statistics
from agent.probes.system_info import SystemInfo
from collector.fleet import Fleet
from collector.health import why_unavailable
from collector.question import QUESTION_SECONDS
from collector.snapshot import Snapshot

FIRST_LINE_SECONDS: Final = 5.0  # an instance that does not live for a minute leaves one line at least

_LOG: Final = logging.getLogger(__name__)


def _nothing_more(_name: str) -> Mapping[str, object]:
    return {}


async def log_vital_signs(
    fleet: Fleet, interval_seconds: float, more: Callable[[str], Mapping[str, object]] = _nothing_more
) -> None:
    """Log a line for each node, soon and then at each interval, for ever. ``more`` gives further facts of a node."""
    pause_seconds = min(interval_seconds, FIRST_LINE_SECONDS)
    while True:
        await asyncio.sleep(pause_seconds)
        pause_seconds = interval_seconds
        for snapshot in await fleet.snapshots(QUESTION_SECONDS):
            facts = vital_signs(snapshot)
            if snapshot.is_up:
                facts |= more(snapshot.name)
            if reason := why_unavailable([snapshot]):
                _LOG.warning("vital signs: %s", reason, extra=facts)
            else:
                _LOG.info("vital signs", extra=facts)


def vital_signs(snapshot: Snapshot) -> dict[str, object]:
    """Return the facts of the line: of what was not answered nothing is said."""
    facts: dict[str, object] = {"erlang_node": snapshot.name, "instance_id": snapshot.instance_id}
    if snapshot.peer is not None:
        facts["creation"] = snapshot.peer.creation
    if identity := snapshot.result(NodeIdentity):
        facts["uptime_seconds"] = round(identity.uptime_seconds)
    if memory := snapshot.result(Memory):
        facts["memory_total_bytes"] = memory.total
        facts["memory_processes_bytes"] = memory.processes
        facts["memory_binary_bytes"] = memory.binary
        facts["memory_ets_bytes"] = memory.ets
    if info := snapshot.result(SystemInfo):
        facts["processes"] = info.processes
        facts["ports"] = info.ports
        facts["atoms"] = info.atoms
        facts["ets_tables"] = info.ets_tables
    if statistics := snapshot.result(Statistics):
        facts["run_queue_length"] = statistics.run_queue_length
        facts["reductions"] = statistics.reductions
    return {name: fact for name, fact in facts.items() if fact is not None}
