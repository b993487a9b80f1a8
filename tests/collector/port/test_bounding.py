from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from collector import memory_ceiling
from collector.access.permissions import PERMISSIONS
from collector.app import create_app
from collector.memory_ceiling import MemoryCeiling
from collector.port import bounding
from collector.port.bounding import Bounding, takes_much
from collector.settings import Settings
from tests.collector_fakes import NODE, FakeSession, fleet_of
from tests.fakes import until

ROOM = MemoryCeiling(1000, lambda: None, lambda: 0)


@pytest.fixture(autouse=True)
def _own_size_is_told(_nothing_of_this_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_ceiling, "_STATM", Path("/proc/self/statm"))


class Slow:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.now = self.most = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await self.go_on.wait()
        self.now -= 1
        await PlainTextResponse("done")(scope, receive, send)


def client_of(app: object) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")  # type: ignore[arg-type]


async def test_so_many_are_answered_at_once_others_wait_their_turn_and_more_are_refused() -> None:
    slow = Slow()
    everybody = bounding.AT_ONCE + bounding.WAITING + 3
    async with client_of(Bounding(slow, ROOM)) as http:
        asked = [asyncio.create_task(http.get("/api/v1/nodes/-/processes")) for _ in range(everybody)]
        await until(lambda: sum(one.done() for one in asked) == 3, "three are refused")
        slow.go_on.set()
        answers = await asyncio.gather(*asked)
    assert slow.most == bounding.AT_ONCE
    refused = [answer for answer in answers if answer.status_code != 200]
    assert [answer.json()["type"] for answer in refused] == ["urn:beamwarden:too-many-askers"] * 3
    assert {answer.headers["retry-after"] for answer in refused} == {"5"}


async def test_who_waits_too_long_for_a_turn_is_refused_and_leaves_no_turn_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounding, "AT_ONCE", 1)
    monkeypatch.setattr(bounding, "TURN_SECONDS", 0.01)
    slow = Slow()
    async with client_of(Bounding(slow, ROOM)) as http:
        first = asyncio.create_task(http.get("/api/v1/nodes/-/ets"))
        await until(lambda: slow.now == 1, "the first has its turn")
        assert (await http.get("/api/v1/nodes/-/ets")).status_code == 503
        slow.go_on.set()
        assert (await first).status_code == 200
        assert (await http.get("/api/v1/nodes/-/ets")).status_code == 200


async def test_what_takes_little_waits_for_nobody() -> None:
    slow = Slow()
    slow.go_on.set()
    async with client_of(Bounding(slow, ROOM)) as http:
        assert (await http.get("/livez")).text == "done"


# ------------------------------------------------------------------------------------------------------ at the ceiling


@pytest.fixture
async def full() -> AsyncIterator[httpx.AsyncClient]:
    """A collector whose memory is used up, whatever it sheds."""
    app = create_app(fleet_of(FakeSession()), Settings().model_copy(update={"memory_ceiling_bytes": 1}))
    async with client_of(app) as http:
        yield http


PATHS = [route.replace("{node}", NODE).replace("{action_id}", "0") for method, route in PERMISSIONS if method == "GET"]


@pytest.mark.parametrize("path", [*filter(takes_much, PATHS)])
async def test_at_the_ceiling_what_takes_much_is_refused_with_the_reason(full: httpx.AsyncClient, path: str) -> None:
    answer = await full.get(path)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:beamwarden:memory-ceiling")
    assert "memory_ceiling_bytes, 1 bytes" in answer.json()["detail"]
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/api/v1/nodes", *(
    f"/api/v1/nodes/{NODE}{below}" for below in ("", "/memory", "/system")
)])  # fmt: skip
async def test_at_the_ceiling_the_vital_signs_are_answered(full: httpx.AsyncClient, path: str) -> None:
    answer = await full.get(path)
    assert "memory-ceiling" not in answer.text
    assert answer.status_code == 200


async def test_at_the_ceiling_a_scrape_has_the_vital_signs_and_counts_the_refusals(full: httpx.AsyncClient) -> None:
    await full.get("/openapi.json")
    families = {one.name: one for one in text_string_to_metric_families((await full.get("/metrics")).text)}
    assert families["beam_up"].samples[0].value == 1
    assert {sample.labels["probe"] for sample in families["beam_probe_success"].samples} <= {
        "identity", "memory", "statistics", "system_info", "supervisors", "memory_limit"
    }  # fmt: skip
    assert families["beamwarden_refused_for_memory"].samples[0].value == 1
    assert families["beamwarden_caches_shed"].samples[0].value == 1
    assert families["beamwarden_memory_ceiling_bytes"].samples[0].value == 1
    assert families["beamwarden_resident_memory_bytes"].samples[0].value > 1 << 20


def test_everything_that_a_node_is_asked_for_takes_much_or_is_a_vital_sign_or_a_cure() -> None:
    little = [path for path in PATHS if not takes_much(path) and "/nodes/" in path]
    below = {path.removeprefix(f"/api/v1/nodes/{NODE}") for path in little}
    assert below == {"", "/memory", "/system", "/restarts", "/restarts/0"}
