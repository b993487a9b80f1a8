"""How a command that changes a node gets a person's yes and reason, and how it ends."""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import Annotated, Final, TypeVar

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from collector.cleaning.models import CollectionRequest, DeletionRequest
from collector.command_line.showing import query_of
from collector.render.parts import printable
from collector.restarts.models import RestartRequest
from collector.settings import SettingsError

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="why, for the journal")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only show what would be done")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]
AsJson = Annotated[bool, typer.Option("--json", help="print the answer as JSON; asks nothing")]

_NOTHING_DONE: Final = "Nothing was done."

_Request = TypeVar("_Request", RestartRequest, CollectionRequest, DeletionRequest)


class Exit(IntEnum):
    """How such a command ends. 1 is no answer and 2 a wrong setting, as with every command."""

    DONE = 0
    REFUSED = 3
    DOWN = 4
    UNKNOWN = 5


def check_consent(*, dry_run: bool, yes: bool, json: bool, reason: str) -> None:
    """Raise `SettingsError` where nobody would be asked and nobody has agreed, or has not said why."""
    if json and not dry_run and not yes:
        raise SettingsError("--json asks nothing: add --yes to do it, or --dry-run to see what would be done")
    if yes and not dry_run and not reason.strip():
        raise SettingsError("--yes: say why with --reason, for whoever reads the journal")


def ask_consent(console: Console, request: _Request) -> _Request:
    """Ask whether to do it, and why. Ends the program when the person says no."""
    if not sys.stdin.isatty():
        raise SettingsError("nobody can be asked here: add --yes and --reason, or --dry-run")
    try:
        if not typer.confirm("\nDo it?", default=False):
            console.print(_NOTHING_DONE)
            sys.exit(Exit.REFUSED)
        while not request.reason.strip():
            try:
                request = query_of(
                    type(request), **request.model_dump() | {"reason": typer.prompt("Why (for the journal)")}
                )
            except SettingsError as error:
                console.print(Text(printable_lines(str(error)), "red"))
    except typer.Abort:
        console.print(f"\n{_NOTHING_DONE}")
        sys.exit(Exit.REFUSED)
    return request


def print_json(answer: BaseModel) -> None:
    """Print an answer for programs."""
    print(answer.model_dump_json(indent=2), flush=True)  # noqa: T201  # the answer is what was asked for


def printable_lines(text: str) -> str:
    """Return a text of several lines without what a terminal would obey."""
    return "\n".join(printable(line) for line in text.split("\n"))
