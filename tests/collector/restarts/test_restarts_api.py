"""Restarts over HTTP: the whole app with its gate, real tokens and a real journal, before a node that is none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from agent.actions.guards import Guard
from collector.access.permissions import Role
from collector.access.tokens import create_token
from collector.app import create_app
from collector.diagnosis.service_facts import Health
from collector.fleet import Fleet
from collector.journal.chain import Entry, Kind
from collector.journal.journal import Journal
from collector.restarts import finding_out, runner
from collector.restarts.models import RefusalProblem, RestartAnswer
from collector.routes.restarts import status_of
from collector.settings import Settings
from tests.collector.test_journal_disk import own_disks, with_disk
from tests.collector_fakes import NODE, PATIENCE_SECONDS, FakeNode, assert_problem, watch
from tests.fakes import pause, until
from tests.journal_writers import ROOT
from tests.restart_node import CHILD, FIRST_PID, SUPERVISOR, RestartNode, RestartSession

RESTARTS: Final = f"/api/v1/nodes/{NODE}/restarts"
BODY: Final = {"supervisor": SUPERVISOR, "child": CHILD, "reason": "it hangs"}
QUICK: Final = {"restart_cooldown_seconds": 0.0, "restart_max_actions": 1_000, "watch_minutes": 0.0}


@dataclass
class Served:
    """A collector before the node, its tokens, and its journal."""

    node: RestartNode
    folder: Path
    settings: dict[str, Any] = field(default_factory=lambda: {**QUICK, "naming": "v6"})
    journal: Journal | None = None
    loses: str | None = None

    @contextlib.asynccontextmanager
    async def running(self, journal_path: Path | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """Have it run, asked by an operator."""
        tokens_file = self.folder / "tokens"
        token = create_token(tokens_file, "anna", Role.OPERATOR) if not tokens_file.exists() else self._token
        self._token = token
        settings = Settings(tokens_file=tokens_file, **self.settings)
        fleet = Fleet([watch(FakeNode(NODE, RestartSession(self.node, self.loses)), "00f46b92")])
        async with Journal(journal_path or self.folder / "journal.db", lambda _entry: None) as self.journal:
            app = create_app(fleet, settings, journal=self.journal)
            transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 50_000))
            headers = {"Authorization": f"Bearer {token}"}
            async with (
                fleet,
                httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9750", headers=headers) as client,
            ):
                yield client
            for restarts in app.state.restarts.values():
                await restarts.close()

    _token: str = ""

    async def entries(self) -> list[Entry]:
        assert self.journal is not None
        return await self.journal.read(lambda reader: reader.entries(newest_first=False))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def healthy(_url: str) -> Health:
        return Health(200, "ok")

    monkeypatch.setattr(finding_out, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(finding_out, "WATCH_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(runner, "LOOK_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(runner, "health_of", healthy)


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(RestartNode(), tmp_path)


@pytest.fixture
async def client(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with served.running() as client:
        yield client


async def ended(client: httpx.AsyncClient, location: str) -> RestartAnswer:
    """Poll as a program does, until it is over."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer = await client.get(location)
            assert answer.status_code == HTTPStatus.OK, answer.text
            told = RestartAnswer.model_validate_json(answer.content)
            if told.state != "running":
                return told
            await pause()


