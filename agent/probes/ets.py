"""How many ETS tables are there, which are the largest, and how large are those that are watched?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.probes.sweep import evaluate_over_all
from agent.terms import FALSE, Atom, Reference, Term, format_term

# The playbook's, and what the receipts' own code calls its tables: these are unnamed, and so only found by listing.
DEFAULT_WATCH_TABLES: Final = (
    "receipt_ledger",
    "tai_receipts_store",
    "tai_receipts_dedup",
    "tai_receipts_chain",
    "ggen_receipts",
)
TOP: Final = 100  # the most that anybody may ask for
TOP_WATCHED: Final = (
    10  # of each watched name: with pids in their names, or one for each tenant, there may be thousands
)
CHUNK: Final = 4_000  # as for processes
SLOW_SECONDS: Final = 0.5  # for all tables together that are slow to ask
HEAP_WORDS_PER_TABLE: Final = 48  # the list of tables, six words each, copied by garbage collections
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024  # some hundred rows, whose names may be long

SWEEP: Final = Expression.load("table_row", "tables")
BINDINGS: Final[Mapping[str, Term]] = {"Chunk": CHUNK, "K": TOP, "Slow_milliseconds": round(SLOW_SECONDS * 1000)}

_MAX_ID_CHARACTERS: Final = 4096  # a name of 255 characters, each of them escaped
_ESCAPED: Final = re.compile(r"\\x\{([0-9a-fA-F]{1,6})\}|\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One table.

    ``id`` is what it can be asked for by, printed as Erlang does: the name of a named table, quoted where it must be,
    and a reference like ``#Ref<0.1.2.3>`` of any other. ``name`` is as it is, without quotes: unnamed tables have one
    too, and many may have the same. ``owner`` is a pid, ``owner_name`` the name that it is registered by.
    ``size`` counts rows. ``memory_bytes`` is without what large binaries in the rows take.
    """

    id: str
    name: str
    is_named: bool
    type: str
    protection: str
    owner: str
    owner_name: str | None
    size: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class TablesOfName:
    """All tables of one name together, and the largest of them.

    ``count``, ``size`` and ``memory_bytes`` are those of all. Where ``count`` is 0 there is no such table: that is not
    the same as an empty one. ``not_measured`` of them are not in ``size`` and ``memory_bytes``: see `Tables.left_out`.
    ``largest`` are those with the most memory, the largest first: at most 10.
    """

    name: str
    count: int
    not_measured: int
    size: int
    memory_bytes: int
    largest: tuple[TableRow, ...]

    @property
    def is_absent(self) -> bool:
        """Whether no table has that name."""
        return self.count == 0


