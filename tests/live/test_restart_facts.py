"""What would go with a child: as it is told, against what real nodes say of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agent import Session
from agent.actions.guards import Guard
from agent.actions.plan import Accepted, Past, Policy, make_plan
from agent.probes.restart_facts import NoSuchSupervisor
from agent.restarting import NoFacts, NoSuchChild, Obstacle, RestartFacts, SeveralChildren
from agent.supervision import ChildState, Status
from agent.terms import FALSE, TRUE, Atom, ImproperList, Map, Pid, Term, format_pid
from erlang_fixtures.beam import Beam
from tests.live.illnesses import ill, item, pid_of
from tests.live.nodes import ask, census, join, number, settles_to, until_answer
from tests.live.restart_trees import (
    INFINITY,
    NONE,
    PLAIN,
    TREE,
    below_it,
    facts_of,
    growing,
    look,
    sharing,
    spec,
    tagged,
)
from tests.live.supervisors import below

pytestmark = pytest.mark.live

TENANTS = 3
DOMAINS = 9


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


NOTHING = Accepted()


def refusals(found: RestartFacts | NoFacts, accepted: Accepted = NOTHING) -> set[Guard]:
    plan = make_plan(found, creation=1, instance_id=None, accepted=accepted, policy=Policy(), past=Past())
    return {refusal.guard for refusal in plan.refusals}


async def pid_text(session: Session, name: str) -> str:
    pid = await pid_of(session, name)
    assert isinstance(pid, Pid)
    return format_pid(pid)


async def has_no_message_of_ours(session: Session, name: str) -> None:
    """Of its own, a supervisor that was suspended keeps the timeout after which it would have hibernated."""
    messages = await item(session, name, "messages")
    assert (
        messages == []
        or messages == [Atom("timeout")]
        or (
            isinstance(messages, list)
            and all(isinstance(each, tuple) and each[0] == Atom("timeout") for each in messages)
        )
    ), messages


IDS: dict[str, Term] = {
    "atom": Atom("plain_child"),
    "quoted atom": Atom("It is quoted"),
    "tuple": (Atom("billing_governor"), b"acme"),
    "binary": b"acme",
    "binary with blanks": b"acme and sons",
    "text": list(b"a text"),
    "integer": 42,
    "control characters": b"a\nb\x1b[31m",
    "atom of control characters": Atom("a\nb\x1b[31m"),
    "improper list": ImproperList((Atom("a"), 1), Atom("b")),
    "map": Map([(Atom("tenant"), b"acme")]),
    "no text": b"\xff\xfe",
    "other letters": Atom("прилавок"),
    "long": list(range(1_000)),
    "very long atoms": (Atom("\U00010400" * 255), Atom("\x01" * 255)),
}


@pytest.mark.parametrize("kind", list(IDS))
async def test_a_child_is_found_by_its_id_as_the_tree_prints_it(session: Session, kind: str) -> None:
    async with growing(session, spec(Atom("first")), spec(IDS[kind]), spec(Atom("last"))):
        children = (await below(session, TREE)).children
        assert children is not None
        printed = children[1]
        found = await facts_of(session, printed.id)
        assert (found.id, found.pid, found.state) == (printed.id, printed.pid, ChildState.RUNNING)
        spaced = printed.id.replace(",", " , ")
        assert (await facts_of(session, spaced)).pid == printed.pid


async def test_an_id_with_a_pid_in_it_and_one_that_is_a_pid_are_found(session: Session) -> None:
    pid = await pid_of(session, "receipt_store")
    async with growing(session, spec((Atom("conn"), pid)), spec(pid)):
        printed = await pid_text(session, "receipt_store")
        assert (await facts_of(session, f"{{conn,{printed}}}")).id == f"{{conn,{printed}}}"
        # What is a pid is taken for the child's own; its id is not looked at.
        assert isinstance(await look(session, printed), NoSuchChild)
        by_name = [child for child in (await below(session, TREE)).children or () if child.id == printed]
        assert by_name[0].pid is not None
        assert (await facts_of(session, by_name[0].pid)).id == printed


async def test_of_several_children_with_one_printed_id_a_pid_says_which_is_meant(session: Session) -> None:
    async with growing(session, spec(b"x y"), spec(b"xy"), spec(Atom("other"))):
        several = await look(session, '<<"xy">>')
        assert isinstance(several, SeveralChildren)
        assert len(several.pids) == 2
        assert {(await facts_of(session, pid)).id for pid in several.pids} == {'<<"x y">>', '<<"xy">>'}


async def test_a_child_that_is_not_there_is_answered_with_those_that_are(session: Session) -> None:
    found = await look(session, "receipt_shop", "receipt_ledger_sup")
    assert isinstance(found, NoSuchChild)
    assert set(found.ids) == {"receipt_store", "receipt_publisher"}
    assert found.supervisor.name == "receipt_ledger_sup"


async def test_a_supervisor_that_is_not_there_is_answered_with_names_like_it(session: Session) -> None:
    found = await look(session, "receipt_store", "governor_sup")
    assert isinstance(found, NoSuchSupervisor)
    assert "governance_sup" in found.nearest


async def test_a_child_by_its_name_or_pid_alone_belongs_to_its_parent(session: Session) -> None:
    by_name = await facts_of(session, "receipt_store", None)
    by_pid = await facts_of(session, await pid_text(session, "receipt_store"), None)
    assert by_name.fingerprint == by_pid.fingerprint
    assert (by_name.id, by_name.supervisor.name, by_name.application) == (
        "receipt_store",
        "receipt_ledger_sup",
        "tai_autonomics",
    )


@pytest.mark.parametrize(
    ("child", "obstacle", "guard"),
    [
        ("tai_autonomics_sup", Obstacle.APPLICATION_TOP, Guard.APPLICATION_TOP),
        ("kernel_sup", Obstacle.APPLICATION_TOP, Guard.APPLICATION_TOP),
        ("init", Obstacle.NO_PARENT, Guard.NO_SUPERVISOR),
        ("application_controller", Obstacle.NO_PARENT, Guard.NO_SUPERVISOR),
    ],
)
async def test_what_no_supervisor_restarts_is_refused(
    session: Session, child: str, obstacle: Obstacle, guard: Guard
) -> None:
    found = await look(session, child, None)
    assert isinstance(found, NoFacts)
    assert found.obstacle is obstacle
    assert refusals(found) == {guard}


async def test_a_child_of_the_platform_is_refused(session: Session) -> None:
    found = await facts_of(session, "kernel_safe_sup", "kernel_sup")
    assert Guard.APPLICATION_NOT_ALLOWED in refusals(found)


async def test_what_is_declared_a_supervisor_and_is_none_has_no_children_to_restart(session: Session) -> None:
    found = await look(session, "action_worker", "action_pool")
    assert isinstance(found, NoFacts)
    assert found.supervisor is not None
    assert found.supervisor.status is Status.NOT_A_SUPERVISOR
    assert refusals(found) == {Guard.NOT_A_SUPERVISOR}


async def test_one_that_is_declared_a_supervisor_and_is_none_can_be_restarted_by_its_own(session: Session) -> None:
    found = await facts_of(session, "action_pool", "tai_autonomics_sup")
    assert refusals(found) == set()
    assert found.subtree.shutdown_milliseconds == 5_000


async def test_a_supervisor_whose_children_share_a_spec_is_refused(session: Session) -> None:
    async with growing(session, sharing("sharing_sup", 3, spec(Atom("each"), start=("child", [Atom(TREE), 1, PLAIN])))):
        found = await look(session, "undefined", "sharing_sup")
        assert isinstance(found, NoFacts)
        assert refusals(found) == {Guard.SHARED_SPEC}


@pytest.mark.parametrize("hibernated", [TRUE, FALSE])
async def test_a_suspended_supervisor_is_refused_and_got_no_message(session: Session, hibernated: Atom) -> None:
    async with ill(session, "ill_suspended_supervisor", hibernated=hibernated):
        found = await look(session, "{child,1}", "suspended_sup")
        assert isinstance(found, NoFacts)
        assert refusals(found) == {Guard.SUPERVISOR_SUSPENDED}
        await has_no_message_of_ours(session, "suspended_sup")


async def hibernates(session: Session) -> None:
    """Wait until the tree's supervisor does: on OTP 25 in another way than on 28."""
    pid = await pid_of(session, TREE)
    places = {(Atom("erlang"), Atom("hibernate"), 3), (Atom("gen_server"), Atom("loop_hibernate"), 4)}
    await until_answer(
        session,
        lambda answer: isinstance(answer, tuple) and answer[1] in places,
        "erlang:process_info",
        pid,
        Atom("current_function"),
    )


