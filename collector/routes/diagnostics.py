"""The REST API below ``/api/v1/nodes/{node}``: what the incident playbook looks at, from sweeps and lookups."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from collector.freshness import Asker
from collector.models import NodeReference
from collector.port.problems import ProblemError
from collector.recording import Trends
from collector.routes.nodes import OF_A_NODE, OF_THE_GATE, PREFIX, WITH_TOKEN, Node, problems_of
from collector.settings import Settings
from collector.views import AnswerT, QueryT, View
from collector.views.applications import APPLICATIONS, ApplicationsAnswer, ApplicationsQuery
from collector.views.binaries import BINARIES, BinariesAnswer, BinariesQuery
from collector.views.governors import (
    GOVERNOR,
    GOVERNORS,
    GovernorAnswer,
    GovernorQuery,
    GovernorsAnswer,
    GovernorsQuery,
)
from collector.views.ports import PORTS, PortsAnswer, PortsQuery
from collector.views.processes import (
    BUSY,
    MAILBOXES,
    PROCESS,
    PROCESSES,
    BusyAnswer,
    BusyQuery,
    MailboxesAnswer,
    MailboxesQuery,
    ProcessAnswer,
    ProcessesAnswer,
    ProcessesQuery,
    ProcessQuery,
)
from collector.views.supervisors import (
    SUPERVISOR,
    SUPERVISORS,
    SupervisorAnswer,
    SupervisorQuery,
    SupervisorsAnswer,
    SupervisorsQuery,
)
from collector.views.tables import TABLE, TABLES, TableAnswer, TableQuery, TablesAnswer, TablesQuery
from collector.views.trend import TrendAnswer, TrendQuery

router = APIRouter(
    prefix=f"{PREFIX}/nodes/{{node}}",
    tags=["diagnostics"],
    responses=OF_A_NODE | OF_THE_GATE | problems_of(HTTPStatus(422), HTTPStatus.TOO_MANY_REQUESTS),
    dependencies=[WITH_TOKEN],
)


async def _settings(request: Request) -> Settings:
    settings = request.app.state.settings
    assert isinstance(settings, Settings)
    return settings


Wishes = Annotated[Settings, Depends(_settings)]


async def _trends(request: Request) -> Trends:
    trends = request.app.state.trends
    assert isinstance(trends, Trends)
    return trends


async def _show(view: View[QueryT, AnswerT], node: Node, query: QueryT, settings: Settings) -> AnswerT:
    asker = Asker.PERSON if query.fresh else Asker.PROGRAM
    return view.answer(await node.answer(view.question(query, settings), asker), query)


@router.get("/processes", summary="The largest processes")
async def show_processes(node: Node, query: Annotated[ProcessesQuery, Query()], settings: Wishes) -> ProcessesAnswer:
    """Say how many processes there are, how much memory they have, and which have most of it or the longest queues."""
    return await _show(PROCESSES, node, query, settings)


@router.get("/trend", summary="The last hour")
async def show_trend(
    node: Node, query: Annotated[TrendQuery, Query()], trends: Annotated[Trends, Depends(_trends)]
) -> TrendAnswer:
    """Say how memory, processes, queues and watched tables have changed. The node is not asked, and may be gone."""
    trend = trends.of_node.get(node.name)
    if trend is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "trend-off", "no trend is kept here: trend_interval_seconds is 0")
    about = NodeReference.of(await node.look((), (), 0.0))
    window = trend.window(query.minutes * 60.0)
    # In a thread, since it is some hundred thousand steps where a point is taken every second.
    return await asyncio.to_thread(TrendAnswer.of, window, about, trends.tables, trends.left_out)


@router.get("/mailboxes", summary="The longest mailboxes")
async def show_mailboxes(node: Node, query: Annotated[MailboxesQuery, Query()], settings: Wishes) -> MailboxesAnswer:
    """Say how many messages wait, and where. A fifth to a tenth of the cost of /processes."""
    return await _show(MAILBOXES, node, query, settings)


@router.get("/busy", summary="The busiest processes")
async def show_busy(node: Node, query: Annotated[BusyQuery, Query()], settings: Wishes) -> BusyAnswer:
    """Look at the node for a moment, and say which processes did most. The answer takes as long as the window."""
    return await _show(BUSY, node, query, settings)


@router.get("/process", summary="One process")
async def show_process(node: Node, query: Annotated[ProcessQuery, Query()], settings: Wishes) -> ProcessAnswer:
    """Say what one process is and where it is, by its pid or registered name."""
    return await _show(PROCESS, node, query, settings)


@router.get("/ets", summary="The largest tables")
async def show_tables(node: Node, query: Annotated[TablesQuery, Query()], settings: Wishes) -> TablesAnswer:
    """Say how many ETS tables there are, how large the watched ones are, and which have most memory or rows."""
    return await _show(TABLES, node, query, settings)


@router.get("/table", summary="One table")
async def show_table(node: Node, query: Annotated[TableQuery, Query()], settings: Wishes) -> TableAnswer:
    """Say what one ETS table is like, by its reference, or all of one name."""
    return await _show(TABLE, node, query, settings)


@router.get("/supervisors", summary="The supervision tree")
async def show_supervisors(
    node: Node, query: Annotated[SupervisorsQuery, Query()], settings: Wishes
) -> SupervisorsAnswer:
    """Say what every supervisor supervises, in which state, and how many restarts it has left."""
    return await _show(SUPERVISORS, node, query, settings)


@router.get("/supervisor", summary="One supervisor")
async def show_supervisor(node: Node, query: Annotated[SupervisorQuery, Query()], settings: Wishes) -> SupervisorAnswer:
    """Say the same of one supervisor and of what is below it, by its registered name or pid."""
    return await _show(SUPERVISOR, node, query, settings)


@router.get("/governors", summary="The governors")
async def show_governors(node: Node, query: Annotated[GovernorsQuery, Query()], settings: Wishes) -> GovernorsAnswer:
    """Say of the workers below the governors' supervisors whether they live, what waits for them and how old they are.

    None of them is sent anything.
    """
    return await _show(GOVERNORS, node, query, settings)


@router.get("/governor", summary="The state of one governor")
async def show_governor(node: Node, query: Annotated[GovernorQuery, Query()], settings: Wishes) -> GovernorAnswer:
    """Ask one gen_statem which state it is in, while it is idle. Of what it has only the name of its state is told."""
    return await _show(GOVERNOR, node, query, settings)


@router.get("/applications", summary="The applications")
async def show_applications(
    node: Node, query: Annotated[ApplicationsQuery, Query()], settings: Wishes
) -> ApplicationsAnswer:
    """Say which applications are there, in which versions, and which do not run although they should."""
    return await _show(APPLICATIONS, node, query, settings)


@router.get("/ports", summary="The ports with the longest queues")
async def show_ports(node: Node, query: Annotated[PortsQuery, Query()], settings: Wishes) -> PortsAnswer:
    """Say how many ports there are, and which have data waiting that the outside does not take."""
    return await _show(PORTS, node, query, settings)


@router.get("/binaries", summary="Binaries outside of heaps")
async def show_binaries(node: Node, query: Annotated[BinariesQuery, Query()], settings: Wishes) -> BinariesAnswer:
    """Say how much memory binaries take, and, on request, which processes hold them."""
    return await _show(BINARIES, node, query, settings)
