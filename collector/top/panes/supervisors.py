"""Supervisors: those that are not well come first, and with them the children that do not run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from agent.supervision import ChildState, Status
from collector.render.parts import cell, counted, format_count
from collector.render.supervisors import child_state, supervisor_tree
from collector.top.pages import Column, Look, Page, Row, Subject, look, row, subject
from collector.top.panes.processes import where_text
from collector.views.supervisors import (
    SUPERVISOR,
    SUPERVISORS,
    ChildRow,
    SupervisorQuery,
    SupervisorRow,
    SupervisorsAnswer,
    SupervisorsQuery,
)
from collector.views.trend import TrendAnswer

_COLUMNS: Final = (
    Column("supervisor", least=20),
    Column("state"),
    Column("restarts left", rank=1),
    Column("children", rank=2),
    Column("in", least=16, rank=3),
    Column("pid", rank=4),
    Column("strategy", rank=5),
    Column("module", least=10, rank=6),
)
_NO_TROUBLE: Final = frozenset({Status.RUNNING, Status.NOT_A_SUPERVISOR, Status.NOT_LOOKED_AT})
_DOWN: Final = frozenset({ChildState.RESTARTING, ChildState.TERMINATED, ChildState.UNDEFINED})


def troubles(answer: SupervisorsAnswer) -> list[str]:
    """Name what is not well, the worst first."""
    return [_name_of(found) for _, found in sorted(_found(answer), key=lambda one: one[0]) if _rank(found) < _WELL]


def _page(answer: SupervisorsAnswer, _trend: TrendAnswer | None) -> Page:
    found = sorted(_found(answer), key=lambda one: one[0])
    unwell = [one for rank, one in found if rank < _WELL]
    children = sum(isinstance(one, tuple) for one in unwell)
    summary = Text(f"{counted(answer.supervisor_count, 'supervisor')}, ")
    summary.append(f"{format_count(len(unwell) - children)} not well" if len(unwell) > children else "all are well")
    if children:
        summary.append(f", {counted(children, 'child', 'children')} not running")
    return Page(summary, _COLUMNS, tuple(_row(one) for _, one in found))


# What was found: a supervisor, or a child that does not run, with the supervisor that it has.
_Found = SupervisorRow | tuple[ChildRow, SupervisorRow]
_WELL: Final = 3


def _found(answer: SupervisorsAnswer) -> Iterator[tuple[int, _Found]]:
    for root in answer.roots:
        if root.supervisor is not None:
            for found in _below(root.supervisor):
                yield _rank(found), found


def _below(supervisor: SupervisorRow) -> Iterator[_Found]:
    yield supervisor
    for child in supervisor.children or ():
        if child.state in _DOWN:
            yield child, supervisor
        if child.supervisor is not None:
            yield from _below(child.supervisor)


def _rank(found: _Found) -> int:
    """Return how bad it is: 0 is the worst, and from `_WELL` on nothing is the matter."""
    if isinstance(found, tuple):
        child, _ = found
        if child.type == "supervisor" or child.restart == "permanent":
            return 0
        # One that need not run for ever may have done its work, as kernel_sup's on_load has (OTP 26 and later).
        return _WELL if child.state is ChildState.UNDEFINED else 2
    if found.status not in _NO_TROUBLE:
        return 0
    if found.status is Status.RUNNING and (found.restarts or _down_and_not_listed(found)):
        return 1 if found.restarts and found.budget_left == 0 else 2
    return _WELL if found.status is Status.RUNNING else _WELL + 1


def _down_and_not_listed(supervisor: SupervisorRow) -> int:
    """Count the children that do not run, of a supervisor with too many to list; those that are listed have a row."""
    counts = supervisor.counts
    return counts.total - counts.running if counts is not None and supervisor.children is None else 0


def _name_of(found: _Found) -> str:
    if isinstance(found, tuple):
        return f"{found[0].id} not running"
    who = found.name or found.module or found.pid
    if found.status not in _NO_TROUBLE:
        return f"{who} {found.status}"
    if down := _down_and_not_listed(found):
        return f"{format_count(down)} children of {who} not running"
    left = "budget unknown" if found.budget_left is None else f"{found.budget_left} of {found.intensity} restarts left"
    return f"{who} has {left}"


def _row(found: _Found) -> Row:
    if isinstance(found, tuple):
        child, supervisor = found
        parent = supervisor.name or supervisor.pid
        state = child_state(child.state, child.restart).append(f", {child.restart}" if child.restart else "")
        name = Text.assemble(cell(child.id, "bold"), " of ", cell(parent))
        empty = ("",) * (len(_COLUMNS) - 2)
        return row((child.id, supervisor.pid), name, state, *empty, look=_look(supervisor))
    return row(
        found.pid,
        cell(found.name or found.module or found.initial_call, "bold"),
        _status(found),
        _budget(found),
        _children(found),
        where_text(found.current_function) if found.current_function else "",
        found.pid,
        found.strategy,
        found.module,
        look=_look(found),
    )


def _look(supervisor: SupervisorRow) -> Look:
    title = f"supervisor {supervisor.name or supervisor.pid}"
    return look(SUPERVISOR, SupervisorQuery(name=supervisor.pid), title, supervisor_tree)


def _status(supervisor: SupervisorRow) -> Text:
    return cell(supervisor.status, "" if supervisor.status in _NO_TROUBLE else "bold red")


def _budget(supervisor: SupervisorRow) -> Text:
    if supervisor.budget_left is None:
        return cell("unknown" if supervisor.status is Status.RUNNING else None, "dim")
    style = "" if not supervisor.restarts else "bold red" if supervisor.budget_left == 0 else "bold yellow"
    return Text(f"{supervisor.budget_left} of {supervisor.intensity}", style)


def _children(supervisor: SupervisorRow) -> Text:
    counts = supervisor.counts
    if counts is None:
        return cell(None)
    down = counts.total - counts.running
    return Text(f"{counts.running:,} run, {down:,} not" if down else f"{counts.total:,}", "bold yellow" if down else "")


ALL: Final[Subject[SupervisorsAnswer]] = subject(SUPERVISORS, SupervisorsQuery(), _page)
