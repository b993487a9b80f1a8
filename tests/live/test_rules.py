"""The rules, on real nodes: each finds the illness that it is for, and a node that is well has no finding."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agent import Session
from agent.terms import Atom
from erlang_fixtures.beam import Beam
from tests.live.findings import found
from tests.live.illnesses import ill
from tests.live.nodes import ask, join, until_answer

pytestmark = pytest.mark.live


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


async def test_a_node_that_is_well_has_no_finding_while_it_is_at_work(session: Session) -> None:
    restarting = {"milliseconds_per_crash": 0, "intensity": 100, "period_seconds": 10}
    async with (
        ill(session, "ill_idle_processes", processes=5_000, come_and_go_per_second=2_000),
        ill(session, "ill_mailbox_flood", messages=500),
        ill(session, "ill_ets_growth", rows=50_000, rows_per_second=1_000),
        ill(session, "ill_busy_scheduler"),
        ill(session, "ill_crash_loop", **restarting),
    ):
        for _ in range(5):
            await ask(session, "ill_crash_loop:crash", 2)
            assert await found(session, "crashing_sup") == []


async def test_a_flooded_mailbox_is_found(session: Session) -> None:
    async with ill(session, "ill_mailbox_flood", messages=20_000):
        (only,) = await found(session)
    assert only.startswith("mailbox_long: 20000 messages wait for ")


async def test_a_suspended_supervisor_is_found(session: Session) -> None:
    async with ill(session, "ill_suspended_supervisor"):
        (only,) = await found(session, "suspended_sup")
    assert only.startswith("supervisor_stuck: supervisor suspended_sup is suspended")


async def test_a_supervisor_that_hangs_in_the_start_of_a_child_is_found(session: Session) -> None:
    async with ill(session, "ill_hanging_supervisor"):
        (only,) = await found(session, "hanging_sup")
    assert only.startswith("supervisor_stuck: supervisor hanging_sup is not answering")


async def test_a_supervisor_whose_restarts_are_nearly_used_up_is_found(session: Session) -> None:
    options = {"milliseconds_per_crash": 0, "intensity": 3, "period_seconds": 600}
    async with ill(session, "ill_crash_loop", **options):
        assert await found(session, "crashing_sup") == []
        await ask(session, "ill_crash_loop:crash", 2)
        (only,) = await found(session, "crashing_sup")
    assert only.startswith("restarts_used_up: children of crashing_sup crash again and again: 1 more")


async def test_a_crash_loop_is_found_long_before_its_supervisor_gives_up(session: Session) -> None:
    async with ill(session, "ill_crash_loop", milliseconds_per_crash=0, intensity=20, period_seconds=600):
        await ask(session, "ill_crash_loop:crash", 12)
        (only,) = await found(session, "crashing_sup")
    assert only.startswith("restarts_used_up: children of crashing_sup crash again and again: 8 more")


async def test_a_supervisor_that_was_terminated_is_found(session: Session) -> None:
    root, child = Atom("tai_autonomics_sup"), Atom("governance_sup")
    assert await ask(session, "supervisor:terminate_child", root, child) == Atom("ok")
    try:
        assert "supervisor_missing: supervisor governance_sup not running" in await found(session)
    finally:
        await ask(session, "supervisor:restart_child", root, child)
    await until_answer(session, lambda pid: pid != Atom("undefined"), "erlang:whereis", child)


async def test_an_application_that_was_stopped_is_found_although_the_node_answers(session: Session) -> None:
    name = Atom("tai_autonomics")
    assert await ask(session, "application:stop", name) == Atom("ok")
    try:
        assert any(one.startswith("application_down: the application tai_autonomics") for one in await found(session))
    finally:
        assert await ask(session, "application:start", name) == Atom("ok")
