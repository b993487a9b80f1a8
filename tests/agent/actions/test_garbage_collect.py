"""Whether a process may be made to collect its garbage, and what it says when it has."""

from __future__ import annotations

import contextlib

import pytest

from agent.actions import garbage_collect
from agent.actions.garbage_collect import (
    LARGE_HEAP_BYTES,
    LONG_QUEUE,
    Asked,
    Collected,
    Footprint,
    Gone,
    make_plan,
    read_report,
)
from agent.actions.guards import Guard
from agent.actions.restart import Locked
from agent.errors import DeadlineExceeded, UnexpectedAnswer
from agent.probes.process import NoProcess, Process
from agent.probes.processes import ProcessRow
from agent.terms import Atom, Term
from tests.agent.probes.process_terms import pid
from tests.fakes import FakeShell
from tests.lies import every_small_lie

BEFORE: Term = (9_000, 5, 8_000, 70_000)
AFTER: Term = (2_000, 5, 1_000, 0)
COLLECTED: Term = (Atom("collected"), 1_500, BEFORE, AFTER)
FOOTPRINT = Footprint(memory_bytes=9_000, message_queue_len=5, heap_bytes=8_000, binary_bytes=70_000)


def process_with(heap_bytes: int = 8_000, queue: int = 0) -> Process:
    row = ProcessRow("<0.60.0>", "receipt_store", None, None, None, None, "waiting", 1, 9_000, queue)
    return Process(row, False, "normal", "tai_autonomics", heap_bytes, 3, ())  # noqa: FBT003  # as the probe has it


def test_a_process_that_is_there_may_always_be_asked() -> None:
    plan = make_plan(process_with())
    assert (plan.is_allowed, plan.warnings) == (True, ())


def test_a_process_that_is_gone_is_refused_with_names_like_it() -> None:
    plan = make_plan(NoProcess("receipt_stor", ("receipt_store",)))
    (refusal,) = plan.refusals
    assert refusal.guard is Guard.NO_PROCESS
    assert "receipt_store" in refusal.detail
    assert not plan.is_allowed


@pytest.mark.parametrize(
    ("process", "says"),
    [
        (process_with(heap_bytes=LARGE_HEAP_BYTES), "256 MiB"),
        (process_with(queue=LONG_QUEUE), "100000 messages"),
    ],
)
def test_a_collection_that_costs_much_is_warned_of(process: Process, says: str) -> None:
    plan = make_plan(process)
    (warning,) = plan.warnings
    assert says in warning
    assert plan.is_allowed


@pytest.mark.parametrize(
    ("answer", "report"),
    [
        (COLLECTED, Collected(FOOTPRINT, Footprint(2_000, 5, 1_000, 0), 0.0015)),
        ((Atom("collected"), 1_500, BEFORE, Atom("gone")), Collected(FOOTPRINT, None, 0.0015)),
        ((Atom("asked"), 2_000_000, BEFORE), Asked(FOOTPRINT, 2.0)),
        (Atom("gone"), Gone()),
        ((Atom("locked"), b"a-9"), Locked("a-9")),
    ],
)
def test_each_report_is_read(answer: Term, report: garbage_collect.Report) -> None:
    assert read_report(answer) == report


async def test_the_worker_waits_for_less_than_we_do() -> None:
    shell = FakeShell(COLLECTED)
    await garbage_collect.execute(shell, pid(60), "a-1", 10.0)
    (evaluation,) = shell.evaluations
    assert evaluation.bindings == {"Pid": pid(60), "Action": b"a-1", "Wait_milliseconds": 8_000}
    assert evaluation.deadline_seconds == 10.0


async def test_a_question_without_an_answer_is_an_error_of_the_call() -> None:
    with pytest.raises(DeadlineExceeded):
        await garbage_collect.execute(FakeShell(DeadlineExceeded("no answer")), pid(60), "a-1", 10.0)


def test_no_part_of_a_report_is_taken_for_granted() -> None:
    for said in every_small_lie(COLLECTED):
        with contextlib.suppress(UnexpectedAnswer):
            read_report(said)
