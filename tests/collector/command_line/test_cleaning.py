"""``beamwarden gc`` and ``ets-delete``: what a collector's answers are on the command line, and straight on a node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from agent import preflight
from agent.errors import ConnectionLost
from agent.terms import Atom
from collector import restarting
from collector.cleaning.models import CleaningAnswer, DeletionRequest
from collector.command_line import cleaning as cleaning_commands
from collector.command_line.client import Collector, NotHeard, ProblemAnswer
from collector.journal.chain import Kind
from collector.journal.file import JournalFile
from tests.agent.probes.process_terms import pid
from tests.agent.probes.test_process import GONE, THERE
from tests.collector_fakes import NODE, FakeSession
from tests.command_line import Run

ASKED: Final = ("gc", "receipt_store", "--yes", "--reason", "binaries grow")
BEFORE, AFTER = (5_000, 3, 4_000, 900_000), (3_000, 3, 2_000, 0)


class Closing(FakeSession):
    """A session that says whether it was closed."""

    is_let_go = False

    def close(self) -> None:
        self.is_let_go = True

    async def wait_closed(self) -> ConnectionLost:
        assert self.is_let_go
        return ConnectionLost("we have closed it")


@pytest.fixture
def session() -> Closing:
    session = Closing()
    session.behaviours["erlang:list_to_pid"] = pid(123)
    session.evaluations = {
        "actions/lock": Atom("none"),
        "process": THERE,
        "actions/garbage_collect": (Atom("collected"), 12_000, BEFORE, AFTER),
    }
    return session


@pytest.fixture
def straight(session: Closing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    cookie_file = tmp_path / "cookie"
    cookie_file.touch(0o600)
    cookie_file.write_text("a cookie that no test reads")

    async def connect(*_about: object) -> Closing:
        return session

    async def check(_session: object) -> None:
        pass

    monkeypatch.setattr(restarting, "connect", connect)
    monkeypatch.setattr(preflight, "check", check)
    return "--node", f"{NODE}:9100", "--cookie-file", str(cookie_file), "--journal", str(tmp_path / "journal.db")


def kinds(tmp_path: Path) -> list[Kind]:
    with JournalFile(tmp_path / "journal.db") as journal:
        return [entry.kind for entry in journal.reader.entries(newest_first=False)]


def test_straight_on_the_node_it_is_done_journalled_and_let_go(
    run: Run, session: Closing, straight: tuple[str, ...], tmp_path: Path
) -> None:
    ran = run(*ASKED, *straight, "--json")
    assert (ran.status, json.loads(ran.output)["state"]) == (0, "done")
    assert kinds(tmp_path) == [Kind.INTENT, Kind.OUTCOME]
    assert session.is_let_go


def test_a_connection_is_let_go_when_it_is_refused_too(
    run: Run, session: Closing, straight: tuple[str, ...], tmp_path: Path
) -> None:
    session.evaluations["process"] = GONE
    ran = run(*ASKED, *straight)
    assert (ran.status, "no-process" in ran.output) == (3, True)
    assert kinds(tmp_path) == [Kind.REFUSED]
    assert session.is_let_go


def test_what_an_ended_command_line_left_open_is_closed_by_the_next(
    run: Run, straight: tuple[str, ...], tmp_path: Path
) -> None:
    with JournalFile(tmp_path / "journal.db") as journal:
        journal.append(Kind.INTENT, action_id="one", node=NODE, body={"action": "gc", "process": "receipt_store"})
    assert run("gc", "receipt_store", "--dry-run", *straight).status == 0
    assert kinds(tmp_path) == [Kind.INTENT, Kind.RECONCILED]


def test_without_a_journal_it_is_refused(run: Run, session: Closing, straight: tuple[str, ...]) -> None:
    ran = run(*ASKED, *straight, "--journal", "/proc/no/such/place.db")
    assert (ran.status, "no action runs that cannot be written down" in ran.errors) == (3, True)
    assert "actions/garbage_collect" not in session.calls


@pytest.mark.parametrize(
    ("meets", "status", "says"),
    [
        (ProblemAnswer("acting needs a token", 401, b"{}"), 3, "acting needs a token"),
        (ProblemAnswer("the node is not connected", 503, b"{}"), 1, "not connected"),
        (NotHeard("no collector answers"), 5, "whether it was done is not known"),
        (KeyboardInterrupt(), 5, "whether it was done is not known"),
    ],
    ids=["no token", "no node", "not heard", "ctrl-c"],
)
def test_how_it_ends_when_the_collector_does_not_say_what_became_of_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, meets: BaseException, status: int, says: str
) -> None:
    def post(*_about: object) -> None:
        raise meets

    monkeypatch.setattr(Collector, "post", post)
    ran = run(*ASKED)
    assert (ran.status, says in ran.errors.lower()) == (status, True)


def test_what_guards_of_a_collector_refuse_is_told_to_programs_by_name(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = {
        "type": "urn:beamwarden:no-process",
        "title": "Not Found",
        "status": 404,
        "detail": "no process is receipt_store",
        "node": {"name": NODE, "creation": 7, "instance_id": None},
        "refusals": [{"guard": "no-process", "detail": "no process is receipt_store", "retry_after_seconds": None}],
        "action_id": "5f3a9c2b81d0",
    }

    def post(*_about: object) -> None:
        raise ProblemAnswer("no process is receipt_store", 404, json.dumps(problem).encode())

    monkeypatch.setattr(Collector, "post", post)
    ran = run(*ASKED, "--json")
    assert (ran.status, json.loads(ran.output)["refusals"][0]["guard"]) == (3, "no-process")


def test_no_more_is_asked_for_than_was_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    shown = {
        "node": {"name": NODE, "creation": 7, "instance_id": None},
        "action": "ets-delete",
        "state": "planned",
        "action_id": None,
        "allowed": True,
        "key": {"table": "receipt_ledger", "id": "receipt_ledger", "key": "42", "objects": 3, "rows_before": 9},
    }

    def post(_self: object, _path: str, request: object, model: type[CleaningAnswer]) -> object:
        asked.append(request)
        return model.model_validate(shown)

    monkeypatch.setattr(Collector, "post", post)
    monkeypatch.setattr(cleaning_commands, "ask_consent", lambda _console, request: request)
    assert run("ets-delete", "receipt_ledger", "42", "--reason", "by hand").status == 0
    assert [(one.dry_run, one.max_rows) for one in asked if isinstance(one, DeletionRequest)] == [
        (True, None),
        (False, 3),
    ]
