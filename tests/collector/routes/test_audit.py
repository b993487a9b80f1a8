from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector.app import create_app
from collector.fleet import Fleet
from collector.journal.audit import MAX_ENTRIES, AuditEntry
from collector.journal.chain import Entry, Json, Kind, verify
from collector.journal.file import JournalFile
from collector.journal.journal import Journal
from collector.settings import Settings
from tests.collector_fakes import assert_problem

BODY: dict[str, Json] = {
    "action": "restart",
    "who": "größer",
    "plan": {"bytes": 1.5, "pids": ["<0.1.0>"], "heir": None},
}


@contextlib.asynccontextmanager
async def serving(journal: Journal | None) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(Fleet([]), Settings(), journal=journal), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9750") as client:
        yield client


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with Journal(tmp_path / "journal.db") as journal:
        yield journal


@pytest.fixture
async def client(journal: Journal) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(journal) as client:
        yield client


@pytest.fixture
async def entries(journal: Journal) -> list[Entry]:
    nodes = ["a@b", "c@d", "a@b", "a@b", "c@d"]
    return [
        await journal.append(Kind.INTENT, action_id=f"r-{number}", node=node, body=BODY)
        for number, node in enumerate(nodes)
    ]


def numbers(response: httpx.Response) -> list[int]:
    assert response.status_code == 200, response.text
    return [entry["seq"] for entry in response.json()["entries"]]


async def test_a_journal_without_entries_has_no_head(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/audit")).json() == {"head": None, "entries": []}


async def test_an_entry_is_shown_with_all_that_its_hash_covers(client: httpx.AsyncClient, entries: list[Entry]) -> None:
    answer: dict[str, Any] = (await client.get("/api/v1/audit?limit=1")).json()
    newest = entries[-1]
    assert answer == {
        "head": newest.hash,
        "entries": [
            {
                "seq": 5,
                "at": newest.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "kind": "intent",
                "action_id": "r-4",
                "node": "c@d",
                "body": BODY,
                "previous": entries[-2].hash,
                "hash": newest.hash,
            }
        ],
    }


async def test_whoever_reads_it_can_follow_the_chain(client: httpx.AsyncClient, entries: list[Entry]) -> None:
    answer = (await client.get("/api/v1/audit?after=0")).json()
    verified = verify([AuditEntry.model_validate(entry).row() for entry in answer["entries"]])
    assert (verified.entries, verified.head, verified.fault) == (5, entries[-1].hash, None)


@pytest.mark.usefixtures("entries")
async def test_the_newest_come_first_or_those_behind_one_in_their_order(client: httpx.AsyncClient) -> None:
    assert numbers(await client.get("/api/v1/audit")) == [5, 4, 3, 2, 1]
    assert numbers(await client.get("/api/v1/audit?limit=2")) == [5, 4]
    assert numbers(await client.get("/api/v1/audit?after=1&limit=2")) == [2, 3]
    assert numbers(await client.get("/api/v1/audit?after=5")) == []
    assert numbers(await client.get("/api/v1/audit?node=a@b")) == [4, 3, 1]
    assert numbers(await client.get("/api/v1/audit?node=c@d&after=2")) == [5]
    assert numbers(await client.get("/api/v1/audit?node=gone@d")) == []


@pytest.mark.parametrize("query", ["limit=0", f"limit={MAX_ENTRIES + 1}", "after=-1", "after=9e99", "sort=node"])
async def test_a_wrong_parameter_is_a_problem(client: httpx.AsyncClient, query: str) -> None:
    assert_problem(await client.get(f"/api/v1/audit?{query}"), 422, "invalid-parameter")


async def test_a_journal_that_cannot_be_read_is_a_problem_that_says_what_to_do(tmp_path: Path) -> None:
    async with Journal(tmp_path) as journal, serving(journal) as client:
        problem = assert_problem(await client.get("/api/v1/audit"), 503, "no-journal")
    assert problem["detail"] == f"the journal {tmp_path} is a folder; name a file with --journal"


async def test_a_collector_without_a_journal_says_so() -> None:
    async with serving(None) as client:
        assert_problem(await client.get("/api/v1/audit"), 503, "no-journal")


async def test_nothing_can_be_written_over_http(client: httpx.AsyncClient) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert_problem(await client.request(method, "/api/v1/audit"), 405, "method-not-allowed")


async def test_what_another_process_writes_is_seen(
    tmp_path: Path, client: httpx.AsyncClient, entries: list[Entry]
) -> None:
    def write() -> None:
        with JournalFile(tmp_path / "journal.db") as other:
            other.append(Kind.OUTCOME, action_id="r-9", node="a@b", body={})

    write()
    assert numbers(await client.get("/api/v1/audit?limit=1")) == [len(entries) + 1]