def refused(response: httpx.Response, status: int, guard: Guard) -> RefusalProblem:
    """Assert that it is refused by this guard before all others, as a problem with the plan that is true now."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = RefusalProblem.model_validate_json(response.content)
    assert problem.type == f"urn:beamwarden:{guard}"
    assert problem.status == status
    assert problem.title == HTTPStatus(status).phrase
    assert problem.refusals[0].guard == guard
    assert problem.plan.refusals == problem.refusals
    assert not problem.plan.allowed
    return problem


# ------------------------------------------------------------------------------------------------------ what is done


async def test_a_dry_run_answers_with_the_plan_and_changes_nothing(served: Served, client: httpx.AsyncClient) -> None:
    response = await client.post(RESTARTS, json={"supervisor": SUPERVISOR, "child": CHILD, "dry_run": True})
    assert response.status_code == HTTPStatus.OK
    plan = response.json()
    assert (plan["allowed"], plan["child"]["id"], plan["supervisor"]["name"]) == (True, CHILD, SUPERVISOR)
    assert plan["node"] == {"name": NODE, "creation": 1, "instance_id": "00f46b92"}
    assert plan["service_health"] == "200 ok"
    assert served.node.restarted_by == []
    assert await served.entries() == []


async def test_a_restart_is_taken_and_can_be_followed_to_its_verdict(served: Served, client: httpx.AsyncClient) -> None:
    response = await client.post(RESTARTS, json=BODY)
    assert response.status_code == HTTPStatus.ACCEPTED
    begun = response.json()
    assert (begun["state"], begun["who"], begun["reason"]) == ("running", "anna", "it hangs")
    assert response.headers["location"] == f"{RESTARTS}/{begun['id']}"
    told = await ended(client, response.headers["location"])
    assert (told.id, told.state) == (begun["id"], "done")
    assert told.verdict is not None
    assert (told.verdict.pid_before, told.verdict.pid_now) == (f"<0.{FIRST_PID}.0>", f"<0.{FIRST_PID + 1}.0>")
    assert (told.verdict.health_before, told.verdict.health_after) == ("200 ok", "200 ok")
    assert [entry.kind for entry in await served.entries()] == [Kind.INTENT, Kind.OUTCOME]
    assert served.node.restarted_by == [begun["id"]]


async def test_the_only_node_may_be_left_out(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/nodes/-/restarts", json=BODY)
    assert response.headers["location"].startswith(f"{RESTARTS}/")
    assert (await ended(client, response.headers["location"])).state == "done"


async def test_a_plan_that_was_agreed_to_is_done(client: httpx.AsyncClient) -> None:
    plan = (await client.post(RESTARTS, json=BODY | {"dry_run": True})).json()
    response = await client.post(RESTARTS, json=BODY | {"plan_id": plan["plan_id"]})
    assert (await ended(client, response.headers["location"])).plan_id == plan["plan_id"]


async def test_losses_that_are_accepted_by_name_are_no_hindrance(served: Served, client: httpx.AsyncClient) -> None:
    served.node.rows, served.node.temporary = 3, 2
    accepting = BODY | {"accept_data_loss": ["ledger"], "accept_lost_children": True}
    response = await client.post(RESTARTS, json=accepting)
    told = await ended(client, response.headers["location"])
    assert told.verdict is not None
    assert (told.verdict.rows_before, told.verdict.rows_now) == (3, 0)
    assert "rows in its tables: 3 before, 0 now" in told.text


async def test_a_child_that_does_not_come_up_is_told_to_be_down_and_may_be_tried_at_once(
    served: Served,
) -> None:
    served.settings["restart_cooldown_seconds"] = 60.0
    served.node.failing_starts = 100
    async with served.running() as client:
        told = await ended(client, (await client.post(RESTARTS, json=BODY)).headers["location"])
        assert told.state == "failed"
        assert told.text.startswith(f"DOWN, its restart failed: {CHILD} below {SUPERVISOR}, on {NODE}\n")
        assert f"try again: beamwarden restart {CHILD} --under {SUPERVISOR}" in told.text
        served.node.failing_starts = 0
        again = await ended(client, (await client.post(RESTARTS, json=BODY)).headers["location"])
    assert (again.state, again.action) == ("done", "start")
    assert again.text.startswith(f"STARTED: {CHILD}")


# --------------------------------------------------------------------------------------------------------- who may


async def test_without_a_token_nobody_acts_not_even_here(served: Served, client: httpx.AsyncClient) -> None:
    del client.headers["Authorization"]
    for body in (BODY, BODY | {"dry_run": True}):
        problem = assert_problem(await client.post(RESTARTS, json=body), 401, "token-needed")
        assert "--token-file" in problem["detail"]
    assert served.node.restarted_by == []


async def test_a_viewer_may_look_and_not_act(served: Served, client: httpx.AsyncClient) -> None:
    token = create_token(served.folder / "tokens", "grafana", Role.VIEWER)
    headers = {"Authorization": f"Bearer {token}"}
    assert_problem(await client.post(RESTARTS, json=BODY, headers=headers), 403, "role-too-low")
    assert (await client.get(RESTARTS, headers=headers)).status_code == HTTPStatus.OK
    assert served.node.restarted_by == []


async def test_what_the_gate_refuses_is_in_the_journal_and_no_restart(
    served: Served, client: httpx.AsyncClient
) -> None:
    token = create_token(served.folder / "tokens", "grafana", Role.VIEWER)
    await client.post(RESTARTS, json=BODY, headers={"Authorization": f"Bearer {token}"})
    del client.headers["Authorization"]
    await client.post(RESTARTS, json=BODY)
    seen = [(entry.kind, entry.node, entry.body["who"], entry.body["reason"]) for entry in await served.entries()]
    assert seen == [
        (Kind.REFUSED, NODE, "grafana", "role-too-low"),
        (Kind.REFUSED, NODE, "not known", "token-needed"),
    ]
    assert (await client.get(RESTARTS)).json() == {"restarts": []}


async def test_requests_that_are_refused_do_not_hide_the_restarts_before_them(
    served: Served, client: httpx.AsyncClient
) -> None:
    done = await ended(client, (await client.post(RESTARTS, json=BODY)).headers["location"])
    assert served.journal is not None
    for number in range(20):
        body = {"action": "request", "who": "not known", "reason": "wrong-token"}
        await served.journal.append(Kind.REFUSED, action_id=f"r-{number}", node=NODE, body=body)
    listed = (await client.get(RESTARTS, params={"limit": 1})).json()["restarts"]
    assert [one["id"] for one in listed] == [done.id]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_nothing_acts_by_any_other_method(served: Served, client: httpx.AsyncClient, method: str) -> None:
    for path in (RESTARTS, f"{RESTARTS}?child={CHILD}&supervisor={SUPERVISOR}&reason=x", f"{RESTARTS}/1"):
        await client.request(method, path, content=json.dumps(BODY))
    assert served.node.restarted_by == []
    assert all(entry.kind is Kind.REFUSED for entry in await served.entries())


async def test_a_page_from_elsewhere_does_not_act(served: Served, client: httpx.AsyncClient) -> None:
    response = await client.post(RESTARTS, json=BODY, headers={"Origin": "https://evil.example"})
    assert_problem(response, 403, "other-origin")
    assert served.node.restarted_by == []


# ------------------------------------------------------------------------------------------------- what is refused


async def test_a_table_with_rows_is_not_lost_unasked(served: Served, client: httpx.AsyncClient) -> None:
    served.node.rows = 3
    problem = refused(await client.post(RESTARTS, json=BODY), 409, Guard.DATA_LOSS)
    assert problem.plan.child is not None
    assert problem.plan.child.tables_to_accept == ["ledger"]
    assert "ledger" in problem.detail
    (entry,) = await served.entries()
    assert (entry.kind, entry.action_id) == (Kind.REFUSED, problem.action_id)
    assert served.node.restarted_by == []


async def test_children_that_nobody_would_bring_back_are_not_lost_unasked(
    served: Served, client: httpx.AsyncClient
) -> None:
    served.node.temporary = 2
    problem = refused(await client.post(RESTARTS, json=BODY), 409, Guard.CHILDREN_LOST)
    assert "2 children" in problem.detail


async def test_a_temporary_child_is_forbidden(served: Served, client: httpx.AsyncClient) -> None:
    served.node.restart_type = "temporary"
    refused(await client.post(RESTARTS, json=BODY), 403, Guard.TEMPORARY_CHILD)


async def test_an_application_that_is_denied_is_forbidden(served: Served) -> None:
    served.settings["restart_denied_applications"] = ("tai_autonomics",)
    async with served.running() as client:
        refused(await client.post(RESTARTS, json=BODY), 403, Guard.APPLICATION_NOT_ALLOWED)


async def test_a_plan_that_is_no_longer_true_is_a_conflict_with_the_new_one(
    served: Served, client: httpx.AsyncClient
) -> None:
    plan = (await client.post(RESTARTS, json=BODY | {"dry_run": True})).json()
    served.node.child = 777
    problem = refused(await client.post(RESTARTS, json=BODY | {"plan_id": plan["plan_id"]}), 409, Guard.PLAN_CHANGED)
    assert problem.plan.child is not None
    assert problem.plan.child.pid == "<0.777.0>"
    assert problem.plan.plan_id != plan["plan_id"]
    assert served.node.restarted_by == []


async def test_too_soon_after_another_one_says_how_long_to_wait(served: Served) -> None:
    served.settings["restart_cooldown_seconds"] = 60.0
    async with served.running() as client:
        await ended(client, (await client.post(RESTARTS, json=BODY)).headers["location"])
        response = await client.post(RESTARTS, json=BODY)
        problem = refused(response, 429, Guard.COOLDOWN)
    seconds = int(response.headers["retry-after"])
    assert 0 < seconds <= 60
    assert problem.refusals[0].retry_after_seconds == seconds
    assert len(served.node.restarted_by) == 1


async def test_beside_another_action_says_when_to_come_again(served: Served, client: httpx.AsyncClient) -> None:
    served.node.lock = "of another sidecar"
    response = await client.post(RESTARTS, json=BODY)
    problem = refused(response, 409, Guard.ACTION_RUNNING)
    assert "of another sidecar" in problem.detail
    assert int(response.headers["retry-after"]) > 0
    served.node.lock = None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (BODY | {"child": "billing_sub"}, f"{SUPERVISOR} has no child billing_sub; the nearest that exist: {CHILD}"),
        (
            BODY | {"supervisor": "governor_sup"},
            f"no process governor_sup is there; the nearest that exist: {SUPERVISOR}",
        ),
    ],
)
async def test_what_is_not_there_is_answered_with_the_nearest_and_journalled(
    served: Served, client: httpx.AsyncClient, body: dict[str, str], said: str
) -> None:
    problem = assert_problem(await client.post(RESTARTS, json=body), 404, "not-found")
    assert problem["detail"] == said
    (entry,) = await served.entries()
    assert (entry.kind, entry.body["child"], entry.body["who"]) == (Kind.REFUSED, body["child"], "anna")
    assert (await client.get(RESTARTS)).json()["restarts"][0]["state"] == "refused"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"supervisor": SUPERVISOR, "child": CHILD}, "reason: say why"),
        (BODY | {"reason": " \t"}, "reason: say why"),
        (BODY | {"reason": "x" * 501}, "reason"),
        ({"reason": "it hangs"}, "child"),
        (BODY | {"child": ""}, "child"),
        (BODY | {"child": "x" * 1001}, "child"),
        (BODY | {"child": 7}, "child"),
        (BODY | {"accept_data_loss": "ledger"}, "accept_data_loss"),
        (BODY | {"accept_everything": True}, "accept_everything"),
    ],
)
async def test_a_request_that_is_none_is_told_what_is_wrong(
    served: Served, client: httpx.AsyncClient, body: dict[str, object], said: str
) -> None:
    response = await client.post(RESTARTS, json=body)
    assert response.status_code == 422
    assert said in response.json()["detail"]
    assert served.node.restarted_by == []


async def test_bytes_that_are_no_text_are_refused(client: httpx.AsyncClient) -> None:
    content = b'{"child": "\\ud800", "reason": "x"}'
    response = await client.post(RESTARTS, content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 422


async def test_a_node_that_is_not_watched_here_is_not_found(client: httpx.AsyncClient) -> None:
    assert_problem(await client.post("/api/v1/nodes/x@y/restarts", json=BODY), 404, "unknown-node")


async def test_a_node_that_is_not_connected_is_told_so(served: Served) -> None:
    served.node.is_connected = False
    async with served.running() as client:
        problem = assert_problem(await client.post(RESTARTS, json=BODY), 503, "node-not-connected")
    assert problem["node"]["name"] == NODE


def test_several_guards_answer_with_the_worst_of_them() -> None:
    assert status_of([Guard.DATA_LOSS, Guard.TEMPORARY_CHILD]) == 403
    assert status_of([Guard.PLAN_CHANGED, Guard.TEMPORARY_CHILD]) == 409
    assert status_of([Guard.COOLDOWN, Guard.DATA_LOSS]) == 409
    assert status_of([Guard.COOLDOWN, Guard.COOLDOWN]) == 429


async def test_several_guards_are_all_told_and_no_wait_is_promised_that_would_not_help(served: Served) -> None:
    served.settings["restart_cooldown_seconds"] = 60.0
    async with served.running() as client:
        await ended(client, (await client.post(RESTARTS, json=BODY)).headers["location"])
        served.node.rows = 1
        response = await client.post(RESTARTS, json=BODY)
    problem = refused(response, 409, Guard.DATA_LOSS)
    assert [one.guard for one in problem.refusals] == [Guard.DATA_LOSS, Guard.COOLDOWN]
    assert "retry-after" not in response.headers


# ------------------------------------------------------------------------------------------------- Idempotency-Key


async def test_the_same_key_twice_is_done_once(served: Served, client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = await client.post(RESTARTS, json=BODY, headers=headers)
    done = await ended(client, first.headers["location"])
    second = await client.post(RESTARTS, json=BODY, headers=headers)
    assert second.status_code == HTTPStatus.ACCEPTED
    assert second.headers["location"] == first.headers["location"]
    assert second.json()["state"] == "done"
    assert served.node.restarted_by == [done.id]


async def test_the_same_key_many_times_at_once_is_done_once(served: Served, client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(client.post(RESTARTS, json=BODY, headers={"Idempotency-Key": "k-1"}) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {HTTPStatus.ACCEPTED}
    assert len({answer.headers["location"] for answer in answers}) == 1
    await ended(client, answers[0].headers["location"])
    assert len(served.node.restarted_by) == 1


@pytest.mark.parametrize(
    "change",
    [{"reason": "another"}, {"child": f"<0.{FIRST_PID + 1}.0>"}, {"supervisor": None}, {"accept_lost_children": True}],
)
async def test_a_key_of_another_request_is_refused(
    served: Served, client: httpx.AsyncClient, change: dict[str, object]
) -> None:
    headers = {"Idempotency-Key": "k-1"}
    await ended(client, (await client.post(RESTARTS, json=BODY, headers=headers)).headers["location"])
    assert_problem(await client.post(RESTARTS, json=BODY | change, headers=headers), 422, "idempotency-key-reused")
    assert len(served.node.restarted_by) == 1


async def test_a_key_of_another_person_is_refused(served: Served, client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k-1"}
    await ended(client, (await client.post(RESTARTS, json=BODY, headers=headers)).headers["location"])
    bert = create_token(served.folder / "tokens", "bert", Role.OPERATOR)
    headers |= {"Authorization": f"Bearer {bert}"}
    assert_problem(await client.post(RESTARTS, json=BODY, headers=headers), 422, "idempotency-key-reused")


async def test_a_refusal_uses_no_key_up(served: Served, client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k-1"}
    served.node.lock = "another"
    refused(await client.post(RESTARTS, json=BODY, headers=headers), 409, Guard.ACTION_RUNNING)
    served.node.lock = None
    response = await client.post(RESTARTS, json=BODY, headers=headers)
    assert (await ended(client, response.headers["location"])).state == "done"


async def test_a_key_is_remembered_by_the_next_collector(served: Served) -> None:
    headers = {"Idempotency-Key": "k-1"}
    async with served.running() as client:
        first = await client.post(RESTARTS, json=BODY, headers=headers)
        await ended(client, first.headers["location"])
    async with served.running() as client:
        second = await client.post(RESTARTS, json=BODY, headers=headers)
    assert second.headers["location"] == first.headers["location"]
    assert len(served.node.restarted_by) == 1


# ------------------------------------------------------------------------------------------------------ the journal


async def test_without_a_journal_nothing_is_done_and_the_plan_says_so(served: Served) -> None:
    async with served.running(Path("/proc/no/such/place.db")) as client:
        problem = assert_problem(await client.post(RESTARTS, json=BODY), 503, "journal-not-writable")
        plan = (await client.post(RESTARTS, json=BODY | {"dry_run": True})).json()
        assert_problem(await client.get(RESTARTS), 503, "no-journal")
        assert_problem(await client.get(f"{RESTARTS}/1"), 503, "no-journal")
    assert "the journal /proc/no/such/place.db cannot be" in problem["detail"]
    assert [one["guard"] for one in plan["refusals"]] == [Guard.JOURNAL]
    assert not plan["allowed"]
    assert served.node.restarted_by == []


async def test_a_journal_that_is_lost_while_we_run_lets_nothing_be_done(
    served: Served, client: httpx.AsyncClient
) -> None:
    await ended(client, (await client.post(RESTARTS, json=BODY)).headers["location"])
    path = served.folder / "journal.db"
    path.unlink()
    path.mkdir()  # as good as a disk that has gone: it can be opened no more
    assert_problem(await client.post(RESTARTS, json=BODY), 503, "journal-not-writable")
    assert len(served.node.restarted_by) == 1


# Fills its journal's small disk, and then asks for a restart.
ON_A_FULL_DISK: Final = """
import asyncio, sys
from pathlib import Path
from collector.journal.chain import Kind
from collector.journal.schema import JournalError
from tests.collector.restarts import test_restarts_api as api
from tests.restart_node import RestartNode

