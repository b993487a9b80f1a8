from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import Down, Node, State, Target, Up, read_cookie_file
from agent import node as node_module
from agent.errors import ConnectionLost
from agent.terms import Atom, Pid
from erlang_fixtures.beam import Beam
from tests.fakes import until
from tests.live.nodes import ask

pytestmark = pytest.mark.live


@pytest.fixture
def own_beam(erl: Path) -> Iterator[Beam]:
    """A node that the test may kill."""
    with Beam(erl) as beam:
        yield beam


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "backoff_seconds", lambda *_, **__: 0.05)


def watch(beam: Beam, changes: list[State]) -> Node:
    return Node(Target.parse(beam.target), read_cookie_file(beam.cookie_file), on_change=changes.append)


async def test_whoever_waits_when_the_node_is_killed_gets_an_error(own_beam: Beam) -> None:
    async with watch(own_beam, []) as node:
        await until(lambda: isinstance(node.state, Up), "it is up")
        asked = [
            asyncio.create_task(node.session().call("timer", "sleep", [Atom("infinity")], deadline_seconds=600))
            for _ in range(50)
        ]
        await ask(node.session(), "erlang:node")
        own_beam.kill()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(answer, ConnectionLost) for answer in answers)


async def test_a_node_that_was_restarted_is_another_one(own_beam: Beam) -> None:
    changes: list[State] = []
    async with watch(own_beam, changes) as node:
        await until(lambda: isinstance(node.state, Up), "it is up")
        first = node.session()
        kernel_sup = await ask(first, "erlang:whereis", Atom("kernel_sup"))
        own_beam.kill()
        await until(lambda: isinstance(node.state, Down), "the loss is seen")
        own_beam.start()
        await until(lambda: isinstance(node.state, Up), "it is up again", deadline_seconds=60)
        second = node.session()
        again = await ask(second, "erlang:whereis", Atom("kernel_sup"))
        assert second.peer.name == first.peer.name
        assert second.peer.creation != first.peer.creation
        # The numbers repeat on every boot: the creation alone tells the two apart.
        assert isinstance(kernel_sup, Pid)
        assert isinstance(again, Pid)
        assert (again.id, again.serial) == (kernel_sup.id, kernel_sup.serial)
        assert again != kernel_sup
        with pytest.raises(ConnectionLost):
            await ask(first, "erlang:node")


async def test_a_node_that_ends_properly_is_down(own_beam: Beam) -> None:
    async with watch(own_beam, []) as node:
        await until(lambda: isinstance(node.state, Up), "it is up")
        await asyncio.to_thread(own_beam.stop)
        await until(lambda: isinstance(node.state, Down) and node.state.failures >= 3, "attempts go on")
