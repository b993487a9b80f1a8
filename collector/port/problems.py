"""Errors over HTTP, all in one shape: ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from agent.errors import AgentError, CallError, DeadlineExceeded, LocalProtocolError
from collector.models import NoAnswer, NodeReference, Problem
from collector.snapshot import Bug, TooSoon
from collector.views import NotFound


class ProblemError(Exception):
    """An error to answer with. ``kind`` becomes the problem's type."""

    def __init__(self, status: HTTPStatus, kind: str, detail: str, node: NodeReference | None = None) -> None:
        self.problem = Problem(
            type=f"urn:beamwarden:{kind}", title=status.phrase, status=status, detail=detail, node=node
        )
        super().__init__(detail)


class ProblemResponse(JSONResponse):
    """A response with a problem."""

    media_type = "application/problem+json"


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem, and say so in its OpenAPI document."""
    make_document = app.openapi
    app.openapi = lambda: _name_media_type(make_document())  # type: ignore[method-assign]  # FastAPI's own way

    @app.exception_handler(ProblemError)
    def _problem(_request: Request, error: ProblemError) -> ProblemResponse:
        return respond(error)

    @app.exception_handler(NoAnswer)
    def _no_answer(_request: Request, error: NoAnswer) -> ProblemResponse:
        headers = None
        if isinstance(error.cause, TooSoon):
            headers = {"Retry-After": str(math.ceil(error.cause.retry_after_seconds))}
        return respond(of_agent_error(error.cause, NodeReference.of(error.snapshot)), headers)

    @app.exception_handler(NotFound)
    def _not_found(_request: Request, error: NotFound) -> ProblemResponse:
        node = NodeReference.of(error.snapshot)
        return respond(ProblemError(HTTPStatus.NOT_FOUND, "not-found", str(error), node))

    @app.exception_handler(RequestValidationError)
    def _invalid(_request: Request, error: RequestValidationError) -> ProblemResponse:
        mistakes = "; ".join(f"{'.'.join(map(str, found['loc'][1:]))}: {found['msg']}" for found in error.errors())
        return respond(ProblemError(HTTPStatus(422), "invalid-parameter", mistakes))

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> ProblemResponse:
        status = HTTPStatus(error.status_code)
        kind = status.phrase.lower().replace(" ", "-")
        detail = f"there is no {request.url.path} here" if status == HTTPStatus.NOT_FOUND else str(error.detail)
        return respond(ProblemError(status, kind, detail), error.headers)

    @app.exception_handler(Exception)
    def _bug(_request: Request, _error: Exception) -> ProblemResponse:
        # Starlette raises it again behind this answer, so the server's log has it with its trace.
        return respond(
            ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "bug", "a bug of beamwarden; its log has the details")
        )


def _name_media_type(document: dict[str, Any]) -> dict[str, Any]:
    """Put problems under their own media type. FastAPI files every model under ``application/json``."""
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    for response in (response for operation in operations for response in operation["responses"].values()):
        content = response.get("content", {})
        if content.get("application/json", {}).get("schema", {}).get("$ref", "").endswith("Problem"):
            content[ProblemResponse.media_type] = content.pop("application/json")
    return document


def of_agent_error(cause: AgentError, node: NodeReference | None) -> ProblemError:
    """Return the problem that the library's error is over HTTP."""
    if isinstance(cause, Bug | LocalProtocolError):
        return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "bug", str(cause), node)
    if isinstance(cause, TooSoon):
        return ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "asked-too-often", str(cause), node)
    if isinstance(cause, DeadlineExceeded):
        return ProblemError(HTTPStatus.GATEWAY_TIMEOUT, "node-does-not-answer", str(cause), node)
    if isinstance(cause, CallError):
        return ProblemError(HTTPStatus.BAD_GATEWAY, "question-failed", str(cause), node)
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "node-not-connected", str(cause), node)


def respond(error: ProblemError, headers: Mapping[str, str] | None = None) -> ProblemResponse:
    """Answer with a problem."""
    of_no_node = {"node"} if error.problem.node is None else None
    body = error.problem.model_dump(mode="json", exclude=of_no_node)
    return ProblemResponse(body, status_code=error.problem.status, headers=headers)
