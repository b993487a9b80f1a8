"""Processes: the largest, those with the longest mailboxes, the busiest, and one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from agent.expression import Shell
from agent.probes import busy, process, processes
from agent.probes.busy import Busy
from agent.probes.process import NoProcess, Process
from agent.probes.processes import Mailboxes, Processes, ProcessRow, Queues
from collector.models import ProbeAnswer
from collector.question import SWEEP_SECONDS, Question
from collector.settings import Settings
from collector.snapshot import Snapshot
from collector.views import DEFAULT_LIMIT, Limit, NotFound, Query, View, head, need


class ProcessAnswerRow(BaseModel):
    """One process. Null: it has none, or the node does not tell."""

    model_config = ConfigDict(from_attributes=True)

    pid: str = Field(examples=["<0.123.0>"])
    name: str | None = Field(description="Its registered name.", examples=["receipt_store"])
    initial_call: str | None = Field(description="What it was started with.", examples=["tai_receipt_store:init/1"])
    parent: str | None = Field(description="The process that started it.", examples=["<0.120.0>"])
    parent_name: str | None = Field(examples=["receipt_ledger_sup"])
    current_function: str | None = Field(examples=["gen_server:loop/7"])
    status: str = Field(examples=["waiting"])
    reductions: int = Field(examples=[81_023])
    memory_bytes: int = Field(
        description="Heap, stack and messages; not binaries outside the heap.", examples=[4_203_992]
    )
    message_queue_len: int = Field(examples=[0])


class QueuesOver(BaseModel):
    """How many processes have a longer queue than this."""

    threshold: int = Field(examples=[1000])
    processes: int = Field(examples=[1])


class QueueTotals(BaseModel):
    """All mailboxes together."""

    total: int = Field(description="Messages in all mailboxes.", examples=[12_003])
    longest: int = Field(examples=[12_001])
    over: list[QueuesOver]

    @classmethod
    def of(cls, queues: Queues) -> Self:
        """Make it of what the probe found."""
        over = [QueuesOver(threshold=threshold, processes=count) for threshold, count in queues.over.items()]
        return cls(total=queues.total, longest=queues.longest, over=over)


# ------------------------------------------------------------------------------------------------------- all processes


class ProcessesQuery(Query):
    """Parameters of ``/processes``."""

    sort: Literal["memory", "message_queue_len"] = Field(default="memory", description="What the first has most of.")
    limit: Limit = DEFAULT_LIMIT


class ProcessesAnswer(ProbeAnswer):
    """All processes together, and those with the most memory or the longest queues."""

    process_count: int = Field(examples=[412])
    memory_bytes: int = Field(description="Of all processes together.", examples=[14_680_064])
    largest_memory_bytes: int = Field(examples=[4_203_992])
    message_queues: QueueTotals
    sort: Literal["memory", "message_queue_len"] = Field(examples=["memory"])
    processes: list[ProcessAnswerRow]

    @classmethod
    def of(cls, snapshot: Snapshot, query: ProcessesQuery) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer`."""
        found = need(snapshot, "processes", Processes)
        top = found.by_memory if query.sort == "memory" else found.by_message_queue_len
        return cls.model_validate(
            head(snapshot, "processes")
            | {
                "process_count": found.queues.processes,
                "memory_bytes": found.memory_bytes,
                "largest_memory_bytes": found.largest_memory_bytes,
                "message_queues": QueueTotals.of(found.queues),
                "sort": query.sort,
                "processes": _rows(top, query.limit),
            }
        )


SWEEP_PROCESSES = Question("processes", processes.ask, deadline_seconds=SWEEP_SECONDS, is_sweep=True)
PROCESSES = View("processes", lambda _query, _settings: SWEEP_PROCESSES, ProcessesAnswer, ProcessesAnswer.of)


# ----------------------------------------------------------------------------------------------------------- mailboxes


class MailboxesQuery(Query):
    """Parameters of ``/mailboxes``."""

    limit: Limit = DEFAULT_LIMIT


