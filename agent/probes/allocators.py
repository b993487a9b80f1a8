"""How much memory have the emulator's allocators taken from the operating system, and how much of it is in use?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.terms import Term, format_term

MAX_ROWS: Final = 4_096  # 100 schedulers have some 2,700
MAX_ANSWER_BYTES: Final = 1024 * 1024
HEAP_WORDS: Final = 8_000_000  # the emulator tells 700 words for each instance, before the figures are taken out

LOOK: Final = Expression.load("allocators")


@dataclass(frozen=True, slots=True)
class AllocatorRow:
    """One instance of an allocator, and one kind of its carriers: ``mbcs`` hold many blocks, ``sbcs`` one large one.

    ``mbcs_pool`` are those that an instance has given up, for another to take over. Instance 0 is for all threads
    that are no schedulers, the others have a scheduler each. ``blocks_bytes`` of ``carriers_bytes`` are in use.
    """

    allocator: str
    instance: int
    kind: str
    blocks: int
    blocks_bytes: int
    carriers: int
    carriers_bytes: int


@dataclass(frozen=True, slots=True)
class Allocators:
    """All instances of all allocators; ``left_out`` says what is not in it and why."""

    rows: tuple[AllocatorRow, ...]
    left_out: tuple[str, ...] = ()


async def ask(shell: Shell, deadline_seconds: float) -> Allocators:
    """Ask every scheduler for the figures of its allocators.

    Cost: 2.6 to 3.0 ms of the processors with 2 schedulers, 18 ms with 16, on OTP 25 and 28. Half of it is the worker's
    own; the rest is done by the schedulers, which are all woken, and no worker measures that. One that is in a native
    function for long answers after that, and until then nothing is known.
    """
    answer = await shell.evaluate(
        LOOK,
        {"Max": MAX_ROWS},
        deadline_seconds=deadline_seconds,
        max_heap_words=HEAP_WORDS,
        max_answer_bytes=MAX_ANSWER_BYTES,
    )
    match answer.value:
        case (count, list() as found) if len(found) <= MAX_ROWS:
            missing = rows.count(count) - len(found)
            left_out = (f"instances of allocators after the first: {missing} figures",) if missing > 0 else ()
            return Allocators(tuple(map(_read, found)), left_out)
    raise UnexpectedAnswer("the node gives something else for its allocators than was asked for")


def _read(term: Term) -> AllocatorRow:
    match term:
        case ((allocator, instance, kind), (blocks, blocks_bytes), (carriers, carriers_bytes)):
            return AllocatorRow(
                allocator=rows.atom(allocator),
                instance=rows.count(instance),
                kind=rows.atom(kind),
                blocks=rows.count(blocks),
                blocks_bytes=rows.count(blocks_bytes),
                carriers=rows.count(carriers),
                carriers_bytes=rows.count(carriers_bytes),
            )
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for an allocator")
