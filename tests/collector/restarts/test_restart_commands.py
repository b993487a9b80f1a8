"""``beamwarden restart``: a real collector on a port, or the node itself, both before a node that is none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from agent import preflight
from agent.actions.guards import Guard
from agent.errors import NodeUnreachable
from collector import restarting
from collector.access.permissions import Role
from collector.access.tokens import create_token
from collector.app import create_app
from collector.command_line.client import ClientError, Collector, NotHeard
from collector.diagnosis.service_facts import Health
from collector.fleet import Fleet
from collector.journal.chain import Entry, Kind
from collector.journal.file import JournalFile
from collector.journal.journal import Journal
from collector.restarting import LostSight, RemoteOperator, operating_user
from collector.restarts import finding_out, runner
from collector.restarts.models import PlanAnswer, RestartAnswer, RestartRequest
from collector.settings import Settings
from erlang_fixtures.beam import free_port
from tests.collector_fakes import NODE, PATIENCE_SECONDS, FakeNode, serving_on_a_port, watch
from tests.command_line import Run
from tests.restart_node import CHILD, FIRST_PID, SUPERVISOR, RestartNode, RestartSession
from tests.terminal import Terminal, ends, terminal

ASKED: Final = ("restart", CHILD, "--under", SUPERVISOR)
AGREED: Final = ("--yes", "--reason", "it hangs")
LEAD: Final = f"{CHILD} below {SUPERVISOR}, on {NODE}"


@dataclass
class Collecting:
    """A collector before the node, on a port."""

    node: RestartNode
    folder: Path
    session: RestartSession
    url: str = ""
    options: tuple[str, ...] = field(default=())

    def entries(self) -> list[Entry]:
        with JournalFile(self.folder / "collector.db") as journal:
            return journal.reader.entries(newest_first=False)

    def let_the_node_go_on(self) -> None:
        """End its hold: it waits in the thread of the collector."""
        hold = self.node.hold
        assert hold is not None
        (worker,) = self.node.workers
        worker.get_loop().call_soon_threadsafe(hold.set)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def healthy(_url: str) -> Health:
        return Health(200, "ok")

    monkeypatch.setattr(finding_out, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(finding_out, "WATCH_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(runner, "LOOK_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(runner, "health_of", healthy)
    monkeypatch.setattr(restarting, "POLL_SECONDS", 0.01)


@pytest.fixture
def node() -> RestartNode:
    return RestartNode()


@pytest.fixture
def watch_minutes() -> float:
    return 0.0


@pytest.fixture
def collecting(node: RestartNode, tmp_path: Path, watch_minutes: float) -> Iterator[Collecting]:
    tokens_file, token_file = tmp_path / "tokens", tmp_path / "anna.token"
    token_file.touch(0o600)
    token_file.write_text(create_token(tokens_file, "anna", Role.OPERATOR))
    settings = Settings(
        tokens_file=tokens_file, restart_cooldown_seconds=0.0, restart_max_actions=1_000, watch_minutes=watch_minutes
    )
    session = RestartSession(node)
    journal = Journal(tmp_path / "collector.db", lambda _entry: None)
    asyncio.run(journal.check())
    app = create_app(Fleet([watch(FakeNode(NODE, session), "00f46b92")]), settings, journal=journal)
    with serving_on_a_port(app) as url:
        yield Collecting(node, tmp_path, session, url, ("--url", url, "--token-file", str(token_file)))
    asyncio.run(journal.close())


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for another thread; fail when it is not in time."""
    done = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.01)):
        if condition():
            return
        done.wait(0.01)
    raise AssertionError(f"not within {PATIENCE_SECONDS:g} s: {what}")


# ----------------------------------------------------------------------------------------------- how it ends, and what


def test_a_dry_run_shows_the_plan_and_changes_nothing(run: Run, collecting: Collecting) -> None:
    ran = run(*ASKED, *collecting.options, "--dry-run")
    assert (ran.status, ran.errors) == (0, "")
    assert f"Restart {CHILD} on {NODE}, instance 00f46b92" in ran.output
    assert "Nothing stands against it." in ran.output
    assert (collecting.node.restarted_by, collecting.entries()) == ([], [])


