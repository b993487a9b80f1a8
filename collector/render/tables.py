"""ETS tables: all of them, and one."""

from __future__ import annotations

from collections import Counter

from rich.console import Group, RenderableType
from rich.text import Text

from collector.render.listing import Listing
from collector.render.parts import bar, cell, counted, facts_table, format_bytes, format_count, head_of, listing
from collector.views.tables import FoundTable, TableAnswer, TableAnswerRow, TablesAnswer, WatchedTables


def tables_table(answer: TablesAnswer) -> RenderableType:
    """Show the watched tables, and the largest."""
    # Not "of": from OTP 21 on the limit stops nobody.
    total = Text(
        f"{counted(answer.table_count, 'table')}, {format_bytes(answer.memory_bytes)} together; "
        f"the limit that the node was started with is {format_count(answer.table_limit)}"
    )
    parts: list[RenderableType] = [head_of(answer), total]
    if answer.watched:
        parts += [Text(), _watched_table(answer.watched)]
    table = listing(
        "table", "rows", "memory", "", "owner", "type", numbers=("rows", "memory"), folds=("table", "owner", "type")
    )
    names = Counter(row.name for row in answer.tables)
    largest = max((row.memory_bytes if answer.sort == "memory" else row.size for row in answer.tables), default=0)
    for row in answer.tables:
        table.add_row(
            # The reference only where the name leaves open which one it is.
            cell(row.name if names[row.name] == 1 else f"{row.name} {row.id}", "bold"),
            format_count(row.size),
            format_bytes(row.memory_bytes),
            bar(row.memory_bytes if answer.sort == "memory" else row.size, largest),
            cell(row.owner_name or row.owner),
            cell(f"{row.type}, {row.protection}", "dim"),
        )
    return Group(*parts, Text(), table) if answer.tables else Group(*parts)


def table_facts(answer: TableAnswer) -> RenderableType:
    """Show the table that was asked for, or each of that name."""
    parts: list[RenderableType] = [head_of(answer)]
    if answer.table_count > 1:
        of_all = Text(f"{counted(answer.table_count, 'table')} of this name, ")
        if answer.size is None or answer.memory_bytes is None:
            of_all.append("their size is not known", "yellow")
        else:
            of_all.append(f"{counted(answer.size, 'row')}, {format_bytes(answer.memory_bytes)} together")
        parts.append(of_all)
    for number, one in enumerate(answer.tables):
        parts += [*([Text()] if number or answer.table_count > 1 else []), _facts(one)]
    return Group(*parts)


def _watched_table(watched: list[WatchedTables]) -> Listing:
    table = listing("watched", "rows", "memory", "owner", numbers=("rows", "memory"), folds=("watched", "owner"))
    for one in watched:
        if one.count == 0:
            table.add_row(cell(one.name, "bold"), "", "", Text("no such table", "dim"))
            continue
        table.add_row(
            cell(one.name, "bold"),
            Text("not known", "yellow") if one.size is None else format_count(one.size),
            Text("not known", "yellow") if one.memory_bytes is None else format_bytes(one.memory_bytes),
            _owner_of(one),
        )
    return table


def _owner_of(watched: WatchedTables) -> Text:
    if watched.count > 1:
        missing = f", {watched.not_measured} of them not measured" if watched.not_measured else ""
        return Text(f"{counted(watched.count, 'table')} of this name{missing}", "dim")
    return cell(_owner(watched.largest[0]) if watched.largest else None)


def _owner(row: TableAnswerRow) -> str:
    return row.owner_name or row.owner


def _facts(one: FoundTable) -> RenderableType:
    facts = facts_table()
    facts.add_row("name", cell(one.name, "bold"))
    facts.add_row("id", cell(one.id))
    facts.add_row("rows", format_count(one.size))
    facts.add_row("memory", format_bytes(one.memory_bytes))
    facts.add_row("owner", cell(one.owner if one.owner_name is None else f"{one.owner} {one.owner_name}"))
    facts.add_row("type", cell(f"{one.type}, {one.protection}, key at position {one.key_position}"))
    facts.add_row("heir", Text("none") if one.heir is None else cell(one.heir))
    concurrency = f"read {'true' if one.read_concurrency else 'false'}, write {one.write_concurrency}"
    facts.add_row("concurrency", cell(concurrency))
    facts.add_row("compressed", "yes" if one.is_compressed else "no")
    if one.is_fixed:
        why = "somebody goes through it: deleted rows keep their memory until that ends"
        facts.add_row("fixed", Text(why, "yellow"))
    return facts
