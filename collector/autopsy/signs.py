"""Lines that tell of an end: what Cloud Run, the emulator and we ourselves write then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from collector.autopsy.reading import Entry
from collector.blackbox.bounding import tame_text
from collector.blackbox.triggers import Kind

MAX_TEXT_CHARACTERS: Final = 200
MAX_REASONS: Final = 100


class What(StrEnum):
    """What a line tells."""

    MEMORY_LIMIT = "the memory limit was exceeded"
    KILLED = "it was killed"
    NO_MEMORY = "the emulator got no memory"
    CRASHED = "the emulator ended itself"
    BOX = "black box"
    STARTED = "beamwarden began"
    CONNECTED = "connected"
    LOST = "not connected any more"
    ENDED = "beamwarden was told to end"


@dataclass(frozen=True, slots=True)
class Sign:
    """One such line, the how manieth of the log."""

    at: datetime
    place: int
    what: What
    text: str


# Cloud Run's own words, and those of erts: erl_alloc, init and heart. Where somebody else says them, they say the same.
_OF_OTHERS: Final[Mapping[What, re.Pattern[str]]] = {
    What.MEMORY_LIMIT: re.compile(r"Memory limit of .{1,40} exceeded", re.IGNORECASE),
    What.KILLED: re.compile(
        r"signal 9\b|exit\(137\)|exit code:? 137|\bOOM-?killed\b|Out of memory: Killed", re.IGNORECASE
    ),
    What.NO_MEMORY: re.compile(r"_alloc: Cannot (?:re)?allocate \d+ bytes"),
    What.CRASHED: re.compile(
        r"Kernel pid terminated|Runtime terminating during boot|Crash dump is being written"
        r"|heart: .{0,40}(?:reboot|kill)"
    ),
}
_OF_OURS: Final = (
    ("serving on", What.STARTED),
    ("connected as", What.CONNECTED),
    ("not connected", What.LOST),
    ("black box", What.BOX),
    ("ended", What.ENDED),
)


def sign_of(at: datetime, entry: Entry, place: int) -> Sign | None:
    """Return what a line tells of an end; None for any other."""
    text = entry.text
    if entry.is_ours:
        found = next((what for start, what in _OF_OURS if text.startswith(start)), None)
        if found is What.BOX and Kind.SIGTERM in _reasons(entry, "kind"):
            # The last words. Those who are killed some seconds later do not come to say that they have ended.
            return Sign(at, place, What.ENDED, _told(entry, found))
        return None if found is None else Sign(at, place, found, _told(entry, found))
    what = next((what for what, pattern in _OF_OTHERS.items() if pattern.search(text)), None)
    return None if what is None else Sign(at, place, what, text[:MAX_TEXT_CHARACTERS])


def _told(entry: Entry, what: What) -> str:
    if what is not What.BOX:
        return entry.text[:MAX_TEXT_CHARACTERS]
    told = _reasons(entry, "what")
    return "; ".join(told)[: 2 * MAX_TEXT_CHARACTERS] or entry.text[:MAX_TEXT_CHARACTERS]


def _reasons(entry: Entry, field: str) -> list[str]:
    reasons = entry.facts.get("reasons")
    rows = reasons[:MAX_REASONS] if isinstance(reasons, list) else []
    return [tame_text(str(each[field])) for each in rows if isinstance(each, dict) and each.get(field)]
