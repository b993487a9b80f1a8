"""What does mnesia do, if it runs: its locks, its transactions, and the tables that it has in memory here?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.probes.ets import CHUNK
from agent.terms import Atom, Term, format_term

MAX_TABLES: Final = 200  # that are told one by one: those with the most memory
SLOW_SECONDS: Final = 0.05  # for all tables together that are slow to ask
HEAP_WORDS: Final = 4_000_000

LOOK: Final = Expression.load("table_row", "mnesia")
_NONE: Final = Atom("none")


@dataclass(frozen=True, slots=True)
class MnesiaTable:
    """One table of which this node has a copy in memory. ``size`` counts rows."""

    name: str
    size: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class RunningMnesia:
    """Mnesia where it runs. Transactions are totals since it started; ``failed`` ones were aborted.

    ``held_locks`` and ``lock_queue`` are None while its lock manager is not there. ``memory_bytes`` is of all tables in
    memory that could be measured, ``tables`` are those with the most of it, the largest first.
    """

    held_locks: int | None
    lock_queue: int | None
    failed_transactions: int
    committed_transactions: int
    restarted_transactions: int
    logged_transactions: int
    memory_bytes: int
    tables: tuple[MnesiaTable, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mnesia:
    """What was found; ``running`` is None on a node on which mnesia does not run."""

    running: RunningMnesia | None


async def ask(shell: Shell, deadline_seconds: float) -> Mnesia:
    """Read what mnesia keeps in tables.

    None of its processes is asked, so it is not known how many transactions are under way: only its transaction manager
    could say. Tables on disc alone are not looked at for the same reason: each has a process that would have to answer.

    Cost: 0.1 ms where mnesia does not run; 0.6 to 1.0 ms with 20 tables.
    """
    answer = await shell.evaluate(
        LOOK,
        {"K": MAX_TABLES, "Chunk": CHUNK, "Slow_milliseconds": round(SLOW_SECONDS * 1000)},
        deadline_seconds=deadline_seconds,
        max_heap_words=HEAP_WORDS,
        is_sweep=True,
    )
    if answer.value == _NONE:
        return Mnesia(None)
    match answer.value:
        case (
            [held, queued],
            [failed, committed, restarted, logged],
            total,
            measured,
            not_measured,
            memory_bytes,
            list() as tables,
        ) if len(tables) <= MAX_TABLES:
            return Mnesia(
                RunningMnesia(
                    held_locks=rows.optional_count(held),
                    lock_queue=rows.optional_count(queued),
                    failed_transactions=rows.count(failed),
                    committed_transactions=rows.count(committed),
                    restarted_transactions=rows.count(restarted),
                    logged_transactions=rows.count(logged),
                    memory_bytes=rows.count(memory_bytes),
                    tables=tuple(reversed([_read(table) for table in tables])),
                    left_out=_left_out(rows.count(total), rows.count(measured), rows.count(not_measured), len(tables)),
                )
            )
    raise UnexpectedAnswer("the node gives something else for mnesia than was asked for")


def _read(table: Term) -> MnesiaTable:
    match table:
        case (name, size, memory_bytes):
            return MnesiaTable(rows.atom(name), rows.count(size), rows.count(memory_bytes))
    raise UnexpectedAnswer(f"the node gives {format_term(table, 80)} for a table of mnesia")


def _left_out(total: int, measured: int, not_measured: int, shown: int) -> tuple[str, ...]:
    elsewhere = total - measured - not_measured
    reasons = {
        f"tables that are not in memory here, or not yet: {elsewhere}": elsewhere,
        f"tables that were too slow to measure: {not_measured}": not_measured,
        f"tables with less memory than the first {MAX_TABLES}: {measured - shown}": measured - shown,
    }
    return tuple(text for text, count in reasons.items() if count > 0)
