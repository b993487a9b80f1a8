"""Expressions: how the node is made to read one, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent.errors import CannotEvaluate, LocalProtocolError, UnexpectedAnswer
from agent.etf import Fragment
from agent.expression import PARSE_SECONDS, Evaluated, Evaluator, Expression
from agent.terms import Atom, Map, Term

TWICE = Expression("twice", "X + X")
TOKENS: Term = [(Atom("var"), 4, Atom("X"))]
FORMS: Term = [(Atom("call"), 1, Atom("X"), [])]
SCANNED: Term = (Atom("ok"), TOKENS, 9)
PARSED: Term = (Atom("ok"), FORMS)


def gave(value: Term, microseconds: Term = 250, reductions: Term = 1200) -> Term:
    return (Atom("value"), (microseconds, reductions, value), [])


class ScriptedCall:
    """Answers each function with what the test says, and remembers what was asked."""

    def __init__(self, **answers: Term) -> None:
        self.answers: dict[str, Term] = {"string": SCANNED, "parse_exprs": PARSED, "exprs": gave(42)}
        self.answers.update(answers)
        self.asked: list[tuple[str, Sequence[Term]]] = []
        self.sweeps: list[bool] = []
        self.deadlines: list[float] = []

    async def __call__(
        self,
        module: str,
        function: str,
        arguments: Sequence[Term],
        *,
        deadline_seconds: float,
        is_sweep: bool = False,
        **_limits: float,
    ) -> Term:
        self.asked.append((f"{module}:{function}", arguments))
        self.sweeps.append(is_sweep)
        self.deadlines.append(deadline_seconds)
        return self.answers[function]


def evaluator_of(call: ScriptedCall, detached: ScriptedCall | None = None) -> Evaluator:
    return Evaluator(call, detached or ScriptedCall())


async def test_the_value_comes_with_what_it_cost_the_worker() -> None:
    call = ScriptedCall()
    found = await evaluator_of(call).evaluate(TWICE, {"X": 21}, deadline_seconds=1, is_sweep=True)
    assert found == Evaluated(42, 0.00025, 1200)
    assert [name for name, _ in call.asked] == ["erl_scan:string", "erl_parse:parse_exprs", "erl_eval:exprs"]
    assert call.sweeps == [False, False, True]


async def test_an_expression_is_read_once_for_a_connection() -> None:
    call = ScriptedCall()
    evaluator = evaluator_of(call)
    for _ in range(3):
        await evaluator.evaluate(TWICE, {"X": 21}, deadline_seconds=1)
    assert [name for name, _ in call.asked].count("erl_parse:parse_exprs") == 1
    assert [name for name, _ in call.asked].count("erl_eval:exprs") == 3


async def test_bindings_go_as_a_map_of_variables() -> None:
    call = ScriptedCall()
    await evaluator_of(call).evaluate(TWICE, {"X": 21, "A": b"acme"}, deadline_seconds=1)
    forms, bindings = call.asked[-1][1]
    assert forms == Fragment.of(FORMS)
    assert bindings == Map([(Atom("A"), b"acme"), (Atom("X"), 21)])


async def test_bindings_are_never_part_of_the_source() -> None:
    call = ScriptedCall()
    await evaluator_of(call).evaluate(TWICE, {"X": b"halt()"}, deadline_seconds=1)
    (source,) = call.asked[0][1]
    assert isinstance(source, list)
    text = "".join(chr(code) for code in source if isinstance(code, int))
    assert "X + X" in text
    assert "halt" not in text


async def test_a_node_that_cannot_evaluate_is_not_asked() -> None:
    call = ScriptedCall()
    evaluator = evaluator_of(call)
    evaluator.is_there = False
    with pytest.raises(CannotEvaluate, match="not loaded on the node"):
        await evaluator.evaluate(TWICE, {"X": 21}, deadline_seconds=1)
    assert call.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        Atom("ok"),
        (Atom("value"), 42, []),
        gave(42, microseconds=-1),
        gave(42, microseconds=1 << 60),
        gave(42, reductions=Atom("many")),
        gave(42, reductions=1 << 70),
        (Atom("error"), (1, 2, 3), []),
    ],
    ids=str,
)
async def test_an_answer_of_another_shape_is_said_to_be_one(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer, match="twice"):
        await evaluator_of(ScriptedCall(exprs=answer)).evaluate(TWICE, {"X": 1}, deadline_seconds=1)


@pytest.mark.parametrize("step", ["string", "parse_exprs"])
async def test_a_mistake_in_an_expression_is_ours_and_has_its_line(step: str) -> None:
    refused: Term = (Atom("error"), (5, Atom("erl_parse"), [b"syntax error before: "]), 9)
    with pytest.raises(LocalProtocolError, match=r"twice: line 2, says erl_parse"):
        await evaluator_of(ScriptedCall(**{step: refused})).evaluate(TWICE, {"X": 1}, deadline_seconds=1)


async def test_a_refusal_of_another_shape_is_no_bug_of_its_own() -> None:
    with pytest.raises(LocalProtocolError, match="a shape that we do not know"):
        await evaluator_of(ScriptedCall(string=Atom("no"))).evaluate(TWICE, {"X": 1}, deadline_seconds=1)


async def test_reading_an_expression_for_the_first_time_is_within_the_deadline() -> None:
    call = ScriptedCall()
    evaluator = evaluator_of(call)
    for _ in range(2):
        await evaluator.evaluate(TWICE, {"X": 21}, deadline_seconds=1.0)
    read, parsed, *evaluated = call.deadlines
    assert read == parsed == 0.5
    assert all(deadline <= 1.0 for deadline in evaluated)
    await evaluator.evaluate(Expression("thrice", "X * 3"), {"X": 21}, deadline_seconds=60.0)
    assert call.deadlines[4:6] == [PARSE_SECONDS, PARSE_SECONDS]


async def test_what_changes_something_is_read_by_an_ordinary_worker_and_run_by_a_detached_one() -> None:
    call, detached = ScriptedCall(), ScriptedCall(exprs=gave(43))
    found = await evaluator_of(call, detached).evaluate_detached(TWICE, {"X": 21}, deadline_seconds=9)
    assert found.value == 43
    assert [name for name, _ in call.asked] == ["erl_scan:string", "erl_parse:parse_exprs"]
    assert [name for name, _ in detached.asked] == ["erl_eval:exprs"]
