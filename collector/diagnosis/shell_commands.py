"""Commands for a person to run: words, with what is known of the place filled in, quoted for a shell.

We run none of them.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

# What only a person can know, or what nobody has told us. Each is what it looks like.
PLACEHOLDERS: Final = (
    *("SERVICE", "REGION", "PROJECT_ID", "REVISION"),
    *("CONTAINER", "SERVICE_ACCOUNT", "PREVIOUS_REVISION", "LOCATION", "BACKUP_ID", "NEW_DATABASE"),
)
BEFORE: Final = timedelta(hours=1)  # what ended is over: what led to it
AFTER: Final = timedelta(minutes=10)
_PLACEHOLDER: Final = re.compile(rf"(?<![\w$])(?:{'|'.join(PLACEHOLDERS)})(?!\w)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the service runs, as far as that is known. What is not known stands as a placeholder, in capitals.

    ``ended_at`` is when it was that the commands are about; None: now.
    """

    service: str = "SERVICE"
    region: str = "REGION"
    project: str = "PROJECT_ID"
    revision: str = "REVISION"
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AsIs:
    """A word that the shell is to expand, so it is not quoted. Nothing is filled into it."""

    text: str


Word: TypeAlias = "str | AsIs"
Line: TypeAlias = tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """What a person is to run, in one or several lines, and what for.

    ``playbook`` are the lines of the incident playbook that it stands for, in its section; ``why`` says what they do
    otherwise. ``changes`` says that it changes the service; all others look.
    """

    name: str
    section: str
    purpose: str
    playbook: tuple[str, ...]
    lines: tuple[Line, ...]
    why: str
    changes: bool = False


def fill(command: Command, place: Place) -> tuple[str, ...]:
    """Return the lines as they are typed. Words that are of another time are left out."""
    values = {name: getattr(place, name) for name in ("service", "region", "project", "revision")} | _times(place)
    return tuple(" ".join(filter(None, (_word(word, values) for word in line))) for line in command.lines)


def _times(place: Place) -> dict[str, str]:
    """Say which time logs and Monitoring are to be asked for, in the words of each."""
    now = {"freshness": "--freshness=1h", "within": "", "flag": "", "time": ""}
    if place.ended_at is None:
        return now
    try:
        first, at, last = (f"{place.ended_at + away:%Y-%m-%dT%H:%M:%SZ}" for away in (-BEFORE, timedelta(), AFTER))
    except OverflowError:  # what a log says may be in the year 1, or 9999
        return now
    within = f' AND timestamp>="{first}" AND timestamp<="{last}"'  # with which --freshness is not looked at
    return {"freshness": "", "within": within, "flag": "--data-urlencode", "time": f"time={at}"}


def placeholders(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a person has to fill in before these lines can be run, each once, in the order that they stand in."""
    return tuple(dict.fromkeys(hit[0] for line in lines for hit in _PLACEHOLDER.finditer(line)))


def _word(word: Word, values: dict[str, str]) -> str:
    if isinstance(word, AsIs):
        return word.text
    filled = _filled(word, values)
    return shlex.quote(filled) if filled else ""


def _filled(word: str, values: dict[str, str]) -> str:
    # Not str.format: filters and formats of gcloud have braces of their own.
    return re.sub(r"\{(\w+)\}", lambda hit: values.get(hit[1], hit[0]), word)
