"""What machines ask: ``/metrics``, ``/health`` of the nodes, ``/livez`` and ``/readyz`` of this program."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from collector.access.attempts import Attempts
from collector.health import why_unavailable
from collector.memory_ceiling import MemoryCeiling
from collector.metrics.actions import action_metrics
from collector.metrics.connections import build_info, connection_metrics
from collector.metrics.exposition import write_page
from collector.metrics.legacy import Naming
from collector.metrics.own import failed_logins, settings_valid
from collector.metrics.own_memory import memory_metrics
from collector.metrics.page import to_families, to_labelled
from collector.models import HealthAnswer, NodeHealth, NodeReference, Problem
from collector.question import QUESTION_SECONDS
from collector.routes.nodes import WatchedFleet, find_node
from collector.scrape_settings import OF_CONSTANT_COST
from collector.scraping import wanted
from collector.settings import Settings
from collector.watched import WatchedNode

SCRAPE_RESERVE_SECONDS: Final = 0.5  # of the scraper's own timeout, for the way there and back
MIN_SCRAPE_SECONDS: Final = 0.1
TELL_AGAIN_SECONDS: Final = 60.0

_LOG: Final = logging.getLogger(__name__)

Accept = Annotated[str, Header()]
ScrapeTimeout = Annotated[str | None, Header()]
Collect = Annotated[
    list[str] | None, Query(alias="collect[]", description="Only this probe; may be repeated. All when left out.")
]

router = APIRouter(tags=["for machines"])


def scrape_deadline_seconds(header: str | None) -> float:
    """Return how long a scrape may wait for the nodes, given the scraper's X-Prometheus-Scrape-Timeout-Seconds."""
    try:
        timeout_seconds = float(header) if header is not None else math.inf
    except ValueError:
        timeout_seconds = math.inf
    if math.isnan(timeout_seconds):
        timeout_seconds = math.inf
    return max(MIN_SCRAPE_SECONDS, min(QUESTION_SECONDS, timeout_seconds - SCRAPE_RESERVE_SECONDS))


class Overlong:
    """Says in the log, once a minute, what scrapes leave out because they would be too long."""

    def __init__(self) -> None:
        self._told_at = -math.inf

    def note(self, left_out: Mapping[str, int], max_series: int, now: float) -> None:
        """Take what a scrape has left out."""
        if left_out and now - self._told_at >= TELL_AGAIN_SECONDS:
            self._told_at = now
            _LOG.warning(
                "a scrape has more than %d series, so families are left out",
                max_series,
                extra={"families": dict(left_out)},
            )


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
async def metrics(
    request: Request,
    fleet: WatchedFleet,
    accept: Accept = "",
    x_prometheus_scrape_timeout_seconds: ScrapeTimeout = None,
    collect: Collect = None,
) -> Response:
    """Ask every node now, and give what it answered within the deadline."""
    return await _scrape(request, [*fleet.nodes.values()], accept, x_prometheus_scrape_timeout_seconds, collect)


@router.get(
    "/probe",
    summary="Metrics of one node",
    response_class=Response,
    responses={HTTPStatus.NOT_FOUND.value: {"model": Problem, "description": "No node of that name is watched here"}},
)
async def probe(
    request: Request,
    fleet: WatchedFleet,
    target: Annotated[str, Query(description="The node's name, as in the settings.", examples=["tai@127.0.0.1"])],
    accept: Accept = "",
    x_prometheus_scrape_timeout_seconds: ScrapeTimeout = None,
    collect: Collect = None,
) -> Response:
    """Ask one node of several now, so that each is a target of its own in Prometheus. No other can be asked for."""
    return await _scrape(request, [find_node(fleet, target)], accept, x_prometheus_scrape_timeout_seconds, collect)


