"""Commands for a person to run: words, with what is known of the place filled in, quoted for a shell.

We run none of them.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, fields
from typing import Final, TypeAlias

# What only a person can know, or what nobody has told us. Each is what it looks like.
PLACEHOLDERS: Final = (
    *("SERVICE", "REGION", "PROJECT_ID", "REVISION"),
    *("CONTAINER", "SERVICE_ACCOUNT", "PREVIOUS_REVISION", "LOCATION", "BACKUP_ID", "NEW_DATABASE"),
)
_PLACEHOLDER: Final = re.compile(rf"(?<![\w$])(?:{'|'.join(PLACEHOLDERS)})(?!\w)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the service runs, as far as that is known. What is not known stands as a placeholder, in capitals."""

    service: str = "SERVICE"
    region: str = "REGION"
    project: str = "PROJECT_ID"
    revision: str = "REVISION"


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
    """Return the lines as they are typed."""
    values = {field.name: getattr(place, field.name) for field in fields(place)}
    return tuple(" ".join(_word(word, values) for word in line) for line in command.lines)


def placeholders(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a person has to fill in before these lines can be run, each once, in the order that they stand in."""
    return tuple(dict.fromkeys(hit[0] for line in lines for hit in _PLACEHOLDER.finditer(line)))


def _word(word: Word, values: dict[str, str]) -> str:
    return word.text if isinstance(word, AsIs) else shlex.quote(_filled(word, values))


def _filled(word: str, values: dict[str, str]) -> str:
    # Not str.format: filters and formats of gcloud have braces of their own.
    return re.sub(r"\{(\w+)\}", lambda hit: values.get(hit[1], hit[0]), word)
