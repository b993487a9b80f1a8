"""Read what ``restart_facts.expr`` gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from agent.errors import UnexpectedAnswer
from agent.probes import rows
from agent.probes.supervisor_rows import read_process, read_supervisor, read_word
from agent.restarting import (
    Found,
    NamedProcess,
    NoFacts,
    NoSuchChild,
    NotAsked,
    Obstacle,
    RestartFacts,
    SeveralChildren,
    SharedSpec,
    Subtree,
    Table,
    Tables,
    TemporaryChild,
)
from agent.supervision import ChildState, Supervisor
from agent.terms import UNDEFINED, Atom, Pid, Term, format_pid, format_term

FINGERPRINT_BYTES: Final = 16
_INFINITY: Final = Atom("infinity")
_UNKNOWN: Final = Atom("unknown")
_Row = TypeVar("_Row")

_OBSTACLES: Final = {
    "untold": Obstacle.NOT_ASKED,
    "not_static": Obstacle.SHARED_SPEC,
    "not_otp": Obstacle.NOT_OTP,
}


def read_facts(answer: Term, word_bytes: int) -> Found:
    """Read the answer to one question. Raises `UnexpectedAnswer`."""
    match answer:
        case (
            Atom(name="facts"),
            Pid() as parent,
            asked,
            child,
            applications,
            processes,
            tables,
            below,
            bytes() as print_,
        ):
            return _read_child(
                read_supervisor(parent, asked, word_bytes)[0],
                parent,
                child,
                applications,
                processes,
                tables,
                below,
                print_,
            )
        case (Atom(name="top"), application):
            return NoFacts(Obstacle.APPLICATION_TOP, application=rows.name(application))
        case Atom(name="no_parent"):
            return NoFacts(Obstacle.NO_PARENT)
        case Atom(name="supervisor_gone"):
            return NoFacts(Obstacle.SUPERVISOR_GONE)
        case (Atom(name="too_many"), _limit):
            return NoFacts(Obstacle.TOO_MANY)
        case (Atom(name=why), Pid() as parent, asked) if why in _OBSTACLES:
            return NoFacts(_OBSTACLES[why], read_supervisor(parent, asked, word_bytes)[0])
        case (Atom(name="no_such_child"), Pid() as parent, asked, ids):
            supervisor = read_supervisor(parent, asked, word_bytes)[0]
            return NoSuchChild(supervisor, tuple(rows.text(each) for each in rows.elements(ids)))
        case (Atom(name="several"), Pid() as parent, asked, children):
            supervisor = read_supervisor(parent, asked, word_bytes)[0]
            return SeveralChildren(supervisor, tuple(filter(None, (_pid_of(each) for each in rows.elements(children)))))
    raise UnexpectedAnswer(f"the node gives {format_term(answer, 80)} for a child of a supervisor")


def _read_child(  # noqa: PLR0913, PLR0917  # one for each part of the answer
    supervisor: Supervisor,
    parent: Pid,
    child: Term,
    applications: Term,
    processes: Term,
    tables: Term,
    below: Term,
    fingerprint: bytes,
) -> RestartFacts:
    match child, applications, tables:
        case (
            (printed, process, restart, significant, shutdown, type_, _modules),
            (of_supervisor, of_child),
            (lost_sums, lost, names, kept_sums, kept),
        ) if len(fingerprint) == FINGERPRINT_BYTES:
            subtree = _read_subtree(processes, below)
            state = read_process(process, parent)[1]
            if state is ChildState.RUNNING and subtree.processes == 0:
                state = ChildState.TERMINATED  # the supervisor has not heard of it yet
            return RestartFacts(
                supervisor=supervisor,
                supervisor_pid=parent,
                id=rows.text(printed),
                child_pid=process if isinstance(process, Pid) else None,
                state=state,
                type=rows.name(type_),
                restart=read_word(restart),
                shutdown=rows.count(shutdown) if isinstance(shutdown, int) else read_word(shutdown),
                significant=None if significant == UNDEFINED else rows.boolean(significant),
                supervisor_application=rows.name(of_supervisor),
                application=rows.name(of_child),
                subtree=subtree,
                lost_tables=_read_tables(lost_sums, lost, names),
                kept_tables=_read_tables(kept_sums, kept, []),
                fingerprint=fingerprint,
            )
    raise UnexpectedAnswer("the node gives something else for a child of a supervisor than was asked for")


def _read_subtree(processes: Term, below: Term) -> Subtree:
    match processes, below:
        case (
            (dying, named, names, told_count, told),
            (supervisors, static, temporary_count, temporary, shared, not_asked, takes),
        ):
            return Subtree(
                processes=rows.count(dying),
                named=rows.count(named),
                names=_each(names, lambda name, pid: NamedProcess(rows.pid(pid), rows.name(name))),
                told_count=rows.count(told_count),
                told=_each(told, lambda pid, name: NamedProcess(rows.pid(pid), rows.name(name))),
                supervisors=rows.count(supervisors),
                static_children=rows.count(static),
                temporary_count=rows.count(temporary_count),
                temporary=_each(
                    temporary, lambda id_, pid, owner: TemporaryChild(rows.text(id_), rows.pid(pid), rows.pid(owner))
                ),
                shared=_each(
                    shared,
                    lambda pid, name, restart, count: SharedSpec(
                        rows.pid(pid), rows.name(name), read_word(restart), rows.count(count)
                    ),
                ),
                not_asked=_each(
                    not_asked, lambda pid, name, why: NotAsked(rows.pid(pid), rows.name(name), rows.atom(why))
                ),
                shutdown_milliseconds=None if takes in (_INFINITY, _UNKNOWN) else rows.count(takes),
                is_shutdown_known=takes != _UNKNOWN,
            )
    raise UnexpectedAnswer("the node gives something else for what is below a child than was asked for")


def _read_tables(sums: Term, shown: Term, names: Term) -> Tables:
    match sums:
        case (count, total_rows, memory_bytes):
            return Tables(
                count=rows.count(count),
                rows=rows.count(total_rows),
                memory_bytes=rows.count(memory_bytes),
                names=tuple(rows.atom(name) for name in rows.elements(names)),
                shown=_each(shown, _read_table),
            )
    raise UnexpectedAnswer("the node gives something else for the tables of a child than was asked for")


def _read_table(*row: Term) -> Table:
    match row:
        case (id_, name, size, memory_bytes, owner, owner_name, heir):
            return Table(
                id=rows.text(id_),
                name=rows.atom(name),
                rows=rows.count(size),
                memory_bytes=rows.count(memory_bytes),
                owner=rows.pid(owner),
                owner_name=rows.name(owner_name),
                heir=rows.pid(heir) if isinstance(heir, Pid) else None,
            )
    raise UnexpectedAnswer("the node gives something else for a table than was asked for")


def _each(term: Term, read: Callable[..., _Row]) -> tuple[_Row, ...]:
    found: list[_Row] = []
    for each in rows.elements(term):
        if not isinstance(each, tuple):
            raise UnexpectedAnswer(f"the node gives {format_term(each, 80)} for a row")
        try:
            found.append(read(*each))
        except TypeError:
            raise UnexpectedAnswer(f"the node gives {format_term(each, 80)} for a row") from None
    return tuple(found)


def _pid_of(child: Term) -> str | None:
    match child:
        case (_printed, process):
            return format_pid(process) if isinstance(process, Pid) else None
    raise UnexpectedAnswer(f"the node gives {format_term(child, 80)} for a child")
