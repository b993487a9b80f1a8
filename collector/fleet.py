"""The nodes we watch, and the questions that those who look at them share.

Two Prometheus servers and ten browser tabs cost a node one question. A question belongs to the fleet and not to who
asked first: askers wait beside it, each for as long as it likes, and hanging up ends nothing. It is kept for exactly
as long as it is under way; a failure is remembered for a second more, so that a crowd of askers does not hammer at a
sick node.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

from agent.errors import AgentError, ConnectionLost, DeadlineExceeded
from agent.node import Down, Node
from agent.probes import Probe
from agent.session import Session
from collector.snapshot import Answered, Bug, Failed, Outcome, Snapshot

QUESTION_SECONDS: Final = 2.0  # for a question of constant cost; a node that needs longer is saturated or gone
FAILURE_KEPT_SECONDS: Final = 1.0

_LOG: Final = logging.getLogger(__name__)


async def run_probe(name: str, probe: Probe, session: Session, deadline_seconds: float) -> Outcome:
    """Run one probe and judge it: a border that lets no exception through, and logs those that are bugs."""
    asked_at, started = datetime.now(UTC), time.monotonic()
    try:
        async with asyncio.timeout(deadline_seconds):
            result = await probe(session, deadline_seconds)
    except AgentError as error:
        error.__context__ = None  # it is kept for a while, and would keep what the frames of its traceback hold
        return Failed(error.with_traceback(None), time.monotonic() - started)
    except TimeoutError:
        late = DeadlineExceeded(f"{session.peer.name} gave no answer within {deadline_seconds:g} s")
        return Failed(late, time.monotonic() - started)
    except Exception as bug:  # noqa: BLE001  # the border of all probes: one that fails costs that one alone
        _LOG.exception("the probe %s met a bug", name)
        return Failed(Bug(f"the probe {name} met a bug of beamwarden: {bug!r}"), time.monotonic() - started)
    return Answered(result, asked_at, time.monotonic() - started)


class WatchedNode:
    """One node, its probes, and the questions under way."""

    def __init__(self, node: Node, probes: Mapping[str, Probe], instance_id: Callable[[], str | None]) -> None:
        self.node = node
        self.name = str(node.target.node)
        self._probes = probes
        self._instance_id = instance_id
        self._under_way: dict[tuple[str, Session], asyncio.Task[Outcome]] = {}
        self._failures: dict[str, _Failure] = {}
        self._bugs = 0

    async def snapshot(self, deadline_seconds: float, only: Iterable[str] | None = None) -> Snapshot:
        """Ask the probes (``only`` these, or all), share what is under way, and wait until the deadline at most."""
        state = self.node.state
        if isinstance(state, Down):
            return Snapshot(
                self.node.target,
                datetime.now(UTC),
                self._instance_id(),
                trouble=state.error,
                internal_errors=self._internal_errors(),
            )
        session = state.session
        questions = {name: self._ask(name, session) for name in (self._probes if only is None else only)}
        tasks = [question for question in questions.values() if isinstance(question, asyncio.Task)]
        if tasks:
            await asyncio.wait(tasks, timeout=deadline_seconds)  # which cancels none of them, whatever happens to us
        outcomes = {name: self._outcome(question, deadline_seconds) for name, question in questions.items()}
        asked = [outcome.asked_at for outcome in outcomes.values() if isinstance(outcome, Answered)]
        collected_at = min(asked, default=datetime.now(UTC))
        return Snapshot(
            self.node.target,
            collected_at,
            self._instance_id(),
            session.peer,
            outcomes=outcomes,
            internal_errors=self._internal_errors(),
        )

    async def close(self) -> None:
        """End the questions under way; those who wait for them get an error."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _internal_errors(self) -> int:
        return self.node.internal_errors + self._bugs

    def _ask(self, name: str, session: Session) -> asyncio.Task[Outcome] | Failed:
        """Join the question if it is under way, take its failure if it has just failed, else begin it."""
        failure = self._failures.get(name)
        if failure is not None and failure.session is session and time.monotonic() < failure.until:
            return failure.failed
        key = (name, session)
        task = self._under_way.get(key)
        if task is None:
            question = run_probe(name, self._probes[name], session, QUESTION_SECONDS)
            task = asyncio.create_task(question, name=f"ask {self.name} for {name}")
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._ended(name, session, done))
        return task

    def _ended(self, name: str, session: Session, task: asyncio.Task[Outcome]) -> None:
        self._under_way.pop((name, session), None)
        if not task.cancelled() and isinstance(failed := task.result(), Failed):
            self._bugs += isinstance(failed.error, Bug)
            self._failures[name] = _Failure(session, failed, time.monotonic() + FAILURE_KEPT_SECONDS)

    def _outcome(self, question: asyncio.Task[Outcome] | Failed, waited_seconds: float) -> Outcome:
        if isinstance(question, Failed):
            return question
        if not question.done():
            return Failed(DeadlineExceeded(f"{self.name} gave no answer within {waited_seconds:g} s"), waited_seconds)
        if question.cancelled():
            return Failed(ConnectionLost("beamwarden is shutting down"), waited_seconds)
        return question.result()


@dataclass(frozen=True, slots=True)
class _Failure:
    session: Session
    failed: Failed
    until: float


class Fleet:
    """All the nodes we watch, by name. Connects from ``async with`` until its end."""

    def __init__(self, watched: Sequence[WatchedNode]) -> None:
        self.nodes = {node.name: node for node in watched}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        for watched in self.nodes.values():
            await self._stack.enter_async_context(watched.node)
            self._stack.push_async_callback(watched.close)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def snapshots(self, deadline_seconds: float, only: Iterable[str] | None = None) -> list[Snapshot]:
        """Ask all nodes at the same time, under one deadline."""
        names = None if only is None else tuple(only)
        return await asyncio.gather(*(node.snapshot(deadline_seconds, names) for node in self.nodes.values()))
