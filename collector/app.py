"""The whole service, wired on one screen."""

from __future__ import annotations

import os
from functools import partial

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from collector.access.attempts import Attempts
from collector.access.entrance import Entrance
from collector.access.gate import Gate
from collector.access.known_tokens import KnownTokens
from collector.access.refused_requests import note_refusal
from collector.cleaning.runner import Cleaning
from collector.cloud import Cloud
from collector.diagnosis.diagnosing import Diagnoser, numbers_of
from collector.fleet import Fleet
from collector.journal.journal import Journal
from collector.load import tokens_file
from collector.memory_ceiling import MemoryCeiling, give_back
from collector.metrics.labelled import NodeSeries
from collector.models import Problem
from collector.port import problems
from collector.port.bounding import Bounding
from collector.port.known_web_config import KnownWebConfig
from collector.recording import Trends
from collector.restarts.rules import rules_of
from collector.restarts.runner import Restarts
from collector.routes import audit as audit_api
from collector.routes import cleaning as cleaning_api
from collector.routes import diagnosis as diagnosis_api
from collector.routes import diagnostics, endpoints
from collector.routes import nodes as api
from collector.routes import restarts as restarts_api
from collector.settings import Settings
from collector.version import VERSION


def create_app(
    fleet: Fleet,
    settings: Settings,
    trends: Trends | None = None,
    journal: Journal | None = None,
    web: KnownWebConfig | None = None,
) -> FastAPI:
    """Put the routes before the fleet, and the gate before the routes. TLS and starting the fleet are `serve`'s."""
    app = FastAPI(
        title="Beamwarden",
        version=VERSION,
        summary="Asks Erlang nodes what is wrong with them.",
        # FastAPI's pages for people load their scripts from elsewhere, where a sidecar cannot reach.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a path that is not in the table of permissions leads nowhere
        responses={"default": {"model": Problem, "description": "Any other error"}},
    )
    app.state.fleet = fleet
    app.state.settings = settings
    app.state.trends = trends or Trends(fleet.nodes, settings)
    app.state.overlong = endpoints.Overlong()
    app.state.series = {name: NodeSeries() for name in fleet.nodes}
    app.state.tokens = KnownTokens(tokens_file(settings, os.environ))
    app.state.attempts = Attempts()
    app.state.ceiling = ceiling = MemoryCeiling(settings.memory_ceiling_bytes, partial(_shed, fleet))
    app.state.journal = journal = journal or Journal(None)
    app.state.on_refusal = partial(note_refusal, journal, fleet.nodes.keys())
    rules = rules_of(settings)
    app.state.diagnosers = {
        name: Diagnoser(watched, settings, Cloud(os.environ), app.state.trends.window_of(name), numbers_of(settings))
        for name, watched in fleet.nodes.items()
    }
    app.state.restarts = {name: Restarts(watched, journal, rules) for name, watched in fleet.nodes.items()}
    app.state.cleaning = {
        name: Cleaning(watched, journal, may_delete=settings.allow_ets_delete) for name, watched in fleet.nodes.items()
    }
    problems.install(app)
    restarts_api.install(app)
    cleaning_api.install(app)
    app.add_middleware(GZipMiddleware)
    app.add_middleware(_HeadAsGet)
    app.add_middleware(Bounding, ceiling=ceiling)
    # The outermost: whoever is refused reaches nothing else.
    app.add_middleware(
        Gate,
        settings=settings,
        tokens=app.state.tokens,
        attempts=app.state.attempts,
        entrance=Entrance(web, app.state.attempts),
    )
    app.include_router(endpoints.router)
    app.include_router(api.router)
    app.include_router(diagnostics.router)
    app.include_router(diagnosis_api.router)
    app.include_router(audit_api.router)
    app.include_router(restarts_api.router)
    app.include_router(cleaning_api.router)
    return app


def _shed(fleet: Fleet) -> None:
    fleet.forget()
    give_back()


class _HeadAsGet:
    """Answers HEAD as GET; the server leaves the body out. Some checks of uptime ask so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
