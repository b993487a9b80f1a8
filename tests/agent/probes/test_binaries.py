from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given

from agent.errors import ConnectionLost, DeadlineExceeded, UnexpectedAnswer, WorkerDied
from agent.expression import Evaluated, Expression
from agent.probes import binaries
from agent.probes.binaries import COUNTED, MAX_REFERENCES, TOP, BinaryHolders, CountedBinaries
from agent.terms import FALSE, UNDEFINED, Atom, Term
from tests.agent.probes.process_terms import row
from tests.fakes import FakeCaller, FakeShell
from tests.lies import every_small_lie, lies, replaced
from tests.terms_strategies import QUICK

GONE = Atom("gone")
THOUSAND: Term = (Atom("counted"), 2_000, 1_000, 64_000_000)


def swept(*holders: Term) -> tuple[Term, ...]:
    """What ``binary_holders.expr`` gives."""
    return (412, 104_715_216, 100_747_624, list(holders))


class Node(FakeShell):
    """A node where the sweep finds these, and each count in turn gives the next answer; the last goes on."""

    def __init__(self, sweep: Term | Exception, counts: Sequence[Term | Exception] = (THOUSAND,)) -> None:
        super().__init__(sweep)
        self._counts = list(counts)

    async def evaluate(
        self,
        expression: Expression,
        bindings: Mapping[str, Term],
        *,
        deadline_seconds: float,
        **limits: int,
    ) -> Evaluated:
        if expression.name == "binaries_of":
            self.value = self._counts.pop(0) if len(self._counts) > 1 else self._counts[0]
        return await super().evaluate(expression, bindings, deadline_seconds=deadline_seconds, **limits)  # type: ignore[arg-type]  # is_sweep is a bool


async def ask(*holders: Term, counts: Sequence[Term | Exception] = (THOUSAND,)) -> BinaryHolders:
    return await binaries.ask_holders(Node(swept(*holders), counts), 1.0)


async def test_the_sum_alone_is_one_question_of_constant_cost() -> None:
    caller = FakeCaller({"erlang:memory": 700_720})
    assert (await binaries.ask(caller, 1.0)).memory_bytes == 700_720
    assert caller.calls == [("erlang:memory", [Atom("binary")])]


@pytest.mark.parametrize("answer", [-1, UNDEFINED, [(Atom("binary"), 1)]], ids=str)
async def test_a_sum_that_is_none_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer):
        await binaries.ask(FakeCaller({"erlang:memory": answer}), 1.0)


async def test_every_figure_has_its_place() -> None:
    found = await ask((100_000_000, row(7)))
    assert (found.processes, found.memory_bytes, found.estimated_bytes) == (412, 104_715_216, 100_747_624)
    (holder,) = found.holders
    assert (holder.process.pid, holder.estimated_bytes) == ("<0.7.0>", 100_000_000)
    assert holder.counted == CountedBinaries(references=2_000, binaries=1_000, size_bytes=64_000_000)
    assert holder.why_not_counted is None
    assert found.complete


async def test_only_the_first_are_counted_and_the_others_say_so() -> None:
    node = Node(swept(*((1_000 - number, row(number)) for number in range(COUNTED + 5))))
    found = await binaries.ask_holders(node, 1.0)
    assert [holder.counted is not None for holder in found.holders] == [True] * COUNTED + [False] * 5
    assert found.holders[-1].why_not_counted == "only those of the first 20 are counted"
    assert found.complete
    counts = [asked for asked in node.evaluations if asked.name == "binaries_of"]
    assert [asked.bindings["Id"] for asked in counts] == [f"<0.{number}.0>".encode() for number in range(COUNTED)]
    assert {asked.bindings["Max_references"] for asked in counts} == {MAX_REFERENCES}
    assert all(asked.is_sweep for asked in node.evaluations)


async def test_no_more_rows_are_read_than_were_asked_for() -> None:
    found = await ask(*((1_000 - number, row(number)) for number in range(TOP + 5)))
    assert len(found.holders) == TOP


async def test_a_process_that_has_died_meanwhile_is_in_no_row() -> None:
    found = await ask((9, FALSE), (8, row(8)))
    assert [holder.process.pid for holder in found.holders] == ["<0.8.0>"]


