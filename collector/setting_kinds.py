"""What several settings have in common in their values."""

from __future__ import annotations

import re


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
