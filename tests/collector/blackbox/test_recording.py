"""The black box at work: what it asks, what it writes, and that it writes what is known when nobody answers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from agent.errors import ConnectionLost
from agent.probes.memory_limit import Limit, LimitSource, MemoryLimit
from agent.probes.processes import Mailboxes
from agent.probes.supervision_tree import SupervisionTree
from collector.blackbox import recording
from collector.blackbox.bounding import MAX_LINE_BYTES
from collector.blackbox.models import BlackBoxLine
from collector.blackbox.recording import BlackBox, merged, sight_of
from collector.blackbox.triggers import Kind
from collector.diagnosis import gathering
from collector.diagnosis.diagnosing import numbers_of
from collector.freshness import Asker
from collector.logs import JsonFormatter
from collector.question import Question
from collector.settings import Settings
from collector.snapshot import Answered, Snapshot
from collector.trend import Point, Trend, all_series, memory_of
from tests.collector_fakes import CREATION, NODE, answered, failed, snapshot, snapshot_down
from tests.collector_results import MAILBOXES_FOUND, AnsweringNode
from tests.fakes import until

SETTINGS = Settings(watch_tables=("receipt_ledger",))
LATE = failed(ConnectionLost("it is late"))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "CLOSE_SECONDS", 0.01)
    monkeypatch.setattr(recording, "WIDE_SECONDS", 0.01)
    monkeypatch.setattr(gathering, "BETWEEN_LOOKS_SECONDS", 0.0)


class ChangingNode(AnsweringNode):
    """A node that a test can fill, and take away."""

    is_gone = False

    def __init__(self) -> None:
        super().__init__(supervision_tree=answered(SupervisionTree(())))  # that of the other tests is ill

    async def look(
        self, vital: Iterable[str], more: Iterable[Question], deadline_seconds: float, asker: Asker = Asker.PROGRAM
    ) -> Snapshot:
        found = await super().look(vital, more, deadline_seconds, asker)
        return snapshot_down() if self.is_gone else found

    def fill(self, share: float) -> None:
        limit = Limit(LimitSource.CGROUP_V2, "memory.max", 1_000_000_000, int(share * 1_000_000_000))
        self._outcomes["memory_limit"] = answered(MemoryLimit((limit,), 1, 1, 0, ()))


def box_of(node: AnsweringNode, trend: Trend | None = None) -> BlackBox:
    window = (lambda: None) if trend is None else trend.window
    return BlackBox(node, SETTINGS, window, numbers_of(SETTINGS))


@asynccontextmanager
async def at_work(node: AnsweringNode, trend: Trend | None = None) -> AsyncIterator[BlackBox]:
    box = box_of(node, trend)
    task = asyncio.create_task(box.record())
    try:
        yield box
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The lines of the black box as they are written."""
    records = [record for record in caplog.records if record.getMessage() == "black box"]
    return [json.loads(JsonFormatter().format(record)) for record in records]


async def test_memory_above_a_level_is_one_line_with_all_that_is_known(caplog: pytest.LogCaptureFixture) -> None:
    node = ChangingNode()
    trend = Trend(10.0, all_series(["receipt_ledger"]))
    for number in range(40):
        values = {memory_of("total"): 100_000_000 + number * 5_000_000, memory_of("system"): 50_000_000}
        trend.record(Point(CREATION, values), number * 10.0)
    async with at_work(node, trend):
        await until(lambda: node.asked, "it is looked at")
        assert lines(caplog) == []
        node.fill(0.85)
        await until(lambda: lines(caplog), "the line")
    (line,) = lines(caplog)
    assert line["severity"] == "ERROR"
    assert [reason["kind"] for reason in line["reasons"]] == ["memory"]
    read = BlackBoxLine.model_validate(line)
    assert (read.erlang_node, read.creation, read.memory_limit_share) == (NODE, CREATION, 0.85)
    assert read.growth is not None
    assert read.growth.pattern == "gradual"
    assert {"memory_near_limit", "memory_grows"} <= {finding.rule for finding in read.findings}
    assert read.top_processes
    assert read.top_tables
    assert read.ages_seconds.keys() >= {"memory", "mailboxes", "ets"}
    assert len(json.dumps(line, ensure_ascii=False).encode()) <= MAX_LINE_BYTES


async def test_the_node_is_asked_as_programs_ask(caplog: pytest.LogCaptureFixture) -> None:
    node = ChangingNode()
    node.fill(0.85)
    async with at_work(node):
        await until(lambda: lines(caplog), "the line")
    assert {asker for _, asker in node.asked} == {Asker.PROGRAM}


async def test_of_a_node_that_is_gone_the_last_that_was_known_is_written(caplog: pytest.LogCaptureFixture) -> None:
    node = ChangingNode()
    async with at_work(node):
        await until(lambda: len(node.asked) > 8, "all is known")
        node.is_gone = True
        await until(lambda: lines(caplog), "the line")
    (line,) = lines(caplog)
    assert [reason["kind"] for reason in line["reasons"]] == ["contact"]
    assert "nothing listens there" in line["node_lost"]
    assert (line["creation"], line["memory_total_bytes"]) == (CREATION, 48_234_496)
    assert line["ages_seconds"]["memory"] > 0


async def test_of_a_node_that_was_never_there_nothing_is_written(caplog: pytest.LogCaptureFixture) -> None:
    node = ChangingNode()
    node.is_gone = True
    async with at_work(node) as box:
        await until(lambda: len(node.asked) > 8, "it was looked at")
        box.write_last_words()
    assert lines(caplog) == []


async def test_the_last_words_ask_nobody_and_tell_what_no_line_has_told(caplog: pytest.LogCaptureFixture) -> None:
    node = ChangingNode()
    node.fill(0.85)
    async with at_work(node) as box:
        await until(lambda: lines(caplog), "the line")
        node.fill(0.97)
        await until(lambda: dict(box.limit_facts()).get("memory_limit_share") == 0.97, "it is seen")
        asked = len(node.asked)
        box.write_last_words()
        assert len(node.asked) == asked
    last = lines(caplog)[-1]
    kinds = [reason["kind"] for reason in last["reasons"]]
    assert kinds[0] == "sigterm"
    told = [reason["what"] for line in lines(caplog) for reason in line["reasons"]]
    assert any("above 95%" in what for what in told)


def test_a_line_of_the_last_words_alone_is_a_warning() -> None:
    assert recording.LEVELS.get(Kind.SIGTERM, logging.WARNING) == logging.WARNING


def test_what_was_not_answered_now_is_as_it_was() -> None:
    before, now = merged(None, snapshot()), merged(snapshot(), snapshot(memory=LATE))
    assert now.outcomes["memory"] == before.outcomes["memory"]
    assert all(isinstance(outcome, Answered) for outcome in now.outcomes.values())


def test_a_sight_has_the_longest_mailbox_and_whose_it_is() -> None:
    row = MAILBOXES_FOUND.by_message_queue_len[0]
    long = Mailboxes(replace(MAILBOXES_FOUND.queues, longest=200_000), (row,))
    sight = sight_of(snapshot(mailboxes=answered(long)), SETTINGS)
    assert sight.mailbox == (row.name or row.initial_call or row.pid, 200_000)


def test_an_answer_of_a_sweep_alone_says_nothing_of_whether_the_node_answers() -> None:
    assert sight_of(replace(snapshot(), outcomes={}), SETTINGS).is_answering is None
