"""The command line: ``beamwarden serve`` runs the collector, every other command asks one, or a node itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from agent.errors import SettingError
from collector import (
    audit_commands,
    autopsy_commands,
    cleaning_commands,
    commands,
    diagnose_commands,
    restart_commands,
    token_commands,
)
from collector.client import ClientError
from collector.diagnosis_settings import DiagnosisSettings
from collector.flags import REACHING, with_settings
from collector.load import describe, load_cookie, load_settings
from collector.logs import set_up_logging
from collector.render.parts import printable
from collector.settings import Settings, SettingsError
from collector.version import VERSION

app = typer.Typer(
    name="beamwarden",
    help="Ask Erlang nodes what is wrong with them, without harming them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Settings are also variables, BEAMWARDEN_LISTEN for --listen, and lines of beamwarden.toml.",
)


@app.command()
@with_settings(
    # Thresholds are of a file, or of the environment: who sets one sets it for good.
    [name for name in Settings.model_fields if name not in {*REACHING, *DiagnosisSettings.names()}],
    more_help={
        "node": describe("node") + "; may be repeated",
        "listen": describe("listen") + " (default: 127.0.0.1:9750)",
        "expected_supervisors": describe("expected_supervisors") + ", separated by commas",
    },
    repeated=["node"],
)
def serve(flags: dict[str, object], config: Path | None) -> None:
    """Join the nodes and serve what they answer, until told to end."""
    settings = load_settings(flags, os.environ, config)
    if not settings.node:
        raise SettingsError(f"--node: none is given; it should be {describe('node')}")
    set_up_logging(settings.log_format)
    # Only here: the web framework would cost every other command a quarter of a second.
    from collector.serve import serve as run_collector  # noqa: PLC0415

    run_collector(settings, load_cookie(settings, os.environ), os.environ)


app.add_typer(diagnose_commands.app)
app.add_typer(autopsy_commands.app)
app.add_typer(commands.app)
app.add_typer(restart_commands.app)
app.add_typer(cleaning_commands.app)
app.add_typer(token_commands.app, name="token", short_help="Say who may ask from elsewhere, and who may act.")
app.add_typer(audit_commands.app, name="audit")


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="print the version and end")] = False,  # noqa: FBT002
) -> None:
    if version:
        sys.stdout.write(f"beamwarden {VERSION}\n")
        raise typer.Exit


def _fail(error: Exception, status: int) -> NoReturn:
    for line in str(error).splitlines():
        sys.stderr.write(f"beamwarden: {printable(line)}\n")
    sys.exit(status)


def main() -> None:
    """Run the command line; end with 0, with 1 when there is no answer, or with 2 when a setting is wrong."""
    try:
        app()
    except SettingError as error:
        _fail(error, 2)
    except ClientError as error:
        _fail(error, 1)