def test_a_dry_run_of_what_would_be_refused_ends_so(run: Run, collecting: Collecting) -> None:
    collecting.node.rows = 3
    ran = run(*ASKED, *collecting.options, "--dry-run")
    assert ran.status == 3
    assert "data-loss" in ran.output
    assert "--accept-data-loss ledger" in ran.output


def test_who_has_agreed_sees_the_plan_and_what_became_of_it(run: Run, collecting: Collecting) -> None:
    ran = run(*ASKED, *collecting.options, *AGREED)
    assert (ran.status, ran.errors) == (0, "")
    plan, begun, told = ran.output.index("Nothing stands"), ran.output.index("Begun as"), ran.output.index("RESTARTED:")
    assert plan < begun < told
    assert f"RESTARTED: {LEAD}" in ran.output
    assert f"up as <0.{FIRST_PID + 1}.0>, was <0.{FIRST_PID}.0>" in ran.output
    intent, _ = collecting.entries()
    assert (intent.body["who"], intent.body["reason"]) == ("anna", "it hangs")
    assert isinstance(intent.body["plan_id"], str)


def test_a_child_may_be_named_alone_when_it_has_a_name(run: Run, collecting: Collecting) -> None:
    ran = run("restart", CHILD, *collecting.options, "--dry-run", "--json")
    assert (ran.status, PlanAnswer.model_validate_json(ran.output).child is not None) == (0, True)


def test_as_json_it_is_what_the_api_says_and_nothing_else(run: Run, collecting: Collecting) -> None:
    ran = run(*ASKED, *collecting.options, "--dry-run", "--json")
    assert (ran.status, PlanAnswer.model_validate_json(ran.output).allowed) == (0, True)
    ran = run(*ASKED, *collecting.options, *AGREED, "--json")
    assert (ran.status, RestartAnswer.model_validate_json(ran.output).state) == (0, "done")
    collecting.node.rows = 1
    ran = run(*ASKED, *collecting.options, *AGREED, "--json")
    assert (ran.status, PlanAnswer.model_validate_json(ran.output).refusals[0].guard) == (3, Guard.DATA_LOSS)


def test_what_is_refused_is_shown_and_in_the_journal(run: Run, collecting: Collecting) -> None:
    collecting.node.rows, collecting.node.temporary = 3, 2
    ran = run(*ASKED, *collecting.options, *AGREED)
    assert ran.status == 3
    assert ran.output.count("Refused:") == 1
    assert [entry.kind for entry in collecting.entries()] == [Kind.REFUSED]
    accepting = ("--accept-data-loss", "ledger", "--accept-lost-children")
    assert run(*ASKED, *collecting.options, *AGREED, *accepting).status == 0


def test_a_child_that_does_not_come_up_is_told_to_be_down(run: Run, collecting: Collecting) -> None:
    collecting.node.failing_starts = 100
    ran = run(*ASKED, *collecting.options, *AGREED)
    assert ran.status == 4
    assert f"DOWN, its restart failed: {LEAD}" in ran.output
    assert f"try again: beamwarden restart {CHILD} --under {SUPERVISOR}" in ran.output


@pytest.mark.parametrize("watch_minutes", [0.0005])
def test_who_waits_is_told_whether_it_held(run: Run, collecting: Collecting) -> None:
    ran = run(*ASKED, *collecting.options, *AGREED, "--wait")
    assert (ran.status, "it held: the same process runs" in ran.output) == (0, True)


@pytest.mark.parametrize("watch_minutes", [1.0])
def test_one_that_did_not_hold_ends_as_one_that_is_down(run: Run, collecting: Collecting) -> None:
    def let_it_end() -> None:
        wait_until(lambda: any(entry.kind is Kind.OUTCOME for entry in collecting.entries()), "it was done")
        collecting.node.child = 999

    ending = threading.Thread(target=let_it_end)
    ending.start()
    ran = run(*ASKED, *collecting.options, *AGREED, "--wait")
    ending.join()
    assert ran.status == 4
    assert "it did NOT hold: it ended within" in ran.output
    assert "Roll back: gcloud run services update-traffic" in ran.output


