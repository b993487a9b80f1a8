"""``/api/v1/audit``: the journal, for whoever may read it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from collector.journal.audit import AuditAnswer, AuditQuery
from collector.journal.journal import Journal
from collector.journal.schema import JournalError
from collector.port.problems import ProblemError
from collector.routes.nodes import OF_THE_GATE, PREFIX, WITH_TOKEN, problems_of

router = APIRouter(
    prefix=PREFIX, tags=["audit"], responses=OF_THE_GATE | problems_of(HTTPStatus(422)), dependencies=[WITH_TOKEN]
)


async def _journal(request: Request) -> Journal:
    journal = request.app.state.journal
    assert isinstance(journal, Journal)
    return journal


@router.get(
    "/audit",
    summary="What was done, and what was refused",
    response_model=AuditAnswer,
    responses=problems_of(HTTPStatus.SERVICE_UNAVAILABLE),
)
async def show_audit(query: Annotated[AuditQuery, Query()], journal: Annotated[Journal, Depends(_journal)]) -> Response:
    """Show the journal's entries, each with its hash, and the hash of the newest of all."""
    try:
        # All of it in the journal's thread: an entry may have a long plan in it.
        body = await journal.read(lambda reader: AuditAnswer.of(reader, query).model_dump_json())
    except JournalError as error:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "no-journal", str(error)) from None
    return Response(body, media_type="application/json")
