"""What is known of a node becomes a line: pure. Names and figures, never what a process or a table holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from agent.actions.guards import PLATFORM_APPLICATIONS
from agent.probes.applications import Applications
from agent.probes.ets import Tables
from agent.probes.memory import Memory
from agent.probes.processes import Mailboxes, Processes, ProcessRow
from agent.probes.supervision_tree import SupervisionTree
from agent.probes.supervisors import Supervisors
from agent.probes.system_info import SystemInfo
from agent.supervision import Status, Supervisor
from collector.blackbox.bounding import bounded, tame_text
from collector.blackbox.models import (
    BlackBoxLine,
    FindingPart,
    GrowthPart,
    KindPart,
    ProcessPart,
    ReasonPart,
    SeriesPart,
    SupervisorPart,
    TablePart,
)
from collector.blackbox.triggers import Reason
from collector.diagnosis.diagnosing import Diagnosis
from collector.diagnosis.findings import Finding
from collector.diagnosis.growth import time_left
from collector.diagnosis.of_settings import KnownLimit
from collector.diagnosis.what_grows import WhatGrows
from collector.snapshot import Answered, Snapshot
from collector.trend import Series, Window, change, present_life
from collector.vitals import vital_signs

TOP: Final = 10
MAX_NAME_CHARACTERS: Final = 120
MAX_STEPS: Final = 6
MAX_EVIDENCE: Final = 8


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a node, some of it from before. ``lost`` is why it does not answer any more.

    ``snapshot`` has the latest answer to each question, and ``now`` is the time by which they are as old as they are.
    """

    snapshot: Snapshot
    diagnosis: Diagnosis
    window: Window | None
    now: datetime
    lost: str | None = None
    held_back: Mapping[str, int] = field(default_factory=dict)


def make_line(known: Known, reasons: Iterable[Reason], now: float) -> dict[str, object]:
    """Return the fields of the line, none of which is longer than it may be. ``now`` is of the reasons' clock."""
    snapshot = known.snapshot
    line = BlackBoxLine(
        reasons=[
            ReasonPart(kind=each.kind, what=each.what, since_seconds=max(0.0, round(now - each.since, 1)))
            for each in reasons
        ],
        held_back=dict(known.held_back),
        node_lost=known.lost,
        ages_seconds=_ages(known),
        growth=_growth(known),
        trend_minutes=None if known.window is None else known.window.points * known.window.interval_seconds / 60,
        trend=list(_trend(known)),
        findings=[_finding(each) for each in known.diagnosis.findings.found],
        not_known=list(_not_known(known.diagnosis)),
        applications_not_running=_applications(snapshot),
        supervisors=list(_supervisors(known)),
    )
    facts = vital_signs(snapshot) | _more_vitals(snapshot) | limit_facts(known.diagnosis.evidence.limit)
    rows = _processes(snapshot) | _tables(snapshot)
    return bounded(line.model_dump(mode="json", exclude_none=True, exclude_defaults=True) | _HEAD | facts | rows)


_HEAD: Final = {"black_box": BlackBoxLine().black_box}


def limit_facts(limit: object) -> dict[str, object]:
    """Say how much of the memory limit is taken; nothing where that is not known."""
    if not isinstance(limit, KnownLimit):
        return {}
    facts: dict[str, object] = {"memory_limit_bytes": limit.limit_bytes, "memory_limit_source": limit.source}
    if limit.needed_bytes is not None:
        facts |= {
            "memory_limit_used_bytes": limit.needed_bytes,
            "memory_limit_left_bytes": limit.left_bytes,
            "memory_limit_share": limit.share,
        }
    return facts


def _ages(known: Known) -> dict[str, float]:
    outcomes = {**known.snapshot.outcomes, **known.snapshot.shared}
    return {
        probe: max(0.0, round((known.now - outcome.asked_at).total_seconds(), 1))
        for probe, outcome in outcomes.items()
        if isinstance(outcome, Answered)
    }


def _more_vitals(snapshot: Snapshot) -> dict[str, object]:
    facts: dict[str, object] = {}
    if memory := snapshot.result(Memory):
        facts |= {f"memory_{kind}_bytes": getattr(memory, kind) for kind in ("system", "code", "atom")}
    if info := snapshot.result(SystemInfo):
        limits = ("process_limit", "port_limit", "atom_limit", "ets_limit", "schedulers_online")
        facts |= {name: getattr(info, name) for name in limits if getattr(info, name) is not None}
    if mailboxes := snapshot.result(Mailboxes):
        facts |= {"longest_queue": mailboxes.queues.longest, "messages_waiting": mailboxes.queues.total}
    return facts


def _growth(known: Known) -> GrowthPart | None:
    grows = known.diagnosis.evidence.memory
    if not isinstance(grows, WhatGrows):
        return None
    total, limit = grows.total, known.diagnosis.evidence.limit
    left = None
    if isinstance(limit, KnownLimit) and limit.left_bytes is not None and total.is_growth:
        left = time_left(total.slope, limit.left_bytes)
    return GrowthPart(
        pattern=total.pattern,
        points=total.points,
        rise_bytes=round(total.rise),
        since_seconds=total.since_seconds,
        per_minute_bytes=None if total.slope is None else round(total.slope.likely * 60),
        limit_in_seconds=None if left is None else left.likely,
        limit_in_seconds_latest=None if left is None else left.latest,
        kinds=[
            KindPart(kind=part.kind, rise_bytes=part.rise_bytes, share=part.share, pattern=part.growth.pattern)
            for part in grows.parts
        ],
    )


