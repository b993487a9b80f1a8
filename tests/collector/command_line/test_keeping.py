from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from agent import node as node_module
from agent import preflight
from agent.errors import ConnectionLost, NodeUnreachable, RemoteError
from agent.handshake import Cookie
from agent.names import Target
from agent.preflight import Preflight
from agent.session import Options
from agent.terms import Atom, Term
from collector.app import create_app
from collector.command_line import keeping
from collector.command_line.client import AskAgain, ClientError, Collector, Direct
from collector.command_line.keeping import KeptSource, keep_open
from collector.models import NoAnswer
from collector.settings import Settings
from collector.snapshot import Snapshot, TooSoon
from collector.views.processes import MAILBOXES, PROCESS, MailboxesAnswer, MailboxesQuery, ProcessQuery
from tests.collector_fakes import (
    EXPECTED_SUPERVISORS,
    IDENTITY,
    MEMORY,
    NODE,
    OFFERS,
    PATIENCE_SECONDS,
    SYSTEM_INFO,
    FakeSession,
    fleet_down,
    fleet_of,
    serving_on_a_port,
)

MAILBOXES_ANSWER: Term = (412, (7, 5, [1, 0, 0, 0, 0, 0, 0]), (0, 0), [])
TABLES_ANSWER: Term = [(1, 100, 1_000, 0)]
SETTINGS = Settings(watch_tables=("receipt_ledger",), expected_supervisors=EXPECTED_SUPERVISORS)


def well(session: FakeSession) -> FakeSession:
    session.evaluations |= {"processes": MAILBOXES_ANSWER, "watched_tables": TABLES_ANSWER}
    return session


def ask_all(source: KeptSource) -> list[str]:
    """Put every question, and return of which node each answer is."""
    answers = (
        source.memory(),
        source.system(),
        source.node(),
        source.trend(),
        source.view(MAILBOXES, MailboxesQuery()),
    )
    return [answer.node.name for answer in answers]


# ----------------------------------------------------------------------------------------------------------- collector


def test_a_collector_answers_every_question() -> None:
    app = create_app(fleet_of(well(FakeSession())), Settings())
    with serving_on_a_port(app) as url, keep_open(Collector(url), 2.0) as source:
        assert ask_all(source) == [NODE] * 5


def test_a_collector_is_asked_over_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Collector] = []
    client = Collector.client

    def make(self: Collector) -> httpx.Client:
        made.append(self)
        return client(self)

    monkeypatch.setattr(Collector, "client", make)
    with serving_on_a_port(create_app(fleet_of(well(FakeSession())), Settings())) as url:
        with keep_open(Collector(url), 2.0) as source:
            ask_all(source)
        assert len(made) == 1
        Collector(url).memory()
        assert len(made) == 2


@pytest.mark.parametrize(("fresh", "sent"), [(True, "true"), (False, "false")])
def test_a_view_is_asked_for_as_fresh_as_it_is_wanted(fresh: bool, sent: str) -> None:  # noqa: FBT001  # a parameter
    app, seen = create_app(fleet_of(well(FakeSession())), Settings()), []

    @app.middleware("http")
    async def remember(request, call_next):  # type: ignore[no-untyped-def]  # as starlette has it
        seen.append(request.query_params.get("fresh"))
        return await call_next(request)

    with serving_on_a_port(app) as url, keep_open(Collector(url), 2.0) as source:
        source.view(MAILBOXES, MailboxesQuery(), fresh=fresh)
    assert seen == [sent]


def test_a_node_that_is_down_is_told_and_may_be_asked_again() -> None:
    with serving_on_a_port(create_app(fleet_down(NODE), Settings())) as url, keep_open(Collector(url), 2.0) as source:
        for _ in range(2):
            with pytest.raises(ClientError, match="nothing listens there"):
                source.memory()
        assert source.node().connection.state == "down"


def test_what_is_no_url_is_told() -> None:
    with pytest.raises(ClientError, match="is no URL"), keep_open(Collector("http://[::1"), 2.0):
        pass


# ---------------------------------------------------------------------------------------------------------------- node


@pytest.fixture
def session() -> FakeSession:
    return well(FakeSession())


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch, session: FakeSession) -> list[object]:
    """Every attempt to connect, each of which gives that session, which lives until the end."""
    attempts: list[object] = []

    async def connect(*about: object) -> FakeSession:
        attempts.append(about)
        return session

    async def check(*_about: object) -> Preflight:
        return OFFERS

    async def wait_closed(held: FakeSession) -> ConnectionLost:
        if not held.is_closed:
            await asyncio.Event().wait()
        return ConnectionLost("we have closed the connection")

    monkeypatch.setattr(node_module, "connect", connect)
    monkeypatch.setattr(preflight, "check", check)
    monkeypatch.setattr(FakeSession, "wait_closed", wait_closed)
    return attempts


