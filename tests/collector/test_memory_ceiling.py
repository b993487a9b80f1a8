from __future__ import annotations

import resource
from pathlib import Path

import pytest

from collector import memory_ceiling
from collector.memory_ceiling import SHED_AGAIN_SECONDS, MemoryCeiling, give_back, resident_bytes


class Memory:
    """So much is resident, and so much of it can be shed."""

    def __init__(self, used_bytes: int, shed_bytes: int = 0) -> None:
        self.used_bytes = used_bytes
        self.shed_bytes = shed_bytes
        self.now = 0.0
        self.ceiling = MemoryCeiling(1000, self.shed, lambda: self.used_bytes, lambda: self.now)

    def shed(self) -> None:
        self.used_bytes -= self.shed_bytes


def test_what_is_resident_is_told_by_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_ceiling, "_STATM", Path("/proc/self/statm"))
    used_bytes = resident_bytes()
    assert used_bytes is not None
    assert 1 << 20 < used_bytes <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + (1 << 22)


def test_free_memory_can_be_given_back() -> None:
    give_back()


def test_below_the_first_mark_nothing_is_shed() -> None:
    memory = Memory(799)
    assert not memory.ceiling.is_reached()
    assert memory.ceiling.sheds == 0


def test_from_the_first_mark_on_what_can_be_shed_is_and_no_more_often_than_it_pays() -> None:
    memory = Memory(900)
    assert not memory.ceiling.is_reached()
    assert not memory.ceiling.is_reached()
    assert memory.ceiling.sheds == 1
    memory.now += SHED_AGAIN_SECONDS
    memory.ceiling.is_reached()
    assert memory.ceiling.sheds == 2


def test_it_is_not_reached_when_shedding_is_enough() -> None:
    assert not Memory(1200, shed_bytes=500).ceiling.is_reached()


def test_it_is_reached_when_shedding_is_not_enough_and_until_there_is_room() -> None:
    memory = Memory(1200, shed_bytes=100)
    assert memory.ceiling.is_reached()
    memory.used_bytes = 999
    assert not memory.ceiling.is_reached()


def test_the_log_has_one_line_for_its_begin_and_one_for_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    memory = Memory(1200)
    for used_bytes in (1200, 999, 1001, 1200, 700, 600):
        memory.used_bytes = used_bytes
        memory.ceiling.is_reached()
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == [
        "this program has reached its memory ceiling",
        "this program is well below its memory ceiling again",
    ]


def test_where_the_system_does_not_tell_nothing_is_refused() -> None:
    assert not MemoryCeiling(1, lambda: None, lambda: None).is_reached()
