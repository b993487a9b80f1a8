from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from collector.journal import journal as journal_module
from collector.journal.chain import Entry, Kind
from collector.journal.file import JournalFile, Reader
from collector.journal.journal import Journal
from collector.journal.schema import JournalError
from tests.collector_fakes import PATIENCE_SECONDS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def folder_in_its_place(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.fixture
def diary_in_its_place(tmp_path: Path, path: Path) -> Path:
    """Put something else where the journal should be, and an empty journal beside it."""
    path.write_bytes(b"a diary, and no database\n" * 100)
    with JournalFile(tmp_path / "good.db"):
        return path


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[Journal]:
    async with Journal(path) as journal:
        yield journal


async def write(journal: Journal, action_id: str, guard: Callable[[Reader], None] | None = None) -> Entry:
    return await journal.append(Kind.INTENT, action_id=action_id, node="a@b", body={"who": "anna"}, guard=guard)


def written_to(path: Path) -> list[str]:
    with JournalFile(path, is_read_only=True) as journal:
        return [entry.action_id for entry in journal.reader.entries(newest_first=False)]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.001)  # the thread that is waited for has no event of a loop


class Gate:
    """A guard that waits until it is opened."""

    def __init__(self) -> None:
        self.was_reached = threading.Event()
        self.is_open = threading.Event()

    def __call__(self, _reader: Reader) -> None:
        self.was_reached.set()
        assert self.is_open.wait(PATIENCE_SECONDS)


async def test_entries_are_written_and_read(journal: Journal) -> None:
    first, second = await write(journal, "r-1"), await write(journal, "r-2")
    assert await journal.read(lambda reader: reader.entries()) == [second, first]
    assert (await journal.verify(first.hash)).entries == 2


async def test_many_at_once_make_one_chain(journal: Journal) -> None:
    await asyncio.gather(*(write(journal, f"r-{number}") for number in range(50)))
    verified = await journal.verify()
    assert (verified.entries, verified.fault) == (50, None)


async def test_each_entry_is_told_of(path: Path) -> None:
    told: list[Entry] = []
    async with Journal(path, told.append) as journal:
        assert [await write(journal, "r-1")] == told


