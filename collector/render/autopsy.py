"""An autopsy, as the person reads it who writes the post-mortem."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from collector.autopsy.death import Confidence
from collector.autopsy.report import AutopsyAnswer
from collector.blackbox.models import GrowthPart, SeriesPart
from collector.render.diagnosis import command_lines, finding_lines, numbered
from collector.render.parts import facts_table, format_bytes, format_count, format_duration, printable

_STYLES: Final = {Confidence.CERTAIN: "bold red", Confidence.LIKELY: "bold yellow", Confidence.POSSIBLE: "bold"}
MOST_SHOWN: Final = 5


def autopsy_page(answer: AutopsyAnswer) -> RenderableType:
    """Show all of it on one page."""
    numbers = {command.name: number for number, command in enumerate(answer.commands, 1)}
    return Group(
        _head(answer),
        Text(),
        *_death(answer),
        *_timeline(answer),
        *(_growth(answer.growth) if answer.growth is not None and answer.growth.kinds else _changes(answer.changes)),
        *_largest(answer),
        *_findings(answer, numbers),
        *_what_else(answer),
        *command_lines(answer.commands, numbers),
    )


def _head(answer: AutopsyAnswer) -> Text:
    name = f"instance {answer.instance}" if answer.instance else "an instance that the log does not name"
    head = Text.assemble((printable(name), "bold"))
    if answer.revision:
        head.append(f", {printable(answer.revision)}", "dim")
    for node in answer.nodes:
        head.append(f", {printable(node)}", "dim")
    if answer.first_at and answer.last_at:
        is_one_day = answer.first_at.date() == answer.last_at.date()
        last = f"{answer.last_at:%H:%M:%S}" if is_one_day else f"{answer.last_at:%Y-%m-%d %H:%M:%S}"
        span = f"{answer.first_at:%Y-%m-%d %H:%M:%S} to {last} UTC"
        head.append(f", {span}, {format_count(answer.lines)} lines", "dim")
    return head


def _death(answer: AutopsyAnswer) -> Iterator[RenderableType]:
    death = answer.death
    yield Text.assemble(
        (f" {death.confidence.upper()} ", f"{_STYLES[death.confidence]} reverse"), f"  {death.sentence}"
    )
    facts = facts_table()
    for why in death.why:
        facts.add_row("because", Text(printable(why)))
    yield facts


def _timeline(answer: AutopsyAnswer) -> Iterator[RenderableType]:
    if not answer.timeline:
        return
    yield Text()
    yield Text("What went before", "bold underline")
    facts = facts_table()
    has_days = len({row.at.date() for row in answer.timeline}) > 1
    for row in answer.timeline:
        facts.add_row(f"{row.at:%m-%d %H:%M:%S}" if has_days else f"{row.at:%H:%M:%S}", Text(printable(row.what)))
    yield facts


def _changes(changes: list[SeriesPart]) -> Iterator[RenderableType]:
    """Where it is too early to call anything growth, what was more in the end than at first."""
    rises = [
        (one.what, one.first, one.last)
        for one in changes
        if one.first is not None and one.last is not None and one.last > one.first and one.what.startswith("memory ")
    ]
    if not rises:
        return
    yield Text()
    yield Text("What was more in the end than at first", "bold underline")
    facts = facts_table()
    for what, first, last in sorted(rises, key=lambda rise: rise[1] - rise[2])[:MOST_SHOWN]:
        facts.add_row(printable(what), Text(f"{format_bytes(last - first)} more, {format_bytes(last)} in the end"))
    yield facts


def _growth(growth: GrowthPart) -> Iterator[RenderableType]:
    yield Text()
    yield Text("What grew", "bold underline")
    facts = facts_table()
    rate = "" if growth.per_minute_bytes is None else f", {format_bytes(growth.per_minute_bytes)} a minute"
    within = format_duration(growth.since_seconds)
    facts.add_row("all", Text(f"{growth.pattern}, {format_bytes(growth.rise_bytes)} within {within}{rate}"))
    for kind in growth.kinds:
        if kind.rise_bytes > 0:
            facts.add_row(kind.kind, Text(f"{format_bytes(kind.rise_bytes)}, {kind.share:.0%} of it"))
    yield facts


def _largest(answer: AutopsyAnswer) -> Iterator[RenderableType]:
    processes = [
        (one.name or one.pid, f"{format_bytes(one.memory_bytes)}, {one.pid}")
        for one in answer.top_processes[:MOST_SHOWN]
        if one.memory_bytes is not None
    ]
    mailboxes = [
        (one.name or one.pid, f"{format_count(one.queue)} messages, {one.pid}, in {one.function or 'not known'}")
        for one in answer.top_mailboxes[:MOST_SHOWN]
        if one.queue
    ]
    tables = [
        (one.name, f"{format_bytes(one.memory_bytes)}, {format_count(one.rows or 0)} rows")
        for one in answer.top_tables[:MOST_SHOWN]
        if one.memory_bytes is not None
    ]
    for title, rows in (("Largest processes", processes), ("Longest mailboxes", mailboxes), ("Largest tables", tables)):
        if rows:
            yield Text()
            yield Text(title, "bold underline")
            facts = facts_table()
            for name, told in rows:
                facts.add_row(printable(name), Text(printable(told)))
            yield facts


def _findings(answer: AutopsyAnswer, numbers: dict[str, int]) -> Iterator[RenderableType]:
    if not answer.findings:
        return
    yield Text()
    yield Text("Last findings", "bold underline")
    for finding in answer.findings:
        yield from finding_lines(finding, numbered(finding.commands, numbers))


def _what_else(answer: AutopsyAnswer) -> Iterator[RenderableType]:
    if answer.is_cut:
        yield Text("\nThe log ends in the middle of an entry, and may have had more", "yellow")
    if answer.lines_of_a_terminal:
        yield Text(
            f"\n{format_count(answer.lines_of_a_terminal)} lines are as they are shown on a terminal, and cannot be "
            'read back: set log_format to "json"',
            "yellow",
        )
    if answer.other_instances:
        yield Text()
        yield Text(f"The log also has: {', '.join(map(printable, answer.other_instances))} (--instance ID)", "dim")
