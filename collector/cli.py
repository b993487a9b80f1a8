"""The command line: ``beamwarden serve`` runs the collector, every other command asks one, or a node itself."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from agent.errors import SettingError
from agent.handshake import Cookie
from collector.command_line import audit as audit_commands
from collector.command_line import autopsy as autopsy_commands
from collector.command_line import cleaning as cleaning_commands
from collector.command_line import completion as completion_commands
from collector.command_line import diagnose as diagnose_commands
from collector.command_line import looking as commands
from collector.command_line import restart as restart_commands
from collector.command_line import token as token_commands
from collector.command_line.client import ClientError
from collector.command_line.flags import with_settings
from collector.load import describe, glance, load_cookie, load_options, load_settings
from collector.logs import set_up_logging
from collector.render.parts import printable
from collector.setting_words import GROUPS
from collector.settings import DEFAULT_ADDRESS, Settings, SettingsError
from collector.version import VERSION

app = typer.Typer(
    name="beamwarden",
    help="Ask Erlang nodes what is wrong with them, without harming them.",
    no_args_is_help=True,
    add_completion=False,  # collector.command_line.completion says why
    pretty_exceptions_enable=False,
    epilog="Settings are also variables, BEAMWARDEN_LISTEN for --listen, and lines of beamwarden.toml. A command ends "
    "with 0, with 1 when there is no answer or the node is down, and with 2 when a setting or an option is wrong.",
)


def _as_ours(name: str) -> str:
    """Take an option as all programs of Prometheus have it for ours."""
    return "web-config-file" if name == "web.config.file" else name


@app.command(context_settings={"token_normalize_func": _as_ours})
@with_settings(
    # Thresholds are of a file, or of the environment: who sets one sets it for good.
    [name for group, names in GROUPS.items() if group not in {"Command line", "Diagnosis"} for name in names],
    more_help={"node": f"{describe('node')}; may be repeated"},
    panels={name: group for group, names in GROUPS.items() for name in names},
    repeated=["node"],
)
def serve(flags: dict[str, object], config: Path | None) -> None:
    """Join the nodes and serve what they answer, until told to end."""
    settings = _settings_of_serve(flags, config)
    set_up_logging(settings.log_format)
    gc.disable()  # what is loaded now is no garbage; whoever serves begins to collect
    # Only here: the web framework would cost every other command a quarter of a second.
    from collector.serve import serve as run_collector  # noqa: PLC0415

    run_collector(settings, load_cookie(settings, os.environ), os.environ)


def _settings_of_serve(flags: Mapping[str, object], config: Path | None) -> Settings:
    settings = load_settings(flags, os.environ, config)
    if not settings.node:
        raise SettingsError(f"--node: none is given; it should be {describe('node')}", ["node"])
    return settings


def _stay_if_wanted(arguments: Sequence[str]) -> None:
    """Run ``serve`` so that it stays, when it is this that is wanted. Returns when it has ended, or is not wanted."""
    # A glance, since the command line itself may be wrong.
    seen = dict(each.removeprefix("--").split("=", 1) for each in _with_equals(arguments) if each.startswith("--"))
    flags = {name.replace("-", "_"): value for name, value in seen.items()}
    config = Path(seen["config"]) if "config" in seen else None
    if arguments[:1] != ["serve"] or "help" in seen or not glance("stay", flags, os.environ, config, default=True):
        return
    set_up_logging(glance("log_format", flags, os.environ, config, default="auto"))
    gc.disable()  # as above
    from collector.staying import stay  # noqa: PLC0415  # as above

    stay(partial(_read, arguments[1:]), glance("listen", flags, os.environ, config, DEFAULT_ADDRESS), os.environ)
    sys.exit(0)


def _with_equals(arguments: Sequence[str]) -> Iterator[str]:
    """Give each ``--name value`` as ``--name=value``; of a flag without a value that it is set."""
    for one, after in zip_longest(arguments, arguments[1:], fillvalue="--"):
        is_alone = "=" not in one and after.startswith("--")
        yield f"{one}=true" if is_alone else one if "=" in one else f"{one}={after}"


def _read(arguments: Sequence[str]) -> tuple[Settings, Cookie]:
    """Return what ``serve`` begins with. Raises `SettingError`, also for a wrong command line."""
    serve_command = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]  # a group
    try:
        given = serve_command.make_context("serve", [*arguments]).params
    except TyperException as error:
        raise SettingsError(f"the command line: {error}") from None
    # An option that may be repeated and was not given is an empty tuple here: it must not win over its variable.
    flags = {name: value for name, value in given.items() if value not in (None, ())}
    settings = _settings_of_serve(flags, flags.pop("config", None))
    load_options(settings)
    if settings.web_config_file is not None:
        from collector.port.known_web_config import read_web_config  # noqa: PLC0415  # YAML and TLS, which others do without

        read_web_config(settings.web_config_file)
    return settings, load_cookie(settings, os.environ)


app.add_typer(diagnose_commands.app)
app.add_typer(autopsy_commands.app)
app.add_typer(commands.app)
app.add_typer(restart_commands.app)
app.add_typer(cleaning_commands.app)
app.add_typer(token_commands.app, name="token", short_help="Say who may ask from elsewhere, and who may act.")
app.add_typer(audit_commands.app, name="audit")
app.add_typer(completion_commands.app)


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
    if completion_commands.VARIABLE in os.environ:
        completion_commands.know_shells()
    try:
        _stay_if_wanted(sys.argv[1:])
        app()
    except SettingError as error:
        _fail(error, 2)
    except ClientError as error:
        _fail(error, 1)
