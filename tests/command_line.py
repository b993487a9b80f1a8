"""The command line as a test runs it: arguments in, status and what was printed out."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
from collections.abc import Callable
from typing import NamedTuple, TypeAlias
from unittest.mock import patch

from collector import cli


class Ran(NamedTuple):
    """What a command has left behind."""

    status: object
    output: str
    errors: str


Run: TypeAlias = Callable[..., Ran]


async def run_in_thread(*arguments: str, given: str = "") -> Ran:
    """Run the command line while the test's own loop goes on. To start the program anew would take a second each.

    ``given`` is what it reads from its standard input.
    """
    output, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        patch.object(sys, "argv", ["beamwarden", *arguments]),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode()), encoding="utf-8")),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        status = await asyncio.to_thread(_status_of_main)
    return Ran(status, *(printed.buffer.getvalue().decode() for printed in (output, errors)))


def _status_of_main() -> object:
    try:
        cli.main()
    except SystemExit as ended:
        return ended.code
    raise AssertionError("the command line ends by an exit")
