"""Governors against what Erlang itself says of them, and against one that is stuck."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from agent import Session
from agent.expression import Expression
from agent.probes import governors, lookup, rows
from agent.probes.governors import Governor, Governors
from agent.supervision import ChildState, Status
from agent.terms import FALSE, TRUE, Atom, Pid, Term, format_pid
from erlang_fixtures.beam import Beam
from tests.live.illnesses import ill, item, pid_of
from tests.live.nodes import SECONDS, ask, census, join, messages_waiting, number, settles_to, until_answer
from tests.live.supervisors import SWEEPS, tuples

pytestmark = pytest.mark.live

BILLING = '{billing_governor,<<"acme">>}'
# {Supervisor, Id, Pid} of every worker two levels below governance_sup, as the supervisors name them.
WORKERS = Expression(
    "workers",
    """[{Domain, unicode:characters_to_binary(io_lib:format("~0tp", [Id])), Pid} ||
        {Domain, Supervisor, supervisor, _} <- lists:reverse(supervisor:which_children(governance_sup)),
        {Id, Pid, worker, _} <- lists:reverse(supervisor:which_children(Supervisor))]""",
)


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


async def found_below(session: Session, *supervisors: str) -> Governors:
    return await governors.ask(supervisors or governors.DEFAULT_SUPERVISORS, session, SECONDS)


def one(found: Governors, governor_id: str) -> Governor:
    (governor,) = (governor for governor in found.governors if governor.id == governor_id)
    return governor


async def billing_governor(session: Session) -> Pid:
    pid = await ask(session, "tai_autonomics:governor", Atom("billing"), b"acme")
    assert isinstance(pid, Pid)
    return pid


async def test_every_tenant_s_governor_is_found_where_its_supervisor_has_it(session: Session) -> None:
    erlang = tuples((await session.evaluate(WORKERS, {}, deadline_seconds=SECONDS)).value)
    found = await found_below(session)
    assert [(governor.supervisor, governor.id, governor.pid) for governor in found.governors] == [
        (rows.atom(supervisor), rows.text(printed), rows.pid(pid)) for supervisor, printed, pid in erlang
    ]
    assert Counter(governor.supervisor for governor in found.governors)["billing_sup"] == 3
    assert (found.total, found.alive, found.missing, found.not_read) == (27, 27, (), ())
    assert found.complete


async def test_an_idle_governor_waits_in_its_loop_with_an_empty_mailbox(session: Session) -> None:
    governor = one(await found_below(session), BILLING)
    assert (governor.state, governor.is_alive, governor.message_queue_len) == (ChildState.RUNNING, True, 0)
    assert governor.current_function is not None
    assert governor.current_function.startswith("gen_statem:loop")


async def test_nothing_is_older_than_its_node(session: Session) -> None:
    first, second = await found_below(session), await found_below(session)
    milliseconds = await ask(session, "erlang:statistics", Atom("wall_clock"))
    assert isinstance(milliseconds, tuple)
    assert isinstance(milliseconds[0], int)
    assert 0 < first.uptime_seconds < second.uptime_seconds <= milliseconds[0] / 1000 + 1


async def test_a_stuck_governor_shows_its_queue_and_where_it_is_and_is_left_alone(session: Session) -> None:
    async with ill(session, "ill_stuck_governor", messages=1_234, under=Atom("billing_sup")):
        before = await item(session, "stuck_governor", "message_queue_len")
        for _ in range(SWEEPS):
            await found_below(session)
        governor = one(await found_below(session), '{stuck_governor,<<"stuck">>}')
        assert governor.message_queue_len == before == await item(session, "stuck_governor", "message_queue_len")
        assert governor.supervisor == "billing_sup"
        assert governor.current_function is not None
        assert not governor.current_function.startswith("gen_statem:loop")
        state = await governors.ask_state("stuck_governor", session, SECONDS)
        assert (state.state, state.why_not) == (None, "not answering")
        assert state.message_queue_len == await item(session, "stuck_governor", "message_queue_len") == before


async def test_the_governors_of_a_supervisor_that_hangs_are_said_not_to_be_known(
    session: Session,
) -> None:
    async with ill(session, "ill_hanging_supervisor", under=Atom("governance_sup")):
        found = await found_below(session)
        (unread,) = found.not_read
        assert (unread.name, unread.status) == ("hanging_sup", Status.NOT_ANSWERING)
        assert found.left_out == ("the children of hanging_sup: not answering",)
        assert found.total == 27


async def test_supervisors_that_are_not_registered_are_missing(session: Session) -> None:
    found = await found_below(session, "billing_sup", "governor_sup")
    assert found.missing == ("governor_sup",)
    assert found.total == 3


async def test_a_supervisor_below_another_one_is_not_counted_twice(session: Session) -> None:
    assert (await found_below(session, "governance_sup", "billing_sup")).total == 27


async def test_of_too_many_those_with_the_longest_queues_are_listed(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(governors, "MAX_LISTED", 2)
    async with ill(session, "ill_stuck_governor", messages=10, under=Atom("billing_sup")):
        found = await found_below(session)
        assert found.governors[0].id == '{stuck_governor,<<"stuck">>}'
        assert (len(found.governors), found.total, found.alive) == (2, 28, 28)
        assert not found.complete


async def test_of_too_many_one_that_is_well_is_found_by_its_id(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(governors, "MAX_LISTED", 2)
    async with ill(session, "ill_stuck_governor", messages=10, under=Atom("billing_sup")):
        for typed in ('{billing_governor,<<"acme">>}', ' { billing_governor, <<"acme">> }'):
            found = await lookup.find_governor(typed, governors.DEFAULT_SUPERVISORS, session, SECONDS)
            assert found == await billing_governor(session)


async def test_of_too_many_those_without_a_process_are_listed_first(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(governors, "MAX_LISTED", 1)
    supervisor, child = Atom("observability_sup"), Atom("observer_ui")
    assert await ask(session, "supervisor:terminate_child", supervisor, child) == Atom("ok")
    try:
        found = await found_below(session, "observability_sup")
    finally:
        await ask(session, "supervisor:restart_child", supervisor, child)
    assert [(governor.id, governor.state, governor.pid) for governor in found.governors] == [
        ("observer_ui", ChildState.UNDEFINED, None)
    ]
    assert (found.total, found.alive) == (2, 1)


async def test_more_children_than_are_looked_at_are_counted(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(governors, "MAX_CHILDREN", 2)
    found = await found_below(session, "billing_sup")
    assert (found.total, found.governors) == (0, ())
    assert found.left_out == ("the 3 children of billing_sup: more than are listed of one supervisor",)


async def test_the_name_of_a_state_is_told_for_the_one_that_is_asked_for(session: Session) -> None:
    pid = await billing_governor(session)
    state = await governors.ask_state(pid, session, SECONDS)
    assert (state.pid, state.name, state.state, state.why_not) == (format_pid(pid), None, "current", None)
    assert await ask(session, "tai_governor:signal", pid, Atom("miss_payment")) == (Atom("ok"), Atom("past_due"))
    assert (await governors.ask_state(pid, session, SECONDS)).state == "past_due"
    await ask(session, "tai_governor:signal", pid, Atom("pay"))


async def test_a_suspended_governor_tells_its_state_and_that_it_is_suspended(session: Session) -> None:
    pid = await billing_governor(session)
    await ask(session, "sys:suspend", pid)
    try:
        state = await governors.ask_state(pid, session, SECONDS)
        assert (state.state, state.is_suspended) == ("current", True)
    finally:
        await ask(session, "sys:resume", pid)
    state = await governors.ask_state(pid, session, SECONDS)
    assert (state.state, state.is_suspended) == ("current", False)


async def test_a_state_that_is_no_atom_stays_on_the_node(session: Session) -> None:
    pid = await billing_governor(session)
    secret: Term = (b"acme", b"owes us")
    # As if it were in a state that is a term, and back: {State, Data} is what gen_statem gives sys.
    replace = Expression("replace", "sys:replace_state(Pid, fun({_, Data}) -> {State, Data} end), ok")
    await session.evaluate(replace, {"Pid": pid, "State": secret}, deadline_seconds=SECONDS)
    try:
        state = await governors.ask_state(pid, session, SECONDS)
        assert (state.state, state.why_not) == (None, "not an atom")
        assert "acme" not in repr(state)
    finally:
        await session.evaluate(replace, {"Pid": pid, "State": Atom("current")}, deadline_seconds=SECONDS)


@pytest.mark.parametrize("name", ["receipt_store", "action_pool", "billing_sup", "init", "logger"])
async def test_what_is_no_gen_statem_gets_no_question(session: Session, name: str) -> None:
    pid = await pid_of(session, name)
    tracer = await ask(session, "erlang:spawn", Atom("timer"), Atom("sleep"), [Atom("infinity")])
    traced: Term = [Atom("receive"), (Atom("tracer"), tracer)]
    assert await ask(session, "erlang:trace", pid, TRUE, traced) == 1
    state = await governors.ask_state(name, session, SECONDS)
    assert await ask(session, "erlang:trace", pid, FALSE, [Atom("receive")]) == 1
    assert (state.name, state.state, state.why_not) == (name, None, "not a gen_statem")
    assert await ask(session, "erlang:process_info", tracer, Atom("messages")) == (Atom("messages"), [])
    await ask(session, "erlang:exit", tracer, Atom("kill"))


async def test_a_governor_with_a_large_heap_is_not_asked(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(governors, "MAX_GOVERNOR_HEAP_WORDS", 100)
    state = await governors.ask_state(await billing_governor(session), session, SECONDS)
    assert (state.state, state.why_not) == (None, "too large")


async def test_a_governor_that_is_gone_or_was_never_there_is_said_to_be(session: Session) -> None:
    gone = await ask(session, "erlang:spawn", Atom("erlang"), Atom("node"), [])
    assert isinstance(gone, Pid)
    await until_answer(session, lambda answer: answer == FALSE, "erlang:is_process_alive", gone)
    assert (await governors.ask_state(gone, session, SECONDS)).why_not == "gone"
    nobody = await governors.ask_state("never_heard_of", session, SECONDS)
    assert (nobody.pid, nobody.why_not) == (None, "nobody is registered under this name")


async def test_questions_leave_no_message_no_process_and_no_atom(session: Session) -> None:
    pid = await billing_governor(session)
    await found_below(session)
    await governors.ask_state(pid, session, SECONDS)
    before, atoms = await census(session), await number(session, "erlang:system_info", Atom("atom_count"))
    for index in range(SWEEPS):
        await found_below(session, "governance_sup", f"unheard_of_{index}")
        await governors.ask_state(f"unheard_of_{index}", session, SECONDS)
        await governors.ask_state(pid, session, SECONDS)
    await settles_to(session, before)
    assert await messages_waiting(session) == 0
    assert await number(session, "erlang:system_info", Atom("atom_count")) == atoms
