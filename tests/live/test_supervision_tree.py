"""The supervision tree against what Erlang itself says, and against supervisors that are ill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent import Session
from agent.expression import Expression
from agent.probes import rows, supervision_tree
from agent.supervision import Child, ChildState, Counts, Kind, Status
from agent.terms import FALSE, TRUE, Atom, Pid, Term, format_pid
from erlang_fixtures.beam import Beam
from tests.live.illnesses import function_of, ill, item, pid_of
from tests.live.nodes import SECONDS, ask, census, join, number, settles_to, until_answer
from tests.live.supervisors import SWEEPS, below, child_of, named, sweeps, tree_of, tuples

pytestmark = pytest.mark.live

MANY = 200_000
# What process_info/2 costs the process that it looks at, in reductions: one for each look that it has to answer itself.
# One that is busy is looked at three times, in the hope that it is busy only for a moment.
REDUCTIONS_PER_LOOK = 1
LOOKS_AT_A_BUSY_ONE = 3

# What a supervisor's own functions say of its children, and OTP of an application's top supervisor.
CHILDREN = Expression(
    "children",
    """[begin
         {ok, Spec} = supervisor:get_childspec(Supervisor, Id),
         {unicode:characters_to_binary(io_lib:format("~0tp", [Id])), Pid, Type, Modules,
          maps:get(restart, Spec), maps:get(shutdown, Spec), maps:get(significant, Spec, undefined)}
       end || {Id, Pid, Type, Modules} <- lists:reverse(supervisor:which_children(Supervisor))]""",
)
TOPS = Expression(
    "tops",
    """[{Name, element(1, application_master:get_child(Master))} || {Name, _, _} <- application:which_applications(),
        Master <- [application_controller:get_master(Name)], is_pid(Master)]""",
)


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


@pytest.fixture(scope="module")
def large(erl: Path) -> Iterator[Beam]:
    """A node that may have very many processes."""
    with Beam(erl, applications=["tai_autonomics"], arguments=["+P", "1000000"]) as node:
        yield node


async def has_hibernate_0(session: Session) -> bool:
    """Whether it is OTP 28, of the two that these tests run on."""
    return await ask(session, "erlang:function_exported", Atom("erlang"), Atom("hibernate"), 0) == TRUE


async def evaluated(session: Session, expression: Expression, **bindings: Term) -> Term:
    return (await session.evaluate(expression, bindings, deadline_seconds=SECONDS)).value


def as_erlang_has_it(child: Child) -> tuple[object, ...]:
    return (child.id, child.pid, child.type, child.modules, child.restart, child.shutdown, child.significant)


def as_we_have_it(row: Term) -> tuple[object, ...]:
    match row:
        case (bytes(printed), pid, Atom(name=kind), modules, Atom(name=restart), shutdown, significant):
            return (
                printed.decode(),
                format_pid(pid) if isinstance(pid, Pid) else None,
                kind,
                tuple(module.name for module in modules if isinstance(module, Atom))
                if isinstance(modules, list)
                else (),
                restart,
                shutdown.name if isinstance(shutdown, Atom) else shutdown,
                {TRUE: True, FALSE: False}.get(significant) if isinstance(significant, Atom) else significant,
            )
    raise AssertionError(row)


async def test_every_application_s_tree_begins_where_otp_says(session: Session) -> None:
    expected = {(rows.atom(name), rows.pid(top)) for name, top in tuples(await evaluated(session, TOPS))}
    tree = await tree_of(session)
    assert {(root.application, root.supervisor.pid) for root in tree.roots if root.supervisor} == expected
    assert {"kernel", "tai_autonomics"} <= {root.application for root in tree.roots}


async def test_every_supervisor_has_the_children_that_it_itself_names(session: Session) -> None:
    tree = await tree_of(session)
    asked = 0
    for supervisor in tree.supervisors():
        if supervisor.status is Status.RUNNING:
            own, creation = session.peer.name, session.peer.creation
            number, _, serial = supervisor.pid.strip("<>").removeprefix("0.").partition(".")
            pid = Pid(Atom(str(own)), int(number), int(serial), creation)
            erlang = await evaluated(session, CHILDREN, Supervisor=pid)
            assert isinstance(erlang, list)
            assert supervisor.children is not None
            assert [as_erlang_has_it(child) for child in supervisor.children] == [as_we_have_it(row) for row in erlang]
            asked += 1
    assert asked > 15
    assert tree.complete, tree.left_out


async def test_strategy_intensity_and_period_are_those_of_the_callback_module(session: Session) -> None:
    tree = await tree_of(session)
    root = named(tree, "tai_autonomics_sup")
    assert (root.strategy, root.intensity, root.period_seconds) == ("one_for_all", 5, 60)
    assert (root.kind, root.module, root.budget_left) == (Kind.SUPERVISOR, "tai_sup", 5)
    assert named(tree, "receipt_ledger_sup").strategy == "rest_for_one"
    kernel = named(tree, "kernel_safe_sup")
    assert (kernel.intensity, kernel.period_seconds) == (4, 3600)


async def test_children_stand_in_the_order_in_which_they_were_started(session: Session) -> None:
    root = await below(session, "tai_autonomics_sup")
    assert root.children is not None
    assert [child.id for child in root.children][:5] == [
        "gcp_metadata",
        "gcp_firestore",
        "gcp_pubsub",
        "action_pool",
        "tai_http",
    ]


async def test_a_tenant_s_governor_stands_under_its_printed_id(session: Session) -> None:
    governor = child_of(await below(session, "billing_sup"), '{billing_governor,<<"acme">>}')
    assert (governor.restart, governor.type, governor.state) == ("temporary", "worker", ChildState.RUNNING)


async def test_what_is_declared_a_supervisor_and_is_none_is_told_and_was_sent_nothing(session: Session) -> None:
    pool = await pid_of(session, "action_pool")
    # A tracer that never reads: what the pool receives stays in its mailbox. It lives as long as the node.
    tracer = await ask(session, "erlang:spawn", Atom("timer"), Atom("sleep"), [Atom("infinity")])
    traced: Term = [Atom("receive"), (Atom("tracer"), tracer)]
    assert await ask(session, "erlang:trace", pool, TRUE, traced) == 1
    tree = await sweeps(session)
    assert await ask(session, "erlang:trace", pool, FALSE, [Atom("receive")]) == 1
    found = named(tree, "action_pool")
    assert found.status is Status.NOT_A_SUPERVISOR
    assert found.initial_call == "tai_action_pool:init/1"
    assert found.children is None
    assert await ask(session, "erlang:process_info", tracer, Atom("messages")) == (Atom("messages"), [])


@asynccontextmanager
async def unharmed(session: Session, name: str, reductions_per_sweep: int) -> AsyncIterator[None]:
    """Sweeps in this block leave no message, and cost the process no more reductions than looks from outside do."""
    messages = await item(session, name, "messages")  # a look too
    before = await item(session, name, "reductions")
    yield
    after = await item(session, name, "reductions")
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert after - before <= SWEEPS * reductions_per_sweep
    assert await item(session, name, "messages") == messages


@pytest.mark.parametrize("under", ["none", "cluster_sup"])
async def test_a_supervisor_that_hangs_in_a_child_s_start_is_not_answering_and_is_left_alone(
    session: Session, under: str
) -> None:
    async with ill(session, "ill_hanging_supervisor", under=Atom(under)):
        where = await function_of(session, "hanging_sup")
        async with unharmed(session, "hanging_sup", LOOKS_AT_A_BUSY_ONE * REDUCTIONS_PER_LOOK):
            tree = await sweeps(session, extra_roots=["hanging_sup"])
        found = named(tree, "hanging_sup")
        assert (found.status, found.message_queue_len, found.children) == (Status.NOT_ANSWERING, 0, None)
        assert found.current_function is not None
        assert found.current_function.startswith(where)
        assert found.budget_left is None
        assert not tree.complete
        assert tree.left_out == ("the children of supervisors: 1 not answering",)


@pytest.mark.parametrize("hibernated", [TRUE, FALSE])
async def test_a_suspended_supervisor_is_told_and_left_alone(session: Session, hibernated: Atom) -> None:
    async with ill(session, "ill_suspended_supervisor", hibernated=hibernated):
        if hibernated == FALSE and await has_hibernate_0(session):
            # The timer after which it would have hibernated ends in its mailbox.
            pid, one = await pid_of(session, "suspended_sup"), (Atom("message_queue_len"), 1)
            await until_answer(session, lambda it: it == one, "erlang:process_info", pid, Atom("message_queue_len"))
        async with unharmed(session, "suspended_sup", REDUCTIONS_PER_LOOK):
            found = named(await sweeps(session, below="suspended_sup"), "suspended_sup")
        assert (found.status, found.children, found.budget_left) == (Status.SUSPENDED, None, None)


async def test_a_suspended_supervisor_with_calls_in_its_mailbox_is_told_too(session: Session) -> None:
    # Not with one that hibernates: an ordinary call makes that spin, which is why we send none.
    async with ill(session, "ill_suspended_supervisor", hibernated=FALSE):
        await ask(session, "erlang:send", Atom("suspended_sup"), Atom("whatever"))
        found = await below(session, "suspended_sup")
        assert found.status is Status.SUSPENDED
        assert found.message_queue_len is not None
        assert found.message_queue_len >= 1


async def test_a_supervisor_that_hibernates_by_itself_is_asked(session: Session) -> None:
    # A static supervisor that had nothing to do for a second.
    if not await has_hibernate_0(session):
        pytest.skip("on OTP 25 no supervisor hibernates")
    pid = await pid_of(session, "cluster_sup")
    asleep = (Atom("current_function"), (Atom("gen_server"), Atom("loop_hibernate"), 4))
    await until_answer(session, lambda it: it == asleep, "erlang:process_info", pid, Atom("current_function"))
    found = await below(session, "cluster_sup")
    assert (found.status, found.budget_left, found.may_be_suspended) == (Status.RUNNING, 5, False)
    assert found.counts == Counts(running=2)


async def test_very_many_children_are_counted_and_not_listed(large: Beam) -> None:
    session = await join(large)
    async with ill(session, "ill_many_children", children=MANY, under=Atom("cluster_sup")):
        tree = await tree_of(session)
        found = named(tree, "many_children_sup")
        assert (found.status, found.strategy, found.children) == (Status.RUNNING, "simple_one_for_one", None)
        assert found.counts == Counts(running=MANY)
        assert tree.left_out == (f"{MANY} children are counted and not listed: more than are listed of one supervisor",)
    session.close()


async def test_a_static_supervisor_with_more_children_than_the_cap_is_counted_too(session: Session) -> None:
    found = await below(session, "governance_sup", max_children=8)
    assert (found.children, found.counts) == (None, Counts(running=9))
    found = await below(session, "governance_sup", max_children=9)
    assert found.children is not None
    assert len(found.children) == 9


async def test_ten_thousand_supervisors_stay_within_the_limit_of_the_answer(large: Beam) -> None:
    session = await join(large)
    before = await census(session)
    keeper = await ask(session, "many_supervisors:start", 100, 100)
    tree = await tree_of(session, extra_roots=["many_supervisors"])
    listed = sum(len(supervisor.children or ()) for supervisor in tree.supervisors())
    counted = sum(one.counts.total for one in tree.supervisors() if one.counts and one.children is None)
    assert supervision_tree.MAX_LISTED - 100 < listed <= supervision_tree.MAX_LISTED
    assert any("the answer is full" in reason for reason in tree.left_out), tree.left_out
    below_the_top = sum(
        one.counts.total for one in tree.supervisors() if one.counts and one.module == "many_supervisors"
    )
    assert below_the_top == 100 + 100 * 100
    assert counted > 0
    await ask(session, "erlang:exit", keeper, Atom("kill"))
    await settles_to(session, before)
    session.close()


async def test_the_budget_left_is_what_is_left_after_so_many_crashes(session: Session) -> None:
    async with ill(
        session, "ill_crash_loop", milliseconds_per_crash=0, intensity=4, period_seconds=3600, under=Atom("cluster_sup")
    ):
        for left in (4, 3, 2, 1, 0):
            found = await below(session, "crashing_sup")
            assert (found.intensity, found.restarts, found.budget_left) == (4, 4 - left, left)
            if left:
                await ask(session, "ill_crash_loop:crash", 1)
        assert await ask(session, "ill_crash_loop:crash", 1) == Atom("supervisor_ended")


async def test_a_supervisor_that_restarts_a_child_all_the_time_can_be_asked_meanwhile(session: Session) -> None:
    async with ill(session, "ill_crash_loop", milliseconds_per_crash=1, intensity=100_000, period_seconds=60):
        seen = set()
        for _ in range(SWEEPS):
            found = await below(session, "crashing_sup")
            seen.add(found.status)
            assert found.status is Status.NOT_ANSWERING or found.budget_left is not None
        assert Status.RUNNING in seen
        assert seen <= {Status.RUNNING, Status.NOT_ANSWERING}


async def test_old_restarts_count_no_more_although_the_supervisor_still_has_them(session: Session) -> None:
    async with ill(session, "ill_crash_loop", milliseconds_per_crash=0, intensity=4, period_seconds=1):
        await ask(session, "ill_crash_loop:crash", 2)
        async with asyncio.timeout(SECONDS):
            while (await below(session, "crashing_sup")).budget_left != 4:  # noqa: ASYNC110  # time passes there
                await asyncio.sleep(0.05)
        state = await ask(session, "sys:get_state", Atom("crashing_sup"))
        assert isinstance(state, tuple)
        assert isinstance(state[7], list)
        assert len(state[7]) == 2


async def test_restarting_a_child_by_hand_uses_none_of_the_budget(session: Session) -> None:
    supervisor, child = Atom("observability_sup"), Atom("observer_ui")
    assert await ask(session, "supervisor:terminate_child", supervisor, child) == Atom("ok")
    try:
        stopped = await below(session, "observability_sup")
        assert child_of(stopped, "observer_ui").state is ChildState.UNDEFINED
        assert child_of(stopped, "observer_ui").pid is None
        assert stopped.counts == Counts(running=1, undefined=1)
    finally:
        await ask(session, "supervisor:restart_child", supervisor, child)
    found = await below(session, "observability_sup")
    assert (found.budget_left, found.counts) == (5, Counts(running=2))


async def test_a_supervisor_can_be_asked_for_by_its_pid(session: Session) -> None:
    pid = await pid_of(session, "billing_sup")
    (root,) = (await tree_of(session, below=pid)).roots
    assert root.supervisor is not None
    assert root.supervisor.name == "billing_sup"


async def test_a_process_that_is_gone_or_was_never_there_is_said_to_be(session: Session) -> None:
    here = await pid_of(session, "billing_sup")
    assert isinstance(here, Pid)
    earlier_life = Pid(here.node, here.id, here.serial, here.creation + 1)
    gone = await ask(session, "erlang:spawn", Atom("erlang"), Atom("node"), [])
    await until_answer(session, lambda answer: answer == FALSE, "erlang:is_process_alive", gone)
    for pid in (gone, earlier_life):
        (root,) = (await tree_of(session, below=pid)).roots
        assert root.supervisor is not None
        assert root.supervisor.status is Status.GONE
    (root,) = (await tree_of(session, below="governor_sup")).roots
    assert (root.supervisor, root.why) == (None, "nobody is registered under this name")


async def test_no_name_and_no_further_sweep_makes_an_atom(session: Session) -> None:
    await tree_of(session, extra_roots=["nobody"])
    before = await number(session, "erlang:system_info", Atom("atom_count"))
    for index in range(SWEEPS):
        await tree_of(session, below=f"never_heard_of_{index}")
    assert await number(session, "erlang:system_info", Atom("atom_count")) == before


async def test_sweeps_leave_nothing_on_the_node(session: Session) -> None:
    await tree_of(session)
    before = await census(session)
    for _ in range(SWEEPS):
        await tree_of(session)
    await settles_to(session, before)


async def test_supervisors_with_a_large_heap_are_not_asked(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision_tree, "MAX_SUPERVISOR_HEAP_WORDS", 10)
    found = await below(session, "governance_sup")
    # On OTP 25 one key of the dictionary cannot be asked for: not even the kind of one with a large heap is known.
    assert found.status is (Status.TOO_LARGE if await has_hibernate_0(session) else Status.KIND_UNKNOWN)
    assert found.heap_bytes is not None
    assert found.heap_bytes > 10 * 8
    assert found.children is None


async def test_an_application_that_is_stopped_has_no_tree(session: Session) -> None:
    assert await ask(session, "application:stop", Atom("tai_autonomics")) == Atom("ok")
    try:
        assert {root.application for root in (await tree_of(session)).roots} == {"kernel"}
    finally:
        await ask(session, "application:start", Atom("tai_autonomics"))
