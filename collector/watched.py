"""One node that we watch, and the questions that those who look at it share.

Two Prometheus servers and ten browser tabs cost a node one question. A question belongs to the node and not to who
asked first: askers wait beside it, each for as long as it likes, and hanging up ends nothing. A failure is remembered
for a moment, so that a crowd of askers does not hammer at a sick node. The answer of a sweep is kept, and how old it
may be for whom is `collector.freshness`'s to say.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from agent.errors import ConnectionLost, DeadlineExceeded
from agent.node import Down, Node
from agent.probes import Probe
from agent.session import Session
from collector.freshness import Asker, Budget
from collector.question import Question, put
from collector.snapshot import Answered, Bug, Failed, Outcome, Snapshot, TooSoon

FAILURE_KEPT_SECONDS: Final = 1.0
MAX_KEPT: Final = 32  # answers of sweeps; the least recently used goes first

_Key = tuple[str, Hashable]


class WatchedNode:
    """One node, its probes, and the questions under way. ``sweeps`` are those that every scrape takes part in."""

    def __init__(
        self,
        node: Node,
        probes: Mapping[str, Probe],
        instance_id: Callable[[], str | None],
        sweeps: Iterable[Question] = (),
        budget: Budget = Budget(),  # noqa: B008  # frozen
    ) -> None:
        self.node = node
        self.name = str(node.target.node)
        self._vital = {name: Question(name, probe) for name, probe in probes.items()}
        self._sweeps = tuple(sweeps)
        self._instance_id = instance_id
        self._budget = budget
        self._under_way: dict[tuple[_Key, Session], asyncio.Task[Outcome]] = {}
        self._failures: dict[_Key, _Failure] = {}
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._begun_at: dict[str, float] = {}
        self._costs: defaultdict[str, float] = defaultdict(float)
        self._bugs = 0

    async def snapshot(self, deadline_seconds: float, only: Iterable[str] | None = None) -> Snapshot:
        """Ask the vital signs (``only`` these, or all), share what is under way, wait until the deadline at most."""
        questions = [self._vital[name] for name in (self._vital if only is None else only)]
        return await self._gather(questions, (), Asker.PROGRAM, deadline_seconds)

    async def scrape(self, deadline_seconds: float) -> Snapshot:
        """Ask the vital signs, and take the answers of all sweeps from whoever asked last, if they are not too old."""
        return await self._gather(self._vital.values(), self._sweeps, Asker.PROGRAM, deadline_seconds)

    async def look(self, names: Iterable[str], sweeps: Iterable[Question], deadline_seconds: float) -> Snapshot:
        """Ask these vital signs, and take the answers of these sweeps as a scrape does."""
        return await self._gather([self._vital[name] for name in names], sweeps, Asker.PROGRAM, deadline_seconds)

    async def answer(self, question: Question, asker: Asker) -> Snapshot:
        """Answer one question, as fresh as this asker gets it."""
        return await self._gather([question], (), asker, question.deadline_seconds + 1.0)

    async def close(self) -> None:
        """End the questions under way; those who wait for them get an error."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _gather(
        self, questions: Iterable[Question], sweeps: Iterable[Question], asker: Asker, deadline_seconds: float
    ) -> Snapshot:
        state = self.node.state
        if isinstance(state, Down):
            return Snapshot(
                self.node.target,
                datetime.now(UTC),
                self._instance_id(),
                trouble=state.error,
                costs=dict(self._costs),
                internal_errors=self._internal_errors,
            )
        session = state.session
        asked = {question: self._ask(question, session, asker) for question in questions}
        shared = {question: self._ask(question, session, asker) for question in sweeps}
        tasks = [found for found in (*asked.values(), *shared.values()) if isinstance(found, asyncio.Task)]
        if tasks:
            await asyncio.wait(tasks, timeout=deadline_seconds)  # which cancels none of them, whatever happens to us
        outcomes = {one.probe: self._outcome(found, deadline_seconds) for one, found in asked.items()}
        moments = [outcome.asked_at for outcome in outcomes.values() if isinstance(outcome, Answered)]
        return Snapshot(
            self.node.target,
            min(moments, default=datetime.now(UTC)),
            self._instance_id(),
            session.peer,
            outcomes=outcomes,
            shared={one.probe: self._latest(one, session, found) for one, found in shared.items()},
            costs=dict(self._costs),
            internal_errors=self._internal_errors,
        )

    @property
    def _internal_errors(self) -> int:
        return self.node.internal_errors + self._bugs

    def _ask(self, question: Question, session: Session, asker: Asker) -> asyncio.Task[Outcome] | Outcome:
        """Join the question if it is under way, take its answer or its failure if that will do, else begin it."""
        task = self._under_way.get((question.key, session))
        if task is not None:
            return task
        now = time.monotonic()
        failure = self._failures.get(question.key)
        if failure is not None and failure.session is session and now < failure.until(asker):
            return failure.failed
        if question.is_sweep:
            kept = self._kept.get(question.key)
            if kept is not None and kept.session is session:
                answered = kept.answered
                if now - kept.asked_at <= self._budget.max_age_seconds(asker, question.probe, answered.cost_seconds):
                    self._kept.move_to_end(question.key)
                    return answered
            wait_seconds = self._begun_at.get(question.probe, -1e9) + self._budget.fresh_min_interval_seconds - now
            if asker is Asker.PERSON and wait_seconds > 0:
                return Failed(_too_soon(question, wait_seconds), 0.0)
        return self._begin(question, session, now)

    def _begin(self, question: Question, session: Session, now: float) -> asyncio.Task[Outcome]:
        kept = self._kept.get(question.key)
        asked = question if kept is None or kept.session is not session else question.after(kept.answered.result)
        task = asyncio.create_task(put(asked, session), name=f"ask {self.name} for {question.probe}")
        self._under_way[question.key, session] = task
        if question.is_sweep:
            self._begun_at[question.probe] = now
        task.add_done_callback(lambda done: self._ended(question, session, now, done))
        return task

    def _ended(self, question: Question, session: Session, asked_at: float, task: asyncio.Task[Outcome]) -> None:
        self._under_way.pop((question.key, session), None)
        if task.cancelled():
            return
        outcome = task.result()
        if isinstance(outcome, Answered):
            self._failures.pop(question.key, None)
            self._costs[question.probe] += outcome.cost_seconds
            if question.is_sweep:
                self._keep(question.key, _Kept(session, outcome, asked_at + question.window_seconds))
            return
        self._bugs += isinstance(outcome.error, Bug)
        self._failures = {
            key: one for key, one in self._failures.items() if time.monotonic() < one.until(Asker.PROGRAM)
        }
        self._failures[question.key] = _Failure(
            session, outcome, time.monotonic(), self._pause_seconds(question, outcome)
        )

    def _pause_seconds(self, question: Question, failed: Failed) -> Mapping[Asker, float]:
        if not question.is_sweep:
            return dict.fromkeys(Asker, FAILURE_KEPT_SECONDS)
        return {
            asker: self._budget.pause_after_failure_seconds(asker, question.probe, failed.duration_seconds)
            for asker in Asker
        }

    def _keep(self, key: _Key, kept: _Kept) -> None:
        self._kept[key] = kept
        self._kept.move_to_end(key)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def _outcome(self, found: asyncio.Task[Outcome] | Outcome, waited_seconds: float) -> Outcome:
        if not isinstance(found, asyncio.Task):
            return found
        if not found.done():
            return Failed(DeadlineExceeded(f"{self.name} gave no answer within {waited_seconds:g} s"), waited_seconds)
        if found.cancelled():
            return Failed(ConnectionLost("beamwarden is shutting down"), waited_seconds)
        return found.result()

    def _latest(self, question: Question, session: Session, found: asyncio.Task[Outcome] | Outcome) -> Outcome:
        """Return the outcome of a sweep for a scrape: while one is under way, the answer before it."""
        if isinstance(found, asyncio.Task) and not found.done():
            kept = self._kept.get(question.key)
            if kept is not None and kept.session is session:
                return kept.answered
        return self._outcome(found, 0.0)


def _too_soon(question: Question, wait_seconds: float) -> TooSoon:
    return TooSoon(
        f"{question.probe} was asked a moment ago: ask again in {wait_seconds:.1f} s, or without fresh=true for what "
        "is known already",
        wait_seconds,
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    session: Session
    answered: Answered
    asked_at: float


@dataclass(frozen=True, slots=True)
class _Failure:
    session: Session
    failed: Failed
    failed_at: float
    pause_seconds: Mapping[Asker, float]

    def until(self, asker: Asker) -> float:
        return self.failed_at + self.pause_seconds[asker]
