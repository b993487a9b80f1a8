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
from agent.session import Options
from collector import render
from collector.client import ClientError, Collector, Direct, Source
from collector.logs import set_up_logging
from collector.models import NodeAnswer
from collector.settings import SettingsError, describe, load_cookie, load_settings
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

ConfigFlag = Annotated[
    Path | None,
    typer.Option("--config", readable=False, help="the settings file (default: beamwarden.toml here, if it exists)"),
]
CookieFileFlag = Annotated[Path | None, typer.Option("--cookie-file", readable=False, help=describe("cookie_file"))]
OwnNameFlag = Annotated[str | None, typer.Option("--own-name", help=describe("own_name"))]
EpmdPortFlag = Annotated[str | None, typer.Option("--epmd-port", help=describe("epmd_port"))]


@app.command()
def serve(  # noqa: PLR0913, PLR0917  # one parameter is one option
    node: Annotated[list[str] | None, typer.Option("--node", help=describe("node") + "; may be repeated")] = None,
    cookie_file: CookieFileFlag = None,
    listen: Annotated[str | None, typer.Option(help=describe("listen") + " (default: 127.0.0.1:9750)")] = None,
    expected_supervisors: Annotated[
        str | None, typer.Option(help=describe("expected_supervisors") + ", separated by commas")
    ] = None,
    own_name: OwnNameFlag = None,
    epmd_port: EpmdPortFlag = None,
    insecure_no_auth: Annotated[
        bool | None,
        typer.Option("--insecure-no-auth", help="serve the API to everybody when listening beyond this machine"),
    ] = None,
    vitals_interval_seconds: Annotated[str | None, typer.Option(help=describe("vitals_interval_seconds"))] = None,
    log_format: Annotated[str | None, typer.Option(help=describe("log_format"))] = None,
    config: ConfigFlag = None,
) -> None:
    """Join the nodes as a hidden node and serve what they answer, until told to end."""
    flags = _given(
        node=node,
        cookie_file=cookie_file,
        listen=listen,
        expected_supervisors=expected_supervisors,
        own_name=own_name,
        epmd_port=epmd_port,
        insecure_no_auth=insecure_no_auth,
        vitals_interval_seconds=vitals_interval_seconds,
        log_format=log_format,
    )
    settings = load_settings(flags, os.environ, config)
    if not settings.node:
        raise SettingsError(f"--node: none is given; it should be {describe('node')}")
    set_up_logging(settings.log_format)
    # Only here: the web framework would cost every other command a quarter of a second.
    from collector.serve import serve as run_collector  # noqa: PLC0415

    run_collector(settings, load_cookie(settings, os.environ), os.environ)


UrlFlag = Annotated[str | None, typer.Option("--url", help=describe("url"))]
NodeFlag = Annotated[
    str | None,
    typer.Option(
        "--node", help="ask this node itself, as name@host or name@host:port; with --url: the collector's node"
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="print the answer as JSON")]


@app.command("memory")
def show_memory(  # noqa: PLR0913, PLR0917  # one parameter is one option
    url: UrlFlag = None,
    node: NodeFlag = None,
    cookie_file: CookieFileFlag = None,
    own_name: OwnNameFlag = None,
    epmd_port: EpmdPortFlag = None,
    config: ConfigFlag = None,
    json: JsonFlag = False,  # noqa: FBT002  # an option, given by name
) -> None:
    """Show how much memory the node uses, and for what."""
    flags = _given(url=url, node=_alone(node), cookie_file=cookie_file, own_name=own_name, epmd_port=epmd_port)
    _show(_source(flags, config).memory, render.memory_table, as_json=json)


@app.command("node")
def show_node(  # noqa: PLR0913, PLR0917  # one parameter is one option
    url: UrlFlag = None,
    node: NodeFlag = None,
    cookie_file: CookieFileFlag = None,
    own_name: OwnNameFlag = None,
    epmd_port: EpmdPortFlag = None,
    config: ConfigFlag = None,
    json: JsonFlag = False,  # noqa: FBT002  # an option, given by name
) -> None:
    """Show which node it is, how long it is up, and whether the expected supervisors run."""
    flags = _given(url=url, node=_alone(node), cookie_file=cookie_file, own_name=own_name, epmd_port=epmd_port)
    _show(_source(flags, config).node, render.node_table, as_json=json)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="print the version and end")] = False,  # noqa: FBT002
) -> None:
    if version:
        sys.stdout.write(f"beamwarden {VERSION}\n")
        raise typer.Exit


def _alone(node: str | None) -> list[str] | None:
    return None if node is None else [node]  # `--node "$NODE"` without a value was given, and is wrong


def _given(**flags: object) -> dict[str, object]:
    return {name: value for name, value in flags.items() if value is not None}


def _source(flags: dict[str, object], config: Path | None) -> Source:
    """Choose whom to ask: the node itself when ``--node`` is given without ``--url``, else the collector.

    Only the flag counts. The sidecar's own environment names its nodes too, and a shell in it wants the collector.
    """
    settings = load_settings(flags, os.environ, config)
    named = settings.node[0] if "node" in flags else None
    if named is None or "url" in flags:
        return Collector(settings.url or settings.listen.local_url, None if named is None else str(named.node))
    options = Options(own_name=settings.own_name, epmd_port=settings.epmd_port)
    return Direct(named, load_cookie(settings, os.environ), options, settings.expected_supervisors)


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