async def test_a_supervisor_that_hibernates_is_asked(session: Session) -> None:
    async with growing(session, spec(Atom("one")), hibernates=True):
        await hibernates(session)
        assert (await facts_of(session, "one")).state is ChildState.RUNNING


async def test_one_that_was_suspended_while_it_hibernated_is_refused_where_both_look_the_same(session: Session) -> None:
    async with growing(session, spec(Atom("one")), hibernates=True):
        await hibernates(session)
        assert await ask(session, "sys:suspend", Atom(TREE)) == Atom("ok")
        for _ in range(3):
            found = await look(session, "one")
            assert isinstance(found, NoFacts)
            assert refusals(found) == {Guard.SUPERVISOR_SUSPENDED}
        await has_no_message_of_ours(session, TREE)


async def test_a_supervisor_that_hangs_is_refused_and_got_no_message(session: Session) -> None:
    async with ill(session, "ill_hanging_supervisor"):
        found = await look(session, "last_child", "hanging_sup")
        assert isinstance(found, NoFacts)
        assert refusals(found) == {Guard.SUPERVISOR_NOT_ANSWERING}
        await has_no_message_of_ours(session, "hanging_sup")


async def test_a_child_that_crashes_until_no_restart_is_left_is_refused(session: Session) -> None:
    async with ill(
        session, "ill_crash_loop", milliseconds_per_crash=0, intensity=2, period_seconds=3600, under=Atom("cluster_sup")
    ):
        assert refusals(await facts_of(session, "crashing_child", "crashing_sup")) == set()
        await ask(session, "ill_crash_loop:crash", 2)
        found = await facts_of(session, "crashing_child", "crashing_sup")
        assert (found.supervisor.budget_left, refusals(found)) == (0, {Guard.BUDGET_USED_UP})


