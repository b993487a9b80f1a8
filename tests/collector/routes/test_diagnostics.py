"""The routes of the playbook: which question each asks, what it answers with, and what it says when it cannot."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from agent.errors import DeadlineExceeded, WorkerDied
from agent.probes.process import NoProcess
from agent.probes.table import NoTable
from collector.fleet import Fleet
from collector.freshness import Asker
from collector.settings import Settings
from collector.snapshot import TooSoon
from tests.collector_fakes import NODE, answered, assert_problem, failed, fleet_down, serving
from tests.collector_results import GOLDEN, AnsweringNode

SETTINGS = Settings(watch_tables=("a",), extra_supervisors=("b",), governor_supervisors=("c",))


class Asked(NamedTuple):
    """A request, the golden file of its answer, and the question that it is."""

    path: str
    golden: str
    probe: str
    arguments: Hashable = ()


REQUESTS = [
    Asked("applications", "applications", "applications"),
    Asked("binaries", "binaries", "binaries"),
    Asked("binaries?processes=true", "binaries_processes", "binary_holders"),
    Asked("busy?window_seconds=0.5", "busy", "busy", 0.5),
    Asked("ets", "ets", "ets", ("a",)),
    Asked("governor?pid=0.120.0", "governor", "governor", ("0.120.0", ("c",))),
    Asked("governors", "governors", "governors", ("c",)),
    Asked("mailboxes", "mailboxes", "mailboxes"),
    Asked("ports", "ports", "ports"),
    Asked("process?pid=0.111.0", "process", "process", "<0.111.0>"),
    Asked("processes", "processes", "processes"),
    Asked("supervisor?name=billing_sup", "supervisor", "supervisor", "billing_sup"),
    Asked("supervisors", "supervisors", "supervision_tree", ("b",)),
    Asked("table?name=receipt_ledger", "table", "table", "receipt_ledger"),
]
NEEDS_A_NAME = [("table", "name"), ("supervisor", "name"), ("governor", "pid"), ("process", "pid")]
HAS_A_LIMIT = ["processes", "mailboxes", "busy", "ets", "ports", "binaries", "governors"]


async def get(node: AnsweringNode, path: str) -> Any:  # noqa: ANN401  # an answer or a problem
    async with serving(Fleet([node]), SETTINGS) as client:
        return await client.get(f"/api/v1/nodes/-/{path}")


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: one.path)
async def test_a_route_asks_its_question_and_gives_the_answer(request_: Asked) -> None:
    node = AnsweringNode()
    response = await get(node, request_.path)
    assert response.status_code == 200, response.text
    golden = json.loads((GOLDEN / f"{request_.golden}.json").read_text(encoding="utf-8"))
    assert response.json() | {"age_seconds": golden["age_seconds"]} == golden
    ((question, asker),) = node.asked
    assert (question.probe, question.arguments, asker) == (request_.probe, request_.arguments, Asker.PROGRAM)


def test_every_golden_answer_has_a_request() -> None:
    assert {one.golden for one in REQUESTS} == {file.stem for file in GOLDEN.iterdir()}


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: one.path)
async def test_whoever_wants_it_fresh_is_a_person(request_: Asked) -> None:
    node = AnsweringNode()
    await get(node, f"{request_.path}{'&' if '?' in request_.path else '?'}fresh=true")
    assert [asker for _, asker in node.asked] == [Asker.PERSON]


@pytest.mark.parametrize(
    "name",
    [
        '{billing_governor,<<"acme">>}',
        "#Ref<0.1.2.3>",
        "Elixir.My App",
        "100%",
        "a+b&c=d",
        "таблица",
        "テーブル",
        "a/b",
    ],
)
@pytest.mark.parametrize(("view", "parameter"), NEEDS_A_NAME)
async def test_a_name_arrives_as_it_was_given(view: str, parameter: str, name: str) -> None:
    node = AnsweringNode()
    assert (await get(node, f"{view}?{urlencode({parameter: name})}")).status_code == 200
    ((question, _),) = node.asked
    assert name in (question.arguments if isinstance(question.arguments, tuple) else (question.arguments,))


@pytest.mark.parametrize(("path", "rows"), [("ets?limit=2", "tables"), ("ets?sort=size&limit=2", "tables")])
async def test_the_limit_counts_rows(path: str, rows: str) -> None:
    assert len((await get(AnsweringNode(), path)).json()[rows]) == 2


# ---------------------------------------------------------------------------------------------------------- the errors


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        *((f"{view}?limit={limit}", "limit") for view in HAS_A_LIMIT for limit in ("0", "-1", "1001", "x")),
        *((view, name) for view, name in NEEDS_A_NAME),
        *((f"{view}?{name}=", name) for view, name in NEEDS_A_NAME),
        *((f"{view}?{name}={'n' * 5000}", name) for view, name in NEEDS_A_NAME),
        ("ets?sort=rows", "sort"),
        ("processes?sort=size", "sort"),
        ("binaries?processes=perhaps", "processes"),
        ("supervisors?limit=3", "limit"),
        ("applications?name=kernel", "name"),
        ("ets?fresh=perhaps", "fresh"),
    ],
)
async def test_a_bad_parameter_is_named_and_nothing_is_asked(path: str, parameter: str) -> None:
    node = AnsweringNode()
    problem = assert_problem(await get(node, path), 422, "invalid-parameter")
    assert problem["detail"].startswith(f"{parameter}: ")
    assert node.asked == []


@pytest.mark.parametrize(
    ("path", "outcomes", "detail"),
    [
        (
            "table?name=receipts",
            {"table": answered(NoTable("receipts", ("receipt_ledger",)))},
            "there is no table receipts; the nearest that exist: receipt_ledger",
        ),
        (
            "supervisor?name=governor_sup",
            {"supervisor": answered(NoProcess("governor_sup", ("governance_sup",)))},
            "no process is registered as governor_sup; the nearest that exist: governance_sup",
        ),
        (
            "governor?pid=acme",
            {"governor": answered(NoProcess("acme", ("{a,1}", "{b,1}")))},
            "no process and no single governor is acme; the nearest that exist: {a,1}, {b,1}",
        ),
        ("process?pid=0.99.0", {"process": answered(NoProcess("0.99.0", ()))}, "no process 0.99.0 is alive"),
    ],
)
async def test_an_unknown_name_is_answered_with_the_nearest(path: str, outcomes: Any, detail: str) -> None:  # noqa: ANN401  # as keywords
    problem = assert_problem(await get(AnsweringNode(**outcomes), path), 404, "not-found")
    assert problem["detail"] == detail
    assert problem["node"]["name"] == NODE


async def test_who_asks_too_often_is_told_when_to_ask_again() -> None:
    response = await get(AnsweringNode(ets=failed(TooSoon("ets was asked a moment ago", 0.3))), "ets?fresh=true")
    assert_problem(response, 429, "asked-too-often")
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: one.path)
async def test_a_probe_that_fails_says_why(request_: Asked) -> None:
    died = {request_.probe: failed(WorkerDied("the worker met its heap limit"))}
    problem = assert_problem(await get(AnsweringNode(**died), request_.path), 502, "question-failed")
    assert problem["detail"] == "the worker met its heap limit"


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: one.path)
async def test_a_node_that_is_late_is_a_timeout(request_: Asked) -> None:
    late = {request_.probe: failed(DeadlineExceeded("the node is saturated"))}
    assert_problem(await get(AnsweringNode(**late), request_.path), 504, "node-does-not-answer")


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: one.path)
async def test_a_node_that_is_down_says_why(request_: Asked) -> None:
    async with serving(fleet_down(NODE)) as client:
        response = await client.get(f"/api/v1/nodes/-/{request_.path}")
    assert_problem(response, 503, "node-not-connected")


async def test_one_probe_that_fails_costs_that_probe_alone() -> None:
    node = AnsweringNode(ets=failed(WorkerDied("the worker met its heap limit")))
    async with serving(Fleet([node]), SETTINGS) as client:
        statuses = {one.path: (await client.get(f"/api/v1/nodes/-/{one.path}")).status_code for one in REQUESTS}
    assert {path for path, status in statuses.items() if status != 200} == {"ets"}
