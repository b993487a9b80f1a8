"""How a command of the command line finds whom to ask, and shows what it gets: once, or again and again."""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from collector.command_line.client import AskAgain, ClientError, Collector, Direct
from collector.command_line.flags import CONNECTION, with_settings
from collector.command_line.keeping import keep_open
from collector.command_line.reaching import find_collector
from collector.load import load_cookie, load_options, load_settings
from collector.models import NodeAnswer
from collector.render.parts import printable
from collector.setting_words import REACHING
from collector.settings import SettingsError

WATCH_SECONDS: Final = 2.0
MAX_PAUSE_SECONDS: Final = 30.0  # between two questions of --watch that fail
# When another asked the same a moment ago: people would wait that long for an answer, and ask again themselves.
MAX_WAIT_SECONDS: Final = 5.0
MAX_WAITS: Final = 3
# Elsewhere than on a terminal no line is broken: what comes behind a pipe looks at lines.
CELLS_OF_A_PIPE: Final = 10_000

_Model = TypeVar("_Model", bound=BaseModel)


def _option(name: str, kind: type, *, default: object, option: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


_MANNER: Final = (
    _option(
        "json",
        bool,
        default=False,
        option=typer.Option("--json", help="print the answer as JSON; with --watch one in a line"),
    ),
    _option("watch", bool, default=False, option=typer.Option("--watch", help="ask again and again, until Ctrl-C")),
    _option(
        "interval",
        float,
        default=WATCH_SECONDS,
        option=typer.Option("--interval", min=0.5, max=3600.0, metavar="SECONDS", help="how often, with --watch"),
    ),
)
_COLLECTOR: Final = (*REACHING, "node")
_WHOM: Final = "Whom to ask (without these the collector on this machine)"
_HOW: Final = "How a node is asked itself, with --node"
_NODE_HELP: Final = "ask this node itself, as name@host or name@host:port; with --url: the collector's node"


def asking(*more_settings: str, is_kept: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that say whom to ask and how to show it.

    The command gets a `Source` and a `Manner`; options of its own stand behind these two. ``more_settings`` are those
    that matter to its question when a node is asked itself. With ``is_kept`` it gets a `KeptSource`, also for once.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def run(source: Collector | Direct, **given: object) -> None:
            manner = Manner.of(given)
            if manner.interval_seconds is None and not is_kept:
                command(source, manner, **given)
                return
            with (
                contextlib.suppress(KeyboardInterrupt),
                keep_open(source, manner.interval_seconds if is_kept else None) as kept,
            ):
                command(kept, manner, **given)

        return _finding(run, command, (*_own_options(command, 2), *_MANNER), more_settings)

    return decorate


def finding(*more_settings: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that say whom to ask, and none of how to show it. It gets only the `Source`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        return _finding(command, command, _own_options(command, 1), more_settings)

    return decorate


def _own_options(command: Callable[..., None], given: int) -> Sequence[inspect.Parameter]:
    """Return the parameters of a command behind the first few, which it does not get from the command line."""
    behind = list(inspect.signature(command, eval_str=True).parameters.values())[given:]
    return [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in behind]


def _finding(
    ask: Callable[..., None],
    command: Callable[..., None],
    options: Sequence[inspect.Parameter],
    more_settings: Sequence[str],
) -> Callable[..., None]:
    add_settings = with_settings(
        [*_COLLECTOR, *more_settings, *CONNECTION],
        more_help={"node": _NODE_HELP},
        panels=dict.fromkeys((*more_settings, *CONNECTION), _HOW)
        | dict.fromkeys((*_COLLECTOR, "cookie_file", "config"), _WHOM),
    )

    def run(flags: dict[str, object], config: Path | None, **given: object) -> None:
        ask(find_source(flags, config), **given)

    first_two = list(inspect.signature(run, eval_str=True).parameters.values())[:2]
    run.__signature__ = inspect.Signature([*first_two, *options])  # type: ignore[attr-defined]  # as functools.wraps sets it
    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    return add_settings(run)


def find_source(flags: dict[str, object], config: Path | None) -> Collector | Direct:
    """Choose whom to ask: the node itself when ``--node`` is given without ``--url``, else the collector.

    Only the flag counts. The sidecar's own environment names its nodes too, and a shell in it wants the collector.
    Raises `SettingError`.
    """
    is_named = "node" in flags
    # In a list: `--node "$NODE"` without a value was given, and is wrong.
    settings = load_settings(flags | ({"node": [flags["node"]]} if is_named else {}), os.environ, config)
    named = settings.node[0] if is_named else None
    if named is None or "url" in flags:
        return find_collector(settings, os.environ, None if named is None else str(named.node))
    return Direct(named, load_cookie(settings, os.environ), load_options(settings), settings)


@dataclass(frozen=True, slots=True)
class Manner:
    """How an answer is shown. ``interval_seconds`` None: once."""

    is_json: bool = False
    interval_seconds: float | None = None

    @classmethod
    def of(cls, given: dict[str, object]) -> Manner:
        """Take it out of a command's options."""
        is_json, is_watch, interval_seconds = given.pop("json"), given.pop("watch"), given.pop("interval")
        assert isinstance(interval_seconds, float)
        return cls(bool(is_json), interval_seconds if is_watch else None)


def query_of(kind: type[_Model], **given: object) -> _Model:
    """Make the query of what was typed. Raises `SettingsError` for what can be no name of anything."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise SettingsError("\n".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors())) from None


def show(ask: Callable[[], _Model], draw: Callable[[_Model], RenderableType], manner: Manner) -> _Model | None:
    """Ask, show and return the answer; with an interval for ever. Raises `ClientError`, when it is to be shown once."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no bars still shows the numbers
    try:
        if manner.interval_seconds is not None:
            _watch(ask, draw, manner.interval_seconds, is_json=manner.is_json)
            return None
        answer = _patiently(ask)
        if manner.is_json:
            print(answer.model_dump_json(indent=2), flush=True)  # noqa: T201  # the answer is what was asked for
        else:
            make_console().print(draw(answer), crop=False)  # a command to copy is one line, however long
    except BrokenPipeError:  # who reads has had enough, as `| head` has: no error, and rich ends in the same way
        make_console().on_broken_pipe()
        return None
    except OSError as error:
        raise ClientError(f"the answer cannot be written: {error.strerror}") from None
    if isinstance(answer, NodeAnswer) and answer.trouble is not None:
        sys.exit(1)
    return answer


def make_console() -> Console:
    """Make what prints: as wide as the terminal, and elsewhere as wide as a line may be."""
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=CELLS_OF_A_PIPE)


def _patiently(ask: Callable[[], _Model]) -> _Model:
    """Ask, and when it is too soon ask again as we are told. Raises `ClientError`."""
    for _ in range(MAX_WAITS):
        try:
            return ask()
        except AskAgain as soon:
            if soon.retry_after_seconds > MAX_WAIT_SECONDS:
                raise
            time.sleep(soon.retry_after_seconds)
    return ask()


def _watch(
    ask: Callable[[], _Model], draw: Callable[[_Model], RenderableType], interval_seconds: float, *, is_json: bool
) -> None:
    """Show the latest answer until Ctrl-C. One that fails is told in its place: the next may succeed.

    After several that fail it is asked less often. Each attempt to connect writes into the log of a node that refuses.
    """
    console = make_console()
    failures = 0
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        show_one = partial(_print_one, console)
        if console.is_terminal and not is_json:
            live = stack.enter_context(Live(console=console, auto_refresh=False, vertical_overflow="crop"))
            show_one = partial(live.update, refresh=True)
        while True:
            try:
                answer = _patiently(ask)
            except ClientError as error:
                failures += 1
                _tell(error, None if is_json else show_one)
            else:
                failures = 0
                if is_json:
                    print(answer.model_dump_json(), flush=True)  # noqa: T201  # the answer is what was asked for
                else:
                    show_one(draw(answer))
            time.sleep(_pause_seconds(interval_seconds, failures))


def _pause_seconds(interval_seconds: float, failures: int) -> float:
    doublings = min(max(failures - 1, 0), 16)  # one failure may be a matter of a moment
    return max(interval_seconds, min(MAX_PAUSE_SECONDS, interval_seconds * 2.0**doublings))


def _tell(error: ClientError, show_one: Callable[[RenderableType], None] | None) -> None:
    if show_one is not None:
        show_one(Text(printable(str(error)), "bold red"))
    else:
        sys.stderr.write(f"beamwarden: {printable(str(error))}\n")


def _print_one(console: Console, drawn: RenderableType) -> None:
    console.print(drawn)
    console.print()
