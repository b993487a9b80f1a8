"""A child is restarted by real supervisors, in each way that can end, and we go away at any moment of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent import Session
from agent.actions import restart
from agent.actions.restart import Changed, Done, Locked, Start
from agent.errors import ConnectionLost, DeadlineExceeded, WorkerDied
from agent.probes import restart_facts
from agent.restarting import NoFacts, Obstacle, RestartFacts
from agent.rpc import DEFAULT_MAX_ANSWER_BYTES
from agent.supervision import ChildState
from agent.terms import FALSE, UNDEFINED, Atom, Map, Pid, Term, format_pid
from erlang_fixtures.beam import Beam
from tests.fakes import pause
from tests.live.nodes import (
    SECONDS,
    ask,
    census,
    join,
    join_through,
    messages_waiting,
    number,
    settles_to,
    until_answer,
)
from tests.live.restart_trees import (
    INFINITY,
    NONE,
    PLAIN,
    TREE,
    below_it,
    done,
    execute,
    facts_of,
    growing,
    pids_named,
    processes,
    sharing,
    spec,
    starts_of,
    tagged,
)
from tests.live.supervisors import below
from tests.proxy import Cut, proxying

pytestmark = pytest.mark.live

OK = Atom("ok")
FOR_EVER = 1 << 30


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


@pytest.fixture
async def another(beam: Beam) -> AsyncIterator[Session]:
    """What a second sidecar, or somebody at a shell, has."""
    session = await join(beam)
    yield session
    session.close()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart, "PAUSE_MILLISECONDS", 10)


async def until_locked(session: Session) -> str:
    """Wait until an action is running, and return what it is called."""
    async with asyncio.timeout(SECONDS):
        while (held := await restart.holder(session, SECONDS)) is None:
            pass
    return held


async def until_free(session: Session) -> None:
    async with asyncio.timeout(SECONDS):
        while await restart.holder(session, SECONDS) is not None:
            pass


async def test_a_child_is_ended_started_and_looked_at(session: Session) -> None:
    async with growing(session, spec(Atom("one")), spec(Atom("two"))):
        before, other = await facts_of(session, "one"), await facts_of(session, "two")
        report = await execute(session, before)
        assert isinstance(report, Done)
        assert (report.start, report.tries, report.reason, report.not_ended_because) == (Start.STARTED, 1, None, None)
        assert report.is_up
        after = await facts_of(session, "one")
        assert report.pid == after.pid != before.pid
        assert isinstance(report.after, RestartFacts)
        assert report.after.fingerprint == after.fingerprint
        assert (await facts_of(session, "two")).pid == other.pid
        assert (await below(session, TREE)).budget_left == 5
        assert await restart.holder(session, SECONDS) is None


IDS: dict[str, Term] = {
    "tuple": (Atom("billing_governor"), b"acme"),
    "binary with blanks": b"acme and sons",
    "text": list(b"a text"),
    "control characters": b"a\nb\x1b[31m",
    "map": Map([(Atom("tenant"), b"acme")]),
    "long": list(range(1_000)),
    "very long atoms": (Atom("\U00010400" * 255), Atom("\x01" * 255)),
}


@pytest.mark.parametrize("is_down", [False, True])
@pytest.mark.parametrize("kind", list(IDS))
async def test_a_child_with_an_id_of_any_kind_is_restarted_and_started(
    session: Session, kind: str, *, is_down: bool
) -> None:
    async with growing(session, spec(Atom("first")), spec(IDS[kind])):
        children = (await below(session, TREE)).children
        assert children is not None
        if is_down:
            assert await ask(session, "supervisor:terminate_child", Atom(TREE), IDS[kind]) == OK
        report = await done(session, children[1].id)
        assert (report.start, report.is_up) == (Start.STARTED, True)
        assert await starts_of(session, IDS[kind]) == 2
        assert await starts_of(session, Atom("first")) == 1


async def test_of_two_children_with_one_printed_id_the_one_that_is_meant_is_restarted(session: Session) -> None:
    async with growing(session, spec(b"x y"), spec(b"xy")):
        meant = (await below(session, TREE)).children
        assert meant is not None
        assert meant[0].pid is not None
        report = await done(session, meant[0].pid)
        assert report.is_up
        assert (await starts_of(session, b"x y"), await starts_of(session, b"xy")) == (2, 1)


async def test_a_child_that_is_down_is_started(session: Session) -> None:
    async with growing(session, spec(Atom("one"))):
        assert await ask(session, "supervisor:terminate_child", Atom(TREE), Atom("one")) == OK
        facts = await facts_of(session, "one")
        assert facts.state is ChildState.UNDEFINED
        report = await execute(session, facts)
        assert isinstance(report, Done)
        assert (report.start, report.is_up) == (Start.STARTED, True)


async def test_a_child_whose_death_its_supervisor_has_not_heard_of_is_started(session: Session) -> None:
    async with growing(session, spec(Atom("one"), Atom("unlinked"))):
        alive = await facts_of(session, "one")
        assert alive.child_pid is not None
        await ask(session, "erlang:exit", alive.child_pid, Atom("kill"))
        await until_answer(session, lambda it: it == FALSE, "erlang:is_process_alive", alive.child_pid)
        report = await done(session, "one")
        assert (report.start, report.is_up) == (Start.STARTED, True)


async def test_a_start_that_fails_twice_is_tried_a_third_time(session: Session) -> None:
    async with growing(session, spec(Atom("one"), tagged("fails", 2))):
        report = await done(session, "one", retries=3)
        assert (report.start, report.tries, report.is_up) == (Start.STARTED, 3, True)
        assert await starts_of(session, Atom("one")) == 1 + 3


@pytest.mark.parametrize(
    ("what", "reason"), [(tagged("fails", FOR_EVER), "{not_ready,3}"), (Atom("raises"), "as_it_was_told_to")]
)
async def test_a_start_that_never_works_is_told_and_harms_nothing_else(
    session: Session, what: Term, reason: str
) -> None:
    async with growing(session, spec(Atom("one"), what), spec(Atom("two"))):
        other = await facts_of(session, "two")
        report = await done(session, "one", retries=1)
        assert (report.start, report.tries, report.pid, report.is_up) == (Start.FAILED, 2, None, False)
        assert report.reason is not None
        assert reason in report.reason
        assert isinstance(report.after, RestartFacts)
        assert report.after.state is ChildState.UNDEFINED
        assert (await facts_of(session, "two")).pid == other.pid
        assert (await below(session, TREE)).budget_left == 5
        again = await done(session, "one")  # as a person does who has mended the cause, or not
        assert again.start is Start.FAILED


async def test_a_start_that_says_ignore_is_told(session: Session) -> None:
    async with growing(session, spec(Atom("one"), Atom("ignores"))):
        report = await done(session, "one", retries=3)
        assert (report.start, report.tries, report.is_up) == (Start.IGNORED, 1, False)


async def test_a_place_that_somebody_else_has_is_told_with_who_has_it(session: Session) -> None:
    async with growing(session, spec(Atom("one"), Atom("blocked"))):
        report = await done(session, "one", retries=1)
        blocker = await ask(session, "ets:info", Atom(TREE), Atom("owner"))
        assert isinstance(blocker, Pid)
        assert (report.start, report.pid, report.tries) == (Start.ALREADY_STARTED, format_pid(blocker), 2)
        assert not report.is_up


async def pausing(session: Session, monkeypatch: pytest.MonkeyPatch) -> asyncio.Task[restart.Report]:
    """Begin a restart whose first start fails, and return while it waits before the next."""
    monkeypatch.setattr(restart, "PAUSE_MILLISECONDS", 1_000)
    running = asyncio.create_task(execute(session, await facts_of(session, "one"), retries=1))
    await until_answer(session, lambda starts: starts == 2, "ets:lookup_element", Atom(TREE), Atom("one"), 2)
    return running


async def test_what_somebody_else_starts_meanwhile_is_running(
    session: Session, another: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with growing(session, spec(Atom("one"), tagged("fails", 1))):
        running = await pausing(session, monkeypatch)
        await ask(another, "supervisor:restart_child", Atom(TREE), Atom("one"))
        report = await running
        assert isinstance(report, Done)
        assert (report.start, report.is_up) == (Start.RUNNING, True)


async def test_what_somebody_else_deletes_meanwhile_is_not_found(
    session: Session, another: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with growing(session, spec(Atom("one"), tagged("fails", 1))):
        running = await pausing(session, monkeypatch)
        assert await ask(another, "supervisor:delete_child", Atom(TREE), Atom("one")) == OK
        report = await running
        assert isinstance(report, Done)
        assert (report.start, report.is_up) == (Start.NOT_FOUND, False)


async def test_a_supervisor_that_ends_meanwhile_is_gone(
    session: Session, another: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with growing(session, spec(Atom("one"), tagged("fails", 1))):
        running = await pausing(session, monkeypatch)
        assert await ask(another, "restart_children:stop", Atom(TREE)) == OK
        report = await running
        assert isinstance(report, Done)
        assert (report.start, report.is_up) == (Start.SUPERVISOR_GONE, False)
        assert report.after == NoFacts(Obstacle.SUPERVISOR_GONE)


@pytest.mark.parametrize(
    ("what", "shutdown"),
    [
        (tagged("ends_in", 300), 5_000),
        (tagged("ends_in", 300), INFINITY),
        (Atom("stubborn"), 300),
        (Atom("stubborn"), Atom("brutal_kill")),
    ],
)
async def test_a_child_ends_as_its_spec_says_and_is_up_again(session: Session, what: Term, shutdown: Term) -> None:
    async with growing(session, spec(Atom("one"), what, shutdown=shutdown)):
        report = await done(session, "one")
        assert (report.start, report.is_up, report.not_ended_because) == (Start.STARTED, True, None)
        if shutdown != Atom("brutal_kill"):
            assert report.shutdown_seconds >= 0.3


async def test_a_shutdown_that_takes_longer_than_the_look_is_still_looked_at_afterwards(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart, "LOOK_MILLISECONDS", 500)
    async with growing(session, below_it("lower_sup", spec(Atom("one"), tagged("ends_in", 1_000), shutdown=5_000))):
        report = await done(session, "lower_sup")
        assert report.shutdown_seconds >= 1
        assert isinstance(report.after, RestartFacts)
        assert (report.after.pid, report.after.subtree.static_children) == (report.pid, 1)


async def test_waiting_ends_at_the_deadline_and_the_restart_goes_on(session: Session) -> None:
    async with growing(session, spec(Atom("one"), tagged("ends_in", 1_000), shutdown=5_000), spec(Atom("two"))):
        facts = await facts_of(session, "one")
        await done(session, "two")  # the node has read the expression then, and takes no time for it
        with pytest.raises(DeadlineExceeded, match="goes on"):
            await restart.execute(session, facts, "a-7", 0.5, 0)
        await until_free(session)
        assert (await facts_of(session, "one")).pid not in {None, facts.pid}


async def test_rows_that_were_said_to_be_lost_are_and_those_of_an_heir_are_not(session: Session) -> None:
    tables: list[Term] = [(Atom("kept_rows"), 7, Atom(TREE)), (Atom("lost_rows"), 5, NONE)]
    async with growing(session, spec(Atom("one"), tagged("tables", tables))):
        (old,) = await tables_named(session, "kept_rows")
        facts = await facts_of(session, "one")
        assert (facts.kept_tables.rows, facts.lost_tables.rows) == (7, 5)
        await done(session, "one")
        now = await tables_named(session, "kept_rows")
        assert old in now
        assert len(now) == 2
        assert await ask(session, "ets:info", old, Atom("size")) == 7
        assert len(await tables_named(session, "lost_rows")) == 1


async def tables_named(session: Session, name: str) -> list[Term]:
    tables = await ask(session, "ets:all")
    assert isinstance(tables, list)
    return [table for table in tables if await ask(session, "ets:info", table, Atom("name")) == Atom(name)]


async def what_dies(session: Session, supervisor: str, child: str) -> tuple[RestartFacts, set[str]]:
    """Restart a child; return what was said of it, and the printed pids of all that ended."""
    before = await processes(session)
    facts = await facts_of(session, child, supervisor)
    report = await execute(session, facts)
    assert isinstance(report, Done)
    assert report.is_up
    return facts, {format_pid(pid) for pid in before - await processes(session)}


async def descendants(session: Session, name: str) -> set[str]:
    """The printed pids of a process and of all that it, or one of them, has started."""
    parent_of = {
        pid: await ask(session, "erlang:process_info", pid, Atom("parent")) for pid in await processes(session)
    }
    found: set[Term] = {await ask(session, "erlang:whereis", Atom(name))}
    while more := {pid for pid, told in parent_of.items() if isinstance(told, tuple) and told[1] in found} - found:
        found |= more
    return {format_pid(pid) for pid in found if isinstance(pid, Pid)}


async def test_what_is_said_to_die_is_what_dies(session: Session) -> None:
    linked: list[Term] = [
        tagged("quiet_1", Atom("quiet")),
        tagged("told_1", Atom("traps")),
        tagged("special_1", Atom("special")),
    ]
    each = spec(Atom("each"), start=("child", [Atom(TREE), 1, PLAIN]))
    lower = below_it(
        "lower_sup",
        spec(Atom("one"), tagged("linked", linked)),
        spec(Atom("two"), Atom("stubborn"), shutdown=100),
        spec(Atom("three"), Atom("unlinked")),
        sharing("sharing_sup", 5, each),
        below_it("lowest_sup", spec(Atom("four")), spec(b"acme", restart="temporary")),
    )
    async with growing(session, spec(Atom("first")), lower, spec(Atom("last"))):
        told = await pids_named(session, ["told_1"])
        below = await descendants(session, "lower_sup")
        facts, all_dead = await what_dies(session, TREE, "lower_sup")
        dead = all_dead & below  # what other tests have left on the node may end by itself meanwhile
        assert facts.subtree.processes == len(dead) == 1 + 1 + 2 + 1 + 1 + 1 + 5 + 1 + 2
        assert {one.pid for one in facts.subtree.names} <= dead
        assert {one.name for one in facts.subtree.names} == {
            "lower_sup",
            "quiet_1",
            "special_1",
            "sharing_sup",
            "lowest_sup",
        }
        assert not {one.pid for one in facts.subtree.told} & dead
        assert [one.name for one in facts.subtree.told] == ["told_1"]
        await ask(session, "erlang:exit", told["told_1"], Atom("kill"))


@pytest.mark.parametrize(
    ("supervisor", "child"),
    [
        ("tai_autonomics_sup", "action_pool"),
        ("tai_autonomics_sup", "cluster_sup"),
        ("tai_autonomics_sup", "receipt_ledger_sup"),
        ("tai_autonomics_sup", "governance_sup"),
        ("governance_sup", "billing_sup"),
        ("receipt_ledger_sup", "receipt_store"),
    ],
)
async def test_in_the_tree_of_tai_what_is_said_to_die_dies_and_all_names_come_back(
    erl: Path, supervisor: str, child: str
) -> None:
    with Beam(erl, applications=["tai_autonomics"]) as beam:
        session = await join(beam)
        facts, dead = await what_dies(session, supervisor, child)
        assert facts.subtree.processes == len(dead)
        assert {one.pid for one in facts.subtree.names} <= dead
        for one in facts.subtree.names:
            assert one.name is not None
            assert await ask(session, "erlang:whereis", Atom(one.name)) != UNDEFINED
        after = await facts_of(session, child, supervisor)
        assert after.subtree.temporary_count == 0
        assert after.subtree.processes == facts.subtree.processes - facts.subtree.temporary_count
        session.close()


async def test_of_two_at_once_one_acts_and_the_other_is_told_which(session: Session, another: Session) -> None:
    async with growing(session, spec(Atom("one"), Atom("stubborn"), shutdown=INFINITY), spec(Atom("two"))):
        one, two = await facts_of(session, "one"), await facts_of(another, "two")
        assert one.child_pid is not None
        first = asyncio.create_task(execute(session, one, action_id="a-first"))
        assert await until_locked(another) in {"a-first", ""}
        assert await execute(another, two, action_id="a-second") == Locked("a-first")
        await ask(another, "erlang:exit", one.child_pid, Atom("kill"))
        assert isinstance(await first, Done)
        assert (await starts_of(session, Atom("one")), await starts_of(session, Atom("two"))) == (2, 1)
        assert isinstance(await execute(another, await facts_of(another, "two")), Done)


async def test_of_many_who_want_the_same_exactly_one_acts(session: Session, another: Session) -> None:
    async with growing(session, spec(Atom("one"), tagged("ends_in", 100), shutdown=5_000)):
        facts = await facts_of(session, "one")
        await asyncio.gather(execute(session, facts), execute(another, facts))
        facts = await facts_of(session, "one")
        before = await starts_of(session, Atom("one"))
        reports = await asyncio.gather(
            *(execute(each, facts, action_id=f"a-{n}") for n, each in enumerate([session, another] * 10))
        )
        assert sum(isinstance(report, Done) for report in reports) == 1
        # Who comes after it is over finds another child than the plan has.
        assert all(isinstance(report, Done | Locked | Changed) for report in reports)
        assert await starts_of(session, Atom("one")) == before + 1


async def test_a_plan_that_is_no_longer_true_touches_nothing(session: Session) -> None:
    async with growing(session, spec(Atom("one")), spec(Atom("two"))):
        old = await facts_of(session, "one")
        await done(session, "one")
        now = await facts_of(session, "one")
        report = await execute(session, old)
        assert isinstance(report, Changed)
        assert (await facts_of(session, "one")).fingerprint == now.fingerprint
        assert await restart.holder(session, SECONDS) is None


async def test_a_plan_of_a_table_that_got_rows_since_touches_nothing_and_tells_what_is_so_now(
    session: Session,
) -> None:
    async with growing(session, below_it("lower_sup", spec(Atom("one"), tagged("tables", [(Atom("rows"), 0, NONE)])))):
        old = await facts_of(session, "lower_sup")
        (table,) = await tables_named(session, "rows")
        await ask(session, "ets:insert", table, (1,))
        report = await execute(session, old)
        assert isinstance(report, Changed)
        assert isinstance(report.found, RestartFacts)
        assert report.found.fingerprint == (await facts_of(session, "lower_sup")).fingerprint
        assert report.found.lost_tables.names == ("rows",)
        assert report.found.pid == old.pid


async def test_a_child_that_has_gone_since_touches_nothing(session: Session) -> None:
    async with growing(session, spec(Atom("one")), spec(Atom("two"))):
        old = await facts_of(session, "one")
        await ask(session, "supervisor:terminate_child", Atom(TREE), Atom("one"))
        await ask(session, "supervisor:delete_child", Atom(TREE), Atom("one"))
        assert isinstance(await execute(session, old), Changed)


async def test_a_supervisor_that_was_suspended_since_is_left_alone(session: Session) -> None:
    async with growing(session, spec(Atom("one"))):
        old = await facts_of(session, "one")
        await ask(session, "sys:suspend", Atom(TREE))
        report = await execute(session, old)
        assert isinstance(report, Changed)
        assert isinstance(report.found, NoFacts)
        assert report.found.obstacle is Obstacle.NOT_ASKED
        await ask(session, "sys:resume", Atom(TREE))
        assert (await facts_of(session, "one")).pid == old.pid


async def test_a_supervisor_that_hangs_since_is_left_alone(session: Session) -> None:
    async with growing(session, spec(Atom("one")), spec(Atom("slow"), tagged("starts_in", 2_000))):
        old, slow = await facts_of(session, "one"), await facts_of(session, "slow")
        assert slow.child_pid is not None
        await ask(session, "erlang:exit", slow.child_pid, Atom("kill"))
        await until_answer(session, lambda it: it == 2, "ets:lookup_element", Atom(TREE), Atom("slow"), 2)
        assert isinstance(await execute(session, old), Changed)
        assert (await settled_facts(session, "one")).pid == old.pid


async def settled_facts(session: Session, child: str) -> RestartFacts:
    """What is known of a child as soon as its supervisor answers again."""
    async with asyncio.timeout(SECONDS):
        while True:
            found = await restart_facts.ask(session, SECONDS, TREE, child)
            if isinstance(found, RestartFacts) and found.state is ChildState.RUNNING:
                return found
            await pause()


CUTS = [pytest.param(n, 5) for n in range(5)] + [pytest.param(n, 50, marks=pytest.mark.slow) for n in range(50)]
SLOW_RESTART_SECONDS = 0.6


@pytest.mark.parametrize(("moment", "moments"), CUTS)
async def test_a_connection_that_is_cut_half_way_leaves_the_child_up(
    beam: Beam, another: Session, moment: int, moments: int
) -> None:
    slow = spec(Atom("one"), tagged("ends_in", 300), shutdown=5_000)
    late = spec(Atom("late"), tagged("starts_in", 300))
    async with growing(another, below_it("lower_sup", slow, late)), proxying(beam.port) as proxy:
        session = await join_through(proxy, beam)
        facts = await facts_of(session, "lower_sup")
        acting = asyncio.create_task(execute(session, facts))
        await until_locked(another)
        await asyncio.sleep(SLOW_RESTART_SECONDS * moment / moments)  # which is the moment
        proxy.treat(Cut())
        with contextlib.suppress(ConnectionLost):  # at the last moments it may be done already
            await acting
        await until_free(another)
        found = await settled_facts(another, "lower_sup")
        assert found.pid != facts.pid
        assert [(one.pid is None, one.state) for one in (await below(another, "lower_sup")).children or ()] == [
            (False, ChildState.RUNNING)
        ] * 2


async def test_a_connection_that_ends_at_any_step_of_asking_leaves_the_child_up(beam: Beam, another: Session) -> None:
    async with growing(another, spec(Atom("one"), tagged("ends_in", 50), shutdown=5_000)):
        for steps in range(12):
            session = await join(beam)
            acting = asyncio.create_task(execute(session, await facts_of(session, "one")))
            for _ in range(steps):
                await asyncio.sleep(0)
            session.close()
            with pytest.raises(ConnectionLost):
                await acting
            await session.wait_closed()
            await until_free(another)
            assert (await settled_facts(another, "one")).state is ChildState.RUNNING


HEAP_WORDS = 150_000


async def test_a_limit_of_heap_for_every_process_of_the_node_does_not_end_the_worker(erl: Path) -> None:
    arguments = ["+hmax", str(HEAP_WORDS), "+hmaxk", "true", "+hmaxel", "false"]
    with Beam(erl, arguments=arguments) as beam:
        session = await join(beam)
        await ask(session, "restart_children:start_many", Atom(TREE), 500)
        facts = await facts_of(session, "{child,100}")
        bindings = restart_facts.bindings_for(facts.supervisor_pid, restart_facts.printed_id("{child,100}"), SECONDS)
        with pytest.raises(WorkerDied):  # so it is more than an ordinary process may have
            await session.evaluate(restart_facts.PLAN, bindings, deadline_seconds=SECONDS, max_heap_words=HEAP_WORDS)
        report = await execute(session, facts)
        assert isinstance(report, Done)
        assert (report.start, report.is_up) == (Start.STARTED, True)
        await ask(session, "restart_children:stop", Atom(TREE))
        session.close()


async def test_a_report_that_is_longer_than_an_answer_may_be_is_read(session: Session) -> None:
    async with growing(session, spec(Atom("one"), tagged("long_names", 6_000))):
        report = await done(session, "one")
        assert isinstance(report.after, RestartFacts)
        names = report.after.lost_tables.names
        assert len(names) == 6_000
        assert sum(map(len, names)) > DEFAULT_MAX_ANSWER_BYTES


async def test_restarts_leave_nothing_on_the_node_but_the_same_atoms_once(erl: Path) -> None:
    with Beam(erl, applications=["tai_autonomics"]) as beam:
        session = await join(beam)
        specs = (spec(Atom("one")), spec(Atom("bad"), tagged("fails", FOR_EVER)), spec(Atom("two")))

        async def all_outcomes(turn: int) -> None:
            await done(session, "one")
            await done(session, "bad", retries=1)
            old = await facts_of(session, "two")
            assert isinstance(await execute(session, old, action_id=f"action_{turn}"), Done)
            assert isinstance(await execute(session, old), Changed)
            await until_free(session)

        async with growing(session, *specs):
            await all_outcomes(0)
            people, registered = await census(session), await names_of(session, "erlang:registered")
            atoms = await number(session, "erlang:system_info", Atom("atom_count"))
            for turn in range(1, 4):
                await all_outcomes(turn)
            await settles_to(session, people)
            assert await messages_waiting(session) == 0
            assert await names_of(session, "erlang:registered") == registered
            assert await number(session, "erlang:system_info", Atom("atom_count")) == atoms
        session.close()
        logged = beam.log.read_text()
        assert "beamwarden" not in logged
        assert "erl_eval" not in logged


async def names_of(session: Session, function: str) -> set[str]:
    found = await ask(session, function)
    assert isinstance(found, list)
    return {name.name for name in found if isinstance(name, Atom)}


async def test_a_hanging_child_holds_the_lock_until_it_ends(session: Session, another: Session) -> None:
    async with growing(session, spec(Atom("one"), Atom("stubborn"), shutdown=INFINITY), spec(Atom("two"))):
        facts, other = await facts_of(session, "one"), await facts_of(session, "two")
        assert facts.child_pid is not None
        acting = asyncio.create_task(execute(session, facts, action_id="a-stuck"))
        await until_locked(another)
        assert await restart.holder(another, SECONDS) == "a-stuck"
        assert await execute(another, other) == Locked("a-stuck")
        await ask(another, "erlang:exit", facts.child_pid, Atom("kill"))
        assert isinstance(await acting, Done)
        assert (await settled_facts(another, "one")).pid != facts.pid
