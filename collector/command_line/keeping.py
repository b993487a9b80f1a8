"""Sources for many questions, that are kept open from the first to the last: one connection, and a trend.

A collector is asked over one connection. A node itself is watched as a collector watches it, from a thread of this
program: so its answers are shared and budgeted in the same way, it is connected anew when it comes back, and its trend
is kept from now on.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from agent.errors import AgentError
from agent.node import Node
from agent.probes import vital_signs
from collector.cloud import Cloud
from collector.command_line.client import AskAgain, ClientError, Collector, Direct
from collector.diagnosis.diagnosing import DIAGNOSIS_SECONDS, Diagnoser, numbers_of
from collector.fleet import Fleet
from collector.freshness import Asker, Budget
from collector.models import MemoryAnswer, NoAnswer, NodeAnswer, NodeReference, SystemAnswer
from collector.question import QUESTION_SECONDS
from collector.recording import Trends, record_trends
from collector.snapshot import TooSoon
from collector.views import AnswerT, NotFound, QueryT, View
from collector.views.diagnosis import DiagnosisAnswer
from collector.views.trend import TrendAnswer
from collector.watched import WatchedNode

START_SECONDS: Final = 3.0  # for the first attempt to connect; then the first question is answered "not yet"
END_SECONDS: Final = 2.0  # for questions under way to be told that it is over
SPARE_SECONDS: Final = 2.0  # beyond a question's own deadline, which is kept elsewhere

_Given = TypeVar("_Given")


class KeptSource(Protocol):
    """Something that answers many questions about one node, from any thread. All of them raise `ClientError`."""

    def memory(self) -> MemoryAnswer:
        """Return the node's memory by kind."""
        ...

    def system(self) -> SystemAnswer:
        """Return the node's counts, limits and totals."""
        ...

    def node(self) -> NodeAnswer:
        """Return what the node is."""
        ...

    def trend(self) -> TrendAnswer:
        """Return the node's last hour, as far as it is known."""
        ...

    def view(self, view: View[QueryT, AnswerT], query: QueryT, *, fresh: bool = True) -> AnswerT:
        """Return what a view shows: ``fresh`` no older than a person wants it, else as old as programs get it."""
        ...


@contextmanager
def keep_open(source: Collector | Direct, interval_seconds: float | None = None) -> Iterator[Collector | Joined]:
    """Keep a source open for a while.

    Of a node that is asked itself a trend is kept, with a point each interval; without an interval none.
    """
    if isinstance(source, Collector):
        with source.client() as http:
            yield replace(source, http=http)
        return
    joined = Joined(source, interval_seconds)
    try:
        yield joined
    finally:
        joined.close()


class Joined:
    """One node, watched from a thread of this program from now until `close`."""

    def __init__(self, direct: Direct, interval_seconds: float | None) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._settled = threading.Event()  # it is connected, or known why not
        trend_seconds = 0.0 if interval_seconds is None else max(1.0, interval_seconds)
        settings = direct.settings.model_copy(update={"trend_interval_seconds": trend_seconds})
        self._settings = settings
        self._watched = WatchedNode(
            Node(direct.target, direct.cookie, direct.options, lambda _state: self._settled.set()),
            vital_signs(settings.expected_supervisors),
            lambda: None,
            budget=Budget(settings.max_scheduler_share, settings.fresh_min_interval_seconds),
        )
        self._trends = Trends([self._watched.name], settings)
        self._diagnoser = Diagnoser(
            self._watched, settings, Cloud(os.environ), self._trends.window_of(self._watched.name), numbers_of(settings)
        )
        # A daemon, so that nothing that a node does can keep this program from ending.
        self._thread = threading.Thread(target=self._run, name=f"watch {self._watched.name}", daemon=True)
        self._thread.start()
        self._settled.wait(START_SECONDS)

    def close(self) -> None:
        """Disconnect."""
        if self._loop is not None and self._end is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(END_SECONDS)

    def memory(self) -> MemoryAnswer:
        """Return the node's memory by kind."""

        async def answer() -> MemoryAnswer:
            return MemoryAnswer.of(await self._watched.snapshot(QUESTION_SECONDS, ("memory",)))

        return self._give(answer(), QUESTION_SECONDS)

    def system(self) -> SystemAnswer:
        """Return the node's counts, limits and totals."""

        async def answer() -> SystemAnswer:
            return SystemAnswer.of(await self._watched.snapshot(QUESTION_SECONDS, ("system_info", "statistics")))

        return self._give(answer(), QUESTION_SECONDS)

    def node(self) -> NodeAnswer:
        """Return what the node is."""

        async def answer() -> NodeAnswer:
            state = self._watched.node.state
            return NodeAnswer.of(await self._watched.snapshot(QUESTION_SECONDS, ("identity", "supervisors")), state)

        return self._give(answer(), QUESTION_SECONDS)

    def trend(self) -> TrendAnswer:
        """Return the node's last hour, as far as it is known: from the first question on."""

        async def answer() -> TrendAnswer:
            kept = self._trends.of_node.get(self._watched.name)
            if kept is None:
                raise ClientError("no trend is kept of this node")
            about = NodeReference.of(await self._watched.look((), (), 0.0))
            return TrendAnswer.of(kept.window(), about, self._trends.tables, self._trends.left_out)

        return self._give(answer(), QUESTION_SECONDS)

    def diagnosis(self) -> DiagnosisAnswer:
        """Return the playbook, held against what is known of the node and its service."""

        async def answer() -> DiagnosisAnswer:
            return DiagnosisAnswer.of(await self._diagnoser.diagnose(Asker.PERSON))

        return self._give(answer(), DIAGNOSIS_SECONDS)

    def view(self, view: View[QueryT, AnswerT], query: QueryT, *, fresh: bool = True) -> AnswerT:
        """Return what a view shows."""
        question = view.question(query, self._settings)

        async def answer() -> AnswerT:
            asker = Asker.PERSON if fresh else Asker.PROGRAM
            return view.answer(await self._watched.answer(question, asker), query)

        return self._give(answer(), question.deadline_seconds)

    def _give(self, answer: Coroutine[Any, Any, _Given], deadline_seconds: float) -> _Given:
        if self._loop is None or self._loop.is_closed():
            answer.close()
            raise ClientError("the connection is closed")
        asked = asyncio.run_coroutine_threadsafe(answer, self._loop)
        try:
            return asked.result(deadline_seconds + SPARE_SECONDS)
        except (NoAnswer, NotFound, AgentError) as error:
            if isinstance(error, NoAnswer) and isinstance(error.cause, TooSoon):
                raise AskAgain(str(error), error.cause.retry_after_seconds) from None
            raise ClientError(str(error)) from None
        except concurrent.futures.CancelledError:
            raise ClientError("the connection is closed") from None
        except concurrent.futures.TimeoutError:
            asked.cancel()
            raise ClientError(f"{self._watched.name} gave no answer within {deadline_seconds:g} s") from None

    def _run(self) -> None:
        asyncio.run(self._watch())

    async def _watch(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        fleet = Fleet([self._watched])
        async with fleet:
            recording = asyncio.create_task(record_trends(fleet, self._trends))
            await self._end.wait()
            recording.cancel()
