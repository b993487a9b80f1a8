"""Garbage collections and deleted keys on real nodes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent import Session
from agent.actions import garbage_collect, restart, table_key
from agent.actions.garbage_collect import Asked, Collected, Gone
from agent.actions.guards import Guard
from agent.actions.restart import Locked
from agent.actions.table_key import Changed, Deleted, Found, KeyFacts
from agent.errors import ConnectionLost
from agent.probes import lookup, process
from agent.probes.process import NoProcess
from agent.probes.table import FoundTables
from agent.terms import FALSE, TRUE, Atom, Pid, Term
from erlang_fixtures.beam import Beam
from tests.live.illnesses import ill, pid_of
from tests.live.nodes import SECONDS, ask, census, join, messages_waiting, number, settles_to, until_answer
from tests.live.restart_trees import INFINITY, facts_of, growing, spec

pytestmark = pytest.mark.live


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


async def collect(session: Session, who: str, seconds: float = SECONDS) -> garbage_collect.Report:
    pid = await lookup.find(who, session, SECONDS)
    assert isinstance(pid, Pid)
    return await garbage_collect.execute(session, pid, "a-1", seconds)


async def test_a_process_that_holds_garbage_holds_less_afterwards(session: Session) -> None:
    async with ill(session, "ill_mailbox_flood", messages=50_000):
        report = await collect(session, "flooded_mailbox")
        assert isinstance(report, Collected)
        assert report.after is not None
        assert report.before.message_queue_len == report.after.message_queue_len == 50_000
        assert report.seconds > 0
        plan = garbage_collect.make_plan(await process.ask(session, SECONDS, "flooded_mailbox"))
        assert plan.is_allowed


async def test_binaries_that_nobody_refers_to_any_more_are_gone_afterwards(session: Session) -> None:
    async with ill(session, "ill_binary_leak"):
        report = await collect(session, "leaking_binaries")
        assert isinstance(report, Collected)
        assert report.before.binary_bytes > 0


async def test_a_process_that_is_gone_is_told(session: Session) -> None:
    pid = await ask(session, "erlang:spawn", Atom("erlang"), Atom("node"), [])
    assert isinstance(pid, Pid)
    await until_answer(session, lambda it: it == FALSE, "erlang:is_process_alive", pid)
    assert await garbage_collect.execute(session, pid, "a-1", SECONDS) == Gone()
    earlier_life = Pid(pid.node, pid.id, pid.serial, pid.creation + 1)
    assert await garbage_collect.execute(session, earlier_life, "a-1", SECONDS) == Gone()
    assert isinstance(await process.ask(session, SECONDS, "governor_sup"), NoProcess)


@asynccontextmanager
async def held_in_native_code(session: Session, pipe: Path) -> AsyncIterator[Pid]:
    """Have a process that collects nothing for as long as the block lasts.

    Opening a pipe that nobody writes to holds it in native code, where it can be looked at and does nothing.
    """
    os.mkfifo(pipe)
    pid = await ask(session, "erlang:spawn", Atom("prim_file"), Atom("open"), [list(bytes(pipe)), [Atom("read")]])
    assert isinstance(pid, Pid)
    opening = (Atom("current_function"), (Atom("prim_file"), Atom("open_nif"), 2))
    await until_answer(session, lambda it: it == opening, "erlang:process_info", pid, Atom("current_function"))
    try:
        yield pid
    finally:
        pipe.open("wb").close()
    await until_answer(session, lambda it: it == FALSE, "erlang:is_process_alive", pid)


async def test_a_process_that_cannot_collect_now_was_asked(session: Session, tmp_path: Path) -> None:
    async with held_in_native_code(session, tmp_path / "pipe") as pid:
        report = await garbage_collect.execute(session, pid, "a-1", 2.0)
        assert isinstance(report, Asked)
        assert report.before.memory_bytes > 0
        assert report.waited_seconds >= 2.0 * garbage_collect.SHARE_FOR_WAITING
        assert await restart.holder(session, SECONDS) is None


async def test_a_connection_that_ends_while_it_waits_leaves_no_lock(
    session: Session, beam: Beam, tmp_path: Path
) -> None:
    async with held_in_native_code(session, tmp_path / "pipe") as pid:
        waiting = await join(beam)
        collecting = asyncio.create_task(garbage_collect.execute(waiting, pid, "a-1", 10 * SECONDS))
        async with asyncio.timeout(SECONDS):
            while await restart.holder(session, SECONDS) != "a-1":
                pass
        waiting.close()
        with pytest.raises(ConnectionLost):
            await collecting
        async with asyncio.timeout(SECONDS):
            while await restart.holder(session, SECONDS) is not None:
                pass


@asynccontextmanager
async def another_action(session: Session, beam: Beam) -> AsyncIterator[None]:
    """Let a restart run, called a-9, for as long as the block lasts."""
    acting = await join(beam)
    async with growing(session, spec(Atom("one"), Atom("stubborn"), shutdown=INFINITY)):
        facts = await facts_of(acting, "one")
        assert facts.child_pid is not None
        running = asyncio.create_task(restart.execute(acting, facts, "a-9", SECONDS, 0))
        async with asyncio.timeout(SECONDS):
            while await restart.holder(session, SECONDS) != "a-9":
                pass
        yield
        await ask(session, "erlang:exit", facts.child_pid, Atom("kill"))
        await running
    acting.close()


async def test_while_another_action_runs_nothing_is_collected_and_no_key_deleted(session: Session, beam: Beam) -> None:
    async with owning(session, "a_table", "set", (1, b"x")), another_action(session, beam):
        assert await collect(session, "init") == Locked("a-9")
        facts = await key_of(session, "a_table", "1")
        assert isinstance(facts, KeyFacts)
        assert await table_key.execute(session, facts, "a-1", SECONDS) == Locked("a-9")
        assert await number(session, "ets:info", Atom("a_table"), Atom("size")) == 1


async def test_collections_and_deletions_leave_nothing_on_the_node(session: Session) -> None:
    async def both(turn: int) -> None:
        await collect(session, "receipt_store")
        async with owning(session, "a_table", "set", (1, b"x")):
            assert refusals(await key_of(session, "a_table", f"{{never_heard_of_{turn},1}}")) == {Guard.NO_KEY}
            await deleted(session, "a_table", "1")

    await both(0)
    before, atoms = await census(session), await number(session, "erlang:system_info", Atom("atom_count"))
    for turn in range(1, 10):
        await both(turn)
    await settles_to(session, before)
    assert await number(session, "erlang:system_info", Atom("atom_count")) == atoms
    assert await messages_waiting(session) == 0
    assert await restart.holder(session, SECONDS) is None


@asynccontextmanager
async def owning(
    session: Session, name: str, kind: str, *objects: Term, protection: str = "public", is_named: bool = True
) -> AsyncIterator[None]:
    """Have a table with these rows for as long as the block lasts."""
    options: list[Term] = [Atom(kind), Atom(protection), *([Atom("named_table")] if is_named else [])]
    keeper = await ask(session, "table_keeper:start", Atom(name), options, list(objects))
    try:
        yield
    finally:
        await ask(session, "illness:end_processes", [keeper])


async def key_of(session: Session, table: str, key: str) -> Found:
    return await table_key.ask(session, SECONDS, table, key)


def refusals(found: Found) -> set[Guard]:
    return {refusal.guard for refusal in table_key.make_plan(found).refusals}


async def deleted(session: Session, table: str, key: str) -> table_key.Report:
    facts = await key_of(session, table, key)
    assert isinstance(facts, KeyFacts), facts
    assert refusals(facts) == set()
    return await table_key.execute(session, facts, "a-1", SECONDS)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (42, "42"),
        (b"acme", '<<"acme">>'),
        (Atom("undefined"), "undefined"),
        ((Atom("billing_governor"), b"acme"), '{billing_governor, <<"acme">>}'),
        (list(b"text"), '"text"'),
        ([Atom("error"), 1], "[error,1]"),
        (-1.5, "-1.5"),
        (Atom("_"), "'_'"),
    ],
)
@pytest.mark.parametrize("kind", ["set", "ordered_set", "bag"])
async def test_a_key_of_any_kind_is_deleted_and_no_other(session: Session, kind: str, key: Term, text: str) -> None:
    async with owning(session, "a_table", kind, (key, 1), (b"another", 2)):
        assert await deleted(session, "a_table", text) == Deleted(1, 2, 1)
        assert await ask(session, "ets:member", Atom("a_table"), key) == FALSE
        assert await ask(session, "ets:member", Atom("a_table"), b"another") == TRUE
        assert refusals(await key_of(session, "a_table", text)) == {Guard.NO_KEY}


@pytest.mark.parametrize("kind", ["bag", "duplicate_bag"])
async def test_all_rows_of_a_key_in_a_bag_go_and_that_is_said_before(session: Session, kind: str) -> None:
    async with owning(session, "a_table", kind, (1, b"x"), (1, b"y"), (2, b"z")):
        facts = await key_of(session, "a_table", "1")
        (warning,) = table_key.make_plan(facts).warnings
        assert "2 rows have this key" in warning
        assert await deleted(session, "a_table", "1") == Deleted(2, 3, 1)


async def test_in_an_ordered_set_a_key_that_is_only_equal_is_said_to_be(session: Session) -> None:
    async with owning(session, "a_table", "ordered_set", (1.0, b"x")):
        (warning,) = table_key.make_plan(await key_of(session, "a_table", "1")).warnings
        assert "not the same" in warning
    async with owning(session, "a_table", "set", (1.0, b"x")):
        assert refusals(await key_of(session, "a_table", "1")) == {Guard.NO_KEY}


@pytest.mark.parametrize("protection", ["protected", "private"])
async def test_a_table_that_is_not_public_is_refused(session: Session, protection: str) -> None:
    async with owning(session, "a_table", "set", (1, b"x"), protection=protection):
        assert refusals(await key_of(session, "a_table", "1")) == {Guard.TABLE_NOT_PUBLIC}


async def test_a_table_without_a_name_is_found_by_its_reference_and_several_of_a_name_are_not(session: Session) -> None:
    async with owning(session, "shared_name", "set", (1, b"x"), is_named=False):
        assert await deleted(session, "shared_name", "1") == Deleted(1, 1, 0)
    async with (
        owning(session, "shared_name", "set", (1, b"x"), is_named=False),
        owning(session, "shared_name", "set", (1, b"x"), is_named=False),
    ):
        found = await key_of(session, "shared_name", "1")
        assert refusals(found) == {Guard.SEVERAL_TABLES}
        assert isinstance(found, FoundTables)
        assert await deleted(session, found.tables[0].row.id, "1") == Deleted(1, 1, 0)


async def test_a_table_that_is_not_there_is_refused(session: Session) -> None:
    assert refusals(await key_of(session, "receipt_shop", "1")) == {Guard.NO_TABLE}


async def test_a_key_that_is_there_more_often_since_or_not_any_more_is_left(session: Session) -> None:
    async with owning(session, "a_table", "bag", (1, b"x")):
        facts = await key_of(session, "a_table", "1")
        assert isinstance(facts, KeyFacts)
        await ask(session, "ets:insert", Atom("a_table"), (1, b"y"))
        assert await table_key.execute(session, facts, "a-1", SECONDS) == Changed()
        await ask(session, "ets:delete_all_objects", Atom("a_table"))
        assert await table_key.execute(session, facts, "a-1", SECONDS) == Changed()
    async with owning(session, "a_table", "bag", (1, b"x")):  # of the same name, and another
        assert await table_key.execute(session, facts, "a-1", SECONDS) == Changed()
        assert await number(session, "ets:info", Atom("a_table"), Atom("size")) == 1


async def test_of_an_entry_of_the_ledger_nothing_but_it_is_deleted(session: Session) -> None:
    answer = await ask(session, "tai_autonomics:emit_receipt", b"acme", b"to be deleted")
    assert isinstance(answer, tuple)
    before = await number(session, "ets:info", Atom("receipt_ledger"), Atom("size"))
    assert await deleted(session, "receipt_ledger", str(answer[1])) == Deleted(1, before, before - 1)
    assert await pid_of(session, "receipt_store")
