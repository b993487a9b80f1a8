"""Applications against what OTP itself says of them, also when the one who could say it is stuck."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent import Session
from agent.probes import applications, rows
from agent.probes.applications import Application, ApplicationState
from agent.terms import Atom, Map, Term
from erlang_fixtures.beam import Beam
from tests.fakes import pause
from tests.live.illnesses import pid_of
from tests.live.nodes import SECONDS, ask, census, join, number, settles_to
from tests.live.supervisors import named, tree_of, tuples

pytestmark = pytest.mark.live

OK = Atom("ok")


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


def string(term: Term) -> str:
    assert isinstance(term, list)
    return "".join(chr(code) for code in term if isinstance(code, int))


async def found_on(session: Session) -> dict[str, Application]:
    found = await applications.ask(session, SECONDS)
    assert found.complete
    return {application.name: application for application in found.applications}


async def test_names_versions_and_descriptions_are_those_of_otp(session: Session) -> None:
    loaded = tuples(await ask(session, "application:loaded_applications"))
    expected = {(rows.atom(name), string(description), string(version)) for name, description, version in loaded}
    found = await found_on(session)
    assert {(each.name, each.description, each.version) for each in found.values()} == expected


async def test_a_running_application_is_told_with_its_top_supervisor(session: Session) -> None:
    tai = (await found_on(session))["tai_autonomics"]
    top = next(root.supervisor for root in (await tree_of(session)).roots if root.application == "tai_autonomics")
    assert top is not None
    assert (tai.state, tai.top, tai.top_name) == (ApplicationState.RUNNING, top.pid, "tai_autonomics_sup")


async def test_what_has_nothing_to_run_is_a_library(session: Session) -> None:
    assert (await found_on(session))["stdlib"].state is ApplicationState.LIBRARY


async def test_an_application_that_crashed_is_told_although_the_node_is_up(session: Session) -> None:
    assert (await found_on(session))["tai_autonomics"].state is ApplicationState.RUNNING
    await ask(session, "erlang:exit", await pid_of(session, "tai_autonomics_sup"), Atom("kill"))
    try:
        async with asyncio.timeout(SECONDS):
            while (found := await applications.ask(session, SECONDS)).not_running != ("tai_autonomics",):
                await pause()
        tai = next(each for each in found.applications if each.name == "tai_autonomics")
        assert (tai.state, tai.top, tai.top_name) == (ApplicationState.NOT_RUNNING, None, None)
        assert await ask(session, "erlang:node") is not None
    finally:
        assert await ask(session, "application:start", Atom("tai_autonomics")) == OK
    assert (await applications.ask(session, SECONDS)).not_running == ()


async def test_an_application_that_was_stopped_is_not_running(session: Session) -> None:
    assert await ask(session, "application:stop", Atom("tai_autonomics")) == OK
    try:
        assert (await applications.ask(session, SECONDS)).not_running == ("tai_autonomics",)
    finally:
        assert await ask(session, "application:start", Atom("tai_autonomics")) == OK


def specification(name: str, **keys: Term) -> Term:
    """An application as ``application:load/1`` takes it."""
    return (Atom("application"), Atom(name), [(Atom(key), value) for key, value in keys.items()])


async def test_an_application_that_is_part_of_another_is_not_said_to_be_missing(session: Session) -> None:
    part = specification("odd_part", vsn=list(b"1.0"), mod=(Atom("odd_part"), []))
    whole = specification("odd_whole", vsn=list(b"1.0"), included_applications=[Atom("odd_part")])
    try:
        assert await ask(session, "application:load", part) == OK
        assert (await found_on(session))["odd_part"].state is ApplicationState.NOT_RUNNING
        assert await ask(session, "application:load", whole) == OK
        assert (await found_on(session))["odd_part"].state is ApplicationState.INCLUDED
    finally:
        await ask(session, "application:unload", Atom("odd_whole"))
        await ask(session, "application:unload", Atom("odd_part"))


@pytest.mark.parametrize("version", [b"1.0", Atom("one"), [1, 2, 3], list(b"x" * 10_000), [b"1", [0xD800]], Map()])
async def test_a_version_that_is_no_short_string_is_printed_and_cut(session: Session, version: Term) -> None:
    try:
        assert await ask(session, "application:load", specification("odd_part", vsn=version)) == OK
        assert len((await found_on(session))["odd_part"].version) < 300
    finally:
        await ask(session, "application:unload", Atom("odd_part"))


async def test_they_are_told_while_the_application_controller_is_stuck(session: Session) -> None:
    assert await ask(session, "sys:suspend", Atom("application_controller")) == OK
    try:
        tai = (await found_on(session))["tai_autonomics"]
        assert tai.state is ApplicationState.RUNNING
        assert named(await tree_of(session), "tai_autonomics_sup").budget_left == 5
        waiting = await ask(
            session, "erlang:process_info", await pid_of(session, "application_controller"), Atom("message_queue_len")
        )
        assert waiting == (Atom("message_queue_len"), 0)
    finally:
        await ask(session, "sys:resume", Atom("application_controller"))


async def test_too_many_are_cut_and_it_is_said(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applications, "MAX_APPLICATIONS", 1)
    found = await applications.ask(session, SECONDS)
    assert [application.name for application in found.applications] == ["kernel"]
    assert found.left_out == ("applications after the first 1",)


async def test_questions_leave_nothing_on_the_node(session: Session) -> None:
    await applications.ask(session, SECONDS)
    before, atoms = await census(session), await number(session, "erlang:system_info", Atom("atom_count"))
    for _ in range(100):
        await applications.ask(session, SECONDS)
    await settles_to(session, before)
    assert await number(session, "erlang:system_info", Atom("atom_count")) == atoms
