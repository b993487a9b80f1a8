"""What would go with a supervisor's child if it were restarted now? Nothing changes by asking."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import lookup
from agent.probes.process import NoProcess, is_printed_pid
from agent.probes.restart_rows import read_facts
from agent.probes.supervision_tree import MAX_SUPERVISOR_HEAP_WORDS, QUESTION_SECONDS, SHARE_FOR_WALKING
from agent.restarting import Found
from agent.terms import UNDEFINED, Pid, Term

MAX_PROCESSES: Final = 100_000  # that die with the child: twice as many do not fit below HEAP_WORDS
MAX_SHOWN: Final = 200  # names, tables and children each; all of them are counted
# The walk copies what each supervisor below holds, and keeps the pids and links of all that dies.
HEAP_WORDS: Final = 4 * MAX_SUPERVISOR_HEAP_WORDS
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024

PLAN: Final = Expression.load("supervisor", "application_top", "restart_facts", "restart_plan")


@dataclass(frozen=True, slots=True)
class NoSuchSupervisor:
    """Nobody is registered under the name of the supervisor, or of the child when no supervisor is named."""

    asked_for: str
    nearest: tuple[str, ...]


Answer: TypeAlias = Found | NoSuchSupervisor


async def ask(shell: Shell, deadline_seconds: float, supervisor: str | None, child: str) -> Answer:
    """Look at one child: by its printed id or its pid below a supervisor, or by its own name or pid alone.

    Cost: that of the supervision tree below the child (`agent.probes.supervision_tree`), 10 us for each process that
    would die, and one look at the owner of every table. No text becomes an atom on the node.
    """
    clock = asyncio.get_running_loop().time
    too_late = clock() + deadline_seconds
    named = await lookup.find(child if supervisor is None else supervisor, shell, deadline_seconds)
    if isinstance(named, NoProcess):
        return NoSuchSupervisor(named.asked_for, named.nearest)
    below: Term = named
    parent: Term = UNDEFINED
    if supervisor is not None:
        parent, below = named, await _child_of(shell, too_late - clock(), child)
    bindings = bindings_for(parent, below, too_late - clock())
    answer = await shell.evaluate(
        PLAN,
        bindings,
        deadline_seconds=too_late - clock(),
        max_heap_words=HEAP_WORDS,
        max_answer_bytes=MAX_ANSWER_BYTES,
    )
    match answer.value:
        case (found, int() as word_bytes) if 0 < word_bytes <= 8:
            return read_facts(found, word_bytes)
    raise UnexpectedAnswer("the node gives something else for a child of a supervisor than was asked for")


def bindings_for(supervisor: Term, child: Term, deadline_seconds: float) -> Mapping[str, Term]:
    """Return what ``restart_facts.expr`` needs; a child is a pid or the bytes that `printed_id` gives."""
    return {
        "Supervisor": supervisor,
        "Child": child,
        "Max_processes": MAX_PROCESSES,
        "Max_shown": MAX_SHOWN,
        "Max_heap_words": MAX_SUPERVISOR_HEAP_WORDS,
        "Question_milliseconds": int(QUESTION_SECONDS * 1000),
        "Milliseconds": int(deadline_seconds * 1000 * SHARE_FOR_WALKING),
    }


def printed_id(text: str) -> bytes:
    """Return a printed id as it is compared on the node: without blanks, which people put and Erlang does not."""
    return text.replace(" ", "").encode(errors="surrogatepass")


async def _child_of(shell: Shell, deadline_seconds: float, child: str) -> Term:
    if is_printed_pid(child):
        found = await lookup.find(child, shell, deadline_seconds)
        if isinstance(found, Pid):
            return found
    return printed_id(child)
