"""Supervisors that are not OTP's: Elixir's four as Debian has them, RabbitMQ's supervisor2, and ranch's."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agent import Session
from agent.actions import restart
from agent.actions.guards import Guard
from agent.actions.plan import Accepted, Past, Policy, make_plan
from agent.probes import restart_facts
from agent.restarting import NoFacts, RestartFacts
from agent.supervision import ChildState, Counts, Kind, Status, Supervisor
from agent.terms import Atom, Pid, Term, format_pid
from erlang_fixtures.beam import Beam, otp25
from tests.live.illnesses import pid_of
from tests.live.nodes import SECONDS, ask, join, messages_waiting
from tests.live.supervisors import below, child_of, sweeps, tree_of

pytestmark = pytest.mark.live

ELIXIR = ["elixir_supervisor", "elixir_dynamic", "elixir_tasks", "elixir_partitions"]
RABBIT = ["rabbit_static", "rabbit_simple"]
CONNECTIONS = 3


def node_with(ebins: list[Path], started: str) -> Beam:
    # On the system's Erlang alone: Debian's modules are compiled for it.
    erl = otp25()
    assert erl is not None, "erl is not on PATH: make setup"
    paths = [argument for ebin in ebins for argument in ("-pa", str(ebin))]
    return Beam(erl, arguments=[*paths, "-s", "foreign_supervisors", started])


@pytest.fixture(scope="module")
def elixir_node() -> Iterator[Beam]:
    elixir = shutil.which("elixir")
    assert elixir is not None, "elixir is not on PATH: make setup"
    ebin = Path(elixir).resolve().parent.parent / "lib" / "elixir" / "ebin"
    assert ebin.is_dir(), f"elixir is {elixir}, and {ebin} is not there"
    with node_with([ebin], "elixir") as node:
        yield node


@pytest.fixture(scope="module")
def rabbit_node() -> Iterator[Beam]:
    plugins = Path("/usr/lib/rabbitmq/lib")
    ebins = [*plugins.glob("*/plugins/ranch-*/ebin"), *plugins.glob("*/plugins/rabbit_common-*/ebin")]
    if len(ebins) < 2:
        pytest.skip(f"no ranch and rabbit_common below {plugins}: Debian's rabbitmq-server is not installed")
    with node_with(ebins, "rabbit") as node:
        yield node


@pytest.fixture
async def elixir(elixir_node: Beam) -> AsyncIterator[Session]:
    session = await join(elixir_node)
    yield session
    session.close()


@pytest.fixture
async def rabbit(rabbit_node: Beam) -> AsyncIterator[Session]:
    session = await join(rabbit_node)
    yield session
    session.close()


async def processes_named_by(session: Session, module: str, supervisor: str) -> set[str]:
    """The pids of its children, as it itself names them."""
    listed = await ask(session, f"{module}:which_children", Atom(supervisor))
    assert isinstance(listed, list)
    return {format_pid(row[1]) for row in listed if isinstance(row, tuple) and isinstance(row[1], Pid)}


async def kill_and_wait(session: Session, supervisor: str, child_id: str | None = None) -> None:
    """Kill one child, and wait until it has been started anew."""
    before = await below(session, supervisor)
    assert before.children
    victim = child_of(before, child_id) if child_id else before.children[0]
    assert victim.pid is not None
    pid = await ask(session, "erlang:list_to_pid", [ord(character) for character in victim.pid])
    await ask(session, "erlang:exit", pid, Atom("kill"))
    async with asyncio.timeout(SECONDS):
        while (found := await below(session, supervisor)).counts != before.counts or victim.pid in pids(found):
            pass


def pids(supervisor: Supervisor) -> set[str]:
    return {child.pid for child in supervisor.children or () if child.pid}


@pytest.mark.parametrize(
    ("name", "kind", "flags", "children"),
    [
        ("elixir_supervisor", Kind.ELIXIR_SUPERVISOR, ("rest_for_one", 7, 11), 2),
        ("elixir_dynamic", Kind.DYNAMIC_SUPERVISOR, ("one_for_one", 4, 60), 3),
        ("elixir_tasks", Kind.TASK_SUPERVISOR, ("one_for_one", 3, 5), 2),
        ("elixir_partitions", Kind.PARTITION_SUPERVISOR, ("one_for_one", 3, 5), 4),
    ],
)
async def test_each_of_elixir_s_kinds_is_named_and_understood(
    elixir: Session, name: str, kind: Kind, flags: tuple[str, int, int], children: int
) -> None:
    found = await below(elixir, name)
    assert (found.status, found.kind) == (Status.RUNNING, kind)
    assert (found.strategy, found.intensity, found.period_seconds) == flags
    assert found.counts == Counts(running=children)
    module = "supervisor" if kind is Kind.ELIXIR_SUPERVISOR else "Elixir.Supervisor"
    assert pids(found) == await processes_named_by(elixir, module, name)


async def test_what_elixir_keeps_of_a_child_is_told_and_the_rest_is_not_known(elixir: Session) -> None:
    first = (await below(elixir, "elixir_dynamic")).children
    assert first
    assert (first[0].id, first[0].type, first[0].restart, first[0].shutdown) == (
        "undefined",
        "worker",
        "permanent",
        5000,
    )
    assert (first[0].significant, first[0].modules) == (None, ("Elixir.Agent",))
    agent = child_of(await below(elixir, "elixir_supervisor"), '{agent,<<"second">>}')
    assert (agent.significant, agent.state) == (False, ChildState.RUNNING)


async def test_a_partition_is_a_supervisor_of_its_own(elixir: Session) -> None:
    partition = child_of(await below(elixir, "elixir_partitions"), "2").supervisor
    assert partition is not None
    assert (partition.kind, partition.counts) == (Kind.DYNAMIC_SUPERVISOR, Counts())


async def test_the_budget_of_a_dynamic_supervisor_goes_down_with_each_crash(elixir: Session) -> None:
    assert (await below(elixir, "elixir_dynamic")).budget_left == 4
    await kill_and_wait(elixir, "elixir_dynamic")
    await kill_and_wait(elixir, "elixir_dynamic")
    assert (await below(elixir, "elixir_dynamic")).budget_left == 2


async def test_a_hundred_sweeps_over_elixir_s_end_no_supervisor_and_leave_no_message(elixir: Session) -> None:
    before = [await pid_of(elixir, name) for name in ELIXIR]
    tree = await sweeps(elixir, extra_roots=ELIXIR)
    assert [root.supervisor and root.supervisor.status for root in tree.roots if root.asked_for] == [Status.RUNNING] * 4
    assert [await pid_of(elixir, name) for name in ELIXIR] == before
    assert await messages_waiting(elixir) == 0
    assert tree.complete, tree.left_out


async def test_elixir_s_own_application_is_in_the_tree(elixir: Session) -> None:
    (root,) = (root for root in (await tree_of(elixir)).roots if root.application == "elixir")
    assert root.supervisor is not None
    assert root.supervisor.name == "elixir_sup"


async def test_supervisor2_is_named_and_understood(rabbit: Session) -> None:
    found = await below(rabbit, "rabbit_static")
    assert (found.kind, found.module, found.strategy) == (Kind.SUPERVISOR2, "foreign_supervisors", "one_for_all")
    assert (found.intensity, found.period_seconds, found.budget_left) == (3, 10, 3)
    delayed, plain = child_of(found, "delayed"), child_of(found, "plain")
    assert (delayed.restart, delayed.shutdown, delayed.significant) == ("{permanent,5}", 1000, None)
    assert (plain.restart, plain.shutdown, plain.type) == ("transient", "brutal_kill", "worker")
    assert pids(found) == await processes_named_by(rabbit, "supervisor2", "rabbit_static")


async def test_supervisor2_with_children_of_one_kind_is_understood(rabbit: Session) -> None:
    found = await below(rabbit, "rabbit_simple")
    assert (found.kind, found.strategy, found.counts) == (Kind.SUPERVISOR2, "simple_one_for_one", Counts(running=3))
    assert pids(found) == await processes_named_by(rabbit, "supervisor2", "rabbit_simple")
    counted = await below(rabbit, "rabbit_simple", max_children=2)
    assert (counted.children, counted.counts) == (None, Counts(running=3))


async def test_the_budget_of_supervisor2_goes_down_with_a_crash(rabbit: Session) -> None:
    await kill_and_wait(rabbit, "rabbit_static", "plain")
    assert (await below(rabbit, "rabbit_static")).budget_left == 2


async def connection_supervisor(session: Session) -> Supervisor:
    found = [one for one in (await tree_of(session)).supervisors() if one.kind is Kind.RANCH_CONNS_SUP]
    assert len(found) == 1
    return found[0]


async def until_connected(session: Session, connections: int) -> Supervisor:
    async with asyncio.timeout(SECONDS):
        while (found := await connection_supervisor(session)).counts != Counts(running=connections):
            pass
    return found


async def test_ranch_s_connections_are_counted(rabbit: Session) -> None:
    assert (await until_connected(rabbit, 0)).status is Status.RUNNING
    keeper = await ask(rabbit, "foreign_supervisors:connect", CONNECTIONS)
    found = await until_connected(rabbit, CONNECTIONS)
    assert found.children is None
    assert found.why_not_listed == "a supervisor of this kind tells only how many there are"
    assert found.budget_left is None
    await ask(rabbit, "erlang:exit", keeper, Atom("kill"))
    await until_connected(rabbit, 0)


async def test_an_id_with_a_pid_in_it_is_printed(rabbit: Session) -> None:
    tree = await tree_of(rabbit)
    ids = {child.id for supervisor in tree.supervisors() for child in supervisor.children or ()}
    acceptors = [one.pid for one in tree.supervisors() if one.module == "ranch_acceptors_sup"]
    assert f"{{acceptor,{acceptors[0]},1}}" in ids
    assert "{ranch_listener_sup,foreign_supervisors}" in ids


async def test_a_hundred_sweeps_over_rabbit_s_end_no_supervisor_and_leave_no_message(rabbit: Session) -> None:
    before: list[Term] = [await pid_of(rabbit, name) for name in RABBIT]
    connections = (await connection_supervisor(rabbit)).pid
    await sweeps(rabbit, extra_roots=RABBIT)
    assert [await pid_of(rabbit, name) for name in RABBIT] == before
    assert (await connection_supervisor(rabbit)).pid == connections
    assert await messages_waiting(rabbit) == 0


async def refused(session: Session, supervisor: str, child: str) -> set[Guard]:
    """What refuses to restart a child of it, however often it is asked for."""
    guards: set[Guard] = set()
    for _ in range(5):
        found = await restart_facts.ask(session, SECONDS, supervisor, child)
        assert isinstance(found, NoFacts), found
        plan = make_plan(
            found, creation=1, instance_id=None, accepted=Accepted(children=True), policy=Policy(), past=Past()
        )
        guards |= {refusal.guard for refusal in plan.refusals}
    return guards


@pytest.mark.parametrize("name", ["elixir_dynamic", "elixir_tasks"])
@pytest.mark.parametrize("by_pid", [False, True])
async def test_a_child_of_elixir_s_dynamic_kinds_is_refused_and_all_go_on(
    elixir: Session, name: str, *, by_pid: bool
) -> None:
    before = await below(elixir, name)
    pid = sorted(pids(before))[0]
    assert await refused(elixir, name, pid if by_pid else "undefined") == {Guard.NOT_OTP_SUPERVISOR}
    after = await below(elixir, name)
    assert (after.pid, pids(after)) == (before.pid, pids(before))
    assert await messages_waiting(elixir) == 0


@pytest.mark.parametrize("name", RABBIT)
async def test_a_child_of_supervisor2_is_refused_and_all_go_on(rabbit: Session, name: str) -> None:
    before = await below(rabbit, name)
    child = "plain" if name == "rabbit_static" else sorted(pids(before))[0]
    assert await refused(rabbit, name, child) == {Guard.NOT_OTP_SUPERVISOR}
    after = await below(rabbit, name)
    assert (after.pid, pids(after)) == (before.pid, pids(before))
    assert await messages_waiting(rabbit) == 0


async def test_a_connection_of_ranch_is_refused_and_goes_on(rabbit: Session) -> None:
    keeper = await ask(rabbit, "foreign_supervisors:connect", CONNECTIONS)
    found = await until_connected(rabbit, CONNECTIONS)
    connections = await ask(rabbit, "erlang:list_to_pid", list(found.pid.encode()))
    links = await ask(rabbit, "erlang:process_info", connections, Atom("links"))
    assert isinstance(links, tuple)
    assert isinstance(links[1], list)
    for pid in links[1]:
        if isinstance(pid, Pid):
            by_parent = await restart_facts.ask(rabbit, SECONDS, None, format_pid(pid))
            assert isinstance(by_parent, NoFacts | RestartFacts)
            if isinstance(by_parent, NoFacts) and by_parent.supervisor is not None:
                plan = make_plan(
                    by_parent, creation=1, instance_id=None, accepted=Accepted(), policy=Policy(), past=Past()
                )
                assert [refusal.guard for refusal in plan.refusals] == [Guard.NOT_OTP_SUPERVISOR]
    assert (await connection_supervisor(rabbit)).counts == Counts(running=CONNECTIONS)
    assert await messages_waiting(rabbit) == 0
    await ask(rabbit, "erlang:exit", keeper, Atom("kill"))
    await until_connected(rabbit, 0)


@pytest.mark.parametrize(("name", "child"), [("elixir_supervisor", "agent"), ("elixir_partitions", "2")])
async def test_where_elixir_runs_otp_s_own_supervisor_a_child_is_restarted(
    elixir: Session, name: str, child: str
) -> None:
    before = await restart_facts.ask(elixir, SECONDS, name, child)
    assert isinstance(before, RestartFacts)
    report = await restart.execute(elixir, before, "a-1", SECONDS, 0)
    assert isinstance(report, restart.Done)
    assert report.is_up
    now = await below(elixir, name)
    assert child_of(now, child).pid == report.pid != before.pid
    assert (now.pid, now.status) == (before.supervisor.pid, Status.RUNNING)
    if name == "elixir_partitions":  # whoever asks for the partition gets the new one
        via = await ask(elixir, "Elixir.PartitionSupervisor:whereis_name", (Atom(name), 2))
        assert isinstance(via, Pid)
        assert format_pid(via) == report.pid
    assert await messages_waiting(elixir) == 0
