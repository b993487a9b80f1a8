"""Each illness of the fixtures is there once it is on, and off leaves the node as it was: by Erlang's own questions."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from agent import Session
from agent.errors import RemoteError
from agent.expression import Expression
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, ExportFun, Map, Term
from erlang_fixtures.beam import FIXTURES, Beam
from tests.fakes import pause
from tests.live.illnesses import OK, function_of, ill, item, pid_of, switch_off, switch_on
from tests.live.nodes import SECONDS, ask, census, join, number, process_items, settles_to, until_answer

pytestmark = pytest.mark.live

ILLNESSES = sorted(path.stem for path in (FIXTURES / "src").glob("ill_*.erl"))


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
async def ill_and_back(session: Session, illness: str, **options: Term) -> AsyncIterator[Inventory]:
    """Be ill for as long as the block lasts, and healthy, as the block is told, the moment it is over.

    Both are asked for twice: the second time changes nothing.
    """
    healthy = await inventory(session)
    async with ill(session, illness, **options):
        owner = await pid_of(session, illness)
        await switch_on(session, illness, **options)
        assert await pid_of(session, illness) == owner
        yield healthy
    await switch_off(session, illness)
    assert await inventory(session) == healthy


def above(least: int) -> Callable[[Term], bool]:
    """Tell whether an answer of ``process_info`` or ``ets:info`` is a number above another."""

    def is_above(answer: Term) -> bool:
        value = answer[1] if isinstance(answer, tuple) else answer
        return isinstance(value, int) and value > least

    return is_above


def below(most: int) -> Callable[[Term], bool]:
    """Tell whether an answer is a number below another."""
    return lambda answer: isinstance(answer, int) and answer < most


async def restarts(session: Session) -> int:
    """How many restarts ``crashing_sup`` remembers: it forgets them a minute later."""
    state = await ask(session, "sys:get_state", Atom("crashing_sup"))
    assert isinstance(state, tuple)
    remembered = state[7]  # element 8 of supervisor.erl's state record, in OTP 25 and 28
    assert isinstance(remembered, list)
    return len(remembered)


# In one go on the node: of a table that was deleted while its reference was here ets:info/1 may raise badarg.
TABLES = Expression("tables", "[maps:from_list(Info) || Info <- lists:map(fun ets:info/1, ets:all()), is_list(Info)]")


async def tables_of(session: Session) -> list[Map]:
    """``ets:info/1`` of every table."""
    maps = (await session.evaluate(TABLES, {}, deadline_seconds=SECONDS)).value
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
            await pause()


async def count_of(session: Session, supervisor: str) -> Term:
    """How many children a supervisor that answers has."""
    counts = await ask(session, "supervisor:count_children", Atom(supervisor))
    return await ask(session, "proplists:get_value", Atom("active"), counts)


async def assert_refused(session: Session, illness: str, reason: str, **options: Term) -> None:
    """On fails, and leaves nothing behind."""
    healthy = await census(session)
    with pytest.raises(RemoteError, match=reason):
        await switch_on(session, illness, **options)
    await settles_to(session, healthy)


async def assert_no_answer(session: Session, supervisor: str) -> None:
    with pytest.raises(RemoteError, match="timeout"):
        await ask(session, "gen_server:call", Atom(supervisor), Atom("which_children"), 100)


async def test_idle_processes_are_there(session: Session) -> None:
    async with ill_and_back(session, "ill_idle_processes", processes=20_000):
        calls = Counter(str(call) for call in await process_items(session, "initial_call"))
        assert calls[str((Atom("ill_idle_processes"), Atom("idle"), 0))] == 20_000


async def test_more_idle_processes_than_the_node_may_have_are_refused(session: Session) -> None:
    limit = await number(session, "erlang:system_info", Atom("process_limit"))
    await assert_refused(session, "ill_idle_processes", "too_many_for_process_limit", processes=limit)


async def test_other_idle_processes_come_and_go(session: Session) -> None:
    async with ill_and_back(session, "ill_idle_processes", processes=0, come_and_go_per_second=1_000):
        await until_replaced(lambda: short_lived_processes(session))


async def test_a_flooded_mailbox_has_the_messages_that_were_asked_for(session: Session) -> None:
    async with ill_and_back(session, "ill_mailbox_flood", messages=30_000):
        assert await item(session, "flooded_mailbox", "message_queue_len") == 30_000
        assert await ask(session, "ill_mailbox_flood:grow", 5_000) == OK
        assert await item(session, "flooded_mailbox", "message_queue_len") == 35_000


async def test_a_flooded_mailbox_grows_on(session: Session) -> None:
    async with ill_and_back(session, "ill_mailbox_flood", messages=0, messages_per_second=1_000):
        flooded = await pid_of(session, "flooded_mailbox")
        await until_answer(session, above(100), "erlang:process_info", flooded, Atom("message_queue_len"))


async def test_tables_of_all_sorts_are_there(session: Session) -> None:
    async with ill_and_back(session, "ill_many_tables", tables=1_000) as healthy:
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
    async with ill_and_back(session, "ill_many_tables", tables=0, come_and_go_per_second=1_000):
        await until_replaced(lambda: short_lived_tables(session))


async def test_very_many_children_are_under_one_supervisor(session: Session) -> None:
    async with ill_and_back(session, "ill_many_children", children=20_000):
        assert await count_of(session, "many_children_sup") == 20_000


async def test_a_hanging_supervisor_waits_for_the_start_of_a_child(session: Session) -> None:
    async with ill_and_back(session, "ill_hanging_supervisor"):
        assert (await function_of(session, "hanging_sup")).startswith("proc_lib:sync_start")
        assert await item(session, "hanging_sup", "message_queue_len") == 0
        await assert_no_answer(session, "hanging_sup")


async def test_a_suspended_supervisor_answers_system_messages_only(session: Session) -> None:
    async with ill_and_back(session, "ill_suspended_supervisor", hibernated=FALSE):
        assert await function_of(session, "suspended_sup") == "sys:suspend_loop"
        assert isinstance(await ask(session, "sys:get_state", Atom("suspended_sup")), tuple)
        await assert_no_answer(session, "suspended_sup")


async def test_a_suspended_supervisor_was_hibernating_where_supervisors_do(session: Session) -> None:
    async with ill_and_back(session, "ill_suspended_supervisor"):
        release = await ask(session, "erlang:system_info", Atom("otp_release"))
        function = await function_of(session, "suspended_sup")
        assert function == ("sys:suspend_loop" if release == [ord("2"), ord("5")] else "erlang:hibernate")


@pytest.mark.parametrize(
    ("illness", "name"),
    [
        ("ill_hanging_supervisor", "hanging_sup"),
        ("ill_suspended_supervisor", "suspended_sup"),
        ("ill_many_children", "many_children_sup"),
        ("ill_crash_loop", "crashing_sup"),
        ("ill_stuck_governor", "stuck_governor"),
    ],
)
async def test_it_can_be_in_an_application_s_tree(session: Session, illness: str, name: str) -> None:
    assert await count_of(session, "observability_sup") == 2
    async with ill_and_back(session, illness, under=Atom("observability_sup")):
        assert await item(session, name, "parent") == await pid_of(session, "observability_sup")
        assert await count_of(session, "observability_sup") == 3
    assert await count_of(session, "observability_sup") == 2


async def test_an_illness_below_a_supervisor_that_does_not_exist_is_refused(session: Session) -> None:
    await assert_refused(session, "ill_hanging_supervisor", "no_such_supervisor", under=Atom("governor_sup"))


async def test_a_leaking_heap_is_in_use(session: Session) -> None:
    async with ill_and_back(session, "ill_heap_leak", bytes=20_000_000):
        await ask(session, "erlang:garbage_collect", await pid_of(session, "leaking_heap"))
        memory = await item(session, "leaking_heap", "memory")
        assert isinstance(memory, int)
        assert memory > 20_000_000


async def test_leaking_binaries_are_outside_the_heap_of_who_holds_them(session: Session) -> None:
    before = await number(session, "erlang:memory", Atom("binary"))
    async with ill_and_back(session, "ill_binary_leak", binaries=100, bytes_per_each=200_000):
        assert await number(session, "erlang:memory", Atom("binary")) - before > 19_000_000
        memory = await item(session, "leaking_binaries", "memory")
        assert isinstance(memory, int)
        assert memory < 1_000_000
        binaries = await item(session, "leaking_binaries", "binary")
        assert isinstance(binaries, list)
        assert [binary[1] for binary in binaries if isinstance(binary, tuple)] == [200_000] * 100
    await until_answer(session, below(before + 1_000_000), "erlang:memory", Atom("binary"))


async def test_binaries_so_short_that_they_stay_on_the_heap_are_refused(session: Session) -> None:
    await assert_refused(session, "ill_binary_leak", "too_short_to_leave_the_heap", bytes_per_each=64)


async def test_a_growing_table_has_the_rows_that_were_asked_for(session: Session) -> None:
    async with ill_and_back(session, "ill_ets_growth", rows=30_000):
        assert await number(session, "ets:info", Atom("growing_table"), Atom("size")) == 30_000
        assert await ask(session, "ill_ets_growth:grow", 5_000) == OK
        assert await number(session, "ets:info", Atom("growing_table"), Atom("size")) == 35_000


async def test_a_growing_table_grows_on(session: Session) -> None:
    async with ill_and_back(session, "ill_ets_growth", rows=0, rows_per_second=1_000):
        await until_answer(session, above(100), "ets:info", Atom("growing_table"), Atom("size"))


async def test_a_child_crashes_just_as_often_as_it_is_told_to(session: Session) -> None:
    async with ill_and_back(session, "ill_crash_loop", milliseconds_per_crash=0):
        assert await restarts(session) == 0
        first = await pid_of(session, "crashing_child")
        assert await ask(session, "ill_crash_loop:crash", 3) == OK
        assert await restarts(session) == 3
        assert await pid_of(session, "crashing_child") != first
        assert await count_of(session, "crashing_sup") == 2


async def test_a_crash_loop_goes_on_by_itself_and_has_begun_at_once(session: Session) -> None:
    async with ill_and_back(session, "ill_crash_loop", milliseconds_per_crash=100, intensity=1_000):
        assert await restarts(session) >= 1
        async with asyncio.timeout(SECONDS):
            while await restarts(session) < 4:
                await pause()


async def test_more_crashes_than_the_budget_end_the_supervisor(session: Session) -> None:
    async with ill_and_back(session, "ill_crash_loop", milliseconds_per_crash=0, intensity=2):
        assert await ask(session, "ill_crash_loop:crash", 2) == OK
        assert await ask(session, "ill_crash_loop:crash", 1) == Atom("supervisor_ended")
        assert await ask(session, "erlang:whereis", Atom("crashing_sup")) == UNDEFINED


async def test_a_crash_loop_that_would_end_its_supervisor_is_refused(session: Session) -> None:
    await assert_refused(session, "ill_crash_loop", "supervisor_would_give_up", milliseconds_per_crash=1_000)


async def test_a_busy_process_burns_reductions(session: Session) -> None:
    async with ill_and_back(session, "ill_busy_scheduler"):
        assert await function_of(session, "busy_process") == "ill_busy_scheduler:burn"
        before = await item(session, "busy_process", "reductions")
        assert isinstance(before, int)
        busy = await pid_of(session, "busy_process")
        await until_answer(session, above(before + 1_000_000), "erlang:process_info", busy, Atom("reductions"))


async def test_a_stuck_governor_is_in_its_callback_while_messages_pile_up(session: Session) -> None:
    async with ill_and_back(session, "ill_stuck_governor", messages=500):
        function = await function_of(session, "stuck_governor")
        assert function == "ill_stuck_governor:wait_for_a_payment_that_never_comes"
        assert await item(session, "stuck_governor", "message_queue_len") == 500
        with pytest.raises(RemoteError, match="timeout"):
            await ask(session, "sys:get_state", Atom("stuck_governor"), 100)


async def test_on_with_other_options_begins_anew(session: Session) -> None:
    async with ill_and_back(session, "ill_mailbox_flood", messages=10):
        await switch_on(session, "ill_mailbox_flood", messages=20)
        assert await item(session, "flooded_mailbox", "message_queue_len") == 20


async def test_an_option_that_does_not_exist_is_refused(session: Session) -> None:
    await assert_refused(session, "ill_mailbox_flood", "bad_option", processes=20)


@pytest.mark.parametrize("module", ILLNESSES)
async def test_its_defaults_come_and_go(session: Session, module: str) -> None:
    async with ill_and_back(session, module):
        assert await ask(session, f"{module}:on") == OK


def test_the_readme_has_a_row_for_every_illness() -> None:
    rows = re.findall(r"^\| `(ill_\w+)` \|", (FIXTURES / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == ILLNESSES
