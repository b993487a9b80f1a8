from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import UnexpectedAnswer
from agent.probes import process
from agent.probes.process import NoProcess, Place, Process
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Term
from tests.agent.probes.process_terms import function, row
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies, replaced
from tests.terms_strategies import QUICK

STACK: Term = [(function("gen_server", "loop", 7), 871), (function("proc_lib", "init_p_do_apply", 3), UNDEFINED)]
# What process.expr gives.
THERE = (Atom("process"), row(123), TRUE, Atom("normal"), Atom("tai_autonomics"), 4_200_112, 36, STACK)
NO_SUCH_NAME: Term = (Atom("no_such_name"), [b"init", b"governance_sup", b"kernel_sup"])
GONE = Atom("gone")


async def test_every_fact_has_its_place() -> None:
    found = await process.ask(FakeShell(THERE), 1.0, "0.123.0")
    assert isinstance(found, Process)
    assert found.row.pid == "<0.123.0>"
    assert (found.is_trapping_exits, found.priority, found.application) == (True, "normal", "tai_autonomics")
    assert (found.total_heap_bytes, found.minor_collections) == (4_200_112, 36)
    assert found.stack == (Place("gen_server:loop/7", 871), Place("proc_lib:init_p_do_apply/3", None))


async def test_what_the_node_does_not_know_is_none() -> None:
    answer = replaced(replaced(THERE, 4, UNDEFINED), 6, UNDEFINED)
    found = await process.ask(FakeShell(answer), 1.0, "0.123.0")
    assert isinstance(found, Process)
    assert found.application is None
    assert found.minor_collections is None


@pytest.mark.parametrize(
    ("asked_for", "sent", "is_pid"),
    [
        ("0.123.0", b"<0.123.0>", TRUE),
        ("<0.123.0>", b"<0.123.0>", TRUE),
        ("<0.4294967295.8191>", b"<0.4294967295.8191>", TRUE),
        ("kernel_sup", b"kernel_sup", FALSE),
        ("<0.123.0", b"<0.123.0", FALSE),
        ("0.123.0>", b"0.123.0>", FALSE),
        ("0.123", b"0.123", FALSE),
        ("0.123.0\n", b"0.123.0\n", FALSE),
        ("<weird>", b"<weird>", FALSE),
        ("0.1.\u0662", "0.1.\u0662".encode(), FALSE),
        ("Elixir.My App", b"Elixir.My App", FALSE),
        ("", b"", FALSE),
    ],
)
async def test_an_id_travels_as_bytes_and_is_a_pid_or_a_name(asked_for: str, sent: bytes, is_pid: Term) -> None:
    shell = FakeShell(GONE)
    await process.ask(shell, 1.0, asked_for)
    (asked,) = shell.evaluations
    assert asked.bindings == {"Id": sent, "Is_pid": is_pid}
    assert process.is_printed_pid(asked_for) is (is_pid == TRUE)


async def test_a_pid_that_is_gone_is_told_without_names() -> None:
    assert await process.ask(FakeShell(GONE), 1.0, "0.9.0") == NoProcess("0.9.0", ())


async def test_an_unknown_name_is_told_with_the_nearest() -> None:
    found = await process.ask(FakeShell(NO_SUCH_NAME), 1.0, "governor_sup")
    assert found == NoProcess("governor_sup", ("governance_sup", "kernel_sup"))


async def test_a_name_longer_than_any_atom_is_not_asked_for() -> None:
    shell = FakeShell(THERE)
    assert await process.ask(shell, 1.0, "a" * 1_021) == NoProcess("a" * 1_021, ())
    assert shell.evaluations == []


async def test_bytes_of_the_command_line_that_are_no_text_are_no_name() -> None:
    shell = FakeShell(NO_SUCH_NAME)
    assert await process.ask(shell, 1.0, "\udcff") == NoProcess("\udcff", ())


@pytest.mark.parametrize(
    "answer",
    [
        Atom("ok"),
        (Atom("no_such_name"),),
        (Atom("no_such_name"), b"init"),
        (Atom("no_such_name"), [Atom("init")]),
        (Atom("no_such_name"), [b"x" * 2_049]),
        THERE[:-1],
        *[replaced(THERE, index, b"something else") for index in range(len(THERE))],
        replaced(THERE, 7, [UNDEFINED]),
        replaced(THERE, 7, [(UNDEFINED, 1)]),
        replaced(THERE, 7, [(function("m", "f", 1), -1)]),
    ],
    ids=str,
)
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer, match="the node gives"):
        await process.ask(FakeShell(answer), 1.0, "kernel_sup")


@given(answer=st.one_of(lies(THERE), lies(NO_SUCH_NAME)), process_id=st.text(max_size=20))
@QUICK
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(answer: Term, process_id: str) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await process.ask(FakeShell(answer), 1.0, process_id)


@pytest.mark.parametrize("truth", [THERE, NO_SUCH_NAME], ids=["there", "no such name"])
async def test_no_part_of_the_answer_is_taken_for_granted(truth: Term) -> None:
    for answer in every_small_lie(truth):
        with contextlib.suppress(UnexpectedAnswer):
            await process.ask(FakeShell(answer), 1.0, "kernel_sup")
