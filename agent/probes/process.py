"""What is this one process doing?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.probes.processes import ProcessRow, read_row
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Term

LOOK: Final = Expression.load("process_row", "process")
_PID: Final = re.compile(r"(<)?([0-9]{1,10}\.[0-9]{1,10}\.[0-9]{1,10})(?(1)>)")


@dataclass(frozen=True, slots=True)
class Place:
    """One line of a stack: a function, and where in its file. Arguments do not leave the node."""

    function: str
    line: int | None


@dataclass(frozen=True, slots=True)
class Process:
    """One process in detail. ``application`` is the one that its group leader belongs to."""

    row: ProcessRow
    is_trapping_exits: bool
    priority: str
    application: str | None
    total_heap_bytes: int
    minor_collections: int | None
    stack: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class NoProcess:
    """There is no such process. ``nearest`` are registered names that look like the one that was asked for."""

    asked_for: str
    nearest: tuple[str, ...]


def is_printed_pid(text: str) -> bool:
    """Tell whether it is a pid, ``<0.123.0>`` or ``0.123.0``, and not a registered name."""
    return _PID.fullmatch(text) is not None


def parse_id(text: str) -> str:
    """Return the id as the node reads it: ``<0.123.0>`` for ``0.123.0`` too, anything else is a registered name."""
    match = _PID.fullmatch(text)
    return text if match is None else f"<{match[2]}>"


async def ask(shell: Shell, deadline_seconds: float, process_id: str) -> Process | NoProcess:
    """Look at one process, by pid or registered name.

    Cost: two looks at the process and one at its stack, of eight places at most. The name travels as a binary: one that
    is no atom on the node does not become one.
    """
    wanted = parse_id(process_id)
    # What Python could not decode, once, goes back to the bytes that it was: they are no name.
    encoded = wanted.encode(errors="surrogatepass")
    if len(encoded) > rows.MAX_NAME_BYTES:
        return NoProcess(process_id, ())
    is_pid = TRUE if is_printed_pid(wanted) else FALSE
    answer = await shell.evaluate(LOOK, {"Id": encoded, "Is_pid": is_pid}, deadline_seconds=deadline_seconds)
    match answer.value:
        case Atom(name="gone"):
            return NoProcess(process_id, ())
        case (Atom(name="no_such_name"), names):
            known = [rows.text(name) for name in rows.elements(names)]
            return NoProcess(process_id, rows.nearest(wanted, known))
        case (Atom(name="process"), row, traps, priority, application, heap_bytes, collections, stack):
            return Process(
                row=read_row(row),
                is_trapping_exits=rows.boolean(traps),
                priority=rows.atom(priority),
                application=rows.name(application),
                total_heap_bytes=rows.count(heap_bytes),
                minor_collections=rows.optional_count(collections),
                stack=tuple(_read_place(place) for place in rows.elements(stack)),
            )
    raise UnexpectedAnswer("the node gives something else for a process than was asked for")


def _read_place(term: Term) -> Place:
    match term:
        case (called, line):
            function = rows.function(called)
            if function is not None:
                return Place(function, None if line == UNDEFINED else rows.count(line))
    raise UnexpectedAnswer("the node gives something else for a place in a stack than was asked for")
