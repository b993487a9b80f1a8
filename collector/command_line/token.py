"""The commands that keep the file of tokens: who may ask a collector from elsewhere, and who may act."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from rich.console import Console

from agent.errors import SettingError
from collector.access.permissions import ROLES_OF_TOKENS
from collector.access.tokens import TokensError, create_token, read_tokens, revoke_token
from collector.command_line.flags import with_settings
from collector.command_line.showing import CELLS_OF_A_PIPE
from collector.load import load_settings, tokens_file
from collector.render.parts import listing

app = typer.Typer(
    help="Say who may ask a collector from elsewhere, and who may act. Run these where the collector runs.",
    no_args_is_help=True,
)

_HELP: Final[Mapping[str, str]] = {
    "tokens_file": "the file of tokens (default: beamwarden/tokens under $XDG_CONFIG_HOME or ~/.config)"
}


@app.command("create")
@with_settings(["tokens_file"], more_help=_HELP)
def create(
    flags: dict[str, object],
    config: Path | None,
    role: Annotated[
        Literal["viewer", "operator"], typer.Option("--role", help="viewer: may read; operator: may also act")
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="whose it is; it stands beside what they do")],
) -> None:
    """Make a token and show it, this once."""
    path = _file(flags, config)
    token = create_token(path, name, ROLES_OF_TOKENS[role])
    try:
        print(token, flush=True)  # noqa: T201  # alone, so that it can be sent into a file
    except OSError as error:
        revoke_token(path, name)  # nobody has seen it
        raise TokensError(f"the token cannot be shown, and so there is none: {error.strerror}") from None
    sys.stderr.write(
        f"This is the token of {name}, with the role {role}. It is not shown again: {path} has only its SHA-256.\n"
        "A collector that runs knows it at once. To use it: --token-file FILE, or BEAMWARDEN_TOKEN.\n"
    )


@app.command("list")
@with_settings(["tokens_file"], more_help=_HELP)
def show_tokens(flags: dict[str, object], config: Path | None) -> None:
    """Show whose tokens there are, and which role each has."""
    path = _file(flags, config)
    found = read_tokens(path)
    if found is None or not found[1]:
        sys.stderr.write(f"There are no tokens in {path}. Make one with 'beamwarden token create'.\n")
        return
    table = listing("name", "role", "created", folds=("name",))
    for entry in found[1]:
        table.add_row(entry.name, str(entry.role), f"{entry.created_at:%Y-%m-%d %H:%M:%S} UTC")
    console = Console()
    console.print(table, width=None if console.is_terminal else CELLS_OF_A_PIPE)


@app.command("revoke")
@with_settings(["tokens_file"], more_help=_HELP)
def revoke(
    flags: dict[str, object], config: Path | None, name: Annotated[str, typer.Argument(help="whose token it is")]
) -> None:
    """Take a token back: from now on it opens nothing."""
    path = _file(flags, config)
    revoke_token(path, name)
    sys.stderr.write(f"The token of {name} is revoked.\n")


def _file(flags: dict[str, object], config: Path | None) -> Path:
    path = tokens_file(load_settings(flags, os.environ, config), os.environ)
    if path is None:
        raise SettingError("this user has no home folder for a file of tokens: name one with --tokens-file")
    return path
