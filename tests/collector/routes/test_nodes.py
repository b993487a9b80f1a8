from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from agent.errors import RemoteError, WorkerDied
from agent.names import NodeName
from agent.terms import UNDEFINED, Atom
from collector import models
from collector.app import create_app
from collector.cleaning import models as cleaning
from collector.fleet import Fleet
from collector.journal import audit
from collector.models import Problem
from collector.restarts import models as restarts
from collector.routes import nodes as api
from collector.settings import Settings
from collector.views import applications, binaries, diagnosis, governors, ports, processes, supervisors, tables, trend
from tests.collector_fakes import (
    CREATION,
    IDENTITY,
    INSTANCE_ID,
    MEMORY,
    NODE,
    OTHER_NODE,
    STATISTICS,
    SYSTEM_INFO,
    FakeNode,
    FakeSession,
    assert_problem,
    fleet_down,
    fleet_of,
    serving,
    watch,
)

OF_A_NODE = ["", "/memory", "/system"]
NEEDS_AN_ANSWER = ["/memory", "/system"]


def url(node: str = "-", below: str = "") -> str:
    return f"/api/v1/nodes/{node}{below}"


def both_nodes() -> Fleet:
    return fleet_of(FakeSession(NODE), FakeSession(OTHER_NODE, CREATION + 1))


def assert_heads(answer: dict[str, Any], name: str = NODE, creation: int | None = CREATION) -> None:
    """Assert what every answer about a node begins with."""
    assert answer["node"] == {"name": name, "creation": creation, "instance_id": INSTANCE_ID}
    collected_at = datetime.fromisoformat(answer["collected_at"])
    assert answer["collected_at"].endswith("Z")
    assert collected_at <= datetime.now(UTC)
    assert isinstance(answer["age_seconds"], float)
    assert 0 <= answer["age_seconds"] <= (datetime.now(UTC) - collected_at).total_seconds() + 0.001


async def get(fleet: Fleet, path: str) -> httpx.Response:
    async with serving(fleet) as client:
        return await client.get(path)


def on_cloud_run(session: FakeSession | None = None) -> Fleet:
    return Fleet([watch(FakeNode(NODE, session), INSTANCE_ID)])


# --------------------------------------------------------------------------------------------------------- the answers


async def test_a_node_says_what_it_is() -> None:
    answer = (await get(on_cloud_run(FakeSession()), url())).json()
    assert_heads(answer)
    assert answer["connection"] == {
        "state": "up",
        "reason": None,
        "own_name": "2HVP0TDI4GTFO@127.0.0.1",
        "skipped_messages": 3,
    }
    assert answer["otp_release"] == IDENTITY.otp_release
    assert answer["erts_version"] == IDENTITY.erts_version
    assert answer["uptime_seconds"] == IDENTITY.uptime_seconds
    assert answer["supervisors"] == [
        {"name": "governance_sup", "is_running": True, "pid": "<0.123.0>"},
        {"name": "receipt_ledger_sup", "is_running": True, "pid": "<0.124.0>"},
    ]


async def test_a_node_says_which_supervisor_is_missing() -> None:
    session = FakeSession()
    session.behaviours["erlang:is_process_alive"] = Atom("false")
    answer = (await get(fleet_of(session), url())).json()
    assert answer["supervisors"][0] == {"name": "governance_sup", "is_running": False, "pid": None}


async def test_memory_is_in_bytes() -> None:
    answer = (await get(on_cloud_run(FakeSession()), url(below="/memory"))).json()
    assert_heads(answer)
    assert {name: answer[name] for name in answer if name.endswith("_bytes")} == {
        "total_bytes": MEMORY.total,
        "processes_bytes": MEMORY.processes,
        "processes_used_bytes": MEMORY.processes_used,
        "system_bytes": MEMORY.system,
        "atom_bytes": MEMORY.atom,
        "atom_used_bytes": MEMORY.atom_used,
        "binary_bytes": MEMORY.binary,
        "code_bytes": MEMORY.code,
        "ets_bytes": MEMORY.ets,
    }


