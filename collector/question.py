"""One question to one node: what it is, and how it is put, timed, charged for and judged."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from agent.errors import AgentError, CallError, ConnectionLost, DeadlineExceeded
from agent.expression import Evaluated, Expression, Shell
from agent.probes import Probe, Result
from agent.rpc import DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_HEAP_WORDS
from agent.session import Session
from agent.terms import Atom, Term
from collector.snapshot import Answered, Bug, Failed, Outcome

QUESTION_SECONDS: Final = 2.0  # for a question of constant cost; a node that needs longer is saturated or gone
SWEEP_SECONDS: Final = 10.0  # a million processes take one to three
SATURATION_SECONDS: Final = 0.5

# An emulator does five million reductions in a second at the very least: a worker that took longer than its reductions
# explain did not run but wait, as one at low priority does on a node that has much to do.
MAX_SECONDS_PER_REDUCTION: Final = 2e-7

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
    return Answered(result, asked_at, time.monotonic() - started, metered.cost_seconds)


async def put(question: Question, session: Session) -> Outcome:
    """Put a question, and say of a sweep that is late whether the node is saturated."""
    outcome = await run_probe(question.probe, question.ask, session, question.deadline_seconds)
    if question.is_sweep and isinstance(outcome, Failed) and isinstance(outcome.error, DeadlineExceeded):
        outcome = Failed(await _explain(outcome.error, session), outcome.duration_seconds)
    return outcome


async def _explain(late: DeadlineExceeded, session: Session) -> DeadlineExceeded:
    """Add what a saturated node shows: there a sweep, at low priority, does not run, and a small question does."""
    try:
        waiting = await session.call(
            "erlang", "statistics", [Atom("total_run_queue_lengths")], deadline_seconds=SATURATION_SECONDS
        )
    except (CallError, ConnectionLost):
        return late
    if not isinstance(waiting, int) or waiting < 1:
        return late
    return DeadlineExceeded(
        f"{late}: it is saturated, {waiting} processes wait for a scheduler. What looks at all processes waits behind "
        "them; memory, system and node still answer"
    )


class _Metered:
    """A session that adds up what the workers of one probe cost the node."""

    def __init__(self, shell: Shell) -> None:
        self.cost_seconds = 0.0
        self._shell = shell

    async def call(
        self,
        module: str,
        function: str,
        arguments: Sequence[Term],
        *,
        deadline_seconds: float,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
    ) -> Term:
        """Ask, and charge nothing: what a call costs is not known, and too little to matter."""
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
        self.cost_seconds += min(found.worker_seconds, found.reductions * MAX_SECONDS_PER_REDUCTION)
        return found
