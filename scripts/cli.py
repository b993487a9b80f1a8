"""Writes docs/cli.md anew from the command line itself: .venv/bin/python -m scripts.cli

A test compares, so nothing in that page is edited by hand. What is read are the commands as typer has them, not the
help as a terminal shows it, which is another at every width.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

import typer.main
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from collector import cli
from collector.command_line.consent import Exit
from collector.command_line.diagnose import FIRST_STATUS
from collector.command_line.flags import CONNECTION
from collector.setting_words import GROUPS

PAGE: Final = Path(__file__).parent.parent / "docs" / "cli.md"

HEAD: Final = f"""\
<!-- Made by `.venv/bin/python -m scripts.cli` from the commands in collector/. -->

# The command line

`beamwarden serve` is the collector. Every other command asks: a collector, or with `--node` a node itself. What they
show, and which line of the playbook each stands for, is in [diagnostics.md](diagnostics.md). With `--help` each says
what this page says, and `beamwarden --version` says which release it is.

Behind a pipe no line is broken, and `--json` prints what the API says. Options that are settings may as well be
variables, or stand in `beamwarden.toml`: [settings.md](settings.md).

## How a command ends

| status | means |
|---|---|
| 0 | it has answered, or done what was asked for |
| 1 | there is no answer, the node is down, or nothing has that name; of `audit verify`: the journal was changed |
| 2 | a setting or an option is wrong |
| {Exit.REFUSED:d} | of what changes a node: it was refused, by a guard, for lack of a right or by you |
| {Exit.DOWN:d} | of `restart`: the child is down, or it did not hold |
| {Exit.UNKNOWN:d} | of what changes a node: what became of it is not known |
| {FIRST_STATUS + 1} to {FIRST_STATUS + 4} | of `diagnose`: SEV-1 to SEV-4 |
"""
WHOM_HEAD: Final = """\
## Whom to ask

