from __future__ import annotations

import asyncio

import pytest

from agent.batch import Caller
from agent.errors import AgentError, ConnectionLost, DeadlineExceeded, RemoteError, WorkerDied
from agent.expression import Evaluated, Expression, Shell
from agent.probes import Result, memory
from agent.probes.binaries import BinaryHolder, BinaryHolders
from agent.probes.busy import Busy, BusyProcess
from agent.probes.process import Process
from agent.probes.processes import Mailboxes, Processes, ProcessRow, Queues
from agent.terms import Atom, Term
from collector import question as question_module
from collector.question import (
    CALL_SECONDS,
    EVALUATION_SECONDS,
    LOOKS_AT_SATURATION,
    MAX_SECONDS_PER_MESSAGE,
    MAX_SECONDS_PER_REDUCTION,
    QUESTION_SECONDS,
    STARVED_SHARE,
    Question,
    messages_measured,
    put,
    run_probe,
)
from collector.snapshot import Answered, Failed
from tests.collector_fakes import MEMORY, NODE, PATIENCE_SECONDS, FakeClock, FakeSession

AT_ONCE = 0.01  # a deadline that shall pass
REFUSAL = RemoteError(Atom("error"), Atom("system_limit"))
ROW = ProcessRow("<0.1.0>", None, None, None, None, None, "waiting", 1, 1, message_queue_len=7)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(question_module, "time", clock)
    monkeypatch.setattr(question_module, "BETWEEN_LOOKS_SECONDS", 0.0)
    return clock


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


async def test_a_result_comes_with_when_and_how_long(session: FakeSession, clock: FakeClock) -> None:
    async def slow(caller: Caller, deadline_seconds: float) -> Result:
        clock.now += 0.25
        return await memory.ask(caller, deadline_seconds)

    outcome = await run_probe("memory", slow, session, QUESTION_SECONDS)
    assert isinstance(outcome, Answered)
    assert outcome.result == MEMORY
    assert outcome.duration_seconds == 0.25
    assert outcome.asked_at.utcoffset() is not None


async def test_a_failure_comes_with_how_long(session: FakeSession, clock: FakeClock) -> None:
    async def refused(_caller: Caller, _deadline_seconds: float) -> Result:
        clock.now += 0.25
        raise REFUSAL

    assert await run_probe("memory", refused, session, QUESTION_SECONDS) == Failed(REFUSAL, 0.25)


async def test_a_probe_is_told_its_deadline_and_held_to_it(session: FakeSession) -> None:
    told: list[float] = []

    async def never(_caller: Caller, deadline_seconds: float) -> Result:
        told.append(deadline_seconds)
        await asyncio.Event().wait()
        raise AssertionError

    async with asyncio.timeout(PATIENCE_SECONDS):
        outcome = await run_probe("memory", never, session, AT_ONCE)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, DeadlineExceeded)
    assert str(outcome.error) == f"{NODE} gave no answer within 0.01 s"
    assert told == [AT_ONCE]


# ------------------------------------------------------------------------------------------------------ what it costs


def flooded(messages: int) -> Mailboxes:
    return Mailboxes(Queues(processes=1, total=messages, longest=messages, over={}), ())


async def cost_of(session: FakeSession, *spent: Evaluated, result: Result = MEMORY) -> float:
    """What a probe costs whose workers say this of themselves."""

    async def ask(shell: Shell, deadline_seconds: float) -> Result:
        for number, one in enumerate(spent):
            session.evaluations[f"part_{number}"] = one
            await shell.evaluate(Expression(f"part_{number}", ""), {}, deadline_seconds=deadline_seconds)
        return result

    outcome = await run_probe("a probe", ask, session, QUESTION_SECONDS)
    assert isinstance(outcome, Answered)
    return outcome.cost_seconds


async def test_a_worker_that_ran_costs_its_time(session: FakeSession) -> None:
    cost_seconds = await cost_of(session, Evaluated([], worker_seconds=0.163, reductions=4_016_134))
    assert cost_seconds == pytest.approx(0.163 + EVALUATION_SECONDS)


