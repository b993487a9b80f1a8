"""Which processes do the work right now?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.probes.processes import CHUNK, COUNTED_BY, TOP, ProcessRow, read_row
from agent.probes.sweep import evaluate_over_all
from agent.terms import FALSE, Term

MIN_WINDOW_SECONDS: Final = 0.1
MAX_WINDOW_SECONDS: Final = 10.0
DEFAULT_WINDOW_SECONDS: Final = 1.0
HEAP_WORDS_PER_PROCESS: Final = 32  # pids and two samples, copied too; 18 suffice for 1,000,000

TWO_LOOKS: Final = Expression.load("process_row", "busy")


@dataclass(frozen=True, slots=True)
class BusyProcess:
    """One process, and how many reductions it did within the window."""

    reductions_in_window: int
    process: ProcessRow


@dataclass(frozen=True, slots=True)
class Busy:
    """Who did most within the window, the busiest first. ``reductions`` is the sum over all that live at its end.

    What a process did that was born or died within the window is in none of this.
    """

    processes: int
    window_seconds: float
    reductions: int
    busiest: tuple[BusyProcess, ...]


async def ask(shell: Shell, deadline_seconds: float, window_seconds: float = DEFAULT_WINDOW_SECONDS) -> Busy:
    """Look at the reductions of every process twice. ``deadline_seconds`` is without the window.

    Cost: 0.3 to 0.5 us for each process, twice; and the pids of all processes are kept in a worker for the window.
    """
    answer = await evaluate_over_all(
        shell,
        COUNTED_BY,
        TWO_LOOKS,
        {"K": TOP, "Chunk": CHUNK, "Pause": round(window_seconds * 1000)},
        deadline_seconds + window_seconds,
        heap_words_for_each=HEAP_WORDS_PER_PROCESS,
    )
    match answer.value:
        case (processes, paused_microseconds, reductions, list() as top):
            alive = [found for row in top if (found := _read(row)) is not None]
            return Busy(
                rows.count(processes),
                rows.count(paused_microseconds) / 1e6,
                rows.count(reductions),
                # Equal ones stay in the node's order, which is by pid.
                tuple(sorted(alive, key=lambda one: one.reductions_in_window, reverse=True)[:TOP]),
            )
    raise UnexpectedAnswer("the node gives something else for its busy processes than was asked for")


def _read(term: Term) -> BusyProcess | None:
    match term:
        case (_done, gone) if gone == FALSE:
            return None
        case (done, row):
            return BusyProcess(rows.count(done), read_row(row))
    raise UnexpectedAnswer("the node gives something else for a busy process than was asked for")
