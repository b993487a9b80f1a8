"""A table that stays readable in a narrow terminal: first its bars give way, then what is least of its texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.bar import Bar
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

BAR_CELLS: Final = 24
LEAST_BAR_CELLS: Final = 6  # a shorter one says nothing
WANTED_CELLS: Final = 40  # for a text, before a bar gets any: longer ones are rare
# How far texts give way, in turns: to these of the first one, which is the name, and then to these of the others.
LEAST_CELLS: Final = ((48, 24), (32, 18), (24, 12), (12, 12))
LEAST_CLIPPED_CELLS: Final = 8
MAX_LINES: Final = 3  # of one cell: what is longer loses its middle
GAP_CELLS: Final = 2

_PLAIN_HEAD: Final = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, drawn as a bar."""

    fraction: float

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, BAR_CELLS)
        if options.ascii_only:
            yield Text("#" * round(self.fraction * width))
        else:
            yield Bar(1.0, 0.0, self.fraction, width=width, color="cyan")

    def __rich_measure__(self, _console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(0, min(options.max_width, BAR_CELLS))


class Listing:
    """A table. ``numbers`` are right-aligned.

    ``clips`` lose their ends where there is no room. ``folds`` take several lines; the first of them is the last to.
    """

    def __init__(
        self,
        columns: Sequence[str],
        numbers: Sequence[str] = (),
        folds: Sequence[str] = (),
        clips: Sequence[str] = (),
    ) -> None:
        self._columns = tuple(columns)
        self._numbers = frozenset(numbers)
        self._folds = tuple(self._columns.index(name) for name in folds)
        self._clips = tuple(self._columns.index(name) for name in clips)
        self._rows: list[list[Text | Share]] = []

    def add_row(self, *cells: str | Text | Share) -> None:
        """Add a row, which has a cell for each column."""
        assert len(cells) == len(self._columns)
        self._rows.append([Text(each) if isinstance(each, str) else each for each in cells])

    def __rich_measure__(self, _console: Console, options: ConsoleOptions) -> Measurement:
        widths = self._widths(options.max_width)
        return Measurement(1, min(options.max_width, sum(widths) + _gaps(widths)))

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        widths = self._widths(options.max_width)
        shown = [number for number, width in enumerate(widths) if width]
        style = _PLAIN_HEAD if options.ascii_only else box.SIMPLE_HEAD
        table = Table(box=style, show_edge=False, pad_edge=False, padding=(0, GAP_CELLS - 1, 0, 0))
        for number in shown:
            is_folding = number in self._folds
            table.add_column(
                self._columns[number],
                justify="right" if self._columns[number] in self._numbers else "left",
                width=widths[number],
                no_wrap=not is_folding,
                overflow="fold" if is_folding else "ellipsis",
            )
        for row in self._rows:
            table.add_row(*(_fitting(row[number], widths[number]) for number in shown))
        yield table

    def _widths(self, available: int) -> list[int]:
        """Share out the cells of a line; what gets none is left out."""
        widths = [self._natural(number) for number in range(len(self._columns))]
        giving_way = [*((number, LEAST_CLIPPED_CELLS) for number in self._clips)]
        for of_first, of_others in LEAST_CELLS:
            giving_way += [(number, of_first) for number in self._folds[:1]]
            giving_way += [(number, of_others) for number in reversed(self._folds[1:])]
        for number in filter(self._is_bar, range(len(widths))):
            wanted = [min(width, WANTED_CELLS) if other in self._folds else width for other, width in enumerate(widths)]
            left = available - sum(wanted) - _gaps(widths) + widths[number]
            widths[number] = 0 if left < LEAST_BAR_CELLS else min(left, widths[number])
        for number, least in giving_way:
            excess = max(0, sum(widths) + _gaps(widths) - available)
            widths[number] = max(min(widths[number], least), widths[number] - excess)
        for number in reversed((*self._folds[1:], *self._clips)):
            if sum(widths) + _gaps(widths) > available:
                widths[number] = 0
        return widths

    def _natural(self, number: int) -> int:
        if self._is_bar(number):
            shares = [each for row in self._rows if isinstance(each := row[number], Share)]
            return BAR_CELLS if any(share.fraction for share in shares) else 0
        cells = (row[number] for row in self._rows)
        return max([cell_len(self._columns[number]), *(each.cell_len for each in cells if isinstance(each, Text))])

    def _is_bar(self, number: int) -> bool:
        return any(isinstance(row[number], Share) for row in self._rows)


def shorten(text: str, cells: int) -> str:
    """Return a text that fits, without its middle if need be: long names differ at their ends."""
    if cell_len(text) <= cells:
        return text
    head, tail = (cells - 1) // 2, (cells - 1) - (cells - 1) // 2
    return _first(text, head) + "…" + _first(text[::-1], tail)[::-1]


def _first(text: str, cells: int) -> str:
    taken = 0
    for number, character in enumerate(text):
        taken += cell_len(character)
        if taken > cells:
            return text[:number]
    return text


def _fitting(cell: Text | Share, width: int) -> Text | Share:
    if isinstance(cell, Share) or cell.cell_len <= width * MAX_LINES:
        return cell
    return Text(shorten(cell.plain, width * MAX_LINES), cell.style)


def _gaps(widths: Sequence[int]) -> int:
    return GAP_CELLS * (sum(width > 0 for width in widths) - 1)
