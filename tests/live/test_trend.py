"""The trend of a real node, as the service keeps it: what grows there grows in the series."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import Session
from agent.probes import ets, watched_tables
from agent.probes.watched_tables import WatchedName
from agent.terms import Atom
from erlang_fixtures.beam import Beam
from tests.live.illnesses import ill
from tests.live.nodes import SECONDS, ask, join
from tests.live.test_service import Service, serving, watching

pytestmark = pytest.mark.live

EVERY_SECOND = ("--trend-interval-seconds", "1", "--watch-tables", "growing_table,tai_receipts_store,no_such_table")


async def trend_when(service: Service, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask for the trend until it is as wanted; fail with what it is when it is not in time."""
    answer: dict[str, Any] = {}
    try:
        async with asyncio.timeout(SECONDS):
            while not answer or not wanted(answer):
                await asyncio.sleep(0.1)
                answer = (await service.get("/api/v1/nodes/-/trend?minutes=5")).json()
    except TimeoutError:
        raise AssertionError(answer) from None
    return answer


def table(answer: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (one for one in answer["tables"] if one["name"] == name)
    assert isinstance(found, dict)
    return found


def measured(series: dict[str, Any]) -> list[int]:
    return [value for value in series["values"] if value is not None]


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


@pytest.fixture
def own_beam(erl: Path) -> Iterator[Beam]:
    """A node that the test may stop."""
    with Beam(erl, applications=["tai_autonomics"]) as beam:
        yield beam


async def test_a_table_that_grows_and_a_mailbox_that_is_flooded_show_in_the_series(
    beam: Beam, session: Session
) -> None:
    def is_shown(answer: dict[str, Any]) -> bool:
        rows = table(answer, "growing_table")["size"]["change"]
        return rows is not None and rows["last"] > rows["first"] and len(measured(answer["longest_message_queue"])) > 2

    async with serving(*watching(beam), *EVERY_SECOND) as service:
        before = await trend_when(service, lambda answer: bool(measured(answer["longest_message_queue"])))
        assert measured(table(before, "growing_table")["count"])[-1] == 0
        assert table(before, "growing_table")["size"]["change"] is None
        async with (
            ill(session, "ill_ets_growth", rows=1_000, rows_per_second=5_000),
            ill(session, "ill_mailbox_flood", messages=20_000),
        ):
            answer = await trend_when(service, is_shown)
    rows = table(answer, "growing_table")["size"]
    assert rows["change"]["falls"] == 0
    assert rows["change"]["per_minute"] > 0
    assert measured(rows) == sorted(measured(rows))
    assert rows["values"][0] is None
    assert max(measured(answer["longest_message_queue"])) >= 20_000
    assert answer["messages_waiting"]["change"]["largest"] >= 20_000
    assert answer["memory"]["ets_bytes"]["change"]["last"] > answer["memory"]["ets_bytes"]["change"]["first"]
    assert set(measured(table(answer, "no_such_table")["count"])) == {0}
    assert measured(table(answer, "no_such_table")["size"]) == []
    # These are unnamed: they have been found by listing all tables.
    assert set(measured(table(answer, "tai_receipts_store")["count"])) == {1}
    assert len({len(series["values"]) for series in (rows, *answer["memory"].values())}) == 1


async def test_a_restart_is_a_gap_and_another_life(own_beam: Beam) -> None:
    async with serving(*watching(own_beam), *EVERY_SECOND) as service:
        first = await trend_when(service, lambda answer: len(measured(answer["process_count"])) > 1)
        own_beam.kill()
        gone = await trend_when(service, lambda answer: answer["process_count"]["values"][-1] is None)
        assert gone["node"]["creation"] is None
        assert any(why.startswith("at the last point: node not connected") for why in gone["left_out"])
        own_beam.start()
        answer = await trend_when(service, lambda answer: len(answer["lives"]) == 2)
    before, after = answer["lives"]
    assert before == first["lives"][0]
    assert before["creation"] != after["creation"] == answer["node"]["creation"]
    values = answer["process_count"]["values"]
    assert values[after["first_point"] - 1] is None
    assert answer["process_count"]["change"]["first"] == values[after["first_point"]]


# --------------------------------------------------------------------------------------------- the question for tables


async def test_the_watched_tables_alone_are_told_as_the_sweep_of_all_tables_tells_them(session: Session) -> None:
    watch = ("receipt_ledger", "'tai_receipts_store'", "same_name", "beamwarden_no_such_table")
    async with ill(session, "ill_many_tables", tables=5_000):
        alone = await watched_tables.ask(watch, session, SECONDS)
        all_of_them = await ets.ask(watch, session, SECONDS)
    assert alone.tables == tuple(
        WatchedName(one.name, one.count, one.not_measured, one.size, one.memory_bytes) for one in all_of_them.watched
    )
    assert alone.tables[2].count > 1_000
    assert alone.tables[3].count == 0


async def test_to_watch_a_name_that_no_table_has_makes_no_atom(session: Session) -> None:
    await watched_tables.ask(("receipt_ledger",), session, SECONDS)
    before = await ask(session, "erlang:system_info", Atom("atom_count"))
    await watched_tables.ask([f"beamwarden_never_seen_{number}" for number in range(100)], session, SECONDS)
    assert await ask(session, "erlang:system_info", Atom("atom_count")) == before
