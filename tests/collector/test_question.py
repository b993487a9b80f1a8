from __future__ import annotations

import asyncio

import pytest

from agent.batch import Caller
from agent.errors import DeadlineExceeded, RemoteError
from agent.probes import Result, memory
from agent.terms import Atom
from collector import question as question_module
from collector.question import QUESTION_SECONDS, run_probe
from collector.snapshot import Answered, Failed
from tests.collector_fakes import MEMORY, NODE, PATIENCE_SECONDS, FakeClock, FakeSession

AT_ONCE = 0.01  # a deadline that shall pass
REFUSAL = RemoteError(Atom("error"), Atom("system_limit"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(question_module, "time", clock)
    return clock


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


async def test_a_result_comes_with_when_and_how_long(session: FakeSession, clock: FakeClock) -> None:
    async def slow(caller: Caller, deadline_seconds: float) -> Result:
        clock.now += 0.25
        return await memory.ask(caller, deadline_seconds)

    outcome = await run_probe("memory", slow, session, QUESTION_SECONDS)
    assert isinstance(outcome, Answered)
    assert outcome.result == MEMORY
    assert outcome.duration_seconds == 0.25
    assert outcome.asked_at.utcoffset() is not None


async def test_a_failure_comes_with_how_long(session: FakeSession, clock: FakeClock) -> None:
    async def refused(_caller: Caller, _deadline_seconds: float) -> Result:
        clock.now += 0.25
        raise REFUSAL

    assert await run_probe("memory", refused, session, QUESTION_SECONDS) == Failed(REFUSAL, 0.25)


async def test_a_probe_is_told_its_deadline_and_held_to_it(session: FakeSession) -> None:
    told: list[float] = []

    async def never(_caller: Caller, deadline_seconds: float) -> Result:
        told.append(deadline_seconds)
        await asyncio.Event().wait()
        raise AssertionError

    async with asyncio.timeout(PATIENCE_SECONDS):
        outcome = await run_probe("memory", never, session, AT_ONCE)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, DeadlineExceeded)
    assert str(outcome.error) == f"{NODE} gave no answer within 0.01 s"
    assert told == [AT_ONCE]
