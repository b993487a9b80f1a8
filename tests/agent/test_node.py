from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
from collections.abc import Sequence

import pytest

from agent import node as node_module
from agent import preflight
from agent.errors import (
    AgentError,
    ConnectionLost,
    IncompatiblePeer,
    NameInUse,
    NodeNameError,
    NodeUnreachable,
    NotAllowed,
    WrongCookie,
    WrongPeer,
)
from agent.names import Target
from agent.node import FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS, Down, Node, State, Up, backoff_seconds
from agent.session import Options, Session
from agent.terms import Atom
from agent.ticks import DEFAULT_TICKS, Ticks
from erlang_fixtures.beam import free_port
from tests.fakes import HEALTHY, PEER_NAME, ScriptedPeer, cookie, serving, until


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnect at once: what is waited for in these tests is an event and not a pause."""
    monkeypatch.setattr(node_module, "backoff_seconds", lambda *_, **__: 0.0)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the node again at once."""
    monkeypatch.setattr(node_module, "LOOK_AGAIN_SECONDS", 0.01)


def test_the_pauses_between_attempts_double_up_to_a_limit() -> None:
    error = NodeUnreachable("x")
    pauses = [backoff_seconds(failures, error, jitter=1.0) for failures in range(1, 10)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_jitter_takes_up_to_half_of_a_pause() -> None:
    error = NodeUnreachable("x")
    assert backoff_seconds(3, error, jitter=0.0) == 1.0
    assert backoff_seconds(3, error, jitter=1.0) == 2.0


def test_no_number_of_failures_breaks_the_arithmetic() -> None:
    assert backoff_seconds(10**9, NodeUnreachable("x"), jitter=1.0) == MAX_BACKOFF_SECONDS


@pytest.mark.parametrize("error", [WrongCookie("x"), NotAllowed("x"), WrongPeer("x")])
def test_a_refusal_waits_the_longest_at_once(error: AgentError) -> None:
    assert backoff_seconds(1, error, jitter=1.0) == MAX_BACKOFF_SECONDS


def test_a_refusal_of_a_node_that_has_taken_us_before_is_a_failure_like_others() -> None:
    assert backoff_seconds(1, WrongCookie("x"), jitter=1.0, is_known=True) == FIRST_BACKOFF_SECONDS


def test_our_own_last_attempt_that_is_still_under_way_is_not_waited_for_long() -> None:
    assert backoff_seconds(1, NameInUse("x"), jitter=1.0) == FIRST_BACKOFF_SECONDS


def test_an_own_name_that_cannot_work_is_refused_at_once() -> None:
    with pytest.raises(NodeNameError):
        Node(Target(PEER_NAME), cookie(), Options(own_name="warden@short"))


def test_before_the_first_connection_the_reason_is_said() -> None:
    with pytest.raises(NodeUnreachable, match="has not been reached yet"):
        Node(Target(PEER_NAME), cookie()).session()


async def test_a_node_is_up_once_connected() -> None:
    async with serving(ScriptedPeer()) as server, Node(server.target, cookie()) as node:
        await until(lambda: isinstance(node.state, Up), "the node is up")
        assert await node.session().call("m", "f", [], deadline_seconds=5) == Atom("ok")


@pytest.mark.usefixtures("_hasty")
async def test_a_node_that_comes_back_is_a_new_session() -> None:
    async with serving(ScriptedPeer(), ScriptedPeer()) as server, Node(server.target, cookie()) as node:
        await until(lambda: isinstance(node.state, Up), "the node is up")
        first = node.session()
        server.cut()
        await until(lambda: isinstance(node.state, Up) and node.session() is not first, "it is up again")
        with pytest.raises(ConnectionLost):
            await first.call("m", "f", [], deadline_seconds=5)


@pytest.mark.usefixtures("_hasty")
async def test_attempts_go_on_for_ever_and_each_failure_is_told_with_its_number() -> None:
    changes: list[State] = []
    async with Node(Target(PEER_NAME, free_port()), cookie(), on_change=changes.append) as node:
        await until(lambda: len(changes) >= 20, "twenty attempts")
        with pytest.raises(NodeUnreachable, match="nothing listens there"):
            node.session()
    assert [change.failures for change in changes[:20] if isinstance(change, Down)] == list(range(1, 21))


@pytest.mark.usefixtures("_hasty")
async def test_a_connection_that_stood_long_lets_the_failures_start_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "STEADY_SECONDS", 0.0)
    changes: list[State] = []
    refusing = ScriptedPeer(status=b"nok")
    peers = serving(refusing, refusing, ScriptedPeer(), ScriptedPeer())
    async with peers as server, Node(server.target, cookie(), on_change=changes.append) as node:
        await until(lambda: isinstance(node.state, Up), "the third attempt succeeds")
        server.cut()
        await until(lambda: len(changes) >= 4, "the loss is told")
    # With a limit of 0 every attempt stood long enough; it is the number after the success that counts.
    assert isinstance(changes[3], Down)
    assert changes[3].failures == 1