async def test_system_has_counts_limits_and_totals() -> None:
    answer = (await get(on_cloud_run(FakeSession()), url(below="/system"))).json()
    assert_heads(answer)
    assert (answer["processes"], answer["process_limit"]) == (SYSTEM_INFO.processes, SYSTEM_INFO.process_limit)
    assert answer["reductions"] == STATISTICS.reductions
    assert answer["runtime_seconds"] == STATISTICS.runtime_seconds
    assert answer["time_correction"] is False
    assert None not in answer.values()


async def test_what_the_node_does_not_know_is_null_and_not_zero() -> None:
    session = FakeSession()
    known = session.behaviours["erlang:system_info"]
    assert callable(known)
    session.behaviours["erlang:system_info"] = lambda item: (
        Atom("unknown") if item.name == "logical_processors" else known(item)
    )
    answer = (await get(fleet_of(session), url(below="/system"))).json()
    assert answer["logical_processors"] is None
    assert answer["processes"] == SYSTEM_INFO.processes


async def test_all_nodes_are_listed_whether_they_are_up_or_down() -> None:
    fleet = Fleet([watch(FakeNode(NODE, FakeSession()), INSTANCE_ID), watch(FakeNode(OTHER_NODE), INSTANCE_ID)])
    response = await get(fleet, "/api/v1/nodes")
    assert response.status_code == 200
    up, down = response.json()["nodes"]
    assert_heads(up)
    assert_heads(down, OTHER_NODE, None)
    assert (up["connection"]["state"], down["connection"]["state"]) == ("up", "down")


@pytest.mark.parametrize("below", OF_A_NODE)
async def test_a_node_is_asked_by_its_name(below: str) -> None:
    async with serving(both_nodes()) as client:
        first = (await client.get(url(NODE, below))).json()
        second = (await client.get(url(OTHER_NODE.replace("@", "%40"), below))).json()
    assert (first["node"]["name"], first["node"]["creation"]) == (NODE, CREATION)
    assert (second["node"]["name"], second["node"]["creation"]) == (OTHER_NODE, CREATION + 1)


@pytest.mark.parametrize("below", OF_A_NODE)
async def test_the_only_node_needs_no_name(below: str) -> None:
    response = await get(fleet_of(FakeSession()), url("-", below))
    assert response.status_code == 200
    assert response.json()["node"]["name"] == NODE


async def test_each_answer_asks_only_what_it_needs() -> None:
    session = FakeSession()
    await get(fleet_of(session), url(below="/memory"))
    assert session.calls == ["erlang:memory"]


# ---------------------------------------------------------------------------------------------------------- the errors


@pytest.mark.parametrize("below", OF_A_NODE)
async def test_of_several_nodes_one_has_to_be_named(below: str) -> None:
    problem = assert_problem(await get(both_nodes(), url("-", below)), 404, "unknown-node")
    assert problem["detail"] == f"several nodes are watched here: name one of {NODE}, {OTHER_NODE}"


@pytest.mark.parametrize("below", OF_A_NODE)
async def test_an_unknown_node_is_answered_with_the_nearest(below: str) -> None:
    problem = assert_problem(await get(both_nodes(), url("tai_autonomic@127.0.0.1", below)), 404, "unknown-node")
    assert problem["detail"].startswith(f"no node tai_autonomic@127.0.0.1 is watched here: name one of {NODE}")


async def test_a_name_near_to_none_is_answered_with_all() -> None:
    problem = assert_problem(await get(both_nodes(), url("x")), 404, "unknown-node")
    assert problem["detail"] == f"no node x is watched here: name one of {NODE}, {OTHER_NODE}"


async def test_a_node_that_is_down_is_shown_as_down_with_the_reason() -> None:
    response = await get(on_cloud_run(), url())
    assert response.status_code == 200
    answer = response.json()
    assert_heads(answer, creation=None)
    assert answer["connection"] == {
        "state": "down",
        "reason": f"{NODE} on port 9100: nothing listens there",
        "own_name": None,
        "skipped_messages": None,
    }
    unknown = ("otp_release", "erts_version", "uptime_seconds", "supervisors")
    assert [answer[name] for name in unknown] == [None] * 4


