"""``beamwarden diagnose``: what it asks, what it shows, and the status that it ends with."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from agent.probes.applications import Application, Applications, ApplicationState
from agent.probes.governor_ages import AgedGovernors
from agent.probes.governors import Governors, Sightings
from agent.probes.ports import Ports
from agent.probes.processes import Mailboxes, Queues
from agent.probes.supervision_tree import SupervisionTree
from agent.probes.supervisors import Supervisors
from collector.app import create_app
from collector.fleet import Fleet
from collector.settings import Settings
from erlang_fixtures.beam import free_port
from tests.collector_fakes import NODE, answered, serving_on_a_port
from tests.collector_results import AnsweringNode
from tests.command_line import Run

NOBODY_WAITS = Mailboxes(Queues(10, 0, 0, {}), ())
NO_GOVERNORS = AgedGovernors(Governors((), 0, 0, (), (), 60.0), Sightings(), 0.0)
DOWN = Applications((Application("tai_autonomics", "1", "", ApplicationState.NOT_RUNNING, None, None),))


def node(applications: Applications) -> AnsweringNode:
    return AnsweringNode(
        applications=answered(applications),
        governors=answered(NO_GOVERNORS),
        mailboxes=answered(NOBODY_WAITS),
        ports=answered(Ports(0, 65_536, 0, (), ())),
        supervision_tree=answered(SupervisionTree(())),
        supervisors=answered(Supervisors(())),
    )


@pytest.fixture(scope="module")
def well() -> Iterator[str]:
    with serving_on_a_port(create_app(Fleet([node(Applications(()))]), Settings(service_url="none"))) as url:
        yield url


@pytest.fixture(scope="module")
def ill() -> Iterator[str]:
    with serving_on_a_port(create_app(Fleet([node(DOWN)]), Settings(service_url="none"))) as url:
        yield url


def test_a_node_that_is_well_ends_with_0(run: Run, well: str) -> None:
    ended = run("diagnose", "--url", well, "--json")
    answer = json.loads(ended.output)
    assert (ended.status, answer["findings"], answer["severity"]["level"]) == (0, [], None)


def test_a_severity_is_the_status(run: Run, ill: str) -> None:
    ended = run("diagnose", "--url", ill)
    assert ended.status == 11
    assert "Critical (SEV-1)" in ended.output
    assert "the application tai_autonomics does not run" in ended.output


def test_the_page_says_what_to_run_and_what_to_decide(run: Run, ill: str) -> None:
    page = run("diagnose", "--url", ill).output
    assert "beamwarden applications" in page
    assert "gcloud run services update-traffic SERVICE" in page
    assert "To fill in: " in page


def test_json_has_the_same_status(run: Run, ill: str) -> None:
    ended = run("diagnose", "--url", ill, "--json")
    assert (ended.status, json.loads(ended.output)["severity"]["level"]) == (11, 1)


def test_no_collector_is_no_diagnosis(run: Run) -> None:
    ended = run("diagnose", "--url", f"http://127.0.0.1:{free_port()}")
    assert ended.status == 1
    assert "no collector answers" in ended.errors


def test_a_node_that_does_not_answer_is_a_diagnosis(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    cookie = tmp_path_factory.mktemp("cookie") / "cookie"
    cookie.write_text("secret")
    cookie.chmod(0o600)
    ended = run(
        *("diagnose", "--node", f"{NODE}:{free_port()}", "--cookie-file", str(cookie)),
        *("--service-url", "none", "--json"),
    )
    answer = json.loads(ended.output)
    assert answer["complete"] is False
    assert "nothing listens" in answer["left_out"][0]
