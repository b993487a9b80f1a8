from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from agent import preflight
from agent.errors import ConnectError, NodeUnreachable, RemoteError, WorkerDied
from agent.handshake import Cookie
from agent.names import Target
from agent.preflight import Preflight
from agent.session import Options
from agent.terms import Atom
from collector.app import create_app
from collector.command_line import client
from collector.command_line.client import ClientError, Collector, Direct
from collector.fleet import Fleet
from collector.load import load_settings
from collector.models import Offers
from collector.settings import Settings
from tests.collector_fakes import (
    EXPECTED_SUPERVISORS,
    IDENTITY,
    MEMORY,
    NODE,
    OFFERS,
    OTHER_NODE,
    FakeSession,
    fleet_down,
    fleet_of,
    own_address,
    serving_on_a_port,
)

COOKIE = Cookie("a cookie that no test reads")


def served(fleet: Fleet, address: str = "127.0.0.1") -> AbstractContextManager[str]:
    return serving_on_a_port(create_app(fleet, load_settings({}, {})), address)


# ---------------------------------------------------------------------------------------------------- from a collector


def test_the_only_node_needs_no_name() -> None:
    with served(fleet_of(FakeSession())) as url:
        memory, node = Collector(url).memory(), Collector(url).node()
    assert (memory.node.name, memory.total_bytes) == (NODE, MEMORY.total)
    assert (node.node.name, node.otp_release) == (NODE, IDENTITY.otp_release)


def test_one_of_several_nodes_is_named() -> None:
    with served(fleet_of(FakeSession(), FakeSession(OTHER_NODE))) as url:
        assert Collector(url, OTHER_NODE).memory().node.name == OTHER_NODE


def test_a_url_may_end_with_a_slash() -> None:
    with served(fleet_of(FakeSession())) as url:
        assert Collector(f"{url}/").memory().node.name == NODE


def test_of_several_nodes_one_has_to_be_named() -> None:
    with served(fleet_of(FakeSession(), FakeSession(OTHER_NODE))) as url, pytest.raises(ClientError) as caught:
        Collector(url).memory()
    assert str(caught.value) == (
        f"several nodes are watched here: name one of {NODE}, {OTHER_NODE}. Say which with --url and --node"
    )


def test_an_unknown_node_is_told_with_those_that_there_are() -> None:
    with served(fleet_of(FakeSession())) as url, pytest.raises(ClientError) as caught:
        Collector(url, "nobody@here").memory()
    assert str(caught.value).startswith(f"no node nobody@here is watched here: name one of {NODE}. ")


def test_a_node_that_is_down_is_told_with_the_reason() -> None:
    with served(fleet_down(NODE)) as url:
        with pytest.raises(ClientError, match=r"nothing listens there$"):
            Collector(url).memory()
        assert Collector(url).node().connection.state == "down"


def test_a_closed_api_is_told_with_how_to_open_it() -> None:
    with served(fleet_of(FakeSession()), own_address()) as url, pytest.raises(ClientError, match="--insecure-no-auth"):
        Collector(url).memory()


def test_where_no_collector_is_the_message_says_what_to_do() -> None:
    with pytest.raises(ClientError) as caught:
        Collector("http://127.0.0.1:1").memory()
    assert str(caught.value) == (
        "no collector answers at http://127.0.0.1:1 ([Errno 111] Connection refused). Start one with 'beamwarden "
        "serve', name one with --url, or ask a node itself with --node and --cookie-file"
    )


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:9750",
        "localhost:9750",
        "http://",
        "ftp://127.0.0.1:9750",
        "http://[::1",
        "http://127.0.0.1:port",
        f"http://{'a' * 70}:9750",
        "\x00",
    ],
)
def test_what_is_no_url_is_told_as_such(url: str) -> None:
    with pytest.raises(ClientError) as caught:
        Collector(url).memory()
    assert str(caught.value).startswith(f"{url} is no URL: ")


def test_no_proxy_stands_before_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with served(fleet_of(FakeSession())) as url:
        assert Collector(url).memory().node.name == NODE


class _Other(http.server.BaseHTTPRequestHandler):
    """Something that is no collector. Subclasses say what it answers."""

    status = 200
    body = b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_arguments: object) -> None: ...


