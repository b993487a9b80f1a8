"""The command line: ``beamwarden serve`` runs the collector, every other command asks one, or a node itself."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer
from pydantic import BaseModel
from rich.console import Console, RenderableType

from agent.errors import SettingError
from collector import render
from collector.client import ClientError, Collector, Direct, Source
from collector.flags import CONNECTION, with_settings
from collector.load import describe, load_cookie, load_options, load_settings
from collector.logs import set_up_logging
from collector.models import NodeAnswer
from collector.settings import Settings, SettingsError
from collector.version import VERSION

_Model = TypeVar("_Model", bound=BaseModel)

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
    [name for name in Settings.model_fields if name != "url"],
    more_help={
        "node": describe("node") + "; may be repeated",
        "listen": describe("listen") + " (default: 127.0.0.1:9750)",
        "expected_supervisors": describe("expected_supervisors") + ", separated by commas",
    },
    repeated=["node"],
)
def serve(flags: dict[str, object], config: Path | None) -> None:
    """Join the nodes as a hidden node and serve what they answer, until told to end."""
    settings = load_settings(flags, os.environ, config)
    if not settings.node:
        raise SettingsError(f"--node: none is given; it should be {describe('node')}")
    set_up_logging(settings.log_format)
    # Only here: the web framework would cost every other command a quarter of a second.
    from collector.serve import serve as run_collector  # noqa: PLC0415

    run_collector(settings, load_cookie(settings, os.environ), os.environ)


_asking = with_settings(
    ["url", "node", *CONNECTION],
    more_help={"node": "ask this node itself, as name@host or name@host:port; with --url: the collector's node"},
)
JsonFlag = Annotated[bool, typer.Option("--json", help="print the answer as JSON")]


@app.command("memory")
@_asking
def show_memory(flags: dict[str, object], config: Path | None, json: JsonFlag = False) -> None:  # noqa: FBT002  # an option, given by name
    """Show how much memory the node uses, and for what."""
    _show(_source(flags, config).memory, render.memory_table, as_json=json)


@app.command("node")
@_asking
def show_node(flags: dict[str, object], config: Path | None, json: JsonFlag = False) -> None:  # noqa: FBT002  # an option, given by name
    """Show which node it is, how long it is up, what it offers, and whether the expected supervisors run."""
    _show(_source(flags, config).node, render.node_table, as_json=json)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="print the version and end")] = False,  # noqa: FBT002
) -> None:
    if version:
        sys.stdout.write(f"beamwarden {VERSION}\n")
        raise typer.Exit


def _source(flags: dict[str, object], config: Path | None) -> Source:
    """Choose whom to ask: the node itself when ``--node`` is given without ``--url``, else the collector.

    Only the flag counts. The sidecar's own environment names its nodes too, and a shell in it wants the collector.
    """
    is_named = "node" in flags
    # In a list: `--node "$NODE"` without a value was given, and is wrong.
    settings = load_settings(flags | ({"node": [flags["node"]]} if is_named else {}), os.environ, config)
    named = settings.node[0] if is_named else None
    if named is None or "url" in flags:
        return Collector(settings.url or settings.listen.local_url, None if named is None else str(named.node))
    return Direct(named, load_cookie(settings, os.environ), load_options(settings), settings.expected_supervisors)


def _show(ask: Callable[[], _Model], draw: Callable[[_Model], RenderableType], *, as_json: bool) -> None:
    answer = ask()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no bars still shows the numbers
    try:
        if as_json:
            print(answer.model_dump_json(indent=2), flush=True)  # noqa: T201  # the answer is what was asked for
        else:
            Console().print(draw(answer))
    except OSError as error:
        raise ClientError(f"the answer cannot be written: {error.strerror}") from None
    if isinstance(answer, NodeAnswer) and answer.trouble is not None:
        sys.exit(1)


def _fail(error: Exception, status: int) -> NoReturn:
    for line in str(error).splitlines():
        sys.stderr.write(f"beamwarden: {line}\n")
    sys.exit(status)


def main() -> None:
    """Run the command line; end with 0, with 1 when there is no answer, or with 2 when a setting is wrong."""
    try:
        app()
    except SettingError as error:
        _fail(error, 2)
    except ClientError as error:
        _fail(error, 1)
