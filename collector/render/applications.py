"""Applications."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from agent.probes.applications import ApplicationState
from collector.render.parts import cell, counted, head_of, listing, printable
from collector.views.applications import ApplicationsAnswer

_STYLES: Final[Mapping[ApplicationState, str]] = {
    ApplicationState.RUNNING: "green",
    ApplicationState.STARTING: "bold yellow",
    ApplicationState.NOT_RUNNING: "bold red",
    ApplicationState.INCLUDED: "dim",
    ApplicationState.LIBRARY: "dim",
}


def applications_table(answer: ApplicationsAnswer) -> RenderableType:
    """Show all applications, and first those that do not run."""
    total = Text(counted(answer.application_count, "application"))
    if answer.not_running:
        total.append(f", not running: {printable(', '.join(answer.not_running))}", "bold red")
    table = listing(
        "application", "version", "state", "top process", "what it is",
        folds=("application", "top process"), clips=("what it is",),
    )  # fmt: skip
    for one in answer.applications:
        top = one.top if one.top_name is None else f"{one.top_name} {one.top}"
        table.add_row(
            cell(one.name, "bold"),
            cell(one.version),
            cell(one.state, _STYLES[one.state]),
            cell(top),
            cell(one.description, "dim"),
        )
    return Group(head_of(answer), total, Text(), table)
