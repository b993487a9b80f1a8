from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest

from agent.errors import (
    AgentError,
    ConnectionLost,
    DeadlineExceeded,
    EpmdUnreachable,
    HandshakeRefused,
    IncompatiblePeer,
    NameInUse,
    NodeNameError,
    NodeNotRegistered,
    NodeUnreachable,
    NoNamesGiven,
    NotAllowed,
    NotErlang,
    PeerNotTrusted,
    WrongCookie,
    WrongPeer,
)
from agent.handshake import NEEDED_FLAGS, Flag, Identity
from agent.names import NodeName, Target
from agent.session import Options, Session, connect
from agent.terms import Atom, Pid
from erlang_fixtures.beam import free_port
from tests.fakes import (
    OWN_CREATION,
    OWN_NAME,
    OWN_PID,
    PEER_CREATION,
    PEER_NAME,
    WORKER,
    ScriptedPeer,
    cookie,
    frame,
    serving,
    until,
)


async def connect_to(peer: ScriptedPeer, options: Options = Options()) -> AgentError | Session:  # noqa: B008  # frozen
    async with serving(peer) as server:
        try:
            session = await connect(server.target, cookie(), options)
        except AgentError as error:
            return error
        session.close()
        await session.wait_closed()
        return session


class WebServer(ScriptedPeer):
    def receive(self, data: bytes) -> bytes:
        return b"HTTP/1.1 400 Bad Request\r\n\r\n"


async def test_a_session_knows_both_ends() -> None:
    session = await connect_to(ScriptedPeer())
    assert isinstance(session, Session)
    assert session.own == Identity(OWN_NAME, OWN_CREATION)
    assert session.peer == Identity(PEER_NAME, PEER_CREATION)


