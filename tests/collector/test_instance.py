from __future__ import annotations

import http.server
import logging
import threading
from collections.abc import Iterator

import pytest

from collector import instance
from collector.instance import Instance
from tests.collector_fakes import INSTANCE_ID, PATIENCE_SECONDS


class MetadataServer(http.server.ThreadingHTTPServer):
    """A metadata server on a port of this machine. ``failures`` answers with an error come before the good ones."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.failures = 0
        self.requests: list[tuple[str, str | None]] = []

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a service on Cloud Run."""
        return {"K_SERVICE": "tai", "GCE_METADATA_HOST": f"127.0.0.1:{self.server_port}"}


class _Handler(http.server.BaseHTTPRequestHandler):
    server: MetadataServer

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["Metadata-Flavor"]))
        status = 503 if len(self.server.requests) <= self.server.failures else 200
        body = f"{INSTANCE_ID}\n".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None: ...


@pytest.fixture
def server() -> Iterator[MetadataServer]:
    with MetadataServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join(PATIENCE_SECONDS)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "PAUSES_SECONDS", (0.0, 0.0, 0.0))


async def test_elsewhere_nobody_is_asked(server: MetadataServer) -> None:
    environ = server.environ
    del environ["K_SERVICE"]
    learning = Instance()
    await learning.learn(environ)
    assert learning.id() is None
    assert server.requests == []


async def test_on_cloud_run_the_metadata_server_is_asked_as_it_demands(server: MetadataServer) -> None:
    learning = Instance()
    assert learning.id() is None
    await learning.learn(server.environ)
    assert learning.id() == INSTANCE_ID
    assert server.requests == [("/computeMetadata/v1/instance/id", "Google")]


async def test_no_proxy_stands_between(server: MetadataServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    learning = Instance()
    await learning.learn(server.environ)
    assert learning.id() == INSTANCE_ID


async def test_a_server_that_is_not_ready_is_asked_again(
    server: MetadataServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.failures = 2
    learning = Instance()
    await learning.learn(server.environ)
    assert learning.id() == INSTANCE_ID
    assert len(server.requests) == 3
    assert caplog.records == []


async def test_a_server_that_never_answers_costs_one_warning(
    server: MetadataServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.failures = 99
    learning = Instance()
    await learning.learn(server.environ)
    assert learning.id() is None
    assert len(server.requests) == 3
    [line] = caplog.records
    assert line.levelno == logging.WARNING
    assert "has not told the instance's id" in line.getMessage()


async def test_a_server_that_is_not_there_costs_one_warning(
    server: MetadataServer, caplog: pytest.LogCaptureFixture
) -> None:
    environ = server.environ | {"GCE_METADATA_HOST": "127.0.0.1:1"}
    learning = Instance()
    await learning.learn(environ)
    assert learning.id() is None
    assert [line.levelno for line in caplog.records] == [logging.WARNING]
