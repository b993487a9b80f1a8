from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from collector.top.layout import column_widths, first_shown, page_lines, rendered_lines
from collector.top.pages import Column, Page, row

COLUMNS = (
    Column("pid"),
    Column("process", least=6),
    Column("memory", is_number=True, is_order=True),
    Column("in", least=4, rank=1),
)


def page(rows: int = 3) -> Page:
    made = tuple(row(n, f"<0.{n}.0>", "receipt_store", f"{n} MiB", "gen_server:loop/7") for n in range(rows))
    return Page(Text("3 processes"), COLUMNS, made)


def drawn(found: Page, width: int, height: int = 10, selected: int = 0) -> list[str]:
    return [line.plain.rstrip() for line in page_lines(found, width, height, selected)]


def test_a_page_has_a_summary_titles_and_rows_and_the_chosen_row_is_marked_without_a_colour() -> None:
    assert drawn(page(), 60, selected=1) == [
        "3 processes",
        "  pid      process        memory▼  in",
        "  <0.0.0>  receipt_store    0 MiB  gen_server:loop/7",
        "> <0.1.0>  receipt_store    1 MiB  gen_server:loop/7",
        "  <0.2.0>  receipt_store    2 MiB  gen_server:loop/7",
    ]


def test_where_there_is_less_room_texts_lose_their_middle() -> None:
    assert drawn(page(1), 44)[2] == "> <0.0.0>  receipt_store    0 MiB  gen_…op/7"
    assert drawn(page(1), 35)[2] == "> <0.0.0>  rece…tore    0 MiB  g…/7"


def test_where_there_is_no_room_what_says_least_is_left_out() -> None:
    assert drawn(page(1), 28)[1:] == ["  pid      process   memory▼", "> <0.0.0>  rec…tore    0 MiB"]


def test_a_number_is_never_cut() -> None:
    found = Page(Text("s"), COLUMNS, (row(1, "<0.1.0>", "x" * 90, "123,456,789 B", "y" * 90),))
    assert "123,456,789 B" in drawn(found, 40)[2]


def test_an_empty_page_is_its_summary() -> None:
    assert drawn(Page(Text("no message waits"), COLUMNS, ()), 40) == ["no message waits"]


def test_rows_around_the_chosen_one_are_shown() -> None:
    lines = drawn(page(100), 60, height=7, selected=50)
    assert [line[2:11].strip() for line in lines[2:]] == ["<0.48.0>", "<0.49.0>", "<0.50.0>", "<0.51.0>", "<0.52.0>"]
    assert lines[4].startswith("> ")


@pytest.mark.parametrize(("selected", "first"), [(0, 0), (2, 0), (5, 3), (99, 95)])
def test_no_line_is_left_empty_that_need_not_be(selected: int, first: int) -> None:
    assert first_shown(selected, 5, 100) == first


def test_fewer_rows_than_lines_begin_at_the_top() -> None:
    assert first_shown(2, 10, 3) == 0


@given(
    st.lists(st.tuples(*[st.text(max_size=40)] * 4), max_size=12),
    st.integers(1, 200),
    st.integers(1, 30),
    st.integers(0, 11),
)
def test_a_page_keeps_to_its_room(cells: list[tuple[str, ...]], width: int, height: int, selected: int) -> None:
    found = Page(Text("3 processes"), COLUMNS, tuple(row(n, *each) for n, each in enumerate(cells)))
    lines = page_lines(found, width, height, min(selected, max(0, len(cells) - 1)))
    assert len(lines) <= height
    assert all(line.cell_len <= width for line in lines)


@given(st.integers(1, 300))
def test_columns_share_what_there_is(available: int) -> None:
    widths = column_widths(COLUMNS, page().rows, available)
    shown = [width for width in widths if width]
    assert shown
    if len(shown) > 1:
        assert sum(shown) + 2 * (len(shown) - 1) <= available


def test_a_text_of_a_node_cannot_harm_the_terminal() -> None:
    found = Page(Text("s"), COLUMNS, (row(1, "<0.1.0>", "\x1b[2J\n", "1", ""),))
    assert drawn(found, 60)[2] == "> <0.1.0>  \\x1b[2J\\x0a        1"


def test_anything_that_can_be_printed_becomes_lines() -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row(Text("pid", "dim"), "<0.1.0>")
    table.add_row("name", "receipt_store")
    assert [line.plain.rstrip() for line in rendered_lines(table, 40)] == ["pid   <0.1.0>", "name  receipt_store"]