DIRECT = Direct(Target.parse(NODE), Cookie("a cookie that no test reads"), Options(), SETTINGS)


@pytest.fixture
def source(connects: list[object]) -> Iterator[KeptSource]:
    del connects
    with keep_open(DIRECT, 2.0) as source:
        yield source


def test_a_node_answers_every_question(source: KeptSource) -> None:
    assert ask_all(source) == [NODE] * 5


def test_a_node_is_connected_once_for_all_questions(source: KeptSource, connects: list[object]) -> None:
    for _ in range(3):
        ask_all(source)
    assert connects == [(DIRECT.target, DIRECT.cookie, DIRECT.options)]


def test_its_answers_are_those_of_the_node(source: KeptSource, session: FakeSession) -> None:
    assert source.memory().total_bytes == MEMORY.total
    assert source.system().processes == SYSTEM_INFO.processes
    node = source.node()
    assert (node.otp_release, node.node.creation) == (IDENTITY.otp_release, session.peer.creation)
    assert [found.name for found in node.supervisors or ()] == [*EXPECTED_SUPERVISORS]
    assert source.view(MAILBOXES, MailboxesQuery()).message_queues.longest == 5


def test_its_trend_is_kept_from_now_on(source: KeptSource) -> None:
    too_late = time.monotonic() + PATIENCE_SECONDS
    while (trend := source.trend()).process_count.change is None:
        assert time.monotonic() < too_late
    assert trend.interval_seconds == 2.0
    assert trend.process_count.change.last == SYSTEM_INFO.processes
    assert [table.name for table in trend.tables] == ["receipt_ledger"]


def test_answers_are_shared_as_a_collector_shares_them(source: KeptSource, session: FakeSession) -> None:
    for _ in range(5):
        source.view(MAILBOXES, MailboxesQuery(), fresh=True)
    assert session.calls.count("processes") == 1


def test_who_asks_too_often_is_told_when_to_ask_again(source: KeptSource) -> None:
    def refuse(snapshot: Snapshot, _query: MailboxesQuery) -> MailboxesAnswer:
        raise NoAnswer(snapshot, TooSoon("mailboxes was asked a moment ago", 7.0))

    with pytest.raises(AskAgain, match="a moment ago") as caught:
        source.view(dataclasses.replace(MAILBOXES, answer=refuse), MailboxesQuery())
    assert caught.value.retry_after_seconds == 7.0


def test_a_question_that_fails_is_told(source: KeptSource, session: FakeSession) -> None:
    session.behaviours["erlang:memory"] = RemoteError(Atom("error"), Atom("system_limit"))
    with pytest.raises(ClientError, match="system_limit"):
        source.memory()
    assert source.system().processes == SYSTEM_INFO.processes


def test_what_is_not_there_is_told(source: KeptSource, session: FakeSession) -> None:
    session.evaluations["process"] = Atom("undefined")
    with pytest.raises(ClientError):
        source.view(PROCESS, ProcessQuery(pid="0.1.0"))


def test_a_node_that_cannot_be_reached_is_told_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_about: object) -> FakeSession:
        raise NodeUnreachable(f"{NODE} on port 9100: nothing listens there")

    monkeypatch.setattr(node_module, "connect", connect)
    with keep_open(DIRECT, 2.0) as source:
        with pytest.raises(ClientError, match="nothing listens there"):
            source.memory()
        assert source.node().trouble == f"{NODE} on port 9100: nothing listens there"
        assert source.trend().node.creation is None


def test_at_the_end_it_disconnects_and_leaves_no_thread(connects: list[object]) -> None:
    del connects
    with keep_open(DIRECT, 2.0) as source:
        source.memory()
    assert not [thread for thread in threading.enumerate() if thread.name == f"watch {NODE}"]
    with pytest.raises(ClientError, match="the connection is closed"):
        source.memory()


def test_a_question_that_is_under_way_at_the_end_is_told(
    connects: list[object], session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    del connects
    monkeypatch.setattr(keeping, "END_SECONDS", PATIENCE_SECONDS)
    told: list[str] = []
    began = threading.Event()

    def ask(source: KeptSource) -> None:
        began.set()
        with pytest.raises(ClientError) as caught:
            source.memory()
        told.append(str(caught.value))

    with keep_open(DIRECT, 2.0) as source:
        session.hold()
        thread = threading.Thread(target=ask, args=(source,))
        thread.start()
        assert began.wait(PATIENCE_SECONDS)
    thread.join(PATIENCE_SECONDS)
    assert len(told) == 1
