"""How many processes are there, which have the most memory, and which have the longest mailboxes?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.probes.sweep import evaluate_over_all
from agent.terms import FALSE, TRUE, Term, format_term

TOP: Final = 100  # the most that anybody may ask for; the cost of one more is that of one more look
QUEUE_THRESHOLDS: Final = (0, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
# Large enough for the compiled loops to count, small enough for the heap of the worker and of what it garbage collects.
CHUNK: Final = 2_000
COUNTED_BY: Final = "process_count"
HEAP_WORDS_PER_PROCESS: Final = 20  # the list of pids, copied by a garbage collection; 12 suffice for 1,000,000

SWEEP: Final = Expression.load("process_row", "processes")


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process. ``pid`` is printed as on its node; ``name`` is its registered name.

    ``initial_call`` is what ``proc_lib`` and the behaviours note down (``tai_governor:init/1``), else what it was
    spawned with. ``memory_bytes`` counts heap, stack and messages, not binaries outside the heap.
    ``current_function`` is None where the node does not tell. A ``parent`` on another node says on which.
    """

    pid: str
    name: str | None
    initial_call: str | None
    parent: str | None
    parent_name: str | None
    current_function: str | None
    status: str
    reductions: int
    memory_bytes: int
    message_queue_len: int


@dataclass(frozen=True, slots=True)
class Queues:
    """All mailboxes together. ``over`` says for each threshold how many processes have more messages than that."""

    processes: int
    total: int
    longest: int
    over: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """``by_message_queue_len`` has the longest first, and only those that are not empty."""

    queues: Queues
    by_message_queue_len: tuple[ProcessRow, ...]


@dataclass(frozen=True, slots=True)
class Processes:
    """All processes together, and the largest first.

    Sums and largest values are those of the sweep; each row is as the process was a moment later. A process that died
    meanwhile is in no row, and our own worker is in none and not counted.
    """

    queues: Queues
    memory_bytes: int
    largest_memory_bytes: int
    by_memory: tuple[ProcessRow, ...]
    by_message_queue_len: tuple[ProcessRow, ...]


async def ask_mailboxes(shell: Shell, deadline_seconds: float) -> Mailboxes:
    """Look at the length of every mailbox.

    Cost: 0.1 to 0.2 us for each process: no process is disturbed, and each mailbox knows its length.
    """
    swept = await _sweep(shell, deadline_seconds, with_memory=False)
    return Mailboxes(swept.queues, swept.by_message_queue_len)


async def ask(shell: Shell, deadline_seconds: float) -> Processes:
    """Look at the memory and the mailbox of every process.

    Cost: 1 to 1.5 us for each process, and more for one with many messages: its memory is counted message by message.
    """
    swept = await _sweep(shell, deadline_seconds, with_memory=True)
    return Processes(
        swept.queues, swept.memory_bytes, swept.largest_memory_bytes, swept.by_memory, swept.by_message_queue_len
    )


def read_row(term: Term) -> ProcessRow:
    """Read what ``process_row.expr`` gives. Raises `UnexpectedAnswer`."""
    match term:
        case (pid, name, call, parent, parent_name, current, status, reductions, memory, queue):
            return ProcessRow(
                pid=rows.pid(pid),
                name=rows.name(name),
                initial_call=rows.function(call),
                parent=rows.pid_seen_from(parent, pid),
                parent_name=rows.name(parent_name),
                current_function=rows.function(current),
                status=rows.atom(status),
                reductions=rows.count(reductions),
                memory_bytes=rows.count(memory),
                message_queue_len=rows.count(queue),
            )
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for a process")


class _Winner(NamedTuple):
    has_much_memory: bool
    has_many_messages: bool
    row: ProcessRow


class _Swept(NamedTuple):
    queues: Queues
    memory_bytes: int
    largest_memory_bytes: int
    by_memory: tuple[ProcessRow, ...]
    by_message_queue_len: tuple[ProcessRow, ...]


async def _sweep(shell: Shell, deadline_seconds: float, *, with_memory: bool) -> _Swept:
    bindings: dict[str, Term] = {
        "K": TOP,
        "Chunk": CHUNK,
        "Thresholds": list(QUEUE_THRESHOLDS),
        "With_memory": TRUE if with_memory else FALSE,
    }
    answer = await evaluate_over_all(
        shell, COUNTED_BY, SWEEP, bindings, deadline_seconds, heap_words_for_each=HEAP_WORDS_PER_PROCESS
    )
    match answer.value:
        case (processes, (total, longest, over), (memory, largest_memory), winners):
            counts = rows.counts(over)
            if len(counts) == len(QUEUE_THRESHOLDS):
                queues = Queues(
                    rows.count(processes),
                    rows.count(total),
                    rows.count(longest),
                    dict(zip(QUEUE_THRESHOLDS, counts, strict=True)),
                )
                found = [_read_winner(term) for term in rows.elements(winners)]
                alive = [winner for winner in found if winner is not None]
                return _Swept(
                    queues,
                    rows.count(memory),
                    rows.count(largest_memory),
                    _top([one.row for one in alive if one.has_much_memory], lambda row: row.memory_bytes),
                    _top([one.row for one in alive if one.has_many_messages], lambda row: row.message_queue_len),
                )
    raise UnexpectedAnswer("the node gives something else for its processes than was asked for")


def _read_winner(term: Term) -> _Winner | None:
    match term:
        case (_, _, gone) if gone == FALSE:
            return None
        case (by_memory, by_queue, row):
            return _Winner(rows.boolean(by_memory), rows.boolean(by_queue), read_row(row))
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for one of its largest processes")


def _top(found: list[ProcessRow], size: Callable[[ProcessRow], int]) -> tuple[ProcessRow, ...]:
    """Sort by what each has now, a moment after the sweep. Equal ones stay in the node's order, which is by pid."""
    return tuple(sorted((row for row in found if size(row)), key=size, reverse=True)[:TOP])
