from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from agent import control, etf
from agent.errors import (
    AgentError,
    AnswerTooLarge,
    ConnectionLost,
    DeadlineExceeded,
    LocalProtocolError,
    RemoteError,
    SpawnRefused,
    TooManyQuestions,
    UnexpectedAnswer,
    WorkerDied,
)
from agent.rpc import MAX_IN_FLIGHT, Calls
from agent.terms import Atom, Map, Pid, Term
from tests.fakes import OWN_PID, PEER_CREATION, WORKER, ScriptedPeer, SpawnedCall

INIT = Pid(WORKER.node, 0, 0, PEER_CREATION)
KILL = (8, OWN_PID, WORKER, Atom("kill"))


class Line:
    """`Calls` joined to a scripted peer in memory. What the peer answers arrives when the test lets it."""

    def __init__(self, answer: Callable[[SpawnedCall], bytes] = lambda _call: b"") -> None:
        self.peer = ScriptedPeer(answer=answer, is_connected=True)
        self.calls = Calls(OWN_PID, INIT, self._send)
        self.strays = 0

    def _send(self, message: control.Outgoing) -> None:
        frame = message.encode()
        reply = self.peer.receive(len(frame).to_bytes(4, "big") + frame)
        asyncio.get_running_loop().call_soon(self.arrive, reply)

    def arrive(self, data: bytes) -> None:
        while data:
            size = 4 + int.from_bytes(data[:4], "big")
            message, data = control.parse(data[4:size]), data[size:]
            assert isinstance(message, control.SpawnReply | control.Exit | control.MonitorExit)
            self.strays += not self.calls.receive(message)

    def ask(self, deadline_seconds: float = 5.0) -> asyncio.Task[Term]:
        return asyncio.create_task(self.calls.call("m", "f", [1], deadline_seconds=deadline_seconds))

    def change(self, deadline_seconds: float = 5.0) -> asyncio.Task[Term]:
        return asyncio.create_task(self.calls.call_detached("m", "f", [1], deadline_seconds=deadline_seconds))

    @property
    def only_call(self) -> SpawnedCall:
        (call,) = self.peer.calls
        return call


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_value_comes_back() -> None:
    line = Line(lambda call: call.returned([b"value", 1.5]))
    assert await line.ask() == [b"value", 1.5]


async def test_a_question_runs_in_a_linked_worker_with_a_heap_limit_under_the_node_s_init() -> None:
    line = Line(lambda call: call.returned(1))
    await line.calls.call("erlang", "memory", [], deadline_seconds=5, max_heap_words=1234)
    call = line.only_call
    limit = Map(
        [
            (Atom("size"), 1234),
            (Atom("kill"), Atom("true")),
            (Atom("error_logger"), Atom("false")),
            (Atom("include_shared_binaries"), Atom("true")),
        ]
    )
    assert call.options == (Atom("link"), (Atom("max_heap_size"), limit))
    assert call.group_leader == INIT
    assert call.sender == OWN_PID
    assert call.target == "erlang:memory"


async def test_a_change_runs_in_a_worker_that_is_monitored_and_without_limits() -> None:
    line = Line(lambda call: call.returned(1))
    assert await line.change() == 1
    # 0: also where the node was started with a limit for all processes (erl +hmax).
    assert line.only_call.options == (Atom("monitor"), (Atom("max_heap_size"), 0))
    assert line.only_call.group_leader == INIT


@pytest.mark.parametrize("kind", ["error", "exit", "throw"])
async def test_what_the_function_raises_is_a_typed_error(kind: str) -> None:
    def answer(call: SpawnedCall) -> bytes:
        return call.started() + call.ended((call.reference, Atom(kind), Atom("reason")))

    with pytest.raises(RemoteError) as caught:
        await Line(answer).ask()
    assert (caught.value.exception_class, caught.value.reason) == (Atom(kind), Atom("reason"))
    assert str(caught.value) == f"the node answered {kind}: reason"


async def test_an_error_has_its_stack() -> None:
    stack: Term = [(Atom("lists"), Atom("seq"), [1, 2], [])]

    def answer(call: SpawnedCall) -> bytes:
        return call.started() + call.ended((call.reference, Atom("error"), Atom("badarg"), stack))

    with pytest.raises(RemoteError) as caught:
        await Line(answer).ask()
    assert caught.value.stack == stack


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        (Atom("killed"), "its heap limit, or somebody's kill"),
        (Atom("noconnection"), "noconnection"),
        ((Atom("undef"), [(Atom("erpc"), Atom("execute_call"), 4, [])]), "undef"),
        ((Atom("not our reference"), Atom("return"), 1), "without an answer"),
    ],
)
async def test_a_worker_that_ends_without_an_answer_is_told(reason: Term, says: str) -> None:
    with pytest.raises(WorkerDied, match=says):
        await Line(lambda call: call.started() + call.ended(reason)).ask()


async def test_a_node_that_starts_no_worker_is_told() -> None:
    line = Line(lambda call: call.refused("system_limit"))
    with pytest.raises(SpawnRefused, match="system_limit"):
        await line.ask()
    assert line.peer.others == []


async def test_a_reason_that_is_no_term_is_the_question_s_own_error() -> None:
    def answer(call: SpawnedCall) -> bytes:
        damaged = call.ended((call.reference, Atom("return"), Atom("x"))).replace(b"w\x01x", b"\xff\x01x")
        return call.started() + damaged

    with pytest.raises(UnexpectedAnswer, match="tag 255"):
        await Line(answer).ask()


async def test_an_answer_over_its_limit_is_not_decoded() -> None:
    line = Line(lambda call: call.returned(bytes(2000)))
    with pytest.raises(AnswerTooLarge, match="more than the 1000 that were allowed"):
        await line.calls.call("m", "f", [], deadline_seconds=5, max_answer_bytes=1000)


