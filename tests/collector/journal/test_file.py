from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.journal import schema as journal_schema
from collector.journal.chain import FIRST_PREVIOUS, NO_ENTRY, Entry, FaultKind, Head, Json, Kind
from collector.journal.file import JournalFile, Reader
from collector.journal.schema import JournalError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "beamwarden" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[JournalFile]:
    with JournalFile(path) as journal:
        yield journal


def write(journal: JournalFile, *action_ids: str, kind: Kind = Kind.INTENT, node: str = "a@b") -> list[Entry]:
    return [journal.append(kind, action_id=each, node=node, body={"who": "anna"}) for each in action_ids]


def edit(path: Path, *statements: str) -> None:
    """Change a journal as somebody does who knows SQLite."""
    database = sqlite3.connect(path, isolation_level=None)
    for statement in ("DROP TRIGGER entries_stay", "DROP TRIGGER entries_hold", *statements):
        database.execute(statement)
    database.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ------------------------------------------------------------------------------------------------------------- writing


def test_entries_are_chained(journal: JournalFile) -> None:
    first, second = write(journal, "r-1", "r-2")
    assert (first.seq, first.previous) == (1, FIRST_PREVIOUS)
    assert (second.seq, second.previous) == (2, first.hash)
    assert journal.reader.head() == Head(2, second.hash)
    assert journal.reader.verify(first.hash).fault is None


def test_an_entry_is_what_the_file_has_when_it_is_opened_again(path: Path) -> None:
    body: dict[str, Json] = {"who": "größer 漢", "plan": {"pids": ["<0.1.0>"], "bytes": 1.5, "held": None}}
    with JournalFile(path) as journal:
        written = journal.append(Kind.OUTCOME, action_id="r-1", node="a@b", body=body)
    assert written.body == body
    with JournalFile(path) as journal:
        assert journal.reader.entries() == [written]


def test_each_entry_is_told_after_it_was_written(path: Path) -> None:
    told: list[Entry] = []
    with JournalFile(path, told.append) as journal:
        assert write(journal, "r-1", "r-2") == told


def test_the_file_and_its_folder_are_for_this_user_alone(path: Path, journal: JournalFile) -> None:
    write(journal, "r-1")
    assert mode(path.parent) == 0o700
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["journal.db", "journal.db-shm", "journal.db-wal"]
    assert {mode(file) for file in files} == {0o600}


def test_every_entry_is_synced_to_the_disk(journal: JournalFile) -> None:
    database = journal.reader._database
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


@pytest.mark.parametrize("slip", ["DELETE FROM entries", "UPDATE entries SET node = 'c@d'"])
def test_a_slip_changes_nothing(path: Path, journal: JournalFile, slip: str) -> None:
    write(journal, "r-1")
    with sqlite3.connect(path) as other, pytest.raises(sqlite3.IntegrityError, match="entries are only added"):
        other.execute(slip)
    other.close()


def test_a_check_writes_and_leaves_no_entry(path: Path, journal: JournalFile) -> None:
    log = path.with_name("journal.db-wal")
    before = log.stat().st_size
    journal.check_writable()
    assert log.stat().st_size > before
    assert journal.reader.head() == NO_ENTRY


# ------------------------------------------------------------------------------------------------------------- reading


def test_entries_are_found_by_what_they_are_about(journal: JournalFile) -> None:
    one, two = write(journal, "r-1", "r-2")
    [three] = write(journal, "r-1", kind=Kind.OUTCOME)
    [four] = write(journal, "r-3", kind=Kind.REFUSED, node="c@d")
    find = journal.reader.entries
    assert find() == [four, three, two, one]
    assert find(newest_first=False) == [one, two, three, four]
    assert find(limit=2) == [four, three]
    assert find(node="c@d") == [four]
    assert find(action_id="r-1") == [three, one]
    assert find(kinds=[Kind.OUTCOME, Kind.REFUSED]) == [four, three]
    assert find(kinds=[Kind.INTENT], newest_first=False, limit=1) == [one]
    assert find(since=two.at) == [four, three, two]
    assert find(since=four.at + timedelta(microseconds=1)) == []


def test_entries_behind_a_number_come_oldest_first(journal: JournalFile) -> None:
    written = write(journal, *"abcde")
    assert journal.reader.entries_behind(1, limit=3) == written[1:4]
    assert journal.reader.entries_behind(5, limit=3) == []


def test_a_journal_that_is_only_read_stays_as_it_is(path: Path) -> None:
    with JournalFile(path) as journal:
        write(journal, "r-1")
        with JournalFile(path, is_read_only=True) as reading:
            assert reading.reader.entries() == journal.reader.entries()
            with pytest.raises(JournalError, match=r"cannot be written: it is read-only \(SQLITE_READONLY\)"):
                write(reading, "r-2")
    assert not path.with_name("journal.db-wal").exists()


