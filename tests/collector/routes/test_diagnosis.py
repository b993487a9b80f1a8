"""``/diagnosis``: the playbook over HTTP, also of a node that does not answer."""

from __future__ import annotations

from typing import Any

import pytest

from collector.diagnosis import gathering
from collector.fleet import Fleet
from collector.freshness import Asker
from collector.settings import Settings
from tests.collector_fakes import NODE, assert_problem, fleet_down, serving
from tests.collector_results import AnsweringNode

SETTINGS = Settings(service_url="none", cloud_service="tai-autonomics", cloud_region="europe-west1")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "BETWEEN_LOOKS_SECONDS", 0.0)


async def get(fleet: Fleet, path: str = "diagnosis") -> Any:  # noqa: ANN401  # an answer or a problem
    async with serving(fleet, SETTINGS) as client:
        return await client.get(f"/api/v1/nodes/-/{path}")


async def test_a_diagnosis_has_a_severity_a_tree_and_findings() -> None:
    answer = (await get(Fleet([AnsweringNode()]))).json()
    assert answer["node"]["name"] == NODE
    assert [step["question"] for step in answer["tree"]] == [
        "Health check failing?", "Error rate high?", "Latency high?", "Receipts missing?",
    ]  # fmt: skip
    (one, *_) = answer["findings"]
    assert {"rule", "section", "severity", "sentence", "evidence", "steps", "commands"} <= one.keys()


async def test_every_command_that_is_named_is_there_once_with_what_is_known_filled_in() -> None:
    answer = (await get(Fleet([AnsweringNode()]))).json()
    named = {name for finding in answer["findings"] for name in finding["commands"]}
    named |= {name for step in answer["tree"] for name in step["commands"]}
    assert sorted(command["name"] for command in answer["commands"]) == sorted(named)
    lines = [line for command in answer["commands"] for line in command["lines"]]
    assert any("tai-autonomics" in line for line in lines)
    assert not any("SERVICE " in line for line in lines)


async def test_a_node_that_is_not_connected_has_a_diagnosis_too() -> None:
    response = await get(fleet_down(NODE))
    answer = response.json()
    assert response.status_code == 200
    assert answer["complete"] is False
    assert answer["node"]["creation"] is None
    assert {rule["why"] for rule in answer["not_looked_at"]} >= {answer["left_out"][0].removeprefix("the node: ")}


@pytest.mark.parametrize(("query", "asker"), [("", Asker.PROGRAM), ("?fresh=true", Asker.PERSON)])
async def test_only_who_wants_it_fresh_is_a_person(query: str, asker: Asker) -> None:
    node = AnsweringNode()
    await get(Fleet([node]), f"diagnosis{query}")
    assert {who for question, who in node.asked if question.probe != "supervisor"} == {asker}


async def test_a_parameter_that_there_is_not_is_named() -> None:
    problem = assert_problem(await get(Fleet([AnsweringNode()]), "diagnosis?deep=1"), 422, "invalid-parameter")
    assert "deep" in problem["detail"]
