"""The settings as options of the command line: each is declared once, in `collector.settings`, and described there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Optional

import typer

from collector.load import flag_of
from collector.setting_words import choices_of, default_of, meaning_of, metavar_of
from collector.settings import Settings

# How to reach a node that is asked without a collector.
CONNECTION: Final = tuple(
    name
    for name in Settings.model_fields
    if name in {"cookie_file", "own_name", "epmd_port", "answer_memory_bytes"} or name.startswith("tls_")
)

_EPMD_PORT_HELP: Final = meaning_of("epmd_port") + " (default: ERL_EPMD_PORT, or 4369)"
_CONFIG_HELP: Final = "the settings file (default: beamwarden.toml here, if it exists)"


def with_settings(
    names: Sequence[str],
    *,
    more_help: Mapping[str, str] | None = None,
    repeated: Sequence[str] = (),
    panels: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each of these settings, and ``--config``.

    The command gets those that were given as its first argument, a dictionary, and the file as its second. Options of
    its own stand behind these two. ``more_help`` replaces the description of a setting, ``repeated`` are those that may
    be given several times, ``panels`` says below which heading of the help an option stands, if not with the command's.
    """
    help_of = {name: _help(name) for name in names} | {"epmd_port": _EPMD_PORT_HELP} | dict(more_help or {})
    panel_of = panels or {}
    options = [_option(name, help_of[name], is_repeated=name in repeated, panel=panel_of.get(name)) for name in names]
    config = Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", readable=False, help=_CONFIG_HELP, rich_help_panel=panel_of.get("config")
        ),
    ]
    options.append(inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=config))

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[2:]

        def run(config: Path | None = None, **given: object) -> None:
            flags = {name: given.pop(name) for name in names}
            command({name: value for name, value in flags.items() if value is not None}, config, **given)

        parameters = [*options, *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own)]
        # typer reads both.
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # as functools.wraps sets it
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        run.__doc__ = command.__doc__
        run.__name__ = command.__name__
        return run

    return decorate


def _help(name: str) -> str:
    """Return the description with the default; of what is on or off without its word for that."""
    meaning, default = meaning_of(name), default_of(name)
    if metavar_of(name) is None:
        meaning = meaning.removeprefix("true to ").removesuffix(", else false")
        default = "on" if default == "true" else ""
    return f"{meaning} (default: {default})" if default else meaning


def _option(name: str, help_text: str, *, is_repeated: bool, panel: str | None) -> inspect.Parameter:
    # Texts, also of numbers: the settings say what is wrong with one, in the same words wherever it stood.
    kind: type = list[str] if is_repeated else str
    flag, metavar = flag_of(name), metavar_of(name)
    if metavar is None:
        kind = bool
    if Settings.model_fields[name].default is True:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"  # or nobody could turn it off
    option = typer.Option(
        flag, help=help_text, metavar=metavar, rich_help_panel=panel, autocompletion=_completion(choices_of(name))
    )
    annotation = Annotated[Optional[kind], option]  # type: ignore[valid-type]  # noqa: UP045  # a type that is known only now
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _completion(choices: Sequence[str]) -> Callable[[str], list[str]] | None:
    """Let a shell complete what can be chosen; behind commas too, as lists have them."""

    def complete(incomplete: str) -> list[str]:
        before, comma, _ = incomplete.rpartition(",")
        return [f"{before}{comma}{choice}" for choice in choices if f"{before}{comma}{choice}".startswith(incomplete)]

    return complete if choices else None
