"""Governors, and the state of one."""

from __future__ import annotations

from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from collector.render.parts import cell, counted, facts_table, format_count, head_of, is_idle_loop, listing
from collector.render.supervisors import child_state
from collector.views.governors import GovernorAnswer, GovernorRow, GovernorsAnswer, UnreadSupervisor


def governors_table(answer: GovernorsAnswer) -> RenderableType:
    """Show the governors below each of their supervisors."""
    total = Text(counted(answer.governor_count, "governor") if answer.governor_count else "no governors")
    if dead := answer.governor_count - answer.alive:
        total.append(f", {format_count(dead)} not alive", "bold red")
    elif answer.governor_count:
        total.append(", all alive")
    total.append_text(longest_mailbox(answer))
    parts: list[RenderableType] = [head_of(answer), total]
    parts += [cell(f"nobody is registered as {name}", "bold red") for name in answer.missing]
    parts += [_unread(each) for each in answer.not_read]
    if answer.governor_count > len(answer.governors):
        parts.append(
            Text(f"shown are {len(answer.governors)}: first without a process, then with the longest queues", "dim")
        )
    if not answer.governors:
        return Group(*parts)
    table = listing("governor", "pid", "state", "queue", "age", "in", numbers=("queue",), folds=("governor", "in"))
    for supervisor, below in groupby(answer.governors, key=lambda row: row.supervisor):
        table.add_row(cell(supervisor, "dim"), "", "", "", "", "")
        for row in below:
            queue = row.message_queue_len
            table.add_row(
                Text("  ").append_text(cell(row.id, "bold")),
                cell(row.pid),
                child_state(row.state),
                cell(None) if queue is None else Text(format_count(queue), "bold yellow" if queue else ""),
                _age(row),
                cell("idle" if is_idle_loop(row.current_function) else row.current_function, "dim"),
            )
    return Group(*parts, Text(), table)


def longest_mailbox(answer: GovernorsAnswer) -> Text:
    """Say after how many live how many messages wait for one: who lives may still be stuck."""
    longest = max((row.message_queue_len or 0 for row in answer.governors), default=0)
    waits = counted(longest, "message waits", "messages wait")
    return Text(f", up to {waits} for one", "bold yellow") if longest else Text()


def governor_facts(answer: GovernorAnswer) -> RenderableType:
    """Show the state of one governor."""
    facts = facts_table()
    facts.add_row("pid", cell(answer.pid))
    facts.add_row("name", cell(answer.name, "bold"))
    told = cell(answer.state, "bold") if answer.state is not None else cell(f"not told: {answer.why_not}", "yellow")
    facts.add_row("state", told)
    if answer.is_suspended:
        facts.add_row("", Text("suspended", "bold yellow"))
    facts.add_row("in", cell(answer.current_function))
    facts.add_row("mailbox", cell(None if answer.message_queue_len is None else format_count(answer.message_queue_len)))
    return Group(head_of(answer), facts)


def _unread(supervisor: UnreadSupervisor) -> Text:
    who = f"{supervisor.name} {supervisor.pid}" if supervisor.name else supervisor.pid
    where = f", in {supervisor.current_function}" if supervisor.current_function else ""
    return cell(f"below {who} nothing is known: {supervisor.why_not_listed or supervisor.status}{where}", "bold yellow")


def _age(row: GovernorRow) -> Text:
    least, most = row.age_at_least_seconds, row.age_at_most_seconds
    if least is None or most is None:
        return cell(None)
    if least < 1:
        return Text(f"< {_duration(most)}")
    # The bounds are near to each other when it began while we were asking now and then.
    return Text(f"~ {_duration(least)}" if most < 1.5 * least else f"> {_duration(least)}")


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
