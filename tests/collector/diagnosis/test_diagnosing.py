"""The whole diagnosis of a node: who shares it, what it asks, and what it says when a side is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from agent.errors import ConnectionLost
from collector.cloud import Cloud
from collector.diagnosis import gathering, service
from collector.diagnosis.decision_tree import Answer
from collector.diagnosis.diagnosing import Diagnoser, numbers_of
from collector.diagnosis.service_facts import NotKnown
from collector.diagnosis.severity import Severity
from collector.freshness import Asker
from collector.settings import Settings
from collector.watched import WatchedNode
from erlang_fixtures.beam import free_port
from tests.collector.diagnosis.tai_service import TaiService, tai_service
from tests.collector_fakes import FakeNode, watch
from tests.collector_results import AnsweringNode


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "BETWEEN_LOOKS_SECONDS", 0.0)


@pytest.fixture
def tai() -> Iterator[TaiService]:
    with tai_service() as serving:
        yield serving


def diagnoser(node: WatchedNode, url: str) -> Diagnoser:
    settings = Settings(service_url=url)
    return Diagnoser(node, settings, Cloud({}), lambda: None, numbers_of(settings))


async def test_both_sides_are_asked(tai: TaiService) -> None:
    told = await diagnoser(AnsweringNode(), tai.url).diagnose(Asker.PERSON)
    health, errors, *_ = told.diagnosis.walk.steps
    assert (health.answer, health.evidence) == (Answer.NO, "/health: 200 ok")
    assert (errors.answer, errors.evidence) == (Answer.NO, "0.00% of 500 requests")
    assert "application_down" not in {finding.rule.name for finding in told.diagnosis.findings.found}


async def test_those_who_ask_at_the_same_time_share_one_diagnosis(tai: TaiService) -> None:
    node = AnsweringNode()
    one = diagnoser(node, tai.url)
    first, second = await asyncio.gather(one.diagnose(Asker.PERSON), one.diagnose(Asker.PERSON))
    assert first is second
    assert sorted(tai.asked) == ["/health", "/metrics", "/metrics"]


async def test_who_hangs_up_ends_it_for_nobody_else(tai: TaiService) -> None:
    one = diagnoser(AnsweringNode(), tai.url)
    hurried = asyncio.create_task(one.diagnose(Asker.PERSON))
    patient = asyncio.create_task(one.diagnose(Asker.PERSON))
    await asyncio.sleep(0)
    hurried.cancel()
    assert (await patient).diagnosis.walk.steps


async def test_a_service_that_takes_no_connections_is_down() -> None:
    told = await diagnoser(AnsweringNode(), f"http://127.0.0.1:{free_port()}").diagnose(Asker.PROGRAM)
    assert told.diagnosis.decision.severity is Severity.CRITICAL
    assert "nothing takes connections there" in (told.diagnosis.decision.evidence or "")


async def test_without_a_service_its_questions_are_not_known_and_the_node_is_looked_at() -> None:
    told = await diagnoser(AnsweringNode(), "none").diagnose(Asker.PROGRAM)
    assert {step.answer for step in told.diagnosis.walk.steps} == {Answer.NOT_KNOWN}
    assert told.diagnosis.evidence.contact == told.snapshot.name


async def test_a_service_that_is_slow_to_tell_its_figures_is_not_waited_for(
    tai: TaiService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.diagnosis.diagnosing.GATHER_SECONDS", 0.2)
    told = await diagnoser(AnsweringNode(), tai.url).diagnose(Asker.PROGRAM)
    traffic = told.diagnosis.evidence.service.traffic
    assert isinstance(traffic, NotKnown)
    assert "has not told its figures within 0.2 s" in traffic.why
    assert told.diagnosis.walk.steps[0].answer is Answer.NO  # its health was told in time
    assert service.DEADLINE_SECONDS > 0.2


async def test_a_node_that_is_not_connected_leaves_what_the_service_says(tai: TaiService) -> None:
    told = await diagnoser(watch(FakeNode()), tai.url).diagnose(Asker.PERSON)
    assert isinstance(told.diagnosis.evidence.contact, NotKnown)
    assert told.diagnosis.walk.steps[0].answer is Answer.NO


async def test_closing_ends_what_is_under_way(tai: TaiService) -> None:
    one = diagnoser(AnsweringNode(), tai.url)
    waiting = asyncio.create_task(one.diagnose(Asker.PERSON))
    await asyncio.sleep(0)
    await one.close()
    with pytest.raises(ConnectionLost, match="shutting down"):
        await waiting
