"""What machines ask: ``/metrics``, ``/health`` of the nodes, ``/livez`` and ``/readyz`` of this program."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from collector.api import WatchedFleet, find_node
from collector.attempts import Attempts
from collector.health import why_unavailable
from collector.metrics.actions import action_metrics
from collector.metrics.connections import build_info, connection_metrics
from collector.metrics.own import failed_logins
from collector.metrics.page import to_families, to_labelled
from collector.models import HealthAnswer, NodeHealth, NodeReference, Problem
from collector.question import QUESTION_SECONDS
from collector.snapshot import Snapshot

SCRAPE_RESERVE_SECONDS: Final = 0.5  # of the scraper's own timeout, for the way there and back
MIN_SCRAPE_SECONDS: Final = 0.1

router = APIRouter(tags=["for machines"])


class _Gathered(Collector):
    """Families that are made already, in the form in which prometheus_client wants them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def scrape_deadline_seconds(header: str | None) -> float:
    """Return how long a scrape may wait for the nodes, given the scraper's X-Prometheus-Scrape-Timeout-Seconds."""
    try:
        timeout_seconds = float(header) if header is not None else math.inf
    except ValueError:
        timeout_seconds = math.inf
    if math.isnan(timeout_seconds):
        timeout_seconds = math.inf
    return max(MIN_SCRAPE_SECONDS, min(QUESTION_SECONDS, timeout_seconds - SCRAPE_RESERVE_SECONDS))


def expose(snapshots: Sequence[Snapshot], accept: str, of_ourselves: Iterable[Metric] = ()) -> tuple[bytes, str]:
    """Return the metrics of these snapshots in the format that the scraper accepts, and its content type."""
    families = _Gathered([*to_families(snapshots), *of_ourselves])
    try:
        encode, content_type = choose_encoder(accept)
        return encode(families), content_type
    except TypeError:  # prometheus_client's, for a version that is no number
        encode, content_type = choose_encoder("")
        return encode(families), content_type


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
async def metrics(
    request: Request,
    fleet: WatchedFleet,
    accept: Annotated[str, Header()] = "",
    x_prometheus_scrape_timeout_seconds: Annotated[str | None, Header()] = None,
) -> Response:
    """Ask every node now, and give what it answered within the deadline."""
    snapshots = await fleet.scrape(scrape_deadline_seconds(x_prometheus_scrape_timeout_seconds))
    attempts = request.app.state.attempts
    assert isinstance(attempts, Attempts)
    body, content_type = expose(
        snapshots,
        accept,
        [
            *to_labelled(snapshots, request.app.state.series, time.monotonic()),
            build_info(),
            *connection_metrics({name: watched.node for name, watched in fleet.nodes.items()}),
            failed_logins(attempts.failed_logins),
            *action_metrics(request.app.state.restarts, request.app.state.cleaning),
        ],
    )
    return Response(body, headers={"Content-Type": content_type})


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
  <dt><a href="/metrics">/metrics</a></dt><dd>vital signs of every node, for Prometheus</dd>
  <dt><a href="/health">/health</a></dt><dd>200 when the nodes are well, 503 with the reason when not</dd>
  <dt><a href="/api/v1/nodes">/api/v1/nodes</a></dt><dd>the nodes as JSON; below each /memory and /system</dd>
  <dt><a href="/openapi.json">/openapi.json</a></dt><dd>all of the API, with examples</dd>
  <dt><a href="/livez">/livez</a>, <a href="/readyz">/readyz</a></dt><dd>this program's own probes</dd>
</dl>
</html>
"""