def test_without_a_collector_there_is_no_answer(run: Run, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    for how in (("--dry-run",), AGREED, (*AGREED, "--json")):
        ran = run(*ASKED, "--url", url, *how)
        assert ran.status == 1
        assert ran.errors.startswith(f"beamwarden: no collector answers at {url}")


def test_a_child_that_does_not_exist_is_told_with_the_nearest(run: Run, collecting: Collecting) -> None:
    ran = run("restart", "billing_sub", "--under", SUPERVISOR, *collecting.options, "--dry-run")
    assert (ran.status, ran.output) == (1, "")
    assert ran.errors == f"beamwarden: {SUPERVISOR} has no child billing_sub; the nearest that exist: {CHILD}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--json",), "--json asks nothing: add --yes to do it, or --dry-run to see what would be done"),
        (("--yes",), "--yes: say why with --reason"),
        (("--yes", "--reason", " "), "--yes: say why with --reason"),
        (("--yes", "--reason", "x" * 501), "reason: String should have at most 500 characters"),
        (("--yes", "--reason", "\udcff"), "reason: Input should be a valid string"),
    ],
)
def test_an_option_that_is_wrong_is_told(
    run: Run, collecting: Collecting, arguments: tuple[str, ...], said: str
) -> None:
    ran = run(*ASKED, *collecting.options, *arguments)
    assert ran.status == 2
    assert said in ran.errors
    assert collecting.node.restarted_by == []


def test_where_nobody_can_be_asked_nothing_is_done(run: Run, collecting: Collecting) -> None:
    ran = run(*ASKED, *collecting.options)
    assert ran.status == 2
    assert "nobody can be asked here: add --yes and --reason, or --dry-run" in ran.errors
    assert collecting.node.restarted_by == []


def test_who_may_not_act_is_refused_and_told_how_to_get_there(run: Run, collecting: Collecting, tmp_path: Path) -> None:
    ran = run(*ASKED, "--url", collecting.url, *AGREED)
    assert ran.status == 3
    assert "acting needs a token of role operator" in ran.errors
    viewer = tmp_path / "viewer.token"
    viewer.touch(0o600)
    viewer.write_text(create_token(tmp_path / "tokens", "grafana", Role.VIEWER))
    ran = run(*ASKED, "--url", collecting.url, "--token-file", str(viewer), "--dry-run")
    assert ran.status == 3
    assert "the token grafana has the role viewer" in ran.errors
    assert collecting.node.restarted_by == []


def test_without_a_journal_it_is_refused(run: Run, collecting: Collecting) -> None:
    path = collecting.folder / "collector.db"
    path.unlink()
    path.mkdir()
    ran = run(*ASKED, *collecting.options, *AGREED, "--json")
    assert ran.status == 3
    assert "no action runs that cannot be written down" in ran.errors
    ran = run(*ASKED, *collecting.options, "--dry-run")
    assert ran.status == 3
    assert Guard.JOURNAL in ran.output


def test_one_that_is_lost_from_sight_on_the_node_ends_as_not_known(run: Run, collecting: Collecting) -> None:
    collecting.session._connection.loses = "behind"

    def come_back() -> None:
        wait_until(lambda: not collecting.node.is_connected, "the connection is cut")
        collecting.session._connection.loses = None
        collecting.node.is_connected = True

    back = threading.Thread(target=come_back)
    back.start()
    ran = run(*ASKED, *collecting.options, *AGREED)
    back.join()
    assert ran.status == 5
    assert f"RESTART OF UNKNOWN OUTCOME: {LEAD}" in ran.output
    assert f"unknown: child runs as <0.{FIRST_PID + 1}.0> (was <0.{FIRST_PID}.0>)" in ran.output


# ------------------------------------------------------------------------------------------- a collector that goes away


class Silent:
    """A collector that is reached, and whose answers get lost."""

    def __init__(self, collector: Collector, lost: int) -> None:
        self._collector = collector
        self.lost = lost
        self.keys: list[str | None] = []

    def post(self, below_node: str, body: RestartRequest, model: Any, key: str | None = None) -> Any:  # noqa: ANN401
        self.keys.append(key)
        answer = self._collector.post(below_node, body, model, key)
        if self.lost:
            self.lost -= 1
            raise NotHeard("no collector answers")
        return answer

    def get(self, below_node: str, model: Any) -> Any:  # noqa: ANN401  # as the collector's
        return self._collector.get(below_node, model)


