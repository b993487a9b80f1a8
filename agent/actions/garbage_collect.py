"""Have one process collect its garbage: the playbook's cure for binaries that nobody refers to any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from agent.actions.guards import Guard, Refusal
from agent.actions.restart import Locked, read_action_id
from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.probes.process import NoProcess, Process
from agent.terms import Atom, Pid, Term, format_term

LARGE_HEAP_BYTES: Final = 256 * 1024 * 1024
LONG_QUEUE: Final = 100_000
SHARE_FOR_WAITING: Final = 0.8  # of the deadline: the rest is for telling that it was waited in vain

COLLECT: Final = Expression.load("actions/locking", "actions/garbage_collect")


@dataclass(frozen=True, slots=True)
class CollectionPlan:
    """Whether a process may be made to collect its garbage, and what that costs it."""

    process: Process | NoProcess
    refusals: tuple[Refusal, ...]
    warnings: tuple[str, ...]

    @property
    def is_allowed(self) -> bool:
        """Whether no guard refuses it."""
        return not self.refusals


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process takes. ``memory_bytes`` has its heap and messages; ``binary_bytes`` are outside the heap.

    These are what its heap refers to as the emulator counts them to know when to collect; binaries that others refer
    to as well are among them.
    """

    memory_bytes: int
    message_queue_len: int
    heap_bytes: int
    binary_bytes: int


@dataclass(frozen=True, slots=True)
class Collected:
    """It has done it. ``after`` is None when it has ended since."""

    before: Footprint
    after: Footprint | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Asked:
    """It was asked, has not done it in the time that was waited, and does it when it comes to it."""

    before: Footprint
    waited_seconds: float


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no such process any more."""


Report: TypeAlias = Collected | Asked | Gone | Locked


def make_plan(found: Process | NoProcess) -> CollectionPlan:
    """Decide. A process that was found may always be asked: it collects its garbage by itself all the time."""
    if isinstance(found, NoProcess):
        near = f"; registered are {', '.join(found.nearest)}" if found.nearest else ""
        refusal = Refusal(Guard.NO_PROCESS, f"no process is {found.asked_for}: it has ended, or never was{near}")
        return CollectionPlan(found, (refusal,), ())
    return CollectionPlan(found, (), tuple(_warnings(found)))


def _warnings(process: Process) -> Iterator[str]:
    heap, queue = process.total_heap_bytes, process.row.message_queue_len
    if heap >= LARGE_HEAP_BYTES:
        yield (
            f"its heap has {heap // 2**20} MiB: what lives of it is copied, which takes up to as much memory again for "
            "a moment, and the process does nothing else meanwhile"
        )
    if queue >= LONG_QUEUE:
        yield f"{queue} messages wait in its mailbox: what is on its heap of them is copied too"


async def execute(shell: Shell, pid: Pid, action_id: str, deadline_seconds: float) -> Report:
    """Have it done, and wait for it; by a guarded worker, which may be ended at any moment without harm.

    The process runs nothing else while it collects; it takes some milliseconds for each 10 MB that live. Raises what
    `agent.rpc.Calls.call` raises: then it was perhaps asked, and does it when it comes to it.
    """
    answer = await shell.evaluate(
        COLLECT,
        {
            "Pid": pid,
            "Action": action_id.encode(),
            "Wait_milliseconds": int(deadline_seconds * 1000 * SHARE_FOR_WAITING),
        },
        deadline_seconds=deadline_seconds,
    )
    return read_report(answer.value)


def read_report(answer: Term) -> Report:
    """Read what the worker says. Raises `UnexpectedAnswer`."""
    match answer:
        case (Atom(name="locked"), action_id):
            return Locked(read_action_id(action_id))
        case Atom(name="gone"):
            return Gone()
        case (Atom(name="asked"), took, before):
            return Asked(_read_footprint(before), rows.count(took) / 1e6)
        case (Atom(name="collected"), took, before, after):
            is_gone = after == Atom("gone")
            return Collected(
                _read_footprint(before), None if is_gone else _read_footprint(after), rows.count(took) / 1e6
            )
    raise UnexpectedAnswer(f"the node gives {format_term(answer, 80)} for a garbage collection")


def _read_footprint(term: Term) -> Footprint:
    match term:
        case (memory, queue, heap, binaries):
            return Footprint(rows.count(memory), rows.count(queue), rows.count(heap), rows.count(binaries))
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for what a process takes")
