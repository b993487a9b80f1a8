from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from agent.errors import UnexpectedAnswer
from agent.probes import rows
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Pid, Term
from tests.terms_strategies import QUICK, TERMS

HERE = Atom("tai@127.0.0.1")
OTHER = Atom("tool@127.0.0.1")

READERS: dict[str, Callable[[Term], object]] = {
    "count": rows.count,
    "optional_count": rows.optional_count,
    "counts": rows.counts,
    "elements": rows.elements,
    "pid": rows.pid,
    "optional_pid": rows.optional_pid,
    "name": rows.name,
    "atom": rows.atom,
    "boolean": rows.boolean,
    "function": rows.function,
    "text": rows.text,
}


@given(term=TERMS)
@QUICK
def test_what_is_no_such_thing_is_an_unexpected_answer_and_nothing_else(term: Term) -> None:
    for reader, read in READERS.items():  # not one test for each: to make the terms takes far longer than to read them
        note(reader)
        with contextlib.suppress(UnexpectedAnswer):
            read(term)


@pytest.mark.parametrize(
    ("reader", "term", "wanted"),
    [
        ("count", 0, 0),
        ("count", (1 << 64) - 1, (1 << 64) - 1),
        ("optional_count", UNDEFINED, None),
        ("optional_count", 7, 7),
        ("counts", [1, 2], (1, 2)),
        ("counts", [], ()),
        ("pid", Pid(HERE, 123, 4, 77), "<0.123.4>"),
        ("optional_pid", UNDEFINED, None),
        ("name", Atom("kernel_sup"), "kernel_sup"),
        ("name", Atom("Elixir.My App"), "Elixir.My App"),
        ("name", UNDEFINED, None),
        ("name", [], None),
        ("boolean", TRUE, True),
        ("boolean", FALSE, False),
        ("function", (Atom("gen_server"), Atom("loop"), 7), "gen_server:loop/7"),
        ("function", (Atom("Elixir.Task"), Atom("-run/1-"), 0), "'Elixir.Task':'-run/1-'/0"),
        ("function", (Atom("m"), Atom("f"), [1, 2]), "m:f/2"),
        ("function", UNDEFINED, None),
        ("text", b"\xc3\xb6", "\u00f6"),
        ("text", b"\xff", "\ufffd"),
    ],
    ids=str,
)
def test_what_it_is_is_read(reader: str, term: Term, wanted: object) -> None:
    assert READERS[reader](term) == wanted


@pytest.mark.parametrize(
    ("reader", "term"),
    [
        ("count", -1),
        ("count", 1 << 64),
        ("count", 1.0),
        ("count", UNDEFINED),
        ("counts", [1, -1]),
        ("elements", (1, 2)),
        ("boolean", UNDEFINED),
        ("boolean", 1),
        ("function", (Atom("m"), Atom("f"), 256)),
        ("function", (Atom("m"), Atom("f"), -1)),
        ("function", (Atom("m"), b"f", 1)),
        ("text", b"x" * 2_049),
        ("text", "x"),
    ],
    ids=str,
)
def test_what_is_nearly_so_is_refused(reader: str, term: Term) -> None:
    with pytest.raises(UnexpectedAnswer, match="the node gives"):
        READERS[reader](term)


def test_a_pid_of_the_same_node_is_printed_as_there() -> None:
    assert rows.pid_seen_from(Pid(HERE, 5, 0, 77), Pid(HERE, 6, 0, 77)) == "<0.5.0>"


def test_a_pid_of_another_node_is_not_taken_for_one_of_this() -> None:
    assert rows.pid_seen_from(Pid(OTHER, 5, 0, 1), Pid(HERE, 6, 0, 77)) == "<0.5.0> on tool@127.0.0.1"


# ---------------------------------------------------------------------------------------------------------- near names


@pytest.mark.parametrize(
    ("wanted", "known", "near"),
    [
        ("governor_sup", ["init", "governance_sup"], ("governance_sup",)),
        ("kernel_su", ["net_kernel", "kernel_sup", "logger"], ("kernel_sup", "net_kernel")),
        ("GOVERNANCE_SUP", ["governance_sup"], ("governance_sup",)),
        ("init", ["init", "inet_db"], ("init",)),
        ("x", ["x", "y"], ("x",)),
        ("", ["init"], ()),
        ("zzz", ["init"], ()),
        ("init", [], ()),
        ("init", ["init", "init"], ("init",)),
    ],
)
def test_the_nearest_names_come_first_and_others_not_at_all(
    wanted: str, known: list[str], near: tuple[str, ...]
) -> None:
    assert rows.nearest(wanted, known) == near


def test_equally_near_names_come_in_alphabetical_order() -> None:
    assert rows.nearest("tenant_x", ["tenant_c", "tenant_a", "tenant_b"]) == ("tenant_a", "tenant_b", "tenant_c")


def test_there_are_never_more_than_five() -> None:
    assert len(rows.nearest("tenant", [f"tenant_{number}" for number in range(100)])) == rows.NEAREST == 5


@given(wanted=st.text(max_size=20), known=st.lists(st.text(max_size=20), max_size=20))
@QUICK
def test_near_names_are_some_of_those_that_there_are(wanted: str, known: list[str]) -> None:
    near = rows.nearest(wanted, known)
    assert set(near) <= set(known)
    assert len(set(near)) == len(near) <= rows.NEAREST


class Endless:
    """Names without end, as a node that lies might give them."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Endless:
        return self

    def __next__(self) -> str:
        self.taken += 1
        return "a" * 10_000


def test_only_so_many_names_are_compared() -> None:
    names = Endless()
    assert rows.nearest("a" * 10_000, names) == ("a" * 10_000,)
    assert names.taken == rows.MAX_KNOWN_NAMES
