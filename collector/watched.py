"""One node that we watch, and the questions that those who look at it share.

Two Prometheus servers and ten browser tabs cost a node one question. A question belongs to the node and not to who
asked first: askers wait beside it, each for as long as it likes, and hanging up ends nothing. What is known already,
and who has to wait before the node is asked again, is `collector.known`'s to say.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias

from agent.errors import ConnectionLost, DeadlineExceeded
from agent.node import Down, Node
from agent.probes import Probe
from agent.session import Session
from collector.freshness import Asker, Budget
from collector.known import Begun, Known
from collector.question import Question, put
from collector.snapshot import Answered, Bug, Failed, Outcome, Snapshot, UnderWay

TELLS_WHETHER_UP: Final = "identity"

_Found: TypeAlias = "asyncio.Task[Outcome] | Outcome"


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
        self._known = Known(budget)
        self._under_way: dict[tuple[tuple[str, Hashable], Session], asyncio.Task[Outcome]] = {}
        self._costs: defaultdict[str, float] = defaultdict(float)
        self._bugs = 0

    async def snapshot(self, deadline_seconds: float, only: Iterable[str] | None = None) -> Snapshot:
        """Ask the vital signs (``only`` these, or all), share what is under way, wait until the deadline at most."""
        return await self.look(self._vital if only is None else only, (), deadline_seconds)

    async def scrape(self, deadline_seconds: float, only: Collection[str] | None = None) -> Snapshot:
        """Ask what is of constant cost, and take the answers of sweeps from whoever asked last, if not too old.

        With ``only``, these probes alone, and what tells whether the node answers.
        """
        if only is None:
            return await self.look(self._vital, self._sweeps, deadline_seconds)
        vital = [name for name in self._vital if name in only or name == TELLS_WHETHER_UP]
        return await self.look(vital, [one for one in self._sweeps if one.probe in only], deadline_seconds)

    async def look(
        self,
        vital: Iterable[str],
        more: Iterable[Question],
        deadline_seconds: float,
        asker: Asker = Asker.PROGRAM,
    ) -> Snapshot:
        """Ask these vital signs and more. To a program, a sweep that takes longer gives the answer before it."""
        questions = (*(self._vital[name] for name in vital), *more)
        return await self._gather(questions, asker, deadline_seconds)

    async def answer(self, question: Question, asker: Asker) -> Snapshot:
        """Answer one question, as fresh as this asker gets it."""
        return await self._gather((question,), asker, question.deadline_seconds + 1.0)

    def forget(self) -> None:
        """Forget the answers that are kept, so that they take no memory."""
        self._known.forget()

    async def close(self) -> None:
        """End the questions under way; those who wait for them get an error."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _gather(self, questions: Iterable[Question], asker: Asker, deadline_seconds: float) -> Snapshot:
        state = self.node.state
        if isinstance(state, Down):
            now = datetime.now(UTC)
            return Snapshot(
                self.node.target,
                now,
                self._instance_id(),
                trouble=state.error,
                costs=dict(self._costs),
                made_at=now,
                internal_errors=self._internal_errors,
            )
        session = state.session
        self._known.enter(session)
        found = {question: self._ask(question, session, asker) for question in questions}
        tasks = [one for one in found.values() if isinstance(one, asyncio.Task)]
        if tasks:
            await asyncio.wait(tasks, timeout=deadline_seconds)  # which cancels none of them, whatever happens to us
        given = {one: self._outcome(one, session, each, asker, deadline_seconds) for one, each in found.items()}
        asked = {one.probe: outcome for one, outcome in given.items() if not one.is_sweep}
        swept = {one.probe: outcome for one, outcome in given.items() if one.is_sweep}
        moments = [outcome.asked_at for outcome in (asked or swept).values() if isinstance(outcome, Answered)]
        now = datetime.now(UTC)
        return Snapshot(
            self.node.target,
            min(moments, default=now),
            self._instance_id(),
            session.peer,
            outcomes=asked,
            shared=swept,
            costs=dict(self._costs),
            made_at=now,
            internal_errors=self._internal_errors,
        )

    @property
    def instance_id(self) -> str | None:
        """The instance beside which the node runs; None where that is not known."""
        return self._instance_id()

    async def connection(self) -> Session:
        """Return the connection that stands. Raises `AgentError` when there is none."""
        return self.node.session()

    @property
    def _internal_errors(self) -> int:
        return self.node.internal_errors + self._bugs

    def _ask(self, question: Question, session: Session, asker: Asker) -> _Found:
        """Join the question if it is under way, take what is known if that will do, else begin it."""
        task = self._under_way.get((question.key, session))
        if task is not None:
            return task
        now = time.monotonic()
        known = self._known.look(question, asker, now)
        return self._begin(question, session, self._known.begin(question, asker, now)) if known is None else known

    def _begin(self, question: Question, session: Session, begun: Begun) -> asyncio.Task[Outcome]:
        before = self._known.latest(question)
        asked = question if before is None else question.after(before.result)
        task = asyncio.create_task(put(asked, session), name=f"ask {self.name} for {question.probe}")
        self._under_way[question.key, session] = task
        task.add_done_callback(lambda done: self._ended(session, begun, done))
        return task

    def _ended(self, session: Session, begun: Begun, task: asyncio.Task[Outcome]) -> None:
        self._under_way.pop((begun.question.key, session), None)
        outcome = None if task.cancelled() else task.result()
        cost_seconds = self._known.end(begun, outcome, time.monotonic())
        if cost_seconds > 0:
            self._costs[begun.question.probe] += cost_seconds
        self._bugs += isinstance(outcome, Failed) and isinstance(outcome.error, Bug)

    def _outcome(
        self, question: Question, session: Session, found: _Found, asker: Asker, waited_seconds: float
    ) -> Outcome:
        if not isinstance(found, asyncio.Task):
            return found
        if found.cancelled():
            return Failed(ConnectionLost("beamwarden is shutting down"), waited_seconds)
        if found.done():
            return found.result()
        if question.is_sweep:
            before = None
            if asker is Asker.PROGRAM:
                before = self._known.before(question, session, time.monotonic())
            late = f"{question.probe} of {self.name} is under way for {waited_seconds:g} s, and there is no answer yet"
            return before or Failed(UnderWay(late), waited_seconds)
        return Failed(DeadlineExceeded(f"{self.name} gave no answer within {waited_seconds:g} s"), waited_seconds)
