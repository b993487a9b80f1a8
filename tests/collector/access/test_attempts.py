from __future__ import annotations

import pytest

from collector.access import attempts
from collector.access.attempts import MAX_ASKERS, MAX_REFUSALS, WINDOW_SECONDS, Attempts
from tests.collector_fakes import FakeClock

ASKER = "192.0.2.7"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(attempts, "time", clock)
    return clock


def refuse_often(counted: Attempts, asker: str = ASKER) -> None:
    for _ in range(MAX_REFUSALS):
        assert counted.refuse(asker) is None


def test_ten_refusals_in_a_minute_are_looked_at(clock: FakeClock) -> None:
    counted = Attempts()
    refuse_often(counted)
    clock.now += 20.0
    assert counted.refuse(ASKER) == pytest.approx(WINDOW_SECONDS - 20.0)


def test_after_that_minute_they_are_looked_at_again(clock: FakeClock) -> None:
    counted = Attempts()
    refuse_often(counted)
    clock.now += WINDOW_SECONDS
    refuse_often(counted)
    assert counted.refuse(ASKER) == pytest.approx(WINDOW_SECONDS)


@pytest.mark.usefixtures("clock")
def test_each_asker_is_counted_alone() -> None:
    counted = Attempts()
    refuse_often(counted)
    refuse_often(counted, "192.0.2.8")


@pytest.mark.usefixtures("clock")
def test_of_more_askers_than_are_remembered_the_oldest_is_forgotten() -> None:
    counted = Attempts()
    refuse_often(counted, "first")
    refuse_often(counted, "second")
    for number in range(MAX_ASKERS - 1):
        counted.refuse(str(number))
    assert counted.refuse("second") is not None
    assert counted.refuse("first") is None
    assert len(counted._refused) == MAX_ASKERS


def test_whose_minute_begins_anew_is_no_longer_the_oldest(clock: FakeClock) -> None:
    counted = Attempts()
    refuse_often(counted, "first")
    counted.refuse("second")
    clock.now += WINDOW_SECONDS
    refuse_often(counted, "first")
    for number in range(MAX_ASKERS - 1):
        counted.refuse(str(number))
    assert counted.refuse("first") is not None
