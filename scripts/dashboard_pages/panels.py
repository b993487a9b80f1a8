"""What a page of a dashboard is made of.

In a query ``{of}`` stands for the labels that choose the job and the instances. ``scripts.dashboards`` builds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OF: Final = 'job=~"$job", instance=~"$instance"'


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression, and what its lines are called."""

    expression: str
    legend: str = ""

    @property
    def text(self) -> str:
        """As Grafana sends it, but for its own variables."""
        return self.expression.replace("{of}", "{" + OF + "}").replace("{of,", "{" + OF + ",")


@dataclass(frozen=True, slots=True)
class Graph:
    """Lines over time. ``at_most`` is where the axis ends, for shares."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    description: str = ""
    at_most: float | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """One figure, as it is now. It is red from ``bad_from`` on, or below ``bad_below``."""

    title: str
    unit: str
    query: Query
    bad_from: float | None = None
    bad_below: float | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below one heading."""

    title: str
    panels: tuple[Graph | Number, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One dashboard."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]


def one(title: str, unit: str, expression: str, legend: str = "{{instance}}", description: str = "") -> Graph:
    """Make a graph of one query."""
    return Graph(title, unit, (Query(expression, legend),), description)
