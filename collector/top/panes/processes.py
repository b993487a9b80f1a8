"""Processes: the largest, those with the longest mailboxes, the busiest. Each order is a question of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rich.text import Text

from collector.render.parts import cell, counted, format_bytes, format_count, is_idle_loop
from collector.render.processes import process_facts
from collector.top.pages import Column, Look, Page, Row, Subject, look, row, subject
from collector.views import MAX_LIMIT
from collector.views.processes import (
    BUSY,
    MAILBOXES,
    PROCESS,
    PROCESSES,
    BusyAnswer,
    BusyAnswerRow,
    BusyQuery,
    MailboxesAnswer,
    MailboxesQuery,
    ProcessAnswerRow,
    ProcessesAnswer,
    ProcessesQuery,
    ProcessQuery,
)
from collector.views.trend import TrendAnswer

LONG_QUEUE: Final = 1_000
VERY_LONG_QUEUE: Final = 100_000

_PID: Final = Column("pid")
_WHO: Final = Column("process", least=16)
_MEMORY: Final = Column("memory", is_number=True)
_MOST_MEMORY: Final = replace(_MEMORY, is_order=True)
_QUEUE: Final = Column("queue", is_number=True)
_LONGEST_QUEUE: Final = replace(_QUEUE, is_order=True)
_REDUCTIONS: Final = Column("reductions", is_number=True, is_order=True)
_SHARE: Final = Column("share", is_number=True, rank=1)
_STATUS: Final = Column("status", rank=3)
_WHERE: Final = Column("in", least=20, rank=2)
_PARENT: Final = Column("parent", least=12, rank=4)
_STARTED_WITH: Final = Column("started with", least=16, rank=5)


def process(pid: str | None) -> Look | None:
    """Look at one process."""
    return None if pid is None else look(PROCESS, ProcessQuery(pid=pid), f"process {pid}", process_facts)


def queue_text(length: int) -> Text:
    """Print how many messages wait, so that many stand out."""
    style = "" if length < LONG_QUEUE else "bold yellow" if length < VERY_LONG_QUEUE else "bold red"
    return Text(format_count(length), style)


def where_text(function: str | None) -> Text:
    """Print where a process is, unless it waits in its loop for something to do."""
    return cell("idle" if is_idle_loop(function) else function, "dim")


def _of_memory(answer: ProcessesAnswer, _trend: TrendAnswer | None) -> Page:
    total = f"{counted(answer.process_count, 'process', 'processes')}, {format_bytes(answer.memory_bytes)} together"
    return Page(
        Text(f"{total}, the largest {format_bytes(answer.largest_memory_bytes)}"),
        (_PID, _WHO, _MOST_MEMORY, _QUEUE, _WHERE, _STATUS, _PARENT, _STARTED_WITH),
        tuple(_row(one) for one in answer.processes),
    )


def _of_queues(answer: MailboxesAnswer, _trend: TrendAnswer | None) -> Page:
    queues = answer.message_queues
    holding = next((over.processes for over in queues.over if over.threshold == 0), 0)
    waits = counted(queues.total, "message waits", "messages wait")
    where = f"in {counted(holding, 'mailbox', 'mailboxes')} of {format_count(answer.process_count)}"
    return Page(
        Text(f"{waits} {where}, {format_count(queues.longest)} in the longest" if queues.total else "no message waits"),
        (_PID, _WHO, _LONGEST_QUEUE, _MEMORY, _WHERE, _STATUS, _PARENT, _STARTED_WITH),
        tuple(_row(one, queue_first=True) for one in answer.processes),
    )


def _of_reductions(answer: BusyAnswer, _trend: TrendAnswer | None) -> Page:
    what = f"{format_count(answer.reductions)} reductions within {answer.window_seconds:.1f} s"
    return Page(
        Text(f"{counted(answer.process_count, 'process', 'processes')} did {what}"),
        (_PID, _WHO, _REDUCTIONS, _SHARE, replace(_QUEUE, rank=1), _WHERE, _STATUS, _PARENT, _STARTED_WITH),
        tuple(_busy_row(one, answer.reductions) for one in answer.processes),
    )


def _row(one: ProcessAnswerRow, *, queue_first: bool = False) -> Row:
    sizes = (Text(format_bytes(one.memory_bytes)), queue_text(one.message_queue_len))
    return row(
        one.pid,
        one.pid,
        _who(one),
        *(reversed(sizes) if queue_first else sizes),
        where_text(one.current_function),
        one.status,
        one.parent_name or one.parent,
        one.initial_call,
        look=process(one.pid),
    )


def _busy_row(one: BusyAnswerRow, all_reductions: int) -> Row:
    share = one.reductions_in_window / all_reductions if all_reductions else 0.0
    return row(
        one.pid,
        one.pid,
        _who(one),
        format_count(one.reductions_in_window),
        f"{share:.0%}",
        queue_text(one.message_queue_len),
        where_text(one.current_function),
        one.status,
        one.parent_name or one.parent,
        one.initial_call,
        look=process(one.pid),
    )


def _who(one: ProcessAnswerRow) -> Text:
    return cell(one.name, "bold") if one.name is not None else cell(one.initial_call)


BY_MEMORY: Final[Subject[ProcessesAnswer]] = subject(PROCESSES, ProcessesQuery(limit=MAX_LIMIT), _of_memory)
BY_QUEUE: Final[Subject[MailboxesAnswer]] = subject(MAILBOXES, MailboxesQuery(limit=MAX_LIMIT), _of_queues)
BY_REDUCTIONS: Final[Subject[BusyAnswer]] = subject(BUSY, BusyQuery(limit=MAX_LIMIT), _of_reductions)