def _trend(known: Known) -> Iterator[SeriesPart]:
    window, peer = known.window, known.snapshot.peer
    if window is None or peer is None or not window.lives or window.lives[-1].creation != peer.creation:
        return  # another life than the one that the line is about
    for series, values in window.values.items():
        found = change(present_life(window, values), window.interval_seconds)
        # Of how many tables have a name, it is news only that this has changed.
        if found is not None and (series[-1] != "count" or found.smallest != found.largest):
            yield SeriesPart(what=_title(series), first=found.first, last=found.last, per_minute=found.per_minute)


def _not_known(diagnosis: Diagnosis) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for rule, why in diagnosis.findings.not_known:
        by_reason.setdefault(why, []).append(rule.name)
    return (f"{', '.join(rules)}: {why}" for why, rules in by_reason.items())


def _title(series: Series) -> str:
    return tame_text(" ".join(series), MAX_NAME_CHARACTERS)


def _finding(finding: Finding) -> FindingPart:
    rule, seen = finding.rule, finding.seen
    decided = {*seen.fits, *seen.excluded}
    return FindingPart(
        rule=rule.name,
        section=rule.section,
        severity=seen.severity.word,
        sentence=seen.sentence,
        since_seconds=seen.since_seconds,
        evidence=list(seen.evidence[:MAX_EVIDENCE]),
        causes_that_fit=list(seen.fits),
        causes_excluded=list(seen.excluded),
        causes_open=[cause for cause in rule.causes if cause not in decided],
        steps=list(seen.steps[:MAX_STEPS]),
        commands=list(rule.commands),
    )


def _applications(snapshot: Snapshot) -> list[str]:
    found = snapshot.result(Applications)
    return [] if found is None else [name for name in found.not_running if name not in PLATFORM_APPLICATIONS]


def _supervisors(known: Known) -> Iterator[SupervisorPart]:
    if expected := known.snapshot.result(Supervisors):
        yield from (SupervisorPart(name=name, what="not running, although expected") for name in expected.missing)
    if tree := known.snapshot.result(SupervisionTree):
        silent = known.diagnosis.evidence.still_not_answering
        for supervisor in tree.supervisors():
            if what := _what_is_wrong(supervisor, silent):
                name = supervisor.name or supervisor.module or supervisor.pid
                yield SupervisorPart(name=tame_text(name, MAX_NAME_CHARACTERS), what=what)


def _what_is_wrong(supervisor: Supervisor, silent: frozenset[str]) -> str | None:
    if supervisor.status is Status.SUSPENDED:
        return "suspended"
    if supervisor.status is Status.NOT_ANSWERING:
        where = supervisor.current_function or "a function that is not known"
        return f"not answering{' at two looks' if supervisor.pid in silent else ''}, in {where}"
    if supervisor.restarts and supervisor.budget_left is not None and supervisor.budget_left <= supervisor.restarts:
        return f"{supervisor.restarts} of {supervisor.intensity} restarts used in {supervisor.period_seconds} s"
    return None


def _processes(snapshot: Snapshot) -> dict[str, object]:
    found, mailboxes = snapshot.result(Processes), snapshot.result(Mailboxes)
    waiting = [row for row in mailboxes.by_message_queue_len[:TOP] if row.message_queue_len] if mailboxes else []
    rows = {
        "top_processes": [_process(row) for row in found.by_memory[:TOP]] if found else [],
        "top_mailboxes": [_process(row) for row in waiting],
    }
    return {name: each for name, each in rows.items() if each}


def _process(row: ProcessRow) -> dict[str, object]:
    part = ProcessPart(
        pid=row.pid,
        name=_name(row.name or row.initial_call),
        function=_name(row.current_function),
        memory_bytes=row.memory_bytes,
        queue=row.message_queue_len,
    )
    return part.model_dump(exclude_none=True)


def _tables(snapshot: Snapshot) -> dict[str, object]:
    found = snapshot.result(Tables)
    if found is None:
        return {}
    largest = [
        TablePart(
            name=tame_text(row.name if row.is_named else f"{row.name} {row.id}", MAX_NAME_CHARACTERS),
            owner=_name(row.owner_name or row.owner),
            rows=row.size,
            memory_bytes=row.memory_bytes,
        )
        for row in found.by_memory[:TOP]
    ]
    watched = [
        TablePart(
            name=tame_text(each.name, MAX_NAME_CHARACTERS),
            count=each.count,
            rows=each.size if each.count > each.not_measured else None,
            memory_bytes=each.memory_bytes if each.count > each.not_measured else None,
        )
        for each in found.watched
    ]
    rows = {"top_tables": largest, "watched_tables": watched}
    return {name: [each.model_dump(exclude_none=True) for each in part] for name, part in rows.items() if part}


def _name(text: str | None) -> str | None:
    return None if text is None else tame_text(text, MAX_NAME_CHARACTERS)
