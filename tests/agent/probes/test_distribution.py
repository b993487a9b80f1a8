from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from agent.errors import DeadlineExceeded, UnexpectedAnswer, WorkerDied
from agent.probes import distribution
from agent.probes.distribution import MAX_PEERS, Peer, PortFigures, ProcessFigures, SocketFigures
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Term
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies, replaced
from tests.terms_strategies import QUICK

NAME = Atom("tai_billing@10.0.0.7")
PROCESS: Term = (Atom("dist"), Atom("waiting"), [8_744, 610, 233, 46_422, 8, 986, 0, 1_835])
PORT: Term = ([1_633, 114, 48, 9], [1_768, 20, 208, 88, 16, 1_763, 19, 207, 92, 5])
UP: tuple[Term, ...] = (NAME, Atom("up"), 17, PORT, [PROCESS])


async def ask(*peers: Term, count: int | None = None) -> distribution.Distribution:
    return await distribution.ask(FakeShell((len(peers) if count is None else count, list(peers))), 1.0)


async def test_every_figure_has_its_place() -> None:
    (found,) = (await ask(UP)).peers
    assert found == Peer(
        name="tai_billing@10.0.0.7",
        state="up",
        has_queue=17,
        port=PortFigures(input_bytes=1_633, output_bytes=114, memory_bytes=48, queue_bytes=9),
        socket=SocketFigures(
            received_bytes=1_768,
            received_packets=20,
            received_most_bytes=208,
            received_average_bytes=88,
            received_deviation_bytes=16,
            sent_bytes=1_763,
            sent_packets=19,
            sent_most_bytes=207,
            sent_average_bytes=92,
            sent_pending=5,
        ),
        processes={
            "dist": ProcessFigures(
                status="waiting",
                memory_bytes=8_744,
                heap_size_words=610,
                min_heap_size_words=233,
                min_bin_vheap_size_words=46_422,
                stack_size_words=8,
                total_heap_size_words=986,
                message_queue_len=0,
                reductions=1_835,
            )
        },
    )


async def test_of_a_connection_that_is_being_made_little_is_known() -> None:
    (found,) = (await ask((NAME, Atom("pending"), UNDEFINED, Atom("none"), []))).peers
    assert found == Peer("tai_billing@10.0.0.7", "pending", None, None, None, {})


async def test_a_queue_is_counted_or_there_or_not() -> None:
    queues: list[Term] = [FALSE, TRUE, 0, 9, UNDEFINED]
    found = await ask(*(replaced(UP, 2, queue) for queue in queues))
    assert [repr(peer.has_queue) for peer in found.peers] == ["False", "True", "0", "9", "None"]


async def test_a_port_that_is_no_socket_has_no_figures_of_one() -> None:
    (found,) = (await ask(replaced(UP, 3, ([1, 2, 3, 4], [])))).peers
    assert found.port is not None
    assert found.socket is None


async def test_what_does_not_fit_is_said() -> None:
    assert (await ask(UP)).left_out == ()
    found = await ask(*[UP] * MAX_PEERS, count=MAX_PEERS + 3)
    assert found.left_out[0].endswith(": 3")


async def test_a_worker_has_a_limit_and_the_deadline() -> None:
    shell = FakeShell((0, []))
    await distribution.ask(shell, 1.5)
    (asked,) = shell.evaluations
    assert asked.max_heap_words == distribution.HEAP_WORDS
    assert asked.deadline_seconds == 1.5


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), WorkerDied("heap")])
async def test_a_question_that_fails_says_why(error: Exception) -> None:
    with pytest.raises(type(error)):
        await distribution.ask(FakeShell(error), 1.0)


# ----------------------------------------------------------------------------------------------------- nodes that lie

TRUTH: tuple[Term, ...] = (1, [UP])
LIES: dict[str, Term] = {
    "an atom": Atom("ok"),
    "a negative count": replaced(TRUTH, 0, -1),
    "a peer without a name": (1, [replaced(UP, 0, b"tai")]),
    "a negative queue": (1, [replaced(UP, 2, -1)]),
    "a port too short": (1, [replaced(UP, 3, ([1, 2, 3], []))]),
    "a socket too short": (1, [replaced(UP, 3, ([1, 2, 3, 4], [1]))]),
    "a process too short": (1, [replaced(UP, 4, [(Atom("dist"), Atom("waiting"), [1])])]),
    "more processes than a connection has": (1, [replaced(UP, 4, [PROCESS] * 4)]),
    "more peers than were asked for": (1, [UP] * (MAX_PEERS + 1)),
}


@pytest.mark.parametrize("answer", LIES.values(), ids=LIES)
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer):
        await distribution.ask(FakeShell(answer), 1.0)


@QUICK
@given(lies(TRUTH))
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(answer: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await distribution.ask(FakeShell(answer), 1.0)


async def test_no_part_of_the_answer_is_taken_for_granted() -> None:
    for answer in every_small_lie(TRUTH):
        with contextlib.suppress(UnexpectedAnswer):
            await distribution.ask(FakeShell(answer), 1.0)