@pytest.mark.parametrize("below", NEEDS_AN_ANSWER)
async def test_a_node_that_is_down_has_no_values(below: str) -> None:
    problem = assert_problem(await get(on_cloud_run(), url(below=below)), 503, "node-not-connected")
    assert problem["detail"] == f"{NODE} on port 9100: nothing listens there"
    assert problem["node"] == {"name": NODE, "creation": None, "instance_id": INSTANCE_ID}


@pytest.mark.parametrize("below", NEEDS_AN_ANSWER)
async def test_a_node_that_is_too_slow_is_a_timeout(below: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "QUESTION_SECONDS", 0.01)
    session = FakeSession()
    session.hold()
    problem = assert_problem(await get(fleet_of(session), url(below=below)), 504, "node-does-not-answer")
    assert problem["node"] == {"name": NODE, "creation": CREATION, "instance_id": None}


@pytest.mark.parametrize("below", NEEDS_AN_ANSWER)
async def test_a_question_that_fails_is_the_fault_of_what_is_behind_us(below: str) -> None:
    session = FakeSession()
    session.behaviours |= dict.fromkeys(session.behaviours, WorkerDied("the worker met its heap limit"))
    problem = assert_problem(await get(fleet_of(session), url(below=below)), 502, "question-failed")
    assert problem["detail"] == "the worker met its heap limit"


async def test_half_an_answer_is_none() -> None:
    session = FakeSession()
    session.behaviours["erlang:statistics"] = RemoteError(Atom("error"), Atom("badarg"))
    assert_problem(await get(fleet_of(session), url(below="/system")), 502, "question-failed")


async def test_a_node_that_fails_to_say_who_it_is_is_shown_without_it() -> None:
    session = FakeSession()
    session.behaviours["erlang:system_info"] = UNDEFINED
    answer = (await get(fleet_of(session), url())).json()
    assert answer["connection"]["state"] == "up"
    assert answer["otp_release"] is None
    assert answer["supervisors"] is not None


async def test_a_bug_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.MemoryAnswer, "of", lambda _snapshot: 1 / 0)
    assert_problem(await get(fleet_of(FakeSession()), url(below="/memory")), 500, "bug")


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1", "/api/v1/nodes/-/nowhere", "/api/v2/nodes", "/docs", "/redoc"])
async def test_an_unknown_path_is_a_problem(path: str) -> None:
    problem = assert_problem(await get(fleet_down(NODE), path), 404, "not-found")
    assert problem["detail"] == f"there is no {path} here"


@pytest.mark.parametrize("path", ["/metrics", "/health", "/api/v1/nodes", url(), url(below="/memory")])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nothing_can_be_changed(path: str, method: str) -> None:
    async with serving(fleet_down(NODE)) as client:
        assert_problem(await client.request(method, path), 405, "method-not-allowed")


@pytest.mark.parametrize("path", ["/api/v1/nodes", "/api/v1/nodes/-"])
async def test_an_answer_is_of_one_life_of_the_node(path: str) -> None:
    first, second = FakeSession(), FakeSession(creation=CREATION + 1)
    second.own = dataclasses.replace(second.own, creation=8, name=NodeName("NEXTLIFE", "127.0.0.1"))
    node = FakeNode(NODE, first)
    first.hold()
    async with serving(Fleet([watch(node)])) as client:
        asked = asyncio.create_task(client.get(path))
        await first.was_called()
        node.connect(second)
        first.release()
        body = (await asked).json()
    answer = body["nodes"][0] if "nodes" in body else body
    assert answer["node"]["creation"] == CREATION
    assert answer["connection"]["own_name"] == str(first.own.name)