async def test_what_belongs_to_no_application_is_refused_whether_it_runs_or_not(session: Session) -> None:
    async with growing(session, spec(Atom("one"))):
        assert refusals(await facts_of(session, "one")) == {Guard.APPLICATION_NOT_ALLOWED}
        await ask(session, "supervisor:terminate_child", Atom(TREE), Atom("one"))
        down = await facts_of(session, "one")
        assert (down.state, down.pid) == (ChildState.UNDEFINED, None)
        assert refusals(down) == {Guard.APPLICATION_NOT_ALLOWED}


async def test_a_child_whose_death_its_supervisor_never_hears_of_is_terminated(session: Session) -> None:
    async with growing(session, spec(Atom("one"), Atom("unlinked"))):
        alive = await facts_of(session, "one")
        assert alive.child_pid is not None
        await ask(session, "erlang:exit", alive.child_pid, Atom("kill"))
        await until_answer(session, lambda it: it == FALSE, "erlang:is_process_alive", alive.child_pid)
        found = await facts_of(session, "one")
        assert (found.state, found.pid, found.subtree.processes) == (ChildState.TERMINATED, alive.pid, 0)


async def test_who_is_linked_dies_or_is_told_by_how_it_takes_the_end_of_others(session: Session) -> None:
    linked: list[Term] = [
        tagged("follower", Atom("quiet")),
        tagged("witness", Atom("traps")),
        tagged("heir_to_be", Atom("special")),
    ]
    async with growing(session, spec(Atom("one"), tagged("linked", linked)), spec(Atom("other"))):
        found = (await facts_of(session, "one")).subtree
        assert found.processes == 3
        assert [one.name for one in found.names] == ["follower", "heir_to_be"]
        assert [one.name for one in found.told] == ["witness"]
        assert (found.named, found.told_count) == (2, 1)
        for one in (*found.names, *found.told):
            assert one.pid == await pid_text(session, one.name or "")
        alone = await look(session, "follower", None)
        assert isinstance(alone, NoFacts)
        assert refusals(alone) == {Guard.NOT_A_SUPERVISOR}


