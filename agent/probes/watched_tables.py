"""How many rows have the tables that are watched, and how much memory? Nothing else, so that it can be asked often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.probes.ets import CHUNK, HEAP_WORDS_PER_TABLE, as_sent, plain_name
from agent.probes.sweep import evaluate_over_all
from agent.terms import Term, format_term

SLOW_SECONDS: Final = 0.05  # for all watched tables together that are slow to ask

LOOK: Final = Expression.load("table_row", "watched_tables")


@dataclass(frozen=True, slots=True)
class WatchedName:
    """All tables of one name together. Where ``count`` is 0 there is none: that is not the same as an empty one.

    ``not_measured`` of them are not in ``size``, which counts rows, nor in ``memory_bytes``.
    """

    name: str
    count: int
    not_measured: int
    size: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class WatchedTables:
    """The watched names, in the order that they were given in."""

    tables: tuple[WatchedName, ...]


async def ask(watch_tables: Sequence[str], shell: Shell, deadline_seconds: float) -> WatchedTables:
    """Look at the size and the memory of the tables of these names.

    Cost: 0.4 to 0.6 us for each table of the node, for its name, and 2 to 4 us for each that is watched.
    """
    watched = tuple(dict.fromkeys(plain_name(name) for name in watch_tables))
    answer = await evaluate_over_all(
        shell,
        "ets_count",
        LOOK,
        {
            "Chunk": CHUNK,
            "Slow_milliseconds": round(SLOW_SECONDS * 1000),
            "Watch": [as_sent(name) for name in watched],
        },
        deadline_seconds,
        heap_words_for_each=HEAP_WORDS_PER_TABLE,
    )
    sums = rows.elements(answer.value)
    if len(sums) != len(watched):
        raise UnexpectedAnswer("the node gives something else for the watched tables than was asked for")
    return WatchedTables(tuple(_read(name, each) for name, each in zip(watched, sums, strict=True)))


def _read(name: str, sums: Term) -> WatchedName:
    match sums:
        case (measured, size, memory_bytes, missed):
            not_measured = rows.count(missed)
            count = rows.count(measured) + not_measured
            return WatchedName(name, count, not_measured, rows.count(size), rows.count(memory_bytes))
    raise UnexpectedAnswer(f"the node gives {format_term(sums, 80)} for the tables of one name")
