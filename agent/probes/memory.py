"""How much memory does the emulator use, and for what?"""

from __future__ import annotations

from dataclasses import dataclass, fields

from agent.batch import MAX_ANSWER_BYTES, Caller, counters_only
from agent.errors import UnexpectedAnswer
from agent.terms import Atom


@dataclass(frozen=True, slots=True)
class Memory:
    """``erlang:memory/0`` in bytes: ``total`` is ``processes`` plus ``system``, the rest are parts of these."""

    total: int
    processes: int
    processes_used: int
    system: int
    atom: int
    atom_used: int
    binary: int
    code: int
    ets: int


async def ask(caller: Caller, deadline_seconds: float) -> Memory:
    """Ask ``erlang:memory/0``.

    Cost: every scheduler adds up its allocators' counters once; the same with ten processes and with a million.
    """
    answer = counters_only(
        await caller.call("erlang", "memory", [], deadline_seconds=deadline_seconds, max_answer_bytes=MAX_ANSWER_BYTES)
    )
    sizes: dict[str, int] = {}
    for pair in answer if isinstance(answer, list) else []:
        match pair:
            case (Atom(name=kind), int() as size_bytes):
                sizes[kind] = size_bytes
    try:
        return Memory(**{field.name: sizes[field.name] for field in fields(Memory)})
    except KeyError as missing:
        raise UnexpectedAnswer(f"erlang:memory() tells nothing of {missing}") from None