def request() -> RestartRequest:
    return RestartRequest(child=CHILD, supervisor=SUPERVISOR, reason="it hangs")


def collector_of(collecting: Collecting) -> Collector:
    token = (collecting.folder / "anna.token").read_text()
    return Collector(collecting.url, token=token)


def test_an_answer_that_is_lost_is_asked_for_again_and_done_once(collecting: Collecting) -> None:
    silent = Silent(collector_of(collecting), lost=3)
    told: list[RestartAnswer] = []
    answer = RemoteOperator(silent).restart(request(), told.append, until_held=False)  # type: ignore[arg-type]
    assert answer.state == "done"
    assert collecting.node.restarted_by == [answer.id]
    assert len(silent.keys) == 4
    assert len(set(silent.keys)) == 1
    assert None not in silent.keys


def test_when_no_answer_comes_any_more_it_is_not_known_whether_it_has_begun(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarting, "MAX_SILENCE_SECONDS", 0.05)
    silent = Silent(collector_of(collecting), lost=1_000_000)
    with pytest.raises(LostSight, match="whether the restart has begun is not known"):
        RemoteOperator(silent).restart(request(), lambda _told: None, until_held=False)  # type: ignore[arg-type]


def test_a_collector_that_goes_away_while_one_waits_leaves_it_unknown(
    run: Run, collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarting, "MAX_SILENCE_SECONDS", 0.2)
    collecting.node.hold = asyncio.Event()
    get = Collector.get

    def gone(collector: Collector, below_node: str, model: Any) -> Any:  # noqa: ANN401  # as the collector's
        wait_until(lambda: collecting.node.lock is not None, "it works on the node")
        return get(Collector(f"http://127.0.0.1:{free_port()}", token=collector.token), below_node, model)

    with monkeypatch.context() as patched:
        patched.setattr(Collector, "get", gone)
        ran = run(*ASKED, *collecting.options, *AGREED)
    assert ran.status == 5
    (intent,) = collecting.entries()
    assert f"what became of the restart {intent.action_id} is not known: no collector answers" in ran.errors
    assert "`beamwarden audit` says it when it is known" in ran.errors
    collecting.let_the_node_go_on()
    wait_until(lambda: len(collecting.entries()) == 2, "the collector has written how it ended")


def test_a_collector_that_is_away_for_a_moment_is_waited_for(
    run: Run, collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    get, failures = Collector.get, iter([True] * 3)

    def stumbling(collector: Collector, below_node: str, model: Any) -> Any:  # noqa: ANN401  # as the collector's
        if next(failures, False):
            raise ClientError("no collector answers")
        return get(collector, below_node, model)

    with monkeypatch.context() as patched:
        patched.setattr(Collector, "get", stumbling)
        assert run(*ASKED, *collecting.options, *AGREED).status == 0


# ------------------------------------------------------------------------------------------- a person at a terminal


@contextlib.contextmanager
def asked(collecting: Collecting, *more: str) -> Iterator[Terminal]:
    """Have the program ask at a real terminal."""
    with terminal(*ASKED, *collecting.options, *more, width=140, height=45) as shown:
        shown.until_it_says("Nothing stands against it.", "Do it? [y/N]:")
        yield shown


def test_yes_and_why_and_it_is_done(collecting: Collecting) -> None:
    with asked(collecting) as shown:
        shown.press("y\n")
        shown.until_it_says("Why (for the journal):")
        assert collecting.node.restarted_by == []
        shown.press("mailboxes grow\n")
        assert ends(shown) == 0
        assert f"RESTARTED: {LEAD}" in shown.text
    assert [entry.body.get("reason") for entry in collecting.entries()] == ["mailboxes grow", None]


def test_who_has_said_why_is_not_asked_again(collecting: Collecting) -> None:
    with asked(collecting, "--reason", "it hangs") as shown:
        shown.press("y\n")
        assert ends(shown) == 0
        assert "Why" not in shown.text


def test_a_reason_that_does_not_fit_is_asked_for_again(collecting: Collecting) -> None:
    with asked(collecting) as shown:
        shown.press("y\n")
        shown.until_it_says("Why (for the journal):")
        shown.press("x" * 501 + "\n")
        shown.until_it_says("at most 500 characters")
        shown.press("it hangs\n")
        assert ends(shown) == 0
    assert [entry.body.get("reason") for entry in collecting.entries()] == ["it hangs", None]


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param("n\n", id="no", marks=pytest.mark.slow),
        pytest.param("\n", id="Enter"),
        pytest.param("\x03", id="Ctrl-C"),
        pytest.param("\x04", id="Ctrl-D", marks=pytest.mark.slow),
    ],
)
def test_whatever_is_no_yes_is_no(collecting: Collecting, keys: str) -> None:
    with asked(collecting) as shown:
        shown.press(keys)
        assert ends(shown) == 3
        assert "Nothing was done." in shown.text
        assert "Traceback" not in shown.text
    assert (collecting.node.restarted_by, collecting.entries()) == ([], [])


