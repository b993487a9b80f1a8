"""Read what ``supervisor.expr`` tells of one supervisor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from agent.errors import UnexpectedAnswer
from agent.probes import rows
from agent.supervision import Child, ChildState, Counts, Kind, Status, Supervisor
from agent.terms import UNDEFINED, Atom, Pid, Term, format_pid, format_term

MAX_MODULES: Final = 8  # a child has one, or the handlers of an event manager
_STATUSES: Final[Mapping[str, Status]] = {
    "idle": Status.RUNNING,
    "hibernating": Status.RUNNING,
    "suspended": Status.SUSPENDED,
    "not_answering": Status.NOT_ANSWERING,
    "too_large": Status.TOO_LARGE,
    "unknown_state": Status.UNKNOWN_STATE,
    "kind_unknown": Status.KIND_UNKNOWN,
    "not_a_supervisor": Status.NOT_A_SUPERVISOR,
}
_NONE: Final = Atom("none")
_GONE: Final = Atom("gone")
_RESTARTING: Final = Atom("restarting")
_UNKNOWN: Final = Atom("unknown")
_BY_FAMILY: Final = {
    "supervisor2": Kind.SUPERVISOR2,
    "ranch_conns_sup": Kind.RANCH_CONNS_SUP,
    "supervisor_bridge": Kind.SUPERVISOR_BRIDGE,
}
_BY_CALLBACK: Final = {
    "Elixir.PartitionSupervisor": Kind.PARTITION_SUPERVISOR,
    "Elixir.Task.Supervisor": Kind.TASK_SUPERVISOR,
}


_WHY_NOT_LISTED: Final = {
    "cap": "more than are listed of one supervisor",
    "total": "the answer is full",
    "kind": "a supervisor of this kind tells only how many there are",
}


class _Told(NamedTuple):
    shape: str
    module: str | None
    strategy: str | None
    intensity: int | None
    period_seconds: int | None
    restarts: int | None
    children: Term


def read_supervisor(pid: Pid, looked: Term, word_bytes: int) -> tuple[Supervisor, tuple[Child, ...]]:
    """Read one supervisor, and return its children beside it: they are put into it when theirs are known.

    The supervisor has ``children`` None where these are not listed. Raises `UnexpectedAnswer`.
    """
    printed = format_pid(pid)
    if looked == _GONE:
        return Supervisor(printed, None, Status.GONE), ()
    match looked:
        case (Atom(name=status), name, call, function, queue, words, told) if status in _STATUSES:
            pass
        case _:
            raise UnexpectedAnswer(f"the node gives {format_term(looked, 80)} for a supervisor")
    answer = None if told == _NONE else _read_told(told)
    family, callback, initial_call = _read_call(call)
    is_running = answer is not None and answer.shape != "unknown"
    supervisor = Supervisor(
        pid=printed,
        name=rows.name(name),
        status=_STATUSES[status] if answer is None or is_running else Status.UNKNOWN_STATE,
        kind=_kind(family, callback, answer),
        module=(answer.module if answer else None) or callback,
        initial_call=initial_call,
        current_function=None if is_running else rows.function(function),
        message_queue_len=None if is_running else rows.count(queue),
        heap_bytes=rows.count(words) * word_bytes,
        may_be_suspended=status == "hibernating",
    )
    return (supervisor, ()) if answer is None else _with_answer(supervisor, answer, pid)


def read_process(process: Term, own: Term) -> tuple[str | None, ChildState]:
    """Read what a supervisor has for a child's process: its pid, and what can be known from that alone.

    ``own`` is any pid of the node, or something else when there is none.
    """
    match process:
        case Pid():
            is_here = not isinstance(own, Pid) or own.node == process.node
            return rows.pid_seen_from(process, own), ChildState.RUNNING if is_here else ChildState.UNKNOWN
        case (tag, _) if tag == _RESTARTING:
            return None, ChildState.RESTARTING
    if process == _RESTARTING:
        return None, ChildState.RESTARTING
    return None, ChildState.UNDEFINED if process == UNDEFINED else ChildState.UNKNOWN


def _with_answer(supervisor: Supervisor, answer: _Told, pid: Pid) -> tuple[Supervisor, tuple[Child, ...]]:
    asked = replace(
        supervisor,
        strategy=answer.strategy,
        intensity=answer.intensity,
        period_seconds=answer.period_seconds,
        restarts=answer.restarts,
    )
    match answer.children:
        case (Atom(name="listed"), columns):
            children = _read_children(columns, pid)
            return replace(asked, children=(), counts=_count(children)), children
        case (Atom(name="not_listed"), Atom(name=why), (running, restarting, undefined)) if why in _WHY_NOT_LISTED:
            counts = Counts(rows.count(running), rows.count(restarting), undefined=rows.count(undefined))
            return replace(asked, counts=counts, why_not_listed=_WHY_NOT_LISTED[why]), ()
    raise UnexpectedAnswer(f"the node gives {format_term(answer.children, 80)} for the children of a supervisor")


def _read_children(columns: Term, own: Pid) -> tuple[Child, ...]:
    match columns:
        case (ids, processes, types, restarts, shutdowns, significants, modules, dead, elsewhere):
            pass
        case _:
            raise UnexpectedAnswer(f"the node gives {format_term(columns, 80)} for the children of a supervisor")
    table = [rows.elements(column) for column in (ids, processes, types, restarts, shutdowns, significants, modules)]
    if any(len(column) != len(table[0]) for column in table):
        raise UnexpectedAnswer("the node gives columns of different lengths for the children of a supervisor")
    not_running = dict.fromkeys(map(_read_pid, rows.elements(dead)), ChildState.TERMINATED)
    not_running |= dict.fromkeys(map(_read_pid, rows.elements(elsewhere)), ChildState.UNKNOWN)
    return tuple(_read_child(row, own, not_running) for row in zip(*table, strict=True))


def _read_pid(term: Term) -> Pid:
    if isinstance(term, Pid):
        return term
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for a pid")


def _count(children: tuple[Child, ...]) -> Counts:
    states = [child.state for child in children]
    return Counts(*(states.count(state) for state in ChildState))


def _read_told(told: Term) -> _Told:
    match told:
        case (shape, module, strategy, intensity, period, restarts, children):
            return _Told(
                shape=rows.atom(shape),
                module=rows.name(module),
                strategy=rows.name(strategy),
                intensity=rows.optional_count(intensity),
                period_seconds=rows.optional_count(period),
                restarts=None if restarts == _UNKNOWN else rows.count(restarts),
                children=children,
            )
    raise UnexpectedAnswer(f"the node gives {format_term(told, 80)} for what a supervisor tells")


def _read_call(call: Term) -> tuple[str | None, str | None, str | None]:
    """Return which code it runs, its callback module, and its initial call as people read it."""
    match call:
        case (Atom(name="noted"), (Atom(name=family), Atom(name=callback), _) as noted):
            has_callback = family in {"supervisor", "supervisor_bridge"}
            return family, callback if has_callback else None, rows.function(noted)
        case (Atom(name="spawned"), spawned):
            return None, None, rows.function(spawned)
    if call == _UNKNOWN:
        return None, None, None
    raise UnexpectedAnswer(f"the node gives {format_term(call, 80)} for an initial call")


def _kind(family: str | None, callback: str | None, answer: _Told | None) -> Kind | None:
    if family in _BY_FAMILY:
        return _BY_FAMILY[family]
    if callback is None:
        return None
    if callback in _BY_CALLBACK:
        return _BY_CALLBACK[callback]
    if answer is not None and answer.shape == "elixir":
        return Kind.DYNAMIC_SUPERVISOR
    if not callback.startswith("Elixir."):
        return Kind.SUPERVISOR
    # Elixir's Supervisor and DynamicSupervisor note down the same; only the state tells them apart.
    return Kind.ELIXIR_SUPERVISOR if answer is not None and answer.shape == "record" else None


def _read_child(row: tuple[Term, ...], own: Pid, not_running: Mapping[Pid, ChildState]) -> Child:
    printed_id, process, child_type, restart, shutdown, significant, modules = row
    pid, state = read_process(process, own)
    return Child(
        id=rows.text(printed_id),
        pid=pid,
        state=not_running.get(process, state) if isinstance(process, Pid) else state,
        type=rows.name(child_type),
        restart=read_word(restart),
        shutdown=rows.count(shutdown) if isinstance(shutdown, int) else read_word(shutdown),
        significant=None if significant == UNDEFINED else rows.boolean(significant),
        modules=_read_modules(modules),
    )


def read_word(term: Term) -> str | None:
    """Print what is an atom nearly always: supervisor2 has ``{permanent,5}`` among its restart types."""
    if term == UNDEFINED:
        return None
    return term.name if isinstance(term, Atom) else format_term(term, 80)


def _read_modules(term: Term) -> tuple[str, ...]:
    if isinstance(term, Atom):
        return ()  # dynamic, or undefined
    return tuple(rows.atom(module) for module in rows.elements(term)[:MAX_MODULES])
