"""How a child is asked for."""

from __future__ import annotations

import pytest

from agent.errors import DeadlineExceeded, RemoteError, UnexpectedAnswer
from agent.probes import restart_facts
from agent.probes.restart_facts import HEAP_WORDS, NoSuchSupervisor, printed_id
from agent.restarting import RestartFacts
from agent.terms import UNDEFINED, Atom, Term
from tests.agent.probes.process_terms import pid
from tests.agent.probes.restart_terms import facts
from tests.fakes import FakeShell, Scripted

FOUND: dict[str, Scripted] = {
    "erlang:binary_to_existing_atom": Atom("receipt_ledger_sup"),
    "erlang:whereis": pid(50),
    "erlang:list_to_pid": pid(60),
}


async def asked_with(shell: FakeShell, supervisor: str | None, child: str) -> tuple[Term, Term]:
    found = await restart_facts.ask(shell, 5.0, supervisor, child)
    assert isinstance(found, RestartFacts)
    (evaluation,) = shell.evaluations
    assert evaluation.max_heap_words == HEAP_WORDS
    return evaluation.bindings["Supervisor"], evaluation.bindings["Child"]


async def test_a_child_below_a_supervisor_is_asked_for_by_its_printed_id() -> None:
    shell = FakeShell((facts(), 8), FOUND)
    assert await asked_with(shell, "receipt_ledger_sup", "{a, <<1>>}") == (pid(50), b"{a,<<1>>}")


async def test_a_child_below_a_supervisor_is_asked_for_by_its_pid() -> None:
    assert await asked_with(FakeShell((facts(), 8), FOUND), "receipt_ledger_sup", "0.60.0") == (pid(50), pid(60))


async def test_a_child_alone_is_asked_for_by_its_pid_and_its_supervisor_is_left_to_the_node() -> None:
    assert await asked_with(FakeShell((facts(), 8), FOUND), None, "<0.60.0>") == (UNDEFINED, pid(60))


async def test_a_pid_that_no_process_can_have_is_compared_as_an_id() -> None:
    answers: dict[str, Scripted] = {**FOUND, "erlang:list_to_pid": RemoteError(Atom("error"), Atom("badarg"))}
    shell = FakeShell((facts(), 8), answers)
    assert await asked_with(shell, "receipt_ledger_sup", "<0.999999999.0>") == (pid(50), b"<0.999999999.0>")


async def test_a_supervisor_that_nobody_is_named_like_is_told_with_the_nearest() -> None:
    answers: dict[str, Scripted] = {"erlang:binary_to_existing_atom": RemoteError(Atom("error"), Atom("badarg"))}
    nearest: Term = (Atom("no_such_name"), [b"governance_sup"])
    shell = FakeShell(nearest, answers)
    found = await restart_facts.ask(shell, 5.0, "governor_sup", "billing_sup")
    assert found == NoSuchSupervisor("governor_sup", ("governance_sup",))


@pytest.mark.parametrize("answer", [UNDEFINED, (facts(), 0), (facts(), 16), facts()])
async def test_another_shape_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer):
        await restart_facts.ask(FakeShell(answer, FOUND), 5.0, "receipt_ledger_sup", "x")


@pytest.mark.parametrize("error", [DeadlineExceeded("no answer"), UnexpectedAnswer("no term")])
async def test_errors_of_the_question_are_the_probe_s(error: Exception) -> None:
    with pytest.raises(type(error)):
        await restart_facts.ask(FakeShell(error, FOUND), 5.0, "receipt_ledger_sup", "x")


def test_an_id_is_compared_without_blanks_and_with_the_bytes_that_it_came_with() -> None:
    assert printed_id('{ a, <<"x y">> }') == b'{a,<<"xy">>}'
    assert printed_id("\udcff") == b"\xed\xb3\xbf"  # what Python could not decode is no id of any child
