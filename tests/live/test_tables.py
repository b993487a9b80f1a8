"""What is said about tables, against what the node says of each of them when it is asked directly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent import Session
from agent.expression import Expression
from agent.probes import ets, table
from agent.probes.ets import DEFAULT_WATCH_TABLES, TOP, TOP_WATCHED, TableRow, Tables
from agent.probes.table import FoundTables, NoTable
from agent.terms import TRUE, Atom, Map, Pid, Term, format_pid, format_term
from erlang_fixtures.beam import Beam
from tests.live.illnesses import ill
from tests.live.nodes import SECONDS, ask, join, number, until_answer

pytestmark = pytest.mark.live

# Tables live as long as their owner, and each question's worker is a process of its own.
OWNER = Expression(
    "owner_of_tables",
    """
    Asker = erlang:self(),
    Owner = erlang:spawn(fun() ->
        [ets:new(Name, Options) || {Name, Options} <- Tables],
        Asker ! {made, erlang:self()},
        receive stop -> ok end
    end),
    receive {made, Owner} -> Owner end
    """,
)


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


@asynccontextmanager
async def owned(session: Session, *tables: tuple[str, list[Term]], times: int = 1) -> AsyncIterator[Pid]:
    """Let a process own tables of these names and options, each so many times, for as long as the block lasts."""
    before = await number(session, "erlang:system_info", Atom("ets_count"))
    wanted: list[Term] = [*((Atom(name), options) for name, options in tables)] * times
    owner = (await session.evaluate(OWNER, {"Tables": wanted}, deadline_seconds=SECONDS)).value
    assert isinstance(owner, Pid)
    try:
        yield owner
    finally:
        await ask(session, "erlang:exit", owner, Atom("kill"))
        await until_answer(session, lambda now: now == before, "erlang:system_info", Atom("ets_count"))


async def look(session: Session, *watch_tables: str) -> Tables:
    return await ets.ask(watch_tables, session, SECONDS)


async def told(session: Session) -> dict[str, Map]:
    """``ets:info/1`` of every table, by its printed id."""
    tables = await ask(session, "ets:all")
    assert isinstance(tables, list)
    found = {}
    for one in tables:
        info = await ask(session, "ets:info", one)
        if isinstance(info, list):
            found[format_term(one)] = Map(pair for pair in info if isinstance(pair, tuple) and len(pair) == 2)
    return found


async def quiet(session: Session, *watch_tables: str) -> tuple[Tables, dict[str, Map]]:
    """What is found, and what is told of the same tables: asked until nothing has changed in between."""
    async with asyncio.timeout(SECONDS):
        while True:
            before, found, after = await told(session), await look(session, *watch_tables), await told(session)
            if before == after:
                return found, after


async def registered_name(session: Session, pid: Term) -> str | None:
    pair = await ask(session, "erlang:process_info", pid, Atom("registered_name"))
    return pair[1].name if isinstance(pair, tuple) and isinstance(pair[1], Atom) else None


async def as_told(session: Session, row_id: str, info: Map, word_bytes: int) -> TableRow:
    """The row that a table should have."""
    name, kind, protection, owner = (info[Atom(item)] for item in ("name", "type", "protection", "owner"))
    size, memory = info[Atom("size")], info[Atom("memory")]
    assert isinstance(name, Atom)
    assert isinstance(kind, Atom)
    assert isinstance(protection, Atom)
    assert isinstance(owner, Pid)
    assert isinstance(size, int)
    assert isinstance(memory, int)
    return TableRow(
        id=row_id,
        name=name.name,
        is_named=info[Atom("named_table")] == TRUE,
        type=kind.name,
        protection=protection.name,
        owner=format_pid(owner),
        owner_name=await registered_name(session, owner),
        size=size,
        memory_bytes=memory * word_bytes,
    )


async def test_every_row_is_what_the_node_tells_of_that_table(session: Session) -> None:
    word_bytes = await number(session, "erlang:system_info", Atom("wordsize"))
    found, tables = await quiet(session, *DEFAULT_WATCH_TABLES)
    assert sorted(row.id for row in found.by_memory) == sorted(row.id for row in found.by_size) == sorted(tables)
    for row in found.by_memory:
        assert row == await as_told(session, row.id, tables[row.id], word_bytes)
    assert found.memory_bytes == sum(row.memory_bytes for row in found.by_memory)
    assert found.count == len(tables) == await number(session, "erlang:system_info", Atom("ets_count"))
    assert found.limit == await number(session, "erlang:system_info", Atom("ets_limit"))
    assert found.complete


async def test_the_receipts_tables_are_found_though_they_are_unnamed(session: Session) -> None:
    found = await look(session, *DEFAULT_WATCH_TABLES)
    assert [watched.name for watched in found.watched] == list(DEFAULT_WATCH_TABLES)
    assert [watched.count for watched in found.watched] == [1] * len(DEFAULT_WATCH_TABLES)
    named, *unnamed = (watched.largest[0] for watched in found.watched)
    assert named.is_named
    assert named.owner_name == "receipt_store"
    assert not any(row.is_named for row in unnamed)
    assert all(row.id.startswith("#Ref<") for row in unnamed)


async def test_the_growing_table_is_first(session: Session) -> None:
    async with ill(session, "ill_ets_growth", rows=50_000):
        found = await look(session, "growing_table")
        assert found.by_size[0].name == found.by_memory[0].name == "growing_table"
        (growing,) = found.watched
        assert growing.size == await number(session, "ets:info", Atom("growing_table"), Atom("size")) == 50_000
        await ask(session, "ill_ets_growth:grow", 1_000)
        assert (await look(session, "growing_table")).watched[0].size == 51_000
    assert (await look(session, "growing_table")).watched[0].is_absent


async def test_private_tables_are_seen(session: Session) -> None:
    async with owned(
        session, ("private_receipts", [Atom("private")]), ("private_ledger", [Atom("private"), Atom("named_table")])
    ):
        unnamed, named = (await look(session, "private_receipts", "private_ledger")).watched
        assert unnamed.largest[0].protection == named.largest[0].protection == "private"
        for row in (*unnamed.largest, *named.largest):
            found = await table.ask(row.id, session, SECONDS)
            assert isinstance(found, FoundTables)
            assert [one.row for one in found.tables] == [row]


async def test_tables_of_all_sorts_are_found_among_20000(session: Session) -> None:
    async with ill(session, "ill_many_tables", tables=20_000):
        found = await look(session, "same_name", "private_table", "receipt_ledger", "named_table_17", "no_such_table")
        same, private, ledger, named, absent = found.watched
        assert found.complete
        assert found.count == await number(session, "erlang:system_info", Atom("ets_count")) > 20_000
        assert (same.count, private.count, ledger.count, named.count, absent.count) == (4_001, 4_000, 1, 1, 0)
        # Table N of these has N rem 10 rows: 2 and 7 are the named ones' ends, 0 and 5 those of same_name.
        assert same.size == 2 + 4_000 * 5 // 2
        assert private.size == 4_000 * (3 + 8) // 2
        assert len(found.by_size) == len(found.by_memory) == TOP
        assert len(same.largest) == TOP_WATCHED
        assert {row.size for row in found.by_size[20:]} == {9}
        assert same.memory_bytes > 4_001 * same.largest[-1].memory_bytes // 2


async def test_all_of_20000_tables_may_share_one_watched_name(session: Session) -> None:
    async with owned(session, ("tenant_receipts", [Atom("public"), Atom("ordered_set")]), times=20_000):
        found = await look(session, "tenant_receipts")
        (watched,) = found.watched
        assert (watched.count, len(watched.largest)) == (20_000, TOP_WATCHED)
        assert watched.memory_bytes == 20_000 * watched.largest[0].memory_bytes
        one_name = await table.ask("tenant_receipts", session, SECONDS)
        assert isinstance(one_name, FoundTables)
        assert (one_name.count, one_name.memory_bytes, len(one_name.tables)) == (20_000, watched.memory_bytes, TOP)
        assert not one_name.complete


async def test_tables_that_come_and_go_are_in_the_answer_or_not_and_never_wrong(session: Session) -> None:
    async with ill(session, "ill_many_tables", tables=2_000, come_and_go_per_second=5_000):
        for _ in range(50):
            found = await look(session, "short_lived", "bag_of_rows")
            short_lived, bags = found.watched
            assert (bags.count, bags.size) == (400, 400 * (4 + 9) // 2)
            assert all(row.size == 0 for row in short_lived.largest)
            assert found.memory_bytes > sum(row.memory_bytes for row in found.by_memory)
            assert found.complete


async def test_tables_with_decentralized_counters_are_measured(session: Session) -> None:
    fast_writes: list[Term] = [Atom("ordered_set"), Atom("public"), (Atom("write_concurrency"), TRUE)]
    async with owned(session, ("many_writers", fast_writes), times=50):
        found, tables = await quiet(session, "many_writers")
        (watched,) = found.watched
        assert (watched.count, watched.not_measured) == (50, 0)
        words = [info[Atom("memory")] for info in tables.values() if info[Atom("name")] == Atom("many_writers")]
        assert watched.memory_bytes == sum(one for one in words if isinstance(one, int)) * 8
        one_name = await table.ask("many_writers", session, SECONDS)
        assert isinstance(one_name, FoundTables)
        assert one_name.memory_bytes == watched.memory_bytes


async def test_what_takes_too_long_is_left_out_and_said(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    no_time = {**ets.BINDINGS, "Slow_milliseconds": 0}
    monkeypatch.setattr(ets, "BINDINGS", no_time)
    monkeypatch.setattr(table, "BINDINGS", no_time)
    fast_writes: list[Term] = [Atom("ordered_set"), Atom("public"), (Atom("write_concurrency"), TRUE)]
    async with owned(session, ("many_writers", fast_writes), times=50):
        found = await look(session, "many_writers", "receipt_ledger", "never_heard_of")
        assert [(one.count, one.not_measured) for one in found.watched] == [(50, 50), (1, 0), (0, 0)]
        assert found.left_out[0].startswith("tables that are not measured")
        assert found.left_out[0].endswith(": 50")
        one_name = await table.ask("many_writers", session, SECONDS)
        assert isinstance(one_name, FoundTables)
        assert (one_name.count, one_name.not_measured, one_name.tables) == (50, 50, ())


async def test_a_table_is_found_by_its_id_and_by_its_name_quoted_or_not(session: Session) -> None:
    async with owned(session, ("tenant_state_<0.85.0>", [Atom("named_table")]), ("tenant's", [Atom("bag")])):
        for name in ("'tenant_state_<0.85.0>'", "tenant_state_<0.85.0>"):
            found = await table.ask(name, session, SECONDS)
            assert isinstance(found, FoundTables)
            assert [one.row.id for one in found.tables] == ["'tenant_state_<0.85.0>'"]
        (bag,) = (await look(session, "tenant's")).watched[0].largest
        for wanted in ("tenant's", r"'tenant\'s'", bag.id):
            found = await table.ask(wanted, session, SECONDS)
            assert isinstance(found, FoundTables)
            assert [one.row for one in found.tables] == [bag]


async def test_a_table_is_told_in_detail(session: Session) -> None:
    async with owned(session) as heir:
        options: list[Term] = [
            Atom("compressed"),
            (Atom("keypos"), 2),
            (Atom("read_concurrency"), TRUE),
            (Atom("write_concurrency"), TRUE),
            (Atom("heir"), heir, Atom("no data")),
        ]
        async with owned(session, ("inherited", options)):
            try:
                found = await table.ask("inherited", session, SECONDS)
                assert isinstance(found, FoundTables)
                (one,) = found.tables
                assert (one.key_position, one.heir) == (2, format_pid(heir))
                assert (one.is_compressed, one.is_fixed, one.read_concurrency) == (True, False, True)
                assert one.write_concurrency == "true"
            finally:  # or the table would outlive its owner
                await ask(session, "erlang:exit", heir, Atom("kill"))


async def test_what_does_not_exist_has_the_nearest_names_that_do(session: Session) -> None:
    async with ill(session, "ill_many_tables", tables=20_000):
        for wanted, nearest in (("reciept_ledger", "receipt_ledger"), ("tai_receipt_store", "tai_receipts_store")):
            found = await table.ask(wanted, session, SECONDS)
            assert isinstance(found, NoTable)
            assert found.nearest[0] == nearest


@pytest.mark.parametrize(
    "wanted",
    [
        "#Ref<0.1.2.3>",
        "#Ref<9.1.2.3>",
        "#Ref<>",
        "#Ref<0.1.2.3",
        "<0.1.0>",
        "x" * 255,
        "🧾" * 255,
        "[]",
        "0",
        "undefined",
    ],
)
async def test_a_strange_id_is_one_that_does_not_exist(session: Session, wanted: str) -> None:
    assert isinstance(await table.ask(wanted, session, SECONDS), NoTable)


async def test_names_that_nobody_has_heard_of_do_not_become_atoms(session: Session) -> None:
    async def ask_for_names(first: int) -> None:
        await look(session, *(f"never_heard_of_{number}" for number in range(first, first + 100)))
        for each in range(first, first + 100):
            assert isinstance(await table.ask(f"nor_heard_of_{each}", session, SECONDS), NoTable)

    await ask_for_names(0)
    before = await number(session, "erlang:system_info", Atom("atom_count"))
    await ask_for_names(100)
    assert await number(session, "erlang:system_info", Atom("atom_count")) == before