async def test_leaving_closes_the_connection() -> None:
    async with serving(ScriptedPeer()) as server:
        async with Node(server.target, cookie()) as node:
            await until(lambda: isinstance(node.state, Up), "the node is up")
            session = node.session()
        assert isinstance(await session.wait_closed(), ConnectionLost)
        await asyncio.wait_for(server.writers[0].wait_closed(), 10)


async def leave(node: Node) -> None:
    async with asyncio.timeout(10):
        await node.__aexit__(None, None, None)


async def test_leaving_ends_at_any_step_of_a_connection_that_breaks() -> None:
    # Of the questions that the pre-flight asks at the same time some have failed then, and others not yet.
    for steps in range(40):
        silent = ScriptedPeer(preflight={})
        async with serving(silent) as server:
            node = await Node(server.target, cookie()).__aenter__()
            await until(functools.partial(getattr, silent, "preflights"), "it is asked")
            server.cut()
            for _ in range(steps):
                await asyncio.sleep(0)
            await leave(node)


async def test_leaving_ends_when_the_preflight_takes_it_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def deaf(*_: object) -> preflight.Preflight:
        asked.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return preflight.Preflight()

    monkeypatch.setattr(preflight, "check", deaf)
    async with serving(ScriptedPeer()) as server:
        node = await Node(server.target, cookie()).__aenter__()
        await asyncio.wait_for(asked.wait(), 10)
        await leave(node)


async def test_the_node_is_up_only_when_it_is_known_what_it_offers() -> None:
    slow = ScriptedPeer(preflight={})
    async with serving(slow) as server, Node(server.target, cookie()) as node:
        await until(lambda: slow.preflights, "it is asked")
        assert isinstance(node.state, Down)


@pytest.mark.usefixtures("_hasty")
async def test_a_node_of_an_otp_that_is_too_old_is_refused_with_the_reason() -> None:
    old = ScriptedPeer(preflight={**HEALTHY, "erlang:system_info([otp_release])": list(b"24")})
    async with serving(old) as server, Node(server.target, cookie()) as node:
        await until(lambda: server.connections >= 2, "it is tried again")
        with pytest.raises(IncompatiblePeer, match="runs OTP 24"):
            node.session()


@pytest.mark.usefixtures("_impatient")
async def test_the_node_s_ticks_are_asked_again_and_again_and_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[Ticks] = []
    monkeypatch.setattr(Session, "set_ticks", lambda _self, ticks: followed.append(ticks))
    answers = dict(HEALTHY)
    async with serving(ScriptedPeer(preflight=answers)) as server, Node(server.target, cookie()):
        await until(lambda: len(followed) >= 2, "they are asked twice")
        answers["net_kernel:get_net_ticktime([])"] = (Atom("ongoing_change_to"), 8)
        await until(lambda: followed[-1].net_ticktime_seconds == 8, "the change is followed")
    assert followed[0] == DEFAULT_TICKS


