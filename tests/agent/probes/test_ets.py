from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from agent.errors import DeadlineExceeded, UnexpectedAnswer, WorkerDied
from agent.probes import ets
from agent.probes.ets import TOP, TOP_WATCHED, TableRow, Tables, TablesOfName, plain_name
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Term, format_term
from tests.agent.probes.table_terms import named_row, row
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies, replaced
from tests.terms_strategies import QUICK

BOTH, BY_MEMORY, BY_SIZE, NEITHER = (TRUE, TRUE), (TRUE, FALSE), (FALSE, TRUE), (FALSE, FALSE)
SUMS: Term = (1, 10, 1_000, 0)
ABSENT: Term = (0, 0, 0, 0)


def swept(*winners: Term, sums: Term = (), missed: Term = 0) -> tuple[Term, ...]:
    """What ``tables.expr`` gives; ``sums`` are those of the watched names."""
    assert isinstance(sums, tuple)
    return (54, 8_192, 336_056, missed, list(sums), list(winners))


async def ask(*winners: Term) -> Tables:
    return await ets.ask((), FakeShell(swept(*winners)), 1.0)


async def watch(names: tuple[str, ...], answer: Term) -> tuple[TablesOfName, ...]:
    return (await ets.ask(names, FakeShell(answer), 1.0)).watched


def ids(top: tuple[TableRow, ...]) -> list[str]:
    return [one.id for one in top]


async def test_every_figure_has_its_place() -> None:
    found = await ask((*BOTH, row(7, size=383, memory=133_456)))
    assert (found.count, found.limit, found.memory_bytes) == (54, 8_192, 336_056)
    table = TableRow(
        id="#Ref<0.1.2.7>",
        name="tai_receipts_store",
        is_named=False,
        type="ordered_set",
        protection="protected",
        owner="<0.50.0>",
        owner_name="receipt_store",
        size=383,
        memory_bytes=133_456,
    )
    assert found.by_size == found.by_memory == (table,)
    assert found.complete


async def test_the_id_of_a_named_table_is_its_printed_name() -> None:
    found = await ask((*BOTH, named_row("tenant_state_<0.85.0>", memory=2)), (*BOTH, named_row("receipt_ledger")))
    assert ids(found.by_memory) == ["receipt_ledger", "'tenant_state_<0.85.0>'"]
    assert [one.name for one in found.by_memory] == ["receipt_ledger", "tenant_state_<0.85.0>"]


async def test_the_largest_comes_first_whatever_the_order_on_the_node() -> None:
    found = await ask((*BOTH, row(1, size=5, memory=100)), (*BOTH, row(2, size=1, memory=300)), (*BOTH, row(3, size=9)))
    assert ids(found.by_memory) == ["#Ref<0.1.2.3>", "#Ref<0.1.2.2>", "#Ref<0.1.2.1>"]
    assert ids(found.by_size) == ["#Ref<0.1.2.3>", "#Ref<0.1.2.1>", "#Ref<0.1.2.2>"]


async def test_a_table_that_was_deleted_meanwhile_is_in_no_row_and_leaves_its_place_to_nobody() -> None:
    found = await ask((*BY_MEMORY, FALSE), (*BY_SIZE, row(2)), (*BY_MEMORY, row(3)), (*NEITHER, row(4)))
    assert ids(found.by_memory) == ["#Ref<0.1.2.3>"]
    assert ids(found.by_size) == ["#Ref<0.1.2.2>"]


async def test_more_rows_than_were_asked_for_are_cut() -> None:
    found = await ask(*((*BOTH, row(number, size=number, memory=number)) for number in range(TOP + 50)))
    assert len(found.by_memory) == len(found.by_size) == TOP


async def test_watched_names_have_the_sums_of_all_tables_of_that_name() -> None:
    answer = swept((*BOTH, row(1, memory=1)), (*NEITHER, row(2, memory=2)), sums=((5_000, 70_000, 9_000_000, 0),))
    (found,) = await watch(("tai_receipts_store",), answer)
    assert (found.count, found.size, found.memory_bytes, found.not_measured) == (5_000, 70_000, 9_000_000, 0)
    assert ids(found.largest) == ["#Ref<0.1.2.2>", "#Ref<0.1.2.1>"]


async def test_rows_of_other_names_are_not_taken_for_the_watched_ones() -> None:
    answer = swept((*BOTH, row(1, "users")), (*BOTH, named_row("receipt_ledger")), sums=(SUMS,))
    (found,) = await watch(("receipt_ledger",), answer)
    assert ids(found.largest) == ["receipt_ledger"]


async def test_a_watched_name_that_no_table_has_is_absent_and_not_an_empty_table() -> None:
    absent, empty = await watch(("nobody", "receipt_ledger"), swept(sums=(ABSENT, (1, 0, 1_112, 0))))
    assert absent.is_absent
    assert (absent.name, absent.count, absent.largest) == ("nobody", 0, ())
    assert not empty.is_absent


