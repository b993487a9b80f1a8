"""How much memory do binaries outside of all heaps take, and who keeps them?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from agent.batch import Caller
from agent.errors import DeadlineExceeded, UnexpectedAnswer, WorkerDied
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.probes.processes import CHUNK, ProcessRow, read_row
from agent.probes.sweep import evaluate_over_all
from agent.terms import FALSE, Atom, Term

TOP: Final = 100  # the most that anybody may ask for
COUNTED: Final = 20  # of these the binaries are looked at
MAX_REFERENCES: Final = 100_000  # of one process: looking at as many takes it some 10 ms, and it does nothing else then
HEAP_WORDS_PER_PROCESS: Final = 20  # the list of pids, copied by garbage collections
COUNT_HEAP_WORDS: Final = 6_000_000  # for MAX_REFERENCES 4 million suffice
COUNT_SECONDS: Final = 1.0  # for one process, which answers when a garbage collection of its own is over
SWEEP_SHARE: Final = 0.7  # of the deadline
ALL_SHARE: Final = 0.9  # what is counted until then is told, before whoever asks gives up

SWEEP: Final = Expression.load("process_row", "binary_holders")
COUNT: Final = Expression.load("binaries_of")


@dataclass(frozen=True, slots=True)
class BinaryMemory:
    """``erlang:memory(binary)``: what all binaries outside of heaps take. Each counts once, whoever refers to it."""

    memory_bytes: int


@dataclass(frozen=True, slots=True)
class CountedBinaries:
    """The binaries of one process, each of them looked at.

    Several ``references`` may be to one of its ``binaries``; ``size_bytes`` counts each binary once, and as a whole,
    also where the process needs a part of it only. On OTP 25 a binary that is still being appended to is not seen.
    """

    references: int
    binaries: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BinaryHolder:
    """A process that refers to binaries outside of its heap.

    ``estimated_bytes`` is what the emulator adds up to know when to collect garbage: a binary counts once for each
    reference that was made to it, also when that is garbage already. ``counted`` is None where each was not looked at:
    ``why_not_counted`` says why.

    Neither sees what messages refer to that lie in a mailbox outside of the heap (``message_queue_data``), nor what
    tables do.
    """

    process: ProcessRow
    estimated_bytes: int
    counted: CountedBinaries | None
    why_not_counted: str | None


@dataclass(frozen=True, slots=True)
class BinaryHolders:
    """The processes that refer to most bytes in binaries, by the estimate, the largest first.

    ``estimated_bytes`` is the sum of all processes' estimates. It is more than ``memory_bytes``, which is
    ``erlang:memory(binary)``, where processes share binaries, and less where messages and tables refer to them.
    """

    processes: int
    memory_bytes: int
    estimated_bytes: int
    holders: tuple[BinaryHolder, ...]
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the binaries of the first 20 were counted."""
        return not self.left_out


async def ask(caller: Caller, deadline_seconds: float) -> BinaryMemory:
    """Ask ``erlang:memory(binary)``. Cost: every scheduler adds up its allocators' counters once."""
    return BinaryMemory(
        rows.count(await caller.call("erlang", "memory", [Atom("binary")], deadline_seconds=deadline_seconds))
    )


async def ask_holders(shell: Shell, deadline_seconds: float) -> BinaryHolders:
    """Look for the processes that refer to most bytes in binaries, and count those of the first 20.

    Cost: 1.5 to 2.5 us for each process, and more for one with many messages, which are counted one by one. Then, for
    the first 20, 0.1 us for each reference to a binary, and that process does nothing else meanwhile: one that may have
    more than 100,000 is not asked.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    answer = await evaluate_over_all(
        shell,
        "process_count",
        SWEEP,
        {"K": TOP, "Chunk": CHUNK},
        deadline_seconds * SWEEP_SHARE,
        heap_words_for_each=HEAP_WORDS_PER_PROCESS,
    )
    match answer.value:
        case (processes, memory_bytes, estimated_bytes, list() as found):
            holders = list(_read_holders(found))
            for index, holder in enumerate(holders[:COUNTED]):
                left_seconds = started + deadline_seconds * ALL_SHARE - clock()
                holders[index] = await _count(shell, holder, left_seconds)
            return BinaryHolders(
                rows.count(processes),
                rows.count(memory_bytes),
                rows.count(estimated_bytes),
                tuple(holders),
                _left_out(holders[:COUNTED]),
            )
        case Atom(name="not_told"):
            raise UnexpectedAnswer("this release does not tell what binaries a process refers to as those before did")
    raise UnexpectedAnswer("the node gives something else for who keeps binaries than was asked for")


def _read_holders(found: list[Term]) -> Iterator[BinaryHolder]:
    for term in found[:TOP]:
        match term:
            case (_estimate, gone) if gone == FALSE:
                continue
            case (estimate, row):
                not_asked = f"only those of the first {COUNTED} are counted"
                yield BinaryHolder(read_row(row), rows.count(estimate), None, not_asked)
            case _:
                raise UnexpectedAnswer("the node gives something else for who keeps binaries than was asked for")


async def _count(shell: Shell, holder: BinaryHolder, left_seconds: float) -> BinaryHolder:
    if left_seconds <= 0:
        return replace(holder, why_not_counted="no time was left")
    try:
        answer = await shell.evaluate(
            COUNT,
            {"Id": holder.process.pid.encode(), "Max_references": MAX_REFERENCES},
            deadline_seconds=min(COUNT_SECONDS, left_seconds),
            max_heap_words=COUNT_HEAP_WORDS,
            is_sweep=True,
        )
    except DeadlineExceeded:
        return replace(holder, why_not_counted="it did not answer in time")
    except WorkerDied:
        return replace(holder, why_not_counted="to look at each takes more memory than a question may")
    match answer.value:
        case (Atom(name="counted"), references, binaries, size_bytes):
            counted = CountedBinaries(rows.count(references), rows.count(binaries), rows.count(size_bytes))
            return replace(holder, counted=counted, why_not_counted=None)
        case (Atom(name="too_many"), at_most):
            many = f"it may refer to as many as {rows.count(at_most)}, and {MAX_REFERENCES} are looked at"
            return replace(holder, why_not_counted=many)
        case Atom(name="gone"):
            return replace(holder, why_not_counted="it has ended")
    raise UnexpectedAnswer("the node gives something else for the binaries of a process than was asked for")


def _left_out(asked: list[BinaryHolder]) -> tuple[str, ...]:
    not_counted = sum(holder.counted is None for holder in asked)
    if not not_counted:
        return ()
    return (f"processes whose binaries are estimated and not counted, of the first {len(asked)}: {not_counted}",)
