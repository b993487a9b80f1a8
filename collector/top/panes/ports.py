"""Ports: those in which most data waits for the outside to take it."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from collector.render.parts import cell, counted, format_bytes, format_count
from collector.top.pages import Column, Page, Subject, row, subject
from collector.top.panes.processes import process
from collector.views import MAX_LIMIT
from collector.views.ports import PORTS, PortsAnswer, PortsQuery
from collector.views.trend import TrendAnswer

_COLUMNS: Final = (
    Column("port"),
    Column("driver or program", least=14),
    Column("waits", is_number=True),
    Column("read", is_number=True, rank=1),
    Column("written", is_number=True, rank=1),
    Column("owner", least=10, rank=2),
)


def _page(answer: PortsAnswer, _trend: TrendAnswer | None) -> Page:
    waiting = f"{format_bytes(answer.queue_bytes)} wait in them" if answer.queue_bytes else "nothing waits in any"
    summary = Text(f"{counted(answer.port_count, 'port')} of {format_count(answer.port_limit)}, {waiting}")
    if answer.not_answering:
        summary.append(f"; {counted(len(answer.not_answering), 'port')} held by the driver", "bold yellow")
    return Page(
        summary,
        _COLUMNS,
        tuple(
            row(
                one.id,
                one.id,
                cell(one.name, "bold"),
                Text(format_bytes(one.queue_bytes), "bold yellow" if one.queue_bytes else ""),
                format_bytes(one.input_bytes),
                format_bytes(one.output_bytes),
                one.owner_name or one.owner,
                look=process(one.owner),
            )
            for one in answer.ports
        ),
    )


ALL: Final[Subject[PortsAnswer]] = subject(PORTS, PortsQuery(limit=MAX_LIMIT), _page)
