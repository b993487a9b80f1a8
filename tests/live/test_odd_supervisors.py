"""Supervisors that hold what no supervisor of a known release holds: told as far as they are understood."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agent import Session
from agent.probes import governors
from agent.supervision import Counts, Kind, Status, Supervisor
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, ImproperList, Map, Pid, Term, format_pid
from erlang_fixtures.beam import Beam
from tests.live.illnesses import pid_of
from tests.live.nodes import SECONDS, ask, join, until_answer
from tests.live.supervisors import child_of, named, supervisor_at, tree_of

pytestmark = pytest.mark.live


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


async def odd(session: Session, state: Term, *children: Term) -> tuple[Supervisor, Pid]:
    """Show a supervisor that holds any state, and is named by its pid."""
    started = await ask(session, "odd_supervisor:start", state, *children)
    assert isinstance(started, tuple)
    pid = started[1]
    assert isinstance(pid, Pid)
    return await supervisor_at(session, pid), pid


def record(children: Term, dynamics: Term = UNDEFINED, strategy: str = "one_for_one") -> tuple[Term, ...]:
    """``supervisor.erl``'s record on OTP 25."""
    head: tuple[Term, ...] = (Atom("state"), UNDEFINED, Atom(strategy), children, dynamics, 3, 5, [])
    return (*head, 0, Atom("never"), Atom("odd_supervisor"), [])


def child(process: Term, child_id: Term) -> tuple[Term, ...]:
    mfa: Term = (Atom("m"), Atom("f"), [b"secret"])
    tail: tuple[Term, ...] = (Atom("permanent"), FALSE, 5000, Atom("worker"), [Atom("m")])
    return (Atom("child"), process, child_id, mfa, *tail)


async def test_every_state_of_a_child_is_told_apart(session: Session) -> None:
    dead = await ask(session, "erlang:spawn", Atom("erlang"), Atom("node"), [])
    await until_answer(session, lambda answer: answer == FALSE, "erlang:is_process_alive", dead)
    alive = await pid_of(session, "init")
    elsewhere = Pid(Atom("other@127.0.0.1"), 5, 0, 1)
    processes: dict[str, Term] = {
        "running": alive,
        "restarting": (Atom("restarting"), dead),
        "terminated": dead,
        "undefined": UNDEFINED,
        "unknown": elsewhere,
    }
    ids: list[Term] = [Atom(name) for name in processes]
    children = Map((Atom(name), child(process, Atom(name))) for name, process in processes.items())
    found, pid = await odd(session, record((ids, children)))
    assert found.children is not None
    assert {child.id: child.state.value for child in found.children} == {name: name for name in processes}
    assert found.counts == Counts(1, 1, 1, 1, 1)
    assert child_of(found, "unknown").pid == "<0.5.0> on other@127.0.0.1"
    await ask(session, "erlang:exit", pid, Atom("kill"))


async def test_ids_of_any_size_are_cut(session: Session) -> None:
    deep: Term = []
    for _ in range(200):
        deep = [deep]
    ids: list[Term] = [b"x" * 100_000, list(range(10_000)), deep, (Atom("acceptor"), await pid_of(session, "init"), 1)]
    children = Map((each, child(UNDEFINED, each)) for each in ids)
    found, pid = await odd(session, record((ids, children)))
    assert found.children is not None
    assert all(len(child.id) < 300 for child in found.children)
    assert found.children[0].id == "{acceptor,<0.0.0>,1}"
    assert sum("..." in child.id for child in found.children) == 3
    await ask(session, "erlang:exit", pid, Atom("kill"))


async def test_an_unknown_record_is_asked_for_its_children_and_has_no_budget(session: Session) -> None:
    worker = await pid_of(session, "tai_http")
    listed: Term = [(Atom("tai_http"), worker, Atom("worker"), [Atom("tai_worker")])]
    found, pid = await odd(session, (Atom("state"), b"of a release", b"to come"), listed)
    assert (found.status, found.kind, found.budget_left, found.strategy) == (
        Status.UNKNOWN_STATE,
        Kind.SUPERVISOR,
        None,
        None,
    )
    assert found.counts == Counts(running=1)
    only = child_of(found, "tai_http")
    assert (only.pid, only.restart, only.shutdown) == (format_pid(worker), None, None)  # type: ignore[arg-type]  # a pid
    await ask(session, "erlang:exit", pid, Atom("kill"))


@pytest.mark.parametrize("state", [Map(), Atom("state"), (Atom("data"), 1), [1, 2, 3], Map([(Atom("restarts"), 1)])])
async def test_a_state_that_says_nothing_of_its_kind_is_asked_nothing_more(session: Session, state: Term) -> None:
    found, pid = await odd(session, state, [])
    assert (found.status, found.children, found.counts) == (Status.UNKNOWN_STATE, None, None)
    dictionary = await ask(session, "erlang:process_info", pid, Atom("dictionary"))
    assert isinstance(dictionary, tuple)
    assert isinstance(dictionary[1], list)
    assert (Atom("asked"), TRUE) not in dictionary[1]
    await ask(session, "erlang:exit", pid, Atom("kill"))


@pytest.mark.parametrize(
    "children",
    [
        ([Atom("a")], Map([(Atom("a"), b"no child")])),
        ([Atom("a")], Map([(Atom("a"), (Atom("child"),))])),
        ([Atom("a"), Atom("b")], Map([(Atom("a"), UNDEFINED)])),
        ([], Atom("no map")),
        (ImproperList((Atom("a"),), Atom("b")), Map()),
    ],
)
async def test_children_that_are_none_cost_that_supervisor_alone(session: Session, children: Term) -> None:
    _, pid = await odd(session, record(children))
    assert await ask(session, "erlang:register", Atom("odd_sup"), pid) == TRUE
    try:
        tree = await tree_of(session, extra_roots=["odd_sup"])
        assert named(tree, "odd_sup").status is Status.UNKNOWN_STATE
        assert not named(tree, "odd_sup").children
        assert named(tree, "tai_autonomics_sup").budget_left == 5
        found = await governors.ask(["odd_sup", "billing_sup"], session, SECONDS)
        assert (found.total, found.missing) == (3, ())
    finally:
        await ask(session, "erlang:exit", pid, Atom("kill"))
        await until_answer(session, lambda answer: answer == UNDEFINED, "erlang:whereis", Atom("odd_sup"))


@pytest.mark.parametrize("restarts", [[Atom("now")], [1.5], ImproperList((1,), 2), Atom("none"), [UNDEFINED, 1]])
async def test_restarts_that_are_no_times_leave_no_budget_to_tell(session: Session, restarts: Term) -> None:
    whole = record(([], Map()))
    found, pid = await odd(session, (*whole[:7], restarts, *whole[8:]))
    assert found.budget_left is None
    await ask(session, "erlang:exit", pid, Atom("kill"))
