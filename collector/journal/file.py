"""The journal's file: SQLite, to which entries are only added. Several processes may write to one file.

Everything here blocks. An entry is on disk when `JournalFile.append` returns, and so is every one before it: it is
added in a transaction that begins with the lock for writing, reads the newest entry there, and ends with an fsync.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from collector.journal.chain import (
    NO_ENTRY,
    DamagedEntry,
    Entry,
    Facts,
    Head,
    Json,
    Kind,
    Row,
    Verified,
    follow,
    format_time,
    verify,
)
from collector.journal.schema import (
    BUSY_SECONDS,
    SCHEMA,
    JournalError,
    check_is_file,
    check_is_journal,
    make_journal,
    make_private_file,
    telling,
    writing,
)

_ASK: Final = "'beamwarden audit verify' says what is wrong"
_LOG: Final = logging.getLogger(__name__)

_COLUMNS: Final = "SELECT seq, at, kind, action_id, node, body, previous, hash FROM entries "
_WHICH: Final = (
    "WHERE (:since IS NULL OR at >= :since) AND (:node IS NULL OR node = :node) "
    "AND (:action_id IS NULL OR action_id = :action_id) AND (:kinds = '' OR instr(:kinds, ' ' || kind || ' ')) "
)
_NEWEST_FIRST: Final = f"{_COLUMNS}{_WHICH}ORDER BY seq DESC LIMIT :limit"
_OLDEST_FIRST: Final = f"{_COLUMNS}{_WHICH}ORDER BY seq LIMIT :limit"
_BEHIND: Final = f"{_COLUMNS}WHERE seq > :seq AND (:node IS NULL OR node = :node) ORDER BY seq LIMIT :limit"
_ALL: Final = f"{_COLUMNS}ORDER BY seq"


class Reader:
    """Reads entries. Everything here raises `JournalError`."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path = path
        self._database = database

    def entries(
        self,
        *,
        since: datetime | None = None,
        node: str | None = None,
        action_id: str | None = None,
        kinds: Collection[Kind] = (),
        newest_first: bool = True,
        limit: int | None = None,
    ) -> list[Entry]:
        """Return the entries of which all this is true."""
        which = {
            "since": None if since is None else format_time(since),
            "node": node,
            "action_id": action_id,
            "kinds": "".join(f" {kind} " for kind in kinds),
            "limit": -1 if limit is None else limit,
        }
        return self._find(_NEWEST_FIRST if newest_first else _OLDEST_FIRST, which)

    def entries_behind(self, seq: int, *, node: str | None = None, limit: int) -> list[Entry]:
        """Return the entries that were written after the one of this number, the oldest first."""
        return self._find(_BEHIND, {"seq": seq, "node": node, "limit": limit})

    def head(self) -> Head:
        """Return the newest entry's number and hash; `NO_ENTRY` when there is none."""
        with telling(self._path):
            found = self._database.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
        if found is None:
            return NO_ENTRY
        if not isinstance(found[1], str):  # nothing can follow it
            raise JournalError(self._path, f"has in entry {found[0]} what is no hash", _ASK)
        return Head(*found)

    def verify(self, head: str | None = None) -> Verified:
        """Follow the whole chain: see `collector.journal.chain.verify`."""
        with telling(self._path):
            return verify(map(Row._make, self._database.execute(_ALL)), head)

    def _find(self, statement: str, which: Mapping[str, str | int | None]) -> list[Entry]:
        try:
            with telling(self._path):
                return [Entry.of(Row._make(row)) for row in self._database.execute(statement, which)]
        except DamagedEntry as damage:
            raise JournalError(self._path, f"is damaged: {damage}", _ASK) from None


class JournalFile:
    """A journal, for one thread at a time. It is opened when it is needed; everything raises `JournalError`.

    ``on_append`` is given every entry that has been written here. With ``is_read_only`` the file is left as it is, and
    has to be there.
    """

    def __init__(
        self, path: Path, on_append: Callable[[Entry], None] = lambda _entry: None, *, is_read_only: bool = False
    ) -> None:
        self.path = path.absolute()
        self._on_append = on_append
        self._is_read_only = is_read_only
        self._database: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_about: object) -> None:
        self.close()

    def open(self) -> None:
        """Open the file. One that is not there is made, for us alone to read."""
        if self._database is not None:
            return
        with telling(self.path):
            if not self._is_read_only:
                make_private_file(self.path)
            elif not self.path.exists():
                raise JournalError(
                    self.path, "is not there", "nothing was done from here so far, or --journal names another"
                )
            check_is_file(self.path)
            self._identity = _identity(self.path)
            database = _connect(self.path, is_read_only=self._is_read_only)
            try:
                if self._is_read_only:
                    check_is_journal(database, self.path)
                else:
                    make_journal(database, self.path)
                self._database = database
            finally:
                if self._database is None:
                    database.close()

    def close(self) -> None:
        """Close the file."""
        database, self._database = self._database, None
        if database is not None:
            with telling(self.path):
                database.close()

    @property
    def reader(self) -> Reader:
        """What reads the file as it is now."""
        return Reader(self.path, self._opened())

    def append(
        self,
        kind: Kind,
        *,
        action_id: str,
        node: str,
        body: Mapping[str, Json],
        guard: Callable[[Reader], None] | None = None,
    ) -> Entry:
        """Write an entry; it is on disk when this returns.

        ``guard`` sees every entry that any process has written, and none can come between what it sees and this one.
        What it raises prevents the entry. Raises `ValueError` for a body that is no JSON.
        """
        database = self._opened()
        reader = Reader(self.path, database)
        with writing(database, self.path):
            if guard is not None:
                guard(reader)
            row = follow(reader.head(), Facts(datetime.now(UTC), kind, action_id, node, body))
            entry = Entry.of(row)
            with telling(self.path):
                database.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._on_append(entry)
        return entry

    def check_writable(self) -> None:
        """Write to the disk what is there already, as an entry would be written."""
        database = self._opened()
        with writing(database, self.path), telling(self.path):
            database.execute(f"PRAGMA user_version = {SCHEMA}")

    def _opened(self) -> sqlite3.Connection:
        with telling(self.path):
            if self._database is not None and _identity(self.path) != self._identity:
                _LOG.warning("the journal %s was moved or removed while it was open; it is opened anew", self.path)
                self.close()
        self.open()
        assert self._database is not None
        return self._database


def _connect(path: Path, *, is_read_only: bool) -> sqlite3.Connection:
    """Connect to a file that is there."""
    mode = "rw" if not is_read_only else "ro&immutable=1" if _is_at_rest(path) else "ro"
    return _connect_to(f"{path.as_uri()}?mode={mode}")


def _is_at_rest(path: Path) -> bool:
    """Tell whether SQLite cannot read a file as it does one that others write to, and nobody does.

    So is a copy in a folder that we may not write: SQLite wants to make files of its own there, which writers have.
    """
    with contextlib.closing(_connect_to(f"{path.as_uri()}?mode=ro")) as database:
        try:
            database.execute("SELECT 1 FROM sqlite_schema")
        except sqlite3.OperationalError:
            log = path.with_name(f"{path.name}-wal")
            return not log.exists() or log.stat().st_size == 0
        return False


def _connect_to(address: str) -> sqlite3.Connection:
    database = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    # Whatever somebody has written there is to be read, and found out by its hash.
    database.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    return database


def _identity(path: Path) -> tuple[int, int] | None:
    """Tell one file from another of the same name; None when there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
