"""Ports."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from collector.render.parts import bar, cell, counted, format_bytes, format_count, head_of, listing
from collector.views.ports import PortsAnswer


def ports_table(answer: PortsAnswer) -> RenderableType:
    """Show the ports with the longest queues."""
    waiting = f"{format_bytes(answer.queue_bytes)} wait in them" if answer.queue_bytes else "nothing waits in any"
    total = Text(f"{counted(answer.port_count, 'port')} of {format_count(answer.port_limit)}, {waiting}")
    parts: list[RenderableType] = [head_of(answer), total]
    if answer.not_answering:
        held = f"held by their driver, nothing is known of them: {', '.join(answer.not_answering)}"
        parts.append(cell(held, "bold yellow"))
    if not answer.ports:
        return Group(*parts)
    table = listing(
        "driver or program", "port", "waits", "", "read", "written", "owner",
        numbers=("waits", "read", "written"), folds=("driver or program", "owner"),
    )  # fmt: skip
    longest = max(row.queue_bytes for row in answer.ports)
    for row in answer.ports:
        table.add_row(
            cell(row.name, "bold"),
            cell(row.id),
            Text(format_bytes(row.queue_bytes), "bold yellow" if row.queue_bytes else ""),
            bar(row.queue_bytes, longest),
            format_bytes(row.input_bytes),
            format_bytes(row.output_bytes),
            cell(row.owner_name or row.owner),
        )
    return Group(*parts, Text(), table)
