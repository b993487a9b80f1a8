from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from agent.errors import UnexpectedAnswer
from agent.probes import table
from agent.probes.ets import TOP
from agent.probes.table import FoundTables, NoTable, Table
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Pid, Term
from tests.agent.probes.table_terms import NODE, named_row, row
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies, replaced
from tests.terms_strategies import QUICK

HEIR = Pid(NODE, 60, 0, 77)
DETAILS: Term = [1, HEIR, FALSE, TRUE, FALSE, Atom("auto")]


def there(*found: Term, count: Term = 1, missed: Term = 0) -> tuple[Term, ...]:
    """What ``table.expr`` gives when there are such tables."""
    return (Atom("tables"), count, 383, 133_456, missed, list(found))


def missing(*names: Term) -> tuple[Term, ...]:
    """What it gives when there is none."""
    return (Atom("no_such_table"), list(names))


async def ask(answer: Term, wanted: str = "receipt_ledger") -> FoundTables:
    found = await table.ask(wanted, FakeShell(answer), 1.0)
    assert isinstance(found, FoundTables)
    return found


async def test_a_table_has_its_row_and_its_details() -> None:
    found = await ask(there((named_row("receipt_ledger", 383, 133_456), DETAILS)))
    assert (found.count, found.size, found.memory_bytes, found.complete) == (1, 383, 133_456, True)
    (one,) = found.tables
    assert isinstance(one, Table)
    assert (one.row.id, one.row.size, one.row.memory_bytes) == ("receipt_ledger", 383, 133_456)
    assert (one.key_position, one.heir, one.write_concurrency) == (1, "<0.60.0>", "auto")
    assert (one.is_compressed, one.is_fixed, one.read_concurrency) == (False, True, False)


async def test_a_table_without_an_heir_has_none() -> None:
    details: Term = [1, Atom("none"), FALSE, FALSE, FALSE, FALSE]
    (one,) = (await ask(there((row(1), details)))).tables
    assert one.heir is None
    assert one.write_concurrency == "false"


async def test_tables_of_one_name_come_with_the_most_memory_first() -> None:
    found = await ask(
        there((row(1, memory=1), DETAILS), (row(2, memory=3), DETAILS), (row(3, memory=2), DETAILS), count=3)
    )
    assert [one.row.id for one in found.tables] == ["#Ref<0.1.2.2>", "#Ref<0.1.2.3>", "#Ref<0.1.2.1>"]


async def test_more_tables_than_are_listed_are_counted() -> None:
    found = await ask(there(*((row(number), DETAILS) for number in range(TOP + 5)), count=4_001))
    assert (len(found.tables), found.count) == (TOP, 4_001)
    assert found.left_out == ("the 100 tables with the most memory are listed, and 3901 more are counted",)


async def test_tables_that_are_not_measured_are_counted_and_said() -> None:
    found = await ask(there((row(1), DETAILS), missed=30))
    assert (found.count, found.not_measured, found.complete) == (31, 30, False)
    assert found.left_out[0].startswith("tables that are not measured")
    assert found.left_out[0].endswith(": 30")


async def test_a_table_that_does_not_exist_has_the_nearest_that_do() -> None:
    shell = FakeShell(missing(b"ac_tab", b"receipt_ledger", b"users"))
    assert await table.ask("reciept_ledger", shell, 1.0) == NoTable("reciept_ledger", ("receipt_ledger",))


@pytest.mark.parametrize("wanted", ["", "''", "x" * 1_021], ids=["empty", "quotes alone", "too long for an atom"])
async def test_what_cannot_be_a_name_is_not_asked_for(wanted: str) -> None:
    shell = FakeShell(missing())
    assert await table.ask(wanted, shell, 1.0) == NoTable(wanted, ())
    assert shell.calls == []
    assert shell.evaluations == []


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        ("receipt_ledger", b"receipt_ledger"),
        ("'tenant_state_<0.85.0>'", b"tenant_state_<0.85.0>"),
        ("tenant_state_<0.85.0>", b"tenant_state_<0.85.0>"),
        ("#Ref<0.1.2.3>", b"#Ref<0.1.2.3>"),
        ("\udc80", b"?"),
    ],
)
async def test_what_is_asked_for_travels_as_a_binary_without_quotes(wanted: str, sent: bytes) -> None:
    shell = FakeShell(missing())
    await table.ask(wanted, shell, 1.0)
    (asked,) = shell.evaluations
    assert asked.bindings["Id"] == sent
    assert asked.is_sweep


# ----------------------------------------------------------------------------------------------------- nodes that lie

THERE, MISSING = there((row(1), DETAILS)), missing(b"receipt_ledger")
LIES: dict[str, Term] = {
    "an atom": Atom("ok"),
    "another tag": replaced(THERE, 0, Atom("table")),
    "no tables": THERE[:5],
    "tables that are none": replaced(THERE, 5, UNDEFINED),
    "a negative count": replaced(THERE, 1, -1),
    "a row that is gone": there((FALSE, [])),
    "a detail too few": there((row(1), [1, HEIR, FALSE, TRUE, FALSE])),
    "a key nowhere": there((row(1), [UNDEFINED, HEIR, FALSE, TRUE, FALSE, TRUE])),
    "names that are none": (Atom("no_such_table"), UNDEFINED),
    "a name that is no text": missing(Atom("receipt_ledger")),
    "a name that is no name": missing(b"x" * 2_049),
}


@pytest.mark.parametrize("answer", LIES.values(), ids=LIES)
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer):
        await table.ask("receipt_ledger", FakeShell(answer), 1.0)


@pytest.mark.parametrize("truth", [THERE, MISSING], ids=["there", "missing"])
async def test_no_part_of_the_answer_is_taken_for_granted(truth: Term) -> None:
    for answer in every_small_lie(truth):
        with contextlib.suppress(UnexpectedAnswer):
            await table.ask("receipt_ledger", FakeShell(answer), 1.0)


@QUICK
@given(lies(THERE))
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(answer: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await table.ask("receipt_ledger", FakeShell(answer), 1.0)
