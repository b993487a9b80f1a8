from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from agent.errors import DeadlineExceeded, UnexpectedAnswer, WorkerDied
from agent.probes import ports
from agent.probes.ports import TOP, PortRow, Ports
from agent.terms import UNDEFINED, Atom, Pid, Port, Term
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies, replaced
from tests.terms_strategies import QUICK

NODE = Atom("tai@127.0.0.1")
OWNER = Pid(NODE, 61, 0, 77)


def port(number: int) -> Port:
    return Port(NODE, number, 77)


def row(number: int, queue: Term = 0) -> tuple[Term, ...]:
    """A port as ``ports.expr`` gives it."""
    return (port(number), b"tcp_inet", OWNER, Atom("net_kernel"), queue, 21_926, 94)


def swept(*longest: Term, silent: Term = (), silent_count: Term = 0) -> tuple[Term, ...]:
    """What ``ports.expr`` gives."""
    assert isinstance(silent, tuple)
    return (5, 65_536, 8_919_643, silent_count, list(silent), list(longest))


async def ask(*longest: Term, silent: Term = (), silent_count: Term = 0) -> Ports:
    return await ports.ask(FakeShell(swept(*longest, silent=silent, silent_count=silent_count)), 1.0)


async def test_every_figure_has_its_place() -> None:
    found = await ask(row(3, 8_919_643))
    assert (found.count, found.limit, found.queue_bytes) == (5, 65_536, 8_919_643)
    assert found.by_queue == (PortRow("#Port<0.3>", "tcp_inet", "<0.61.0>", "net_kernel", 8_919_643, 21_926, 94),)
    assert found.complete


async def test_the_longest_queue_comes_first_and_equal_ones_in_the_order_of_their_ids() -> None:
    found = await ask(row(9, 5), row(100), row(10), row(3, 7))
    assert [one.id for one in found.by_queue] == ["#Port<0.3>", "#Port<0.9>", "#Port<0.10>", "#Port<0.100>"]


async def test_more_rows_than_were_asked_for_are_cut() -> None:
    found = await ask(*(row(number, number) for number in range(TOP + 50)))
    assert len(found.by_queue) == TOP
    assert found.by_queue[0].queue_bytes == TOP + 49


async def test_a_program_s_owner_need_not_have_a_name_nor_its_name_a_word() -> None:
    (found,) = (await ask((port(3), b"", OWNER, [], 0, 0, 0))).by_queue
    assert (found.name, found.owner_name) == ("", None)


async def test_ports_that_do_not_answer_are_named_and_said() -> None:
    found = await ask(row(3), silent=(port(7), port(8)), silent_count=2)
    assert found.not_answering == ("#Port<0.7>", "#Port<0.8>")
    assert [one.id for one in found.by_queue] == ["#Port<0.3>"]
    assert not found.complete
    assert found.left_out[0].endswith(": 2")


async def test_more_silent_ports_than_are_named_are_counted() -> None:
    found = await ask(silent=tuple(port(number) for number in range(TOP)), silent_count=4_000)
    assert len(found.not_answering) == TOP
    assert found.left_out[0].endswith(": 4000")


async def test_it_is_a_sweep_with_a_heap_in_proportion_to_the_node() -> None:
    async def heap_words(count: int) -> int:
        shell = FakeShell(swept(), {"erlang:system_info": count})
        await ports.ask(shell, 1.0)
        (asked,) = shell.evaluations
        assert asked.is_sweep
        assert asked.deadline_seconds < 1.0
        assert shell.calls == [("erlang:system_info", [Atom("port_count")])]
        return asked.max_heap_words

    assert await heap_words(60_000) - await heap_words(0) == 60_000 * ports.HEAP_WORDS_PER_PORT


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), WorkerDied("heap")])
async def test_a_sweep_that_fails_says_why(error: Exception) -> None:
    with pytest.raises(type(error)):
        await ports.ask(FakeShell(error), 1.0)


# ----------------------------------------------------------------------------------------------------- nodes that lie

TRUTH = swept(row(3), row(4), silent=(port(7),), silent_count=1)
LIES: dict[str, Term] = {
    "an atom": Atom("ok"),
    "no rows": TRUTH[:5],
    "a negative count": replaced(TRUTH, 0, -1),
    "rows that are none": replaced(TRUTH, 5, UNDEFINED),
    "a silent pid": replaced(TRUTH, 4, [OWNER]),
    "a row too short": swept(row(3)[:-1]),
    **{
        f"a wrong {field}": swept(replaced(row(3), index, Atom("something else") if field != "owner_name" else b""))
        for index, field in enumerate(PortRow.__slots__)
    },
}


@pytest.mark.parametrize("answer", LIES.values(), ids=LIES)
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer):
        await ports.ask(FakeShell(answer), 1.0)


@QUICK
@given(lies(TRUTH))
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(answer: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await ports.ask(FakeShell(answer), 1.0)


async def test_no_part_of_the_answer_is_taken_for_granted() -> None:
    for answer in every_small_lie(TRUTH):
        with contextlib.suppress(UnexpectedAnswer):
            await ports.ask(FakeShell(answer), 1.0)
