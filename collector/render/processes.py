"""Processes, mailboxes, who is busy, and one process."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from collector.render.parts import (
    bar,
    cell,
    counted,
    facts_table,
    format_bytes,
    format_count,
    head_of,
    known,
    listing,
)
from collector.views.processes import (
    BusyAnswer,
    MailboxesAnswer,
    ProcessAnswer,
    ProcessAnswerRow,
    ProcessesAnswer,
    QueueTotals,
)


def processes_table(answer: ProcessesAnswer) -> RenderableType:
    """Show the largest processes, by memory or by queue."""
    table = listing("pid", "process", "memory", "", "queue", "in", numbers=("memory", "queue"), folds=("process", "in"))
    largest = answer.largest_memory_bytes
    for row in answer.processes:
        table.add_row(
            row.pid,
            _who(row),
            format_bytes(row.memory_bytes),
            bar(row.memory_bytes, largest),
            _queue(row.message_queue_len),
            cell(row.current_function, "dim"),
        )
    total = Text(
        f"{format_count(answer.process_count)} processes, {format_bytes(answer.memory_bytes)} together, "
        f"the largest {format_bytes(largest)}"
    )
    return Group(head_of(answer), total, _waiting(answer.message_queues), Text(), table)


def mailboxes_table(answer: MailboxesAnswer) -> RenderableType:
    """Show the longest mailboxes."""
    counts = f"{format_count(answer.process_count)} processes"
    if not answer.processes:
        return Group(head_of(answer), Text(counts), _waiting(answer.message_queues))
    table = listing("pid", "process", "queue", "", "status", "in", numbers=("queue",), folds=("process", "in"))
    for row in answer.processes:
        table.add_row(
            row.pid,
            _who(row),
            _queue(row.message_queue_len),
            bar(row.message_queue_len, answer.message_queues.longest),
            cell(row.status),
            cell(row.current_function, "dim"),
        )
    return Group(head_of(answer), Text(counts), _waiting(answer.message_queues), Text(), table)


def busy_table(answer: BusyAnswer) -> RenderableType:
    """Show who did most within the window."""
    what = f"{format_count(answer.process_count)} processes did {format_count(answer.reductions)} reductions"
    window = Text(f"{what} within {answer.window_seconds:.1f} s")
    if not answer.processes:
        return Group(head_of(answer), window)
    table = listing(
        "pid", "process", "reductions", "share", "", "queue", "in",
        numbers=("reductions", "share", "queue"), folds=("process", "in"),
    )  # fmt: skip
    for row in answer.processes:
        share = row.reductions_in_window / answer.reductions if answer.reductions else 0.0
        table.add_row(
            row.pid,
            _who(row),
            format_count(row.reductions_in_window),
            f"{share:.0%}",
            bar(share, 1.0),
            _queue(row.message_queue_len),
            cell(row.current_function, "dim"),
        )
    return Group(head_of(answer), window, Text(), table)


def process_facts(answer: ProcessAnswer) -> RenderableType:
    """Show one process."""
    row = answer.process
    facts = facts_table()
    facts.add_row("pid", row.pid)
    facts.add_row("name", cell(row.name, "bold"))
    facts.add_row("started with", cell(row.initial_call))
    facts.add_row("application", cell(answer.application))
    parent = row.parent if row.parent_name is None else f"{row.parent} {row.parent_name}"
    facts.add_row("parent", cell(parent))
    facts.add_row("status", cell(row.status))
    facts.add_row("mailbox", _queue(row.message_queue_len))
    facts.add_row("memory", f"{format_bytes(row.memory_bytes)}, of it heaps {format_bytes(answer.total_heap_bytes)}")
    facts.add_row("reductions", format_count(row.reductions))
    facts.add_row("priority", cell(answer.priority))
    facts.add_row("traps exits", "yes" if answer.is_trapping_exits else "no")
    facts.add_row("minor collections", f"{known(answer.minor_collections)} since the last full one")
    for number, place in enumerate(answer.stack):
        line = "" if place.line is None else f" line {place.line}"
        facts.add_row("in" if number == 0 else "", cell(place.function + line))
    return Group(head_of(answer), facts)


def _who(row: ProcessAnswerRow) -> Text:
    return cell(row.initial_call, "dim") if row.name is None else cell(row.name, "bold")


def _queue(length: int) -> Text:
    return Text(format_count(length), "" if length < 1_000 else "bold yellow" if length < 100_000 else "bold red")


def _waiting(queues: QueueTotals) -> Text:
    """Say in a sentence what waits where."""
    if not queues.total:
        return Text("no message waits in any mailbox")
    what = counted(queues.total, "message waits", "messages wait")
    holding = next((over.processes for over in queues.over if over.threshold == 0), 0)
    if holding <= 1:
        return Text(f"{what} in one mailbox")
    if queues.longest == 1:
        return Text(f"{what} in {format_count(holding)} mailboxes, one in each")
    # Of thresholds that the same processes are over, the highest says most.
    highest = {over.processes: over.threshold for over in queues.over if over.threshold and over.processes}
    many = [
        f"{format_count(processes)} {'holds' if processes == 1 else 'hold'} more than {format_count(over)}"
        for processes, over in highest.items()
    ]
    where = f"{format_count(holding)} mailboxes, {format_count(queues.longest)} of them in the longest"
    return Text(f"{what} in {'; '.join([where, *many])}")