@pytest.mark.parametrize(
    ("count", "why"),
    [
        (GONE, "it has ended"),
        ((Atom("too_many"), 266_673), "it may refer to as many as 266673, and 100000 are looked at"),
        (DeadlineExceeded("late"), "it did not answer in time"),
        (WorkerDied("heap"), "to look at each takes more memory than a question may"),
    ],
    ids=["gone", "too many", "late", "heap"],
)
async def test_one_that_is_not_counted_says_why_and_keeps_its_estimate(count: Term | Exception, why: str) -> None:
    found = await ask((9, row(9)), (8, row(8)), counts=[count, THOUSAND])
    first, second = found.holders
    assert (first.estimated_bytes, first.counted, first.why_not_counted) == (9, None, why)
    assert second.counted is not None
    assert found.left_out == ("processes whose binaries are estimated and not counted, of the first 2: 1",)


async def test_when_the_time_is_over_the_rest_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "ALL_SHARE", 0.0)
    node = Node(swept((9, row(9))))
    (holder,) = (await binaries.ask_holders(node, 1.0)).holders
    assert (holder.counted, holder.why_not_counted) == (None, "no time was left")
    assert [asked.name for asked in node.evaluations] == ["binary_holders"]


async def test_one_process_cannot_use_up_the_time_of_all() -> None:
    node = Node(swept((9, row(9)), (8, row(8))))
    await binaries.ask_holders(node, 30.0)
    sweep, *counts = node.evaluations
    assert sweep.deadline_seconds <= 30.0 * binaries.SWEEP_SHARE
    assert {asked.deadline_seconds for asked in counts} == {binaries.COUNT_SECONDS}


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), WorkerDied("heap")])
async def test_a_sweep_that_fails_says_why(error: Exception) -> None:
    with pytest.raises(type(error)):
        await binaries.ask_holders(FakeShell(error), 1.0)


async def test_a_release_that_has_no_estimates_is_not_one_without_binaries() -> None:
    with pytest.raises(UnexpectedAnswer, match="this release"):
        await binaries.ask_holders(FakeShell(Atom("not_told")), 1.0)


async def test_a_connection_that_is_lost_while_counting_is_no_answer() -> None:
    with pytest.raises(ConnectionLost):
        await ask((9, row(9)), counts=[ConnectionLost("gone")])


# ----------------------------------------------------------------------------------------------------- nodes that lie

TRUTH = swept((9, row(9)), (8, FALSE))
SWEEPS: dict[str, Term] = {
    "an atom": Atom("ok"),
    "no holders": TRUTH[:3],
    "a negative count": replaced(TRUTH, 0, -1),
    "a negative sum": replaced(TRUTH, 2, -1),
    "holders that are none": replaced(TRUTH, 3, UNDEFINED),
    "a row too short": swept((9, row(9)[:-1])),
    "a negative estimate": swept((-9, row(9))),
}
COUNTS: dict[str, Term] = {
    "an atom": Atom("ok"),
    "a negative number": (Atom("counted"), -1, 0, 0),
    "a size too few": (Atom("counted"), 1, 1),
    "too many of nothing": (Atom("too_many"), UNDEFINED),
}


@pytest.mark.parametrize("answer", SWEEPS.values(), ids=SWEEPS)
async def test_a_sweep_of_another_shape_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer):
        await binaries.ask_holders(Node(answer), 1.0)


@pytest.mark.parametrize("answer", COUNTS.values(), ids=COUNTS)
async def test_a_count_of_another_shape_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer):
        await ask((9, row(9)), counts=[answer])


async def test_no_part_of_the_answers_is_taken_for_granted() -> None:
    for answer in every_small_lie(TRUTH):
        with contextlib.suppress(UnexpectedAnswer):
            await binaries.ask_holders(Node(answer), 1.0)
    for answer in every_small_lie(THOUSAND):
        with contextlib.suppress(UnexpectedAnswer):
            await ask((9, row(9)), counts=[answer])


@QUICK
@given(lies(TRUTH), lies(THOUSAND))
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(sweep: Term, count: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await binaries.ask_holders(Node(sweep, [count]), 1.0)
