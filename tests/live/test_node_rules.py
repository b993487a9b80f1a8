"""The rules about what is down, full or behind, on real nodes: each finds the illness that it is for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent import Session
from agent.expression import Expression
from agent.probes import ets, ports
from agent.terms import Atom, Map, Term
from collector.diagnosis.findings import Evidence
from collector.diagnosis.rules import apply
from collector.diagnosis.what_grows import table_falls, table_growth
from collector.trend import Point, Trend, all_series, table_of
from erlang_fixtures.beam import Beam
from tests.collector.diagnosis.well import told
from tests.fakes import pause
from tests.live.findings import evidence, found
from tests.live.illnesses import ill
from tests.live.nodes import SECONDS, ask, join, number
from tests.live.test_ports import BUSY_DRIVER, FULL_SOCKET, opened

pytestmark = pytest.mark.live

SMALL = ("+P", "1024", "+Q", "1024", "+t", "32768", "+S", "1:1")
MANY_SOCKETS = "fun() -> [element(2, gen_udp:open(0)) || _ <- lists:seq(1, 850)] end"
MORE_ATOMS = "[erlang:list_to_atom([$x | erlang:integer_to_list(N)]) || N <- lists:seq(1, Number)], done"


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


@pytest.fixture(scope="module")
def small(erl: Path) -> Iterator[Beam]:
    """A node that may have little of everything."""
    with Beam(erl, applications=["tai_autonomics"], arguments=SMALL) as node:
        yield node


@pytest.fixture
async def on_small(small: Beam) -> AsyncIterator[Session]:
    session = await join(small)
    yield session
    session.close()


def spec(child_id: Term, restart: str) -> Map:
    start: Term = (Atom("tai_worker"), Atom("start_link"), [])
    return Map([(Atom("id"), child_id), (Atom("start"), start), (Atom("restart"), Atom(restart))])


async def steps(session: Session) -> list[str]:
    return [step for each in apply(await evidence(session)).found for step in each.seen.steps]


async def test_a_permanent_child_that_was_terminated_is_found_with_the_command_that_starts_it(session: Session) -> None:
    parent, child = Atom("observability_sup"), Atom("metrics_collector")
    assert await ask(session, "supervisor:terminate_child", parent, child) == Atom("ok")
    try:
        (only,) = await found(session)
        assert only.startswith("child_down: metrics_collector below observability_sup does not run")
        assert "beamwarden restart metrics_collector --under observability_sup --dry-run" in await steps(session)
    finally:
        await ask(session, "supervisor:restart_child", parent, child)
    assert await found(session) == []


async def test_a_governor_without_a_process_is_found_and_one_that_has_done_its_work_is_not(session: Session) -> None:
    parent = Atom("billing_sup")
    for name, restart in (("dead_governor", "permanent"), ("done_governor", "transient")):
        assert isinstance(await ask(session, "supervisor:start_child", parent, spec(Atom(name), restart)), tuple)
        await ask(session, "supervisor:terminate_child", parent, Atom(name))
    try:
        (only,) = await found(session)
        assert only.startswith("governors_dead: 1 of ")
        assert only.endswith(" governors have no process: dead_governor")
    finally:
        for name in ("dead_governor", "done_governor"):
            assert await ask(session, "supervisor:delete_child", parent, Atom(name)) == Atom("ok")


async def test_a_governor_that_is_stuck_is_found_before_its_mailbox_is_anybody_s_finding(session: Session) -> None:
    async with ill(session, "ill_stuck_governor", messages=2_000, under=Atom("billing_sup")):
        (only,) = await found(session)
    assert only.startswith("governor_behind: 2000 messages wait for the governor {stuck_governor,")


async def test_a_watched_table_that_only_grows_is_found_and_one_that_is_kept_to_a_size_is_not(session: Session) -> None:
    watched = ("growing_table",)
    only_grows, is_kept = (Trend(10.0, all_series(watched)) for _ in range(2))
    async with ill(session, "ill_ets_growth", rows=1_000):
        for number in range(40):  # real figures of the table; only their times are made up
            (table,) = (await ets.ask(watched, session, SECONDS)).watched
            values = {table_of(table.name, "count"): table.count, table_of(table.name, "size"): table.size}
            only_grows.record(Point(1, values), number * 10.0)
            kept = values | {table_of(table.name, "size"): table.size - (500 if number % 10 == 9 else 0)}
            is_kept.record(Point(1, kept), number * 10.0)
            await ask(session, "ill_ets_growth:grow", 100)
        evident = await evidence(session)
    assert [rule for rule, _ in of_tables(evident, only_grows)] == ["table_grows"]
    assert of_tables(evident, is_kept) == []


def of_tables(evident: Evidence, trend: Trend) -> list[tuple[str, str]]:
    """What is found with a trend of that one table."""
    grown = table_growth(trend.window(), "growing_table", "size")
    assert grown is not None
    falls = {"growing_table": table_falls(trend.window(), "growing_table", grown.since_seconds)}
    evident = replace(evident, table_growth={"growing_table": grown}, table_falls=falls)
    return [(each.rule.name, told(each.seen).sentence) for each in apply(evident).found]


async def test_a_socket_that_nobody_reads_from_is_found(session: Session) -> None:
    async with opened(session, FULL_SOCKET):
        (only,) = await found(session)
    assert only.startswith("port_queue_long: ")
    assert "(tcp_inet)" in only


async def test_a_port_whose_driver_holds_it_is_found(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "WAIT_SECONDS", 0)
    async with opened(session, BUSY_DRIVER), asyncio.timeout(SECONDS):
        while not any(one.startswith("port_not_answering: ") for one in await found(session)):
            await pause()


async def test_many_processes_are_found(on_small: Session) -> None:
    async with ill(on_small, "ill_idle_processes", processes=850):
        (only,) = await found(on_small)
    assert only.startswith("limit_near: the node has ")
    assert only.endswith(" processes of 1024 that it may have")


async def test_many_ports_are_found(on_small: Session) -> None:
    async with opened(on_small, MANY_SOCKETS):
        (only,) = await found(on_small)
    assert only.endswith(" ports of 1024 that it may have")


async def test_many_tables_are_found_and_said_to_stop_nobody(on_small: Session) -> None:
    async with ill(on_small, "ill_many_tables", tables=6_600):
        (finding,) = apply(await evidence(on_small)).found
    assert finding.seen.severity.word == "low"
    assert "stops nobody" in finding.seen.evidence[0]


async def test_more_work_than_the_schedulers_get_done_is_found(on_small: Session) -> None:
    async with ill(on_small, "ill_busy_scheduler", processes=15):
        (only,) = await found(on_small)
    assert only.startswith("run_queue_long: ")


# The last on this node: an atom stays for ever.
async def test_many_atoms_are_found(on_small: Session) -> None:
    wanted = int(0.85 * 32_768) - await number(on_small, "erlang:system_info", Atom("atom_count"))
    await on_small.evaluate(Expression("more_atoms", MORE_ATOMS), {"Number": wanted}, deadline_seconds=SECONDS)
    (finding,) = apply(await evidence(on_small)).found
    assert " atoms of 32768 " in finding.seen.sentence
    assert "a full atom table ends the node" in finding.seen.evidence
