"""A restart the whole way: ``beamwarden serve``, a token, HTTP and the command line, on real nodes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import httpx
import pytest

from agent import Session
from agent.actions.plan import Policy
from agent.actions.restart import holder
from agent.terms import Atom, Pid
from collector.access.permissions import Role
from collector.access.tokens import create_token
from collector.journal.journal import Journal
from collector.restarts.models import RestartRequest, RestartState
from collector.restarts.runner import Refused, Restarts, Rules
from erlang_fixtures.beam import Beam
from tests.command_line import Ran, run_in_thread
from tests.fakes import pause
from tests.live.nodes import SECONDS, ask, join
from tests.live.slow_child import CHILD, SUPERVISOR, pid_of, slow_child, starts, until_nobody_acts, until_somebody_acts
from tests.live.test_restart_crashes import SETTINGS, Site
from tests.live.test_service import Service, serving

pytestmark = pytest.mark.live

RESTARTS: Final = "/api/v1/nodes/-/restarts"
BODY: Final = {"supervisor": SUPERVISOR, "child": CHILD, "reason": "it hangs"}


@dataclass(frozen=True)
class Acting:
    """A collector beside a node, and an operator's token."""

    service: Service
    beam: Beam
    token_file: Path

    @property
    def url(self) -> str:
        return str(self.service.said("serving on")[0]["message"]).removeprefix("serving on ")

    async def post(self, **body: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token_file.read_text().strip()}"}
        return await self.service.http.post(self.url + RESTARTS, json=BODY | body, headers=headers)

    async def get(self, location: str) -> dict[str, Any]:
        answer = await self.service.http.get(self.url + location)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def until(self, location: str, **wanted: object) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            while True:
                told = await self.get(location)
                if all(told[name] == value for name, value in wanted.items()):
                    return told
                await pause()


@contextlib.asynccontextmanager
async def acting(beam: Beam, folder: Path, *settings: str) -> AsyncIterator[Acting]:
    """Run a collector in which somebody may act; its journal is in the folder."""
    token_file = folder / "anna.token"
    if not token_file.exists():
        token_file.touch(0o600)
        token_file.write_text(create_token(folder / "tokens", "anna", Role.OPERATOR))
    own = ("--tokens-file", str(folder / "tokens"), "--journal", str(folder / "journal.db"))
    whom = ("--node", beam.target, "--cookie-file", str(beam.cookie_file))
    async with serving(*whom, *own, *SETTINGS, *settings) as service:
        await service.is_up()
        yield Acting(service, beam, token_file)


async def run(*arguments: str, folder: Path) -> Ran:
    """Run the command line as a person does who has nothing but this folder."""
    with contextlib.chdir(folder), patch.dict(os.environ, {"HOME": str(folder)}):
        return await asyncio.wait_for(run_in_thread("restart", *arguments), 2 * SECONDS)


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


@pytest.fixture
def own_beam(erl: Path) -> Iterator[Beam]:
    """A node that the test may stop."""
    with Beam(erl, applications=["tai_autonomics"]) as beam:
        yield beam


async def test_the_whole_way_over_http_and_on_the_command_line(beam: Beam, session: Session, tmp_path: Path) -> None:
    async with slow_child(session), acting(beam, tmp_path) as collector:
        first = await pid_of(session)
        plan = (await collector.post(dry_run=True)).json()
        assert (plan["allowed"], plan["child"]["pid"], plan["child"]["processes"]) == (True, first, 1)
        begun = await collector.post(plan_id=plan["plan_id"])
        told = await collector.until(begun.headers["location"], state="done")
        second = await pid_of(session)
        assert (told["verdict"]["pid_before"], told["verdict"]["pid_now"]) == (first, second)
        assert second not in (first, None)
        whom = ("--url", collector.url, "--token-file", str(collector.token_file))
        status, output, errors = await run(
            CHILD, "--under", SUPERVISOR, "--yes", "--reason", "again", *whom, folder=tmp_path
        )
        assert status == 0, (output, errors)
        assert f"RESTARTED: {CHILD} below {SUPERVISOR}, on {beam.name}" in output
        assert f"up as {await pid_of(session)}, was {second}" in output
        assert [one["reason"] for one in (await collector.get(RESTARTS))["restarts"]] == ["again", "it hangs"]
    assert [line["severity"] for line in collector.service.said("restart: ")] == ["NOTICE"] * 4


