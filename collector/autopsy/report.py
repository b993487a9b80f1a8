"""What an autopsy tells: how the instance died, what went before, what was found last, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, Self, TypeVar

from pydantic import BaseModel, Field

from collector.autopsy.death import Cause, Confidence, Death, decide
from collector.autopsy.instances import At, Instance
from collector.autopsy.reading import Counts
from collector.autopsy.signs import Sign
from collector.blackbox.models import BlackBoxLine, FindingPart, GrowthPart, Part, ProcessPart, SeriesPart, TablePart
from collector.diagnosis.commands import BY_NAME
from collector.diagnosis.shell_commands import Place
from collector.views.diagnosis import CommandRow, FindingRow

_Part = TypeVar("_Part", bound=Part)

MOST_ROWS: Final = 40  # of the timeline
STEP: Final = 0.05  # of the memory limit, between two lines of vital signs that are told
MOST_OTHERS: Final = 20

_COMMANDS: Final[dict[Cause, tuple[str, ...]]] = {
    Cause.MEMORY: ("memory_kills", "memory_trend", "more_memory", "rollback"),
    Cause.TOLD_TO_END: (),
    Cause.NODE_GONE: ("errors", "rollback"),
    Cause.CRASHED: ("errors", "rollback"),
    Cause.APPLICATION_GONE: ("errors", "restart_service", "rollback"),
    Cause.NOT_KNOWN: ("errors", "memory_kills"),
}


class TimelineRow(BaseModel):
    """One moment of its life."""

    at: datetime
    what: str = Field(examples=["92% of the memory limit is taken, above 90%"])


class DeathRow(BaseModel):
    """How it died."""

    cause: Cause = Field(examples=["memory"])
    confidence: Confidence = Field(examples=["certain"])
    sentence: str
    why: list[str]

    @classmethod
    def of(cls, death: Death) -> Self:
        """Take it out of a decision."""
        return cls(cause=death.cause, confidence=death.confidence, sentence=death.sentence, why=list(death.why))


class AutopsyAnswer(BaseModel):
    """All that a log tells of the end of one instance."""

    instance: str | None = Field(description="Null: the log does not say which.")
    revision: str | None
    nodes: list[str]
    first_at: datetime | None
    last_at: datetime | None
    lines: int
    death: DeathRow
    timeline: list[TimelineRow]
    growth: GrowthPart | None = Field(description="What grew, as the last line of the black box told that did.")
    changes: list[SeriesPart] = Field(description="How figures had changed over the last hour, as that line told.")
    top_processes: list[ProcessPart]
    top_mailboxes: list[ProcessPart]
    top_tables: list[TablePart]
    findings: list[FindingRow] = Field(description="Those of the last line that had any, as diagnose tells them.")
    commands: list[CommandRow]
    other_instances: list[str] = Field(description="That the log has too: name one with --instance.")
    skipped_lines: int
    lines_of_a_terminal: int
    is_cut: bool = Field(description="Whether the log ends in the middle of an entry.")

    @classmethod
    def of(cls, instance: Instance, others: Sequence[Instance], counts: Counts) -> Self:
        """Say of an instance how it died."""
        death = decide(instance)
        boxes = [box.line for box in reversed(instance.boxes)]
        found = next((box for box in boxes if box.findings), None)
        findings = [] if found is None else [_finding(part) for part in found.findings]
        return cls(
            instance=instance.name,
            revision=instance.where.revision,
            nodes=sorted({each.line.erlang_node for each in instance.vitals if each.line.erlang_node}),
            first_at=instance.first_at,
            last_at=instance.last_at,
            lines=instance.lines,
            death=DeathRow.of(death),
            timeline=_timeline(instance),
            growth=next((box.growth for box in boxes if box.growth is not None), None),
            changes=_first(box.trend for box in boxes),
            top_processes=_first(box.top_processes for box in boxes),
            top_mailboxes=_first(box.top_mailboxes for box in boxes),
            top_tables=_first(box.top_tables for box in boxes),
            findings=findings,
            commands=[CommandRow.of(name, _place(instance)) for name in _names(death.cause, findings)],
            other_instances=[str(one.name) for one in others][:MOST_OTHERS],
            skipped_lines=counts.skipped,
            lines_of_a_terminal=counts.of_a_terminal,
            is_cut=counts.is_cut,
        )


def _first(kinds: Iterable[list[_Part]]) -> list[_Part]:
    return next((parts for parts in kinds if parts), [])


def _finding(part: FindingPart) -> FindingRow:
    # Commands of ours need a node that answers: of this one they would tell nothing.
    known = [name for name in part.commands if name in BY_NAME]
    return FindingRow.model_validate(part.model_dump() | {"steps": [], "commands": known})


def _names(cause: Cause, findings: Iterable[FindingRow]) -> list[str]:
    return list(dict.fromkeys((*_COMMANDS[cause], *(name for finding in findings for name in finding.commands))))


def _place(instance: Instance) -> Place:
    where, unknown = instance.where, Place()
    return Place(
        where.service or unknown.service,
        where.region or unknown.region,
        where.project or unknown.project,
        where.revision or unknown.revision,
        instance.last_at,
    )


def _timeline(instance: Instance) -> list[TimelineRow]:
    """Tell every sign, and vital signs where memory has moved; of too many the last."""
    signs = [(sign.place, sign.at, _of_sign(sign)) for sign in instance.signs]
    rows = sorted([*signs, *_of_vitals(instance.vitals)])
    return [TimelineRow(at=at, what=what) for _, at, what in rows[-MOST_ROWS:]]


def _of_sign(sign: Sign) -> str:
    return sign.text if sign.text.startswith(sign.what) else f"{sign.what}: {sign.text}"


def _of_vitals(vitals: Iterable[At]) -> Iterator[tuple[int, datetime, str]]:
    told: float | None = None
    last: tuple[int, datetime, str] | None = None
    for each in vitals:
        if isinstance(each.line, BlackBoxLine):
            continue  # which is a sign
        figure = _figure(each)
        text = each.place, each.at, _vital_signs(each)
        if figure is None or (told is not None and abs(figure - told) < STEP * max(told, 1e-9)):
            last = text
            continue
        told, last = figure, None
        yield text
    if last is not None:
        yield last


def _figure(each: At) -> float | None:
    line = each.line
    return line.memory_limit_share if line.memory_limit_share is not None else line.memory_total_bytes


def _vital_signs(each: At) -> str:
    line = each.line
    parts = [
        None if line.memory_total_bytes is None else f"memory {line.memory_total_bytes / 1024**2:.0f} MiB",
        None if line.memory_limit_share is None else f"{line.memory_limit_share:.0%} of the limit",
        None if line.processes is None else f"{line.processes} processes",
        None if not line.longest_queue else f"longest mailbox {line.longest_queue}",
        None if line.run_queue_length is None else f"run queue {line.run_queue_length}",
    ]
    return ", ".join(part for part in parts if part) or "vital signs without figures: the node did not answer"