@pytest.mark.parametrize(
    "keys", [pytest.param("\x03", id="Ctrl-C", marks=pytest.mark.slow), pytest.param("\x04", id="Ctrl-D")]
)
def test_who_gives_no_reason_has_not_agreed(collecting: Collecting, keys: str) -> None:
    with asked(collecting) as shown:
        shown.press("y\n")
        shown.until_it_says("Why (for the journal):")
        shown.press(keys)
        assert ends(shown) == 3
        assert "Nothing was done." in shown.text
    assert collecting.node.restarted_by == []


def test_a_plan_that_changed_before_the_answer_is_shown_anew_and_asked_again(collecting: Collecting) -> None:
    with asked(collecting, "--reason", "it hangs") as shown:
        assert f"<0.{FIRST_PID}.0>" in shown.text
        collecting.node.child = 777
        shown.forget()
        shown.press("y\n")
        shown.until_it_says("That is not so any more. As it is now:", "<0.777.0>", "Do it? [y/N]:")
        assert collecting.node.restarted_by == []
        shown.press("y\n")
        assert ends(shown) == 0
        assert "was <0.777.0>" in shown.text
    assert len(collecting.node.restarted_by) == 1


def test_a_plan_that_is_refused_asks_nothing(collecting: Collecting) -> None:
    collecting.node.rows = 1
    with terminal(*ASKED, *collecting.options) as shown:
        assert ends(shown) == 3
        assert "data-loss" in shown.text
        assert "Do it?" not in shown.text


def test_ctrl_c_ends_only_the_waiting(collecting: Collecting) -> None:
    collecting.node.hold = asyncio.Event()
    with asked(collecting, "--reason", "it hangs") as shown:
        shown.press("y\n")
        shown.until_it_says("Ctrl-C ends only the waiting")
        wait_until(lambda: collecting.node.lock is not None, "it works on the node")
        shown.press("\x03")
        assert ends(shown) == 5
        assert "Not waiting any more. On the node it goes on; `beamwarden audit` says how it ended." in shown.text
        assert "Traceback" not in shown.text
    collecting.let_the_node_go_on()
    wait_until(lambda: len(collecting.entries()) == 2, "its outcome is in the journal")
    assert collecting.node.child == FIRST_PID + 1


# ----------------------------------------------------------------------------------------------- straight on the node


