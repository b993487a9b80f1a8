"""Is the node well? In the words of the incident response playbook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.probes.supervisors import Supervisors
from collector.snapshot import Snapshot


def why_unavailable(snapshots: Sequence[Snapshot]) -> str | None:
    """Return the worst reason why a node is not available, or None when all are.

    Worst first: it is not connected, it does not answer, its supervisors are not known, or do not run.
    """
    reasons = [(severity, snapshot, reason) for snapshot in snapshots for severity, reason in _why(snapshot)]
    if not reasons:
        return None
    _, snapshot, reason = min(reasons, key=lambda found: found[0])
    return reason if len(snapshots) == 1 else f"{snapshot.name}: {reason}"


def _why(snapshot: Snapshot) -> Iterator[tuple[int, str]]:
    """Give how bad it is (0 is the worst) and the reason, or nothing for a node that is well."""
    supervisors = snapshot.result(Supervisors)
    if snapshot.trouble is not None:
        yield 0, f"node not connected: {snapshot.trouble}"
    elif not snapshot.is_up:
        reasons = (snapshot.why_no(probe) for probe in snapshot.outcomes)
        yield 1, f"node does not answer: {next(reasons, 'it was not asked')}"
    elif supervisors is None:
        yield 2, f"supervisors not known: {snapshot.why_no('supervisors')}"
    elif supervisors.missing:
        yield 3, ", ".join(f"supervisor {name} not running" for name in supervisors.missing)
