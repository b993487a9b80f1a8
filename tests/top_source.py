"""A source for the full screen: the answers of the tests, what was asked, and troubles on request."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeVar, cast

from agent.node import Up
from collector.command_line.client import ClientError
from collector.models import Answer, MemoryAnswer, NodeAnswer, NodeReference, ProbeAnswer, SystemAnswer
from collector.top import schedule
from collector.top.schedule import Latest
from collector.trend import (
    LONGEST_QUEUE,
    MEMORY_KINDS,
    PROCESS_COUNT,
    RUN_QUEUE,
    WAITING,
    Point,
    Series,
    Trend,
    all_series,
    memory_of,
    table_of,
)
from collector.views import AnswerT, QueryT, View
from collector.views.trend import TrendAnswer
from tests import collector_results as made
from tests.collector_fakes import CREATION, MOMENT, FakeSession, snapshot
from tests.collector_fakes import MEMORY as FOUND_MEMORY
from tests.collector_fakes import NODE as NODE_NAME

TABLES: Final = ("receipt_ledger", "tai_receipts_store", "ggen_receipts")
_Kind = TypeVar("_Kind", bound=Answer)


def young(answer: _Kind) -> _Kind:
    """Return an answer that has just been given."""
    return answer.model_copy(update={"age_seconds": 0.0})


def point(number: int, creation: int = CREATION) -> Point:
    """Make a point at which memory and rows have grown, and the run queue and the mailboxes have come and gone."""
    values: dict[Series, int] = {memory_of(kind): getattr(FOUND_MEMORY, kind) for kind in MEMORY_KINDS}
    values[memory_of("total")] += number * 1_048_576
    values |= {PROCESS_COUNT: 412, RUN_QUEUE: number % 3, LONGEST_QUEUE: 12_001 - number, WAITING: 12_003}
    values |= {table_of("receipt_ledger", "count"): 1, table_of("receipt_ledger", "size"): 80_000 + 10 * number}
    values |= {table_of("receipt_ledger", "memory"): 14_680_064, table_of("tai_receipts_store", "count"): 0}
    values |= {table_of("ggen_receipts", "count"): 3, table_of("ggen_receipts", "size"): 100 - number % 4}
    return Point(creation, values)


def trend_of(*points: Point, interval_seconds: float = 10.0) -> TrendAnswer:
    """Make the answer of these points."""
    trend = Trend(interval_seconds, all_series(TABLES))
    for number, one in enumerate(points):
        at = MOMENT - timedelta(seconds=interval_seconds * (len(points) - 1 - number))
        trend.record(one, number * interval_seconds, at)
    about = NodeReference(name=NODE_NAME, creation=CREATION, instance_id=None)
    return young(TrendAnswer.of(trend.window(), about, TABLES))


TREND: Final = trend_of(*map(point, range(24)))
NODE: Final = young(NodeAnswer.of(snapshot(), Up(FakeSession())))
MEMORY: Final = young(MemoryAnswer.of(snapshot()))
SYSTEM: Final = young(SystemAnswer.of(snapshot()))
VIEWS: Final[Mapping[str, ProbeAnswer]] = {answer_name: young(answer) for answer_name, answer in made.ANSWERS.items()}


@dataclass
class FakeSource:
    """Answers as a collector that watches the node of the tests.

    ``asked`` has the path of every question, with ``!`` behind it when it was asked fresh. ``answers`` and ``troubles``
    are by path. While ``may_answer`` is not set, no view is answered.
    """

    answers: dict[str, Answer] = field(
        default_factory=lambda: {**VIEWS, "": NODE, "memory": MEMORY, "system": SYSTEM, "trend": TREND}
    )
    troubles: dict[str, ClientError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()

    def memory(self) -> MemoryAnswer:
        return self._give("memory", MemoryAnswer)

    def system(self) -> SystemAnswer:
        return self._give("system", SystemAnswer)

    def node(self) -> NodeAnswer:
        return self._give("", NodeAnswer)

    def trend(self) -> TrendAnswer:
        return self._give("trend", TrendAnswer)

    def view(self, view: View[QueryT, AnswerT], query: QueryT, *, fresh: bool = True) -> AnswerT:
        del query
        self.asked.append(f"{view.path}{'!' if fresh else ''}")
        assert self.may_answer.wait(10)
        return cast("AnswerT", self._answer(view.path))

    def _give(self, path: str, _kind: type[_Kind]) -> _Kind:
        self.asked.append(path)
        return cast("_Kind", self._answer(path))

    def _answer(self, path: str) -> Answer:
        if path in self.troubles:
            raise self.troubles[path]
        return self.answers[path]


def known_of(now: float, **more: Answer) -> dict[str, Latest]:
    """What is known at that moment, when the vital signs have just been answered, and more by its key."""
    answers = {schedule.NODE: NODE, schedule.MEMORY: MEMORY, schedule.SYSTEM: SYSTEM, schedule.TREND: TREND, **more}
    return {key: Latest(now, answer, now) for key, answer in answers.items()}