async def test_tables_with_rows_are_lost_but_for_those_that_an_heir_outside_gets(session: Session) -> None:
    tables: list[Term] = [
        (Atom("kept_rows"), 7, Atom("receipt_store")),
        (Atom("lost_rows"), 5, NONE),
        (Atom("heir_dies_too"), 2, Atom("heir_inside")),
        (Atom("no_rows"), 0, NONE),
    ]
    inside = spec(Atom("owner"), tagged("tables", tables))
    heir = spec(Atom("heir"), tagged("linked", [tagged("heir_inside", Atom("quiet"))]))
    async with growing(session, below_it("tables_sup", heir, inside), spec(Atom("other"))):
        found = await facts_of(session, "tables_sup")
        assert found.lost_tables.names == ("heir_dies_too", "lost_rows")
        assert (found.lost_tables.count, found.lost_tables.rows) == (2, 7)
        (kept,) = found.kept_tables.shown
        assert (kept.name, kept.rows, kept.heir) == ("kept_rows", 7, await pid_text(session, "receipt_store"))
        assert found.kept_tables.count == 1


async def test_the_ledger_s_rows_are_told_as_the_table_itself_tells_them(session: Session) -> None:
    for payload in range(20):
        await ask(session, "tai_autonomics:emit_receipt", b"acme", payload)
    found = await facts_of(session, "receipt_store", "receipt_ledger_sup")
    (ledger,) = (table for table in found.lost_tables.shown if table.name == "receipt_ledger")
    ledger_name = Atom("receipt_ledger")
    assert ledger.rows == await number(session, "ets:info", ledger_name, Atom("size"))
    words = await number(session, "ets:info", ledger_name, Atom("memory"))
    assert ledger.memory_bytes == words * await number(session, "erlang:system_info", Atom("wordsize"))
    assert (ledger.owner, ledger.owner_name) == (await pid_text(session, "receipt_store"), "receipt_store")
    assert {"receipt_ledger", "tai_receipts_store", "tai_receipts_chain"} <= set(found.lost_tables.names)
    assert Guard.DATA_LOSS in refusals(found)
    assert refusals(found, Accepted(tables=found.lost_tables.names)) == set()


async def test_the_tenants_governors_are_lost_with_governance_and_their_tables(session: Session) -> None:
    found = await facts_of(session, "governance_sup", "tai_autonomics_sup")
    below = found.subtree
    assert (below.supervisors, below.static_children) == (1 + DOMAINS, DOMAINS + DOMAINS * TENANTS)
    assert (below.temporary_count, len(below.temporary)) == (DOMAINS * TENANTS, DOMAINS * TENANTS)
    assert below.processes == 1 + DOMAINS + DOMAINS * TENANTS
    assert '{billing_governor,<<"acme">>}' in {child.id for child in below.temporary}
    assert (found.lost_tables.count, found.lost_tables.rows) == (DOMAINS * TENANTS, 3 * DOMAINS * TENANTS)
    assert refusals(found) == {Guard.DATA_LOSS, Guard.CHILDREN_LOST}
    accepted = Accepted(tables=tuple(f"{name.partition('<')[0]}*" for name in found.lost_tables.names), children=True)
    assert refusals(found, accepted) == set()