async def test_the_workers_of_one_probe_add_up(session: FakeSession) -> None:
    spent = Evaluated([], worker_seconds=0.01, reductions=1_000_000)
    assert await cost_of(session, spent, spent) == pytest.approx(2 * (0.01 + EVALUATION_SECONDS))


async def test_a_worker_that_waited_costs_no_more_than_its_reductions_explain(session: FakeSession) -> None:
    cost_seconds = await cost_of(session, Evaluated([], worker_seconds=10.7, reductions=1_000_000))
    assert cost_seconds == pytest.approx(1_000_000 * MAX_SECONDS_PER_REDUCTION + EVALUATION_SECONDS)


async def test_what_counting_messages_took_is_not_taken_for_waiting(session: FakeSession) -> None:
    # As it was measured with 5,000,000 messages in one mailbox: 86 ms for few reductions.
    spent = Evaluated([], worker_seconds=0.086, reductions=253_592)
    assert await cost_of(session, spent, result=flooded(5_000_000)) == pytest.approx(0.086 + EVALUATION_SECONDS)


async def test_waiting_beside_many_messages_is_still_waiting(session: FakeSession) -> None:
    spent = Evaluated([], worker_seconds=10.0, reductions=0)
    cost_seconds = await cost_of(session, spent, result=flooded(1_000_000))
    assert cost_seconds == pytest.approx(1_000_000 * MAX_SECONDS_PER_MESSAGE + EVALUATION_SECONDS)


async def test_a_small_question_costs_something_too(session: FakeSession) -> None:
    outcome = await run_probe("memory", memory.ask, session, QUESTION_SECONDS)
    assert isinstance(outcome, Answered)
    assert outcome.cost_seconds == CALL_SECONDS


def test_the_messages_are_those_of_all_processes_whose_memory_was_measured() -> None:
    queues = flooded(12_003).queues
    assert messages_measured(flooded(12_003)) == 12_003
    assert messages_measured(Processes(queues, 1, 1, (), ())) == 12_003
    assert messages_measured(Busy(1, 1.0, 1, (BusyProcess(1, ROW), BusyProcess(1, ROW)))) == 14
    assert messages_measured(BinaryHolders(1, 1, 1, (BinaryHolder(ROW, 1, None, None),))) == 7
    assert messages_measured(Process(ROW, False, "normal", None, 1, None, ())) == 7  # noqa: FBT003
    assert messages_measured(MEMORY) == 0


# ----------------------------------------------------------------------------------------------------- sweeps that fail


def failing(error: AgentError, clock: FakeClock, *, is_sweep: bool = True, window_seconds: float = 0.0) -> Question:
    """A question that fails after ten seconds, and its window."""

    async def ask(_shell: Shell, _deadline_seconds: float) -> Result:
        clock.now += 10.0 + window_seconds
        raise error

    return Question("processes", ask, is_sweep=is_sweep, window_seconds=window_seconds)


LATE = DeadlineExceeded("no answer within 10 s")


def with_waiting(session: FakeSession, *waiting: Term | Exception) -> None:
    """Let so many processes wait for a scheduler at one moment and the next."""
    moments = iter(waiting)

    def statistics(item: Atom) -> Term:
        assert item == Atom("total_run_queue_lengths")
        found = next(moments)
        if isinstance(found, Exception):
            raise found
        return found

    session.behaviours["erlang:statistics"] = statistics


async def test_a_sweep_that_waits_on_a_saturated_node_is_told_as_that(session: FakeSession, clock: FakeClock) -> None:
    with_waiting(session, 198, 197, 199)
    outcome = await put(failing(LATE, clock), session)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, DeadlineExceeded)
    assert str(outcome.error) == (
        "no answer within 10 s: it is saturated, 197 processes wait for a scheduler. What looks at all processes waits "
        "behind them; memory, system and node still answer"
    )
    assert (outcome.cost_seconds, outcome.is_overrun) == (10.0 * STARVED_SHARE, False)


