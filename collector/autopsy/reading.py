"""Reads logs: our own lines, or what ``gcloud logging read --format=json`` prints. Nothing in them is trusted.

A line may be cut, of somebody else, or made to harm whoever reads it: it is read as data, and what is not understood is
counted. Plain lines are read one by one, so a file may be of any length; a JSON array has to be read as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Final

MAX_LINE_CHARACTERS: Final = 1_000_000  # one of the black box has 32 kB
MAX_ARRAY_CHARACTERS: Final = 256 * 1024 * 1024
MAX_NAME_CHARACTERS: Final = 200

# A line of ours as it is written to a terminal: without a date, and without most of what we need.
_OF_A_TERMINAL: Final = re.compile(
    r"\d\d:\d\d:\d\d (?:\w+: )?(?:vital signs|black box|serving on|connected as|ended)\b"
)


class NoLog(Exception):
    """What was given cannot be read as a log; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Where:
    """Whose line it is. None: it does not say."""

    instance: str | None = None
    revision: str | None = None
    service: str | None = None
    region: str | None = None
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a log. ``facts`` are those of a line of ours, empty for what others have written."""

    at: datetime | None
    text: str
    facts: Mapping[str, object] = field(default_factory=dict)
    where: Where = Where()
    is_ours: bool = False


@dataclass(slots=True)
class Counts:
    """What was read so far. ``of_a_terminal`` are lines of ours in a form that cannot be read back."""

    lines: int = 0
    skipped: int = 0
    of_a_terminal: int = 0


def read(stream: IO[str], counts: Counts) -> Iterator[Entry]:
    """Read all entries, in the order in which they stand. Raises `NoLog`."""
    first = ""
    for first in stream:
        if first.strip():
            break
    if first.lstrip().startswith("["):
        yield from _array(first, stream, counts)
        return
    yield from _lines([first], counts)
    yield from _lines(stream, counts)


def _array(first: str, stream: IO[str], counts: Counts) -> Iterator[Entry]:
    text = first + stream.read(MAX_ARRAY_CHARACTERS)
    if len(text) > MAX_ARRAY_CHARACTERS:
        raise NoLog(
            f"the array has more than {MAX_ARRAY_CHARACTERS >> 20} MiB: "
            "read less of the log, with --limit or --freshness"
        )
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoLog(f"it begins as a JSON array and is none: {error}; was it cut?") from None
    for content in entries if isinstance(entries, list) else ():
        counts.lines += 1
        entry = _entry(content) if isinstance(content, dict) else None
        if entry is None:
            counts.skipped += 1
        else:
            yield entry


def _lines(lines: Iterable[str], counts: Counts) -> Iterator[Entry]:
    for line in lines:
        if not line.strip():
            continue
        counts.lines += 1
        entry = _of_line(line) if len(line) <= MAX_LINE_CHARACTERS else None
        if entry is None:
            counts.skipped += 1
            continue
        counts.of_a_terminal += not entry.is_ours and _OF_A_TERMINAL.match(entry.text) is not None
        yield entry


def _of_line(line: str) -> Entry | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return Entry(None, _one_line(line))
    return _entry(content) if isinstance(content, dict) else None


def _entry(content: Mapping[str, object]) -> Entry | None:
    """Take a line of ours, or a LogEntry: https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry."""
    payload, text = content.get("jsonPayload"), content.get("textPayload")
    if isinstance(payload, dict):
        return _of_payload(payload, _moment(content.get("timestamp")), _where(content))
    if isinstance(text, str):
        return Entry(_moment(content.get("timestamp")), _one_line(text), where=_where(content))
    if "timestamp" in content and "resource" in content:
        return None  # an entry without a text, of a request, say
    return _of_payload(content, _moment(content.get("time")), Where())


def _of_payload(payload: Mapping[str, object], at: datetime | None, where: Where) -> Entry:
    told = payload.get("instance_id")
    instance = _name(told) or where.instance
    message = payload.get("message")
    return Entry(
        at or _moment(payload.get("time")),
        _one_line(message) if isinstance(message, str) else "",
        payload,
        Where(instance, where.revision, where.service, where.region, where.project),
        is_ours=isinstance(payload.get("logger"), str) and str(payload["logger"]).startswith("collector."),
    )


def _where(content: Mapping[str, object]) -> Where:
    labels = _mapping(content.get("labels"))
    of_resource = _mapping(_mapping(content.get("resource")).get("labels"))
    return Where(
        _name(labels.get("instanceId")),
        _name(of_resource.get("revision_name")),
        _name(of_resource.get("service_name")),
        _name(of_resource.get("location")),
        _name(of_resource.get("project_id")),
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _name(value: object) -> str | None:
    return value[:MAX_NAME_CHARACTERS] if isinstance(value, str) and value else None


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value))  # nanoseconds, as Google has them
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _one_line(text: str) -> str:
    return " ".join(text[:2_000].split())
