"""The small cures, as a person reads them before and after."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from collector.cleaning.models import CleaningAnswer, CleaningState, FootprintAnswer
from collector.render.parts import counted, facts_table, format_bytes, format_seconds, printable

_HEADS = {
    CleaningState.PLANNED: "Not done yet",
    CleaningState.DONE: "Done",
    CleaningState.ASKED: "Asked, not done yet",
    CleaningState.NOT_DONE: "NOT done, nothing was changed",
    CleaningState.UNKNOWN: "Not known whether it was done",
}


def cleaning_facts(answer: CleaningAnswer) -> RenderableType:
    """Show what would be done or was, and what stands against it."""
    what = "garbage collection" if answer.action == "gc" else "deletion of a key"
    instance = f", instance {answer.node.instance_id}" if answer.node.instance_id else ""
    head = Text.assemble(
        (f"{'Refused' if answer.refusals else _HEADS[answer.state]}: {what}", "bold"),
        f" on {printable(answer.node.name)}{instance}",
    )
    facts = facts_table()
    for word, text in _facts(answer):
        facts.add_row(word, Text(printable(text)))
    for warning in answer.warnings:
        facts.add_row("note", Text(printable(warning), "yellow"))
    for one in answer.refusals:
        facts.add_row(Text(one.guard, "red"), Text(printable(one.detail)))
    return Group(head, facts)


def _facts(answer: CleaningAnswer) -> Iterator[tuple[str, str]]:
    if (process := answer.process) is not None:
        yield "process", f"{process.name or 'unnamed'} {process.pid}"
        if process.before is not None:
            yield "before", _footprint(process.before)
        if process.after is not None:
            yield "after", _footprint(process.after)
        if process.seconds is not None:
            yield "took", format_seconds(process.seconds)
    if (key := answer.key) is not None:
        yield "table", f"{key.table}, {counted(key.rows_before, 'row')}"
        yield "key", f"{key.key}: {counted(key.objects, 'row')}"
        if key.rows_after is not None:
            yield "now", counted(key.rows_after, "row")
    if answer.found is not None:
        yield "but", answer.found
    if answer.action_id is not None:
        yield "action", answer.action_id


def _footprint(one: FootprintAnswer) -> str:
    waiting = f", {counted(one.message_queue_len, 'message')} waiting" if one.message_queue_len else ""
    return f"{format_bytes(one.memory_bytes)}, and {format_bytes(one.binary_bytes)} of binaries{waiting}"
