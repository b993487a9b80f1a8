"""What several settings have in common in their values."""

from __future__ import annotations

import re


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
