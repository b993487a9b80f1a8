"""We are killed, or cut off, in the middle of a slow restart: the child runs, and the journal tells the truth of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest

from agent import Node, Session
from agent import node as node_module
from agent.actions.plan import Policy
from collector.access.permissions import Role
from collector.access.tokens import create_token
from collector.journal.journal import Journal
from collector.restarts.models import RestartAnswer, RestartRequest, RestartState
from collector.restarts.runner import Restarts, Rules
from erlang_fixtures.beam import Beam
from tests.live.nodes import SECONDS, join, until_it_answers, watch_through
from tests.live.slow_child import (
    CHILD,
    ENDS_MILLISECONDS,
    STARTS_MILLISECONDS,
    SUPERVISOR,
    pid_of,
    slow_child,
    until_nobody_acts,
)
from tests.live.test_service import PROGRAM, serving
from tests.proxy import Cut, Pass, proxying

pytestmark = pytest.mark.live

MOMENTS: Final = 50
SHORT: Final = 3
# From the intent on: the check on the node, the shutdown, the start, the look at the child, the outcome, and behind it.
WHOLE_SECONDS: Final = (ENDS_MILLISECONDS + STARTS_MILLISECONDS) / 1000 + 0.5
REQUEST: Final = RestartRequest(child=CHILD, supervisor=SUPERVISOR, reason="it hangs")
RULES: Final = Rules(Policy(cooldown_seconds=0.0, max_actions=1_000), watch_seconds=0.0, service_url="http://[::1]:1")
SETTINGS: Final = (
    "--restart-cooldown-seconds", "0", "--restart-max-actions", "1000", "--watch-minutes", "0",
    "--service-url", "http://[::1]:1",
)  # fmt: skip


def spread(count: int) -> list[float]:
    """So many moments from the intent to behind the end of a restart."""
    return [WHOLE_SECONDS * number / (count - 1) for number in range(count)]


some_moments = pytest.mark.parametrize(
    "moments",
    [
        pytest.param(spread(SHORT), id=str(SHORT)),
        pytest.param(spread(MOMENTS), id=str(MOMENTS), marks=pytest.mark.slow),
    ],
)


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    async with slow_child(session):
        yield session
    session.close()


@dataclass(frozen=True)
class Site:
    """The node, over a connection that nobody cuts."""

    name: str
    session: Session
    instance_id: str | None = None

    async def connection(self) -> Session:
        return self.session


@dataclass(frozen=True)
class CutSite:
    """The node, over one that is."""

    name: str
    node: Node
    instance_id: str | None = None

    async def connection(self) -> Session:
        return self.node.session()


async def assert_true(told: RestartAnswer | None, before: str | None, session: Session) -> None:
    """Assert that the child runs, and that what the journal tells of it is so."""
    await until_nobody_acts(session)
    after = await pid_of(session)
    assert after is not None
    assert told is not None
    if told.state is RestartState.DONE:
        assert told.verdict is not None
        assert (told.verdict.is_up, told.verdict.pid_before, told.verdict.pid_now) == (True, before, after)
    elif told.state is RestartState.NOT_DONE:
        assert after == before, told.text
    else:
        assert told.state is RestartState.UNKNOWN, told.text
        assert f"child runs as {after} (was {before})" in told.text


async def looked_up(path: Path, name: str, session: Session, action_id: str) -> RestartAnswer | None:
    """Be back: close what has no end, as the next program does, and tell the action from the journal."""
    async with Journal(path, lambda _entry: None) as journal:
        restarts = Restarts(Site(name, session), journal, RULES)
        async with asyncio.timeout(SECONDS):
            while not await restarts.close_open_intents():
                pass
        return await restarts.book.find(action_id)


async def intent_of(process: asyncio.subprocess.Process) -> str:
    """Wait until a command line has written its intent; return what the action is called."""
    assert process.stderr is not None
    async with asyncio.timeout(SECONDS):
        async for line in process.stderr:
            entry = json.loads(line) if line.startswith(b"{") else {}
            if entry.get("journal_kind") == "intent":
                return str(entry["action_id"])
    raise AssertionError("it has written no intent")


def straight(beam: Beam, journal: Path) -> Sequence[str]:
    return "--node", beam.target, "--cookie-file", str(beam.cookie_file), "--journal", str(journal), *SETTINGS


async def begin(beam: Beam, path: Path, *more: str) -> asyncio.subprocess.Process:
    """Run the command line straight on the node."""
    return await asyncio.create_subprocess_exec(
        PROGRAM,
        *("restart", CHILD, "--under", SUPERVISOR, *straight(beam, path)),
        *(more or ("--yes", "--json", "--reason", "it hangs")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@some_moments
async def test_the_command_line_is_killed(
    beam: Beam, session: Session, tmp_path: Path, moments: Sequence[float]
) -> None:
    path = tmp_path / "journal.db"
    for moment in moments:
        before = await pid_of(session)
        process = await begin(beam, path)
        action_id = await intent_of(process)
        await asyncio.sleep(moment)
        if process.returncode is None:
            process.kill()
        await process.wait()
        await assert_true(await looked_up(path, beam.name, session, action_id), before, session)
    async with Journal(path, lambda _entry: None) as journal:
        assert (await journal.verify()).fault is None


async def test_the_next_command_line_closes_what_a_killed_one_has_left(
    beam: Beam, session: Session, tmp_path: Path
) -> None:
    path, before = tmp_path / "journal.db", await pid_of(session)
    process = await begin(beam, path)
    action_id = await intent_of(process)
    process.kill()
    await process.wait()
    await until_nobody_acts(session)
    back = await begin(beam, path, "--dry-run")
    shown, log = await asyncio.wait_for(back.communicate(), 2 * SECONDS)
    assert (back.returncode, b"Nothing stands against it." in shown) == (0, True)
    (entry,) = [json.loads(line) for line in log.splitlines()]
    assert (entry["journal_kind"], entry["action_id"]) == ("reconciled", action_id)
    await assert_true(await looked_up(path, beam.name, session, action_id), before, session)


@some_moments
async def test_the_collector_is_killed(beam: Beam, session: Session, tmp_path: Path, moments: Sequence[float]) -> None:
    path = tmp_path / "journal.db"
    headers = {"Authorization": f"Bearer {create_token(tmp_path / 'tokens', 'anna', Role.OPERATOR)}"}
    settings = (*straight(beam, path), "--tokens-file", str(tmp_path / "tokens"))
    before, location = await pid_of(session), None
    for moment in [*moments, None]:
        async with serving(*settings) as service:
            url = str(service.said("serving on")[0]["message"]).removeprefix("serving on ")
            await service.is_up()
            if location is not None:
                told = await _end_of(service.http, url + location)
                await assert_true(told, before, session)
            if moment is None:
                return
            before = await pid_of(session)
            begun = await service.http.post(
                f"{url}/api/v1/nodes/-/restarts", json=REQUEST.model_dump(exclude_none=True), headers=headers
            )
            assert begun.status_code == 202, begun.text
            location = begun.headers["location"]
            await asyncio.sleep(moment)
            service.process.kill()
            await service.process.wait()
        await until_nobody_acts(session)


async def _end_of(http: httpx.AsyncClient, address: str) -> RestartAnswer:
    async with asyncio.timeout(SECONDS):
        while True:
            told = RestartAnswer.model_validate_json((await http.get(address)).content)
            if told.state is not RestartState.RUNNING:
                return told
            await asyncio.sleep(0.1)


@some_moments
async def test_the_connection_is_cut(
    beam: Beam, session: Session, tmp_path: Path, moments: Sequence[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "backoff_seconds", lambda *_, **__: 0.05)
    async with (
        proxying(beam.port) as proxy,
        watch_through(proxy, beam) as node,
        Journal(tmp_path / "journal.db", lambda _entry: None) as journal,
    ):
        restarts = Restarts(CutSite(beam.name, node), journal, RULES)
        for number, moment in enumerate(moments):
            await until_it_answers(node, beam)
            before = await pid_of(session)
            begun = await restarts.begin(REQUEST, "anna")
            await asyncio.sleep(moment)
            proxy.treat(Cut(is_reset=number % 2 == 0))
            proxy.treat(Pass())
            async with asyncio.timeout(SECONDS):
                await restarts.wait(begun.id)
            await assert_true(await restarts.book.find(begun.id), before, session)
