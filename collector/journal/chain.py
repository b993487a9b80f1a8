"""The chain of a journal's entries: what an entry is, its hash, and what is wrong with a chain. Pure.

An entry's hash is the SHA-256, in hexadecimal, of a JSON array in ASCII without blanks: its number, time, kind, action,
node, its body as it is written, and the hash of the entry before it (64 zeros for the first). So whoever changes, takes
out or moves an entry has to write every later one anew, and then the newest hash is another than the one in the log.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

FIRST_PREVIOUS: Final = "0" * 64

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


class Kind(StrEnum):
    """What an entry tells of an action."""

    INTENT = "intent"  # it is about to be tried; on disk before anything is sent
    REFUSED = "refused"
    OUTCOME = "outcome"
    WATCHED = "watched"  # whether it held
    RECONCILED = "reconciled"  # what can be known of one whose outcome was never written


class Row(NamedTuple):
    """An entry as it is written. Somebody may have written something else since."""

    seq: int
    at: str
    kind: str
    action_id: str
    node: str
    body: str
    previous: str
    hash: str


class Facts(NamedTuple):
    """What an entry tells, before it has its place in a chain."""

    at: datetime
    kind: Kind
    action_id: str
    node: str
    body: Mapping[str, Json]


class Head(NamedTuple):
    """The newest entry of a chain: its number and hash."""

    seq: int
    hash: str


NO_ENTRY: Final = Head(0, FIRST_PREVIOUS)


class DamagedEntry(Exception):
    """An entry is none that this program has written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. ``seq`` counts from 1, ``node`` may be empty where none is known."""

    seq: int
    at: datetime
    kind: Kind
    action_id: str
    node: str
    body: Mapping[str, Json]
    previous: str
    hash: str

    @classmethod
    def of(cls, row: Row) -> Entry:
        """Read a row. Raises `DamagedEntry`; whether the chain holds is another question, and `verify`'s."""
        try:
            _check_texts(row[1:])
            body = json.loads(row.body)
            if not isinstance(body, dict) or to_canonical(body) != row.body:
                raise ValueError("its body is not as it was written")
            at, kind = parse_time(row.at), Kind(row.kind)
        except (ValueError, RecursionError) as error:
            raise DamagedEntry(f"entry {row.seq} cannot be read: {error}") from None
        return cls(row.seq, at, kind, row.action_id, row.node, body, row.previous, row.hash)


def _check_texts(columns: Sequence[object]) -> None:
    for column in columns:
        if not isinstance(column, str):
            raise ValueError("a column is no text")  # noqa: TRY004  # it is found in a file
        column.encode()  # raises what a ValueError is for bytes that are no text


def format_time(moment: datetime) -> str:
    """Print a moment as entries have it: UTC, always with six digits behind the second, so that texts sort as times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Read what `format_time` prints. Raises `ValueError`."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def to_canonical(body: Mapping[str, Json]) -> str:
    """Write a body in the one way in which it is written. Raises `ValueError` for what is no JSON, as NaN."""
    # Twice, for what only becomes text by being written: numbers as keys, and bytes that are no text.
    return _write(json.loads(to_text(_write(body))))


def _write(body: Mapping[str, Json]) -> str:
    return json.dumps(body, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def to_text(text: str) -> str:
    """Replace what is no text: bytes of a command line that are no UTF-8."""
    return text.encode("utf-8", "replace").decode()


def digest(row: Row) -> str:
    """Return the hash that a row should have, whatever stands in it."""
    covered = json.dumps(row[:7], separators=(",", ":"), default=_no_json)
    return hashlib.sha256(covered.encode("ascii")).hexdigest()


def _no_json(value: object) -> object:
    return {"no text": value.hex() if isinstance(value, bytes) else repr(value)}


def follow(head: Head, facts: Facts) -> Row:
    """Put facts behind the newest entry. Raises `ValueError` for a body that is no JSON."""
    row = Row(
        seq=head.seq + 1,
        at=format_time(facts.at),
        kind=facts.kind.value,
        action_id=to_text(facts.action_id),
        node=to_text(facts.node),
        body=to_canonical(facts.body),
        previous=head.hash,
        hash="",
    )
    return row._replace(hash=digest(row))


class FaultKind(StrEnum):
    """In which way a chain does not hold."""

    ALTERED = "altered"
    MISSING = "missing"
    OUT_OF_ORDER = "out of order"
    REWRITTEN = "rewritten"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Fault:
    """The first entry that is wrong."""

    seq: int
    kind: FaultKind

    def __str__(self) -> str:
        return {
            FaultKind.ALTERED: f"entry {self.seq} was altered: its hash is not that of what it says",
            FaultKind.MISSING: f"entry {self.seq} is missing",
            FaultKind.OUT_OF_ORDER: f"entry {self.seq} is out of order: it was written in another place",
            FaultKind.REWRITTEN: f"entry {self.seq} does not follow the one before it: one of the two was rewritten",
            FaultKind.CUT: "no entry has the hash that was given: the newest entries were cut off, or entries were "
            "rewritten, or the hash is of another journal",
        }[self.kind]


@dataclass(frozen=True, slots=True)
class Verified:
    """How far a chain holds: over ``entries`` entries, of which the last has the hash ``head``; then the fault."""

    entries: int
    head: str | None
    fault: Fault | None = None


def verify(rows: Iterable[Row], head: str | None = None) -> Verified:
    """Follow a whole chain, given in the order of its numbers. It has to contain the hash ``head``, if one is given.

    Only such a hash from elsewhere, from the log, shows that entries were cut off at the end, or all written anew.
    """
    last, is_head_found = NO_ENTRY, head is None
    passed = iter(rows)
    for row in passed:
        if (fault := _fault_of(row, last)) is not None:
            if fault.kind is FaultKind.ALTERED and _is_moved(row, last.seq + 1 + sum(1 for _ in passed)):
                fault = Fault(row.seq, FaultKind.OUT_OF_ORDER)
            break
        last = Head(row.seq, row.hash)
        is_head_found = is_head_found or row.hash == head
    else:
        fault = None if is_head_found else Fault(last.seq + 1, FaultKind.CUT)
    return Verified(last.seq, last.hash if last.seq else None, fault)


def _fault_of(row: Row, last: Head) -> Fault | None:
    if row.hash != digest(row):
        return Fault(row.seq, FaultKind.ALTERED)
    if row.seq > last.seq + 1:
        return Fault(last.seq + 1, FaultKind.MISSING)
    if row.seq <= last.seq:
        return Fault(row.seq, FaultKind.OUT_OF_ORDER)
    return None if row.previous == last.hash else Fault(row.seq, FaultKind.REWRITTEN)


def _is_moved(row: Row, row_count: int) -> bool:
    """Tell whether a row says what it said, in the place of another: it would be right with another number."""
    return any(row.hash == digest(row._replace(seq=seq)) for seq in range(1, row_count + 1))
