"""The REST API's diagnosis of a node: ``/api/v1/nodes/{node}/diagnosis``."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request

from agent.errors import ConnectionLost
from collector.diagnosis.diagnosing import Diagnoser
from collector.freshness import Asker
from collector.port.problems import of_agent_error
from collector.routes.nodes import OF_THE_GATE, PREFIX, WITH_TOKEN, Node, problems_of
from collector.views.diagnosis import DiagnosisAnswer, DiagnosisQuery

router = APIRouter(
    prefix=f"{PREFIX}/nodes/{{node}}",
    tags=["diagnosis"],
    responses=OF_THE_GATE | problems_of(HTTPStatus.NOT_FOUND, HTTPStatus(422), HTTPStatus.SERVICE_UNAVAILABLE),
    dependencies=[WITH_TOKEN],
)


@router.get("/diagnosis", summary="What is wrong, by the playbook")
async def show_diagnosis(request: Request, node: Node, query: Annotated[DiagnosisQuery, Query()]) -> DiagnosisAnswer:
    """Walk the playbook's decision tree, and say how severe it is, what was found and what to do.

    Takes up to five seconds, since the service is looked at twice. A node that does not answer is a finding.
    """
    diagnoser = request.app.state.diagnosers[node.name]
    assert isinstance(diagnoser, Diagnoser)
    try:
        told = await diagnoser.diagnose(Asker.PERSON if query.fresh else Asker.PROGRAM)
    except ConnectionLost as lost:
        raise of_agent_error(lost, None) from None
    return DiagnosisAnswer.of(told)
