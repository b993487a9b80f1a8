"""What every drawing is made of: sizes, counts, bars, and texts from a node that cannot harm a terminal."""

from __future__ import annotations

from typing import Final

from rich.table import Table
from rich.text import Text

from collector.models import Answer, ProbeAnswer
from collector.render.listing import Listing, Share

# Where a process of a behaviour waits for something to do.
_IDLE_LOOPS: Final = frozenset(
    {
        "erlang:hibernate",
        "gen_event:fetch_msg",
        "gen_server:loop",
        "gen_server:loop_hibernate",
        "gen_statem:loop",
        "gen_statem:loop_hibernate",
        "gen_statem:loop_receive",
    }
)
COST_TO_TELL_SECONDS: Final = 0.1  # of one scheduler: from here on a person should know what a look costs


def listing(
    *columns: str, numbers: tuple[str, ...] = (), folds: tuple[str, ...] = (), clips: tuple[str, ...] = ()
) -> Listing:
    """Begin a table: see `Listing`."""
    return Listing(columns, numbers, folds, clips)


def facts_table() -> Table:
    """Begin a list of facts about one thing: a word for each, and what it is."""
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    return facts


def bar(part: float, whole: float) -> Share:
    """Draw a share."""
    return Share(min(1.0, part / whole) if whole > 0 else 0.0)


def head_of(answer: Answer) -> Text:
    """Say which node of which instance answered and when; of a sweep, what is left out, and what it cost if much."""
    moment = answer.collected_at.strftime("%H:%M:%S UTC")
    instance = f", instance {answer.node.instance_id}" if answer.node.instance_id else ""
    line = Text.assemble((printable(answer.node.name), "bold"), (f"{instance}, {moment}", "dim"))
    if isinstance(answer, ProbeAnswer):
        if answer.cost_seconds >= COST_TO_TELL_SECONDS:
            line.append(f", cost the node {format_seconds(answer.cost_seconds)} of one scheduler", "dim")
        for what in answer.left_out:
            line.append(f"\nnot complete: {printable(what)}", "yellow")
    return line


def printable(text: str) -> str:
    """Return a text without what a terminal would obey: a node may name a process as it likes."""
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)


def cell(text: str | None, style: str = "") -> Text:
    """Put a text from a node into a cell; a dash where there is none."""
    return Text("-", "dim") if text is None else Text(printable(text), style)


def is_idle_loop(function: str | None) -> bool:
    """Tell whether a process that is in this function, ``gen_server:loop/7``, has nothing to do."""
    return function is not None and function.rpartition("/")[0] in _IDLE_LOOPS


def known(value: object) -> str:
    """Print a value, or that it is not known."""
    return "not known" if value is None else str(value)


def format_count(count: int) -> str:
    """Print a count with its thousands apart."""
    return f"{count:,}"


def counted(count: int, one: str, several: str | None = None) -> str:
    """Print a count of things: ``1 table``, ``2 tables``."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def format_seconds(seconds: float) -> str:
    """Print a duration that is short for a person."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def format_duration(seconds: float) -> str:
    """Print a duration that is long for a person, in its largest unit."""
    for unit, size_seconds in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size_seconds:
            return f"{seconds / size_seconds:.0f} {unit}"
    return f"{seconds:.0f} s"


def format_bytes(size_bytes: int) -> str:
    """Print a size with three significant digits, in binary units."""
    size, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    digits = 0 if unit == "B" or size >= 100 else 1 if size >= 10 else 2
    return f"{size:.{digits}f} {unit}"
