"""Binaries outside of all heaps."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from collector.render.parts import bar, cell, counted, format_bytes, format_count, head_of, listing
from collector.views.binaries import BinariesAnswer, BinaryHolderRow


def binaries_table(answer: BinariesAnswer) -> RenderableType:
    """Show how much binaries take, and who holds them if that was asked."""
    total = Text(f"binaries outside of heaps take {format_bytes(answer.memory_bytes)}")
    if answer.processes is None:
        return Group(head_of(answer), total, Text("who holds them: --processes", "dim"))
    if answer.estimated_bytes is not None and answer.process_count is not None:
        total.append(
            f"; {counted(answer.process_count, 'process', 'processes')} refer to "
            f"{format_bytes(answer.estimated_bytes)}, what several share counted for each"
        )
    if not answer.processes:
        return Group(head_of(answer), total)
    table = listing(
        "pid", "process", "refers to", "", "its binaries", "take",
        numbers=("refers to", "its binaries", "take"), folds=("process",),
    )  # fmt: skip
    largest = max(one.estimated_bytes for one in answer.processes)
    for one in answer.processes:
        process = one.process
        table.add_row(
            process.pid,
            cell(process.initial_call, "dim") if process.name is None else cell(process.name, "bold"),
            format_bytes(one.estimated_bytes),
            bar(one.estimated_bytes, largest),
            *_counted(one),
        )
    return Group(head_of(answer), total, Text(), table)


def _counted(one: BinaryHolderRow) -> tuple[Text, Text]:
    if one.counted is None:
        return Text("not counted", "dim"), cell(None)
    return Text(format_count(one.counted.binaries)), Text(format_bytes(one.counted.size_bytes))
