"""Whose child is it? The places in the supervision tree, and which of them are empty that should not be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agent.actions.guards import PLATFORM_APPLICATIONS
from agent.actions.obstacles import OTP_KINDS
from agent.probes.supervision_tree import SupervisionTree
from agent.supervision import Child, ChildState, Status, Supervisor

_GONE: Final = frozenset({ChildState.TERMINATED, ChildState.RESTARTING})
_CUT: Final = "..."


@dataclass(frozen=True, slots=True)
class Seat:
    """A child, the supervisor that has it, and the application in whose tree that is; None: in none."""

    application: str | None
    parent: Supervisor
    child: Child

    @property
    def parent_name(self) -> str:
        """What its supervisor is called, and asked for by."""
        return self.parent.name or self.parent.pid

    @property
    def is_down(self) -> bool:
        """Whether it has no process, and should have one.

        A transient child without a process may have done its work.
        """
        if self.application in PLATFORM_APPLICATIONS or self.parent.status is not Status.RUNNING:
            return False
        if self.child.state is ChildState.UNDEFINED:
            return self.child.restart == "permanent"
        return self.child.state in _GONE and self.child.restart != "temporary"

    @property
    def may_be_restarted(self) -> bool:
        """Whether no guard refuses it, as far as the tree tells: of settings and of what would be lost it does not."""
        parent, child = self.parent, self.child
        if self.application is None or self.application in PLATFORM_APPLICATIONS:
            return False
        if parent.kind not in OTP_KINDS or parent.status is not Status.RUNNING:
            return False
        if parent.strategy == "simple_one_for_one" or (parent.restarts and parent.budget_left == 0):
            return False
        return child.restart != "temporary" and child.state not in (ChildState.RESTARTING, ChildState.UNKNOWN)

    @property
    def asked_for_by(self) -> str | None:
        """What names this child and no other of its supervisor; None where nothing does."""
        same = sum(one.id == self.child.id for one in self.parent.children or ())
        return self.child.id if same == 1 and not self.child.id.endswith(_CUT) else self.child.pid


def seats(tree: SupervisionTree) -> Iterator[Seat]:
    """All children that are listed, each supervisor's before those below them."""
    for root in tree.roots:
        stack = [root.supervisor] if root.supervisor else []
        while stack:
            parent = stack.pop()
            for child in parent.children or ():
                yield Seat(root.application, parent, child)
                if child.supervisor is not None:
                    stack.append(child.supervisor)


def seat_of(tree: SupervisionTree, pid: str) -> Seat | None:
    """Return the place of a process; None where it is no supervisor's child, or is not listed."""
    return next((seat for seat in seats(tree) if seat.child.pid == pid), None)


def down(tree: SupervisionTree) -> Iterator[Seat]:
    """All children without a process that should have one."""
    return (seat for seat in seats(tree) if seat.is_down)
