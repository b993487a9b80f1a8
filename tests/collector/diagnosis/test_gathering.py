"""Gathering the evidence: which answer becomes which part of it, and what is said of those that are missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from agent.errors import DeadlineExceeded, WrongCookie
from agent.probes.applications import Applications
from agent.probes.processes import Mailboxes
from collector.diagnosis import gathering
from collector.diagnosis.findings import NotLetIn
from collector.diagnosis.gathering import gather
from collector.diagnosis.growth import Pattern
from collector.diagnosis.of_settings import KnownLimit
from collector.diagnosis.service_facts import NotKnown
from collector.diagnosis.what_grows import WhatGrows
from collector.freshness import Asker
from collector.question import Question
from collector.settings import Settings
from collector.snapshot import Snapshot, TooSoon
from collector.trend import RUN_QUEUE, Point, Trend, all_series, memory_of, table_of
from tests.collector_fakes import NODE, STATISTICS, FakeNode, answered, failed, watch
from tests.collector_results import APPLICATIONS_FOUND, MAILBOXES_FOUND, TABLES_FOUND, AnsweringNode

SETTINGS = Settings(watch_tables=("receipt_ledger",))
LATE = DeadlineExceeded("tai@127.0.0.1 gave no answer within 3 s")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "BETWEEN_LOOKS_SECONDS", 0.0)


def trend(points: int = 40) -> Trend:
    kept = Trend(10.0, all_series(["receipt_ledger"]))
    for number in range(points):
        values = {
            memory_of("total"): 100_000_000,
            memory_of("system"): 50_000_000,
            table_of("receipt_ledger", "count"): 1,
            table_of("receipt_ledger", "size"): 10_000 + number * 1_000,
        }
        kept.record(Point(7, values), number * 10.0)
    return kept


async def test_each_answer_becomes_the_part_of_the_evidence_that_it_is() -> None:
    node = AnsweringNode()
    evidence = (await gather(node, SETTINGS, trend().window())).evidence
    assert (evidence.applications, evidence.mailboxes, evidence.tables) == (
        APPLICATIONS_FOUND, MAILBOXES_FOUND, TABLES_FOUND,
    )  # fmt: skip
    assert evidence.contact == NODE
    assert evidence.limit == KnownLimit(536_870_912, "cgroup v2, /sys/fs/cgroup/memory.max", 157_286_400)
    assert isinstance(evidence.memory, WhatGrows)
    assert evidence.memory.total.pattern is Pattern.STEADY
    assert evidence.table_growth["receipt_ledger"].pattern is Pattern.GRADUAL
    assert evidence.table_falls == {"receipt_ledger": 0}
    missing = [name for name in evidence.__slots__ if isinstance(getattr(evidence, name), NotKnown)]
    assert missing == ["health"]  # which is the service's


async def test_who_asks_is_told_to_the_node() -> None:
    for asker in Asker:
        node = AnsweringNode()
        await gather(node, SETTINGS, None, asker)
        assert {who for question, who in node.asked if question.probe != "supervisor"} == {asker}


async def test_of_a_node_that_is_not_connected_nothing_is_known_and_the_reason_is_told() -> None:
    gathered = await gather(watch(FakeNode()), SETTINGS, None)
    evidence = gathered.evidence
    assert isinstance(evidence.contact, NotKnown)
    assert {
        part.why for part in (evidence.tree, evidence.mailboxes, evidence.system) if isinstance(part, NotKnown)
    } == {evidence.contact.why}
    assert isinstance(evidence.limit, NotKnown)


async def test_an_answer_that_is_late_is_not_known_and_the_others_are() -> None:
    evidence = (await gather(AnsweringNode(processes=failed(LATE)), SETTINGS, None)).evidence
    assert evidence.processes == NotKnown(str(LATE))
    assert isinstance(evidence.applications, Applications)
    assert evidence.largest_process is None


async def test_without_a_trend_nothing_is_known_of_growth() -> None:
    evidence = (await gather(AnsweringNode(), SETTINGS, None)).evidence
    assert isinstance(evidence.memory, NotKnown)
    assert "no trend is kept" in evidence.memory.why
    assert evidence.table_growth == {}


async def test_a_trend_that_is_young_is_not_enough_data() -> None:
    evidence = (await gather(AnsweringNode(), SETTINGS, trend(5).window())).evidence
    assert isinstance(evidence.memory, WhatGrows)
    assert evidence.memory.total.pattern is Pattern.NOT_ENOUGH_DATA


async def test_what_a_person_may_not_ask_anew_yet_is_what_is_known_already() -> None:
    class HeldBack(AnsweringNode):
        """People have to wait for it; programs get what there is."""

        async def look(
            self, vital: Iterable[str], more: Iterable[Question], deadline_seconds: float, asker: Asker = Asker.PROGRAM
        ) -> Snapshot:
            soon = failed(TooSoon("the same was asked 0.3 s ago", 1.0))
            self._outcomes["mailboxes"] = soon if asker is Asker.PERSON else answered(MAILBOXES_FOUND)
            return await super().look(vital, more, deadline_seconds, asker)

    evidence = (await gather(HeldBack(), SETTINGS, None, Asker.PERSON)).evidence
    assert isinstance(evidence.mailboxes, Mailboxes)


async def test_supervisors_that_are_silent_or_have_a_child_down_are_looked_at_again_and_no_other_is() -> None:
    node = AnsweringNode()  # whose quota_sla_sup does not answer, and whose billing_sup has a child that is down
    evidence = (await gather(node, SETTINGS, None, deadline_seconds=gathering.SECOND_LOOK_SECONDS + 0.1)).evidence
    again = [question.arguments for question, _ in node.asked if question.probe == "supervisor"]
    assert again == ["<0.104.0>", "<0.102.0>"]
    assert evidence.still_not_answering == frozenset()  # the second look found another one, which runs
    assert {supervisor for supervisor, _ in evidence.still_down} == {"<0.102.0>"}


async def test_a_busy_node_s_run_queue_is_looked_at_again_and_the_trend_s_last_are_told_first() -> None:
    busy = replace(STATISTICS, run_queue_length=90)
    kept = Trend(10.0, all_series(()))
    for number, length in enumerate((7, 8, 9, 10)):
        kept.record(Point(7, {RUN_QUEUE: length}), number * 10.0)
    evidence = (await gather(AnsweringNode(statistics=answered(busy)), SETTINGS, kept.window())).evidence
    assert evidence.run_queues == (8, 9, 10, 90, 90)


async def test_that_the_node_does_not_let_us_in_is_not_that_it_is_lost() -> None:
    node = FakeNode()
    node.disconnect(WrongCookie("tai@127.0.0.1 does not accept our cookie"))
    assert isinstance((await gather(watch(node), SETTINGS, None)).evidence.contact, NotLetIn)
