from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from agent import Down, Options, Session, State, Target, connect
from agent import node as node_module
from agent import protocol as protocol_module
from agent.errors import ConnectError, ConnectionLost
from agent.protocol import Connection
from agent.terms import Atom
from erlang_fixtures.beam import Beam
from tests.fakes import PEER_NAME, ScriptedPeer, cookie, pause, serving, until
from tests.live.nodes import SECONDS, ask, join, join_through, process_items, until_it_answers, watch_through
from tests.proxy import Cut, Delay, Drop, Merge, Pass, Proxy, Side, Split, Stall, Treatment, proxying

pytestmark = pytest.mark.live

NAMES: Final = {"a name that the node gives": None, "a name of our own that it still holds": "warden"}


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnect at once: how long the pauses are is a matter of tests/agent/test_node.py and test_leaks.py."""
    monkeypatch.setattr(node_module, "backoff_seconds", lambda *_, **__: 0.02)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a handshake less time than the protocol does, for links on which it never ends."""
    monkeypatch.setattr(protocol_module, "HANDSHAKE_SECONDS", 0.5)


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How long each piece is that reaches us, so that a test sees that its link did what it was told."""
    lengths: list[int] = []
    receive_data = Connection.receive_data

    def recorded(connection: Connection, data: bytes, now: float) -> None:
        lengths.append(len(data))
        receive_data(connection, data, now)

    monkeypatch.setattr(Connection, "receive_data", recorded)
    return lengths


def a_peer(own_name: str | None) -> ScriptedPeer:
    return ScriptedPeer() if own_name is None else ScriptedPeer(status=b"alive")


def a_target(proxy: Proxy) -> Target:
    return Target(PEER_NAME, proxy.port)


async def lengths_of_the_handshake(own_name: str | None, towards: Side) -> list[int]:
    """How long each handshake message in one direction is, with the two bytes before it."""
    async with serving(a_peer(own_name)) as server, proxying(server.port) as proxy:
        (await connect(a_target(proxy), cookie(), Options(own_name=own_name))).close()
        sent = bytes(proxy.links[0].forwarded[towards])
    lengths = []
    while sent:
        lengths.append(2 + int.from_bytes(sent[:2], "big"))
        sent = sent[lengths[-1] :]
    return lengths


async def ends_of_cut_handshakes(own_name: str | None, towards: Side, positions: Sequence[int]) -> list[str]:
    """Cut one handshake after each number of bytes; return what is said of it."""
    said = []
    async with serving(*(a_peer(own_name) for _ in positions)) as server, proxying(server.port) as proxy:
        for position in positions:
            proxy.treat(Cut(position), towards)
            with pytest.raises(ConnectError) as caught:
                await asyncio.wait_for(connect(a_target(proxy), cookie(), Options(own_name=own_name)), SECONDS)
            said.append(str(caught.value))
            assert "did not finish the handshake" not in said[-1], f"the cut after {position} bytes was not noticed"
    return said


async def until_it_fails_again(changes: Sequence[State], times: int) -> None:
    seen = len(changes)
    await until(lambda: len(changes) >= seen + times, "an attempt fails")


def what_is_missed(said: str) -> str:
    """Reduce an error to what it says the node has not done."""
    assert str(PEER_NAME) in said
    return next((what for what in ("its status", "its challenge", "cookie") if what in said), said)


@pytest.mark.parametrize("own_name", NAMES.values(), ids=list(NAMES))
async def test_a_handshake_cut_at_any_byte_towards_us_ends_with_what_the_node_has_not_sent(
    own_name: str | None,
) -> None:
    status, challenge, proof = await lengths_of_the_handshake(own_name, Side.US)
    said = await ends_of_cut_handshakes(own_name, Side.US, range(status + challenge + 1))
    assert [what_is_missed(each) for each in said] == [
        *["its status"] * status,
        *["its challenge"] * challenge,
        "cookie",  # who does not accept a cookie closes at this very byte: nothing tells the two apart
    ]
    assert proof == 2 + 17


@pytest.mark.parametrize("own_name", NAMES.values(), ids=list(NAMES))
async def test_a_handshake_cut_at_any_byte_towards_the_node_ends_with_what_the_node_has_not_sent(
    own_name: str | None,
) -> None:
    introduction, *more = await lengths_of_the_handshake(own_name, Side.NODE)
    said = await ends_of_cut_handshakes(own_name, Side.NODE, range(introduction + sum(more) + 1))
    assert [what_is_missed(each) for each in said] == [
        *["its status"] * (introduction + 1),
        *["its challenge"] * sum(more[:-1]),
        *["cookie"] * more[-1],
    ]


async def test_a_handshake_cut_within_the_node_s_own_proof_is_not_taken_for_a_wrong_cookie() -> None:
    lengths = await lengths_of_the_handshake(None, Side.US)
    said = await ends_of_cut_handshakes(None, Side.US, range(sum(lengths[:-1]) + 1, sum(lengths)))
    # A node that does not accept a cookie says nothing at all: whoever has begun its own proof has accepted ours.
    assert not [each for each in said if "does not accept our cookie" in each]


async def test_a_connection_cut_right_after_the_handshake_is_lost_and_not_refused() -> None:
    lengths = await lengths_of_the_handshake(None, Side.US)
    async with serving(ScriptedPeer()) as server, proxying(server.port) as proxy:
        proxy.treat(Cut(sum(lengths)), Side.US)
        session = await connect(a_target(proxy), cookie())
        assert "closed the connection" in str(await asyncio.wait_for(session.wait_closed(), SECONDS))


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("towards", Side)
async def test_a_node_whose_handshakes_were_cut_is_up_as_soon_as_they_are_not(
    beam: Beam, towards: Side, *, is_reset: bool
) -> None:
    changes: list[State] = []
    async with proxying(beam.port) as proxy:
        (await join_through(proxy, beam)).close()
        whole = len(proxy.links[0].forwarded[towards])
        positions = [0, 1, 2, 3, whole // 4, whole // 2, whole * 3 // 4, whole - 17, whole - 1]
        proxy.treat(Cut(positions[0], is_reset), towards)
        async with watch_through(proxy, beam, on_change=changes.append) as node:
            for position in positions:
                # On a link that stands `after_bytes` would start in the middle of its handshake.
                await until(lambda: proxy.open_now() == 0, "the attempt before has ended")
                proxy.treat(Cut(position, is_reset), towards)
                await until_it_fails_again(changes, 2)  # the first may still be of the attempt before
            proxy.treat(Pass())
            await until_it_answers(node, beam)
    errors = [change.error for change in changes if isinstance(change, Down)]
    assert len(errors) >= 2 * len(positions)
    assert all(isinstance(error, ConnectError) and beam.name in str(error) for error in errors)
    assert node.internal_errors == 0


@pytest.mark.parametrize("treatment", [Delay(0.02), Split(), Merge(0.02)], ids=["delayed", "split", "merged"])
async def test_a_link_that_tears_or_holds_bytes_changes_no_answer(
    beam: Beam, treatment: Treatment, pieces: list[int]
) -> None:
    async with proxying(beam.port) as proxy:
        proxy.treat(treatment)
        async with watch_through(proxy, beam) as node:
            session = await until_it_answers(node, beam)
            answers = await asyncio.gather(*(ask(session, "lists:seq", 300, 300 + size) for size in range(20)))
            assert answers == [list(range(300, 300 + size + 1)) for size in range(20)]
            assert node.session() is session
    if treatment == Split():
        assert len(pieces) > 0.9 * sum(pieces)  # the loop may read two at once when the machine is busy
    if treatment == Merge(0.02):
        assert proxy.links[0].pieces_written[Side.US] < proxy.links[0].pieces_read(Side.US)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("treatment", [Stall, Drop], ids=["stalls", "drops"])
@pytest.mark.parametrize("towards", Side)
async def test_a_handshake_over_a_link_that_hangs_is_given_up_and_the_next_one_stands(
    beam: Beam, treatment: type[Stall | Drop], towards: Side
) -> None:
    changes: list[State] = []
    async with proxying(beam.port) as proxy:
        proxy.treat(treatment(after_bytes=20), towards)
        async with watch_through(proxy, beam, on_change=changes.append) as node:
            await until(lambda: changes, "it is given up")
            proxy.treat(Pass())
            await until_it_answers(node, beam)
    assert isinstance(changes[0], Down)
    assert "did not finish the handshake" in str(changes[0].error)
    assert proxy.most_at_once == 1


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
async def test_a_link_cut_within_an_answer_fails_the_question_and_comes_back(beam: Beam, *, is_reset: bool) -> None:
    async with proxying(beam.port) as proxy, watch_through(proxy, beam) as node:
        first = await until_it_answers(node, beam)
        others = [asyncio.create_task(ask(first, "timer:sleep", Atom("infinity"))) for _ in range(20)]
        await ask(first, "erlang:node")
        proxy.treat(Cut(1000, is_reset), Side.US)
        with pytest.raises(ConnectionLost):
            await ask(first, "lists:seq", 1000, 5000)
        proxy.treat(Pass())
        lost = await asyncio.gather(*others, return_exceptions=True)
        assert [type(error) for error in lost] == [ConnectionLost] * len(others)
        assert await until_it_answers(node, beam) is not first


async def test_a_link_cut_within_a_question_fails_it_and_comes_back(beam: Beam) -> None:
    async with proxying(beam.port) as proxy, watch_through(proxy, beam) as node:
        first = await until_it_answers(node, beam)
        proxy.treat(Cut(1000), Side.NODE)
        with pytest.raises(ConnectionLost):
            await ask(first, "erlang:length", list(range(1000, 5000)))
        proxy.treat(Pass())
        assert await until_it_answers(node, beam) is not first


async def test_a_link_that_stalls_and_goes_on_loses_nothing(beam: Beam) -> None:
    async with proxying(beam.port) as proxy, watch_through(proxy, beam) as node:
        session = await until_it_answers(node, beam)
        proxy.treat(Stall())
        questions = [asyncio.create_task(ask(session, "lists:seq", 1, size)) for size in range(1, 20)]
        await until(lambda: proxy.holds(Side.NODE), "the questions are on their way")
        assert not any(question.done() for question in questions)
        proxy.treat(Pass())
        assert await asyncio.gather(*questions) == [list(range(1, size + 1)) for size in range(1, 20)]
        assert node.session() is session


async def workers_asleep(observer: Session) -> int:
    functions = await process_items(observer, "current_function")
    return functions.count((Atom("timer"), Atom("sleep"), 1))


async def test_a_node_that_holds_our_dead_connection_says_alive_and_takes_the_next_one(beam: Beam) -> None:
    observer = await join(beam)
    async with proxying(beam.port) as proxy, watch_through(proxy, beam, own_name="halfway") as node:
        first = await until_it_answers(node, beam)
        questions = [asyncio.create_task(ask(first, "timer:sleep", Atom("infinity"))) for _ in range(10)]
        async with asyncio.timeout(SECONDS):
            while await workers_asleep(observer) < len(questions):
                await pause()
        proxy.half_open(closing=Side.US)
        lost = await asyncio.gather(*questions, return_exceptions=True)
        assert [type(error) for error in lost] == [ConnectionLost] * len(questions)
        second = await until_it_answers(node, beam)
        assert second.own.name == first.own.name
        assert b"salive" in proxy.links[-1].forwarded[Side.US]
        assert b"strue" in proxy.links[-1].forwarded[Side.NODE]
        await until(lambda: not proxy.links[0].ends[Side.NODE].is_open, "the node has left the old connection")
        async with asyncio.timeout(SECONDS):
            while await workers_asleep(observer) > 0:
                await pause()
        assert node.session() is second
    observer.close()


@pytest.mark.parametrize(
    ("own_name", "says"),
    [("zz", b"sok_simultaneous"), ("aa", b"snok")],
    ids=["a name behind the node's", "a name before the node's"],
)
async def test_a_node_that_still_waits_in_a_dead_handshake_of_ours_is_up_in_the_end(
    erl: Path, own_name: str, says: bytes
) -> None:
    # The node keeps its half of a handshake for net_setuptime, 7 s if nobody changes it. In this time it takes another
    # of the same name only when the name stands behind its own.
    with Beam(erl, arguments=["-kernel", "net_setuptime", "1"]) as beam:
        async with proxying(beam.port) as proxy:
            proxy.treat(Stall(), Side.US)
            async with watch_through(proxy, beam, own_name=own_name) as node:
                await until(lambda: proxy.holds(Side.US), "the node has answered our introduction")
                proxy.half_open(closing=Side.US)
                proxy.treat(Pass())
                await until_it_answers(node, beam)
            assert bytes(proxy.links[1].forwarded[Side.US])[2:].startswith(says)


async def test_a_connection_that_the_node_has_lost_is_noticed_at_once_when_it_says_so(beam: Beam) -> None:
    async with proxying(beam.port) as proxy, watch_through(proxy, beam) as node:
        first = await until_it_answers(node, beam)
        question = asyncio.create_task(ask(first, "timer:sleep", Atom("infinity")))
        observer = await join(beam)
        await ask(observer, "erlang:disconnect_node", Atom(str(first.own.name)))
        with pytest.raises(ConnectionLost, match="closed the connection"):
            await question
        assert await until_it_answers(node, beam) is not first
        observer.close()