async def test_the_whole_way_straight_on_the_node(beam: Beam, session: Session, tmp_path: Path) -> None:
    whom = ("--node", beam.target, "--cookie-file", str(beam.cookie_file), *SETTINGS)
    async with slow_child(session):
        first = await pid_of(session)
        asked = (CHILD, "--under", SUPERVISOR, *whom)
        status, output, errors = await run(*asked, "--dry-run", "--json", folder=tmp_path)
        assert (status, json.loads(output)["child"]["pid"]) == (0, first), errors
        status, output, errors = await run(*asked, "--yes", "--reason", "it hangs", "--json", folder=tmp_path)
        told = json.loads(output)
        assert (status, told["state"], told["verdict"]["pid_now"]) == (0, "done", await pid_of(session)), errors
    assert (tmp_path / ".local/state/beamwarden/journal.db").exists()
    assert [json.loads(line)["journal_kind"] for line in errors.splitlines()] == ["intent", "outcome"]


async def test_rows_that_would_be_lost_are_asked_for_by_name(beam: Beam, session: Session, tmp_path: Path) -> None:
    whom = ("--node", beam.target, "--cookie-file", str(beam.cookie_file), *SETTINGS)
    asked = ("receipt_store", "--under", "receipt_ledger_sup", *whom, "--yes", "--reason", "it hangs")
    await ask(session, "ets:insert", Atom("receipt_ledger"), (Atom("test_key"), 1))
    before = await ask(session, "erlang:whereis", Atom("receipt_store"))
    status, output, _ = await run(*asked, folder=tmp_path)
    assert status == 3
    assert "data-loss" in output
    assert "--accept-data-loss receipt_ledger" in output
    assert await ask(session, "erlang:whereis", Atom("receipt_store")) == before
    plan = json.loads((await run(*asked, "--dry-run", "--json", folder=tmp_path))[1])
    accepting = [word for name in plan["child"]["tables_to_accept"] for word in ("--accept-data-loss", name)]
    status, output, _ = await run(*asked, *accepting, folder=tmp_path)
    assert status == 0
    assert "rows in its tables:" in output
    assert await ask(session, "ets:lookup", Atom("receipt_ledger"), Atom("test_key")) == []


async def test_of_two_operators_at_once_one_acts(beam: Beam, session: Session, tmp_path: Path) -> None:
    settings = ("--restart-cooldown-seconds", "60")
    async with slow_child(session), acting(beam, tmp_path, *settings) as collector:
        before = await starts(session)
        answers = await asyncio.gather(*(collector.post(reason=f"operator {number}") for number in range(2)))
        assert sorted(answer.status_code for answer in answers)[0] == 202
        assert {answer.json().get("type") for answer in answers if answer.status_code != 202} <= {
            "urn:beamwarden:cooldown",
            "urn:beamwarden:action-running",
        }
        assert len({answer.status_code for answer in answers}) == 2
        begun = next(answer for answer in answers if answer.status_code == 202)
        await collector.until(begun.headers["location"], state="done")
        assert await starts(session) == before + 1


async def test_of_two_sidecars_at_once_one_acts(beam: Beam, session: Session, tmp_path: Path) -> None:
    """Their journals are their own, so nothing but the lock on the node is between them."""
    other = await join(beam)
    rules = Rules(Policy(cooldown_seconds=0.0, max_actions=1_000), watch_seconds=0.0, service_url="http://[::1]:1")
    request = RestartRequest(child=CHILD, supervisor=SUPERVISOR, reason="it hangs")
    async with (
        slow_child(session),
        Journal(tmp_path / "a" / "journal.db", lambda _entry: None) as one_journal,
        Journal(tmp_path / "b" / "journal.db", lambda _entry: None) as other_journal,
    ):
        sidecars = [
            Restarts(Site(beam.name, of_it), journal, rules)
            for of_it, journal in ((session, one_journal), (other, other_journal))
        ]
        for _ in range(3):
            before = await starts(session)
            states = await asyncio.gather(*(_state(sidecar, request) for sidecar in sidecars))
            assert sorted(states) in (["done", "not done"], ["done", "refused"])
            assert await starts(session) == before + 1
            await until_nobody_acts(session)
    other.close()


