"""ETS tables: first the watched ones with their rows over time, then the largest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from rich.text import Text

from collector.render.parts import cell, counted, format_bytes, format_count
from collector.render.tables import table_facts
from collector.top.over_time import OverTime
from collector.top.pages import Column, Page, Row, Subject, look, row, subject
from collector.views import MAX_LIMIT
from collector.views.tables import TABLE, TABLES, TableAnswerRow, TableQuery, TablesAnswer, TablesQuery, WatchedTables
from collector.views.trend import ChangeRow, TableTrend, TrendAnswer

LINE_CELLS: Final = 12  # of rows over time

_TABLE: Final = Column("table", least=16)
_ROWS: Final = Column("rows", is_number=True)
_MEMORY: Final = Column("memory", is_number=True)
_OTHERS: Final = (
    Column("rows over time", rank=1),
    Column("how they change", rank=2),
    Column("owner", least=10, rank=3),
    Column("type", least=10, rank=4),
    Column("id", least=10, rank=5),
)
_COLUMNS: Final = {
    "memory": (_TABLE, _ROWS, replace(_MEMORY, is_order=True), *_OTHERS),
    "size": (_TABLE, replace(_ROWS, is_order=True), _MEMORY, *_OTHERS),
}
_UNKNOWN: Final = Text("not known", "yellow")


def _page(answer: TablesAnswer, trend: TrendAnswer | None) -> Page:
    of_time = {table.name: table for table in trend.tables} if trend else {}
    watched = [_watched_row(one, of_time, trend) for one in answer.watched]
    largest = [_largest_row(one) for one in answer.tables]
    total = f"{counted(answer.table_count, 'table')}, {format_bytes(answer.memory_bytes)} together"
    names = f"; first the {len(watched)} of watch_tables" if watched else ""
    return Page(Text(total + names), _COLUMNS[answer.sort], (*watched, *largest))


def _watched_row(one: WatchedTables, of_time: Mapping[str, TableTrend], trend: TrendAnswer | None) -> Row:
    found = of_time.get(one.name)
    over_time = ("", "") if found is None or trend is None else _over_time(found, trend)
    if one.count == 0:
        return row(("watched", one.name), cell(f"* {one.name}"), "", "no such", *over_time, "", "", "")
    of_several = counted(one.count, "table") if one.count > 1 or not one.largest else None
    return row(
        ("watched", one.name),
        cell(f"* {one.name}", "bold"),
        _UNKNOWN if one.size is None else Text(format_count(one.size)),
        _UNKNOWN if one.memory_bytes is None else Text(format_bytes(one.memory_bytes)),
        *over_time,
        of_several or _owner(one.largest[0]),
        of_several or f"{one.largest[0].type}, {one.largest[0].protection}",
        of_several or one.largest[0].id,
        look=look(TABLE, TableQuery(name=one.name), f"table {one.name}", table_facts),
    )


def _largest_row(one: TableAnswerRow) -> Row:
    return row(
        one.id,
        cell(f"  {one.name}"),
        format_count(one.size),
        format_bytes(one.memory_bytes),
        "",
        "",
        _owner(one),
        cell(f"{one.type}, {one.protection}", "dim"),
        cell(one.id, "dim"),
        look=look(TABLE, TableQuery(name=one.id), f"table {one.name}", table_facts),
    )


def _owner(one: TableAnswerRow) -> str:
    return one.owner_name or one.owner


def _over_time(table: TableTrend, trend: TrendAnswer) -> tuple[str, str]:
    """Draw how the rows have changed, and say it in words: whether they have ever become fewer."""
    change = table.size.change
    if change is None or change.per_minute is None:
        return "", ""
    return OverTime(trend).line(table.size, LINE_CELLS), _in_words(change, change.per_minute)


def _in_words(change: ChangeRow, per_minute: float) -> str:
    if change.smallest == change.largest:
        return "same"
    slope = f"{per_minute:+,.0f}/min" if abs(per_minute) >= 1 else f"{per_minute * 60:+,.0f}/h"
    return f"{slope} {'never fell' if change.falls == 0 else f'fell {change.falls}x'}"


BY_MEMORY: Final[Subject[TablesAnswer]] = subject(TABLES, TablesQuery(sort="memory", limit=MAX_LIMIT), _page)
BY_ROWS: Final[Subject[TablesAnswer]] = subject(TABLES, TablesQuery(sort="size", limit=MAX_LIMIT), _page)
