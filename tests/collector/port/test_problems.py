from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Query

from agent.errors import (
    AgentError,
    ConnectionLost,
    DeadlineExceeded,
    LocalProtocolError,
    NodeUnreachable,
    RemoteError,
    SpawnRefused,
    UnexpectedAnswer,
    WorkerDied,
    WrongCookie,
)
from agent.terms import Atom
from collector.models import NoAnswer
from collector.port.problems import install
from collector.snapshot import Bug, TooSoon, UnderWay
from tests.collector_fakes import CREATION, NODE, assert_problem, snapshot, snapshot_down


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    install(app)
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize(
    ("cause", "status", "kind"),
    [
        (DeadlineExceeded("no answer within 2 s"), 504, "node-does-not-answer"),
        (RemoteError(Atom("error"), Atom("undef")), 502, "question-failed"),
        (WorkerDied("the worker met its heap limit"), 502, "question-failed"),
        (SpawnRefused("system_limit"), 502, "question-failed"),
        (UnexpectedAnswer("a new shape"), 502, "question-failed"),
        (Bug("the probe memory met a bug"), 500, "bug"),
        (LocalProtocolError("a str is no Erlang term"), 500, "bug"),
        (NodeUnreachable("nothing listens there"), 503, "node-not-connected"),
        (WrongCookie("the cookie is another"), 503, "node-not-connected"),
        (ConnectionLost("the node closed the connection"), 503, "node-not-connected"),
        (UnderWay("it is under way"), 504, "node-does-not-answer"),
        (TooSoon("ask again in 0.4 s", 0.4), 429, "asked-too-often"),
    ],
)
async def test_why_there_is_no_answer_decides_the_status(
    app: FastAPI, client: httpx.AsyncClient, cause: AgentError, status: int, kind: str
) -> None:
    @app.get("/")
    async def _raise() -> None:
        raise NoAnswer(snapshot(), cause)

    problem = assert_problem(await client.get("/"), status, kind)
    assert problem["detail"] == str(cause)
    assert problem["node"] == {"name": NODE, "creation": CREATION, "instance_id": None}


@pytest.mark.parametrize(("seconds", "header"), [(0.001, "1"), (1.0, "1"), (1.2, "2"), (3595.5, "3596")])
async def test_who_asks_too_often_is_told_in_whole_seconds_when_to_ask_again(
    app: FastAPI, client: httpx.AsyncClient, seconds: float, header: str
) -> None:
    @app.get("/")
    async def _raise() -> None:
        raise NoAnswer(snapshot(), TooSoon("ask again later", seconds))

    assert (await client.get("/")).headers["retry-after"] == header


async def test_only_who_asks_too_often_is_told_when_to_ask_again(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/")
    async def _raise() -> None:
        raise NoAnswer(snapshot(), DeadlineExceeded("no answer within 2 s"))

    assert "retry-after" not in (await client.get("/")).headers


async def test_a_node_without_connection_has_no_creation(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/")
    async def _raise() -> None:
        raise NoAnswer(snapshot_down(), NodeUnreachable("gone"))

    problem = assert_problem(await client.get("/"), 503, "node-not-connected")
    assert problem["node"] == {"name": NODE, "creation": None, "instance_id": None}


async def test_an_unknown_path_is_a_problem(client: httpx.AsyncClient) -> None:
    problem = assert_problem(await client.get("/nowhere"), 404, "not-found")
    assert problem["detail"] == "there is no /nowhere here"


async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/here")
    async def _here() -> None: ...

    response = await client.post("/here")
    assert assert_problem(response, 405, "method-not-allowed")["detail"] == "Method Not Allowed"
    assert response.headers["allow"] == "GET"


async def test_an_exception_of_http_is_a_problem_with_its_headers(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/")
    async def _raise() -> None:
        raise HTTPException(401, "say who you are", {"WWW-Authenticate": "Bearer"})

    response = await client.get("/")
    assert assert_problem(response, 401, "unauthorized")["detail"] == "say who you are"
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_wrong_parameter_is_a_problem_that_names_it(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/")
    async def _numbers(first: Annotated[int, Query()], second: Annotated[int, Query()]) -> None: ...

    response = await client.get("/?first=one")
    problem = assert_problem(response, 422, "invalid-parameter")
    assert "first: Input should be a valid integer" in problem["detail"]
    assert "second: Field required" in problem["detail"]


async def test_a_bug_is_a_problem_that_tells_nothing_of_itself(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/")
    async def _raise() -> None:
        raise ZeroDivisionError("an inner secret")

    problem = assert_problem(await client.get("/"), 500, "bug")
    assert problem["detail"] == "a bug of beamwarden; its log has the details"


async def test_a_bug_reaches_the_log_of_the_server(app: FastAPI) -> None:
    @app.get("/")
    async def _raise() -> None:
        raise ZeroDivisionError

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/")
