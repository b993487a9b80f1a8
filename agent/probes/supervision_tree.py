"""What do the supervisors supervise, how are their children, and how many restarts have they left?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.supervision import Supervisor


@dataclass(frozen=True, slots=True)
class Root:
    """Where a tree begins: an application's top supervisor, or one that was asked for by its name or pid.

    ``supervisor`` is None where there is none: an application's is just starting or ending, or nobody bears the name
    (``why`` says which). An extra root that stands in an application's tree has no tree of its own beside it.
    """

    application: str | None
    asked_for: str | None
    supervisor: Supervisor | None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class SupervisionTree:
    """All trees that were asked for. ``left_out`` says what is not in the answer and why; then it is not complete."""

    roots: tuple[Root, ...]
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every child of every supervisor is listed."""
        return not self.left_out

    def supervisors(self) -> Iterator[Supervisor]:
        """All supervisors, and what is declared to be one: each before its children."""
        stack = [root.supervisor for root in reversed(self.roots) if root.supervisor]
        while stack:
            supervisor = stack.pop()
            yield supervisor
            stack.extend(child.supervisor for child in reversed(supervisor.children or ()) if child.supervisor)
