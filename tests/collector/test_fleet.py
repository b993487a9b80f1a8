from __future__ import annotations

import asyncio

import pytest

from agent.errors import DeadlineExceeded
from collector.fleet import Fleet
from collector.snapshot import Answered
from tests.collector_fakes import (
    NODE,
    OTHER_NODE,
    PATIENCE_SECONDS,
    RESULTS,
    FakeNode,
    FakeSession,
    watch,
)


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


@pytest.fixture
def node(session: FakeSession) -> FakeNode:
    return FakeNode(NODE, session)


def fleet_of_two(first: FakeSession, second: FakeSession) -> Fleet:
    return Fleet([watch(FakeNode(NODE, first)), watch(FakeNode(OTHER_NODE, second))])


async def test_all_nodes_are_asked_at_the_same_time(session: FakeSession) -> None:
    other = FakeSession(OTHER_NODE)
    session.hold()
    other.hold()
    fleet = fleet_of_two(session, other)
    asker = asyncio.create_task(fleet.snapshots(PATIENCE_SECONDS))
    await session.was_called()
    await other.was_called()
    session.release()
    other.release()
    snapshots = await asker
    assert [snapshot.name for snapshot in snapshots] == [NODE, OTHER_NODE]
    assert {name: snapshots[0].outcomes[name] for name in RESULTS} == snapshots[0].outcomes
    assert [found.result for found in snapshots[0].outcomes.values() if isinstance(found, Answered)] == [
        *RESULTS.values()
    ]


async def test_a_slow_node_does_not_cost_the_others_their_answers(session: FakeSession) -> None:
    slow = FakeSession(OTHER_NODE)
    slow.hold()
    async with fleet_of_two(session, slow) as fleet:
        answered, late = await fleet.snapshots(0.25, ["memory"])
        assert answered.is_up
        assert isinstance(late.why_no("memory"), DeadlineExceeded)


async def test_several_nodes_can_be_asked_some_probes_from_any_iterable(session: FakeSession) -> None:
    fleet = fleet_of_two(session, FakeSession(OTHER_NODE))
    snapshots = await fleet.snapshots(PATIENCE_SECONDS, iter(["memory"]))
    assert [set(snapshot.outcomes) for snapshot in snapshots] == [{"memory"}, {"memory"}]


async def test_a_fleet_keeps_its_nodes_connected_while_it_is_open(session: FakeSession) -> None:
    nodes = [FakeNode(NODE, session), FakeNode(OTHER_NODE)]
    async with Fleet([watch(node) for node in nodes]):
        assert [node.is_entered for node in nodes] == [True, True]
    assert [node.is_entered for node in nodes] == [False, False]


async def test_the_end_of_a_fleet_answers_those_who_wait(session: FakeSession, node: FakeNode) -> None:
    session.hold()
    async with Fleet([watch(node)]) as fleet:
        asker = asyncio.create_task(fleet.snapshots(PATIENCE_SECONDS))
        await session.was_called()
    [snapshot] = await asker
    assert {str(snapshot.why_no(probe)) for probe in RESULTS} == {"beamwarden is shutting down"}