@pytest.mark.parametrize(
    ("peer", "error"),
    [
        (ScriptedPeer(cookie="another"), WrongCookie),
        (ScriptedPeer(proves_cookie=False), PeerNotTrusted),
        (ScriptedPeer(claimed_name="other@127.0.0.1"), WrongPeer),
        (ScriptedPeer(status=b"nok"), NameInUse),
        (ScriptedPeer(status=b"not_allowed"), NotAllowed),
        (ScriptedPeer(status=b"ok"), NoNamesGiven),
        (ScriptedPeer(status=b"whatever"), HandshakeRefused),
        (ScriptedPeer(flags=NEEDED_FLAGS & ~Flag.SPAWN), IncompatiblePeer),
        (ScriptedPeer(challenge_tag=b"n"), IncompatiblePeer),
        (ScriptedPeer(is_closed=True), NodeUnreachable),
        (WebServer(), NotErlang),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
async def test_each_way_of_being_refused_has_its_own_error(peer: ScriptedPeer, error: type[AgentError]) -> None:
    assert type(await connect_to(peer)) is error


@pytest.mark.parametrize("status", [b"ok", b"ok_simultaneous", b"alive"])
async def test_a_fixed_name_is_borne_and_alive_is_answered(status: bytes) -> None:
    peer = ScriptedPeer(status=status)
    session = await connect_to(peer, Options(own_name="warden"))
    assert isinstance(session, Session)
    assert session.own.name == NodeName("warden", "127.0.0.1")
    assert session.own.creation > 3
    assert peer.introduced.endswith(b"warden@127.0.0.1")


async def test_an_own_name_of_the_other_kind_is_refused_before_connecting() -> None:
    async with serving(ScriptedPeer()) as server:
        with pytest.raises(NodeNameError):
            await connect(server.target, cookie(), Options(own_name="warden@short"))
        assert server.connections == 0


async def test_nobody_at_the_port_is_told() -> None:
    with pytest.raises(NodeUnreachable, match="nothing listens there"):
        await connect(Target(PEER_NAME, free_port()), cookie(), Options())


async def test_a_host_that_does_not_exist_is_told() -> None:
    with pytest.raises(NodeUnreachable, match=r"host name no-such-host\.invalid cannot be resolved"):
        await connect(Target(NodeName("tai", "no-such-host.invalid"), 9100), cookie(), Options())


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError("Multiple exceptions: [Errno 111] ..., [Errno 101] ..."), "none of its addresses answers"),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
        (TimeoutError(), "no answer within 5 s"),
    ],
)
async def test_why_there_is_no_way_to_the_node_is_told(
    error: OSError, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", fail)
    with pytest.raises(NodeUnreachable, match=says):
        await connect(Target(PEER_NAME, 9100), cookie(), Options())


async def test_no_epmd_is_told_with_the_way_around() -> None:
    port = free_port()
    with pytest.raises(EpmdUnreachable, match=f"epmd on 127.0.0.1, port {port}: nothing listens there.*:PORT"):
        await connect(Target(PEER_NAME), cookie(), Options(epmd_port=port))


async def ask_epmd_that_says(reply: bytes) -> list[bytes]:
    """Connect through an epmd that gives this answer; return the questions it got."""
    questions: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        questions.append(await reader.readexactly(2 + int.from_bytes(await reader.readexactly(2), "big") - 2))
        writer.write(reply)
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        session = await connect(Target(PEER_NAME), cookie(), Options(epmd_port=port))
        session.close()
        await session.wait_closed()
    return questions


async def test_epmd_tells_the_port_of_the_node() -> None:
    async with serving(ScriptedPeer()) as server:
        assert await ask_epmd_that_says(b"w\0" + struct.pack(">H", server.port)) == [b"ztai"]


async def test_a_node_that_epmd_does_not_know_is_told() -> None:
    with pytest.raises(NodeNotRegistered):
        await ask_epmd_that_says(b"w\1")


async def test_something_else_at_epmd_s_port_is_told() -> None:
    with pytest.raises(EpmdUnreachable, match="what answers on epmd's port is not epmd"):
        await ask_epmd_that_says(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def test_a_question_is_answered() -> None:
    peer = ScriptedPeer(answer=lambda call: call.returned(b"yes"))
    async with serving(peer) as server:
        session = await connect(server.target, cookie(), Options())
        assert await session.call("m", "f", [], deadline_seconds=5) == b"yes"
        assert await session.call_detached("m", "f", [], deadline_seconds=5) == b"yes"
        session.close()


async def test_a_peer_that_hangs_up_ends_the_session_and_every_question() -> None:
    peer = ScriptedPeer(answer=lambda _call: b"")
    async with serving(peer) as server:
        session = await connect(server.target, cookie(), Options())
        question = asyncio.create_task(session.call("m", "f", [], deadline_seconds=30))
        await until(lambda: peer.calls, "the question arrives")
        server.cut()
        with pytest.raises(ConnectionLost):
            await question
        assert isinstance(await session.wait_closed(), ConnectionLost)


async def test_a_peer_that_breaks_the_protocol_is_left_with_the_reason() -> None:
    async with serving(ScriptedPeer()) as server:
        session = await connect(server.target, cookie(), Options())
        await server.push(b"\xff" * 10_000)
        assert "not the distribution protocol" in str(await session.wait_closed())


async def test_answers_that_nobody_asked_for_are_counted() -> None:
    async with serving(ScriptedPeer()) as server:
        session = await connect(server.target, cookie(), Options())
        await server.push(frame((3, OWN_PID, OWN_PID, Atom("x"))) + frame((2, Atom(""), OWN_PID), 1))
        await until(lambda: session.counters.skipped == 2, "both are counted")
        session.close()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_peer_that_reads_nothing_is_left_and_keeps_nothing_of_ours_open() -> None:
    async with serving(ScriptedPeer(answer=lambda _call: b"")) as server:
        before = open_descriptors()
        session = await connect(server.target, cookie(), Options())
        server.writers[-1].transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport has it
        questions = [
            asyncio.create_task(session.call("m", "f", [bytes(1000 * 1024)], deadline_seconds=30)) for _ in range(40)
        ]
        with pytest.raises(ConnectionLost, match="unread"):
            await questions[0]
        await asyncio.gather(*questions, return_exceptions=True)
        # The peer's own end of the connection is still open, and it alone.
        await until(lambda: open_descriptors() == before + 1, "our socket is closed")


async def test_hundreds_of_workers_that_start_too_late_are_killed_when_they_are_told_in_one_piece() -> None:
    peer = ScriptedPeer(answer=lambda _call: b"")
    async with serving(peer) as server:
        session = await connect(server.target, cookie(), Options())
        questions = [session.call("m", "f", [], deadline_seconds=0.05) for _ in range(500)]
        ends = await asyncio.gather(*questions, return_exceptions=True)
        assert all(isinstance(end, DeadlineExceeded) for end in ends)
        pids = [Pid(WORKER.node, 1000 + number, 0, PEER_CREATION) for number in range(500)]
        await until(lambda: len(peer.calls) == 500, "all questions arrive")
        await server.push(b"".join(call.started(pid) for call, pid in zip(peer.calls, pids, strict=True)))
        await until(lambda: len(peer.others) == 500, "all are told to die")
        assert {kill[2] for kill in peer.others} == set(pids)
        peer.answer = lambda call: call.returned(b"still here")
        assert await session.call("m", "f", [], deadline_seconds=5) == b"still here"
        session.close()


async def test_late_answers_and_a_broken_frame_in_one_piece_end_the_session() -> None:
    peer = ScriptedPeer(answer=lambda _call: b"")
    async with serving(peer) as server:
        session = await connect(server.target, cookie(), Options())
        questions = [session.call("m", "f", [], deadline_seconds=0.05) for _ in range(3)]
        await asyncio.gather(*questions, return_exceptions=True)
        await until(lambda: len(peer.calls) == 3, "all questions arrive")
        await server.push(b"".join(call.started() for call in peer.calls) + b"\xff" * 10_000)
        assert isinstance(await asyncio.wait_for(session.wait_closed(), 10), ConnectionLost)
        with pytest.raises(ConnectionLost):
            await session.call("m", "f", [], deadline_seconds=5)


class SilentPeer(ScriptedPeer):
    def receive(self, data: bytes) -> bytes:
        return b""


async def test_a_connect_that_is_cancelled_leaves_no_connection() -> None:
    peer = SilentPeer()
    async with serving(peer) as server:
        attempt = asyncio.create_task(connect(server.target, cookie(), Options()))
        await until(lambda: server.connections, "we are connected")
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        reader = asyncio.create_task(server.writers[0].wait_closed())
        await asyncio.wait_for(reader, 10)


async def test_closing_fails_whoever_still_waits() -> None:
    peer = ScriptedPeer(answer=lambda _call: b"")
    async with serving(peer) as server:
        session = await connect(server.target, cookie(), Options())
        question = asyncio.create_task(session.call("m", "f", [], deadline_seconds=30))
        await until(lambda: peer.calls, "the question arrives")
        session.close()
        with pytest.raises(ConnectionLost, match="we have closed"):
            await question
