"""What the dashboards of deploy/grafana show, a page in each file. `scripts.dashboards` builds them."""

from __future__ import annotations

from typing import Final

from scripts.dashboard_pages.agent import AGENT
from scripts.dashboard_pages.ets import ETS
from scripts.dashboard_pages.memory import MEMORY
from scripts.dashboard_pages.overview import OVERVIEW
from scripts.dashboard_pages.panels import Graph, Page, Query
from scripts.dashboard_pages.processes import PROCESSES
from scripts.dashboard_pages.supervision import SUPERVISION

PAGES: Final = (OVERVIEW, PROCESSES, ETS, SUPERVISION, MEMORY, AGENT)


def queries(page: Page) -> tuple[Query, ...]:
    """Return all queries of a page."""
    panels = [panel for row in page.rows for panel in row.panels]
    return tuple(query for panel in panels for query in (panel.queries if isinstance(panel, Graph) else (panel.query,)))