def told(changes: Sequence[State]) -> list[bool | None]:
    """Whether the code server answers, each time that it changed."""
    found = [change.preflight.code_server_answers for change in changes if isinstance(change, Up) and change.preflight]
    return [answers for answers, _ in itertools.groupby(found)]


@pytest.mark.usefixtures("_impatient")
async def test_what_hangs_on_the_node_is_looked_at_again_until_it_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "PREFLIGHT_SECONDS", 0.2)
    answers = {question: answer for question, answer in HEALTHY.items() if question != "code:root_dir([])"}
    changes: list[State] = []
    peer = ScriptedPeer(preflight=answers)
    async with serving(peer) as server, Node(server.target, cookie(), on_change=changes.append) as node:
        await until(lambda: changes, "the node is up")
        await until(lambda: len(peer.preflights) >= 8, "it is looked at again")
        assert told(changes) == [False]
        answers["code:root_dir([])"] = list(b"/usr/lib/erlang")
        await until(lambda: told(changes) == [False, True], "its recovery is told")
        del answers["code:root_dir([])"]
        await until(lambda: told(changes) == [False, True, False], "its next illness is told")
        assert isinstance(node.state, Up)
        assert server.connections == 1


async def test_a_node_that_does_not_answer_the_preflight_is_up_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "PREFLIGHT_SECONDS", 0.1)
    async with serving(ScriptedPeer(preflight={})) as server, Node(server.target, cookie()) as node:
        await until(lambda: isinstance(node.state, Up), "the node is up")
        assert await node.session().call("m", "f", [], deadline_seconds=5) == Atom("ok")


@pytest.mark.usefixtures("_impatient")
async def test_a_connection_that_ends_while_the_node_is_looked_at_again_is_a_loss() -> None:
    answers = dict(HEALTHY)
    peer = ScriptedPeer(preflight=answers)
    async with serving(peer) as server, Node(server.target, cookie()) as node:
        await until(lambda: isinstance(node.state, Up), "the node is up")
        answers.clear()
        seen = len(peer.preflights)
        await until(lambda: len(peer.preflights) >= seen + 2, "it is looked at again")
        server.cut()
        await until(lambda: isinstance(node.state, Down), "the loss is seen")
        with pytest.raises(ConnectionLost):
            node.session()


@pytest.mark.usefixtures("_hasty")
async def test_a_listener_that_raises_does_not_end_the_watch() -> None:
    told: list[State] = []

    def listener(state: State) -> None:
        told.append(state)
        raise ZeroDivisionError("a listener's mistake")

    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    async with Node(Target(PEER_NAME, free_port()), cookie(), on_change=listener):
        await until(lambda: len(told) >= 3, "three attempts")
    assert [type(complaint["exception"]) for complaint in complaints[:3]] == [ZeroDivisionError] * 3


async def test_a_node_that_was_left_is_down() -> None:
    async with serving(ScriptedPeer()) as server:
        async with Node(server.target, cookie()) as node:
            await until(lambda: isinstance(node.state, Up), "the node is up")
        with pytest.raises(ConnectionLost, match="we have closed"):
            node.session()


@pytest.mark.usefixtures("_hasty")
async def test_a_bug_of_ours_is_logged_and_counted_and_does_not_end_the_watch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = 0

    async def broken(*_: object) -> Session:
        nonlocal attempts
        attempts += 1
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(node_module, "connect", broken)
    with caplog.at_level(logging.ERROR):
        async with Node(Target(PEER_NAME, 1), cookie()) as node:
            await until(lambda: attempts >= 3, "three attempts")
            with pytest.raises(ConnectionLost, match="a bug in beamwarden"):
                node.session()
    assert node.internal_errors >= 2
    assert "met a bug" in caplog.text


def test_a_reason_that_is_told_again_and_again_does_not_grow() -> None:
    node = Node(Target(PEER_NAME), cookie())
    for _ in range(50):
        with pytest.raises(NodeUnreachable) as caught:
            node.session()
        assert len(caught.traceback) <= 3