# ------------------------------------------------------------------------------------------------------------- OpenAPI


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document as it is served: JSON, and nothing else of Python."""
    found: dict[str, Any] = json.loads(json.dumps(create_app(Fleet([]), Settings()).openapi()))
    return found


VIEWS: dict[str, type[BaseModel]] = {
    view.path: view.model
    for view in (
        applications.APPLICATIONS,
        binaries.BINARIES,
        governors.GOVERNOR,
        governors.GOVERNORS,
        ports.PORTS,
        processes.BUSY,
        processes.MAILBOXES,
        processes.PROCESS,
        processes.PROCESSES,
        supervisors.SUPERVISOR,
        supervisors.SUPERVISORS,
        tables.TABLE,
        tables.TABLES,
    )
} | {"trend": trend.TrendAnswer}
OUR_MODELS: tuple[type[BaseModel], ...] = (
    models.ConnectionState,
    models.HealthAnswer,
    models.MemoryAnswer,
    models.NodeAnswer,
    models.Offers,
    models.NodeHealth,
    models.NodeReference,
    models.NodesAnswer,
    models.SupervisorState,
    models.SystemAnswer,
    Problem,
    *VIEWS.values(),
    diagnosis.CommandRow,
    diagnosis.CriterionRow,
    diagnosis.DiagnosisAnswer,
    diagnosis.FindingRow,
    diagnosis.NotLookedAt,
    diagnosis.SeverityRow,
    diagnosis.StepRow,
    audit.AuditAnswer,
    audit.AuditEntry,
    cleaning.CleaningAnswer,
    cleaning.CleaningProblem,
    cleaning.CollectionRequest,
    cleaning.DeletionRequest,
    cleaning.FootprintAnswer,
    cleaning.KeyCleaned,
    cleaning.ProcessCleaned,
    restarts.GuardRefusal,
    restarts.NextStep,
    restarts.PlanAnswer,
    restarts.PlanChild,
    restarts.PlanSupervisor,
    restarts.PlanTable,
    restarts.RefusalProblem,
    restarts.RestartAnswer,
    restarts.RestartRequest,
    restarts.RestartsAnswer,
    restarts.Verdict,
    applications.ApplicationRow,
    binaries.BinaryHolderRow,
    binaries.CountedBinariesRow,
    governors.GovernorRow,
    governors.UnreadSupervisor,
    ports.PortAnswerRow,
    processes.BusyAnswerRow,
    processes.ProcessAnswerRow,
    processes.QueuesOver,
    processes.QueueTotals,
    processes.StackPlace,
    supervisors.ChildCounts,
    supervisors.ChildRow,
    supervisors.RootRow,
    supervisors.SupervisorRow,
    tables.FoundTable,
    tables.TableAnswerRow,
    tables.WatchedTables,
    trend.ChangeRow,
    trend.LifeRow,
    trend.MemoryTrend,
    trend.SeriesRow,
    trend.TableTrend,
)
MODELS = {model.__name__: model for model in OUR_MODELS}
WORDS = {
    "Answer",
    "ApplicationState",
    "ChildState",
    "CleaningState",
    "Kind",
    "RestartState",
    "Status",
}  # what fields of these may say


def every(document: object) -> Iterator[tuple[str, object]]:
    """Walk over every key of a document, at any depth."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield key, value
            yield from every(value)
    elif isinstance(document, list):
        for value in document:
            yield from every(value)


async def test_the_document_is_served(document: dict[str, Any]) -> None:
    response = await get(fleet_down(NODE), "/openapi.json")
    assert response.headers["content-type"] == "application/json"
    assert response.json() == document


