"""The small cures over HTTP, with a real token and a real journal, before a node that is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from agent.terms import Atom
from collector.access.permissions import Role
from collector.access.tokens import create_token
from collector.app import create_app
from collector.cleaning.models import CleaningAnswer, CleaningProblem, CleaningState
from collector.fleet import Fleet
from collector.journal.journal import Journal
from collector.settings import Settings
from tests.agent.probes.process_terms import pid
from tests.agent.probes.test_process import GONE, THERE
from tests.collector_fakes import NODE, FakeNode, FakeSession, watch

COLLECTIONS: Final = "/api/v1/nodes/-/garbage-collections"
WANTED: Final = {"process": "receipt_store", "reason": "binaries grow"}
BEFORE, AFTER = (5_000, 3, 4_000, 900_000), (3_000, 3, 2_000, 0)


@pytest.fixture
def session() -> FakeSession:
    session = FakeSession()
    session.behaviours["erlang:list_to_pid"] = pid(123)
    session.evaluations = {
        "actions/lock": Atom("none"),
        "process": THERE,
        "actions/garbage_collect": (Atom("collected"), 12_000, BEFORE, AFTER),
    }
    return session


@pytest.fixture
async def client(session: FakeSession, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(tokens_file=tmp_path / "tokens")
    assert settings.tokens_file is not None
    headers = {"Authorization": f"Bearer {create_token(settings.tokens_file, 'anna', Role.OPERATOR)}"}
    fleet = Fleet([watch(FakeNode(NODE, session))])
    async with Journal(tmp_path / "journal.db", lambda _entry: None) as journal:
        transport = httpx.ASGITransport(create_app(fleet, settings, journal=journal), client=("127.0.0.1", 50_000))
        async with (
            fleet,
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9750", headers=headers) as client,
        ):
            yield client


def refused(response: httpx.Response, status: HTTPStatus) -> CleaningProblem:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return CleaningProblem.model_validate_json(response.content)


async def test_a_collection_is_done_and_told(client: httpx.AsyncClient) -> None:
    response = await client.post(COLLECTIONS, json=WANTED)
    assert response.status_code == HTTPStatus.OK
    assert CleaningAnswer.model_validate_json(response.content).state is CleaningState.DONE


async def test_the_same_key_twice_is_done_once(client: httpx.AsyncClient, session: FakeSession) -> None:
    first, second = [await client.post(COLLECTIONS, json=WANTED, headers={"Idempotency-Key": "a"}) for _ in range(2)]
    assert first.json() == second.json()
    assert session.calls.count("actions/garbage_collect") == 1


async def test_a_key_of_another_request_is_refused(client: httpx.AsyncClient) -> None:
    await client.post(COLLECTIONS, json=WANTED, headers={"Idempotency-Key": "a"})
    response = await client.post(COLLECTIONS, json=WANTED | {"reason": "else"}, headers={"Idempotency-Key": "a"})
    assert (response.status_code, response.json()["type"]) == (422, "urn:beamwarden:idempotency-key-reused")


async def test_without_a_reason_nothing_is_done(client: httpx.AsyncClient, session: FakeSession) -> None:
    response = await client.post(COLLECTIONS, json=WANTED | {"reason": " "})
    assert (response.status_code, response.json()["type"]) == (422, "urn:beamwarden:reason-missing")
    assert "actions/garbage_collect" not in session.calls


async def test_a_process_that_is_not_there_is_not_found(client: httpx.AsyncClient, session: FakeSession) -> None:
    session.evaluations["process"] = GONE
    problem = refused(await client.post(COLLECTIONS, json=WANTED), HTTPStatus.NOT_FOUND)
    assert problem.type == "urn:beamwarden:no-process"


async def test_beside_another_action_says_when_to_come_again(client: httpx.AsyncClient, session: FakeSession) -> None:
    session.evaluations["actions/lock"] = (Atom("held"), b"5f3a9c2b81d0")
    response = await client.post(COLLECTIONS, json=WANTED)
    assert refused(response, HTTPStatus.CONFLICT).type == "urn:beamwarden:action-running"
    assert response.headers["retry-after"] == "5"


@pytest.mark.parametrize("path", ["garbage-collections", "table-deletions"])
async def test_without_a_token_nobody_acts_not_even_here(
    client: httpx.AsyncClient, session: FakeSession, path: str
) -> None:
    body: dict[str, Any] = {"table": "receipt_ledger", "key": "1"} if path == "table-deletions" else WANTED
    del client.headers["Authorization"]
    response = await client.post(f"/api/v1/nodes/-/{path}", json=body)
    assert (response.status_code, session.calls) == (HTTPStatus.UNAUTHORIZED, [])
