"""The REST API of the small cures: a garbage collection, and the deletion of one key."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, FastAPI, Header, Request

from agent.actions.guards import Guard
from collector.cleaning.models import (
    CleaningAnswer,
    CleaningProblem,
    CleaningRequest,
    CollectionRequest,
    DeletionRequest,
)
from collector.cleaning.runner import Cleaning, CleaningRefused, WrongKey
from collector.port.problems import ProblemError, ProblemResponse, respond
from collector.routes.nodes import OF_A_NODE, OF_THE_GATE, PREFIX, WITH_TOKEN, Node, problems_of, retry_after

_STATUSES: Final = {
    Guard.NO_PROCESS: HTTPStatus.NOT_FOUND,
    Guard.NO_TABLE: HTTPStatus.NOT_FOUND,
    Guard.NO_KEY: HTTPStatus.NOT_FOUND,
    Guard.ETS_DELETE_OFF: HTTPStatus.FORBIDDEN,
    Guard.TABLE_NOT_PUBLIC: HTTPStatus.FORBIDDEN,
}

router = APIRouter(
    prefix=f"{PREFIX}/nodes/{{node}}",
    tags=["small cures"],
    responses=OF_A_NODE
    | OF_THE_GATE
    | problems_of(HTTPStatus(422))
    | {
        status.value: {"model": CleaningProblem, "description": "Guards refuse it"}
        for status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
    },
    dependencies=[WITH_TOKEN],
)


async def _cleaning(request: Request, node: Node) -> Cleaning:
    cleaning = request.app.state.cleaning[node.name]
    assert isinstance(cleaning, Cleaning)
    return cleaning


OfNode = Annotated[Cleaning, Depends(_cleaning)]
OnceOnly = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]


@router.post("/garbage-collections", summary="Collect the garbage of one process")
async def post_collection(
    request: Request, cleaning: OfNode, wanted: CollectionRequest, idempotency_key: OnceOnly = None
) -> CleaningAnswer:
    """Have one process collect its garbage, and say what that gave. It does nothing else meanwhile."""
    _need_reason(wanted)
    return await cleaning.collect_garbage(wanted, request.state.principal.name, idempotency_key)


@router.post("/table-deletions", summary="Delete one key of a table")
async def post_deletion(
    request: Request, cleaning: OfNode, wanted: DeletionRequest, idempotency_key: OnceOnly = None
) -> CleaningAnswer:
    """Delete one key of a public ETS table, where the setting allow_ets_delete allows it."""
    _need_reason(wanted)
    return await cleaning.delete_key(wanted, request.state.principal.name, idempotency_key)


def _need_reason(wanted: CleaningRequest) -> None:
    if not wanted.dry_run and not wanted.reason.strip():
        raise ProblemError(HTTPStatus(422), "reason-missing", "reason: say why, for whoever reads the journal")


def install(app: FastAPI) -> None:
    """Answer what goes wrong with them with problems."""

    @app.exception_handler(CleaningRefused)
    def _refused(_request: Request, error: CleaningRefused) -> ProblemResponse:
        answer = error.answer
        status = _STATUSES.get(Guard(answer.refusals[0].guard), HTTPStatus.CONFLICT)
        problem = CleaningProblem(
            type=f"urn:beamwarden:{answer.refusals[0].guard}",
            title=status.phrase,
            status=status,
            detail=str(error),
            node=answer.node,
            refusals=answer.refusals,
            action_id=answer.action_id,
        )
        headers = retry_after(answer.refusals)
        return ProblemResponse(problem.model_dump(mode="json"), status_code=status, headers=headers)

    @app.exception_handler(WrongKey)
    def _wrong_key(_request: Request, error: WrongKey) -> ProblemResponse:
        return respond(ProblemError(HTTPStatus(422), "wrong-key", str(error)))
