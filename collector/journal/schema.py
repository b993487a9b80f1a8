"""What a journal's file has to be: its table, whose it is, and what is said when it is something else."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SCHEMA: Final = 1
BUSY_SECONDS: Final = 5.0  # for another process to end its transaction, which takes milliseconds
BUSY_PAUSE_SECONDS: Final = 0.002
OF_BEAMWARDEN: Final = 0x4265_616D  # "Beam": application_id, by which a file is known to be a journal

_ELSEWHERE: Final = "or name another file with --journal"
_DAMAGED: Final = ("is damaged", f"keep a copy for whoever looks into it and move it away, {_ELSEWHERE}")
# By the beginning of SQLite's name of an error: what is the matter, and what to do.
_TROUBLES: Final = (
    ("SQLITE_FULL", "cannot be written: the disk is full", f"make room there, {_ELSEWHERE}"),
    ("SQLITE_READONLY", "cannot be written: it is read-only", f"let this user write it and its folder, {_ELSEWHERE}"),
    ("SQLITE_CANTOPEN", "cannot be opened", f"let this user write it and its folder, {_ELSEWHERE}"),
    ("SQLITE_NOTADB", "is no SQLite database", f"move it away, {_ELSEWHERE}"),
    ("SQLITE_CORRUPT", *_DAMAGED),
    ("SQLITE_BUSY", "is held by another program", "end that one: 'fuser' says which"),
    ("SQLITE_IOERR", "cannot be read or written: its disk fails", f"see to the disk and its limits, {_ELSEWHERE}"),
)

_TABLE: Final = (
    """
    CREATE TABLE entries (
        seq INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        kind TEXT NOT NULL,
        action_id TEXT NOT NULL,
        node TEXT NOT NULL,
        body TEXT NOT NULL,
        previous TEXT NOT NULL,
        hash TEXT NOT NULL
    )
    """,
    # Against slips. Who wants to change an entry can take these away, and is found out by the chain.
    "CREATE TRIGGER entries_stay BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries are only added'); END",
    "CREATE TRIGGER entries_hold BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries are only added'); END",
    f"PRAGMA application_id = {OF_BEAMWARDEN}",
    f"PRAGMA user_version = {SCHEMA}",
)


NO_PLACE: Final = "there is no place for it without HOME; name a file"


class JournalError(Exception):
    """A journal cannot be read or written; the message says which, why, and what to do."""

    def __init__(self, path: Path | None, why: str, what_to_do: str) -> None:
        self.path = path
        super().__init__(f"the journal {path} {why}; {what_to_do}" if path else f"the journal {why}; {what_to_do}")


@contextlib.contextmanager
def telling(path: Path) -> Iterator[None]:
    """Say of a journal in a person's words what SQLite and the system say. Raises `JournalError`."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")  # Python's own errors have none
        for beginning, why, what_to_do in _TROUBLES:
            if name.startswith(beginning):
                raise JournalError(path, f"{why} ({name})", what_to_do) from None
        raise JournalError(path, f"cannot be used: {error}", f"move it away, {_ELSEWHERE}") from None
    except UnicodeDecodeError:  # Python's, of what SQLite quotes from a damaged file
        raise JournalError(path, *_DAMAGED) from None
    except OSError as error:
        raise JournalError(
            path, f"cannot be used: {error.strerror}", f"let this user write it and its folder, {_ELSEWHERE}"
        ) from None


def check_is_file(path: Path) -> None:
    """Raise `JournalError` for a folder, of which SQLite says other things in other places."""
    if path.is_dir():
        raise JournalError(path, "is a folder", "name a file with --journal")


def make_private_file(path: Path) -> None:
    """Make the file and its folder, where they are not there, for this user alone. SQLite's own files are so too."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def make_journal(database: sqlite3.Connection, path: Path) -> None:
    """Make an empty database a journal, and have entries synced to the disk. A foreign one is left as it is."""
    is_new = _is_empty(database)
    if not is_new:
        check_is_journal(database, path)
    patiently(database, "PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    if not is_new:
        return
    with writing(database, path):
        if _is_empty(database):  # still: another process may have made it meanwhile
            for statement in _TABLE:
                database.execute(statement)
    check_is_journal(database, path)


def check_is_journal(database: sqlite3.Connection, path: Path) -> None:
    """Raise `JournalError` when a file is no journal that this program understands."""
    if _is_empty(database):
        raise JournalError(
            path, "is empty: nothing was ever written to it", f"see whether it is the right file, {_ELSEWHERE}"
        )
    [schema] = database.execute("PRAGMA user_version").fetchone()
    if database.execute("PRAGMA application_id").fetchone() != (OF_BEAMWARDEN,):
        raise JournalError(path, "is a database of another program", _ELSEWHERE.removeprefix("or "))
    if schema > SCHEMA:
        raise JournalError(
            path,
            f"was written by a newer beamwarden (schema {schema}; this one knows {SCHEMA})",
            f"run that one, {_ELSEWHERE}",
        )


@contextlib.contextmanager
def writing(database: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Hold the lock for writing meanwhile. What is raised inside undoes all of it. Raises `JournalError`."""
    try:
        with telling(path):
            patiently(database, "BEGIN IMMEDIATE")
        yield
        with telling(path):
            database.execute("COMMIT")
    finally:
        if database.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # what went wrong is told already
                database.execute("ROLLBACK")


def patiently(database: sqlite3.Connection, statement: str) -> None:
    """Run what needs a lock that another process may hold."""
    # SQLite's own waiting looks ever more seldom, and misses the moment between two writers that follow closely.
    database.execute("PRAGMA busy_timeout = 0")
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            database.execute(statement)
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
        else:
            database.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
            return
        time.sleep(BUSY_PAUSE_SECONDS)


def _is_empty(database: sqlite3.Connection) -> bool:
    return not database.execute("SELECT 1 FROM sqlite_schema").fetchall()
