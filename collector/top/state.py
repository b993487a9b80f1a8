"""What is shown, and what a key makes of it. Everything here is decided from what is given; nothing is asked."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from collector.top.pages import Look, Page, Row, Subject
from collector.top.panes import applications, governors, ports, processes, supervisors, tables


@dataclass(frozen=True, slots=True)
class Pane:
    """One of the things that a person can switch to, in each of the orders that it has."""

    name: str
    subjects: tuple[Subject[Any], ...]


PANES: Final = (
    Pane("processes", (processes.BY_MEMORY, processes.BY_QUEUE, processes.BY_REDUCTIONS)),
    Pane("tables", (tables.BY_MEMORY, tables.BY_ROWS)),
    Pane("supervisors", (supervisors.ALL,)),
    Pane("applications", (applications.ALL,)),
    Pane("governors", (governors.ALL,)),
    Pane("ports", (ports.ALL,)),
)
# Keys that lead to one order of one pane, from wherever one is.
SHORT_CUTS: Final[Mapping[str, Subject[Any]]] = {
    "m": processes.BY_MEMORY,
    "w": processes.BY_QUEUE,
    "b": processes.BY_REDUCTIONS,
    "t": tables.BY_MEMORY,
    "n": tables.BY_ROWS,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which row of a page a person has chosen. As long as nobody has moved, it is the first, whichever that is."""

    number: int = 0
    key: Hashable | None = None

    def among(self, rows: tuple[Row, ...]) -> int:
        """Return where that row is now: it may have moved. Where it is gone, the one in its place."""
        for number, row in enumerate(rows):
            if self.key is not None and row.key == self.key:
                return number
        return max(0, min(self.number, len(rows) - 1))


@dataclass(frozen=True, slots=True)
class State:
    """What is shown. ``look`` is the one thing that is looked at alone; ``scrolled`` are its lines above the screen."""

    pane: int = 0
    orders: Mapping[str, int] = field(default_factory=dict)
    selections: Mapping[str, Selection] = field(default_factory=dict)
    look: Look | None = None
    scrolled: int = 0
    is_paused: bool = False
    is_help: bool = False

    @property
    def subject(self) -> Subject[Any]:
        """The question that the pane asks."""
        pane = PANES[self.pane]
        return pane.subjects[self.orders.get(pane.name, 0)]

    @property
    def selection(self) -> Selection:
        """The chosen row of the page."""
        return self.selections.get(self.subject.key, Selection())

    def switched(self, pane: int) -> State:
        """Show another pane; behind the last comes the first."""
        return replace(self, pane=pane % len(PANES), look=None, scrolled=0, is_help=False)

    def with_subject(self, subject: Subject[Any]) -> State:
        """Show a pane in one of its orders."""
        for number, pane in enumerate(PANES):
            if subject in pane.subjects:
                orders = {**self.orders, pane.name: pane.subjects.index(subject)}
                return replace(self.switched(number), orders=orders)
        raise AssertionError(f"{subject.key} is in no pane")

    def with_next_order(self) -> State:
        """Sort by the next thing that the pane can be sorted by."""
        subjects = PANES[self.pane].subjects
        return self.with_subject(subjects[(subjects.index(self.subject) + 1) % len(subjects)])

    def moved(self, rows: int, page: Page | None) -> State:
        """Choose the row that is so many rows further down; while something is read, scroll."""
        if self.look is not None or self.is_help:
            return replace(self, scrolled=max(0, self.scrolled + rows))
        if page is None or not page.rows:
            return self
        number = max(0, min(self.selection.among(page.rows) + rows, len(page.rows) - 1))
        chosen = Selection(number, page.rows[number].key)
        return replace(self, selections={**self.selections, self.subject.key: chosen})

    def opened(self, page: Page | None) -> State:
        """Look at what is chosen."""
        if self.look is not None or self.is_help or page is None or not page.rows:
            return self
        found = page.rows[self.selection.among(page.rows)].look
        return self if found is None else replace(self, look=found, scrolled=0)

    def back(self) -> State:
        """Leave what is read; on a page nothing is left to leave, and the selection goes back to the first row."""
        if self.is_help or self.look is not None:
            return replace(self, is_help=False, look=None if not self.is_help else self.look, scrolled=0)
        others = {key: one for key, one in self.selections.items() if key != self.subject.key}
        return replace(self, selections=others)

    def paused(self) -> State:
        """Stop asking, or go on."""
        return replace(self, is_paused=not self.is_paused)

    def helped(self) -> State:
        """Show the keys, or what was there before."""
        return replace(self, is_help=not self.is_help, scrolled=0)