def test_the_document_has_every_path(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert {path: set(operations) for path, operations in document["paths"].items()} == {
        "/metrics": {"get"},
        "/probe": {"get"},
        "/health": {"get"},
        "/livez": {"get"},
        "/readyz": {"get"},
        "/api/v1/nodes": {"get"},
        "/api/v1/nodes/{node}": {"get"},
        "/api/v1/nodes/{node}/memory": {"get"},
        "/api/v1/nodes/{node}/system": {"get"},
        "/api/v1/nodes/{node}/diagnosis": {"get"},
        "/api/v1/audit": {"get"},
        "/api/v1/nodes/{node}/restarts": {"get", "post"},
        "/api/v1/nodes/{node}/restarts/{action_id}": {"get"},
        "/api/v1/nodes/{node}/garbage-collections": {"post"},
        "/api/v1/nodes/{node}/table-deletions": {"post"},
    } | {f"/api/v1/nodes/{{node}}/{view}": {"get"} for view in VIEWS}


def test_every_reference_of_the_document_leads_to_a_model_of_ours(document: dict[str, Any]) -> None:
    assert document["components"]["schemas"].keys() == MODELS.keys() | WORDS
    references = {value for key, value in every(document) if key == "$ref"}
    assert references == {f"#/components/schemas/{name}" for name in MODELS.keys() | WORDS}


def test_every_operation_has_a_summary_a_description_and_an_id_of_its_own(document: dict[str, Any]) -> None:
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all(operation["summary"] and operation["description"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_every_error_of_the_document_is_a_problem_but_that_of_health(document: dict[str, Any]) -> None:
    found: dict[str, set[str]] = {}
    operations = [(path, name, each) for path, named in document["paths"].items() for name, each in named.items()]
    for path, method, operation in operations:
        for status, response in operation["responses"].items():
            if status in {"200", "202"} or (path, status) == ("/health", "503"):
                continue
            kind = "Problem"
            if method == "post" and path.endswith("/restarts"):
                kind = "RefusalProblem" if status in {"403", "409", "429"} else kind
            elif method == "post":
                kind = "CleaningProblem" if status in {"403", "404", "409"} else kind
            schema = {"$ref": f"#/components/schemas/{kind}"}
            assert response["content"] == {"application/problem+json": {"schema": schema}}
            found.setdefault(path, set()).add(status)
    for_machines = {path: {"default"} for path in ("/metrics", "/health", "/livez", "/readyz")}
    for_machines["/health"] |= {"404"}
    for_machines["/probe"] = {"default", "404"}
    of_the_gate = {"default", "401", "403", "421"}
    of_a_node = of_the_gate | {"404", "502", "503", "504"}
    assert found == for_machines | {
        "/api/v1/nodes": of_the_gate,
        "/api/v1/nodes/{node}": of_the_gate | {"404"},  # a node that is down is an answer
        "/api/v1/nodes/{node}/memory": of_a_node,
        "/api/v1/nodes/{node}/system": of_a_node,
        "/api/v1/nodes/{node}/diagnosis": of_the_gate | {"404", "422", "503"},
        "/api/v1/audit": of_the_gate | {"422", "503"},
        "/api/v1/nodes/{node}/restarts": of_a_node | {"409", "422", "429"},
        "/api/v1/nodes/{node}/restarts/{action_id}": of_a_node | {"422"},
        "/api/v1/nodes/{node}/garbage-collections": of_a_node | {"409", "422"},
        "/api/v1/nodes/{node}/table-deletions": of_a_node | {"409", "422"},
    } | {f"/api/v1/nodes/{{node}}/{view}": of_a_node | {"422", "429"} for view in VIEWS}


def test_the_document_says_where_a_token_counts(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    taking = {path for path, named in document["paths"].items() if all(each.get("security") for each in named.values())}
    assert taking == {path for path in document["paths"] if path.startswith("/api/")}


def with_examples(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Build a model's body from the examples of its fields, and from those of the models in it."""
    body: dict[str, Any] = {}
    for field, schema in document["components"]["schemas"][name]["properties"].items():
        inner = [part["$ref"] for part in [schema, *schema.get("anyOf", [])] if "$ref" in part]
        parts = [schema, *schema.get("anyOf", [])]
        items = [part["items"]["$ref"] for part in parts if "$ref" in part.get("items", {})]
        if "examples" in schema:  # of the field itself, also where its model holds another of its kind
            body[field] = schema["examples"][0]
        elif inner:
            body[field] = with_examples(document, inner[0].rpartition("/")[2])
        elif items:
            body[field] = [with_examples(document, items[0].rpartition("/")[2])]
        else:
            raise AssertionError(f"{name}.{field} has no example")
    return body


@pytest.mark.parametrize("name", MODELS)
def test_every_field_has_an_example_that_the_model_takes(document: dict[str, Any], name: str) -> None:
    body = with_examples(document, name)
    assert body.keys() == MODELS[name].model_fields.keys()
    assert MODELS[name].model_validate_json(json.dumps(body)).model_dump(mode="json") == body


def test_every_field_has_its_unit_in_its_name(document: dict[str, Any]) -> None:
    system = document["components"]["schemas"]["SystemAnswer"]["properties"]
    memory = document["components"]["schemas"]["MemoryAnswer"]["properties"]
    heads = {"node", "collected_at", "age_seconds", "cost_seconds", "complete", "left_out"}
    assert all(name.endswith("_bytes") for name in memory.keys() - heads)
    assert {name for name in system if "number" in str(system[name])} == {
        "age_seconds",
        "cost_seconds",
        "runtime_seconds",
    }