Without these a command asks the collector on this machine, so that it needs no flag in a shell inside the sidecar."""
HOW_HEAD: Final = """\
With `--node` and without `--url` these [settings](settings.md#nodes) say how to reach it:"""
MANNER_HEAD: Final = """\
## How it is shown
"""


class Example(NamedTuple):
    """A line that somebody may type, without the name of the program, and what it is for."""

    line: str
    purpose: str


# By the name of the command. A test has each parsed as the program would.
EXAMPLES: Final[Mapping[str, tuple[Example, ...]]] = MappingProxyType(
    {
        "serve": (
            Example(
                "serve --node tai_autonomics@127.0.0.1 --cookie-file /secrets/erlang-cookie", "one node, from beside it"
            ),
            Example("serve --config /etc/beamwarden.toml", "all that is set stands in a file"),
        ),
        "diagnose": (
            Example("diagnose", "the first command of an incident"),
            Example("diagnose --json", "the same for a program"),
        ),
        "autopsy": (Example("autopsy log.json", "of the instances in a log the one that died last"),),
        "memory": (Example("memory --watch", "memory by kind, again and again"),),
        "node": (
            Example("node --node tai_autonomics@127.0.0.1:9100 --cookie-file cookie", "a node itself, without epmd"),
        ),
        "processes": (
            Example("processes --limit 5", "who has the most memory"),
            Example("processes --sort message_queue_len", "who has the longest mailbox"),
        ),
        "mailboxes": (Example("mailboxes --watch", "where messages wait, at a fifth to a tenth of that cost"),),
        "busy": (Example("busy --window 5", "who did most within five seconds"),),
        "process": (
            Example("process receipt_store", "one process, by its name"),
            Example("process 0.123.0", "by its pid"),
        ),
        "ets": (Example("ets --sort size", "the tables with the most rows, behind those that are watched"),),
        "table": (Example("table receipt_ledger", "one table, or all of a name"),),
        "supervisors": (Example("supervisors", "all trees, what does not run, and the restarts that are left"),),
        "supervisor": (Example("supervisor governance_sup", "one supervisor, and what is below it"),),
        "governors": (Example("governors --limit 10", "the worst ten"),),
        "governor": (
            Example("""governor '{billing_governor,<<"acme">>}'""", "the state that one governor is in"),
        ),
        "applications": (Example("applications", "which run, and which do not"),),
        "ports": (Example("ports --limit 5", "where most data waits for the outside"),),
        "binaries": (Example("binaries --processes", "what binaries take, and who holds them"),),
        "top": (Example("top --interval 5", "all of it, live"),),
        "restart": (
            Example("restart governance_sup --under tai_autonomics_sup", "shows what it would take with it, and asks"),
            Example(
                'restart receipt_store --yes --reason "receipts hang, see #inc-412" --accept-data-loss receipt_ledger',
                "asks nothing",
            ),
        ),
        "gc": (Example("gc receipt_store", "asks, and says what it freed"),),
        "ets-delete": (Example("ets-delete receipt_ledger 42 --dry-run", "how many rows that would be"),),
        "token": (),
        "token create": (Example("token create --role operator --name maria > maria.token", "after umask 077"),),
        "token list": (Example("token list", "never the tokens themselves"),),
        "token revoke": (Example("token revoke maria", "a running collector knows at once"),),
        "audit": (Example("audit --limit 5", "the newest five entries"),),
        "audit verify": (
            Example(
                "audit verify --head 49e1ae6b9583ecba57b7055a8ace5ebf12971e72a6e46617171ebfdb1ec9249d",
                "against a journal_head of the log",
            ),
        ),
        "completion": (
            Example("completion bash > ~/.local/share/bash-completion/completions/beamwarden", "in every bash"),
        ),
    }
)  # fmt: skip

Command: TypeAlias = TyperCommand | TyperGroup


def root() -> TyperGroup:
    """Return the whole command line."""
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    return group


def commands(group: TyperGroup, before: str = "") -> Iterator[tuple[str, Command]]:
    """Give every command by its name, those of a group behind it."""
    for name, command in group.commands.items():
        assert isinstance(command, TyperCommand | TyperGroup)
        yield f"{before}{name}", command
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{before}{name} ")


def all_flags() -> frozenset[str]:
    """Return every option that there is, as it is typed."""
    return frozenset(
        flag for _name, command in commands(root()) for option in _options(command) for flag in option.opts
    )


def page() -> str:
    """Return the whole page."""
    everything = dict(commands(root()))
    asking = _options(everything["memory"])
    how = [option for option in asking if option.name in CONNECTION and option.name != "cookie_file"]
    whom = [option for option in asking if option.rich_help_panel and option not in how]
    manner = [option for option in asking if not option.rich_help_panel]
    parts = [HEAD, WHOM_HEAD, "", *_table(whom), "", HOW_HEAD, _names(how) + ".", ""]
    parts += [MANNER_HEAD, *_table(manner), ""]
    shared = _Shared(_keys(whom), _keys(how), _keys(manner))
    for name, command in everything.items():
        parts += _section(name, command, shared)
    return "\n".join(parts)


class _Shared(NamedTuple):
    """Options that most commands have, told once."""

    whom: frozenset[str]
    how: frozenset[str]
    manner: frozenset[str]


def _section(name: str, command: Command, shared: _Shared) -> Iterator[str]:
    arguments = [one for one in command.params if isinstance(one, TyperArgument)]
    words = " ".join((one.name or "").upper() for one in arguments)
    yield f"## beamwarden {name}"
    yield ""
    yield from _paragraphs(command.help or "")
    if not isinstance(command, TyperGroup) or command.invoke_without_command:
        yield "```"
        yield " ".join(word for word in ("beamwarden", name, words, "[OPTIONS]") if word)
        yield "```"
        yield ""
    for example in EXAMPLES[name]:
        yield f"- `beamwarden {example.line}`: {example.purpose}"
    if EXAMPLES[name]:
        yield ""
    yield from _parameters(command, arguments, shared)
    if command.epilog:
        yield from _paragraphs(command.epilog)
    if isinstance(command, TyperGroup):
        yield f"Below it: {', '.join(f'`{name} {inner}`' for inner in command.commands)}."
        yield ""


def _parameters(command: Command, arguments: list[TyperArgument], shared: _Shared) -> Iterator[str]:
    options = _options(command)
    keys = _keys(options)
    if command.name == "serve":  # all that it has are settings
        yield from _groups(options)
        return
    common = frozenset[str]().union(*(part for part in shared if part <= keys))
    own = [one for one in options if _key(one) not in common]
    settings = [one for one in own if one.name in _SETTINGS and shared.whom <= keys]
    rest: list[TyperOption | TyperArgument] = [*arguments, *(one for one in own if one not in settings)]
    if rest:
        yield from _table(rest)
        yield ""
    links = [
        *(["[whom to ask](#whom-to-ask)"] if shared.whom <= keys else []),
        *(["[how it is shown](#how-it-is-shown)"] if shared.manner <= keys else []),
    ]
    if links:
        yield f"Its {'other options' if rest else 'options'} are those of {' and '.join(links)}."
    if settings:
        yield f"When a node is asked itself, these [settings](settings.md) count too: {_names(settings)}."
    if links or settings:
        yield ""


_SETTINGS: Final = frozenset(name for names in GROUPS.values() for name in names)


def _groups(options: list[TyperOption]) -> Iterator[str]:
    yield "Its options are settings, which [settings.md](settings.md) explains with their defaults:"
    yield ""
    yield "| settings | options |"
    yield "|---|---|"
    for title, names in GROUPS.items():
        if told := _names([option for option in options if option.name in names]):
            anchor = title.lower().replace(" ", "-").replace(",", "")
            yield f"| [{title}](settings.md#{anchor}) | {told} |"
    yield f"| | {_names([option for option in options if option.name not in _SETTINGS])} |"
    yield ""


def _table(parameters: Sequence[TyperOption | TyperArgument]) -> Iterator[str]:
    yield "| | | default |"
    yield "|---|---|---|"
    for one in parameters:
        yield f"| {_cell(_spelled(one))} | {_cell(_told(one))} | {_cell(_default(one))} |"


def _spelled(parameter: TyperOption | TyperArgument) -> str:
    if isinstance(parameter, TyperArgument):
        return f"`{(parameter.name or '').upper()}`"
    flags = ", ".join(f"`{flag}`" for flag in (*parameter.opts, *parameter.secondary_opts))
    if parameter.is_flag:
        return flags
    value = parameter.metavar or "|".join(map(str, parameter.type_descriptor.choices or ("VALUE",)))
    return f"{flags.removesuffix('`')} {value}`"


def _told(parameter: TyperOption | TyperArgument) -> str:
    """Return what it is, what it may be, and whether it has to be there."""
    text = (parameter.help or "").partition(" (default: ")[0]
    is_option = isinstance(parameter, TyperOption)
    if (choices := parameter.type_descriptor.choices) and not is_option:
        text += f": {', '.join(f'`{choice}`' for choice in choices)}"
    elif parameter.type_descriptor.parameter_info.min is not None:
        text += (
            f", {parameter.type_descriptor.parameter_info.min:g} to {parameter.type_descriptor.parameter_info.max:g}"
        )
    return f"{text}; it must be given" if is_option and parameter.required else text


def _default(parameter: TyperOption | TyperArgument) -> str:
    _, in_words, told = (parameter.help or "").partition(" (default: ")
    if in_words:
        return told.removesuffix(")")
    value = parameter.default
    if isinstance(value, bool) or not value:
        return ""
    return f"`{value:g}`" if isinstance(value, int | float) else f"`{value}`"


def _options(command: Command) -> list[TyperOption]:
    return [one for one in command.params if isinstance(one, TyperOption)]


def _key(option: TyperOption) -> str:
    """Tell options apart that are named alike and are not the same."""
    return f"{option.opts} {option.help}"


def _keys(options: list[TyperOption]) -> frozenset[str]:
    return frozenset(map(_key, options))


def _names(options: list[TyperOption]) -> str:
    return ", ".join(_cell(_spelled(option)) for option in options)


def _paragraphs(text: str) -> Iterator[str]:
    """Give a text as paragraphs; what is indented or in columns stays as it is."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if "  " in paragraph:
            first, *lines = paragraph.split("\n")
            yield from (first, "", "```", *lines, "```", "")
        else:
            yield from (paragraph.replace("\n", " "), "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