async def test_an_entry_is_logged_if_nothing_else_is_said(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    entry = await write(journal, "r-1")
    assert [(record.levelname, vars(record)["journal_head"]) for record in caplog.records] == [("NOTICE", entry.hash)]


async def test_what_a_guard_raises_reaches_whoever_appends_and_is_no_trouble(journal: Journal) -> None:
    def refuse(_reader: Reader) -> None:
        raise LookupError("too soon")

    with pytest.raises(LookupError, match="too soon"):
        await write(journal, "r-1", refuse)
    assert journal.trouble is None


# --------------------------------------------------------------------------------------------------- beside the loop


async def test_the_loop_goes_on_while_an_entry_is_written(path: Path, journal: Journal) -> None:
    gate = Gate()
    writing = asyncio.create_task(write(journal, "r-1", gate))
    await until(gate.was_reached.is_set)  # the loop turns, and nothing is written yet
    assert not writing.done()
    gate.is_open.set()
    await writing
    assert written_to(path) == ["r-1"]


async def test_who_stops_waiting_loses_no_entry(path: Path, journal: Journal) -> None:
    gate = Gate()
    under_way = asyncio.create_task(write(journal, "r-1", gate))
    await until(gate.was_reached.is_set)
    behind = asyncio.create_task(write(journal, "r-2"))
    await asyncio.sleep(0)
    for waiting in (under_way, behind):
        waiting.cancel()
    await asyncio.wait({under_way, behind})
    assert under_way.cancelled()
    assert behind.cancelled()
    gate.is_open.set()
    assert (await journal.verify()).entries == 2
    assert written_to(path) == ["r-1", "r-2"]


async def test_what_is_under_way_is_written_before_it_closes(path: Path) -> None:
    gate = Gate()
    async with Journal(path) as journal:
        writing = asyncio.create_task(write(journal, "r-1", gate))
        await until(gate.was_reached.is_set)
        closing = asyncio.create_task(journal.close())
        await asyncio.sleep(0)
        gate.is_open.set()
        await closing
        assert (await writing).seq == 1
    assert written_to(path) == ["r-1"]


async def test_after_its_end_nothing_is_written(path: Path) -> None:
    async with Journal(path) as journal:
        pass
    with pytest.raises(JournalError, match="is closed"):
        await write(journal, "r-1")
    assert written_to(path) == []


async def test_a_disk_that_hangs_is_waited_for_so_long(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    hanging = asyncio.create_task(write(journal, "r-1", gate))
    await until(gate.was_reached.is_set)
    monkeypatch.setattr(journal_module, "DISK_SECONDS", 0.01)
    with pytest.raises(JournalError, match=r"has not answered for 0\.01 s; see to its disk"):
        await write(journal, "r-2")
    gate.is_open.set()
    await hanging
    await journal.close()
    assert written_to(path) == ["r-1"]  # nobody acts upon the other, so it is not written later


# ------------------------------------------------------------------------------------------------------------ trouble


async def test_one_that_can_be_written_has_no_trouble(journal: Journal) -> None:
    assert journal.trouble is None


async def test_one_that_was_not_opened_may_not_be_relied_upon(path: Path) -> None:
    assert Journal(path).trouble == "the journal has not been opened yet"


async def test_one_without_a_place_says_what_to_do() -> None:
    async with Journal(None) as journal:
        assert journal.trouble == (
            "the journal cannot be kept; there is no place for it without HOME; name a file with --journal"
        )
        with pytest.raises(JournalError, match="name a file with --journal"):
            await write(journal, "r-1")


async def test_trouble_is_told_and_ends_when_it_is_mended(folder_in_its_place: Path) -> None:
    path = folder_in_its_place
    async with Journal(path) as journal:
        assert journal.trouble == f"the journal {path} is a folder; name a file with --journal"
        with pytest.raises(JournalError, match="is a folder"):
            await write(journal, "r-1")
        await asyncio.to_thread(path.rmdir)
        assert await journal.check() is None
        assert (await write(journal, "r-2")).seq == 1


async def test_an_append_that_fails_is_trouble_until_one_succeeds(path: Path, journal: Journal) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("ALTER TABLE entries RENAME TO hidden")
    with pytest.raises(JournalError):
        await write(journal, "r-2")
    assert journal.trouble is not None
    other.execute("ALTER TABLE hidden RENAME TO entries")
    other.close()
    await write(journal, "r-2")
    assert journal.trouble is None


async def test_one_that_can_only_be_read_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with JournalFile(path) as file:
        entry = file.append(Kind.INTENT, action_id="r-1", node="a@b", body={})

    def fail(*_about: object) -> None:
        raise JournalError(path, "cannot be written", "mend it")

    monkeypatch.setattr("collector.journal.file.make_journal", fail)
    async with Journal(path) as journal:
        assert journal.trouble == f"the journal {path} cannot be written; mend it"
        assert await journal.read(lambda reader: reader.entries()) == [entry]


async def test_the_log_says_once_that_there_is_trouble_and_once_that_it_has_ended(
    tmp_path: Path, diary_in_its_place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = diary_in_its_place
    async with Journal(path) as journal:
        checking = asyncio.create_task(journal.keep_checking(pause_seconds=0.001))
        await until(lambda: bool(caplog.records))
        for _ in range(3):
            await journal.check()
        await asyncio.to_thread(os.replace, tmp_path / "good.db", path)
        await until(lambda: len(caplog.records) == 2)
        checking.cancel()
    trouble, ended = caplog.records
    assert trouble.levelname == "WARNING"
    assert trouble.getMessage().startswith(
        f"no action will run until the journal can be written: the journal {path} is no SQLite database"
    )
    assert (ended.levelname, ended.getMessage()) == ("INFO", "the journal can be written again, so actions may run")