async def test_watched_tables_are_in_the_order_of_the_settings_each_once() -> None:
    shell = FakeShell(swept(sums=(SUMS, ABSENT)))
    found = await ets.ask(("b", "'a'", "b", "a"), shell, 1.0)
    assert [one.name for one in found.watched] == ["b", "a"]
    assert shell.evaluations[0].bindings["Watch"] == [b"b", b"a"]


async def test_as_many_rows_of_a_watched_name_as_fit_are_shown() -> None:
    many = ((*NEITHER, row(number, memory=number)) for number in range(TOP_WATCHED + 5))
    (found,) = await watch(("tai_receipts_store",), swept(*many, sums=(SUMS,)))
    assert [one.memory_bytes for one in found.largest] == list(range(TOP_WATCHED + 4, 4, -1))


async def test_what_is_not_measured_is_said() -> None:
    found = await ets.ask(("slow",), FakeShell(swept(sums=((2, 20, 2_000, 3),), missed=40)), 1.0)
    assert not found.complete
    assert found.left_out[0].startswith("tables that are not measured")
    assert found.left_out[0].endswith(": 40")
    assert (found.watched[0].count, found.watched[0].not_measured) == (5, 3)


async def test_names_travel_as_binaries_whatever_they_are() -> None:
    shell = FakeShell(swept(sums=(ABSENT, ABSENT)))
    await ets.ask(("größe", "\udc80"), shell, 1.0)
    assert shell.evaluations[0].bindings["Watch"] == ["größe".encode(), b"?"]


async def test_it_is_a_sweep_with_a_heap_in_proportion_to_the_node() -> None:
    async def heap_words(count: int) -> int:
        shell = FakeShell(swept(), {"erlang:system_info": count})
        await ets.ask((), shell, 1.0)
        (asked,) = shell.evaluations
        assert asked.is_sweep
        assert shell.calls == [("erlang:system_info", [Atom("ets_count")])]
        return asked.max_heap_words

    assert await heap_words(20_000) - await heap_words(0) == 20_000 * ets.HEAP_WORDS_PER_TABLE
    assert await heap_words((1 << 64) - 1) == await heap_words(1 << 27)


async def test_both_questions_share_one_deadline() -> None:
    shell = FakeShell(swept())
    await ets.ask((), shell, 1.0)
    assert shell.evaluations[0].deadline_seconds < 1.0


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), WorkerDied("heap")])
async def test_a_sweep_that_fails_says_why(error: Exception) -> None:
    with pytest.raises(type(error)):
        await ets.ask((), FakeShell(error), 1.0)


@pytest.mark.parametrize(
    "name", ["receipt_ledger", "it's", "tenant_state_<0.85.0>", "a\\b\n'", "größe 🧾", "'", "\\x{41}"]
)
def test_a_name_is_the_same_printed_and_plain(name: str) -> None:
    assert plain_name(format_term(Atom(name))) == plain_name(plain_name(format_term(Atom(name)))) == name


@pytest.mark.parametrize("text", ["", "'", "'a", "a'", "#Ref<0.1.2.3>"])
def test_what_is_not_in_quotes_stays_as_it_is(text: str) -> None:
    assert plain_name(text) == text


def test_a_code_that_no_character_has_is_no_bug() -> None:
    assert plain_name("'\\x{ffffff}'") == "\U0010ffff"


# ----------------------------------------------------------------------------------------------------- nodes that lie

TRUTH = swept((*BOTH, row(1)), (*NEITHER, named_row("receipt_ledger")), sums=(SUMS,))
LIES: dict[str, Term] = {
    "an atom": Atom("ok"),
    "no winners": TRUTH[:5],
    "a sum too few": replaced(TRUTH, 4, []),
    "a sum too many": replaced(TRUTH, 4, [SUMS, SUMS]),
    "a negative count": replaced(TRUTH, 0, -1),
    "winners that are none": replaced(TRUTH, 5, UNDEFINED),
    "a winner by hearsay": swept((Atom("maybe"), TRUE, row(1)), sums=(SUMS,)),
    "a row too short": swept((*BOTH, row(1)[:-1]), sums=(SUMS,)),
    **{
        f"a wrong {field}": swept((*BOTH, replaced(row(1), index, b"something else")), sums=(SUMS,))
        for index, field in enumerate(TableRow.__slots__)
    },
}


@pytest.mark.parametrize("answer", LIES.values(), ids=LIES)
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer):
        await ets.ask(("receipt_ledger",), FakeShell(answer), 1.0)


@QUICK
@given(lies(TRUTH))
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(answer: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await ets.ask(("receipt_ledger",), FakeShell(answer), 1.0)


async def test_no_part_of_the_answer_is_taken_for_granted() -> None:
    for answer in every_small_lie(TRUTH):
        with contextlib.suppress(UnexpectedAnswer):
            await ets.ask(("receipt_ledger",), FakeShell(answer), 1.0)
