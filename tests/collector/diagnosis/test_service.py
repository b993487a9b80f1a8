"""The service is asked over HTTP, and its history from a server that speaks Prometheus's API; both are real servers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from fastapi import FastAPI, Request, Response

from collector.diagnosis import history, service
from collector.diagnosis.fetching import NotFetched, fetch
from collector.diagnosis.history import History
from collector.diagnosis.service import Service, health_of
from collector.diagnosis.service_facts import Latency, NotKnown, QueueDepth, Receipts, Traffic
from tests.collector.diagnosis.tai_metrics import Tai
from tests.collector_fakes import serving_on_a_port
from tests.fakes import pass_steps, stop_accepting


async def no_token() -> str | None:
    return None


def service_with(tai: Tai, health: int = 200, metrics: int = 200, served: Callable[[], None] = lambda: None) -> FastAPI:
    """A service whose every look at its metrics lets it serve some more."""
    app = FastAPI()

    @app.get("/health")
    def _health() -> Response:
        return Response('{"status": "unavailable", "reason": "supervisor governance_sup not running"}', health)

    @app.get("/metrics")
    def _metrics() -> Response:
        text = tai.text()
        served()
        return Response(text, metrics)

    return app


@contextlib.asynccontextmanager
async def answering(answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that reads a request and then does as it likes."""

    handlers: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await answer(writer)
        writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        handlers.append(asyncio.create_task(handle(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        await stop_accepting(server)
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await pass_steps()


# ---------------------------------------------------------------------------------------------------------- fetching


async def test_a_server_that_sends_a_byte_at_a_time_is_left_at_the_deadline() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with answering(drip) as url:
        with pytest.raises(NotFetched, match=r"no answer within 0\.1 s"):
            await fetch(url, deadline_seconds=0.1, max_bytes=10_000)


async def test_a_server_that_never_stops_is_left_at_the_limit() -> None:
    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(65_536))
            await writer.drain()

    async with answering(flood) as url:
        with pytest.raises(NotFetched, match="more than 100000 bytes"):
            await fetch(url, deadline_seconds=10.0, max_bytes=100_000)


async def test_a_server_that_is_none_does_not_answer() -> None:
    async def babble(writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\r\n\r\n")

    async with answering(babble) as url:
        with pytest.raises(NotFetched, match="does not answer"):
            await fetch(url, deadline_seconds=10.0, max_bytes=1000)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://", "http://[", "http://" + "a" * 70 + "/"])
async def test_what_is_no_address_of_a_server_is_told(url: str) -> None:
    with pytest.raises(NotFetched):
        await fetch(url, deadline_seconds=5.0, max_bytes=1000)


# ------------------------------------------------------------------------------------------------------- the service


async def test_health_is_told_in_the_words_of_the_service() -> None:
    with serving_on_a_port(service_with(Tai(), health=503)) as url:
        found = await health_of(url)
    assert (found.status, found.text, found.is_ok) == (503, "supervisor governance_sup not running", False)


async def test_a_service_that_is_down_has_no_health_and_no_figures_and_both_say_why() -> None:
    found = await service.ask(Service("http://127.0.0.1:1", window_seconds=0.0), no_token)
    assert found.health.status is None
    assert "does not answer" in found.health.text
    for fact in (found.facts.traffic, found.facts.latency, found.facts.receipts, found.facts.queue):
        assert isinstance(fact, NotKnown)
        assert "http://127.0.0.1:1/metrics does not answer" in fact.why


async def test_two_looks_tell_what_happened_between_them() -> None:
    tai = Tai()
    tai.serve(200, 7_000)

    def serve_more() -> None:
        tai.serve(200, 95)
        tai.serve(503, 5)

    with serving_on_a_port(service_with(tai, served=serve_more)) as url:
        found = await service.ask(Service(url, window_seconds=0.01), no_token)
    assert found.health.is_ok
    assert isinstance(found.facts.traffic, Traffic)
    assert (found.facts.traffic.requests, found.facts.traffic.error_rate) == (100, 0.05)
    assert isinstance(found.facts.latency, Latency)


async def test_a_service_without_metrics_is_not_taken_for_one_without_errors() -> None:
    with serving_on_a_port(service_with(Tai(), metrics=404)) as url:
        found = await service.ask(Service(url, window_seconds=0.01), no_token)
    assert found.facts.traffic == NotKnown(f"{url}/metrics answers 404, so the service tells no figures there")


# ------------------------------------------------------------------------------------------------------- the history


class FakePrometheus:
    """What speaks its API: an answer for each metric that is asked for."""

    def __init__(self, answers: dict[str, list[tuple[dict[str, str], str]]]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.authorizations: list[str | None] = []
        self.app = FastAPI()

        @self.app.get("/prefix/api/v1/query")
        def _query(query: str, request: Request) -> dict[str, object]:
            self.asked.append(query)
            self.authorizations.append(request.headers.get("authorization"))
            rows = next((rows for name, rows in self.answers.items() if f"{name}{{" in query), [])
            result = [{"metric": labels, "value": [1_700_000_000.5, value]} for labels, value in rows]
            return {"status": "success", "data": {"resultType": "vector", "result": result}}


async def past(fake: FakePrometheus, selector: str = "") -> tuple[object, object, object, object]:
    with serving_on_a_port(fake.app) as url:
        found = await service.ask(Service(url, History(f"{url}/prefix", selector)), no_token)
    return found.facts.traffic, found.facts.latency, found.facts.receipts, found.facts.queue


async def test_the_history_is_asked_with_the_questions_of_the_service_s_alerts() -> None:
    fake = FakePrometheus(
        {
            "tai_http_requests_total": [({"status": "200"}, "980"), ({"status": "503"}, "20")],
            "tai_http_request_duration_seconds_bucket": [
                ({"le": "1"}, "900"),
                ({"le": "5"}, "1000"),
                ({"le": "+Inf"}, "1000"),
            ],
            "tai_receipts_emitted_total": [({}, "500")],
            "tai_receipt_storage_duration_ms_count": [({}, "490")],
            "tai_receipt_verification_total": [({"result": "failed"}, "3"), ({"result": "success"}, "70")],
            "tai_action_queue_depth": [({"pool_id": "a"}, "4"), ({"pool_id": "b"}, "7")],
        }
    )
    traffic, latency, receipts, queue = await past(fake, 'job="tai"')
    assert traffic == Traffic({"200": 980.0, "503": 20.0}, 300.0)
    assert isinstance(latency, Latency)
    assert latency.p99_seconds == pytest.approx(4.6)
    assert (latency.is_at_least, latency.requests, latency.window_seconds) == (False, 1000.0, 300.0)
    assert receipts == Receipts(500.0, 490.0, 3.0, 300.0)
    assert queue == QueueDepth(11.0, 7.0, "b")
    assert 'sum by (status) (increase(tai_http_requests_total{job="tai"}[300s]))' in fake.asked
    assert fake.authorizations == [None] * 6


async def test_a_prometheus_that_knows_nothing_of_the_service_makes_all_of_it_not_known() -> None:
    for fact in await past(FakePrometheus({})):
        assert isinstance(fact, NotKnown)
        assert "Prometheus knows no tai_" in fact.why


async def test_labels_are_told_without_what_cannot_be_written() -> None:
    rows = '[{"metric": {"pool_id": "\\ud800\\u001b"}, "value": [1, "5"]}]'
    app = FastAPI()

    @app.get("/api/v1/query")
    def _query() -> Response:
        return Response(f'{{"status": "success", "data": {{"resultType": "vector", "result": {rows}}}}}')

    with serving_on_a_port(app) as url:
        found = await history.ask(History(url), no_token, 1)
    assert found.queue == QueueDepth(5.0, 5.0, "\\xd800\\x1b")


async def test_rows_that_are_no_figures_are_left_out() -> None:
    fake = FakePrometheus({"tai_action_queue_depth": [({"pool_id": "a"}, "NaN"), ({"pool_id": "b"}, "x"), ({}, "5")]})
    *_, queue = await past(fake)
    assert queue == QueueDepth(5.0, 5.0, "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"status": "error", "error": "no such  project"}', "answers 400 to a query: no such project"),
        ('{"status": "error", "error": "half: \\ud800"}', "answers 400 to a query: half: \\xd800"),
        ("<html>", "answers 400 to a query"),
        ("[" * 100_000, "answers 400 to a query"),
        ('{"status": "success", "data": {"resultType": "matrix", "result": []}}', "answers 400 to a query"),
        ('{"status": "success", "data": {"resultType": "vector", "result": [1, {}]}}', "Prometheus knows no"),
    ],
)
async def test_an_answer_that_is_none_is_told_with_its_reason(content: str, reason: str) -> None:
    app = FastAPI()

    @app.get("/api/v1/query")
    def _query() -> Response:
        return Response(content, 400)

    with serving_on_a_port(app) as url:
        found = await history.ask(History(url), no_token, 1)
    assert isinstance(found.traffic, NotKnown)
    assert reason in found.traffic.why


async def test_a_token_of_google_s_is_shown_to_google_alone() -> None:
    async def token() -> str | None:
        return "secret"

    fake = FakePrometheus({})
    with serving_on_a_port(fake.app) as url:
        await history.ask(History(f"{url}/prefix"), token, 1)
    assert set(fake.authorizations) == {None}
    assert await history.authorization(
        "https://monitoring.googleapis.com/v1/projects/p/location/global/prometheus", token
    ) == {"Authorization": "Bearer secret"}
    assert await history.authorization("https://monitoring.googleapis.com.evil.example/", token) == {}
