"""Pages as lines of text: columns as wide as the terminal allows, each row one line, the selected one marked."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console, RenderableType
from rich.text import Text

from collector.render.listing import shorten
from collector.top.pages import Column, Page, Row

GAP_CELLS: Final = 2
MARK: Final = "> "  # before the row that is selected, for whoever sees no reverse video
NO_MARK: Final = "  "


def page_lines(page: Page, width: int, height: int, selected: int) -> list[Text]:
    """Draw a page in so many lines of so many cells: its summary, its titles, and as many rows as fit.

    The rows are those around the selected one.
    """
    lines = [_cut(line, width) for line in page.summary.split("\n")]
    if not page.rows:
        return lines[:height]
    room = max(1, height - len(lines) - 1)
    first = first_shown(selected, room, len(page.rows))
    shown = page.rows[first : first + room]
    widths = column_widths(page.columns, shown, width - cell_len(MARK))
    titles = _line([Text(column.heading) for column in page.columns], page.columns, widths)
    lines.append(Text.assemble(NO_MARK, titles, style="bold underline"))
    for number, row in enumerate(shown, first):
        line = _line(row.cells, page.columns, widths)
        is_selected = number == selected
        lines.append(Text.assemble(MARK if is_selected else NO_MARK, line, style="reverse" if is_selected else ""))
    return [_padded(line, width) for line in lines[:height]]


def first_shown(selected: int, room: int, rows: int) -> int:
    """Return the first row that is shown, so that the selected one is, and no line is left empty that need not be."""
    return max(0, min(selected - room // 2, rows - room))


def rendered_lines(renderable: RenderableType, width: int) -> list[Text]:
    """Draw anything in lines of so many cells."""
    console = Console(
        file=io.StringIO(), width=max(20, width), force_terminal=True, color_system="standard", legacy_windows=False
    )
    with console.capture() as captured:
        console.print(renderable)
    return [Text.from_ansi(line) for line in captured.get().splitlines()]


def column_widths(columns: Sequence[Column], rows: Sequence[Row], available: int) -> list[int]:
    """Share out the cells of a line among the columns; one that gets 0 is left out."""
    natural = [
        max([cell_len(column.heading), *(row.cells[number].cell_len for row in rows)])
        for number, column in enumerate(columns)
    ]
    least = [min(column.least or width, width) for column, width in zip(columns, natural, strict=True)]
    shown = list(range(len(columns)))
    while len(shown) > 1 and _needed(least, shown) > available:
        shown.remove(max(shown, key=lambda number: (columns[number].rank, number)))
    widths = [least[number] if number in shown else 0 for number in range(len(columns))]
    spare = available - _needed(least, shown)
    for number in sorted(shown, key=lambda number: columns[number].rank):
        more = max(0, min(spare, natural[number] - widths[number]))
        widths[number] += more
        spare -= more
    return widths


def _needed(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[number] for number in shown) + GAP_CELLS * (len(shown) - 1)


def _line(cells: Sequence[Text], columns: Sequence[Column], widths: Sequence[int]) -> Text:
    parts = [
        _fitted(cell, width, is_number=column.is_number)
        for cell, column, width in zip(cells, columns, widths, strict=True)
        if width
    ]
    return Text(" " * GAP_CELLS).join(parts)


def _fitted(cell: Text, width: int, *, is_number: bool) -> Text:
    if cell.cell_len > width:
        return Text(set_cell_size(shorten(cell.plain, width), width), cell.style)
    filling = " " * (width - cell.cell_len)
    return Text.assemble(filling, cell) if is_number else Text.assemble(cell, filling)


def _cut(line: Text, width: int) -> Text:
    if line.cell_len <= width:
        return line
    line = line.copy()
    line.truncate(width, overflow="ellipsis")
    return line


def _padded(line: Text, width: int) -> Text:
    line = _cut(line, width)
    return Text.assemble(line, " " * (width - line.cell_len), style=line.style)
