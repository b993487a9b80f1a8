from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from agent.errors import DeadlineExceeded, UnexpectedAnswer, WorkerDied
from agent.probes import processes
from agent.probes.processes import QUEUE_THRESHOLDS, TOP, Mailboxes, Processes, ProcessRow, Queues
from agent.probes.sweep import HEAP_WORDS
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Pid, Term
from tests.agent.probes.process_terms import row
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies, replaced
from tests.terms_strategies import QUICK

OVER: Term = [4, 3, 2, 1, 0, 0, 0]
BOTH, BY_MEMORY, BY_QUEUE = (TRUE, TRUE), (TRUE, FALSE), (FALSE, TRUE)


def swept(*winners: Term, over: Term = OVER) -> tuple[Term, ...]:
    """What ``processes.expr`` gives."""
    return (412, (1_900, 1_700, over), (48_000_000, 9_000_000), list(winners))


def winner(by: tuple[Term, Term], number: int, memory: Term = 2_688, queue: Term = 0) -> Term:
    return (*by, row(number, memory, queue))


def gone(by: tuple[Term, Term]) -> Term:
    return (*by, FALSE)


async def ask(*winners: Term) -> Processes:
    return await processes.ask(FakeShell(swept(*winners)), 1.0)


def pids(top: tuple[ProcessRow, ...]) -> list[str]:
    return [one.pid for one in top]


async def test_every_figure_has_its_place() -> None:
    found = await ask(winner(BOTH, 7, 9_000_000, 1_700))
    assert found.queues == Queues(
        412, 1_900, 1_700, {0: 4, 10: 3, 100: 2, 1_000: 1, 10_000: 0, 100_000: 0, 1_000_000: 0}
    )
    assert (found.memory_bytes, found.largest_memory_bytes) == (48_000_000, 9_000_000)
    flooded = ProcessRow(
        pid="<0.7.0>",
        name=None,
        initial_call="tai_governor:init/1",
        parent="<0.50.0>",
        parent_name="billing_sup",
        current_function="gen_server:loop/7",
        status="waiting",
        reductions=500,
        memory_bytes=9_000_000,
        message_queue_len=1_700,
    )
    assert found.by_memory == found.by_message_queue_len == (flooded,)


async def test_mailboxes_are_asked_for_without_memory() -> None:
    shell = FakeShell((412, (1_900, 1_700, OVER), (0, 0), [winner(BY_QUEUE, 7, 2_688, 1_700)]))
    found = await processes.ask_mailboxes(shell, 1.0)
    assert isinstance(found, Mailboxes)
    assert pids(found.by_message_queue_len) == ["<0.7.0>"]
    assert found.queues.over[1_000] == 1
    assert [asked.bindings["With_memory"] for asked in shell.evaluations] == [FALSE]


async def test_the_largest_comes_first_whatever_the_order_on_the_node() -> None:
    found = await ask(winner(BOTH, 1, 100, 5), winner(BOTH, 2, 300, 1), winner(BOTH, 3, 200, 9))
    assert pids(found.by_memory) == ["<0.2.0>", "<0.3.0>", "<0.1.0>"]
    assert pids(found.by_message_queue_len) == ["<0.3.0>", "<0.1.0>", "<0.2.0>"]


async def test_equally_large_ones_stay_in_the_order_of_their_pids() -> None:
    found = await ask(*(winner(BOTH, number, 100, 5) for number in (9, 10, 100)))
    assert pids(found.by_memory) == pids(found.by_message_queue_len) == ["<0.9.0>", "<0.10.0>", "<0.100.0>"]


async def test_a_process_that_has_died_meanwhile_is_in_no_row() -> None:
    found = await ask(gone(BOTH), winner(BOTH, 2, 300, 1), gone(BY_QUEUE))
    assert pids(found.by_memory) == pids(found.by_message_queue_len) == ["<0.2.0>"]


async def test_the_place_of_one_that_died_is_not_taken_by_one_of_the_other_ranking() -> None:
    found = await ask(gone(BY_MEMORY), winner(BY_QUEUE, 2, 300, 1), winner(BY_MEMORY, 3, 400, 1))
    assert pids(found.by_memory) == ["<0.3.0>"]
    assert pids(found.by_message_queue_len) == ["<0.2.0>"]


async def test_a_mailbox_that_is_empty_now_is_in_no_row() -> None:
    found = await ask(winner(BOTH, 1, 100, 0), winner(BOTH, 2, 100, 1))
    assert pids(found.by_message_queue_len) == ["<0.2.0>"]


async def test_more_rows_than_were_asked_for_are_cut() -> None:
    found = await ask(*(winner(BOTH, number, number + 1, number + 1) for number in range(TOP + 50)))
    assert len(found.by_memory) == len(found.by_message_queue_len) == TOP
    assert found.by_memory[0].pid == f"<0.{TOP + 49}.0>"


