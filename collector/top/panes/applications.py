"""Applications: those that do not run come first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.text import Text

from agent.probes.applications import ApplicationState
from collector.render.parts import cell, counted
from collector.top.pages import Column, Page, Subject, row, subject
from collector.top.panes.processes import process
from collector.views.applications import APPLICATIONS, ApplicationsAnswer, ApplicationsQuery
from collector.views.trend import TrendAnswer

_COLUMNS: Final = (
    Column("application", least=16),
    Column("version"),
    Column("state"),
    Column("top process", least=10, rank=1),
    Column("what it is", least=12, rank=2),
)
_RANKS: Final[Mapping[ApplicationState, int]] = {
    ApplicationState.NOT_RUNNING: 0,
    ApplicationState.STARTING: 1,
    ApplicationState.RUNNING: 2,
    ApplicationState.INCLUDED: 3,
    ApplicationState.LIBRARY: 4,
}
_STYLES: Final[Mapping[ApplicationState, str]] = {
    ApplicationState.NOT_RUNNING: "bold red",
    ApplicationState.STARTING: "bold yellow",
}


def _page(answer: ApplicationsAnswer, _trend: TrendAnswer | None) -> Page:
    gone = len(answer.not_running)
    summary = Text(f"{counted(answer.application_count, 'application')}, ")
    summary.append(f"{gone} with something to run do not run" if gone else "all that have something to run do run")
    return Page(
        summary,
        _COLUMNS,
        tuple(
            row(
                one.name,
                cell(one.name, "bold"),
                one.version,
                cell(one.state, _STYLES.get(one.state, "")),
                one.top_name or one.top,
                cell(one.description, "dim"),
                look=process(one.top),
            )
            for one in sorted(answer.applications, key=lambda one: (_RANKS[one.state], one.name))
        ),
    )


ALL: Final[Subject[ApplicationsAnswer]] = subject(APPLICATIONS, ApplicationsQuery(), _page)
