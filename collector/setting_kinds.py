"""What several settings have in common in their values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator


def to_list(value: object) -> object:
    """Take a list, or a text with commas. Raises ValueError."""
    if not isinstance(value, str | list | tuple):
        raise ValueError("neither a text nor a list")  # noqa: TRY004  # pydantic wants a ValueError
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [part for item in value for part in (map(str.strip, item.split(",")) if isinstance(item, str) else [item])]


def to_url(value: str) -> str:
    """Take what is a URL of http or https. Raises ValueError."""
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", value):
        raise ValueError(f"{value!r} is no URL of http or https")
    return value


def no_truth(value: object) -> object:
    """Refuse true and false for a number. Raises ValueError."""
    if isinstance(value, bool):  # Python takes true for 1, as a file may have it
        raise ValueError("neither true nor false is a number")  # noqa: TRY004  # pydantic wants a ValueError
    return value


def _not_empty(value: object) -> object:
    if value == "":  # of an unset variable, say; as a path it would be the current folder
        raise ValueError("it is empty")
    return value


def _no_nul(value: Path) -> Path:
    if "\0" in str(value):
        raise ValueError("a path has no NUL in it")
    return value


File: TypeAlias = Annotated[Path, BeforeValidator(_not_empty), AfterValidator(_no_nul), AfterValidator(Path.expanduser)]