async def test_a_parent_on_another_node_is_said_to_be_there() -> None:
    remote = replaced(row(7), 3, Pid(Atom("tool@127.0.0.1"), 88, 0, 5))
    found = await ask((*BOTH, remote))
    assert found.by_memory[0].parent == "<0.88.0> on tool@127.0.0.1"


@pytest.mark.parametrize("field", ["name", "initial_call", "parent", "parent_name", "current_function"])
async def test_what_the_node_does_not_know_is_none(field: str) -> None:
    index = ProcessRow.__slots__.index(field)
    (found,) = (await ask((*BOTH, replaced(row(7), index, UNDEFINED)))).by_memory
    assert getattr(found, field) is None


async def test_it_is_a_sweep_with_a_heap_in_proportion_to_the_node() -> None:
    async def heap_words(count: int) -> int:
        shell = FakeShell(swept(), {"erlang:system_info": count})
        await processes.ask(shell, 1.0)
        (asked,) = shell.evaluations
        assert asked.is_sweep
        assert shell.calls == [("erlang:system_info", [Atom("process_count")])]
        return asked.max_heap_words

    assert await heap_words(0) == HEAP_WORDS
    assert await heap_words(1_000_000) == HEAP_WORDS + 1_000_000 * processes.HEAP_WORDS_PER_PROCESS
    assert await heap_words((1 << 64) - 1) == HEAP_WORDS + (1 << 27) * processes.HEAP_WORDS_PER_PROCESS


async def test_both_questions_share_one_deadline() -> None:
    shell = FakeShell(swept())
    await processes.ask(shell, 1.0)
    assert shell.evaluations[0].deadline_seconds < 1.0


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), WorkerDied("heap")])
async def test_a_sweep_that_fails_says_why(error: Exception) -> None:
    with pytest.raises(type(error)):
        await processes.ask(FakeShell(error), 1.0)


@pytest.mark.parametrize("count", [UNDEFINED, -1, b"412"], ids=str)
async def test_a_count_that_is_none_ends_it_before_the_sweep(count: Term) -> None:
    shell = FakeShell(swept(), {"erlang:system_info": count})
    with pytest.raises(UnexpectedAnswer):
        await processes.ask(shell, 1.0)
    assert shell.evaluations == []


# ----------------------------------------------------------------------------------------------------- nodes that lie

LIES: dict[str, Term] = {
    "an atom": Atom("ok"),
    "no winners": swept()[:3],
    "a threshold too few": swept(over=[1] * (len(QUEUE_THRESHOLDS) - 1)),
    "a threshold too many": swept(over=[1] * (len(QUEUE_THRESHOLDS) + 1)),
    "a negative count": replaced(swept(), 0, -1),
    "a size of 65 bits": replaced(swept(), 2, (1 << 64, 1)),
    "winners that are none": swept(Atom("undefined")),
    "a winner by hearsay": swept((Atom("maybe"), TRUE, row(1))),
    "a row too short": swept((TRUE, TRUE, row(1)[:-1])),
    "a row of something": swept((TRUE, TRUE, 7)),
    **{
        f"a wrong {field}": swept((TRUE, TRUE, replaced(row(1), index, b"something else")))
        for index, field in enumerate(ProcessRow.__slots__)
    },
}
ASK: dict[str, Callable[[FakeShell, float], Awaitable[Processes | Mailboxes]]] = {
    "processes": processes.ask,
    "mailboxes": processes.ask_mailboxes,
}


@pytest.mark.parametrize("probe", list(ASK))
@pytest.mark.parametrize("lie", list(LIES))
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(probe: str, lie: str) -> None:
    with pytest.raises(UnexpectedAnswer, match="the node gives"):
        await ASK[probe](FakeShell(LIES[lie]), 1.0)


@given(answer=lies(swept(winner(BOTH, 1), gone(BY_QUEUE))), count=st.one_of(st.just(100), lies(100)))
@QUICK
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(answer: Term, count: Term) -> None:
    for probe, ask in ASK.items():  # not one test for each: to make the answers takes far longer than to read them
        note(probe)
        with contextlib.suppress(UnexpectedAnswer):
            await ask(FakeShell(answer, {"erlang:system_info": count}), 1.0)


@pytest.mark.parametrize("probe", list(ASK))
async def test_no_part_of_the_answer_is_taken_for_granted(probe: str) -> None:
    for answer in every_small_lie(swept(winner(BOTH, 1))):
        with contextlib.suppress(UnexpectedAnswer):
            await ASK[probe](FakeShell(answer), 1.0)
