"""The REST API of restarts: plan one, begin one, and see what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response

from agent.actions.guards import Guard
from agent.errors import AgentError
from collector.journal.schema import JournalError
from collector.models import NodeReference
from collector.port.problems import ProblemError, ProblemResponse, of_agent_error, respond
from collector.restarts.book import JournalUnwritable
from collector.restarts.models import PlanAnswer, RefusalProblem, RestartAnswer, RestartRequest, RestartsAnswer
from collector.restarts.planning import NotThere, SeveralMeant
from collector.restarts.runner import KeyReused, Refused, Restarts
from collector.routes.nodes import OF_A_NODE, OF_THE_GATE, PREFIX, WITH_TOKEN, Node, problems_of, retry_after

MAX_LISTED: Final = 100
# What nobody may do here, what may be done otherwise or later, and what only has to wait.
_FORBIDDEN: Final = frozenset(
    {
        Guard.APPLICATION_NOT_ALLOWED,
        Guard.APPLICATION_TOP,
        Guard.NOT_A_SUPERVISOR,
        Guard.NOT_OTP_SUPERVISOR,
        Guard.SHARED_SPEC,
        Guard.TEMPORARY_CHILD,
        Guard.TOO_LARGE,
    }
)

router = APIRouter(
    prefix=f"{PREFIX}/nodes/{{node}}/restarts",
    tags=["restarts"],
    responses=OF_A_NODE | OF_THE_GATE | problems_of(HTTPStatus(422)),
    dependencies=[WITH_TOKEN],
)


async def _restarts(request: Request, node: Node) -> Restarts:
    restarts = request.app.state.restarts[node.name]
    assert isinstance(restarts, Restarts)
    return restarts


OfNode = Annotated[Restarts, Depends(_restarts)]


@router.post(
    "",
    summary="Plan or begin a restart",
    responses={
        HTTPStatus.OK.value: {"model": PlanAnswer, "description": "The plan, of a dry run"},
        HTTPStatus.ACCEPTED.value: {"model": RestartAnswer, "description": "It has begun; Location says where to look"},
        HTTPStatus.FORBIDDEN.value: {"model": RefusalProblem, "description": "Guards refuse it, or the token does"},
        HTTPStatus.CONFLICT.value: {"model": RefusalProblem, "description": "Guards refuse it"},
        HTTPStatus.TOO_MANY_REQUESTS.value: {"model": RefusalProblem, "description": "Too soon after another one"},
    },
)
async def post_restart(
    request: Request,
    response: Response,
    node: Node,
    restarts: OfNode,
    wanted: RestartRequest,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> PlanAnswer | RestartAnswer:
    """Say what a restart would do, or do it: the child is ended and started on the node in one step."""
    if wanted.dry_run:
        return await restarts.plan(wanted)
    if not wanted.reason.strip():
        raise ProblemError(HTTPStatus(422), "reason-missing", "reason: say why, for whoever reads the journal")
    begun = await restarts.begin(wanted, request.state.principal.name, idempotency_key)
    response.status_code = HTTPStatus.ACCEPTED
    response.headers["Location"] = f"{PREFIX}/nodes/{quote(node.name, safe='@')}/restarts/{begun.id}"
    return begun


@router.get("", summary="The latest restarts")
async def list_restarts(
    restarts: OfNode, limit: Annotated[int, Query(ge=1, le=MAX_LISTED, description="How many.")] = 20
) -> RestartsAnswer:
    """Tell the latest restarts of this node, whoever made them, also those that were refused."""
    return await restarts.book.latest(limit)


@router.get("/{action_id}", summary="One restart")
async def show_restart(restarts: OfNode, action_id: Annotated[str, Path(max_length=64)]) -> RestartAnswer:
    """Tell one restart: whether it is under way, what happened, and whether it held."""
    found = await restarts.book.find(action_id)
    if found is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "not-found", f"the journal has no restart {action_id} of this node")
    return found


def install(app: FastAPI) -> None:
    """Answer what goes wrong with restarts with problems."""

    @app.exception_handler(Refused)
    def _refused(_request: Request, error: Refused) -> ProblemResponse:
        return _respond(error.plan, error.action_id)

    @app.exception_handler(NotThere)
    def _not_there(_request: Request, error: NotThere) -> ProblemResponse:
        return respond(ProblemError(HTTPStatus.NOT_FOUND, "not-found", str(error)))

    @app.exception_handler(SeveralMeant)
    def _several(_request: Request, error: SeveralMeant) -> ProblemResponse:
        return respond(ProblemError(HTTPStatus.CONFLICT, "several-children", str(error)))

    @app.exception_handler(KeyReused)
    def _key_reused(_request: Request, error: KeyReused) -> ProblemResponse:
        return respond(ProblemError(HTTPStatus(422), "idempotency-key-reused", str(error)))

    @app.exception_handler(JournalUnwritable)
    def _unwritable(_request: Request, error: JournalUnwritable) -> ProblemResponse:
        detail = f"no action runs that cannot be written down: {error}"
        return respond(ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, Guard.JOURNAL, detail))

    @app.exception_handler(JournalError)
    def _journal(_request: Request, error: JournalError) -> ProblemResponse:
        return respond(ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "no-journal", str(error)))

    @app.exception_handler(AgentError)
    def _agent(request: Request, error: AgentError) -> ProblemResponse:
        name = request.path_params.get("node")
        node = None if name is None else NodeReference(name=name, creation=None, instance_id=None)
        return respond(of_agent_error(error, node))


def status_of(guards: Sequence[str]) -> HTTPStatus:
    """Return the status for these guards: the worst, but a plan that is not true any more before all others."""
    if Guard.PLAN_CHANGED in guards:
        return HTTPStatus.CONFLICT
    if _FORBIDDEN.intersection(guards):
        return HTTPStatus.FORBIDDEN
    return HTTPStatus.TOO_MANY_REQUESTS if set(guards) == {Guard.COOLDOWN} else HTTPStatus.CONFLICT


def _respond(plan: PlanAnswer, action_id: str) -> ProblemResponse:
    guards = [one.guard for one in plan.refusals]
    status = status_of(guards)
    problem = RefusalProblem(
        type=f"urn:beamwarden:{guards[0]}",
        title=status.phrase,
        status=status,
        detail="; ".join(one.detail for one in plan.refusals),
        node=plan.node,
        refusals=plan.refusals,
        plan=plan,
        action_id=action_id,
    )
    return ProblemResponse(problem.model_dump(mode="json"), status_code=status, headers=retry_after(plan.refusals))
