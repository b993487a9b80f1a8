"""Whether a key may be deleted, and what is asked of the node for it."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from agent.actions import table_key
from agent.actions.guards import Guard
from agent.actions.restart import Locked
from agent.actions.table_key import Changed, Deleted, Found, KeyFacts, NoSuchKey, make_plan, read_report
from agent.errors import RemoteError, TermTextError, UnexpectedAnswer
from agent.probes.ets import TableRow
from agent.probes.table import FoundTables, NoTable, Table
from agent.terms import Atom, Reference, Term
from tests.agent.probes.process_terms import NODE, pid
from tests.fakes import FakeShell
from tests.lies import every_small_lie

ROW = TableRow("receipt_ledger", "receipt_ledger", True, "set", "public", "<0.60.0>", "receipt_store", 12, 4_096)  # noqa: FBT003  # as the probe has it
REFERENCE = Reference(NODE, 77, (1, 2, 3))
FACTS = KeyFacts(ROW, REFERENCE, pid(60), 42, objects=1, is_same=True)


def of(**changed: object) -> TableRow:
    return replace(ROW, **changed)  # type: ignore[arg-type]  # as the test says


def one_of(row: TableRow) -> Table:
    return Table(row, 1, None, False, False, False, "false")  # noqa: FBT003  # as the probe has it


def tables(*found: TableRow) -> FoundTables:
    return FoundTables("receipt_ledger", len(found), 0, 12, 4_096, tuple(map(one_of, found)))


def test_a_key_of_a_public_table_may_be_deleted() -> None:
    assert (make_plan(FACTS).is_allowed, make_plan(FACTS).warnings) == (True, ())


@pytest.mark.parametrize(
    ("found", "guard", "says"),
    [
        (NoTable("receipt_shop", ("receipt_store",)), Guard.NO_TABLE, "receipt_store"),
        (tables(of(id="#Ref<0.1.2.3>"), of(id="#Ref<0.1.2.4>")), Guard.SEVERAL_TABLES, "#Ref<0.1.2.4>"),
        (replace(FACTS, table=of(protection="protected")), Guard.TABLE_NOT_PUBLIC, "only its owner, receipt_store"),
        (
            replace(FACTS, table=of(protection="private", owner_name=None), objects=0),
            Guard.TABLE_NOT_PUBLIC,
            "<0.60.0>",
        ),
        (NoSuchKey(of(protection="protected")), Guard.TABLE_NOT_PUBLIC, "protected"),
        (NoSuchKey(ROW), Guard.NO_KEY, "no such key"),
        (replace(FACTS, objects=0, is_same=False), Guard.NO_KEY, "no such key"),
    ],
)
def test_each_guard_refuses_what_it_is_for(found: Found, guard: Guard, says: str) -> None:
    (refusal,) = make_plan(found).refusals
    assert refusal.guard is guard
    assert says in refusal.detail


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (replace(FACTS, table=of(type="bag"), objects=3), "3 rows have this key"),
        (replace(FACTS, table=of(type="ordered_set"), is_same=False), "equal to 42 and not the same"),
    ],
)
def test_what_a_person_may_not_expect_is_a_warning(facts: KeyFacts, says: str) -> None:
    (warning,) = make_plan(facts).warnings
    assert says in warning


@pytest.mark.parametrize(
    ("answer", "report"),
    [
        ((Atom("deleted"), 2, 12, 10), Deleted(2, 12, 10)),
        ((Atom("changed"), Atom("gone")), Changed()),
        ((Atom("locked"), b"a-9"), Locked("a-9")),
    ],
)
def test_each_report_is_read(answer: Term, report: table_key.Report) -> None:
    assert read_report(answer) == report


def test_no_part_of_a_report_is_taken_for_granted() -> None:
    for said in every_small_lie((Atom("deleted"), 2, 12, 10)):
        with contextlib.suppress(UnexpectedAnswer):
            read_report(said)


async def test_a_key_that_is_no_term_is_refused_before_anything_is_asked() -> None:
    shell = FakeShell(UnexpectedAnswer("nobody asks"))
    with pytest.raises(TermTextError):
        await table_key.ask(shell, 1.0, "receipt_ledger", "{a")
    assert shell.calls == []
    assert shell.evaluations == []


def looking(monkeypatch: pytest.MonkeyPatch, found: FoundTables | NoTable) -> None:
    async def ask(*_arguments: object) -> FoundTables | NoTable:
        return found

    monkeypatch.setattr("agent.probes.table.ask", ask)


LOOKED: Term = (REFERENCE, pid(60), Atom("set"), Atom("public"), 12, 1, Atom("true"))


async def test_the_key_is_sent_when_all_its_atoms_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    looking(monkeypatch, tables(ROW))
    shell = FakeShell(LOOKED, {"lists:map": [Atom("a"), Atom("b c")]})
    found = await table_key.ask(shell, 1.0, "receipt_ledger", "{a,['b c'],1}")
    assert isinstance(found, KeyFacts)
    ((_, (_, names)),) = shell.calls
    assert names == [b"a", b"b c"]
    (evaluation,) = shell.evaluations
    assert evaluation.bindings == {"Table_id": b"receipt_ledger", "Key": found.key}


async def test_a_key_with_an_atom_that_is_none_there_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    looking(monkeypatch, tables(ROW))
    shell = FakeShell(LOOKED, {"lists:map": RemoteError(Atom("error"), Atom("badarg"))})
    assert await table_key.ask(shell, 1.0, "receipt_ledger", "unheard_of") == NoSuchKey(ROW)
    assert shell.evaluations == []


@pytest.mark.parametrize("found", [NoTable("receipt_ledger", ()), tables(ROW, ROW)])
async def test_no_key_is_looked_for_in_no_table_or_several(
    monkeypatch: pytest.MonkeyPatch, found: FoundTables | NoTable
) -> None:
    looking(monkeypatch, found)
    assert await table_key.ask(FakeShell(LOOKED), 1.0, "receipt_ledger", "1") == found


async def test_a_table_that_goes_meanwhile_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    looking(monkeypatch, tables(ROW))
    assert await table_key.ask(FakeShell(Atom("gone")), 1.0, "receipt_ledger", "1") == NoTable("receipt_ledger", ())


async def test_another_answer_is_unexpected(monkeypatch: pytest.MonkeyPatch) -> None:
    looking(monkeypatch, tables(ROW))
    with pytest.raises(UnexpectedAnswer):
        await table_key.ask(FakeShell(Atom("odd")), 1.0, "receipt_ledger", "1")
