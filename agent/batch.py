"""Several small questions in one round trip and one worker, without an expression to parse."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from agent.errors import RemoteError, UnexpectedAnswer
from agent.terms import Atom, ExportFun, Term

# Counters and short texts. The limit is for a node that lies: decoded, a list takes many times its bytes here.
MAX_ANSWERS_BYTES: Final = 64 * 1024
MAX_ANSWER_BYTES: Final = 4 * 1024
MAX_COUNTER_BITS: Final = 64

_APPLY: Final = ExportFun(Atom("erlang"), Atom("apply"), 3)


class Caller(Protocol):
    """Whatever can ask a node: a `Session`, or a fake in a test."""

    async def call(
        self,
        module: str,
        function: str,
        arguments: Sequence[Term],
        *,
        deadline_seconds: float,
        max_answer_bytes: int = ...,
    ) -> Term:
        """Apply a function on the node: see `agent.rpc.Calls.call`."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """One function to apply on the node."""

    module: str
    function: str
    arguments: tuple[Term, ...] = ()


def system_info(item: str) -> Question:
    """Ask for ``erlang:system_info(Item)``."""
    return Question("erlang", "system_info", (Atom(item),))


def statistics(item: str) -> Question:
    """Ask for ``erlang:statistics(Item)``."""
    return Question("erlang", "statistics", (Atom(item),))


async def ask_all(caller: Caller, questions: Sequence[Question], deadline_seconds: float) -> list[Term | None]:
    """Ask all questions and return their answers in order; None where the function raised (this OTP does not know it).

    ``lists:zipwith3(fun erlang:apply/3, Modules, Functions, Arguments)`` runs at native speed. One that raises ends all
    of them, so then each is asked by itself, all at the same time: that takes up to twice the deadline.

    Raises what `agent.rpc.Calls.call` raises, but `RemoteError`; and `UnexpectedAnswer` for what is no counter.
    """
    columns: list[Term] = [
        _APPLY,
        [Atom(question.module) for question in questions],
        [Atom(question.function) for question in questions],
        [list(question.arguments) for question in questions],
    ]
    try:
        answers = await caller.call(
            "lists", "zipwith3", columns, deadline_seconds=deadline_seconds, max_answer_bytes=MAX_ANSWERS_BYTES
        )
    except RemoteError:
        return list(await asyncio.gather(*(_ask_one(caller, question, deadline_seconds) for question in questions)))
    if not isinstance(answers, list) or len(answers) != len(questions):
        raise UnexpectedAnswer(f"{len(questions)} questions were asked, and not as many answers came")
    return [counters_only(answer) for answer in answers]


def counters_only(answer: Term) -> Term:
    """Return an answer that is made of counters. Raises `UnexpectedAnswer` when an integer in it is none.

    An emulator's counters have 64 bits at most; a larger one ends in errors wherever a float is made of it.
    """
    if isinstance(answer, int) and answer.bit_length() > MAX_COUNTER_BITS:
        raise UnexpectedAnswer(f"the node gives an integer of {answer.bit_length()} bits, which no counter has")
    if isinstance(answer, tuple | list):
        for element in answer:
            counters_only(element)
    return answer


async def _ask_one(caller: Caller, question: Question, deadline_seconds: float) -> Term | None:
    try:
        answer = await caller.call(
            question.module,
            question.function,
            question.arguments,
            deadline_seconds=deadline_seconds,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )
    except RemoteError:
        return None
    return counters_only(answer)