async def test_a_large_answer_is_decoded_whole() -> None:
    line = Line(lambda call: call.returned(list(range(100_000))))
    assert await line.ask(deadline_seconds=60) == list(range(100_000))


async def test_a_worker_is_killed_when_the_deadline_passes() -> None:
    line = Line(lambda call: call.started())
    with pytest.raises(DeadlineExceeded, match=r"m:f gave no answer within 0\.01 s"):
        await line.ask(deadline_seconds=0.01)
    assert line.peer.others == [KILL]


async def test_a_worker_is_killed_when_the_caller_is_cancelled() -> None:
    line = Line(lambda call: call.started())
    task = line.ask()
    await settle()
    task.cancel()
    await settle()
    assert task.cancelled()
    assert line.peer.others == [KILL]


async def test_a_worker_that_starts_after_the_deadline_is_killed_then() -> None:
    line = Line()
    with pytest.raises(DeadlineExceeded):
        await line.ask(deadline_seconds=0.01)
    assert line.peer.others == []
    line.arrive(line.only_call.started())
    assert line.peer.others == [KILL]


async def test_the_end_of_a_killed_worker_is_expected() -> None:
    line = Line(lambda call: call.started())
    with pytest.raises(DeadlineExceeded):
        await line.ask(deadline_seconds=0.01)
    line.arrive(line.only_call.ended(Atom("killed")))
    assert line.strays == 0
    line.arrive(line.only_call.ended(Atom("killed")))
    assert line.strays == 1


async def test_an_answered_question_leaves_nothing_to_kill() -> None:
    line = Line(lambda call: call.returned(1))
    await line.ask()
    assert line.peer.others == []


async def test_a_change_is_not_killed_when_the_deadline_passes() -> None:
    line = Line(lambda call: call.started())
    with pytest.raises(DeadlineExceeded, match="goes on; its outcome is unknown"):
        await line.change(deadline_seconds=0.01)
    assert line.peer.others == [(20, OWN_PID, WORKER, line.only_call.request)]


async def test_a_change_is_not_killed_when_the_caller_is_cancelled() -> None:
    line = Line(lambda call: call.started())
    task = line.change()
    await settle()
    task.cancel()
    await settle()
    assert line.peer.others == [(20, OWN_PID, WORKER, line.only_call.request)]


async def test_a_change_that_starts_after_the_deadline_is_let_go() -> None:
    line = Line()
    with pytest.raises(DeadlineExceeded):
        await line.change(deadline_seconds=0.01)
    line.arrive(line.only_call.started())
    assert line.peer.others == [(20, OWN_PID, WORKER, line.only_call.request)]


async def test_a_lost_connection_gives_every_waiter_the_reason() -> None:
    line = Line()
    asked, changed = line.ask(), line.change()
    await settle()
    line.calls.lost(ConnectionLost("the node is gone"))
    for task in (asked, changed):
        with pytest.raises(ConnectionLost, match="the node is gone"):
            await task
    assert line.peer.others == []


async def test_nothing_can_be_asked_after_the_connection_is_lost() -> None:
    line = Line()
    line.calls.lost(ConnectionLost("the node is gone"))
    with pytest.raises(ConnectionLost, match="the node is gone"):
        await line.ask()
    assert line.peer.calls == []


async def test_answers_find_their_own_questions_in_any_order() -> None:
    line = Line()
    tasks = [line.ask() for _ in range(50)]
    await settle()
    pids = [Pid(WORKER.node, 1000 + number, 0, PEER_CREATION) for number in range(50)]
    for call, pid in zip(line.peer.calls, pids, strict=True):
        line.arrive(call.started(pid))
    for number in reversed(range(50)):
        call = line.peer.calls[number]
        line.arrive(call.ended((call.reference, Atom("return"), number), pids[number]))
    assert await asyncio.gather(*tasks) == list(range(50))


async def test_answers_to_questions_never_asked_are_strays() -> None:
    line, other = Line(), Line(lambda call: call.returned(1))
    await other.ask()
    line.arrive(other.only_call.returned(1))
    line.arrive(other.only_call.refused("badopt"))
    assert line.strays == 3


async def test_a_worker_is_started_once_however_often_it_is_told() -> None:
    line = Line()
    task = line.ask()
    await settle()
    line.arrive(line.only_call.started())
    line.arrive(line.only_call.started(Pid(WORKER.node, 501, 0, PEER_CREATION)))
    assert line.strays == 1
    line.arrive(line.only_call.ended((line.only_call.reference, Atom("return"), 1)))
    assert await task == 1


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
async def test_more_questions_than_anybody_needs_are_refused() -> None:
    line = Line()
    tasks = [line.ask() for _ in range(MAX_IN_FLIGHT)]
    await settle()
    with pytest.raises(TooManyQuestions, match="wait for the node already"):
        await line.ask()
    line.calls.lost(ConnectionLost("over"))
    assert all(isinstance(ended, AgentError) for ended in await asyncio.gather(*tasks, return_exceptions=True))


async def test_what_is_no_term_is_refused_before_anything_is_sent() -> None:
    line = Line()
    with pytest.raises(LocalProtocolError, match="str is no Erlang term"):
        await line.calls.call("m", "f", ["text"], deadline_seconds=5)  # type: ignore[list-item]  # the mistake under test
    assert line.peer.calls == []


async def test_every_question_has_a_reference_of_its_own() -> None:
    line = Line(lambda call: call.returned(1))
    for _ in range(300):
        await line.ask()
    assert len({call.request for call in line.peer.calls}) == 300
    assert all(etf.decode(etf.encode(call.request)) == call.request for call in line.peer.calls)