async def test_a_tenant_s_governor_is_refused_as_temporary(session: Session) -> None:
    found = await facts_of(session, '{billing_governor, <<"acme">>}', "billing_sup")
    assert Guard.TEMPORARY_CHILD in refusals(found)


async def test_children_that_share_a_spec_are_counted_as_lost(session: Session) -> None:
    each = spec(Atom("each"), shutdown=300, restart="transient", start=("child", [Atom(TREE), 1, PLAIN]))
    async with growing(session, below_it("upper_sup", sharing("sharing_sup", 4, each), spec(Atom("one"), shutdown=50))):
        found = await facts_of(session, "upper_sup")
        (shared,) = found.subtree.shared
        assert (shared.supervisor_name, shared.restart, shared.count) == ("sharing_sup", "transient", 4)
        assert found.subtree.children_lost == 4
        assert found.subtree.processes == 1 + 1 + 4 + 1
        assert found.subtree.shutdown_milliseconds == 300 + 50  # of those that share one, all at once


async def test_what_is_below_a_supervisor_that_is_declared_a_worker_is_looked_at_too(session: Session) -> None:
    temporary = spec(b"acme", restart="temporary")
    async with growing(session, below_it("hidden_sup", temporary, kind="worker", shutdown=400)):
        found = (await facts_of(session, "hidden_sup")).subtree
        assert (found.supervisors, found.temporary_count, found.shutdown_milliseconds) == (1, 1, 400)
    async with growing(session, below_it("upper_sup", below_it("hidden_sup", temporary, kind="worker", shutdown=400))):
        found = (await facts_of(session, "upper_sup")).subtree
        assert (found.supervisors, found.temporary_count, found.shutdown_milliseconds) == (2, 1, 400)


async def test_a_stuck_supervisor_further_down_is_named_and_got_no_message(session: Session) -> None:
    async with ill(session, "ill_hanging_supervisor", under=Atom("cluster_sup")):
        found = (await facts_of(session, "cluster_sup", "tai_autonomics_sup")).subtree
        assert [(one.name, one.status) for one in found.not_asked] == [("hanging_sup", "not_answering")]
        assert (found.shutdown_milliseconds, found.is_shutdown_known) == (None, False)
        await has_no_message_of_ours(session, "hanging_sup")


BRUTAL = Atom("brutal_kill")


@pytest.mark.parametrize(
    ("child", "milliseconds"),
    [
        (spec(Atom("it"), shutdown=1_500), 1_500),
        (spec(Atom("it"), shutdown=BRUTAL), 0),
        (spec(Atom("it"), shutdown=INFINITY), None),
        (below_it("it"), 0),
        (below_it("it", spec(1, shutdown=100), spec(2, shutdown=20), spec(3, shutdown=BRUTAL)), 120),
        (below_it("it", spec(1, shutdown=100), spec(2, shutdown=INFINITY)), None),
        (below_it("it", spec(1, shutdown=100), shutdown=70), 70),
        (below_it("it", spec(1, shutdown=100), shutdown=BRUTAL), 0),
        (below_it("it", below_it("lower", spec(1, shutdown=100)), below_it("lowest", shutdown=30)), 130),
    ],
)
async def test_how_long_the_shutdown_may_take_follows_from_the_children_s_own_values(
    session: Session, child: Map, milliseconds: int | None
) -> None:
    async with growing(session, child):
        found = (await facts_of(session, "it")).subtree
        assert (found.shutdown_milliseconds, found.is_shutdown_known) == (milliseconds, True)


