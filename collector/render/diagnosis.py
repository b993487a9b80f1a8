"""A diagnosis, as a person reads it in the first minutes: the worst first, and what to do below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from collector.diagnosis.decision_tree import Answer
from collector.render.parts import facts_table, format_duration, head_of, printable
from collector.views.diagnosis import (
    CommandRow,
    CriterionRow,
    DiagnosisAnswer,
    FindingRow,
    SeverityRow,
    StepRow,
)

STYLES: Final[Mapping[str | None, str]] = {
    "critical": "bold white on red",
    "high": "bold red",
    "medium": "bold yellow",
    "low": "bold",
    None: "bold green",
}
_OF_ANSWERS: Final = {Answer.YES: ("YES", "bold red"), Answer.NO: ("no", "green"), Answer.NOT_KNOWN: ("?", "yellow")}


def diagnosis_page(answer: DiagnosisAnswer) -> RenderableType:
    """Show all of it on one page."""
    numbers = {command.name: number for number, command in enumerate(answer.commands, 1)}
    return Group(
        head_of(answer),
        Text(),
        *_severity(answer.severity),
        Text(),
        *_tree(answer, numbers),
        *_findings(answer, numbers),
        *_not_looked_at(answer),
        *command_lines(answer.commands, numbers),
    )


def _severity(severity: SeverityRow) -> Iterator[RenderableType]:
    style = STYLES[severity.name]
    yield Text.assemble((f" {severity.title} ", style), f"  {printable(severity.criterion or _nothing(severity))}")
    facts = facts_table()
    if severity.evidence:
        facts.add_row("because", Text(printable(severity.evidence)))
    if severity.you_decide:
        facts.add_row("you decide", Text(_questions(severity.you_decide)))
    for reason, rows in _by_reason(severity.not_known).items():
        facts.add_row("not known", Text(f"{_questions(rows)} {printable(reason)}", "yellow"))
    yield facts


def _nothing(severity: SeverityRow) -> str:
    return "in what could be looked at" if severity.not_known else "no criterion of the playbook is met"


def _questions(rows: list[CriterionRow]) -> str:
    return " ".join(f"{row.criterion}?" for row in rows)


def _by_reason(rows: list[CriterionRow]) -> dict[str, list[CriterionRow]]:
    """Put together what is not known for the same reason, so that it is read once."""
    found: dict[str, list[CriterionRow]] = {}
    for row in rows:
        found.setdefault(row.why or "", []).append(row)
    return found


def _tree(answer: DiagnosisAnswer, numbers: Mapping[str, int]) -> Iterator[RenderableType]:
    yield Text("Decision tree", "bold underline")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    before: str | None = None
    for step in answer.tree:
        word, style = _OF_ANSWERS[step.answer]
        evidence = "as above" if step.evidence == before else step.evidence
        table.add_row(Text(word, style), step.question, _what_follows(step, evidence, numbers))
        before = step.evidence
    yield table


def _what_follows(step: StepRow, evidence: str, numbers: Mapping[str, int]) -> Text:
    told = Text(printable(evidence), "" if step.answer is Answer.YES else "dim")
    if step.answer is Answer.YES:
        told.append(f"\n→ {step.leads_to}, {step.section}", "bold")
        told.append(f": {numbered(step.commands, numbers)}")
    return told


def numbered(commands: list[str], numbers: Mapping[str, int]) -> str:
    """Name commands by their numbers."""
    return " ".join(f"[{numbers[name]}]" for name in commands)


def _findings(answer: DiagnosisAnswer, numbers: Mapping[str, int]) -> Iterator[RenderableType]:
    yield Text()
    if not answer.findings:
        yield Text("No findings", "bold underline")
        return
    yield Text("Findings", "bold underline")
    for finding in answer.findings:
        yield from finding_lines(finding, numbered(finding.commands, numbers))


def finding_lines(finding: FindingRow, commands: str) -> Iterator[RenderableType]:
    """Show one finding. ``commands`` names those for a person, as they are numbered elsewhere."""
    since = "" if not finding.since_seconds else f", for {format_duration(finding.since_seconds)}"
    yield Text.assemble(
        (f" {finding.severity.upper()} ", STYLES[finding.severity]),
        (f" {printable(finding.sentence)}", "bold"),
        (f"  ({finding.section}{since})", "dim"),
    )
    facts = facts_table()
    for line in finding.evidence:
        facts.add_row("", Text(printable(line)))
    if finding.causes_that_fit:
        facts.add_row("fits", Text("; ".join(finding.causes_that_fit)))
    if finding.causes_open and (finding.causes_that_fit or finding.causes_excluded):
        facts.add_row("may be", Text("; ".join(finding.causes_open), "dim"))
    if finding.causes_excluded:
        facts.add_row("is not", Text("; ".join(finding.causes_excluded), "dim"))
    for step in finding.steps:
        facts.add_row("next", Text(printable(step), "cyan"))
    if commands:
        facts.add_row("then", Text(commands))
    yield Padding(facts, (0, 0, 0, 2), expand=False)  # behind a pipe a line is very wide


def _not_looked_at(answer: DiagnosisAnswer) -> Iterator[RenderableType]:
    by_reason: dict[str, list[str]] = {}
    for each in answer.not_looked_at:
        by_reason.setdefault(each.why, []).append(each.rule)
    if not by_reason:
        return
    yield Text()
    yield Text("Not looked at", "bold underline")
    for reason, rules in by_reason.items():
        yield Text(printable(reason), "yellow")
        yield Padding(Text(", ".join(rules), "dim"), (0, 0, 0, 2), expand=False)


def command_lines(commands: list[CommandRow], numbers: Mapping[str, int]) -> Iterator[RenderableType]:
    """Show what a person may run, each by its number."""
    if not commands:
        return
    yield Text()
    yield Text("For you to run, in a shell with gcloud", "bold underline")
    for command in commands:
        changes = ("  changes the service", "red") if command.changes else ("", "")
        yield Text.assemble(f"[{numbers[command.name]}] {command.purpose}", changes)
        for line in command.lines:
            # In one line, however long: a terminal breaks it without a line end, so that it can be copied.
            yield Text(f"    {printable(line)}", "cyan", no_wrap=True, overflow="ignore")
    fill_in = list(dict.fromkeys(word for command in commands for word in command.fill_in))
    if fill_in:
        yield Text(f"To fill in: {', '.join(fill_in)}", "dim")
