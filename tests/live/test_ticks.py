from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from agent import Down, Node, Session, State, Target, Up, connect, read_cookie_file
from agent import node as node_module
from agent import protocol as protocol_module
from agent.errors import ConnectionLost, NodeUnreachable
from agent.terms import Atom, Term
from agent.ticks import Ticks
from erlang_fixtures.beam import Beam
from tests.fakes import until
from tests.live.nodes import SECONDS, ask, until_answer, until_it_answers, watch_through
from tests.proxy import Drop, Pass, Side, Stall, Treatment, proxying

pytestmark = pytest.mark.live

QUICK: Final = ("-kernel", "net_ticktime", "2")
INTENSE: Final = (*QUICK, "net_tickintensity", "10")
# Longer than what the settings above come to, much shorter than the 75 s of those that OTP has when nobody sets any.
IN_TIME: Final = 15.0


@pytest.fixture(scope="module")
def quick(erl: Path) -> Iterator[Beam]:
    """A node that drops whoever is silent for two seconds."""
    with Beam(erl, arguments=QUICK) as node:
        yield node


@pytest.fixture(scope="module")
def intense(erl: Path) -> Iterator[Beam]:
    """The same, with ten ticks in each net_ticktime instead of four."""
    with Beam(erl, arguments=INTENSE) as node:
        yield node


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "backoff_seconds", lambda *_, **__: 0.05)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a handshake with a node that does not answer less time than the protocol does."""
    monkeypatch.setattr(protocol_module, "HANDSHAKE_SECONDS", 0.5)


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[Ticks]:
    """The settings that we go by, one after the other."""
    settings: list[Ticks] = []
    set_ticks = Session.set_ticks

    def recorded(session: Session, ticks: Ticks) -> None:
        settings.append(ticks)
        set_ticks(session, ticks)

    monkeypatch.setattr(Session, "set_ticks", recorded)
    return settings


@contextlib.contextmanager
def stopped(beam: Beam) -> Iterator[None]:
    """Hold the node as a machine does that is out of memory or being moved: its sockets stay, and nobody reads them."""
    os.kill(beam.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(beam.pid, signal.SIGCONT)


def watch(beam: Beam, changes: list[State]) -> Node:
    return Node(Target.parse(beam.target), read_cookie_file(beam.cookie_file), on_change=changes.append)


async def until_ticks(session: Session, number: int) -> None:
    await until(lambda: session.counters.ticks_received >= number, f"{number} ticks", SECONDS)


def waiting(session: Session) -> list[asyncio.Task[Term]]:
    return [asyncio.create_task(ask_for_ever(session)) for _ in range(5)]


async def ask_for_ever(session: Session) -> Term:
    return await session.call("timer", "sleep", [Atom("infinity")], deadline_seconds=600)


async def assert_all_lost(questions: list[asyncio.Task[Term]], why: str) -> None:
    errors = await asyncio.gather(*questions, return_exceptions=True)
    assert [type(error) for error in errors] == [ConnectionLost] * len(questions)
    assert all(why in str(error) for error in errors)


async def test_a_quiet_connection_holds_whatever_the_net_ticktime_and_its_intensity(
    quick: Beam, intense: Beam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "_look_again_seconds", lambda _found: 600.0)  # or it would not be quiet
    changes: list[State] = []
    async with watch(quick, changes) as one, watch(intense, changes) as other:
        sessions = [await until_it_answers(one, quick), await until_it_answers(other, intense)]
        # It ticks four or ten times in each net_ticktime: then it has looked at us for more than three of them.
        await asyncio.gather(until_ticks(sessions[0], 13), until_ticks(sessions[1], 31))
        assert one.session() is sessions[0]
        assert other.session() is sessions[1]
        assert [type(change) for change in changes] == [Up, Up]


async def test_the_net_ticktime_and_intensity_of_the_node_are_followed(
    quick: Beam, intense: Beam, followed: list[Ticks]
) -> None:
    async with watch(quick, []) as node:
        await until_it_answers(node, quick)
    async with watch(intense, []) as node:
        await until_it_answers(node, intense)
    assert followed == [Ticks(2.0, 4), Ticks(2.0, 10)]


async def test_a_net_ticktime_that_is_changed_on_the_node_is_followed(
    erl: Path, followed: list[Ticks], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "LOOK_AGAIN_SECONDS", 0.1)
    changes: list[State] = []
    with Beam(erl) as beam:
        async with watch(beam, changes) as node:
            session = await until_it_answers(node, beam)
            assert set(followed) == {Ticks(60.0, 4)}
            assert await ask(session, "net_kernel:set_net_ticktime", 8, 1) == Atom("change_initiated")
            await until(lambda: followed[-1] == Ticks(8.0, 4), "the new one is followed")
            await until_answer(session, lambda answer: answer == 8, "net_kernel:get_net_ticktime")
            assert node.session() is session
            assert followed[-1] == Ticks(8.0, 4)


async def test_a_node_that_goes_silent_while_it_is_asked_for_its_net_ticktime_is_lost_as_soon(
    quick: Beam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "LOOK_AGAIN_SECONDS", 0.1)
    async with proxying(quick.port) as proxy, watch_through(proxy, quick) as node:
        await until_it_answers(node, quick)
        proxy.treat(Drop())
        await until(lambda: isinstance(node.state, Down), "the loss is noticed", IN_TIME)


async def test_nodes_that_hang_are_down_and_are_up_by_themselves_when_they_go_on(quick: Beam, intense: Beam) -> None:
    # At once, because all that they do is to wait.
    await asyncio.gather(hang_and_find(quick), hang_and_find(intense))


async def hang_and_find(beam: Beam) -> None:
    changes: list[State] = []
    async with watch(beam, changes) as node:
        session = await until_it_answers(node, beam)
        questions = waiting(session)
        await ask(session, "erlang:node")
        with stopped(beam):
            await until(lambda: isinstance(node.state, Down), "the loss is noticed", IN_TIME)
            await assert_all_lost(questions, "has been silent")
        assert await until_it_answers(node, beam) is not session
    assert isinstance(changes[1], Down)
    assert "has been silent" in str(changes[1].error)


@pytest.mark.usefixtures("_impatient")
async def test_a_connection_to_a_node_that_hangs_is_given_up(quick: Beam) -> None:
    with stopped(quick), pytest.raises(NodeUnreachable, match="did not finish the handshake"):
        async with asyncio.timeout(SECONDS):
            await connect(Target.parse(quick.target), read_cookie_file(quick.cookie_file))


@pytest.mark.usefixtures("_impatient")
async def test_a_node_that_hangs_from_the_start_is_up_by_itself_when_it_goes_on(quick: Beam) -> None:
    changes: list[State] = []
    with stopped(quick):
        async with watch(quick, changes) as node:
            await until(lambda: len(changes) >= 2, "two attempts are given up", SECONDS)
            os.kill(quick.pid, signal.SIGCONT)
            await until_it_answers(node, quick)


@pytest.mark.usefixtures("_impatient")
async def test_a_link_that_goes_silent_is_noticed_whichever_way_and_is_up_by_itself_when_it_speaks_again(
    quick: Beam,
) -> None:
    ways: list[tuple[Treatment, Side | None, str]] = [
        (Drop(), None, "has been silent"),
        (Drop(), Side.US, "has been silent"),
        (Drop(), Side.NODE, "closed the connection"),  # by the node, which hears nothing of us
        (Stall(), None, "has been silent"),
    ]
    await asyncio.gather(*(lose_and_find(quick, *way) for way in ways))


async def lose_and_find(beam: Beam, treatment: Treatment, towards: Side | None, why: str) -> None:
    where = f"{treatment}, towards {towards}"
    async with proxying(beam.port) as proxy, watch_through(proxy, beam) as node:
        session = await until_it_answers(node, beam)
        questions = waiting(session)
        await ask(session, "erlang:node")
        proxy.treat(treatment, towards)
        await until(lambda: isinstance(node.state, Down), f"the loss is noticed: {where}", IN_TIME)
        await assert_all_lost(questions, why)
        proxy.treat(Pass())
        assert await until_it_answers(node, beam) is not session, where
