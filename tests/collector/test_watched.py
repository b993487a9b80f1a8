from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from agent.batch import Caller
from agent.errors import ConnectionLost, DeadlineExceeded, NodeUnreachable, RemoteError
from agent.expression import Evaluated, Expression, Shell
from agent.probes import Probe, Result, identity, memory
from agent.probes.processes import Mailboxes, Queues
from agent.terms import Atom, Term
from collector import question as question_module
from collector import watched as watched_module
from collector.freshness import Asker, Budget
from collector.known import FAILURE_KEPT_SECONDS, STALE_SECONDS
from collector.question import CALL_SECONDS, EVALUATION_SECONDS, Question
from collector.snapshot import Answered, Bug, Failed, Snapshot, TooSoon, UnderWay
from collector.watched import WatchedNode
from tests.collector_fakes import (
    CREATION,
    IDENTITY,
    MEMORY,
    NODE,
    PATIENCE_SECONDS,
    FakeClock,
    FakeNode,
    FakeSession,
    watch,
)

AT_ONCE = 0.01  # a deadline that shall pass
REFUSAL = RemoteError(Atom("error"), Atom("system_limit"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    for module in (question_module, watched_module):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(question_module, "BETWEEN_LOOKS_SECONDS", 0.0)
    return clock


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


@pytest.fixture
def node(session: FakeSession) -> FakeNode:
    return FakeNode(NODE, session)


@pytest.fixture
def watched(node: FakeNode) -> WatchedNode:
    """One node and one probe, whose question is one call."""
    return with_probes(node, memory=memory.ask)


def with_probes(node: FakeNode, **probes: Probe) -> WatchedNode:
    return WatchedNode(node, probes, lambda: None)


async def ask(watched: WatchedNode) -> Snapshot:
    return await watched.snapshot(PATIENCE_SECONDS)


def reason(snapshot: Snapshot, probe: str = "memory") -> str:
    return str(snapshot.why_no(probe))


async def met_a_bug(_caller: Caller, _deadline_seconds: float) -> Result:
    raise ZeroDivisionError("a slip of ours")


# ------------------------------------------------------------------------------------------------------------- sharing


async def test_askers_at_the_same_moment_share_one_question(session: FakeSession, watched: WatchedNode) -> None:
    session.hold()
    askers = [asyncio.create_task(ask(watched)) for _ in range(5)]
    await session.was_called()
    session.release()
    snapshots = await asyncio.gather(*askers)
    assert session.calls == ["erlang:memory"]
    assert [snapshot.outcomes for snapshot in snapshots] == [snapshots[0].outcomes] * 5
    assert snapshots[0].result(memory.Memory) == MEMORY


async def test_an_asker_that_comes_later_joins_the_question_under_way(
    session: FakeSession, node: FakeNode, watched: WatchedNode
) -> None:
    session.hold()
    first = asyncio.create_task(ask(watched))
    await session.was_called()
    later = asyncio.create_task(ask(watched))
    await node.was_asked(2)
    session.release()
    assert (await later).outcomes == (await first).outcomes
    assert session.calls == ["erlang:memory"]


async def test_a_cancelled_asker_cancels_no_other(session: FakeSession, watched: WatchedNode) -> None:
    session.hold()
    askers = [asyncio.create_task(ask(watched)) for _ in range(3)]
    await session.was_called()
    askers[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await askers[0]
    session.release()
    assert [(await asker).is_up for asker in askers[1:]] == [True, True]
    assert session.calls == ["erlang:memory"]


async def test_a_question_goes_on_when_its_only_asker_is_cancelled(
    session: FakeSession, node: FakeNode, watched: WatchedNode
) -> None:
    session.hold()
    asker = asyncio.create_task(ask(watched))
    await session.was_called()
    asker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asker
    next_asker = asyncio.create_task(ask(watched))
    await node.was_asked(2)
    session.release()
    assert (await next_asker).is_up
    assert session.calls == ["erlang:memory"]


async def test_an_asker_in_a_hurry_gives_up_alone(session: FakeSession, watched: WatchedNode) -> None:
    session.hold()
    patient = asyncio.create_task(ask(watched))
    await session.was_called()
    hurried = await watched.snapshot(AT_ONCE)
    assert isinstance(hurried.why_no("memory"), DeadlineExceeded)
    assert reason(hurried) == f"{NODE} gave no answer within 0.01 s"
    session.release()
    assert (await patient).result(memory.Memory) == MEMORY
    assert session.calls == ["erlang:memory"]


async def test_an_answer_is_not_kept_once_it_is_given(session: FakeSession, watched: WatchedNode) -> None:
    await ask(watched)
    await ask(watched)
    assert session.calls == ["erlang:memory"] * 2


async def test_probes_are_asked_at_the_same_time(session: FakeSession, node: FakeNode) -> None:
    session.hold()
    asker = asyncio.create_task(ask(with_probes(node, memory=memory.ask, identity=identity.ask)))
    await session.was_called()
    assert session.calls == ["erlang:memory", "lists:zipwith3"]
    session.release()
    assert (await asker).is_up


async def test_only_the_probes_that_are_wanted_are_asked(session: FakeSession, node: FakeNode) -> None:
    watched = with_probes(node, memory=memory.ask, identity=identity.ask)
    snapshot = await watched.snapshot(PATIENCE_SECONDS, ("memory",))
    assert set(snapshot.outcomes) == {"memory"}
    assert session.calls == ["erlang:memory"]


async def test_a_snapshot_is_as_old_as_its_oldest_answer(session: FakeSession, node: FakeNode) -> None:
    watched = with_probes(node, memory=memory.ask, identity=identity.ask)
    session.hold()
    first = asyncio.create_task(watched.snapshot(PATIENCE_SECONDS, ("memory",)))
    await session.was_called()
    second = asyncio.create_task(ask(watched))
    await node.was_asked(2)
    session.release()
    oldest = (await first).outcomes["memory"]
    assert isinstance(oldest, Answered)
    assert (await second).collected_at == oldest.asked_at


# ------------------------------------------------------------------------------------------------------------ failures


async def test_a_failure_is_remembered_for_a_second(
    session: FakeSession, watched: WatchedNode, clock: FakeClock
) -> None:
    session.behaviours["erlang:memory"] = REFUSAL
    first = await ask(watched)
    clock.now += FAILURE_KEPT_SECONDS - 0.01
    second = await ask(watched)
    assert first.why_no("memory") is second.why_no("memory") is REFUSAL
    assert session.calls == ["erlang:memory"]
    assert FAILURE_KEPT_SECONDS <= 1.0


async def test_after_a_second_it_is_asked_anew(session: FakeSession, watched: WatchedNode, clock: FakeClock) -> None:
    well = session.behaviours["erlang:memory"]
    session.behaviours["erlang:memory"] = REFUSAL
    await ask(watched)
    session.behaviours["erlang:memory"] = well
    clock.now += FAILURE_KEPT_SECONDS
    assert (await ask(watched)).result(memory.Memory) == MEMORY
    assert session.calls == ["erlang:memory"] * 2


async def test_an_asker_that_gave_up_leaves_no_failure_behind(session: FakeSession, watched: WatchedNode) -> None:
    session.hold()
    await watched.snapshot(AT_ONCE)
    session.release()
    assert (await ask(watched)).is_up


async def test_a_failed_probe_costs_itself_alone(session: FakeSession, node: FakeNode) -> None:
    session.behaviours["erlang:memory"] = REFUSAL
    snapshot = await ask(with_probes(node, memory=memory.ask, identity=identity.ask))
    assert snapshot.why_no("memory") is REFUSAL
    assert snapshot.result(identity.NodeIdentity) == IDENTITY
    assert snapshot.is_up


async def test_a_probe_that_meets_a_bug_is_logged_and_counted_and_costs_itself_alone(
    node: FakeNode, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    watched = with_probes(node, memory=met_a_bug, identity=identity.ask)
    snapshot = await ask(watched)
    assert isinstance(snapshot.why_no("memory"), Bug)
    assert reason(snapshot) == "the probe memory met a bug of beamwarden: ZeroDivisionError('a slip of ours')"
    assert snapshot.result(identity.NodeIdentity) == IDENTITY
    assert snapshot.internal_errors == 1
    [line] = caplog.records
    assert line.levelno == logging.ERROR
    assert line.getMessage() == "the probe memory met a bug"
    assert line.exc_info is not None
    assert isinstance(line.exc_info[1], ZeroDivisionError)

    clock.now += FAILURE_KEPT_SECONDS
    assert (await ask(watched)).internal_errors == 2


async def test_bugs_of_the_connection_are_counted_too(node: FakeNode, watched: WatchedNode) -> None:
    node.internal_errors = 3
    assert (await ask(watched)).internal_errors == 3
    node.disconnect(NodeUnreachable("gone"))
    assert (await ask(watched)).internal_errors == 3


# ------------------------------------------------------------------------------------------- connections come and go


async def test_a_node_that_is_down_is_told_without_a_question(
    session: FakeSession, node: FakeNode, watched: WatchedNode
) -> None:
    trouble = NodeUnreachable("nothing listens there")
    node.disconnect(trouble)
    snapshot = await ask(watched)
    assert snapshot.trouble is trouble
    assert snapshot.outcomes == {}
    assert snapshot.peer is None
    assert not snapshot.is_up
    assert session.calls == []


async def test_a_new_life_of_the_node_does_not_share_a_question_with_the_old_one(
    session: FakeSession, node: FakeNode, watched: WatchedNode
) -> None:
    session.hold()
    old = asyncio.create_task(ask(watched))
    await session.was_called()
    new_session = FakeSession(creation=CREATION + 1)
    node.connect(new_session)
    new = await ask(watched)
    assert new_session.calls == ["erlang:memory"]
    assert new.peer == new_session.peer
    session.release()
    assert (await old).peer == session.peer


@pytest.mark.usefixtures("clock")  # which stands still: the failure is remembered all the while
async def test_a_new_life_of_the_node_does_not_inherit_a_failure(
    session: FakeSession, node: FakeNode, watched: WatchedNode
) -> None:
    session.behaviours["erlang:memory"] = REFUSAL
    await ask(watched)
    node.connect(FakeSession(creation=CREATION + 1))
    assert (await ask(watched)).is_up


async def test_a_connection_that_breaks_under_a_question_is_its_failure(
    session: FakeSession, watched: WatchedNode
) -> None:
    session.behaviours["erlang:memory"] = ConnectionLost("the node closed the connection")
    assert reason(await ask(watched)) == "the node closed the connection"


async def test_the_instance_is_named_whether_or_not_the_node_is_connected(node: FakeNode) -> None:
    watched = watch(node, "00f46b92")
    assert (await ask(watched)).instance_id == "00f46b92"
    node.disconnect(NodeUnreachable("gone"))
    assert (await ask(watched)).instance_id == "00f46b92"


async def test_closing_ends_the_questions_and_tells_those_who_wait(session: FakeSession, watched: WatchedNode) -> None:
    session.hold()
    askers = [asyncio.create_task(ask(watched)) for _ in range(2)]
    await session.was_called()
    await watched.close()
    for snapshot in await asyncio.gather(*askers):
        assert isinstance(snapshot.why_no("memory"), ConnectionLost)
        assert reason(snapshot) == "beamwarden is shutting down"


# -------------------------------------------------------------------------------------------------------------- sweeps


COUNT = Expression("count", "length(processes())")


async def count(shell: Shell, deadline_seconds: float) -> Mailboxes:
    found = await shell.evaluate(COUNT, {}, deadline_seconds=deadline_seconds)
    assert isinstance(found.value, int)
    return Mailboxes(Queues(found.value, 0, 0, {}), ())


MAILBOXES = Question("mailboxes", count, is_sweep=True)


@pytest.fixture
def swept(node: FakeNode, session: FakeSession) -> WatchedNode:
    """One node, one vital sign and one sweep, which counts how often it was asked."""
    numbers = iter(range(1, 1000))
    session.evaluations["count"] = lambda _bindings: Evaluated(next(numbers), worker_seconds=0.02, reductions=1_000_000)
    return WatchedNode(node, {"memory": memory.ask}, lambda: None, (MAILBOXES,))


def counted(snapshot: Snapshot) -> int | None:
    """Which answer to the sweep this is: the first, the second."""
    found = snapshot.result(Mailboxes)
    return None if found is None else found.queues.processes


async def test_scrapes_and_people_share_the_answer_of_a_sweep(swept: WatchedNode, clock: FakeClock) -> None:
    first = await swept.scrape(PATIENCE_SECONDS)
    clock.now += 3
    person = await swept.answer(MAILBOXES, Asker.PERSON)
    other = await swept.scrape(PATIENCE_SECONDS)
    assert [counted(one) for one in (first, person, other)] == [1, 1, 1]


async def test_a_person_has_it_asked_anew_and_a_scrape_takes_that(swept: WatchedNode, clock: FakeClock) -> None:
    await swept.scrape(PATIENCE_SECONDS)
    clock.now += 6
    assert counted(await swept.scrape(PATIENCE_SECONDS)) == 1
    assert counted(await swept.answer(MAILBOXES, Asker.PERSON)) == 2
    assert counted(await swept.scrape(PATIENCE_SECONDS)) == 2


async def test_an_answer_says_when_it_was_asked_for_and_not_when_it_was_given(
    swept: WatchedNode, clock: FakeClock
) -> None:
    first = await swept.answer(MAILBOXES, Asker.PERSON)
    clock.now += 3
    second = await swept.answer(MAILBOXES, Asker.PERSON)
    assert second.collected_at == first.collected_at
    assert first.made_at is not None
    assert second.made_at is not None
    assert first.collected_at <= first.made_at < second.made_at


async def test_the_moment_of_a_scrape_is_that_of_the_vital_signs(swept: WatchedNode) -> None:
    first = await swept.scrape(PATIENCE_SECONDS)
    second = await swept.scrape(PATIENCE_SECONDS)
    assert counted(second) == 1
    asked = second.outcome("memory")
    assert isinstance(asked, Answered)
    assert second.collected_at == asked.asked_at > first.collected_at


async def test_a_node_is_not_up_because_of_what_it_said_before(swept: WatchedNode, session: FakeSession) -> None:
    assert (await swept.scrape(PATIENCE_SECONDS)).is_up
    session.behaviours["erlang:memory"] = REFUSAL
    snapshot = await swept.scrape(PATIENCE_SECONDS)
    assert counted(snapshot) == 1
    assert not snapshot.is_up


async def test_a_scrape_that_cannot_wait_for_the_first_sweep_says_that_it_is_under_way(
    swept: WatchedNode, session: FakeSession
) -> None:
    session.hold()
    snapshot = await swept.scrape(AT_ONCE)
    assert isinstance(snapshot.why_no("mailboxes"), UnderWay)
    assert reason(snapshot, "mailboxes") == f"mailboxes of {NODE} is under way for 0.01 s, and there is no answer yet"
    session.release()
    assert counted(await swept.scrape(PATIENCE_SECONDS)) == 1


@pytest.mark.parametrize(("age_seconds", "given"), [(60.0, 1), (STALE_SECONDS + 1, None)])
async def test_a_scrape_that_cannot_wait_gets_the_answer_before_if_it_is_any_good(
    swept: WatchedNode, session: FakeSession, clock: FakeClock, age_seconds: float, given: int | None
) -> None:
    before = await swept.scrape(PATIENCE_SECONDS)
    clock.now += age_seconds
    session.hold()
    snapshot = await swept.scrape(AT_ONCE)
    assert counted(snapshot) == given
    assert snapshot.outcome("mailboxes") == before.outcome("mailboxes") or given is None
    session.release()
    assert counted(await swept.scrape(PATIENCE_SECONDS)) == 2


async def test_a_person_who_cannot_wait_gets_no_answer_from_before(
    swept: WatchedNode, session: FakeSession, clock: FakeClock
) -> None:
    await swept.scrape(PATIENCE_SECONDS)
    clock.now += 6
    session.hold()
    hurried = replace(MAILBOXES, deadline_seconds=AT_ONCE - 1)
    snapshot = await swept.answer(hurried, Asker.PERSON)
    assert isinstance(snapshot.why_no("mailboxes"), UnderWay)
    await swept.close()


async def test_a_sweep_goes_on_when_everybody_who_waited_has_hung_up(
    swept: WatchedNode, session: FakeSession, node: FakeNode
) -> None:
    session.hold()
    person = asyncio.create_task(swept.answer(MAILBOXES, Asker.PERSON))
    await session.was_called()
    person.cancel()
    with pytest.raises(asyncio.CancelledError):
        await person
    scrape = asyncio.create_task(swept.scrape(PATIENCE_SECONDS))
    await node.was_asked(2)
    session.release()
    assert counted(await scrape) == 1
    assert session.calls.count("count") == 1


async def test_what_cannot_be_asked_again_yet_is_a_failure_of_its_own(swept: WatchedNode, clock: FakeClock) -> None:
    other = Question("mailboxes", count, "other arguments", is_sweep=True)
    await swept.answer(MAILBOXES, Asker.PERSON)
    clock.now += 0.25
    late = await swept.answer(other, Asker.PERSON)
    why = late.why_no("mailboxes")
    assert isinstance(why, TooSoon)
    assert why.retry_after_seconds == 0.75


async def test_the_costs_of_everybody_add_up(swept: WatchedNode, session: FakeSession, clock: FakeClock) -> None:
    assert (await swept.scrape(PATIENCE_SECONDS)).costs == pytest.approx(
        {"memory": CALL_SECONDS, "mailboxes": 0.02 + EVALUATION_SECONDS}
    )
    clock.now += 6
    asked = await swept.answer(MAILBOXES, Asker.PERSON)
    assert asked.costs["mailboxes"] == pytest.approx(2 * (0.02 + EVALUATION_SECONDS))
    session.behaviours["erlang:memory"] = REFUSAL
    assert (await ask(swept)).costs["memory"] == CALL_SECONDS


async def test_the_costs_are_told_also_of_a_node_that_is_down(swept: WatchedNode, node: FakeNode) -> None:
    await swept.scrape(PATIENCE_SECONDS)
    node.disconnect(NodeUnreachable("gone"))
    assert (await swept.scrape(PATIENCE_SECONDS)).costs.keys() == {"memory", "mailboxes"}


async def test_what_no_worker_has_measured_has_no_cost(node: FakeNode, session: FakeSession) -> None:
    session.behaviours["erlang:memory"] = REFUSAL
    assert (await ask(with_probes(node, memory=memory.ask))).costs == {}


async def test_another_life_of_the_node_is_asked_anew(swept: WatchedNode, session: FakeSession, node: FakeNode) -> None:
    await swept.scrape(PATIENCE_SECONDS)
    new_session = FakeSession(creation=CREATION + 1)
    new_session.evaluations = session.evaluations
    node.connect(new_session)
    snapshot = await swept.scrape(PATIENCE_SECONDS)
    assert counted(snapshot) == 2
    assert snapshot.peer == new_session.peer


async def test_another_connection_to_the_same_life_shares_its_answers(
    swept: WatchedNode, session: FakeSession, node: FakeNode
) -> None:
    await swept.scrape(PATIENCE_SECONDS)
    new_session = FakeSession()
    node.connect(new_session)
    assert counted(await swept.scrape(PATIENCE_SECONDS)) == 1
    assert "count" not in new_session.calls


async def test_who_asked_a_life_that_is_over_is_not_answered_by_the_next(
    swept: WatchedNode, session: FakeSession, node: FakeNode
) -> None:
    session.hold()
    old = asyncio.create_task(swept.look((), (MAILBOXES,), 0.25))
    await session.was_called()
    new_session = FakeSession(creation=CREATION + 1)
    new_session.evaluations = session.evaluations
    node.connect(new_session)
    assert counted(await swept.scrape(PATIENCE_SECONDS)) == 1
    snapshot = await old
    assert counted(snapshot) is None
    assert snapshot.peer == session.peer
    await swept.close()


async def test_ten_thousand_lookups_leave_nothing_behind(node: FakeNode, session: FakeSession) -> None:
    watched = with_probes(node, memory=memory.ask)

    async def fail(shell: Shell, deadline_seconds: float) -> Result:
        await shell.call("erlang", "memory", [], deadline_seconds=deadline_seconds)
        raise REFUSAL

    for number in range(10_000):
        snapshot = await watched.answer(Question("process", fail, f"name_{number}"), Asker.PERSON)
        assert snapshot.why_no("process") is REFUSAL
    assert sum(len(part) for part in vars(watched).values() if isinstance(part, dict)) == 1  # its one vital sign
    assert len(session.calls) == 10_000


async def test_a_sweep_that_fails_is_told_to_all_and_not_asked_again_for_programs(
    swept: WatchedNode, session: FakeSession, clock: FakeClock
) -> None:
    def killed(_bindings: object) -> Term:
        clock.now += 0.5
        raise REFUSAL

    session.evaluations["count"] = killed
    snapshots = [await swept.scrape(PATIENCE_SECONDS) for _ in range(3)]
    assert {snapshot.why_no("mailboxes") for snapshot in snapshots} == {REFUSAL}
    clock.now += Budget().interval_seconds("mailboxes", 0.5) - 1
    await swept.scrape(PATIENCE_SECONDS)
    assert session.calls.count("count") == 1
    clock.now += 1
    await swept.scrape(PATIENCE_SECONDS)
    assert session.calls.count("count") == 2
    found = snapshots[0].outcome("mailboxes")
    assert isinstance(found, Failed)
    assert found.cost_seconds == 0.5
