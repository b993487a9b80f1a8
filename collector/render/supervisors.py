"""Supervision trees: what does not run stands out, and what is as it should be takes little room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from agent.supervision import ChildState, Kind, Status
from collector.render.parts import (
    cell,
    counted,
    facts_table,
    format_bytes,
    format_count,
    head_of,
    is_idle_loop,
    printable,
)
from collector.views.supervisors import (
    ChildCounts,
    ChildRow,
    RootRow,
    SupervisorAnswer,
    SupervisorRow,
    SupervisorsAnswer,
)

MAX_ALIKE: Final = 8  # of more workers that run and are alike only their number is shown
MAX_ALIKE_SUPERVISORS: Final = 20  # the same of supervisors, that have all their restarts left, as all below them
MAX_ALIKE_OF_ONE: Final = 100  # the same of both below the one supervisor that was asked for
MAX_SHOWN: Final = 50  # of the children of one supervisor that are not as they should be
MAX_TROUBLES: Final = 10  # that are told before the tree

_WORDS: Final = {
    ChildState.RUNNING: "running",
    ChildState.RESTARTING: "not running, restarting",
    ChildState.TERMINATED: "not running, terminated",
    ChildState.UNDEFINED: "not running",
    ChildState.UNKNOWN: "on another node",
}
_COUNTED: Final = _WORDS | {
    ChildState.RESTARTING: "restarting",
    ChildState.TERMINATED: "terminated",
    ChildState.UNDEFINED: "without a process",
}
_DULL: Final = {Status.RUNNING, Status.NOT_A_SUPERVISOR, Status.NOT_LOOKED_AT}


def supervisors_tree(answer: SupervisorsAnswer) -> RenderableType:
    """Show the tree of every application, and before them all what is not as it should be."""
    trees = [_root(root) for root in answer.roots]
    tops = [root.supervisor for root in answer.roots if root.supervisor is not None]
    return Group(head_of(answer), Text(counted(answer.supervisor_count, "supervisor")), *_told(tops), *_apart(trees))


def supervisor_tree(answer: SupervisorAnswer) -> RenderableType:
    """Show one supervisor, and the tree below it."""
    top = answer.supervisor
    facts = facts_table()
    facts.add_row("pid", cell(top.pid))
    facts.add_row("name", cell(top.name, "bold"))
    facts.add_row("status", _status(top))
    facts.add_row("kind", cell(top.kind))
    facts.add_row("callback", cell(top.module))
    facts.add_row("started with", cell(top.initial_call))
    facts.add_row("strategy", cell(top.strategy))
    facts.add_row("restarts", _budget(top) if top.status is Status.RUNNING else cell(None))
    facts.add_row("heap", cell(None if top.heap_bytes is None else format_bytes(top.heap_bytes)))
    tree = Tree(_line(top), guide_style="dim")
    _grow(tree, top, MAX_ALIKE_OF_ONE)
    # Of one without any all is said already.
    below: list[RenderableType] = [*_told([top]), Text(), tree] if tree.children else []
    return Group(head_of(answer), facts, *below)


def child_state(state: ChildState, restart: str | None = None) -> Text:
    """Say in a word and a colour how a child is. That one has ended which need not run for ever is no alarm."""
    if state is ChildState.RUNNING:
        return Text(_WORDS[state], "green")
    return Text(_WORDS[state], "bold red" if _is_alarm(state, restart) else "bold yellow")


def _is_alarm(state: ChildState, restart: str | None) -> bool:
    """Tell whether it ought to run and does not. One that is not permanent may have ended as it should."""
    return state in {ChildState.RESTARTING, ChildState.TERMINATED} or (
        state is ChildState.UNDEFINED and restart == "permanent"
    )


# ---------------------------------------------------------------------------------------------------------- the tree


def _root(root: RootRow) -> RenderableType:
    title = Text.assemble(("application ", "dim"), cell(root.application, "bold")) if root.application else Text()
    if root.application is None:
        title = Text.assemble(("outside of applications: ", "dim"), cell(root.asked_for, "bold"))
    if root.supervisor is None:
        return title.append(f", {root.why or 'there is none'}", "yellow")
    tree = Tree(title, guide_style="dim")
    _grow(tree.add(_line(root.supervisor)), root.supervisor)
    return tree


def _apart(trees: Sequence[RenderableType]) -> Iterator[RenderableType]:
    for tree in trees:
        yield Text()
        yield tree


def _grow(tree: Tree, supervisor: SupervisorRow, max_alike: int = MAX_ALIKE) -> None:
    """Hang its children into a tree, in their order; of many that are alike and well only how many there are."""
    children = supervisor.children or []
    alike = Counter(kind for child in children if (kind := _kind_if_well(child)) is not None)
    crowds = [kind for kind, number in alike.items() if number > max(max_alike, kind.least)]
    shown = [child for child in children if _kind_if_well(child) not in crowds]
    most = max(MAX_SHOWN, max_alike)
    for child in shown[:most]:
        if child.supervisor is None:
            tree.add(_child_line(child))
        else:
            _grow(tree.add(_line(child.supervisor, child)), child.supervisor)
    for kind in crowds:
        tree.add(Text(f"{format_count(alike[kind])} {kind.what}", "dim").append(", all running", "green"))
    if rest := shown[most:]:
        states = Counter(_COUNTED[child.state] for child in rest)
        tree.add(Text(f"and {format_count(len(rest))} more: {_listed(states)}", "bold yellow"))
    if supervisor.children is None and supervisor.counts is not None:
        tree.add(_counts_line(supervisor.counts, supervisor.why_not_listed))


class _Alike(NamedTuple):
    """What children that need not be shown one by one have in common, and up to how many are shown all the same."""

    what: str
    least: int


def _kind_if_well(child: ChildRow) -> _Alike | None:
    """Return what it is like; None for one that is to be seen."""
    if child.state is not ChildState.RUNNING:
        return None
    modules = printable(", ".join(child.modules)) or "dynamic"
    restart = printable(child.restart or "restart unknown")
    if child.supervisor is None:
        return _Alike(f"{'workers' if child.type != 'supervisor' else 'supervisors'}, {restart}, of {modules}", 0)
    if not _is_well(child.supervisor):
        return None
    below = child.supervisor.counts.total if child.supervisor.counts else 0
    return _Alike(
        f"supervisors, {restart}, of {modules}, each with {counted(below, 'child', 'children')}", MAX_ALIKE_SUPERVISORS
    )


def _is_well(supervisor: SupervisorRow) -> bool:
    """Whether it runs, has all its restarts left, and all below it do."""
    if supervisor.status is not Status.RUNNING or supervisor.restarts != 0 or supervisor.children is None:
        return False
    return all(
        child.state is ChildState.RUNNING and (child.supervisor is None or _is_well(child.supervisor))
        for child in supervisor.children
    )


def _line(supervisor: SupervisorRow, child: ChildRow | None = None) -> Text:
    id_, name = child.id if child else None, supervisor.name
    line = cell(name or id_ or supervisor.module or supervisor.initial_call, "bold")
    if id_ is not None and name is not None and id_ != name:
        line.append(f" as {printable(id_)}", "dim")
    line.append(f" {supervisor.pid} ", "dim")
    line.append_text(_status(supervisor))
    if supervisor.status is Status.RUNNING:
        if supervisor.kind not in {Kind.SUPERVISOR, None}:
            line.append(f", {supervisor.kind}")
        if supervisor.strategy is not None:
            line.append(f", {printable(supervisor.strategy)}", "dim")
        line.append(", ", "dim").append_text(_budget(supervisor))
    return line


def _child_line(child: ChildRow) -> Text:
    line = cell(child.id, "" if child.state is ChildState.RUNNING else "bold")
    line.append(f" {child.pid} " if child.pid else " ", "dim").append_text(child_state(child.state, child.restart))
    if child.state is not ChildState.RUNNING and child.restart is not None:
        line.append(f", {printable(child.restart)}", "dim")
    return line


def _status(supervisor: SupervisorRow) -> Text:
    status = supervisor.status
    if status is Status.RUNNING:
        return Text(status, "green")
    line = Text(status, "dim" if status in _DULL else "bold red")
    if status is Status.NOT_A_SUPERVISOR and supervisor.kind is not None:
        line.append(f", {supervisor.kind}", "dim")
    if supervisor.current_function is not None and not is_idle_loop(supervisor.current_function):
        line.append(f", in {printable(supervisor.current_function)}", "dim")
    if supervisor.message_queue_len:
        waits = counted(supervisor.message_queue_len, "message waits", "messages wait")
        line.append(f", {waits}", "bold yellow")
    if supervisor.may_be_suspended:
        line.append(", hibernating or suspended, which its release does not let us tell apart", "yellow")
    return line


def _budget(supervisor: SupervisorRow) -> Text:
    """Say how many restarts it has left, counted for the moment of the answer."""
    left, intensity = supervisor.budget_left, supervisor.intensity
    if left is None or intensity is None:
        return Text("budget unknown", "yellow")
    if intensity == 0:
        return Text("bears no restart", "dim")
    style = "dim" if left == intensity else "bold red" if left == 0 else "bold yellow"
    return Text(f"{left} of {intensity} left in {supervisor.period_seconds} s", style)


def _counts_line(counts: ChildCounts, why: str | None) -> Text:
    states = {_COUNTED[state]: getattr(counts, state) for state in ChildState if getattr(counts, state)}
    line = Text(f"{counted(counts.total, 'child', 'children')}: {_listed(states)}" if states else "no child")
    return line.append(f" (not listed: {printable(why)})", "dim") if why else line


def _listed(states: Mapping[str, int]) -> str:
    return ", ".join(f"{format_count(number)} {state}" for state, number in states.items())


# ------------------------------------------------------------------------------------------------------- the troubles


def _told(tops: Sequence[SupervisorRow]) -> list[Text]:
    """Say before the tree what a person should look at in it."""
    found = [line for top in tops for line in _troubles(top)] + [line for top in tops for line in _restarts(top)]
    if len(found) > MAX_TROUBLES:
        rest = len(found) - MAX_TROUBLES + 1
        return [
            *found[: MAX_TROUBLES - 1],
            Text(f"and {format_count(rest)} more that are not as they should be", "bold"),
        ]
    return found


def _troubles(supervisor: SupervisorRow) -> Iterator[Text]:
    who = _who(supervisor)
    if supervisor.status not in _DULL:
        yield Text.assemble(cell(who, "bold"), " ", _status(supervisor))
    elif supervisor.budget_left == 0 and supervisor.intensity:
        yield Text.assemble(cell(who, "bold"), " has no restart left: ", _budget(supervisor))
    for child in supervisor.children or []:
        if _is_alarm(child.state, child.restart):
            line = Text.assemble(cell(child.id, "bold"), " of ", cell(who), " ")
            yield line.append_text(child_state(child.state, child.restart)).append(f", {child.restart}", "dim")
        if child.supervisor is not None:
            yield from _troubles(child.supervisor)


def _restarts(supervisor: SupervisorRow) -> Iterator[Text]:
    """Name those whose children crash and come back: what crashes over and over runs whenever one looks."""
    if supervisor.restarts and supervisor.budget_left != 0:
        yield Text.assemble(cell(_who(supervisor), "bold"), " has restarted children: ", _budget(supervisor))
    for child in supervisor.children or []:
        if child.supervisor is not None:
            yield from _restarts(child.supervisor)


def _who(supervisor: SupervisorRow) -> str:
    return f"{supervisor.name or supervisor.module or ''} {supervisor.pid}".strip()
