"""The REST API: ``/api/v1/nodes`` and what is below it."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.security import HTTPBearer

from collector.fleet import Fleet
from collector.models import MemoryAnswer, NodeAnswer, NodesAnswer, Problem, SystemAnswer
from collector.port.problems import ProblemError
from collector.question import QUESTION_SECONDS
from collector.restarts.models import GuardRefusal
from collector.watched import WatchedNode

_ONLY_NODE = "-"


def find_node(fleet: Fleet, node: str) -> WatchedNode:
    """Return the node of that name, or the only one for ``-``. Raises `ProblemError`, which names those there are."""
    if node == _ONLY_NODE and len(fleet.nodes) == 1:
        return next(iter(fleet.nodes.values()))
    if node in fleet.nodes:
        return fleet.nodes[node]
    near = difflib.get_close_matches(node, fleet.nodes) or sorted(fleet.nodes)
    why = "several nodes are watched here" if node == _ONLY_NODE else f"no node {node} is watched here"
    raise ProblemError(HTTPStatus.NOT_FOUND, "unknown-node", f"{why}: name one of {', '.join(near[:10])}")


# Both are coroutines, since FastAPI would run plain functions in a thread, for every request.
async def _fleet(request: Request) -> Fleet:
    fleet = request.app.state.fleet
    assert isinstance(fleet, Fleet)
    return fleet


WatchedFleet = Annotated[Fleet, Depends(_fleet)]


async def _node(
    fleet: WatchedFleet,
    node: Annotated[
        str,
        Path(
            description="The node's name, or - when the collector watches only one.",
            examples=["tai_autonomics@127.0.0.1", _ONLY_NODE],
        ),
    ],
) -> WatchedNode:
    return find_node(fleet, node)


Node = Annotated[WatchedNode, Depends(_node)]


def problems_of(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Say in the OpenAPI document which problems a route may answer with."""
    return {status.value: {"model": Problem, "description": status.phrase} for status in statuses}


def retry_after(refusals: Sequence[GuardRefusal]) -> dict[str, str] | None:
    """Return the header that says when to come again; None when waiting alone would not help."""
    # Whoever waits for less is refused by the guard that asks for more.
    waits = [one.retry_after_seconds for one in refusals]
    seconds = [wait for wait in waits if wait is not None]
    return {"Retry-After": str(max(seconds))} if seconds and len(seconds) == len(waits) else None


OF_A_NODE: Final = problems_of(
    HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT
)

PREFIX: Final = "/api/v1"

# The gate before all routes decides; these two say so in the OpenAPI document.
OF_THE_GATE: Final = problems_of(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.MISDIRECTED_REQUEST)
WITH_TOKEN: Final = Depends(
    HTTPBearer(
        auto_error=False,
        scheme_name="token",
        description="What 'beamwarden token create' has shown. Reading needs none on the collector's own machine.",
    )
)

router = APIRouter(prefix=PREFIX, tags=["nodes"], responses=OF_THE_GATE, dependencies=[WITH_TOKEN])


@router.get("/nodes", summary="All nodes that are watched")
async def list_nodes(fleet: WatchedFleet) -> NodesAnswer:
    """Say of each node whether it is connected, what runs there and which expected supervisors do."""
    return NodesAnswer(nodes=await asyncio.gather(*map(_describe, fleet.nodes.values())))


@router.get("/nodes/{node}", summary="One node", responses=problems_of(HTTPStatus.NOT_FOUND))
async def show_node(node: Node) -> NodeAnswer:
    """Say whether the node is connected, what runs there and which expected supervisors do."""
    return await _describe(node)


async def _describe(node: WatchedNode) -> NodeAnswer:
    state = node.node.state  # before asking: afterwards the node may be in its next life
    return NodeAnswer.of(await node.snapshot(QUESTION_SECONDS, ("identity", "supervisors")), state)


@router.get("/nodes/{node}/memory", summary="Memory by kind", responses=OF_A_NODE)
async def show_memory(node: Node) -> MemoryAnswer:
    """Say how much memory the emulator has allocated, and for what."""
    return MemoryAnswer.of(await node.snapshot(QUESTION_SECONDS, ("memory",)))


@router.get("/nodes/{node}/system", summary="Counts, limits and totals", responses=OF_A_NODE)
async def show_system(node: Node) -> SystemAnswer:
    """Say how many processes, ports, atoms and tables there are and may be, and what the node has done so far."""
    return SystemAnswer.of(await node.snapshot(QUESTION_SECONDS, ("system_info", "statistics")))