async def test_the_fingerprint_is_the_same_until_what_the_plan_stands_on_changes(session: Session) -> None:
    tables: list[Term] = [(Atom("some_rows"), 1, NONE), (Atom("empty"), 0, NONE)]
    lower = below_it("lower_sup", spec(Atom("one")), spec(Atom("owner"), tagged("tables", tables)))
    async with growing(session, lower):
        first = await facts_of(session, "lower_sup")
        (some,) = (table for table in first.lost_tables.shown if table.name == "some_rows")
        reference = await ask(session, "erlang:list_to_ref", list(some.id.encode()))
        await ask(session, "ets:insert", reference, (2,))
        assert (await facts_of(session, "lower_sup")).fingerprint == first.fingerprint
        await ask(session, "ets:delete_all_objects", reference)
        without_rows = (await facts_of(session, "lower_sup")).fingerprint
        await ask(session, "supervisor:terminate_child", Atom("lower_sup"), Atom("one"))
        without_child = (await facts_of(session, "lower_sup")).fingerprint
        assert len({first.fingerprint, without_rows, without_child}) == 3


async def test_no_name_and_no_id_makes_an_atom_and_nothing_is_left(session: Session) -> None:
    async def all_kinds(number: int) -> None:
        await look(session, f"never_heard_of_{number}", "tai_autonomics_sup")
        await look(session, "receipt_store", f"never_heard_of_{number}")
        await look(session, f"never_heard_of_{number}", None)
        await facts_of(session, "governance_sup", "tai_autonomics_sup")

    await all_kinds(0)
    before, atoms = await census(session), await number(session, "erlang:system_info", Atom("atom_count"))
    for index in range(1, 20):
        await all_kinds(index)
    await settles_to(session, before)
    assert await number(session, "erlang:system_info", Atom("atom_count")) == atoms


async def test_a_child_with_too_many_processes_is_refused(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.probes.restart_facts.MAX_PROCESSES", 20)
    found = await look(session, "governance_sup", "tai_autonomics_sup")
    assert isinstance(found, NoFacts)
    assert refusals(found) == {Guard.TOO_LARGE}


@pytest.fixture(scope="module")
def large(erl: Path) -> Iterator[Beam]:
    with Beam(erl, arguments=["+P", "1000000"]) as node:
        yield node


async def test_five_thousand_children_and_twenty_thousand_tables_fit_the_question(large: Beam) -> None:
    session = await join(large)
    await ask(session, "restart_children:start_many", Atom(TREE), 5_000)
    async with ill(session, "ill_many_tables", tables=20_000):
        found = await facts_of(session, "{child,5000}")
        assert (found.id, found.subtree.processes) == ("{child,5000}", 1)
        assert found.supervisor.counts is not None
        assert found.supervisor.counts.running == 5_000
    await ask(session, "restart_children:stop", Atom(TREE))
    session.close()


@pytest.mark.parametrize("children", [20_000, pytest.param(99_000, marks=pytest.mark.slow)])
async def test_very_many_children_that_share_a_spec_fit_the_question(large: Beam, children: int) -> None:
    session = await join(large)
    each = Map([(Atom("id"), Atom("each")), (Atom("start"), (Atom("ill_many_children"), Atom("start_child"), []))])
    async with growing(session, sharing("sharing_sup", children, each)):
        found = (await facts_of(session, "sharing_sup")).subtree
        assert (found.processes, found.children_lost) == (children + 1, children)
    session.close()


@pytest.mark.slow
async def test_more_children_than_are_looked_at_are_refused_before_they_are(large: Beam) -> None:
    session = await join(large)
    each = Map([(Atom("id"), Atom("each")), (Atom("start"), (Atom("ill_many_children"), Atom("start_child"), []))])
    async with growing(session, sharing("sharing_sup", 199_000, each)):
        found = await look(session, "sharing_sup")
        assert isinstance(found, NoFacts)
        assert refusals(found) == {Guard.TOO_LARGE}
    session.close()