class MailboxesAnswer(ProbeAnswer):
    """All mailboxes together, and the longest. A process without messages is in no row."""

    process_count: int = Field(examples=[412])
    message_queues: QueueTotals
    processes: list[ProcessAnswerRow]

    @classmethod
    def of(cls, snapshot: Snapshot, query: MailboxesQuery) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer`."""
        found = need(snapshot, "mailboxes", Mailboxes)
        return cls.model_validate(
            head(snapshot, "mailboxes")
            | {
                "process_count": found.queues.processes,
                "message_queues": QueueTotals.of(found.queues),
                "processes": _rows(found.by_message_queue_len, query.limit),
            }
        )


SWEEP_MAILBOXES = Question("mailboxes", processes.ask_mailboxes, deadline_seconds=SWEEP_SECONDS, is_sweep=True)
MAILBOXES = View("mailboxes", lambda _query, _settings: SWEEP_MAILBOXES, MailboxesAnswer, MailboxesAnswer.of)


# ---------------------------------------------------------------------------------------------------------------- busy


class BusyQuery(Query):
    """Parameters of ``/busy``."""

    window_seconds: Annotated[float, Field(ge=busy.MIN_WINDOW_SECONDS, le=busy.MAX_WINDOW_SECONDS)] = Field(
        default=busy.DEFAULT_WINDOW_SECONDS, description="For how long to look, 0.1 to 10."
    )
    limit: Limit = DEFAULT_LIMIT


class BusyAnswerRow(ProcessAnswerRow):
    """One process, and what it did within the window."""

    reductions_in_window: int = Field(examples=[1_204_551])


class BusyAnswer(ProbeAnswer):
    """Who did most within the window."""

    process_count: int = Field(examples=[412])
    window_seconds: float = Field(description="As it was in the end. It began at `collected_at`.", examples=[1.0003])
    reductions: int = Field(description="Of all processes together within the window.", examples=[2_408_001])
    processes: list[BusyAnswerRow]

    @classmethod
    def of(cls, snapshot: Snapshot, query: BusyQuery) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer`."""
        found = need(snapshot, "busy", Busy)
        return cls.model_validate(
            head(snapshot, "busy")
            | {
                "process_count": found.processes,
                "window_seconds": round(found.window_seconds, 4),
                "reductions": found.reductions,
                "processes": [
                    BusyAnswerRow(**asdict(one.process), reductions_in_window=one.reductions_in_window)
                    for one in found.busiest[: query.limit]
                ],
            }
        )


def _ask_busy(query: BusyQuery, _settings: Settings) -> Question:
    window_seconds = query.window_seconds

    async def ask(shell: Shell, deadline_seconds: float) -> Busy:
        return await busy.ask(shell, deadline_seconds - window_seconds, window_seconds)

    return Question(
        "busy",
        ask,
        window_seconds,
        deadline_seconds=SWEEP_SECONDS + window_seconds,
        is_sweep=True,
        window_seconds=window_seconds,
    )


BUSY = View("busy", _ask_busy, BusyAnswer, BusyAnswer.of)


# --------------------------------------------------------------------------------------------------------- one process


class ProcessQuery(Query):
    """Parameters of ``/process``."""

    pid: Annotated[str, Field(min_length=1, max_length=255)] = Field(
        description="A pid, 0.123.0 or <0.123.0>, or a registered name.", examples=["0.123.0"]
    )


class StackPlace(BaseModel):
    """One line of a stack, without arguments."""

    function: str = Field(examples=["gen_server:loop/7"])
    line: int | None = Field(description="In its source file.", examples=[871])


class ProcessAnswer(ProbeAnswer):
    """One process."""

    process: ProcessAnswerRow
    is_trapping_exits: bool = Field(examples=[True])
    priority: str = Field(examples=["normal"])
    application: str | None = Field(description="The application that it belongs to.", examples=["tai_autonomics"])
    total_heap_bytes: int = Field(examples=[4_200_112])
    minor_collections: int | None = Field(description="Garbage collections since the last full one.", examples=[36])
    stack: list[StackPlace] = Field(description="Where it is, innermost first; at most eight places.")

    @classmethod
    def of(cls, snapshot: Snapshot, query: ProcessQuery) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer` and `NotFound`."""
        if missing := snapshot.result(NoProcess):
            is_pid = process.is_printed_pid(query.pid)
            what = f"no process {query.pid} is alive" if is_pid else f"no process is registered as {query.pid}"
            raise NotFound(snapshot, what, missing.nearest)
        found = need(snapshot, "process", Process)
        facts = asdict(found)
        return cls.model_validate(head(snapshot, "process") | facts | {"process": facts["row"]})


def _ask_process(query: ProcessQuery, _settings: Settings) -> Question:
    async def ask(shell: Shell, deadline_seconds: float) -> Process | NoProcess:
        return await process.ask(shell, deadline_seconds, query.pid)

    return Question("process", ask, process.parse_id(query.pid))


PROCESS = View("process", _ask_process, ProcessAnswer, ProcessAnswer.of)


def _rows(top: Sequence[ProcessRow], limit: int) -> list[ProcessAnswerRow]:
    return [ProcessAnswerRow(**asdict(row)) for row in top[:limit]]