async def test_a_sweep_that_needs_too_long_on_an_idle_node_has_overrun(session: FakeSession, clock: FakeClock) -> None:
    with_waiting(session, 0, 0, 0)
    assert await put(failing(LATE, clock), session) == Failed(LATE, 10.0, cost_seconds=10.0, is_overrun=True)


async def test_a_queue_that_is_empty_at_one_moment_is_no_saturation(session: FakeSession, clock: FakeClock) -> None:
    with_waiting(session, 3, 0, 3)
    outcome = await put(failing(LATE, clock), session)
    assert isinstance(outcome, Failed)
    assert outcome.is_overrun
    assert len(session.calls) == LOOKS_AT_SATURATION == 3


@pytest.mark.parametrize("silence", [DeadlineExceeded("no answer"), ConnectionLost("gone"), Atom("undefined")])
async def test_a_node_that_does_not_even_say_what_waits_has_run_nothing_at_low_priority(
    session: FakeSession, clock: FakeClock, silence: Term | Exception
) -> None:
    with_waiting(session, silence)
    assert await put(failing(LATE, clock), session) == Failed(LATE, 10.0, cost_seconds=10.0 * STARVED_SHARE)


@pytest.mark.parametrize("later", [DeadlineExceeded("no answer"), Atom("undefined")])
async def test_one_look_is_enough_where_the_next_is_not_answered(
    session: FakeSession, clock: FakeClock, later: Term | Exception
) -> None:
    with_waiting(session, 7, later)
    outcome = await put(failing(LATE, clock), session)
    assert isinstance(outcome, Failed)
    assert "it is saturated, 7 processes wait" in str(outcome.error)


async def test_a_worker_that_was_killed_may_have_run_all_the_time(session: FakeSession, clock: FakeClock) -> None:
    killed = WorkerDied("it met its heap limit")
    assert await put(failing(killed, clock), session) == Failed(killed, 10.0, cost_seconds=10.0)
    assert session.calls == []


async def test_the_window_of_a_question_is_no_time_that_it_ran(session: FakeSession, clock: FakeClock) -> None:
    with_waiting(session, 0, 0, 0)
    outcome = await put(failing(LATE, clock, window_seconds=5.0), session)
    assert (outcome.duration_seconds, outcome.cost_seconds) == (15.0, 10.0)


async def test_of_a_small_question_that_is_late_no_more_is_asked(session: FakeSession, clock: FakeClock) -> None:
    assert await put(failing(LATE, clock, is_sweep=False), session) == Failed(LATE, 10.0)
    assert session.calls == []


async def test_an_error_keeps_nothing_of_where_it_was_raised(session: FakeSession, clock: FakeClock) -> None:
    with_waiting(session, 1, 1, 1)
    for error in (LATE, WorkerDied("it met its heap limit")):
        outcome = await put(failing(error, clock), session)
        assert isinstance(outcome, Failed)
        assert outcome.error.__traceback__ is None
        assert outcome.error.__context__ is None


# ------------------------------------------------------------------------------------------ what others do for a worker


async def test_what_others_on_the_node_do_for_a_worker_is_charged_too(session: FakeSession) -> None:
    session.evaluations["shared"] = Evaluated([], worker_seconds=0.01, reductions=1_000_000)

    async def ask(shell: Shell, deadline_seconds: float) -> Result:
        await shell.evaluate(Expression("shared", ""), {}, deadline_seconds=deadline_seconds)
        return MEMORY

    outcome = await put(Question("allocators", ask, is_sweep=True, cost_factor=2.0), session)
    assert outcome.cost_seconds == pytest.approx(2 * (0.01 + EVALUATION_SECONDS))


async def test_one_that_mostly_waits_costs_no_more_than_it_can_when_it_is_late(
    session: FakeSession, clock: FakeClock
) -> None:
    async def never(_shell: Shell, _deadline_seconds: float) -> Result:
        clock.now += 2.0
        raise DeadlineExceeded("no answer within 2 s")

    session.behaviours["erlang:statistics"] = 0
    outcome = await put(Question("allocators", never, is_sweep=True, most_cost_seconds=0.1), session)
    assert isinstance(outcome, Failed)
    assert outcome.cost_seconds == 0.1