def test_reading_makes_no_file(path: Path) -> None:
    with pytest.raises(JournalError, match="is not there"):
        JournalFile(path, is_read_only=True).open()
    assert not path.parent.exists()


# -------------------------------------------------------------------------------------------------------------- guards


class TooSoon(Exception):
    pass


def refuse_a_second(reader: Reader) -> None:
    if reader.entries(kinds=[Kind.INTENT], limit=1):
        raise TooSoon


def test_what_a_guard_raises_prevents_the_entry(journal: JournalFile) -> None:
    [first] = write(journal, "r-1")
    with pytest.raises(TooSoon):
        journal.append(Kind.INTENT, action_id="r-2", node="a@b", body={}, guard=refuse_a_second)
    assert journal.reader.entries() == [first]
    assert write(journal, "r-3")[0].seq == 2  # and the journal goes on


def test_a_guard_that_has_nothing_to_say_lets_the_entry_pass(journal: JournalFile) -> None:
    journal.append(Kind.INTENT, action_id="r-1", node="a@b", body={}, guard=refuse_a_second)
    assert len(journal.reader.entries()) == 1


def test_a_guard_sees_what_another_has_written(path: Path, journal: JournalFile) -> None:
    with JournalFile(path) as other:
        write(other, "r-1")
    with pytest.raises(TooSoon):
        journal.append(Kind.INTENT, action_id="r-2", node="a@b", body={}, guard=refuse_a_second)


def test_nobody_writes_between_a_guard_and_its_entry(
    path: Path, journal: JournalFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_schema, "BUSY_SECONDS", 0.05)
    refusals: list[JournalError] = []

    def write_meanwhile(_reader: Reader) -> None:
        with JournalFile(path) as other, pytest.raises(JournalError) as caught:
            write(other, "r-2")
        refusals.append(caught.value)

    journal.append(Kind.INTENT, action_id="r-1", node="a@b", body={}, guard=write_meanwhile)
    assert [entry.action_id for entry in journal.reader.entries()] == ["r-1"]
    assert "is held by another program" in str(refusals[0])


# ---------------------------------------------------------------------------------------------- who changes the file


@pytest.mark.parametrize(
    ("edited", "fault"),
    [
        ("UPDATE entries SET node = 'c@d' WHERE seq = 2", "entry 2 was altered: its hash is not that of what it says"),
        (
            "UPDATE entries SET at = at || ' ' WHERE seq = 1",
            "entry 1 was altered: its hash is not that of what it says",
        ),
        ("UPDATE entries SET node = x'ff' WHERE seq = 2", "entry 2 was altered: its hash is not that of what it says"),
        (
            "UPDATE entries SET node = CAST(x'ff' AS TEXT) WHERE seq = 2",
            "entry 2 was altered: its hash is not that of what it says",
        ),
        ("UPDATE entries SET seq = 9 WHERE seq = 3", "entry 3 is out of order"),
        ("DELETE FROM entries WHERE seq = 1", "entry 1 is missing"),
        ("DELETE FROM entries WHERE seq = 2", "entry 2 is missing"),
    ],
)
def test_a_change_in_the_file_is_found(path: Path, edited: str, fault: str) -> None:
    with JournalFile(path) as journal:
        write(journal, "r-1", "r-2", "r-3")
    edit(path, edited)
    with JournalFile(path, is_read_only=True) as journal:
        found = journal.reader.verify().fault
    if "seq = 9" in edited:
        assert found is not None
        assert (found.seq, found.kind) == (9, FaultKind.OUT_OF_ORDER)
    else:
        assert str(found) == fault


def test_a_tail_that_was_cut_off_is_found_by_the_head(path: Path) -> None:
    with JournalFile(path) as journal:
        head = write(journal, "r-1", "r-2")[1].hash
    edit(path, "DELETE FROM entries WHERE seq = 2")
    with JournalFile(path) as journal:
        assert journal.reader.verify().fault is None
        write(journal, "r-3")  # it takes the number of the one that is gone
        fault = journal.reader.verify(head).fault
    assert fault is not None
    assert fault.kind == FaultKind.CUT


def test_an_entry_that_cannot_be_read_is_told_with_what_to_do(path: Path) -> None:
    with JournalFile(path) as journal:
        write(journal, "r-1")
    edit(path, "UPDATE entries SET body = '{'")
    with (
        JournalFile(path) as journal,
        pytest.raises(JournalError, match=r"is damaged: entry 1 cannot be read: .*audit verify"),
    ):
        journal.reader.entries()


def test_nothing_is_written_behind_an_entry_that_nothing_can_follow(path: Path) -> None:
    with JournalFile(path) as journal:
        write(journal, "r-1")
    edit(path, "UPDATE entries SET hash = x'00'")
    with JournalFile(path) as journal, pytest.raises(JournalError, match="has in entry 1 what is no hash"):
        write(journal, "r-2")


