from __future__ import annotations

import threading

import pytest

from collector.command_line.client import AskAgain, ClientError
from collector.command_line.keeping import KeptSource
from collector.freshness import Asker
from collector.models import Answer
from collector.top.asking import MAX_KNOWN, Asking
from collector.top.panes import processes
from collector.top.schedule import Wish
from tests.collector_fakes import FakeClock
from tests.top_source import MEMORY, FakeSource

PATIENCE_SECONDS = 10.0


class Bell:
    """Rings for each answer; a test waits for so many."""

    def __init__(self) -> None:
        self._rung = threading.Semaphore(0)

    def ring(self) -> None:
        self._rung.release()

    def wait(self, times: int = 1) -> None:
        for _ in range(times):
            assert self._rung.acquire(timeout=PATIENCE_SECONDS)

    def is_silent(self) -> bool:
        return not self._rung.acquire(blocking=False)


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def asking(source: FakeSource, clock: FakeClock, bell: Bell) -> Asking:
    return Asking(source, clock.monotonic, bell.ring)


FOR_MEMORY = Wish("memory", lambda source: source.memory())
FOR_PROCESSES = Wish("processes", lambda source: processes.BY_MEMORY.ask(source, Asker.PERSON))


def test_an_answer_is_known_with_when_it_came(asking: Asking, clock: FakeClock, bell: Bell) -> None:
    asking.put(FOR_MEMORY)
    bell.wait()
    latest = asking.known["memory"]
    assert (latest.answer, latest.asked_at, latest.received_at) == (MEMORY, clock.now, clock.now)
    assert latest.trouble is None


def test_a_trouble_is_known_beside_the_answer_before_it(asking: Asking, source: FakeSource, bell: Bell) -> None:
    asking.put(FOR_MEMORY)
    bell.wait()
    source.troubles["memory"] = ClientError("no collector answers")
    asking.put(FOR_MEMORY)
    bell.wait()
    assert asking.known["memory"].trouble == "no collector answers"
    assert asking.known["memory"].answer is MEMORY


def test_the_next_answer_ends_the_trouble(asking: Asking, source: FakeSource, bell: Bell) -> None:
    source.troubles["memory"] = ClientError("no collector answers")
    asking.put(FOR_MEMORY)
    bell.wait()
    source.troubles.clear()
    asking.put(FOR_MEMORY)
    bell.wait()
    assert asking.known["memory"].trouble is None


def test_who_asked_too_often_is_known_until_when(
    asking: Asking, source: FakeSource, clock: FakeClock, bell: Bell
) -> None:
    source.troubles["processes"] = AskAgain("processes was asked a moment ago", 7.0)
    asking.put(FOR_PROCESSES)
    bell.wait()
    assert asking.known["processes"].too_soon_until == clock.now + 7.0


def test_the_same_question_is_under_way_once(asking: Asking, source: FakeSource, bell: Bell) -> None:
    source.may_answer.clear()
    for _ in range(5):
        asking.put(FOR_PROCESSES)
    source.may_answer.set()
    bell.wait()
    assert source.asked == ["processes!"]


def test_a_slow_question_holds_up_no_other(asking: Asking, source: FakeSource, bell: Bell) -> None:
    source.may_answer.clear()
    asking.put(FOR_PROCESSES)
    asking.put(FOR_MEMORY)
    bell.wait()
    assert asking.known["memory"].answer is MEMORY
    assert asking.known["processes"].answer is None
    source.may_answer.set()
    bell.wait()


def test_after_the_end_nobody_is_told(asking: Asking, source: FakeSource, bell: Bell) -> None:
    source.may_answer.clear()
    asking.put(FOR_PROCESSES)
    asking.end()
    source.may_answer.set()
    for thread in named("ask for processes"):
        thread.join(PATIENCE_SECONDS)
    assert bell.is_silent()


def test_that_the_source_is_closed_at_the_end_is_no_bug(asking: Asking, bell: Bell) -> None:
    began, may_end = threading.Event(), threading.Event()

    def closed(_source: KeptSource) -> Answer:
        began.set()
        assert may_end.wait(PATIENCE_SECONDS)
        raise RuntimeError("Cannot send a request, as the client has been closed.")

    asking.put(Wish("closed", closed))
    assert began.wait(PATIENCE_SECONDS)
    asking.end()
    may_end.set()
    for thread in named("ask for closed"):
        thread.join(PATIENCE_SECONDS)
    assert bell.is_silent()


def named(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_what_was_looked_at_long_ago_is_forgotten(asking: Asking, clock: FakeClock, bell: Bell) -> None:
    for number in range(MAX_KNOWN + 10):
        clock.now += 1.0
        asking.put(Wish(f"process {number}", lambda source: source.memory()))
        bell.wait()
    assert len(asking.known) == MAX_KNOWN
    assert "process 0" not in asking.known
    assert f"process {MAX_KNOWN + 9}" in asking.known
