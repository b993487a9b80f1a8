"""What the pre-flight finds on real nodes, healthy and ill."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import Node, Session, Target, Up, preflight, read_cookie_file
from agent.errors import DeadlineExceeded, RemoteError
from agent.probes import vital_signs
from agent.terms import TRUE, Atom
from agent.ticks import Ticks
from agent.worker import ERPC, PLAIN
from erlang_fixtures.beam import Beam
from tests.fakes import until
from tests.live.nodes import SECONDS, ask, join

pytestmark = pytest.mark.live


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "PREFLIGHT_SECONDS", 0.5)


async def modules_loaded(session: Session, *modules: str) -> list[bool]:
    return [await ask(session, "erlang:module_loaded", Atom(module)) == TRUE for module in modules]


async def suspend_code_server(beam: Beam) -> None:
    """Suspend it without having erpc loaded. (Without any connection before, a node could not even shake hands.)"""
    session = await join(beam)
    session.ask_by(PLAIN)
    assert await ask(session, "sys:suspend", Atom("code_server")) == Atom("ok")
    session.close()


async def test_a_healthy_node_offers_everything(beam: Beam) -> None:
    session = await join(beam)
    found = await preflight.check(session)
    release = await ask(session, "erlang:system_info", Atom("otp_release"))
    assert isinstance(release, list)
    assert found == preflight.Preflight(
        otp_release=int("".join(chr(digit) for digit in release if isinstance(digit, int))),
        code_server_answers=True,
        has_erpc=True,
        can_evaluate=True,
        ticks=Ticks(net_ticktime_seconds=60, intensity=4),
    )
    session.close()


async def test_the_ticks_are_those_of_the_node(erl: Path) -> None:
    with Beam(erl, arguments=["-kernel", "net_ticktime", "90", "net_tickintensity", "10"]) as beam:
        session = await join(beam)
        assert await preflight.ask_ticks(session) == Ticks(net_ticktime_seconds=90, intensity=10)
        assert await ask(session, "net_kernel:set_net_ticktime", 40) == Atom("change_initiated")
        assert await preflight.ask_ticks(session) == Ticks(net_ticktime_seconds=40, intensity=10)
        session.close()


async def test_the_evaluator_is_looked_for_and_not_loaded(erl: Path) -> None:
    with Beam(erl) as beam:
        session = await join(beam)
        assert await ask(session, "code:delete", Atom("erl_eval")) == TRUE
        assert await modules_loaded(session, "erl_eval") == [False]
        assert (await preflight.check(session)).can_evaluate
        assert await modules_loaded(session, "erl_eval") == [False]
        session.close()


async def test_a_node_whose_code_server_hangs_answers_what_needs_no_module(erl: Path) -> None:
    with Beam(erl, applications=["tai_autonomics"]) as beam:
        session = await join(beam)
        assert await ask(session, "erlang:node") == Atom(beam.name)  # which loads erpc
        assert await ask(session, "sys:suspend", Atom("code_server")) == Atom("ok")
        found = await preflight.check(session)
        assert (found.code_server_answers, found.has_erpc) == (False, True)
        assert found.trouble is not None
        assert "code server does not answer" in found.trouble
        for probe in vital_signs(["governance_sup"]).values():
            await probe(session, SECONDS)
        with pytest.raises(DeadlineExceeded):
            await session.call("no_such_module", "f", [], deadline_seconds=0.2)
        session.close()


async def test_a_node_whose_code_server_hung_before_we_came_answers_too(erl: Path) -> None:
    with Beam(erl, applications=["tai_autonomics"]) as beam:
        await suspend_code_server(beam)
        session = await join(beam)
        session.ask_by(PLAIN)
        has_erpc = await modules_loaded(session, "erpc")
        session.ask_by(ERPC)
        found = await preflight.check(session)
        assert [found.has_erpc] == has_erpc
        assert not found.code_server_answers
        for name, probe in vital_signs(["governance_sup", "nobody_sup"]).items():
            assert await probe(session, SECONDS) is not None, name
        session.close()


async def test_a_node_is_well_again_when_its_code_server_is(erl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.node.LOOK_AGAIN_SECONDS", 0.05)
    with Beam(erl) as beam:
        await suspend_code_server(beam)
        async with Node(Target.parse(beam.target), read_cookie_file(beam.cookie_file)) as node:
            await until(lambda: isinstance(node.state, Up), "it is up")
            session = node.session()
            assert isinstance(node.state, Up)
            assert node.state.preflight is not None
            assert not node.state.preflight.code_server_answers
            assert await ask(session, "sys:resume", Atom("code_server")) == Atom("ok")
            await until(
                lambda: isinstance(node.state, Up) and node.state.preflight and node.state.preflight.trouble is None,
                "it is well",
            )
            assert node.session() is session
            with pytest.raises(RemoteError):  # caught by erpc, and not logged as a crash
                await ask(session, "erlang:error", Atom("sorry"))


async def test_without_erpc_an_error_is_told_as_one(beam: Beam) -> None:
    session = await join(beam)
    session.ask_by(PLAIN)
    with pytest.raises(RemoteError, match="badarg"):
        await ask(session, "erlang:atom_to_list", 1)
    assert await ask(session, "lists:append", [[1], [2]]) == [1, 2]
    assert await ask(session, "erlang:list_to_tuple", [1, [2]]) == (1, [2])
    session.close()
