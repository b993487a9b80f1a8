"""``beamwarden diagnose`` beside a real node and a real small service, as a person types it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import Session
from agent.terms import Atom
from erlang_fixtures.beam import Beam
from tests.collector.diagnosis.tai_service import TaiService, tai_service
from tests.command_line import run_in_thread
from tests.live.illnesses import ill
from tests.live.nodes import ask, join

pytestmark = pytest.mark.live


@pytest.fixture
def tai() -> Iterator[TaiService]:
    with tai_service() as serving:
        yield serving


async def diagnose(beam: Beam, tai: TaiService, *more: str) -> tuple[int, dict[str, Any]]:
    """Run the command line against the node itself; its status and what it printed."""
    whom = ("--node", beam.target, "--cookie-file", str(beam.cookie_file), "--service-url", tai.url)
    ran = await run_in_thread("diagnose", *whom, "--json", *more)
    assert ran.errors == ""
    assert isinstance(ran.status, int)
    answer = json.loads(ran.output)
    assert isinstance(answer, dict)
    return ran.status, answer


@pytest.fixture
async def session(beam: Beam) -> Any:  # noqa: ANN401  # a generator of a session
    session = await join(beam)
    yield session
    session.close()


async def test_a_system_that_is_well_ends_with_0_and_every_question_has_an_answer(beam: Beam, tai: TaiService) -> None:
    status, answer = await diagnose(beam, tai)
    assert (status, answer["findings"], answer["branch"]) == (0, [], None)
    assert [step["answer"] for step in answer["tree"]] == ["no"] * 4


async def test_a_failing_health_check_is_the_branch_and_an_illness_of_the_node_a_finding(
    beam: Beam, tai: TaiService, session: Session
) -> None:
    tai.health = (503, b'{"status":"unavailable","reason":"supervisor governance_sup not running"}')
    async with ill(session, "ill_mailbox_flood", messages=20_000):
        status, answer = await diagnose(beam, tai)
    assert (status, answer["branch"]) == (11, "Health check failing?")
    assert answer["severity"]["evidence"] == "/health: 503 supervisor governance_sup not running"
    assert "mailbox_long" in {finding["rule"] for finding in answer["findings"]}


async def test_a_node_with_a_wrong_cookie_is_told_and_the_service_is_diagnosed(
    beam: Beam, tai: TaiService, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")
    wrong.chmod(0o600)
    tai.server_errors = 0.2
    status, answer = await diagnose(beam, tai, "--cookie-file", str(wrong))
    assert status == 12
    assert answer["branch"] == "Error rate high?"
    assert "does not accept our cookie" in answer["left_out"][0]
    assert {finding["rule"]: finding["severity"] for finding in answer["findings"]}["node_not_letting_in"] == "low"


async def test_a_node_that_has_ended_is_lost_and_critical_as_its_service_is_gone_too(
    erl: Path, tai: TaiService
) -> None:
    tai.health = (503, b'{"status":"unavailable"}')
    with Beam(erl) as gone:
        gone.stop()
        status, answer = await diagnose(gone, tai)
    assert (status, answer["findings"][0]["rule"], answer["findings"][0]["severity"]) == (11, "node_lost", "critical")


async def test_a_child_that_is_down_is_started_by_the_step_that_is_told(
    beam: Beam, tai: TaiService, session: Session
) -> None:
    parent, child = Atom("observability_sup"), Atom("metrics_collector")
    assert await ask(session, "supervisor:terminate_child", parent, child) == Atom("ok")
    try:
        _, answer = await diagnose(beam, tai)
        (finding,) = answer["findings"]
        assert finding["rule"] == "child_down"
        words = shlex.split(finding["steps"][-1])[1:]
        where = ("--node", beam.target, "--cookie-file", str(beam.cookie_file), "--service-url", "none")
        ran = await run_in_thread(*words, *where)
        assert (ran.status, "metrics_collector" in ran.output) == (0, True)
    finally:
        await ask(session, "supervisor:restart_child", parent, child)