def test_a_file_that_is_taken_away_while_it_is_open_is_not_written_to_any_more(
    path: Path, journal: JournalFile, caplog: pytest.LogCaptureFixture
) -> None:
    write(journal, "r-1")
    path.rename(path.with_name("elsewhere.db"))
    [entry] = write(journal, "r-2")
    assert entry.seq == 1
    with JournalFile(path) as other:
        assert other.reader.entries() == [entry]
    assert "was moved or removed while it was open" in caplog.text


# -------------------------------------------------------------------------------------------------- what is no journal


def no_database(path: Path) -> None:
    path.write_bytes(b"a diary, and no database\n" * 100)


def a_folder(path: Path) -> None:
    path.mkdir()


def of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE cookies (host TEXT)")
    database.close()


def of_a_newer_one(path: Path) -> None:
    with JournalFile(path) as journal:
        write(journal, "r-1")
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 2")
    database.close()


@pytest.mark.parametrize("is_read_only", [False, True])
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (no_database, "is no SQLite database (SQLITE_NOTADB); move it away, or name another file with --journal"),
        (a_folder, "is a folder; name a file with --journal"),
        (of_another_program, "is a database of another program; name another file with --journal"),
        (of_a_newer_one, "was written by a newer beamwarden (schema 2; this one knows 1); run that one, or name"),
    ],
)
def test_what_is_no_journal_of_ours_is_told_and_left_alone(
    path: Path, make: Callable[[Path], None], told: str, *, is_read_only: bool
) -> None:
    path.parent.mkdir()
    make(path)
    before = None if path.is_dir() else path.read_bytes()
    with pytest.raises(JournalError) as caught:
        JournalFile(path, is_read_only=is_read_only).open()
    assert str(caught.value).startswith(f"the journal {path} ")
    assert told in str(caught.value)
    assert (None if path.is_dir() else path.read_bytes()) == before


def test_an_empty_file_becomes_a_journal_and_is_none_before(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with pytest.raises(JournalError, match="is empty: nothing was ever written to it"):
        JournalFile(path, is_read_only=True).open()
    with JournalFile(path) as journal:
        assert write(journal, "r-1")


@pytest.mark.parametrize("path", ["/proc/no/such/place/journal.db", "/dev/null/journal.db"])
def test_a_place_where_nothing_can_be_made_is_told(path: str) -> None:
    with pytest.raises(JournalError) as caught:
        JournalFile(Path(path)).open()
    assert str(caught.value).startswith(f"the journal {path} cannot be used: ")
    assert str(caught.value).endswith("let this user write it and its folder, or name another file with --journal")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(path: Path) -> None:
    path.parent.mkdir(mode=0o500)
    with pytest.raises(JournalError, match="let this user write it and its folder"):
        JournalFile(path).open()


def test_a_disk_that_has_no_page_left_is_told_as_full(path: Path, journal: JournalFile) -> None:
    [first] = write(journal, "r-1")
    journal.reader._database.execute("PRAGMA max_page_count = 1")
    with pytest.raises(JournalError, match=r"cannot be written: the disk is full \(SQLITE_FULL\); make room there"):
        journal.append(Kind.INTENT, action_id="r-2", node="a@b", body={"plan": "x" * 100_000})
    assert journal.reader.entries() == [first]
    journal.reader._database.execute("PRAGMA max_page_count = 1000000")
    assert write(journal, "r-3")[0].seq == 2


# ---------------------------------------------------------------------------------------------------- a damaged disk


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "journal.db"
    with JournalFile(path) as journal:
        for number in range(40):
            journal.append(Kind.INTENT, action_id=f"r-{number}", node="a@b", body={"reason": "x" * 300})
    return path


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_flipped_byte_of_the_file_passes_for_another_entry(tmp_path: Path, whole: Path, data: st.DataObject) -> None:
    content = bytearray(whole.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] ^= data.draw(st.integers(1, 255))
    damaged = tmp_path / f"{random.getrandbits(64)}.db"
    damaged.write_bytes(content)
    with JournalFile(whole, is_read_only=True) as journal:
        written = journal.reader.entries()
    try:
        with JournalFile(damaged, is_read_only=True) as journal:
            verified = journal.reader.verify(written[0].hash)
            found = journal.reader.entries(newest_first=True) if verified.fault is None else written
    except JournalError:
        return
    assert found == written


def verify_file(path: Path) -> None:
    with JournalFile(path) as journal:
        write(journal, "r-1")
        journal.reader.verify()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_that_was_cut_short_is_damaged(tmp_path: Path, whole: Path, share: float) -> None:
    damaged = tmp_path / "journal.db"
    shutil.copy(whole, damaged)
    os.truncate(damaged, int(whole.stat().st_size * share) // 4096 * 4096 or 100)
    with pytest.raises(JournalError):
        verify_file(damaged)