@pytest.fixture
def straight(node: RestartNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The options with which the node itself is asked; its journal is where it is without any setting."""
    cookie_file = tmp_path / "cookie"
    cookie_file.touch(0o600)
    cookie_file.write_text("a cookie that no test reads")
    cookie_file.chmod(0o400)

    async def connect(*_about: object) -> RestartSession:
        if not node.is_connected:
            raise NodeUnreachable(f"{NODE} on port 9100: nothing listens there")
        return RestartSession(node, node.loses)

    async def check(_session: object) -> None:
        pass

    monkeypatch.setattr(restarting, "connect", connect)
    monkeypatch.setattr(preflight, "check", check)
    return "--node", f"{NODE}:9100", "--cookie-file", str(cookie_file), "--restart-cooldown-seconds", "0"


def own_entries(tmp_path: Path) -> list[Entry]:
    with JournalFile(tmp_path / "home/.local/state/beamwarden/journal.db") as journal:
        return journal.reader.entries(newest_first=False)


def test_straight_on_the_node_it_is_planned_done_and_journalled_alike(
    run: Run, node: RestartNode, straight: tuple[str, ...], tmp_path: Path
) -> None:
    ran = run(*ASKED, *straight, "--dry-run")
    assert (ran.status, "Nothing stands against it." in ran.output) == (0, True)
    ran = run(*ASKED, *straight, *AGREED)
    assert (ran.status, f"RESTARTED: {LEAD}" in ran.output) == (0, True)
    entries = own_entries(tmp_path)
    assert [entry.kind for entry in entries] == [Kind.INTENT, Kind.OUTCOME]
    assert entries[0].body["who"] == operating_user()
    # Its entries are told where the answer is not: the output is for programs.
    assert [json.loads(line)["journal_head"] for line in ran.errors.splitlines()] == [each.hash for each in entries]
    assert node.restarted_by == [entries[0].action_id]


def test_straight_on_the_node_guards_refuse_alike(
    run: Run, node: RestartNode, straight: tuple[str, ...], tmp_path: Path
) -> None:
    node.rows = 1
    ran = run(*ASKED, *straight, *AGREED)
    assert (ran.status, "data-loss" in ran.output) == (3, True)
    node.rows = 0
    assert run(*ASKED, *straight, *AGREED).status == 0
    ran = run(*ASKED, *straight, "--restart-cooldown-seconds", "60", *AGREED)
    assert (ran.status, "cooldown" in ran.output) == (3, True)
    assert [entry.kind for entry in own_entries(tmp_path)] == [Kind.REFUSED, Kind.INTENT, Kind.OUTCOME, Kind.REFUSED]


def test_straight_on_the_node_a_journal_that_cannot_be_written_lets_nothing_be_done(
    run: Run, node: RestartNode, straight: tuple[str, ...]
) -> None:
    where = ("--journal", "/proc/no/such/place.db")
    ran = run(*ASKED, *straight, *AGREED, *where, "--json")
    assert ran.status == 3
    assert "no action runs that cannot be written down: the journal /proc/no/such/place.db" in ran.errors
    ran = run(*ASKED, *straight, "--dry-run", *where)
    assert (ran.status, Guard.JOURNAL in ran.output) == (3, True)
    assert node.restarted_by == []


def test_straight_on_the_node_a_child_that_is_down_is_told_so(
    run: Run, node: RestartNode, straight: tuple[str, ...]
) -> None:
    node.failing_starts = 100
    assert run(*ASKED, *straight, *AGREED).status == 4


def test_straight_on_a_node_that_is_not_there_there_is_no_answer(
    run: Run, node: RestartNode, straight: tuple[str, ...]
) -> None:
    node.is_connected = False
    ran = run(*ASKED, *straight, *AGREED)
    assert (ran.status, "nothing listens there" in ran.errors) == (1, True)


def test_a_node_that_stays_away_leaves_it_open_and_the_next_one_closes_it(
    run: Run, node: RestartNode, straight: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarting, "MAX_SILENCE_SECONDS", 0.1)
    node.loses = "behind"
    ran = run(*ASKED, *straight, *AGREED)
    assert ran.status == 5
    assert f"RESTART UNDER WAY: {LEAD}" in ran.output
    assert [entry.kind for entry in own_entries(tmp_path)] == [Kind.INTENT]
    node.is_connected, node.loses = True, None
    ran = run(*ASKED, *straight, "--dry-run")
    assert ran.status == 0
    assert [entry.kind for entry in own_entries(tmp_path)] == [Kind.INTENT, Kind.RECONCILED]


def test_straight_on_the_node_who_waits_is_told_whether_it_held(
    run: Run, node: RestartNode, straight: tuple[str, ...], tmp_path: Path
) -> None:
    ran = run(*ASKED, *straight, *AGREED, "--wait", "--watch-minutes", "0.0005")
    assert (ran.status, "it held: the same process" in ran.output) == (0, True)
    assert [entry.kind for entry in own_entries(tmp_path)] == [Kind.INTENT, Kind.OUTCOME, Kind.WATCHED]
