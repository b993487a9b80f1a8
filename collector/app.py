"""The whole service, wired on one screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from collector import api, diagnostics, endpoints, problems
from collector.fleet import Fleet
from collector.models import Problem
from collector.problems import ProblemError
from collector.recording import Trends
from collector.settings import Settings
from collector.version import VERSION


def create_app(fleet: Fleet, settings: Settings, trends: Trends | None = None) -> FastAPI:
    """Put the routes before the fleet. Starting and stopping the fleet is `collector.serve`'s."""
    app = FastAPI(
        title="Beamwarden",
        version=VERSION,
        summary="Asks Erlang nodes what is wrong with them.",
        # FastAPI's pages for people load their scripts from elsewhere, where a sidecar cannot reach.
        docs_url=None,
        redoc_url=None,
        responses={"default": {"model": Problem, "description": "Any other error"}},
    )
    app.state.fleet = fleet
    app.state.settings = settings
    app.state.trends = trends or Trends(fleet.nodes, settings)
    problems.install(app)
    app.add_middleware(GZipMiddleware)
    app.add_middleware(_HeadAsGet)
    if not settings.listen.is_loopback and not settings.insecure_no_auth:
        _close_api(app, settings)
    app.include_router(endpoints.router)
    app.include_router(api.router)
    app.include_router(diagnostics.router)
    return app


class _HeadAsGet:
    """Answers HEAD as GET; the server leaves the body out. Some checks of uptime ask so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


def _close_api(app: FastAPI, settings: Settings) -> None:
    """Keep the API from everybody who can reach an address that is not this machine's own."""

    @app.middleware("http")
    async def _refuse(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.scope["path"].startswith(api.PREFIX):
            return problems.respond(
                ProblemError(
                    HTTPStatus.FORBIDDEN,
                    "api-closed",
                    f"this collector listens on {settings.listen}, where others than this machine may ask, and cannot "
                    "tell who does: listen on 127.0.0.1, say --insecure-no-auth if everybody may read, or ask "
                    "the node itself with --node and --cookie-file",
                )
            )
        return await call_next(request)
