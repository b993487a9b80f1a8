"""Each illness of the fixtures is there once it is on, and off leaves the node as it was: by Erlang's own questions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from agent import Session
from agent.errors import RemoteError
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, ExportFun, Map, Term
from erlang_fixtures.beam import Beam
from tests.live.nodes import SECONDS, ask, census, join, number, process_items, settles_to, until_answer

pytestmark = pytest.mark.live

OK = Atom("ok")


@dataclass(frozen=True)
class Inventory:
    """What an illness may not leave behind."""

    census: dict[str, int]
    tables: int
    names: list[str]


async def inventory(session: Session) -> Inventory:
    names = await ask(session, "erlang:registered")
    assert isinstance(names, list)
    return Inventory(
        await census(session),
        await number(session, "erlang:system_info", Atom("ets_count")),
        sorted(name.name for name in names if isinstance(name, Atom)),
    )


@pytest.fixture(scope="module")
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


@asynccontextmanager
async def ill(session: Session, illness: str, **options: Term) -> AsyncIterator[Inventory]:
    """Be ill for as long as the block lasts, and healthy, as the block is told, the moment it is over.

    Both are asked for twice: the second time changes nothing.
    """
    healthy = await inventory(session)
    chosen = Map((Atom(name), value) for name, value in options.items())
    try:
        assert await ask(session, f"{illness}:on", chosen) == OK
        owner = await ask(session, "erlang:whereis", Atom(illness))
        assert await ask(session, f"{illness}:on", chosen) == OK
        assert await ask(session, "erlang:whereis", Atom(illness)) == owner
        yield healthy
    finally:
        assert await ask(session, f"{illness}:off") == OK
    assert await ask(session, f"{illness}:off") == OK
    assert await inventory(session) == healthy


async def pid_of(session: Session, name: str) -> Term:
    pid = await ask(session, "erlang:whereis", Atom(name))
    assert pid != UNDEFINED, name
    return pid


async def item(session: Session, name: str, what: str) -> Term:
    """``process_info(whereis(Name), What)``, the value alone."""
    found = await ask(session, "erlang:process_info", await pid_of(session, name), Atom(what))
    assert isinstance(found, tuple)
    return found[1]


async def function_of(session: Session, name: str) -> str:
    """``module:function`` that a registered process is in."""
    found = await item(session, name, "current_function")
    assert isinstance(found, tuple)
    module, function, _arity = found
    assert isinstance(module, Atom)
    assert isinstance(function, Atom)
    return f"{module.name}:{function.name}"


def above(least: int) -> Callable[[Term], bool]:
    """Tell whether an answer of ``process_info`` or ``ets:info`` is a number above another."""

    def is_above(answer: Term) -> bool:
        value = answer[1] if isinstance(answer, tuple) else answer
        return isinstance(value, int) and value > least

    return is_above


async def tables_of(session: Session) -> list[Map]:
    """``ets:info/1`` of every table."""
    tables = await ask(session, "ets:all")
    assert isinstance(tables, list)
    infos = await ask(session, "lists:map", ExportFun(Atom("ets"), Atom("info"), 1), tables)
    maps = await ask(session, "lists:map", ExportFun(Atom("maps"), Atom("from_list"), 1), infos)
    assert isinstance(maps, list)
    return [one for one in maps if isinstance(one, Map)]


async def short_lived_processes(session: Session) -> set[Term]:
    pids = await ask(session, "erlang:processes")
    assert isinstance(pids, list)
    process_info = ExportFun(Atom("erlang"), Atom("process_info"), 2)
    calls = await ask(session, "lists:zipwith", process_info, pids, [Atom("initial_call")] * len(pids))
    assert isinstance(calls, list)
    call = (Atom("initial_call"), (Atom("ill_idle_processes"), Atom("short_lived"), 0))
    return {pid for pid, its_call in zip(pids, calls, strict=True) if its_call == call}


async def short_lived_tables(session: Session) -> set[Term]:
    tables = await tables_of(session)
    return {table[Atom("id")] for table in tables if table.get(Atom("name")) == Atom("short_lived")}


async def until_replaced(listed: Callable[[], Awaitable[set[Term]]]) -> None:
    """Wait until all that were listed at first are gone and others are there."""
    first = set[Term]()
    async with asyncio.timeout(SECONDS):
        while not first:
            first = await listed()
        while not (now := await listed()) or now & first:
            pass


async def count_of(session: Session, supervisor: str) -> Term:
    """How many children a supervisor that answers has."""
    counts = await ask(session, "supervisor:count_children", Atom(supervisor))
    return await ask(session, "proplists:get_value", Atom("active"), counts)


async def assert_refused(session: Session, illness: str, reason: str, **options: Term) -> None:
    """On fails, and leaves nothing behind."""
    healthy = await census(session)
    with pytest.raises(RemoteError, match=reason):
        await ask(session, f"{illness}:on", Map((Atom(name), value) for name, value in options.items()))
    await settles_to(session, healthy)


async def assert_no_answer(session: Session, supervisor: str) -> None:
    with pytest.raises(RemoteError, match="timeout"):
        await ask(session, "gen_server:call", Atom(supervisor), Atom("which_children"), 100)


async def test_idle_processes_are_there(session: Session) -> None:
    async with ill(session, "ill_idle_processes", processes=20_000):
        calls = Counter(str(call) for call in await process_items(session, "initial_call"))
        assert calls[str((Atom("ill_idle_processes"), Atom("idle"), 0))] == 20_000


async def test_more_idle_processes_than_the_node_may_have_are_refused(session: Session) -> None:
    limit = await number(session, "erlang:system_info", Atom("process_limit"))
    await assert_refused(session, "ill_idle_processes", "too_many_for_process_limit", processes=limit)


async def test_other_idle_processes_come_and_go(session: Session) -> None:
    async with ill(session, "ill_idle_processes", processes=0, come_and_go_per_second=1_000):
        await until_replaced(lambda: short_lived_processes(session))


async def test_a_flooded_mailbox_has_the_messages_that_were_asked_for(session: Session) -> None:
    async with ill(session, "ill_mailbox_flood", messages=30_000):
        assert await item(session, "flooded_mailbox", "message_queue_len") == 30_000
        assert await ask(session, "ill_mailbox_flood:grow", 5_000) == OK
        assert await item(session, "flooded_mailbox", "message_queue_len") == 35_000


async def test_a_flooded_mailbox_grows_on(session: Session) -> None:
    async with ill(session, "ill_mailbox_flood", messages=0, messages_per_second=1_000):
        flooded = await pid_of(session, "flooded_mailbox")
        await until_answer(session, above(100), "erlang:process_info", flooded, Atom("message_queue_len"))


async def test_tables_of_all_sorts_are_there(session: Session) -> None:
    async with ill(session, "ill_many_tables", tables=1_000) as healthy:
        tables = await tables_of(session)
        assert len(tables) == healthy.tables + 1_000
        named = [table.get(Atom("name")) for table in tables if table.get(Atom("named_table")) == TRUE]
        assert len(set(named)) == len(named) > 200
        names = Counter(str(table.get(Atom("name"))) for table in tables)
        assert names[str(Atom("same_name"))] == 201
        assert names[str(Atom("private_table"))] == 200
        pid_in_its_name = [name for name in names if "Atom('state_of_<" in name]
        assert [names[name] for name in pid_in_its_name] == [20] * 10
        assert {table.get(Atom("protection")) for table in tables} >= {
            Atom("public"),
            Atom("protected"),
            Atom("private"),
        }


async def test_tables_come_and_go(session: Session) -> None:
    async with ill(session, "ill_many_tables", tables=0, come_and_go_per_second=1_000):
        await until_replaced(lambda: short_lived_tables(session))


async def test_very_many_children_are_under_one_supervisor(session: Session) -> None:
    async with ill(session, "ill_many_children", children=20_000):
        assert await count_of(session, "many_children_sup") == 20_000


async def test_a_hanging_supervisor_waits_for_the_start_of_a_child(session: Session) -> None:
    async with ill(session, "ill_hanging_supervisor"):
        assert (await function_of(session, "hanging_sup")).startswith("proc_lib:sync_start")
        assert await item(session, "hanging_sup", "message_queue_len") == 0
        await assert_no_answer(session, "hanging_sup")


async def test_a_suspended_supervisor_answers_system_messages_only(session: Session) -> None:
    async with ill(session, "ill_suspended_supervisor", hibernated=FALSE):
        assert await function_of(session, "suspended_sup") == "sys:suspend_loop"
        assert isinstance(await ask(session, "sys:get_state", Atom("suspended_sup")), tuple)
        await assert_no_answer(session, "suspended_sup")


async def test_a_suspended_supervisor_was_hibernating_where_supervisors_do(session: Session) -> None:
    async with ill(session, "ill_suspended_supervisor"):
        release = await ask(session, "erlang:system_info", Atom("otp_release"))
        function = await function_of(session, "suspended_sup")
        assert function == ("sys:suspend_loop" if release == [ord("2"), ord("5")] else "erlang:hibernate")


@pytest.mark.parametrize(
    ("illness", "supervisor"),
    [
        ("ill_hanging_supervisor", "hanging_sup"),
        ("ill_suspended_supervisor", "suspended_sup"),
        ("ill_many_children", "many_children_sup"),
    ],
)
async def test_an_ill_supervisor_can_be_in_an_application_s_tree(
    session: Session, illness: str, supervisor: str
) -> None:
    assert await count_of(session, "observability_sup") == 2
    async with ill(session, illness, under=Atom("observability_sup")):
        assert await item(session, supervisor, "parent") == await pid_of(session, "observability_sup")
        assert await count_of(session, "observability_sup") == 3
    assert await count_of(session, "observability_sup") == 2


async def test_an_illness_below_a_supervisor_that_does_not_exist_is_refused(session: Session) -> None:
    await assert_refused(session, "ill_hanging_supervisor", "no_such_supervisor", under=Atom("governor_sup"))


async def test_on_with_other_options_begins_anew(session: Session) -> None:
    async with ill(session, "ill_mailbox_flood", messages=10):
        assert await ask(session, "ill_mailbox_flood:on", Map([(Atom("messages"), 20)])) == OK
        assert await item(session, "flooded_mailbox", "message_queue_len") == 20


async def test_an_option_that_does_not_exist_is_refused(session: Session) -> None:
    await assert_refused(session, "ill_mailbox_flood", "bad_option", processes=20)
