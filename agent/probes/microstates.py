"""What have the emulator's threads spent their time on? Known only where somebody has let them count it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.terms import Atom, Term, format_term

MAX_THREADS: Final = 2_048
MAX_STATES: Final = 32  # of one thread: an emulator has 7, or 15 when it was built to tell more
MAX_ANSWER_BYTES: Final = 1024 * 1024
HEAP_WORDS: Final = 2_000_000

LOOK: Final = Expression.load("microstates")
_NONE: Final = Atom("none")


@dataclass(frozen=True, slots=True)
class Thread:
    """One thread: what kind it is, which of these, and its seconds in each state."""

    type: str
    number: int
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Microstates:
    """All threads; none where microstate accounting was never on. Once it was, they keep what they have counted."""

    threads: tuple[Thread, ...]


async def ask(shell: Shell, deadline_seconds: float) -> Microstates:
    """Ask ``erlang:statistics(microstate_accounting)``, and never switch anything on.

    Cost: 0.7 to 0.9 ms of the processors with 2 schedulers and 4 to 8 ms with 16, on OTP 25 and 28, whether they
    count or not: every scheduler is woken. One that is in a native function for long answers after that.
    """
    answer = await shell.evaluate(
        LOOK,
        {"Max": MAX_THREADS},
        deadline_seconds=deadline_seconds,
        max_heap_words=HEAP_WORDS,
        max_answer_bytes=MAX_ANSWER_BYTES,
    )
    match answer.value:
        case (int() as ticks_per_second, list() as threads) if ticks_per_second > 0 and len(threads) <= MAX_THREADS:
            per_second = rows.count(ticks_per_second)
            return Microstates(tuple(_read(thread, per_second) for thread in threads))
    if answer.value == _NONE:
        return Microstates(())
    raise UnexpectedAnswer("the node gives something else for its microstates than was asked for")


def _read(thread: Term, ticks_per_second: int) -> Thread:
    match thread:
        case (kind, number, list() as states) if len(states) <= MAX_STATES:
            seconds = dict(_state(state, ticks_per_second) for state in states)
            return Thread(rows.atom(kind), rows.count(number), seconds)
    raise UnexpectedAnswer(f"the node gives {format_term(thread, 80)} for a thread's microstates")


def _state(state: Term, ticks_per_second: int) -> tuple[str, float]:
    match state:
        case (name, ticks):
            return rows.atom(name), rows.count(ticks) / ticks_per_second
    raise UnexpectedAnswer(f"the node gives {format_term(state, 80)} for a microstate")
