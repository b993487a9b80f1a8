"""What is this one table like, or these of one name?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.probes.ets import (
    BINDINGS,
    HEAP_WORDS_PER_TABLE,
    MAX_ANSWER_BYTES,
    TOP,
    TableRow,
    as_sent,
    by_memory,
    not_measured,
    plain_name,
    read_row,
)
from agent.probes.sweep import evaluate_over_all
from agent.terms import Atom, Pid, Term, format_term

MAX_NAME_BYTES: Final = 4 * 255  # of an atom's 255 characters

LOOK: Final = Expression.load("table_row", "table")


@dataclass(frozen=True, slots=True)
class Table:
    """One table in detail.

    ``key_position`` is that of the key in each row. ``heir`` is the pid that gets the table when its owner dies; None:
    then it is deleted. ``is_fixed``: somebody goes through it, and until then no deleted row gives its memory back.
    ``write_concurrency`` is ``false``, ``true`` or ``auto``.
    """

    row: TableRow
    key_position: int
    heir: str | None
    is_compressed: bool
    is_fixed: bool
    read_concurrency: bool
    write_concurrency: str


@dataclass(frozen=True, slots=True)
class FoundTables:
    """The tables that were asked for, by id or by name: those with the most memory first.

    ``count``, ``size`` and ``memory_bytes`` are those of all, also of those that are not among ``tables``.
    ``not_measured`` of them are not in ``size`` and ``memory_bytes``. ``left_out`` says what is missing and why.
    """

    asked_for: str
    count: int
    not_measured: int
    size: int
    memory_bytes: int
    tables: tuple[Table, ...]
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every table that was asked for is among ``tables``."""
        return not self.left_out


@dataclass(frozen=True, slots=True)
class NoTable:
    """There is no such table. ``nearest`` are names of tables that look like what was asked for."""

    asked_for: str
    nearest: tuple[str, ...]


async def ask(name_or_id: str, shell: Shell, deadline_seconds: float) -> FoundTables | NoTable:
    """Look at one table by its printed reference, or at all of a name: with quotes as Erlang prints it, or without.

    Cost: 0.5 us for each table of the node, for its name; 4 us for each when none is found, to look for names like it.
    The name travels as a binary: one that is no atom on the node does not become one.
    """
    wanted = plain_name(name_or_id)
    sent = as_sent(wanted)
    if not sent or len(sent) > MAX_NAME_BYTES:
        return NoTable(name_or_id, ())
    answer = await evaluate_over_all(
        shell,
        "ets_count",
        LOOK,
        {**BINDINGS, "Id": sent},
        deadline_seconds,
        heap_words_for_each=HEAP_WORDS_PER_TABLE,
        max_answer_bytes=MAX_ANSWER_BYTES,
    )
    match answer.value:
        case (Atom(name="no_such_table"), names):
            return NoTable(name_or_id, rows.nearest(wanted, map(rows.text, rows.elements(names))))
        case (Atom(name="tables"), measured, size, memory_bytes, missed, list() as found):
            measured, missed = rows.count(measured), rows.count(missed)
            tables = sorted(map(_read, found), key=lambda table: by_memory(table.row))
            listed = f"the {TOP} tables with the most memory are listed, and {measured - TOP} more are counted"
            return FoundTables(
                asked_for=name_or_id,
                count=measured + missed,
                not_measured=missed,
                size=rows.count(size),
                memory_bytes=rows.count(memory_bytes),
                tables=tuple(tables[:TOP]),
                left_out=(*((listed,) if measured > TOP else ()), *not_measured(missed)),
            )
    raise UnexpectedAnswer("the node gives something else for a table than was asked for")


def _read(term: Term) -> Table:
    match term:
        case (row, [position, heir, is_compressed, is_fixed, read_concurrency, write_concurrency]):
            return Table(
                row=read_row(row),
                key_position=rows.count(position),
                heir=rows.pid(heir) if isinstance(heir, Pid) else None,
                is_compressed=rows.boolean(is_compressed),
                is_fixed=rows.boolean(is_fixed),
                read_concurrency=rows.boolean(read_concurrency),
                write_concurrency=rows.atom(write_concurrency),
            )
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for a table")
