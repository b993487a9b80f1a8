"""Is the node well? In the words of the incident response playbook."""

from __future__ import annotations

from collections.abc import Sequence

from agent.probes.supervisors import Supervisors
from collector.snapshot import Snapshot


def why_unavailable(snapshots: Sequence[Snapshot]) -> str | None:
    """Return the first reason why a node is not available, or None when all are.

    The order is that of a search: is it connected, does it answer, do its supervisors run.
    """
    for snapshot in snapshots:
        reason = _why(snapshot)
        if reason is not None:
            return reason if len(snapshots) == 1 else f"{snapshot.name}: {reason}"
    return None


def _why(snapshot: Snapshot) -> str | None:
    if snapshot.trouble is not None:
        return f"node not connected: {snapshot.trouble}"
    if not snapshot.is_up:
        reasons = (snapshot.why_no(probe) for probe in snapshot.outcomes)
        return f"node does not answer: {next(reasons, 'it was not asked')}"
    supervisors = snapshot.result(Supervisors)
    if supervisors is None:
        return f"supervisors not known: {snapshot.why_no('supervisors')}"
    if supervisors.missing:
        return ", ".join(f"supervisor {name} not running" for name in supervisors.missing)
    return None