async def _state(sidecar: Restarts, request: RestartRequest) -> str:
    try:
        begun = await sidecar.begin(request, "anna")
    except Refused:
        return RestartState.REFUSED
    await sidecar.wait(begun.id)
    told = await sidecar.book.find(begun.id)
    assert told is not None
    return told.state


async def test_a_plan_of_an_earlier_life_of_the_node_is_not_done(own_beam: Beam, tmp_path: Path) -> None:
    body = {"supervisor": "tai_autonomics_sup", "child": "governance_sup", "accept_lost_children": True}
    async with acting(own_beam, tmp_path) as collector:
        plan = (await collector.post(**body, dry_run=True)).json()
        own_beam.kill()
        await asyncio.to_thread(own_beam.start)
        await collector.service.is_up()
        answer = await collector.post(**body, plan_id=plan["plan_id"], accept_data_loss=["*"])
        assert answer.status_code == 409, answer.text
        now = answer.json()["plan"]
    assert answer.json()["type"] == "urn:beamwarden:plan-changed"
    # Where the pids repeat, as they mostly do, only the life tells the two apart (tests/agent/actions/test_plan.py).
    assert now["node"]["creation"] != plan["node"]["creation"]


async def test_a_restart_that_held_is_told_so(beam: Beam, session: Session, tmp_path: Path) -> None:
    async with slow_child(session), acting(beam, tmp_path, "--watch-minutes", "0.03") as collector:
        location = (await collector.post()).headers["location"]
        told = await collector.until(location, held=True)
        assert "it held: the same process runs after 0.03 minutes" in told["text"]


async def test_a_restart_that_did_not_hold_is_told_with_what_to_do(
    beam: Beam, session: Session, tmp_path: Path
) -> None:
    async with slow_child(session), acting(beam, tmp_path, "--watch-minutes", "1") as collector:
        whom = ("--url", collector.url, "--token-file", str(collector.token_file))
        waiting = asyncio.create_task(
            run(CHILD, "--under", SUPERVISOR, "--yes", "--reason", "x", "--wait", *whom, folder=tmp_path)
        )
        await until_somebody_acts(session)
        await until_nobody_acts(session)
        child = await ask(session, "proplists:get_value", Atom(CHILD), await children(session))
        assert isinstance(child, Pid)
        await ask(session, "erlang:exit", child, Atom("kill"))
        status, output, errors = await waiting
        assert status == 4, (output, errors)
        assert "it did NOT hold: it ended within" in " ".join(output.split())
        assert "gcloud run services update-traffic" in " ".join(output.split())  # a line may be broken anywhere


async def children(session: Session) -> list[Any]:
    """The children of the supervisor, as ``[{Id, Pid}]``."""
    found = await ask(session, "supervisor:which_children", Atom(SUPERVISOR))
    assert isinstance(found, list)
    return [(row[0], row[1]) for row in found if isinstance(row, tuple)]


async def test_a_collector_that_is_told_to_end_does_so_in_the_middle_of_a_restart(
    beam: Beam, session: Session, tmp_path: Path
) -> None:
    async with slow_child(session, ends_milliseconds=3_000, starts_milliseconds=3_000):
        before = await starts(session)
        async with acting(beam, tmp_path) as collector:
            location = (await collector.post()).headers["location"]
            await until_somebody_acts(session)
            collector.service.process.terminate()
            assert await collector.service.process.wait() == 0
            assert await holder(session, SECONDS) is not None  # which takes longer than it had to wait for
        await until_nobody_acts(session)
        assert await starts(session) == before + 1
        async with acting(beam, tmp_path) as collector:
            told = await collector.until(location, state="unknown")
        assert f"child runs as {await pid_of(session)}" in told["text"]
