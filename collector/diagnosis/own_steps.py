"""Next steps that are commands of ours, as they are typed."""

from __future__ import annotations

import shlex

from agent.probes.supervision_tree import SupervisionTree
from collector.diagnosis.kinship import Seat, down, seat_of
from collector.diagnosis.service_facts import NotKnown


def look_at_process(name: str) -> str:
    """Show one process, by its name or its pid."""
    return f"beamwarden process {shlex.quote(name)}"


def look_at_supervisor(name: str) -> str:
    """Show one supervisor, by its name or its pid."""
    return f"beamwarden supervisor {shlex.quote(name)}"


def look_at_table(table: str) -> str:
    """Show one table, by its name or its reference."""
    return f"beamwarden table {shlex.quote(table)}"


def collect_garbage(name: str) -> str:
    """Have one process collect its garbage; what that would be, first."""
    return f"beamwarden gc {shlex.quote(name)} --dry-run"


def restart_at(seat: Seat) -> tuple[str, ...]:
    """Restart the child at this place; what that would do, first. Nothing where a guard would refuse it."""
    child = seat.asked_for_by
    if child is None or not seat.may_be_restarted:
        return ()
    return (f"beamwarden restart {shlex.quote(child)} --under {shlex.quote(seat.parent_name)} --dry-run",)


def restart_process(tree: SupervisionTree | NotKnown, pid: str) -> tuple[str, ...]:
    """Restart the child that this process is; nothing where the tree does not know it, or a guard would refuse it."""
    seat = None if isinstance(tree, NotKnown) else seat_of(tree, pid)
    return () if seat is None else restart_at(seat)


def start_child(tree: SupervisionTree | NotKnown, child_id: str) -> tuple[str, ...]:
    """Start the child with this id that is down; nothing where no place in the tree is such a one's."""
    seat = None if isinstance(tree, NotKnown) else next((one for one in down(tree) if one.child.id == child_id), None)
    return () if seat is None else restart_at(seat)