@dataclass(frozen=True, slots=True)
class Tables:
    """All tables together, the largest first, and the watched ones in the order of the settings.

    ``limit`` is what the node was started with; from OTP 21 on it does not stop anybody from making more. A table that
    was deleted while it was looked at is in no row. ``left_out`` says what is not in the answer and why.
    """

    count: int
    limit: int
    memory_bytes: int
    by_size: tuple[TableRow, ...]
    by_memory: tuple[TableRow, ...]
    watched: tuple[TablesOfName, ...]
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every table was looked at."""
        return not self.left_out


async def ask(watch_tables: Sequence[str], shell: Shell, deadline_seconds: float) -> Tables:
    """Look at the size and the memory of every table, and at those of the names in ``watch_tables``.

    Cost: 1 to 2 us for each table, 8 us for one with decentralized counters, and more of these on a busy node, where
    half a second is the most for all of them; no row of any table is read. A table that is being written to is waited
    for as long as one write takes, and inserting a list of rows is one.
    """
    watched = tuple(dict.fromkeys(plain_name(name) for name in watch_tables))
    answer = await evaluate_over_all(
        shell,
        "ets_count",
        SWEEP,
        {**BINDINGS, "K_watched": TOP_WATCHED, "Watch": [as_sent(name) for name in watched]},
        deadline_seconds,
        heap_words_for_each=HEAP_WORDS_PER_TABLE,
        max_answer_bytes=MAX_ANSWER_BYTES,
    )
    match answer.value:
        case (count, limit, memory_bytes, missed, list() as sums, list() as found) if len(sums) == len(watched):
            winners = [winner for term in found if (winner := _read_winner(term)) is not None]
            largest_first = sorted((one.row for one in winners), key=by_memory)
            return Tables(
                count=rows.count(count),
                limit=rows.count(limit),
                memory_bytes=rows.count(memory_bytes),
                by_size=_top([one.row for one in winners if one.has_many_rows], _by_size),
                by_memory=_top([one.row for one in winners if one.has_much_memory], by_memory),
                watched=tuple(_of_name(name, each, largest_first) for name, each in zip(watched, sums, strict=True)),
                left_out=not_measured(rows.count(missed)),
            )
    raise UnexpectedAnswer("the node gives something else for its tables than was asked for")


def plain_name(text: str) -> str:
    """Return a name as it is, without the quotes and escapes that Erlang prints it with."""
    if len(text) < 2 or not (text.startswith("'") and text.endswith("'")):
        return text
    return _ESCAPED.sub(_unescaped, text[1:-1])


def as_sent(name: str) -> bytes:
    """Return a name as it travels. What is no text at all becomes one that nobody has given to a table."""
    return name.encode(errors="replace")


def read_row(term: Term) -> TableRow:
    """Read what ``table_row.expr`` gives. Raises `UnexpectedAnswer`."""
    match term:
        case (Atom() | Reference() as table, name, is_named, kind, protection, owner, owner_name, size, memory_bytes):
            return TableRow(
                id=format_term(table, _MAX_ID_CHARACTERS),
                name=rows.atom(name),
                is_named=rows.boolean(is_named),
                type=rows.atom(kind),
                protection=rows.atom(protection),
                owner=rows.pid(owner),
                owner_name=rows.name(owner_name),
                size=rows.count(size),
                memory_bytes=rows.count(memory_bytes),
            )
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for a table")


def by_memory(row: TableRow) -> tuple[int, str]:
    """Return what to sort by for the most memory first."""
    return -row.memory_bytes, row.id


def not_measured(tables: int) -> tuple[str, ...]:
    """Say how many tables were left out."""
    if not tables:
        return ()
    return (
        f"tables that are not measured, as their counters are decentralized and to ask more of these than were asked in"
        f" {SLOW_SECONDS:g} s would hold up the node: {tables}",
    )


def _by_size(row: TableRow) -> tuple[int, str]:
    return -row.size, row.id


def _top(tables: Iterable[TableRow], order: Callable[[TableRow], tuple[int, str]]) -> tuple[TableRow, ...]:
    return tuple(sorted(tables, key=order)[:TOP])


class _Winner(NamedTuple):
    has_much_memory: bool
    has_many_rows: bool
    row: TableRow


def _read_winner(term: Term) -> _Winner | None:
    match term:
        case (_, _, gone) if gone == FALSE:
            return None
        case (by_memory, by_size, row):
            return _Winner(rows.boolean(by_memory), rows.boolean(by_size), read_row(row))
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for a table")


def _of_name(name: str, sums: Term, tables: Iterable[TableRow]) -> TablesOfName:
    match sums:
        case (measured, size, memory_bytes, missed):
            return TablesOfName(
                name,
                rows.count(measured) + rows.count(missed),
                rows.count(missed),
                rows.count(size),
                rows.count(memory_bytes),
                tuple(row for row in tables if row.name == name)[:TOP_WATCHED],
            )
    raise UnexpectedAnswer(f"the node gives {format_term(sums, 80)} for the tables of one name")


def _unescaped(escaped: re.Match[str]) -> str:
    code, character = escaped.groups()
    return character if code is None else chr(min(int(code, 16), 0x10FFFF))
