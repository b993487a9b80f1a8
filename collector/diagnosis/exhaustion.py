"""Is something of the node used up, or nearly so? For rules whose root causes name it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.probes.system_info import SystemInfo
from collector.diagnosis.findings import Evidence, NodeThresholds
from collector.diagnosis.of_settings import KnownLimit
from collector.diagnosis.service_facts import NotKnown

LEAST_LOOKS: Final = 2  # a run queue is long for a moment in any node


def limits(system: SystemInfo) -> Iterator[tuple[str, int, int]]:
    """Yield what ends in errors when its limit is reached: what it is, how many there are and may be."""
    for what, count, limit in (
        ("processes", system.processes, system.process_limit),
        ("ports", system.ports, system.port_limit),
        ("atoms", system.atoms, system.atom_limit),
    ):
        if count is not None and limit:
            yield what, count, limit


def is_memory_short(evidence: Evidence, thresholds: NodeThresholds) -> bool | None:
    """Tell whether the memory limit is near; None: not known."""
    limit = evidence.limit
    if not isinstance(limit, KnownLimit) or limit.share is None:
        return None
    return limit.share >= thresholds.memory_share[0]


def is_a_limit_near(evidence: Evidence, thresholds: NodeThresholds) -> bool | None:
    """Tell whether there are nearly as many processes, ports or atoms as there may be; None: not known."""
    if isinstance(evidence.system, NotKnown):
        return None
    return any(count >= thresholds.limit_share[0] * limit for _, count, limit in limits(evidence.system))


def is_processor_short(evidence: Evidence, thresholds: NodeThresholds) -> bool | None:
    """Tell whether more processes wait for a scheduler, at every look, than it gets to; None: not known."""
    schedulers = None if isinstance(evidence.system, NotKnown) else evidence.system.schedulers_online
    if not schedulers or not evidence.run_queues:
        return None
    is_long = min(evidence.run_queues) > thresholds.run_queue_per_scheduler * schedulers
    return is_long and len(evidence.run_queues) >= LEAST_LOOKS


def one_of(*answers: bool | None) -> bool | None:
    """Tell whether any of it is so; None where none is and something is not known."""
    if any(answers):
        return True
    return None if None in answers else False


def is_exhausted(evidence: Evidence, thresholds: NodeThresholds) -> bool | None:
    """Tell whether memory, or what the node may have of something, is nearly used up; None: not known."""
    return one_of(is_memory_short(evidence, thresholds), is_a_limit_near(evidence, thresholds))


def judged(cause: str, *, is_so: bool | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the causes that fit and those that are excluded, of one that is so, is not, or may be."""
    return (cause,) if is_so else (), (cause,) if is_so is False else ()
