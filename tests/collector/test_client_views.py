"""Views as the command line gets them: from a collector over HTTP, and from a node itself; and the token on the way."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

import pytest

from agent import preflight
from agent.errors import NodeUnreachable, RemoteError, WorkerDied
from agent.expression import Evaluated
from agent.handshake import Cookie
from agent.names import Target
from agent.preflight import Preflight
from agent.session import Options
from agent.terms import FALSE, TRUE, Atom, Term
from collector.app import create_app
from collector.command_line import client
from collector.command_line.client import AskAgain, ClientError, Collector, Direct
from collector.question import EVALUATION_SECONDS
from collector.settings import Settings
from collector.views.processes import (
    BUSY,
    MAILBOXES,
    PROCESS,
    PROCESSES,
    BusyQuery,
    MailboxesQuery,
    ProcessesQuery,
    ProcessQuery,
)
from tests.agent.probes.process_terms import row
from tests.collector_fakes import NODE, OFFERS, FakeSession, fleet_down, fleet_of, serving_on_a_port

COOKIE = Cookie("a cookie that no test reads")
TOKEN = "ey.secret"
OUR_TOKEN = "bw_" + "x" * 43
ABSENT = "http://collector.invalid"


def swept(bindings: Mapping[str, Term]) -> Term:
    """What the sweep finds: one process has most of the memory, another the longest mailbox."""
    over: Term = [2, 1, 1, 0, 0, 0, 0]
    memory = (9_000, 6_000) if bindings["With_memory"] == TRUE else (0, 0)
    winners: Term = [(TRUE, FALSE, row(1, 6_000, 10)), (FALSE, TRUE, row(2, 500, 120))]
    return 412, (130, 120, over), memory, winners


@pytest.fixture
def session() -> FakeSession:
    session = FakeSession()
    session.evaluations["processes"] = swept
    busiest: list[Term] = [(4_000, row(1))]
    names: list[Term] = [b"governance_sup"]
    session.evaluations["busy"] = (412, 100_000, 5_000, busiest)
    session.evaluations["process"] = (Atom("no_such_name"), names)
    return session


def served(session: FakeSession, settings: Settings = Settings()) -> AbstractContextManager[str]:  # noqa: B008  # frozen
    return serving_on_a_port(create_app(fleet_of(session), settings))


# ---------------------------------------------------------------------------------------------------- from a collector


def test_a_view_comes_as_its_model(session: FakeSession) -> None:
    with served(session) as url:
        answer = Collector(url).view(PROCESSES, ProcessesQuery(sort="message_queue_len", limit=1))
    assert (answer.node.name, answer.process_count, answer.memory_bytes) == (NODE, 412, 9_000)
    assert [(one.pid, one.message_queue_len) for one in answer.processes] == [("<0.2.0>", 120)]
    assert answer.sort == "message_queue_len"


def test_what_it_cost_comes_with_it(session: FakeSession) -> None:
    session.evaluations["processes"] = lambda bindings: Evaluated(swept(bindings), 0.25, 10_000_000)
    with served(session) as url:
        answer = Collector(url).view(MAILBOXES, MailboxesQuery())
    assert answer.cost_seconds == pytest.approx(0.25 + EVALUATION_SECONDS, abs=0.001)
    assert (answer.complete, answer.left_out) == (True, [])


def test_a_person_at_the_command_line_shares_what_was_asked_a_moment_ago(session: FakeSession) -> None:
    with served(session) as url:
        first = Collector(url).view(MAILBOXES, MailboxesQuery())
        second = Collector(url).view(MAILBOXES, MailboxesQuery(limit=1))
    assert second.collected_at == first.collected_at
    assert second.age_seconds >= first.age_seconds
    assert session.calls.count("processes") == 1


def test_what_is_too_soon_comes_with_when_to_ask_again(session: FakeSession) -> None:
    with served(session) as url:
        Collector(url).view(BUSY, BusyQuery(window_seconds=0.1))
        with pytest.raises(AskAgain, match=r"^busy was asked a moment ago: ask again in \d\.\d s") as caught:
            Collector(url).view(BUSY, BusyQuery(window_seconds=0.2))
    assert caught.value.retry_after_seconds == 1.0


def test_what_is_not_there_is_told_with_the_nearest_names(session: FakeSession) -> None:
    with served(session) as url, pytest.raises(ClientError) as caught:
        Collector(url).view(PROCESS, ProcessQuery(pid="governance_sub"))
    assert str(caught.value) == ("no process is registered as governance_sub; the nearest that exist: governance_sup")


def test_a_name_is_asked_for_as_it_was_typed(session: FakeSession) -> None:
    asked: list[Term] = []

    def look(bindings: Mapping[str, Term]) -> Term:
        asked.append(bindings["Id"])
        return Atom("gone")

    session.evaluations["process"] = look
    with served(session) as url, pytest.raises(ClientError):
        Collector(url).view(PROCESS, ProcessQuery(pid="Elixir.My App/ä?&#%"))
    assert asked == ["Elixir.My App/ä?&#%".encode()]


def test_a_sweep_that_fails_is_told_with_the_reason(session: FakeSession) -> None:
    session.evaluations["processes"] = WorkerDied("the worker met its heap limit")
    with served(session) as url, pytest.raises(ClientError, match=r"^the worker met its heap limit$"):
        Collector(url).view(PROCESSES, ProcessesQuery())


def test_a_node_that_is_down_has_no_view() -> None:
    with (
        serving_on_a_port(create_app(fleet_down(NODE), Settings())) as url,
        pytest.raises(ClientError, match=r"nothing listens there$"),
    ):
        Collector(url).view(PROCESSES, ProcessesQuery())


# ----------------------------------------------------------------------------------------------------------- the token


class _Front(http.server.BaseHTTPRequestHandler):
    """What stands before a collector, and notes down what it is sent."""

    sent: list[Mapping[str, str]]
    status = 404
    retry_after: str | None = None

    def do_GET(self) -> None:
        self.sent.append(dict(self.headers))
        body = b'{"type": "urn:x", "title": "x", "status": 404, "detail": "not here"}'
        self.send_response(self.status)
        if self.retry_after is not None:
            self.send_header("Retry-After", self.retry_after)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None: ...


Front = Callable[..., tuple[str, list[Mapping[str, str]]]]


@pytest.fixture
def front() -> Iterator[Front]:
    """Serve such a front; gives its URL, and the headers of each request."""
    servers: list[http.server.HTTPServer] = []

    def serve(**answer: object) -> tuple[str, list[Mapping[str, str]]]:
        sent: list[Mapping[str, str]] = []
        server = http.server.HTTPServer(("127.0.0.1", 0), type("_Handler", (_Front,), {"sent": sent, **answer}))
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return f"http://127.0.0.1:{server.server_port}", sent

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_token_is_sent_as_cloud_run_wants_it(front: Front) -> None:
    url, sent = front()
    with pytest.raises(ClientError, match="not here"):
        Collector(url, id_token=TOKEN).memory()
    (headers,) = sent
    assert headers["X-Serverless-Authorization"] == f"Bearer {TOKEN}"
    assert "Authorization" not in headers


def test_our_own_token_is_sent_beside_it(front: Front) -> None:
    url, sent = front()
    with pytest.raises(ClientError, match="not here"):
        Collector(url, id_token=TOKEN, token=OUR_TOKEN).memory()
    (headers,) = sent
    assert headers["Authorization"] == f"Bearer {OUR_TOKEN}"
    assert headers["X-Serverless-Authorization"] == f"Bearer {TOKEN}"


def test_without_a_token_none_is_sent(front: Front) -> None:
    url, sent = front()
    with pytest.raises(ClientError, match="not here"):
        Collector(url).memory()
    assert TOKEN not in str(sent)
    assert "X-Serverless-Authorization" not in sent[0]
    assert "Authorization" not in sent[0]


@pytest.mark.parametrize(
    "url", [ABSENT, "http://10.0.0.1:9750", "http://127.0.0.1.example", "http://localhost.example"]
)
def test_the_token_is_not_sent_in_the_clear_beyond_this_machine(
    url: str, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, sent = front()
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(ClientError) as caught:
        Collector(url, id_token=TOKEN).memory()
    assert str(caught.value) == (
        f"{url} is not encrypted, and others could read the token: use https, or no --id-token"
    )
    assert sent == []


@pytest.mark.parametrize("url", [ABSENT, "http://10.0.0.1:9750", "http://127.0.0.1.example"])
def test_our_own_token_is_not_sent_in_the_clear_either(url: str, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, sent = front()
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(ClientError, match=r"use https, or no --token-file and no BEAMWARDEN_TOKEN$") as caught:
        Collector(url, token=OUR_TOKEN).memory()
    assert OUR_TOKEN not in str(caught.value)
    assert sent == []


def test_over_https_it_may_go_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(ClientError, match=r"^no collector answers at https://collector\.invalid") as caught:
        Collector("https://collector.invalid", id_token=TOKEN).memory()
    assert TOKEN not in str(caught.value)


def test_the_token_is_in_nothing_that_is_printed() -> None:
    assert TOKEN not in repr(Collector(ABSENT, id_token=TOKEN))
    assert OUR_TOKEN not in repr(Collector(ABSENT, token=OUR_TOKEN))


@pytest.mark.parametrize(
    ("sent", "seconds"), [("7", 7.0), (None, 1.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0), ("-3", 1.0)]
)
def test_when_to_ask_again_is_read_from_whatever_stands_there(front: Front, sent: str | None, seconds: float) -> None:
    url, _ = front(status=429, retry_after=sent)
    with pytest.raises(AskAgain) as caught:
        Collector(url).memory()
    assert caught.value.retry_after_seconds == seconds


# --------------------------------------------------------------------------------------------------- from a node itself


@pytest.fixture
def direct(session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> Direct:
    """A node that is asked itself, over the session of the test."""

    async def connect(*_about: object) -> FakeSession:
        return session

    async def check(_session: FakeSession) -> Preflight:
        return OFFERS

    monkeypatch.setattr(client, "connect", connect)
    monkeypatch.setattr(preflight, "check", check)
    return Direct(Target.parse(NODE), COOKIE, Options())


def test_a_node_itself_gives_the_same_model(direct: Direct, session: FakeSession) -> None:
    answer = direct.view(PROCESSES, ProcessesQuery(limit=1))
    assert (answer.node.name, answer.node.creation) == (NODE, session.peer.creation)
    assert [(one.pid, one.memory_bytes) for one in answer.processes] == [("<0.1.0>", 6_000)]
    assert answer.cost_seconds > 0
    assert session.is_closed


def test_a_node_itself_says_what_is_not_there(direct: Direct, session: FakeSession) -> None:
    with pytest.raises(ClientError, match="no process is registered as governance_sub; the nearest that exist"):
        direct.view(PROCESS, ProcessQuery(pid="governance_sub"))
    assert session.is_closed


@pytest.mark.parametrize(
    "error", [WorkerDied("the worker met its heap limit"), RemoteError(Atom("error"), Atom("system_limit"))]
)
def test_a_node_itself_says_why_there_is_no_answer(direct: Direct, session: FakeSession, error: Exception) -> None:
    session.evaluations["processes"] = error
    with pytest.raises(ClientError) as caught:
        direct.view(MAILBOXES, MailboxesQuery())
    assert str(caught.value) == str(error)
    assert session.is_closed


def test_a_node_that_cannot_be_reached_has_no_view(direct: Direct, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_about: object) -> FakeSession:
        raise NodeUnreachable("nothing listens there")

    monkeypatch.setattr(client, "connect", connect)
    with pytest.raises(ClientError, match="nothing listens there"):
        direct.view(MAILBOXES, MailboxesQuery())
