"""One question to one node: what it is, and how it is put, timed, charged for and judged."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from agent.errors import AgentError, DeadlineExceeded
from agent.expression import Evaluated, Expression, Shell
from agent.probes import Probe, Result
from agent.probes.binaries import BinaryHolders
from agent.probes.busy import Busy
from agent.probes.process import Process
from agent.probes.processes import Mailboxes, Processes
from agent.rpc import DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_HEAP_WORDS
from agent.session import Session
from agent.terms import Atom, Term
from collector.snapshot import Answered, Bug, Failed, Outcome

QUESTION_SECONDS: Final = 2.0  # for a question of constant cost; a node that needs longer is saturated or gone
SWEEP_SECONDS: Final = 10.0  # a million processes take one to three
SATURATION_SECONDS: Final = 0.5  # to find out why a sweep was late
LOOKS_AT_SATURATION: Final = 3
BETWEEN_LOOKS_SECONDS: Final = 0.05

# What a worker took of one scheduler is the time from its start to its end, its pauses left out. But it may have waited
# for its turn. What it can have cost at the most follows from its reductions, and from the messages in the mailboxes
# that it measured, since `process_info(P, memory)` goes through all of them for one reduction.
# Measured on OTP 25 and 28. An idle node took for a sweep what the worker said and 1 ms more of the processor's time,
# with 1,000,000 processes a quarter more. That was 4 to 20 ns for a reduction with up to 10,000 processes, 40 with
# 100,000, 55 to 80 with 1,000,000; and beside it 17 to 24 ns for each message in a mailbox of 5,000,000.
# With 10,000 processes a sweep does 1,100,000 reductions in 17 ms. On two schedulers with 8 busy processes it needed
# 0.75 s on OTP 25 and 10.7 s on OTP 28 for that; this makes it 0.2 s, more than it was: a node in need is asked less.
MAX_SECONDS_PER_REDUCTION: Final = 2e-7
MAX_SECONDS_PER_MESSAGE: Final = 1e-7

# What is outside of the worker's own measure: a call took the node 0.02 to 0.16 ms in all, and an expression as long as
# ours 0.8 to 1.1 ms until its worker began.
CALL_SECONDS: Final = 1e-4
EVALUATION_SECONDS: Final = 1e-3

# Where others wait, a process of low priority has its turn once in 8 times that its queue comes to it (RESCHEDULE_LOW
# in erts). The same sweep got 1/8 to 1/12 of the time on OTP 25 with one waiting, 1/200 on OTP 28; less with more.
STARVED_SHARE: Final = 1 / 8

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """A probe with its arguments. Two with the same ``probe`` and ``arguments`` share their answer.

    ``is_sweep`` says that its cost grows with the node: then answers are kept and shared (`collector.freshness`).
    """

    probe: str
    ask: Probe
    arguments: Hashable = ()
    deadline_seconds: float = QUESTION_SECONDS
    is_sweep: bool = False
    window_seconds: float = 0.0  # for which it looks; its answer is as old as the end of that
    cost_factor: float = 1.0  # above 1 where others on the node work for it too, which its worker does not measure
    most_cost_seconds: float = math.inf  # what it can cost, also when it is late: it waits for others most of the time
    follow_up: Callable[[Result], Probe] | None = None  # asks what there is an answer to already, with that at hand

    def after(self, before: Result) -> Question:
        """Return the question for when ``before`` is the latest answer to it, of the same life of the node."""
        return self if self.follow_up is None else replace(self, ask=self.follow_up(before))

    @property
    def key(self) -> tuple[str, Hashable]:
        """What tells it from other questions."""
        return self.probe, self.arguments


async def run_probe(name: str, probe: Probe, session: Session, deadline_seconds: float) -> Outcome:
    """Run one probe and judge it: a border that lets no exception through, and logs those that are bugs."""
    asked_at, started = datetime.now(UTC), time.monotonic()
    metered = _Metered(session)
    try:
        async with asyncio.timeout(deadline_seconds):
            result = await probe(metered, deadline_seconds)
    except AgentError as error:
        error.__context__ = None  # it is kept for a while, and would keep what the frames of its traceback hold
        return Failed(error.with_traceback(None), time.monotonic() - started)
    except TimeoutError:
        late = DeadlineExceeded(f"{session.peer.name} gave no answer within {deadline_seconds:g} s")
        return Failed(late, time.monotonic() - started)
    except Exception as bug:  # noqa: BLE001  # the border of all probes: one that fails costs that one alone
        _LOG.exception("the probe %s met a bug", name)
        return Failed(Bug(f"the probe {name} met a bug of beamwarden: {bug!r}"), time.monotonic() - started)
    return Answered(result, asked_at, time.monotonic() - started, metered.cost_seconds(messages_measured(result)))


def messages_measured(result: Result) -> int:
    """Return how many messages were in the mailboxes of the processes whose memory was asked for."""
    match result:
        case Mailboxes(queues=queues) | Processes(queues=queues):
            return queues.total
        case Busy(busiest=rows) | BinaryHolders(holders=rows):
            return sum(one.process.message_queue_len for one in rows)
        case Process(row=row):
            return row.message_queue_len
    return 0


async def put(question: Question, session: Session) -> Outcome:
    """Put a question. Of a sweep that fails, say what it can have cost, and of a late one if the node is saturated.

    What a worker did that was killed nobody knows, but it did not run for longer than we have waited. When it was late,
    the run queues tell more: if nothing waits there, it ran all the time, and the next one would too; if something
    does, or the node has not answered even that, it had no more than `STARVED_SHARE` of the time.
    """
    outcome = await run_probe(question.probe, question.ask, session, question.deadline_seconds)
    if isinstance(outcome, Answered):
        return replace(outcome, cost_seconds=outcome.cost_seconds * question.cost_factor)
    if not question.is_sweep:
        return outcome
    ran_seconds = min(max(0.0, outcome.duration_seconds - question.window_seconds), question.most_cost_seconds)
    if not isinstance(outcome.error, DeadlineExceeded):
        return replace(outcome, cost_seconds=ran_seconds)
    waiting = await _waiting_processes(session)
    if waiting == 0:
        return replace(outcome, cost_seconds=ran_seconds, is_overrun=True)
    error = outcome.error
    if waiting is not None:
        error = DeadlineExceeded(
            f"{error}: it is saturated, {waiting} processes wait for a scheduler. What looks at all processes waits "
            "behind them; memory, system and node still answer"
        )
    return replace(outcome, error=error, cost_seconds=ran_seconds * STARVED_SHARE)


async def _waiting_processes(session: Session) -> int | None:
    """Return how many processes wait for a scheduler at the least of some moments; None when the node does not say."""
    clock = asyncio.get_running_loop().time
    too_late = clock() + SATURATION_SECONDS
    least: int | None = None
    for look in range(LOOKS_AT_SATURATION):
        if look:
            await asyncio.sleep(BETWEEN_LOOKS_SECONDS)
        try:
            waiting = await session.call(
                "erlang", "statistics", [Atom("total_run_queue_lengths")], deadline_seconds=too_late - clock()
            )
        except AgentError:
            return least
        if not isinstance(waiting, int):
            return least
        least = waiting if least is None else min(least, waiting)
    return least


class _Metered:
    """A session that adds up what the workers of one probe cost the node."""

    def __init__(self, shell: Shell) -> None:
        self._spent: list[Evaluated] = []
        self._calls = 0
        self._shell = shell

    def cost_seconds(self, messages: int) -> float:
        """Return what all of it has cost, at the most, if it went through this many messages."""
        workers = sum(
            min(one.worker_seconds, one.reductions * MAX_SECONDS_PER_REDUCTION + messages * MAX_SECONDS_PER_MESSAGE)
            for one in self._spent
        )
        return workers + self._calls * CALL_SECONDS + len(self._spent) * EVALUATION_SECONDS

    async def call(
        self,
        module: str,
        function: str,
        arguments: Sequence[Term],
        *,
        deadline_seconds: float,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
    ) -> Term:
        """Ask, and charge what a small question costs."""
        self._calls += 1
        return await self._shell.call(
            module, function, arguments, deadline_seconds=deadline_seconds, max_answer_bytes=max_answer_bytes
        )

    async def evaluate(
        self,
        expression: Expression,
        bindings: Mapping[str, Term],
        *,
        deadline_seconds: float,
        max_heap_words: int = DEFAULT_MAX_HEAP_WORDS,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
        is_sweep: bool = False,
    ) -> Evaluated:
        """Evaluate, and charge what the worker took."""
        found = await self._shell.evaluate(
            expression,
            bindings,
            deadline_seconds=deadline_seconds,
            max_heap_words=max_heap_words,
            max_answer_bytes=max_answer_bytes,
            is_sweep=is_sweep,
        )
        self._spent.append(found)
        return found
