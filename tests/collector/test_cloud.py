from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from collector.cloud import Cloud, CloudPlace
from tests.collector_fakes import PATIENCE_SECONDS

ON_CLOUD_RUN = {"K_SERVICE": "tai-autonomics", "K_REVISION": "tai-autonomics-00042-abc"}
TOKEN = "instance/service-accounts/default/token"
TOLD = {
    "project/project-id": "acme-prod",
    "instance/region": "projects/123456789/regions/europe-west1",
    TOKEN: '{"access_token":"ya29.secret","expires_in":3599,"token_type":"Bearer"}',
}


class MetadataServer(http.server.ThreadingHTTPServer):
    """A metadata server on a port of this machine; what it is not told to know answers 404."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.known = dict(TOLD)
        self.requests: list[str] = []

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a service on Cloud Run."""
        return {**ON_CLOUD_RUN, "GCE_METADATA_HOST": f"127.0.0.1:{self.server_port}"}


class _Handler(http.server.BaseHTTPRequestHandler):
    server: MetadataServer

    def do_GET(self) -> None:
        path = self.path.removeprefix("/computeMetadata/v1/")
        self.server.requests.append(path)
        body = self.server.known.get(path, "").encode()
        self.send_response(200 if body and self.headers["Metadata-Flavor"] == "Google" else 404)
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


async def test_on_cloud_run_all_of_the_place_is_known_and_asked_for_once(server: MetadataServer) -> None:
    cloud = Cloud(server.environ)
    expected = CloudPlace("acme-prod", "europe-west1", "tai-autonomics", "tai-autonomics-00042-abc")
    assert await cloud.place() == expected
    assert await cloud.place() == expected
    assert server.requests == ["project/project-id", "instance/region"]


async def test_elsewhere_nothing_is_known_and_nobody_is_asked(server: MetadataServer) -> None:
    cloud = Cloud({"GCE_METADATA_HOST": server.environ["GCE_METADATA_HOST"]})
    assert await cloud.place() == CloudPlace()
    assert await cloud.token() is None
    assert server.requests == []


async def test_what_was_not_told_is_asked_for_again(server: MetadataServer) -> None:
    del server.known["instance/region"]
    cloud = Cloud(server.environ)
    assert (await cloud.place()).region is None
    server.known |= TOLD
    assert (await cloud.place()).region == "europe-west1"


async def test_a_server_that_is_not_there_leaves_what_the_environment_says() -> None:
    cloud = Cloud({**ON_CLOUD_RUN, "GCE_METADATA_HOST": "127.0.0.1:1"})
    assert await cloud.place() == CloudPlace(None, None, *ON_CLOUD_RUN.values())
    assert await cloud.token() is None


@pytest.mark.parametrize("odd", ["acme prod", "$(date)", "ACME", "-x", "a" * 200, "a\nb"])
async def test_what_is_no_name_as_google_gives_them_is_not_taken(server: MetadataServer, odd: str) -> None:
    server.known |= {"project/project-id": odd, "instance/region": f"projects/1/regions/{odd}"}
    place = await Cloud({**server.environ, "K_SERVICE": odd, "K_REVISION": odd}).place()
    assert place == CloudPlace()


async def test_a_token_is_asked_for_again_only_when_it_ends(server: MetadataServer) -> None:
    cloud = Cloud(server.environ)
    assert [await cloud.token(), await cloud.token()] == ["ya29.secret", "ya29.secret"]
    assert server.requests == [TOKEN]
    server.known[TOKEN] = '{"access_token":"short","expires_in":30}'
    short = Cloud(server.environ)
    assert [await short.token(), await short.token()] == ["short", "short"]
    assert server.requests == [TOKEN] * 3


@pytest.mark.parametrize(
    "answer",
    ["", "{}", "[" * 20_000, '{"access_token":"a b","expires_in":60}', '{"access_token":"a","expires_in":"x"}'],
)
async def test_a_token_that_is_none_is_none(server: MetadataServer, answer: str) -> None:
    server.known[TOKEN] = answer
    assert await Cloud(server.environ).token() is None
