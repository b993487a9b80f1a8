"""How many processes are there, which have the most memory, and which have the longest mailboxes?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.terms import FALSE, TRUE, Atom, Term, format_term

TOP: Final = 100  # the most that anybody may ask for; the cost of one more is that of one more look
QUEUE_THRESHOLDS: Final = (0, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
# Large enough for the compiled loops to count, small enough for the heap of the worker and of what it garbage collects.
CHUNK: Final = 4_000
HEAP_WORDS: Final = 4_000_000
HEAP_WORDS_PER_PROCESS: Final = 16  # the list of pids, copied by a garbage collection; at 1,000,000 half of it is used

SWEEP: Final = Expression.load("process_row", "processes")


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process. ``pid`` is printed as on its node; ``name`` is its registered name.

    ``initial_call`` is what ``proc_lib`` and the behaviours note down (``tai_governor:init/1``), else what it was
    spawned with. ``memory_bytes`` counts heap, stack and messages, not binaries outside the heap.
    ``current_function`` is None where the node does not tell.
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
    by_memory = sorted(swept.rows, key=lambda row: (-row.memory_bytes, row.pid))[:TOP]
    return Processes(
        swept.queues, swept.memory_bytes, swept.largest_memory_bytes, tuple(by_memory), swept.by_message_queue_len
    )


def read_row(term: Term) -> ProcessRow:
    """Read what ``process_row.expr`` gives. Raises `UnexpectedAnswer`."""
    match term:
        case (pid, name, call, parent, parent_name, current, status, reductions, memory, queue):
            return ProcessRow(
                pid=rows.pid(pid),
                name=rows.name(name),
                initial_call=rows.function(call),
                parent=rows.optional_pid(parent),
                parent_name=rows.name(parent_name),
                current_function=rows.function(current),
                status=rows.atom(status),
                reductions=rows.count(reductions),
                memory_bytes=rows.count(memory),
                message_queue_len=rows.count(queue),
            )
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for a process")


async def heap_words_for_all(shell: Shell, deadline_seconds: float, words_per_process: int) -> int:
    """Return how large a worker's heap may grow that has to hold something for each process."""
    processes = rows.count(
        await shell.call("erlang", "system_info", [Atom("process_count")], deadline_seconds=deadline_seconds)
    )
    return HEAP_WORDS + words_per_process * processes


class _Swept(NamedTuple):
    queues: Queues
    memory_bytes: int
    largest_memory_bytes: int
    rows: list[ProcessRow]

    @property
    def by_message_queue_len(self) -> tuple[ProcessRow, ...]:
        queued = [row for row in self.rows if row.message_queue_len]
        return tuple(sorted(queued, key=lambda row: (-row.message_queue_len, row.pid))[:TOP])


async def _sweep(shell: Shell, deadline_seconds: float, *, with_memory: bool) -> _Swept:
    answer = await shell.evaluate(
        SWEEP,
        {
            "K": TOP,
            "Chunk": CHUNK,
            "Thresholds": list(QUEUE_THRESHOLDS),
            "With_memory": TRUE if with_memory else FALSE,
        },
        deadline_seconds=deadline_seconds,
        max_heap_words=await heap_words_for_all(shell, deadline_seconds, HEAP_WORDS_PER_PROCESS),
        is_sweep=True,
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
                found = [read_row(row) for row in rows.elements(winners)]
                return _Swept(queues, rows.count(memory), rows.count(largest_memory), found)
    raise UnexpectedAnswer("the node gives something else for its processes than was asked for")
