"""The command line as a test runs it: arguments in, status and what was printed out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias


class Ran(NamedTuple):
    """What a command has left behind."""

    status: object
    output: str
    errors: str


Run: TypeAlias = Callable[..., Ran]
