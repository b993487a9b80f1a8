from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent.batch import Question, ask_all, statistics, system_info
from agent.errors import ConnectionLost, RemoteError, UnexpectedAnswer
from agent.terms import Atom, ExportFun, Term
from tests.fakes import FakeCaller

QUESTIONS = (system_info("process_count"), statistics("io"), Question("erlang", "node"))


async def test_all_questions_take_one_round_trip() -> None:
    caller = FakeCaller({"lists:zipwith3": [7, (1, 2), Atom("n")]})
    assert await ask_all(caller, QUESTIONS, 1.0) == [7, (1, 2), Atom("n")]
    ((_, arguments),) = caller.calls
    assert arguments == [
        ExportFun(Atom("erlang"), Atom("apply"), 3),
        [Atom("erlang")] * 3,
        [Atom("system_info"), Atom("statistics"), Atom("node")],
        [[Atom("process_count")], [Atom("io")], []],
    ]


async def test_one_that_raises_costs_itself_alone() -> None:
    def info(arguments: Sequence[Term]) -> Term:
        raise RemoteError(Atom("error"), Atom("badarg"))

    caller = FakeCaller(
        {
            "lists:zipwith3": RemoteError(Atom("error"), Atom("badarg")),
            "erlang:system_info": info,
            "erlang:statistics": (1, 2),
            "erlang:node": Atom("n"),
        }
    )
    assert await ask_all(caller, QUESTIONS, 1.0) == [None, (1, 2), Atom("n")]


async def test_a_lost_connection_is_not_hidden() -> None:
    with pytest.raises(ConnectionLost):
        await ask_all(FakeCaller({"lists:zipwith3": ConnectionLost("gone")}), QUESTIONS, 1.0)


@pytest.mark.parametrize("answer", [[1, 2], Atom("ok"), []])
async def test_another_number_of_answers_is_not_taken(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer):
        await ask_all(FakeCaller({"lists:zipwith3": answer}), QUESTIONS, 1.0)