@pytest.fixture
def other() -> Iterator[Callable[[int, bytes], str]]:
    """Serve something else, and give its URL."""
    servers: list[http.server.HTTPServer] = []

    def serve(status: int, body: bytes) -> str:
        handler = type("_Handler", (_Other,), {"status": status, "body": body})
        server = http.server.HTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>It works!</html>"),
        (200, b'{"status": "ok"}'),
        (200, b""),
        (200, b"\xff\x00"),
        (404, b"Not Found"),
        (404, b'{"detail": "Not Found"}'),
        (301, b""),
        (502, b"<html>Bad Gateway</html>"),
    ],
)
def test_what_is_no_collector_is_told_as_such(other: Callable[[int, bytes], str], status: int, body: bytes) -> None:
    url = other(status, body)
    with pytest.raises(ClientError) as caught:
        Collector(url).memory()
    assert str(caught.value) == f"what answers at {url}/api/v1/nodes/-/memory is no collector (HTTP {status})"


def test_a_proxy_may_stand_before_others(other: Callable[[int, bytes], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", other(407, b""))
    with pytest.raises(ClientError, match=r"is no collector \(HTTP 407\)"):
        Collector("http://collector.invalid").memory()


# -------------------------------------------------------------------------------------------------------- from a node


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> FakeSession:
    """The session that `Direct` gets when it connects."""
    session = FakeSession()

    async def connect(*_about: object) -> FakeSession:
        return session

    monkeypatch.setattr(client, "connect", connect)
    monkeypatch.setattr(preflight, "check", check)
    return session


async def check(_session: FakeSession) -> Preflight:
    return OFFERS


DIRECT = Direct(Target.parse(NODE), COOKIE, Options(), Settings(expected_supervisors=EXPECTED_SUPERVISORS))


def test_a_node_can_be_asked_for_its_memory(session: FakeSession) -> None:
    answer = DIRECT.memory()
    assert (answer.node.name, answer.total_bytes) == (NODE, MEMORY.total)
    assert session.calls == ["erlang:memory"]


def test_a_node_can_be_asked_who_it_is(session: FakeSession) -> None:
    answer = DIRECT.node()
    assert answer.otp_release == IDENTITY.otp_release
    assert answer.node.creation == session.peer.creation
    assert [found.name for found in answer.supervisors or ()] == [*EXPECTED_SUPERVISORS]
    assert answer.connection.own_name == str(session.own.name)
    assert answer.offers == Offers.of(OFFERS)


def test_the_connection_ends_with_the_answer(session: FakeSession) -> None:
    DIRECT.memory()
    assert session.is_closed


def test_the_connection_ends_also_with_a_failure(session: FakeSession) -> None:
    session.behaviours["erlang:memory"] = WorkerDied("the worker met its heap limit")
    with pytest.raises(ClientError, match="the worker met its heap limit"):
        DIRECT.memory()
    assert session.is_closed


def test_a_node_that_does_not_answer_is_told(session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "QUESTION_SECONDS", 0.01)
    session.hold()
    with pytest.raises(ClientError, match=r"gave no answer within 0\.01 s"):
        DIRECT.memory()
    assert session.is_closed


def test_a_node_that_does_not_know_itself_is_shown_all_the_same(session: FakeSession) -> None:
    session.behaviours |= dict.fromkeys(session.behaviours, RemoteError(Atom("error"), Atom("undef")))
    answer = DIRECT.node()
    assert answer.connection.state == "up"
    assert answer.otp_release is None


@pytest.mark.parametrize("ask", [Direct.memory, Direct.node])
def test_a_node_that_cannot_be_reached_is_told(
    ask: Callable[[Direct], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble: ConnectError = NodeUnreachable(f"{NODE} on port 9100: nothing listens there")

    async def connect(*_about: object) -> FakeSession:
        raise trouble

    monkeypatch.setattr(client, "connect", connect)
    with pytest.raises(ClientError, match="nothing listens there") as caught:
        ask(DIRECT)
    assert str(caught.value) == str(trouble)


def test_it_is_given_what_it_needs_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    async def connect(*about: object) -> FakeSession:
        given.extend(about)
        return FakeSession()

    monkeypatch.setattr(client, "connect", connect)
    monkeypatch.setattr(preflight, "check", check)
    options = Options(own_name="warden", epmd_port=4370)
    Direct(Target.parse(f"{NODE}:9100"), COOKIE, options).memory()
    assert given == [Target.parse(f"{NODE}:9100"), COOKIE, options]
