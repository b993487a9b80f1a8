"""Applications: which are there, and which do not run although they should."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from agent.probes import applications
from agent.probes.applications import Applications, ApplicationState
from collector.models import ProbeAnswer
from collector.question import SWEEP_SECONDS, Question
from collector.snapshot import Snapshot
from collector.views import Query, View, head, need


class ApplicationsQuery(Query):
    """Parameters of ``/applications``."""


class ApplicationRow(BaseModel):
    """One loaded application."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["tai_autonomics"])
    version: str = Field(examples=["1.0.0"])
    description: str = Field(examples=["TAI Erlang Autonomics"])
    state: ApplicationState = Field(
        description="library: it has nothing to run; included: another application runs it as a part of itself.",
        examples=["running"],
    )
    top: str | None = Field(description="Its top process, which is its root supervisor.", examples=["<0.89.0>"])
    top_name: str | None = Field(description="Its registered name.", examples=["tai_autonomics_sup"])


class ApplicationsAnswer(ProbeAnswer):
    """All loaded applications, by name."""

    application_count: int = Field(examples=[6])
    not_running: list[str] = Field(
        description="Those that have something to run and do not run: stopped, crashed, or never started.",
        examples=[["ssl"]],
    )
    applications: list[ApplicationRow]

    @classmethod
    def of(cls, snapshot: Snapshot, _query: ApplicationsQuery) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer`."""
        found = need(snapshot, "applications", Applications)
        return cls.model_validate(
            head(snapshot, "applications", found.left_out)
            | {
                "application_count": len(found.applications),
                "not_running": found.not_running,
                "applications": found.applications,
            }
        )


SWEEP_APPLICATIONS = Question("applications", applications.ask, deadline_seconds=SWEEP_SECONDS, is_sweep=True)
APPLICATIONS = View(
    "applications", lambda _query, _settings: SWEEP_APPLICATIONS, ApplicationsAnswer, ApplicationsAnswer.of
)
