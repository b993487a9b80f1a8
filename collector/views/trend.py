"""The trend: how memory, processes, queues and watched tables have changed over the last hour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from collector.models import NodeReference, ProbeAnswer
from collector.trend import (
    LONGEST_QUEUE,
    MEMORY_KINDS,
    PROCESS_COUNT,
    RUN_QUEUE,
    WAITING,
    Series,
    Window,
    change,
    memory_of,
    present_life,
    table_of,
)

MAX_MINUTES: Final = 60
_NOT_ANSWERED: Final = "not answered"
_NOT_ASKED: Final = "asked for only as often as max_scheduler_share allows, or not answered"


class TrendQuery(BaseModel):
    """Parameters of ``/trend``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes: Annotated[int, Field(ge=1, le=MAX_MINUTES)] = Field(
        default=MAX_MINUTES, description=f"How far back, 1 to {MAX_MINUTES}."
    )


class ChangeRow(BaseModel):
    """How a figure has changed within the present life of the node, as far as these points go back."""

    model_config = ConfigDict(from_attributes=True)

    first: int = Field(examples=[80_112])
    last: int = Field(examples=[81_023])
    smallest: int = Field(examples=[80_112])
    largest: int = Field(examples=[81_023])
    falls: int = Field(
        description="How often it was less than the time before. Rows of a table that never fall are rows that "
        "nobody deletes, or fewer than are added.",
        examples=[0],
    )
    per_minute: float | None = Field(
        description="The slope of the straight line that is nearest to the points; null for a single one.",
        examples=[15.2],
    )


class SeriesRow(BaseModel):
    """One figure at each point, the oldest first. Null: it was not measured for this point."""

    values: list[int | None] = Field(examples=[[80_112, None, 81_023]])
    change: ChangeRow | None = Field(description="Null: it was not measured in the present life.")

    @classmethod
    def of(cls, window: Window, series: Series) -> Self:
        """Take it out of a window."""
        values = window.values[series]
        found = change(present_life(window, values), window.interval_seconds)
        return cls(values=list(values), change=None if found is None else ChangeRow.model_validate(found))


class MemoryTrend(BaseModel):
    """``erlang:memory/0`` in bytes. ``total`` is ``processes`` plus ``system``; the rest are parts of the latter."""

    total_bytes: SeriesRow
    processes_bytes: SeriesRow
    system_bytes: SeriesRow
    atom_bytes: SeriesRow
    binary_bytes: SeriesRow
    code_bytes: SeriesRow
    ets_bytes: SeriesRow


class TableTrend(BaseModel):
    """All tables that have a watched name. While ``count`` is 0 there is none, which is not the same as no rows."""

    name: str = Field(examples=["receipt_ledger"])
    count: SeriesRow
    size: SeriesRow = Field(description="How many rows they have.")
    memory_bytes: SeriesRow


class LifeRow(BaseModel):
    """One life of the node."""

    creation: int = Field(examples=[1_763_914_502])
    first_point: int = Field(description="The first point of it, counted from 0.", examples=[212])


class TrendAnswer(ProbeAnswer):
    """The last minutes in points that are equally far apart; figures of the same place are of the same point."""

    interval_seconds: float = Field(description="From one point to the next.", examples=[10.0])
    points: int = Field(description="Fewer than the minutes have while the collector is young.", examples=[360])
    first_at: datetime | None = Field(
        description="When the first point was; null: there is none yet.", examples=["2026-11-23T02:14:17Z"]
    )
    lives: list[LifeRow] = Field(
        description="The node's lives that these points are of. Between one and the next it was started anew: nothing "
        "after that goes on from what was before."
    )
    memory: MemoryTrend
    process_count: SeriesRow
    run_queue_length: SeriesRow
    longest_message_queue: SeriesRow
    messages_waiting: SeriesRow = Field(description="In all mailboxes together.")
    tables: list[TableTrend] = Field(description="Those of `watch_tables`.")

    @classmethod
    def of(
        cls, window: Window, node: NodeReference, tables: Sequence[str], left_out: Sequence[str] = ()
    ) -> TrendAnswer:
        """Make the answer of a window in which there are these tables. ``left_out``: what else is not in it."""
        now = datetime.now(UTC)
        newest_at = window.newest_at or now
        missing = [*_missing(window, tables), *left_out]
        return cls(
            node=node,
            collected_at=newest_at,
            age_seconds=max(0.0, round((now - newest_at).total_seconds(), 3)),
            cost_seconds=round(window.cost_seconds, 6),
            complete=not missing,
            left_out=missing,
            interval_seconds=window.interval_seconds,
            points=window.points,
            first_at=window.first_at,
            lives=[LifeRow(creation=life.creation, first_point=life.first_point) for life in window.lives],
            memory=MemoryTrend(**{f"{kind}_bytes": SeriesRow.of(window, memory_of(kind)) for kind in MEMORY_KINDS}),
            process_count=SeriesRow.of(window, PROCESS_COUNT),
            run_queue_length=SeriesRow.of(window, RUN_QUEUE),
            longest_message_queue=SeriesRow.of(window, LONGEST_QUEUE),
            messages_waiting=SeriesRow.of(window, WAITING),
            tables=[
                TableTrend(
                    name=name,
                    count=SeriesRow.of(window, table_of(name, "count")),
                    size=SeriesRow.of(window, table_of(name, "size")),
                    memory_bytes=SeriesRow.of(window, table_of(name, "memory")),
                )
                for name in tables
            ],
        )


def _missing(window: Window, tables: Sequence[str]) -> Iterator[str]:
    """Say at how many points there is nothing, or not all."""
    silent = window.creations.count(None)
    if silent:
        yield f"{silent} of {window.points} points: the node did not answer"
    for what, series, why in (
        ("memory", memory_of("total"), _NOT_ANSWERED),
        ("the process count", PROCESS_COUNT, _NOT_ANSWERED),
        ("the run queue", RUN_QUEUE, _NOT_ANSWERED),
        ("message queues", LONGEST_QUEUE, _NOT_ASKED),
        *(("watched tables", table_of(name, "count"), _NOT_ASKED) for name in tables[:1]),
    ):
        absent = sum(
            value is None and creation is not None
            for value, creation in zip(window.values[series], window.creations, strict=True)
        )
        if absent:
            yield f"{what} at {absent} of {window.points} points: {why}"
    if window.trouble is not None:
        yield f"at the last point: {window.trouble}"
