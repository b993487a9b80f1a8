"""What a table gives up first in a narrow terminal, and what it never does."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from collector.render.listing import LEAST_CELLS, MAX_LINES, Listing, Share, shorten
from collector.render.parts import cell

NAME_CELLS = LEAST_CELLS[2][0]


def listing(*rows: tuple[str, str, float, str]) -> Listing:
    made = Listing(("pid", "process", "size", "", "in"), numbers=("size",), folds=("process", "in"))
    for name, size, fraction, function in rows:
        made.add_row("<0.123.0>", cell(name), size, Share(fraction), cell(function))
    return made


def printed(made: Listing, width: int, encoding: str = "utf-8") -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=file, width=width).print(made)
    file.flush()
    assert isinstance(file.buffer, io.BytesIO)
    return file.buffer.getvalue().decode(encoding).splitlines()


USUAL = ("tai_receipt_store", "4.01 MiB", 1.0, "gen_statem:loop_receive/3")


def bar_of(lines: list[str]) -> int:
    return max(line.count("█") for line in lines)


def test_in_a_wide_terminal_everything_is_there() -> None:
    lines = printed(listing(USUAL), 120)
    assert len(lines) == 3
    assert lines[2].split() == ["<0.123.0>", "tai_receipt_store", "4.01", "MiB", "█" * 24, "gen_statem:loop_receive/3"]


def test_the_bar_gives_way_before_a_text_is_broken() -> None:
    lines = printed(listing(USUAL), 80)
    assert 6 <= bar_of(lines) < 24
    assert len(lines) == 3


def test_a_bar_that_would_say_nothing_is_left_out() -> None:
    lines = printed(listing(USUAL), 68)
    assert bar_of(lines) == 0
    assert len(lines) == 3


def test_a_bar_of_nothing_takes_no_room() -> None:
    assert cell_len(printed(listing(("a", "0 B", 0.0, "b")), 80)[1]) == len("<0.123.0>  process  size  in")


@pytest.mark.parametrize("width", [60, 80])
def test_a_name_keeps_its_cells_when_what_is_beside_it_is_long(width: int) -> None:
    lines = printed(listing(("n" * NAME_CELLS, "4.01 MiB", 1.0, "f" * 60)), width)
    assert any("n" * NAME_CELLS in line for line in lines)
    assert max(map(cell_len, lines)) <= width


def test_what_is_beside_a_long_name_is_not_crushed() -> None:
    lines = printed(listing(("n" * 255, "4.01 MiB", 1.0, "timer:sleep/1")), 80)
    assert "timer:sleep/1" in lines[2]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("name", ["n" * 255, "テーブル" * 60, "красный" * 30, "e\u0301" * 200])
def test_a_long_name_takes_a_few_lines_of_the_width_and_loses_its_middle(width: int, name: str) -> None:
    lines = printed(listing((name, "4.01 MiB", 1.0, "timer:sleep/1")), width)
    assert max(map(cell_len, lines)) <= width
    assert 2 < len(lines) <= 2 + MAX_LINES
    assert sum("…" in line for line in lines) == (cell_len(name) > MAX_LINES * 40)


@pytest.mark.parametrize("width", [20, 30, 40, 50])
def test_in_the_narrowest_terminal_numbers_stay_and_the_last_texts_go(width: int) -> None:
    lines = printed(listing(USUAL), width)
    assert max(map(cell_len, lines)) <= width
    if width >= 40:
        assert "4.01 MiB" in lines[2]


def test_where_only_ascii_is_known_there_is_nothing_else() -> None:
    lines = printed(listing(USUAL), 120, "ascii")
    assert "#" * 24 in lines[2]
    assert set(lines[1]) == {"-"}
    assert "|" not in "".join(lines)


def test_numbers_are_on_the_right() -> None:
    lines = printed(listing(USUAL, ("a", "7 B", 0.5, "b")), 120)
    assert lines[2].index("4.01 MiB") + len("4.01 MiB") == lines[3].index("7 B") + len("7 B")


def test_a_clipped_text_stays_on_its_line() -> None:
    made = Listing(("name", "what it is"), folds=("name",), clips=("what it is",))
    made.add_row("kernel", Text("d" * 100))
    lines = printed(made, 40)
    assert len(lines) == 3
    assert lines[2].endswith("…")


@pytest.mark.parametrize(
    ("text", "cells", "short"),
    [
        ("abc", 3, "abc"),
        ("abcdef", 5, "ab…ef"),
        ("abcdef", 1, "…"),
        ("テーブル", 6, "テ…ル"),
        ("テーブル", 5, "テ…ル"),
        ("", 0, ""),
    ],
)
def test_a_text_is_shortened_in_its_middle(text: str, cells: int, short: str) -> None:
    assert shorten(text, cells) == short