async def main(path):
    served = api.Served(RestartNode(), Path(sys.argv[2]))
    async with served.running(path) as client:
        before = await api.ended(client, (await client.post(api.RESTARTS, json=api.BODY)).headers["location"])
        try:
            while True:
                await served.journal.append(Kind.REFUSED, action_id="r", node="x@y", body={"reason": "x" * 2000})
        except JournalError:
            pass
        response = await client.post(api.RESTARTS, json=api.BODY)
        plan = (await client.post(api.RESTARTS, json=api.BODY | {"dry_run": True})).json()
        print(before.state, response.status_code, response.json()["type"], len(served.node.restarted_by))
        print(response.json()["detail"])
        print([one["guard"] for one in plan["refusals"]])

asyncio.run(main(Path(sys.argv[1])))
"""


@own_disks
def test_a_full_disk_lets_nothing_be_done(tmp_path: Path) -> None:
    disk, home = tmp_path / "disk", tmp_path / "home"
    disk.mkdir()
    small = with_disk('mount -t tmpfs -o size=512k tmpfs "$D"')
    ran = subprocess.run(
        [*small, sys.executable, "-c", ON_A_FULL_DISK, str(disk / "journal.db"), str(home)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=12 * PATIENCE_SECONDS,
    )
    first, detail, guards = ran.stdout.splitlines()
    assert first == "done 503 urn:beamwarden:journal-not-writable 1", ran.stderr
    assert "the disk is full" in detail
    assert guards == f"['{Guard.JOURNAL}']"


async def test_the_next_collector_tells_what_the_last_one_did(served: Served) -> None:
    async with served.running() as client:
        done = await ended(client, (await client.post(RESTARTS, json=BODY)).headers["location"])
        served.node.rows = 1
        refusal = RefusalProblem.model_validate_json((await client.post(RESTARTS, json=BODY)).content)
    async with served.running() as client:
        listed = (await client.get(RESTARTS)).json()["restarts"]
        again = await client.get(f"{RESTARTS}/{done.id}")
    assert [(one["id"], one["state"]) for one in listed] == [(refusal.action_id, "refused"), (done.id, "done")]
    assert RestartAnswer.model_validate_json(again.content) == done


async def test_one_that_ran_when_the_collector_ended_is_running_until_its_end_is_known(served: Served) -> None:
    served.node.hold = asyncio.Event()
    async with served.running() as client:
        location = (await client.post(RESTARTS, json=BODY)).headers["location"]
        await until(lambda: served.node.lock is not None, "it works on the node")
    async with served.running() as client:
        assert (await client.get(location)).json()["state"] == "running"
        served.node.hold.set()


async def test_the_outcome_counts_for_more_than_what_another_process_has_found_out(
    served: Served, client: httpx.AsyncClient
) -> None:
    served.node.hold = asyncio.Event()
    response = await client.post(RESTARTS, json=BODY)
    action_id = response.json()["id"]
    assert served.journal is not None
    found = {"action": "restart", "outcome": "unknown", "found": "unknown: child runs as <0.1.0>"}
    await served.journal.append(Kind.RECONCILED, action_id=action_id, node=NODE, body=found)
    served.node.hold.set()
    await until(lambda: not served.node.workers, "it has ended on the node")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await client.get(response.headers["location"])).json()["state"] != "done":
            await pause()


@pytest.mark.parametrize("action_id", ["nobody", "%00", "x" * 64])
async def test_a_restart_that_is_not_in_the_journal_is_not_found(client: httpx.AsyncClient, action_id: str) -> None:
    assert (await client.get(f"{RESTARTS}/{action_id}")).status_code == 404


async def test_a_restart_of_another_node_is_not_told_as_one_of_this(served: Served, client: httpx.AsyncClient) -> None:
    assert served.journal is not None
    body = {"action": "restart", "who": "bert", "child": "x"}
    await served.journal.append(Kind.INTENT, action_id="of-another", node="other@host", body=body)
    assert_problem(await client.get(f"{RESTARTS}/of-another"), 404, "not-found")
    assert (await client.get(RESTARTS)).json() == {"restarts": []}


@pytest.mark.parametrize("limit", ["0", "101", "x"])
async def test_a_wrong_limit_is_a_problem(client: httpx.AsyncClient, limit: str) -> None:
    assert_problem(await client.get(RESTARTS, params={"limit": limit}), 422, "invalid-parameter")


# ---------------------------------------------------------------------------------------------------------- watching


async def test_whether_it_held_is_told(served: Served) -> None:
    served.settings["watch_minutes"] = 0.0005
    async with served.running() as client:
        location = (await client.post(RESTARTS, json=BODY)).headers["location"]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (told := (await client.get(location)).json())["held"] is None:
                await pause()
    assert told["held"] is True
    assert not told["is_watched"]
    assert "it held: the same process runs" in told["text"]


# ----------------------------------------------------------------------------------------------------------- metrics


@pytest.mark.parametrize(
    ("accept", "parse"),
    [
        ("text/plain", text_string_to_metric_families),
        ("application/openmetrics-text; version=1.0.0", openmetrics_families),
    ],
    ids=["text", "OpenMetrics"],
)
async def test_what_became_of_actions_is_counted(
    served: Served, client: httpx.AsyncClient, accept: str, parse: Callable[[str], Iterable[Metric]]
) -> None:
    await ended(client, (await client.post(RESTARTS, json=BODY)).headers["location"])
    served.node.rows = 1
    await client.post(RESTARTS, json=BODY)
    scraped = await client.get("/metrics", headers={"Accept": accept})
    families = {family.name: family for family in parse(scraped.text)}
    counted = {
        (sample.labels["action"], sample.labels["outcome"]): sample.value
        for sample in families["beamwarden_actions"].samples
    }
    assert (counted["restart", "done"], counted["restart", "refused"]) == (1, 1)
    assert counted["restart", "not_done"] == counted["start", "failed"] == 0
    durations = {sample.name: sample.value for sample in families["beamwarden_action_duration_seconds"].samples}
    assert durations["beamwarden_action_duration_seconds_count"] == 1
    assert durations["beamwarden_action_duration_seconds_sum"] >= 0


async def test_the_addresses_are_described_for_programs(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    post = document["paths"]["/api/v1/nodes/{node}/restarts"]["post"]
    assert {"200", "202", "401", "403", "404", "409", "422", "429", "503"} <= set(post["responses"])
    problem = post["responses"]["409"]["content"]
    assert list(problem) == ["application/problem+json"]
    assert re.search(r"RefusalProblem$", problem["application/problem+json"]["schema"]["$ref"])
