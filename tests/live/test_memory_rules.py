"""Playbook 4 on real nodes: what grows is named, whether gradually or suddenly, and a limit that is near is found.

Each point is a real measurement. Only its time is made up: a leak of an hour would take one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent import Session
from agent.probes import memory, memory_limit, processes, system_info
from collector.diagnosis.findings import Evidence, Seen
from collector.diagnosis.of_settings import KnownLimit, limit_of
from collector.diagnosis.rules import apply
from collector.diagnosis.service_facts import NotKnown
from collector.diagnosis.severity import Severity
from collector.diagnosis.what_grows import holder, what_grows
from collector.settings import Settings
from collector.trend import MEMORY_KINDS, Point, Trend, all_series, memory_of
from erlang_fixtures.beam import Beam
from tests.live.illnesses import ill
from tests.live.nodes import SECONDS, ask, join

pytestmark = pytest.mark.live

STEP_SECONDS = 10.0
NOBODY = NotKnown("not asked here")
NOTHING = Evidence(NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY)


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


class Recorded:
    """A trend of real measurements, ten seconds apart by its own clock."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._points = 0
        self.trend = Trend(STEP_SECONDS, all_series(()))

    async def measure(self, points: int, between: Callable[[], Awaitable[object]] | None = None) -> None:
        for _ in range(points):
            found = await memory.ask(self._session, SECONDS)
            values = {memory_of(kind): getattr(found, kind) for kind in MEMORY_KINDS}
            self.trend.record(Point(self._session.peer.creation, values), self._points * STEP_SECONDS)
            self._points += 1
            if between is not None:
                await between()

    def found(self, **more: object) -> list[tuple[str, Seen]]:
        """What the rules say of it, and of nothing else."""
        evidence = replace(NOTHING, memory=what_grows(self.trend.window()), **more)  # type: ignore[arg-type]  # a test's
        return [(finding.rule.name, finding.seen) for finding in apply(evidence).found]


async def test_a_table_that_grows_is_gradual_and_named_as_ets(session: Session) -> None:
    recorded = Recorded(session)
    async with ill(session, "ill_ets_growth", rows=0):
        await recorded.measure(60, lambda: ask(session, "ill_ets_growth:grow", 5_000))
        ((rule, seen),) = recorded.found(limit=KnownLimit(1 << 40, "a test", 1 << 30))
    assert rule == "memory_grows"
    assert "memory grows gradually" in seen.sentence
    assert "ets (" in seen.sentence
    assert "ETS table growing without limit" in seen.fits
    assert "Binary garbage not collected" in seen.excluded
    assert any(line.endswith("a minute, between " + line.rpartition("between ")[2]) for line in seen.evidence)
    assert seen.since_seconds is not None


async def test_a_process_that_grows_at_once_is_sudden_and_named(session: Session) -> None:
    recorded = Recorded(session)
    await recorded.measure(40)
    async with ill(session, "ill_heap_leak", bytes=100_000_000):
        await recorded.measure(10)
        swept, total = await processes.ask(session, SECONDS), await memory.ask(session, SECONDS)
        largest = holder([(row.name or row.pid, row.memory_bytes) for row in swept.by_memory[:1]], total.processes)
        ((rule, seen),) = recorded.found(largest_process=largest)
    assert rule == "memory_grows"
    assert "memory has risen suddenly" in seen.sentence
    assert "processes (" in seen.sentence
    assert any("leaking_heap" in line for line in seen.evidence)
    assert "ETS table growing without limit" in seen.excluded


async def test_binaries_that_are_held_are_named_as_binary(session: Session) -> None:
    recorded = Recorded(session)
    await recorded.measure(40)
    async with ill(session, "ill_binary_leak", binaries=10_000, bytes_per_each=10_000):
        await recorded.measure(10)
        ((rule, seen),) = recorded.found()
    assert rule == "memory_grows"
    assert "binary (" in seen.sentence
    assert "Binary garbage not collected" in seen.fits
    assert seen.steps == ("beamwarden binaries --processes",)


async def test_memory_that_comes_and_goes_is_no_growth(session: Session) -> None:
    recorded = Recorded(session)
    before = await memory.ask(session, SECONDS)
    for _ in range(10):
        await recorded.measure(4)
        async with ill(session, "ill_heap_leak", bytes=20_000_000):
            await recorded.measure(2)
        async with asyncio.timeout(SECONDS):  # it is given back a moment after its process is gone
            while (await memory.ask(session, SECONDS)).total > before.total + 5_000_000:
                pass
    assert recorded.found() == []


async def test_a_limit_that_is_near_is_found_with_its_source(session: Session) -> None:
    told = await memory_limit.ask(session, SECONDS)
    assert told.resident_bytes is not None
    near = Settings(service_memory_limit_bytes=round(told.resident_bytes / 0.92))
    only_the_machine = memory_limit.MemoryLimit((), told.resident_bytes, None, None, ())
    limit = limit_of(near, only_the_machine)
    (finding,) = apply(replace(NOTHING, limit=limit)).found
    rule, seen = finding.rule.name, finding.seen
    assert (rule, seen.severity) == ("memory_near_limit", Severity.HIGH)
    assert "service_memory_limit_bytes" in seen.evidence[0]


@pytest.fixture
def small_beam(erl: Path) -> Iterator[Beam]:
    """A node that may have a thousand processes and ports, the fewest there can be, and few atoms."""
    with Beam(erl, applications=["tai_autonomics"], arguments=["+P", "1024", "+Q", "1024"]) as beam:
        yield beam


async def test_processes_that_are_nearly_as_many_as_may_be_are_found(small_beam: Beam) -> None:
    session = await join(small_beam)
    async with ill(session, "ill_idle_processes", processes=800):
        system = await system_info.ask(session, SECONDS)
        found = [finding.seen for finding in apply(replace(NOTHING, system=system)).found]
    session.close()
    (seen,) = found
    assert seen.sentence.startswith(f"the node has {system.processes} processes of {system.process_limit}")
    assert seen.steps == ("beamwarden processes",)
