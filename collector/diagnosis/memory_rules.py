"""The rules of the playbook's fourth section: is the memory limit near, and what grows?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.probes.ets import Tables
from collector.diagnosis.causes import BINARIES, BUFFER, MESSAGES, OF_MEMORY, TABLE_GROWS
from collector.diagnosis.findings import Evidence, NodeThresholds, Rule, Seen
from collector.diagnosis.growth import Growth, Pattern, TimeLeft, time_left
from collector.diagnosis.of_settings import KnownLimit
from collector.diagnosis.own_steps import collect_garbage, look_at_process, look_at_table
from collector.diagnosis.severity import Severity
from collector.diagnosis.what_grows import Part, WhatGrows

MIB: Final = 1024 * 1024
SHORT_SECONDS: Final = 90.0
LEAST_SHARE: Final = 0.25  # of the rise: what has less is not what grows
NO_SHARE: Final = 0.05  # of the rise: what has less than this is not the cause

_COMMANDS: Final = {
    "ets": ("beamwarden ets --sort memory",),
    "processes": ("beamwarden processes", "beamwarden mailboxes"),
    "binary": ("beamwarden binaries --processes",),
}
# The receipt buffer may be rows of a table, or of a process's state.
_KINDS_OF_CAUSES: Final = {
    BUFFER: ("ets", "processes"),
    TABLE_GROWS: ("ets",),
    MESSAGES: ("processes", "binary"),
    BINARIES: ("binary",),
}


def _memory_near_limit(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    limit = evidence.limit
    assert isinstance(limit, KnownLimit)
    medium, high, critical = thresholds.memory_share
    if limit.share is None or limit.share < medium:
        return
    severity = Severity.MEDIUM if limit.share < high else Severity.HIGH if limit.share < critical else Severity.CRITICAL
    yield Seen(
        severity,
        f"{limit.share:.0%} of the memory limit is taken; at 100 % the kernel ends the node",
        (f"{(limit.needed_bytes or 0) // MIB} MiB of {limit.limit_bytes // MIB} MiB, says {limit.source}",),
        steps=("beamwarden memory",),
    )


def _memory_grows(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    grows = evidence.memory
    assert isinstance(grows, WhatGrows)
    if not grows.total.is_growth:
        return
    left = _time_left(evidence, grows.total)
    growing = [part for part in grows.parts if part.share >= LEAST_SHARE]
    steps = tuple(step for part in growing for step in (*_COMMANDS.get(part.kind, ()), *_at_holder(evidence, part)))
    shares = {part.kind: part.share for part in grows.parts}
    causes = {cause: max(shares.get(kind, 0.0) for kind in kinds) for cause, kinds in _KINDS_OF_CAUSES.items()}
    yield Seen(
        Severity.HIGH if left is not None and left.likely < thresholds.soon_seconds else Severity.MEDIUM,
        _sentence(grows.total, growing),
        (*_figures(grows), *_holders(evidence, growing), _until(left)),
        grows.total.since_seconds,
        tuple(cause for cause, share in causes.items() if share >= LEAST_SHARE),
        tuple(cause for cause, share in causes.items() if share < NO_SHARE),
        steps or ("beamwarden memory",),
    )


def _time_left(evidence: Evidence, growth: Growth) -> TimeLeft | None:
    limit = evidence.limit
    if not isinstance(limit, KnownLimit) or limit.left_bytes is None:
        return None
    return time_left(growth.slope, limit.left_bytes)


def _sentence(growth: Growth, growing: list[Part]) -> str:
    how = "has risen suddenly" if growth.pattern is Pattern.SUDDEN else "grows gradually"
    what = " and ".join(f"{part.kind} ({part.share:.0%})" for part in growing) or "no kind of it alone"
    return f"memory {how}, by {growth.rise / MIB:.0f} MiB within {_span(growth.since_seconds)}: mostly {what}"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < SHORT_SECONDS else f"{seconds / 60:.0f} min"


def _figures(grows: WhatGrows) -> Iterator[str]:
    slope = grows.total.slope
    if slope is not None:
        low, likely, high = (each * 60 / MIB for each in (slope.lowest, slope.likely, slope.highest))
        yield f"{likely:.1f} MiB a minute, between {low:.1f} and {high:.1f}"
    for part in grows.parts:
        if part.share >= NO_SHARE:
            yield f"{part.kind}: {part.rise_bytes / MIB:+.0f} MiB, {part.growth.pattern}"


def _holders(evidence: Evidence, growing: list[Part]) -> Iterator[str]:
    kinds = {part.kind for part in growing}
    for kind, holder in (("processes", evidence.largest_process), ("ets", evidence.largest_table)):
        if kind in kinds and holder is not None:
            yield f"{holder.name} has {holder.share:.0%} of {kind}, {holder.memory_bytes // MIB} MiB"


def _at_holder(evidence: Evidence, part: Part) -> Iterator[str]:
    """Look at the one that has most of what grows, and what may be done about it."""
    if part.kind == "ets" and evidence.largest_table is not None:
        yield look_at_table(evidence.largest_table.name)
    if part.kind == "processes" and evidence.largest_process is not None:
        yield look_at_process(evidence.largest_process.name)
        yield collect_garbage(evidence.largest_process.name)


def _tables_grow(evidence: Evidence, _thresholds: NodeThresholds) -> Iterator[Seen]:
    for name, growth in evidence.table_growth.items():
        # One that is kept to a size has fewer rows now and then; it may grow all the same, with what there is to keep.
        if not growth.is_growth or evidence.table_falls.get(name, 0):
            continue
        yield Seen(
            Severity.MEDIUM if _is_ets_what_grows(evidence) else Severity.LOW,
            f"{name} has grown by {growth.rise:.0f} rows within {_span(growth.since_seconds)} and was never smaller "
            "than before: what should remove old rows does not",
            tuple(_about_table(evidence, name)),
            growth.since_seconds,
            fits=(TABLE_GROWS,),
            steps=(look_at_table(name),),
        )


def _is_ets_what_grows(evidence: Evidence) -> bool:
    grows = evidence.memory
    return isinstance(grows, WhatGrows) and any(
        part.kind == "ets" and part.share >= LEAST_SHARE for part in grows.parts
    )


def _about_table(evidence: Evidence, name: str) -> Iterator[str]:
    if isinstance(evidence.tables, Tables):
        for watched in evidence.tables.watched:
            if watched.name == name:
                yield f"{watched.size} rows, {watched.memory_bytes / MIB:.1f} MiB without large binaries"


def _until(left: TimeLeft | None) -> str:
    if left is None:
        return "when a limit is reached is not known"
    latest = "perhaps never" if left.latest is None else f"at the latest in {left.latest / 60:.0f} min"
    return f"the limit is reached in {left.likely / 60:.0f} min at this rate, {latest}"


OF_LIMIT: Final = Rule(
    "memory_near_limit",
    "Playbook 4",
    OF_MEMORY,
    ("memory_trend", "memory_kills", "more_memory"),
    ("limit",),
    _memory_near_limit,
    "Most of the memory limit is taken.",
    ("diagnosis_memory_share_medium", "diagnosis_memory_share_high", "diagnosis_memory_share_critical"),
)
OF_GROWTH: Final = Rule(
    "memory_grows",
    "Playbook 4",
    OF_MEMORY,
    ("memory_trend", "smaller_buffers"),
    ("memory",),
    _memory_grows,
    "Memory that has risen, gradually or suddenly, within the last hour. High when the limit is reached soon.",
    ("diagnosis_rise_share", "diagnosis_soon_minutes"),
)
OF_TABLES: Final = Rule(
    "table_grows",
    "Playbook 4",
    OF_MEMORY,
    ("smaller_buffers", "errors", "rollback"),
    ("memory",),
    _tables_grow,
    "A watched table that has grown within the last hour without ever becoming smaller. Low unless memory grows by it.",
    ("watch_tables", "diagnosis_rise_share"),
)
