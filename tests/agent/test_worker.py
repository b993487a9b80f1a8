from __future__ import annotations

import pytest

from agent.errors import RemoteError, WorkerDied
from agent.terms import Atom, Reference, Term
from agent.worker import ERPC, PLAIN, Form

REQUEST = Reference(Atom("w@h"), 1, (1, 0, 0))
OTHER = Reference(Atom("w@h"), 1, (2, 0, 0))
STACK: list[Term] = [(Atom("m"), Atom("f"), 1, [])]


@pytest.mark.parametrize(
    ("form", "reason"), [(ERPC, (REQUEST, Atom("return"), b"value")), (PLAIN, [REQUEST, b"value"])]
)
def test_a_value_is_read(form: Form, reason: Term) -> None:
    assert form.read(REQUEST, reason) == b"value"


@pytest.mark.parametrize("form", [ERPC, PLAIN])
@pytest.mark.parametrize(
    "reason", [(OTHER, Atom("return"), b"value"), [OTHER, b"value"], [REQUEST], Atom("noconnection")]
)
def test_a_reason_that_is_no_outcome_of_the_question_is_told(form: Form, reason: Term) -> None:
    with pytest.raises(WorkerDied, match="ended on the node without an answer"):
        form.read(REQUEST, reason)


@pytest.mark.parametrize("form", [ERPC, PLAIN])
def test_a_worker_that_was_killed_is_told_as_one(form: Form) -> None:
    with pytest.raises(WorkerDied, match="heap limit"):
        form.read(REQUEST, Atom("killed"))


@pytest.mark.parametrize("outcome", ["error", "exit", "throw"])
def test_what_the_function_raised_is_told_by_its_class(outcome: str) -> None:
    with pytest.raises(RemoteError, match=f"the node answered {outcome}: sorry"):
        ERPC.read(REQUEST, (REQUEST, Atom(outcome), Atom("sorry"), STACK))


def test_without_erpc_an_error_comes_with_its_stack() -> None:
    with pytest.raises(RemoteError) as caught:
        PLAIN.read(REQUEST, (Atom("badarg"), STACK))
    assert (caught.value.reason, caught.value.stack) == (Atom("badarg"), STACK)
