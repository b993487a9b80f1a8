"""Reads logs: our own lines, or what ``gcloud logging read --format=json`` prints. Nothing in them is trusted.

A line may be cut, of somebody else, or made to harm whoever reads it: it is read as data, and what is not understood is
counted. One is read after the other, those of a JSON array too, so a file may be of any length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Final

from collector.blackbox.bounding import tame_text

MAX_LINE_CHARACTERS: Final = 1_000_000  # one of the black box has 32 kB
CHUNK_CHARACTERS: Final = 1 << 16
MAX_NAME_CHARACTERS: Final = 200
MAX_TEXT_CHARACTERS: Final = 2_000
MAX_PREFIX_CHARACTERS: Final = 300  # of `docker compose logs`, `kubectl logs --prefix --timestamps`, syslog
WRAPPED: Final = ("log", "MESSAGE")  # where a line is, in Docker's own files and in what `journalctl -o json` prints
LOGGER: Final = '"logger"'
_BETWEEN: Final = re.compile(r"[ \t\r\n,[\]]*")  # brackets, too: several arrays may stand one after the other

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
    """What was read so far. ``of_a_terminal`` are lines of ours in a form that cannot be read back.

    ``is_cut``: it ends in the middle of an entry, or what stands there is none.
    """

    lines: int = 0
    skipped: int = 0
    of_a_terminal: int = 0
    is_cut: bool = False


def read(stream: IO[str], counts: Counts) -> Iterator[Entry]:
    """Read all entries, in the order in which they stand. Raises `NoLog`."""
    begun = ""
    while line := stream.readline(MAX_LINE_CHARACTERS + 1):
        line = line.removeprefix("\ufeff")
        # A line of somebody's may begin with a bracket as well; what stands behind that of an array may be below it.
        if line.strip() and (begun or line.strip() != "["):
            break
        begun = begun or line.strip()
    first = begun + line
    if re.match(r"\s*\[\s*(?:[{\]]|\Z)", first):
        yield from _array(first, stream, counts)
        return
    yield from _lines(_with(first, stream), counts)


def _with(first: str, stream: IO[str]) -> Iterator[str]:
    """Give lines, of those that are too long only the beginning."""
    line = first
    while line:
        yield line
        while len(line) > MAX_LINE_CHARACTERS and not line.endswith("\n"):
            line = stream.readline(MAX_LINE_CHARACTERS + 1)
            if len(line) <= MAX_LINE_CHARACTERS:
                break
        line = stream.readline(MAX_LINE_CHARACTERS + 1)


def _array(begun: str, stream: IO[str], counts: Counts) -> Iterator[Entry]:
    """Take one element after the other: as a whole an array of a log may not fit into the memory that there is.

    Those before a cut count: what gcloud prints has the newest first.
    """
    for content in _elements(begun, stream, counts):
        counts.lines += 1
        entry = _entry(content) if isinstance(content, dict) else None
        if entry is None:
            counts.skipped += 1
        else:
            yield entry


def _elements(waiting: str, stream: IO[str], counts: Counts) -> Iterator[object]:
    decoder, place, wanted, is_over, is_open = json.JSONDecoder(), 0, CHUNK_CHARACTERS, False, True
    while True:
        between = _BETWEEN.match(waiting, place)
        assert between is not None  # it matches nothing, too
        place = between.end()
        if brackets := [one for one in between[0] if one in "[]"]:
            is_open = brackets[-1] == "["
        if place == len(waiting) and is_over and not is_open:
            return
        try:
            element, place = decoder.raw_decode(waiting, place)
        except (ValueError, RecursionError) as error:
            waiting, place = waiting[place:], 0
            if is_over or len(waiting) > MAX_LINE_CHARACTERS or isinstance(error, RecursionError):
                if not counts.lines:
                    raise NoLog(f"it begins as a JSON array and is none: {error}; was it cut?") from None
                counts.is_cut = True
                return
            # Twice as much each time, or a long element would be begun again and again.
            more = stream.read(wanted)
            waiting, wanted, is_over = waiting + more, 2 * wanted, not more
            continue
        yield element
        wanted = CHUNK_CHARACTERS


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
        content = _behind_a_prefix(line)
        if content is None:
            return Entry(None, _one_line(line))
    if not isinstance(content, dict):
        return None
    for field_name in WRAPPED:
        if isinstance(inner := content.get(field_name), str):
            return _of_line(inner)
    return _entry(content)


def _behind_a_prefix(line: str) -> object:
    """Return the object behind a name or a time that a reader of logs has put before it; None where there is none."""
    place = line.find("{", 0, MAX_PREFIX_CHARACTERS)
    if place < 1 or LOGGER not in line:
        return None
    try:
        return json.JSONDecoder().raw_decode(line, place)[0]
    except (ValueError, RecursionError):
        return None


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
    return tame_text(value, MAX_NAME_CHARACTERS) if isinstance(value, str) and value else None


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value))  # nanoseconds, as Google has them
    except ValueError:
        return None
    if at.tzinfo is None:
        return at.replace(tzinfo=UTC)
    try:
        return at.astimezone(UTC)  # as which it is shown
    except OverflowError:
        return None  # in the year 1, or 9999


def _one_line(text: str) -> str:
    return tame_text(" ".join(text[:MAX_TEXT_CHARACTERS].split()), MAX_TEXT_CHARACTERS)
