from __future__ import annotations

import asyncio
import logging

import pytest

from agent.batch import Caller
from agent.errors import ConnectionLost, DeadlineExceeded, NodeUnreachable, RemoteError
from agent.probes import Probe, Result, identity, memory
from agent.terms import Atom
from collector import question as question_module
from collector import watched as watched_module
from collector.known import FAILURE_KEPT_SECONDS
from collector.snapshot import Answered, Bug, Snapshot
from collector.watched import WatchedNode
from tests.collector_fakes import (
    CREATION,
    IDENTITY,
    MEMORY,
    NODE,
    PATIENCE_SECONDS,
    FakeClock,
    FakeNode,
    FakeSession,
    watch,
)

AT_ONCE = 0.01  # a deadline that shall pass
REFUSAL = RemoteError(Atom("error"), Atom("system_limit"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    for module in (question_module, watched_module):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


@pytest.fixture
def node(session: FakeSession) -> FakeNode:
    return FakeNode(NODE, session)


@pytest.fixture
def watched(node: FakeNode) -> WatchedNode:
    """One node and one probe, whose question is one call."""
    return with_probes(node, memory=memory.ask)


def with_probes(node: FakeNode, **probes: Probe) -> WatchedNode:
    return WatchedNode(node, probes, lambda: None)


async def ask(watched: WatchedNode) -> Snapshot:
    return await watched.snapshot(PATIENCE_SECONDS)


def reason(snapshot: Snapshot, probe: str = "memory") -> str:
    return str(snapshot.why_no(probe))


async def met_a_bug(_caller: Caller, _deadline_seconds: float) -> Result:
    raise ZeroDivisionError("a slip of ours")


# ------------------------------------------------------------------------------------------------------------- sharing


async def test_askers_at_the_same_moment_share_one_question(session: FakeSession, watched: WatchedNode) -> None:
    session.hold()
    askers = [asyncio.create_task(ask(watched)) for _ in range(5)]
    await session.was_called()
    session.release()
    snapshots = await asyncio.gather(*askers)
    assert session.calls == ["erlang:memory"]
    assert [snapshot.outcomes for snapshot in snapshots] == [snapshots[0].outcomes] * 5
    assert snapshots[0].result(memory.Memory) == MEMORY


async def test_an_asker_that_comes_later_joins_the_question_under_way(
    session: FakeSession, node: FakeNode, watched: WatchedNode
) -> None:
    session.hold()
    first = asyncio.create_task(ask(watched))
    await session.was_called()
    later = asyncio.create_task(ask(watched))
    await node.was_asked(2)
    session.release()
    assert (await later).outcomes == (await first).outcomes
    assert session.calls == ["erlang:memory"]


async def test_a_cancelled_asker_cancels_no_other(session: FakeSession, watched: WatchedNode) -> None:
    session.hold()
    askers = [asyncio.create_task(ask(watched)) for _ in range(3)]
    await session.was_called()
    askers[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await askers[0]
    session.release()
    assert [(await asker).is_up for asker in askers[1:]] == [True, True]
    assert session.calls == ["erlang:memory"]


async def test_a_question_goes_on_when_its_only_asker_is_cancelled(
    session: FakeSession, node: FakeNode, watched: WatchedNode
) -> None:
    session.hold()
    asker = asyncio.create_task(ask(watched))
    await session.was_called()
    asker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asker
    next_asker = asyncio.create_task(ask(watched))
    await node.was_asked(2)
    session.release()
    assert (await next_asker).is_up
    assert session.calls == ["erlang:memory"]


async def test_an_asker_in_a_hurry_gives_up_alone(session: FakeSession, watched: WatchedNode) -> None:
    session.hold()
    patient = asyncio.create_task(ask(watched))
    await session.was_called()
    hurried = await watched.snapshot(AT_ONCE)
    assert isinstance(hurried.why_no("memory"), DeadlineExceeded)
    assert reason(hurried) == f"{NODE} gave no answer within 0.01 s"
    session.release()
    assert (await patient).result(memory.Memory) == MEMORY
    assert session.calls == ["erlang:memory"]


async def test_an_answer_is_not_kept_once_it_is_given(session: FakeSession, watched: WatchedNode) -> None:
    await ask(watched)
    await ask(watched)
    assert session.calls == ["erlang:memory"] * 2


async def test_probes_are_asked_at_the_same_time(session: FakeSession, node: FakeNode) -> None:
    session.hold()
    asker = asyncio.create_task(ask(with_probes(node, memory=memory.ask, identity=identity.ask)))
    await session.was_called()
    assert session.calls == ["erlang:memory", "lists:zipwith3"]
    session.release()
    assert (await asker).is_up


async def test_only_the_probes_that_are_wanted_are_asked(session: FakeSession, node: FakeNode) -> None:
    watched = with_probes(node, memory=memory.ask, identity=identity.ask)
    snapshot = await watched.snapshot(PATIENCE_SECONDS, ("memory",))
    assert set(snapshot.outcomes) == {"memory"}
    assert session.calls == ["erlang:memory"]


async def test_a_snapshot_is_as_old_as_its_oldest_answer(session: FakeSession, node: FakeNode) -> None:
    watched = with_probes(node, memory=memory.ask, identity=identity.ask)
    session.hold()
    first = asyncio.create_task(watched.snapshot(PATIENCE_SECONDS, ("memory",)))
    await session.was_called()
    second = asyncio.create_task(ask(watched))
    await node.was_asked(2)
    session.release()
    oldest = (await first).outcomes["memory"]
    assert isinstance(oldest, Answered)
    assert (await second).collected_at == oldest.asked_at


# ------------------------------------------------------------------------------------------------------------ failures


async def test_a_failure_is_remembered_for_a_second(
    session: FakeSession, watched: WatchedNode, clock: FakeClock
) -> None:
    session.behaviours["erlang:memory"] = REFUSAL
    first = await ask(watched)
    clock.now += FAILURE_KEPT_SECONDS - 0.01
    second = await ask(watched)
    assert first.why_no("memory") is second.why_no("memory") is REFUSAL
    assert session.calls == ["erlang:memory"]
    assert FAILURE_KEPT_SECONDS <= 1.0


async def test_after_a_second_it_is_asked_anew(session: FakeSession, watched: WatchedNode, clock: FakeClock) -> None:
    well = session.behaviours["erlang:memory"]
    session.behaviours["erlang:memory"] = REFUSAL
    await ask(watched)
    session.behaviours["erlang:memory"] = well
    clock.now += FAILURE_KEPT_SECONDS
    assert (await ask(watched)).result(memory.Memory) == MEMORY
    assert session.calls == ["erlang:memory"] * 2


async def test_an_asker_that_gave_up_leaves_no_failure_behind(session: FakeSession, watched: WatchedNode) -> None:
    session.hold()
    await watched.snapshot(AT_ONCE)
    session.release()
    assert (await ask(watched)).is_up


async def test_a_failed_probe_costs_itself_alone(session: FakeSession, node: FakeNode) -> None:
    session.behaviours["erlang:memory"] = REFUSAL
    snapshot = await ask(with_probes(node, memory=memory.ask, identity=identity.ask))
    assert snapshot.why_no("memory") is REFUSAL
    assert snapshot.result(identity.NodeIdentity) == IDENTITY
    assert snapshot.is_up


async def test_a_probe_that_meets_a_bug_is_logged_and_counted_and_costs_itself_alone(
    node: FakeNode, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    watched = with_probes(node, memory=met_a_bug, identity=identity.ask)
    snapshot = await ask(watched)
    assert isinstance(snapshot.why_no("memory"), Bug)
    assert reason(snapshot) == "the probe memory met a bug of beamwarden: ZeroDivisionError('a slip of ours')"
    assert snapshot.result(identity.NodeIdentity) == IDENTITY
    assert snapshot.internal_errors == 1
    [line] = caplog.records
    assert line.levelno == logging.ERROR
    assert line.getMessage() == "the probe memory met a bug"
    assert line.exc_info is not None
    assert isinstance(line.exc_info[1], ZeroDivisionError)

    clock.now += FAILURE_KEPT_SECONDS
    assert (await ask(watched)).internal_errors == 2


async def test_bugs_of_the_connection_are_counted_too(node: FakeNode, watched: WatchedNode) -> None:
    node.internal_errors = 3
    assert (await ask(watched)).internal_errors == 3
    node.disconnect(NodeUnreachable("gone"))
    assert (await ask(watched)).internal_errors == 3


# ------------------------------------------------------------------------------------------- connections come and go


async def test_a_node_that_is_down_is_told_without_a_question(
    session: FakeSession, node: FakeNode, watched: WatchedNode
) -> None:
    trouble = NodeUnreachable("nothing listens there")
    node.disconnect(trouble)
    snapshot = await ask(watched)
    assert snapshot.trouble is trouble
    assert snapshot.outcomes == {}
    assert snapshot.peer is None
    assert not snapshot.is_up
    assert session.calls == []


async def test_a_new_life_of_the_node_does_not_share_a_question_with_the_old_one(
    session: FakeSession, node: FakeNode, watched: WatchedNode
) -> None:
    session.hold()
    old = asyncio.create_task(ask(watched))
    await session.was_called()
    new_session = FakeSession(creation=CREATION + 1)
    node.connect(new_session)
    new = await ask(watched)
    assert new_session.calls == ["erlang:memory"]
    assert new.peer == new_session.peer
    session.release()
    assert (await old).peer == session.peer


@pytest.mark.usefixtures("clock")  # which stands still: the failure is remembered all the while
async def test_a_new_life_of_the_node_does_not_inherit_a_failure(
    session: FakeSession, node: FakeNode, watched: WatchedNode
) -> None:
    session.behaviours["erlang:memory"] = REFUSAL
    await ask(watched)
    node.connect(FakeSession(creation=CREATION + 1))
    assert (await ask(watched)).is_up


async def test_a_connection_that_breaks_under_a_question_is_its_failure(
    session: FakeSession, watched: WatchedNode
) -> None:
    session.behaviours["erlang:memory"] = ConnectionLost("the node closed the connection")
    assert reason(await ask(watched)) == "the node closed the connection"


async def test_the_instance_is_named_whether_or_not_the_node_is_connected(node: FakeNode) -> None:
    watched = watch(node, "00f46b92")
    assert (await ask(watched)).instance_id == "00f46b92"
    node.disconnect(NodeUnreachable("gone"))
    assert (await ask(watched)).instance_id == "00f46b92"


async def test_closing_ends_the_questions_and_tells_those_who_wait(session: FakeSession, watched: WatchedNode) -> None:
    session.hold()
    askers = [asyncio.create_task(ask(watched)) for _ in range(2)]
    await session.was_called()
    await watched.close()
    for snapshot in await asyncio.gather(*askers):
        assert isinstance(snapshot.why_no("memory"), ConnectionLost)
        assert reason(snapshot) == "beamwarden is shutting down"
