from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from agent.errors import DeadlineExceeded, RemoteError
from agent.expression import Evaluated, Expression
from agent.probes import lookup
from agent.probes.process import NoProcess
from agent.rpc import DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_HEAP_WORDS
from agent.terms import UNDEFINED, Atom, Pid, Term
from tests.agent.probes.process_terms import function, pid, row
from tests.fakes import FakeCaller, Scripted

BADARG = RemoteError(Atom("error"), Atom("badarg"))
REGISTERED: Term = (Atom("no_such_name"), [b"governance_sup", b"kernel_sup"])


def governor(printed_id: str, number: int) -> tuple[Term, ...]:
    return (printed_id.encode(), pid(number), Atom("billing_sup"), (0, function("gen_statem", "loop_receive", 3)))


def governors(*found: tuple[Term, ...]) -> Term:
    columns: tuple[Term, ...] = tuple([each[index] for each in found] for index in range(4))
    return ([pid(50)], columns, (len(found), len(found)), [], 12_500_000, 8)


class Node(FakeCaller):
    """A node with some registered names, whose pids below 1000 can be written down, and with governors."""

    def __init__(self, *, process: Term | Exception = REGISTERED, below: Term = (), **registered: Term) -> None:
        self.evaluations: Mapping[str, Term | Exception] = {"process": process, "governors": below or governors()}
        self.asked: list[str] = []
        self.names = registered
        answers: dict[str, Scripted] = {
            "erlang:binary_to_existing_atom": self._atom,
            "erlang:whereis": lambda arguments: registered[arguments[0].name],  # type: ignore[union-attr]  # an atom
            "erlang:list_to_pid": self._pid,
        }
        super().__init__(answers)

    def _atom(self, arguments: Sequence[Term]) -> Term:
        (name,) = arguments
        assert isinstance(name, bytes)
        if name.decode(errors="replace") not in self.names:
            raise BADARG
        return Atom(name.decode())

    def _pid(self, arguments: Sequence[Term]) -> Term:
        (printed,) = arguments
        assert isinstance(printed, list)
        number = int(bytes(printed).decode().split(".")[1])  # type: ignore[arg-type]  # a list of characters
        if number >= 1000:
            raise BADARG
        return pid(number)

    async def evaluate(
        self,
        expression: Expression,
        bindings: Mapping[str, Term],
        *,
        deadline_seconds: float,
        max_heap_words: int = DEFAULT_MAX_HEAP_WORDS,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
        is_sweep: bool = False,
    ) -> Evaluated:
        del bindings, max_heap_words, max_answer_bytes, is_sweep
        assert deadline_seconds > 0
        name = expression.name.rpartition("+")[2]
        self.asked.append(name)
        found = self.evaluations[name]
        if isinstance(found, Exception):
            raise found
        return Evaluated(found, worker_seconds=0.001, reductions=1_000)


@pytest.mark.parametrize("printed", ["0.123.0", "<0.123.0>"])
async def test_a_pid_is_found_as_it_is_printed(printed: str) -> None:
    node = Node()
    assert await lookup.find(printed, node, 1.0) == pid(123)
    assert node.calls == [("erlang:list_to_pid", [[*b"<0.123.0>"]])]


@pytest.mark.parametrize("printed", ["<0.9999999999.0>", "<7.123.0>", "12.3.4"])
async def test_what_can_be_no_pid_of_this_node_is_no_process(printed: str) -> None:
    assert await lookup.find(printed, Node(), 1.0) == NoProcess(printed, ())


async def test_a_registered_name_is_found() -> None:
    node = Node(billing_sup=pid(60))
    assert await lookup.find("billing_sup", node, 1.0) == pid(60)
    assert node.asked == []


async def test_a_name_travels_as_a_binary() -> None:
    node = Node(billing_sup=pid(60))
    await lookup.find("billing_sup", node, 1.0)
    assert node.calls[0] == ("erlang:binary_to_existing_atom", [b"billing_sup"])


@pytest.mark.parametrize("registered", [{}, {"governor_sup": UNDEFINED}])
async def test_a_name_that_nobody_bears_is_answered_with_the_nearest(registered: dict[str, Term]) -> None:
    found = await lookup.find("governor_sup", Node(**registered), 1.0)
    assert found == NoProcess("governor_sup", ("governance_sup", "kernel_sup"))


async def test_a_name_that_is_taken_between_two_questions_is_found() -> None:
    there: Term = (Atom("process"), row(61), Atom("true"), Atom("normal"), UNDEFINED, 1, UNDEFINED, [])
    assert await lookup.find("billing_sup", Node(process=there), 1.0) == pid(61)


@pytest.mark.parametrize("name", ["n" * 1021, "\udcff" * 400])
async def test_a_name_longer_than_any_is_not_sent(name: str) -> None:
    node = Node()
    assert await lookup.find(name, node, 1.0) == NoProcess(name, ())
    assert node.calls == []


async def test_a_node_that_is_late_is_not_taken_for_one_without_the_process() -> None:
    node = Node(process=DeadlineExceeded("the node gave no answer"))
    with pytest.raises(DeadlineExceeded):
        await lookup.find("governor_sup", node, 1.0)


# ----------------------------------------------------------------------------------------------------------- governors

ACME, GLOBEX = governor('{billing_governor,<<"acme">>}', 60), governor('{billing_governor,<<"globex">>}', 61)


@pytest.mark.parametrize("typed", ['{billing_governor,<<"globex">>}', ' { billing_governor, <<"globex">> }'])
async def test_a_governor_is_found_by_its_id(typed: str) -> None:
    node = Node(below=governors(ACME, GLOBEX))
    assert await lookup.find_governor(typed, ["governance_sup"], node, 1.0) == pid(61)


async def test_an_id_that_no_governor_has_is_answered_with_the_nearest() -> None:
    node = Node(below=governors(ACME, GLOBEX))
    found = await lookup.find_governor('{billing_governor,<<"acm">>}', ["governance_sup"], node, 1.0)
    assert isinstance(found, NoProcess)
    assert found.nearest[0] == '{billing_governor,<<"acme">>}'


async def test_of_governors_with_one_id_the_pids_are_told() -> None:
    node = Node(below=governors(governor("one", 60), governor("one", 61)))
    found = await lookup.find_governor("one", ["governance_sup"], node, 1.0)
    assert found == NoProcess("one", ("<0.60.0>", "<0.61.0>"))


async def test_a_governor_with_a_name_or_a_pid_is_found_without_looking_at_all() -> None:
    node = Node(quota_governor=pid(70))
    assert await lookup.find_governor("quota_governor", ["governance_sup"], node, 1.0) == pid(70)
    assert await lookup.find_governor("0.70.0", ["governance_sup"], node, 1.0) == pid(70)
    assert await lookup.find_governor("0.7000.0", ["governance_sup"], node, 1.0) == NoProcess("0.7000.0", ())
    assert node.asked == []


async def test_a_found_process_is_a_pid() -> None:
    assert isinstance(await lookup.find("0.1.0", Node(), 1.0), Pid)
