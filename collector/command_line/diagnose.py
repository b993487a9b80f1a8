"""The command that is typed first: ``beamwarden diagnose``."""

from __future__ import annotations

import sys
from typing import Final

import typer

from collector.command_line.client import Collector
from collector.command_line.keeping import Joined
from collector.command_line.showing import Manner, asking, show
from collector.render.diagnosis import diagnosis_page

FIRST_STATUS: Final = 10  # 11 is SEV-1: apart from 1, there is no answer, and 2, a setting is wrong

app = typer.Typer()


@app.command("diagnose")
@asking(
    "service_url", "prometheus_url", "prometheus_selector", "service_memory_limit_bytes",
    "cloud_project", "cloud_region", "cloud_service",
    "expected_supervisors", "extra_supervisors", "governor_supervisors", "watch_tables",
    is_kept=True,
)  # fmt: skip
def diagnose(
    source: Collector | Joined,
    manner: Manner,
) -> None:
    """Say what is wrong by the playbook, how severe, and what to do.

    Ends with 0 when nothing was found, else with 10 and the severity: 11 for SEV-1, to 14.
    """
    answer = show(source.diagnosis, diagnosis_page, manner)
    if answer is not None and answer.severity.level is not None:
        sys.exit(FIRST_STATUS + answer.severity.level)
