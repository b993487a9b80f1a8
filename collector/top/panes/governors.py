"""Governors: those without a process come first, then those with the longest mailboxes."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from collector.render.governors import longest_mailbox
from collector.render.parts import cell, counted, format_count
from collector.render.supervisors import child_state
from collector.top.pages import Column, Page, Subject, row, subject
from collector.top.panes.processes import process, queue_text, where_text
from collector.views.governors import GOVERNORS, GovernorRow, GovernorsAnswer, GovernorsQuery
from collector.views.trend import TrendAnswer

_COLUMNS: Final = (
    Column("governor", least=24),
    Column("state", least=10),
    Column("queue", is_number=True),
    Column("in", least=12, rank=1),
    Column("supervisor", least=10, rank=2),
    Column("pid", rank=3),
)


def _page(answer: GovernorsAnswer, _trend: TrendAnswer | None) -> Page:
    dead = answer.governor_count - answer.alive
    summary = Text(f"{counted(answer.governor_count, 'governor')}, ")
    summary.append(f"{format_count(dead)} not alive" if dead else "all alive")
    for name in answer.missing:
        summary.append_text(cell(f"; nobody is registered as {name}", "bold red"))
    if answer.not_read:
        summary.append(f"; below {counted(len(answer.not_read), 'supervisor')} nothing is known", "bold yellow")
    summary.append_text(longest_mailbox(answer))
    worst_first = sorted(answer.governors, key=lambda one: (one.is_alive, -(one.message_queue_len or 0)))
    return Page(
        summary,
        _COLUMNS,
        tuple(
            row(
                (one.supervisor, one.id, one.pid),
                cell(one.id, "bold"),
                child_state(one.state) if not one.is_alive else str(one.state),
                _queue(one),
                where_text(one.current_function),
                one.supervisor,
                one.pid,
                look=process(one.pid),
            )
            for one in worst_first
        ),
    )


def _queue(one: GovernorRow) -> Text:
    return cell(None) if one.message_queue_len is None else queue_text(one.message_queue_len)


ALL: Final[Subject[GovernorsAnswer]] = subject(GOVERNORS, GovernorsQuery(), _page)