async def _scrape(
    request: Request,
    nodes: Collection[WatchedNode],
    accept: str,
    timeout_seconds: str | None,
    collect: Sequence[str] | None,
) -> Response:
    state, settings = request.app.state, request.app.state.settings
    assert isinstance(settings, Settings)
    assert isinstance(state.attempts, Attempts)
    assert isinstance(state.ceiling, MemoryCeiling)
    probes = wanted(settings.scrape_without, collect or ())
    if state.ceiling.is_reached():
        probes &= frozenset(OF_CONSTANT_COST)
    deadline_seconds = scrape_deadline_seconds(timeout_seconds)
    snapshots = await asyncio.gather(*(node.scrape(deadline_seconds, probes) for node in nodes))
    now = time.monotonic()
    page = write_page(
        [
            *to_families(snapshots, probes),
            *to_labelled(snapshots, state.series, now, probes),
            build_info(),
            settings_valid(is_valid=True),
            *memory_metrics(state.ceiling),
            *connection_metrics({watched.name: watched.node for watched in nodes}),
            failed_logins(state.attempts.failed_logins),
            *action_metrics(
                {node.name: state.restarts[node.name] for node in nodes},
                {node.name: state.cleaning[node.name] for node in nodes},
            ),
        ],
        accept,
        Naming(settings.naming),
        settings.scrape_max_series,
    )
    state.overlong.note(page.left_out, settings.scrape_max_series, now)
    return Response(page.body, headers={"Content-Type": page.content_type})


@router.get(
    "/health",
    summary="Is the node well?",
    response_class=JSONResponse,
    responses={
        HTTPStatus.OK.value: {"model": HealthAnswer, "description": "They are all well"},
        HTTPStatus.SERVICE_UNAVAILABLE.value: {"model": HealthAnswer, "description": "One is not, with the reason"},
        HTTPStatus.NOT_FOUND.value: {"model": Problem, "description": "No node of that name is watched here"},
    },
)
async def health(
    fleet: WatchedFleet,
    node: Annotated[str | None, Query(description="Only this node; all when left out.")] = None,
) -> JSONResponse:
    """Say 200 when every node answers and its expected supervisors run, else 503 and the reason."""
    watched = fleet.nodes.values() if node is None else [find_node(fleet, node)]
    probes = ("identity", "supervisors")
    snapshots = await asyncio.gather(*(one.snapshot(QUESTION_SECONDS, probes) for one in watched))
    reason = why_unavailable(snapshots)
    answer = HealthAnswer(
        status="ok" if reason is None else "unavailable",
        reason=reason,
        nodes=[
            NodeHealth(**NodeReference.of(found).model_dump(), reason=why_unavailable([found])) for found in snapshots
        ],
    )
    status = HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(answer.model_dump(mode="json", exclude={"reason"} if reason is None else None), status)


@router.get("/livez", summary="Is this program alive?")
async def livez() -> dict[str, str]:
    """Say 200 as long as this program runs, whatever becomes of the nodes: they are not restarted for our sake."""
    return {"status": "ok"}


@router.get("/readyz", summary="Is this program ready?")
async def readyz() -> dict[str, str]:
    """Say 200 once requests are taken, whatever becomes of the nodes."""
    return {"status": "ok"}


@router.get("/", include_in_schema=False)
async def first_page() -> HTMLResponse:
    """Show the way to the rest."""
    return HTMLResponse(_FIRST_PAGE)


_FIRST_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Beamwarden</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; color: #1b1b1f; }
  dt { margin-top: 1rem } dd { margin: 0; color: #55555f } code, dt { font-family: ui-monospace, monospace }
  @media (prefers-color-scheme: dark) { body { background: #17171b; color: #e4e4ea } dd { color: #a0a0ab }
    a { color: #9db8ff } }
</style>
<h1>Beamwarden</h1>
<p>A hidden Erlang node that asks the nodes it watches what is wrong with them.</p>
<dl>
  <dt><a href="/metrics">/metrics</a></dt><dd>every node, for Prometheus; /probe?target= has one of several</dd>
  <dt><a href="/health">/health</a></dt><dd>200 when the nodes are well, 503 with the reason when not</dd>
  <dt><a href="/api/v1/nodes">/api/v1/nodes</a></dt><dd>the nodes as JSON; below each
    /diagnosis says what is wrong with it, and /openapi.json what else there is</dd>
  <dt><a href="/openapi.json">/openapi.json</a></dt><dd>all of the API, with examples</dd>
  <dt><a href="/livez">/livez</a>, <a href="/readyz">/readyz</a></dt><dd>this program's own probes</dd>
</dl>
</html>
"""
