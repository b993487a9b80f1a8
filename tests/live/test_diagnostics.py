"""The routes of the playbook on real nodes, and names that no node has heard of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from agent import Session, Up, read_cookie_file
from agent.expression import Expression
from agent.probes import ets
from agent.terms import Atom
from collector.app import create_app
from collector.instance import Instance
from collector.serve import make_fleet
from collector.settings import Settings
from erlang_fixtures.beam import Beam
from tests.command_line import run_in_thread
from tests.fakes import until
from tests.live.nodes import ill, join, number

pytestmark = pytest.mark.live

ROUTES = {
    "applications": "applications",
    "binaries": "memory_bytes",
    "binaries?processes=true": "processes",
    "busy?window_seconds=0.1": "process_count",
    "ets": "tables",
    "ets?sort=size": "tables",
    "governor?pid={name}": "state",
    "governors": "governors",
    "mailboxes": "message_queues",
    "ports": "ports",
    "process?pid=governance_sup": "process",
    "processes": "processes",
    "supervisor?name=governance_sup": "supervisor",
    "supervisors": "roots",
    "table?name=receipt_ledger": "tables",
}
# Five hundred together: one atom for each, or for each of a kind, would be plain.
LOOKUPS = {"process?pid=": 250, "supervisor?name=": 150, "table?name=": 50, "governor?pid=": 50}
ACME = '{billing_governor,<<"acme">>}'
AT_ONCE = 8


@asynccontextmanager
async def serving(beam: Beam, **settings: object) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a real node without a socket, from when it is connected. Paths begin below the node."""
    chosen = Settings.model_validate({"node": [beam.target], "fresh_min_interval_seconds": 0.0} | settings)
    fleet = make_fleet(chosen, read_cookie_file(beam.cookie_file), Instance())
    transport = httpx.ASGITransport(create_app(fleet, chosen))
    url = "http://127.0.0.1:9750/api/v1/nodes/-/"
    async with fleet, httpx.AsyncClient(transport=transport, base_url=url, timeout=60) as client:
        (watched,) = fleet.nodes.values()
        await until(lambda: isinstance(watched.node.state, Up), "the node is connected", deadline_seconds=60)
        yield client


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    """A connection of the test's own, to ask Erlang itself."""
    session = await join(beam)
    yield session
    session.close()
    await session.wait_closed()


def path_of(route: str) -> str:
    return route.replace("{name}", quote(ACME))


def freshly(route: str) -> str:
    """The same, asked as a person asks."""
    return f"{path_of(route)}{'&' if '?' in route else '?'}fresh=true"


# ---------------------------------------------------------------------------------------------------------- the routes


@pytest.mark.parametrize("route", ROUTES)
async def test_a_route_answers_on_a_real_node(beam: Beam, route: str) -> None:
    async with serving(beam) as client:
        response = await client.get(path_of(route))
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["node"]["name"] == beam.name
    assert answer["complete"], answer["left_out"]
    assert answer["age_seconds"] < 60
    assert answer[ROUTES[route]]


async def test_what_a_sweep_has_cost_is_measured(beam: Beam) -> None:
    sweeps = ["applications", "ets", "governors", "mailboxes", "ports", "processes", "supervisors"]
    async with serving(beam) as client:
        costs = {path: (await client.get(path)).json()["cost_seconds"] for path in sweeps}
    assert all(cost > 0 for cost in costs.values()), costs


async def test_the_tables_are_those_of_the_node(beam: Beam, session: Session) -> None:
    async with serving(beam, watch_tables=("receipt_ledger", "no_such_table")) as client:
        answer = (await client.get("ets")).json()
        assert answer["table_count"] == await number(session, "erlang:system_info", Atom("ets_count"))
    ledger, absent = answer["watched"]
    assert (ledger["count"], ledger["size"]) == (
        1,
        await number(session, "ets:info", Atom("receipt_ledger"), Atom("size")),
    )
    assert absent["count"] == 0


async def test_a_name_that_the_playbook_has_wrong_is_answered_with_the_nearest(beam: Beam) -> None:
    async with serving(beam) as client:
        problem = (await client.get("supervisor?name=governor_sup")).json()
    assert problem["status"] == 404
    assert "the nearest that exist: governance_sup" in problem["detail"]


@pytest.mark.parametrize("pid", ["0.{}.0", "<0.{}.0>"])
async def test_a_pid_is_taken_as_it_is_printed(beam: Beam, pid: str) -> None:
    async with serving(beam) as client:
        printed = (await client.get("supervisor?name=governance_sup")).json()["supervisor"]["pid"]
        (same,) = {
            (await client.get(f"{path}{quote(pid.format(printed.split('.')[1]))}")).json()[kind]["name"]
            for path, kind in (("supervisor?name=", "supervisor"), ("process?pid=", "process"))
        }
    assert same == "governance_sup"


async def test_a_governor_is_asked_by_the_id_that_it_has(beam: Beam) -> None:
    async with serving(beam) as client:
        by_id = (await client.get("governor", params={"pid": '{billing_governor, <<"acme">>}'})).json()
        by_pid = (await client.get("governor", params={"pid": by_id["pid"]})).json()
    assert by_id["state"] == by_pid["state"] == "current"


async def test_governors_grow_older(beam: Beam) -> None:
    async with serving(beam, max_scheduler_share=1.0) as client:
        first = (await client.get("governors")).json()["governors"][0]
        assert first["age_at_least_seconds"] == 0
        later: dict[str, Any] = first
        async with asyncio.timeout(60):
            while later["age_at_least_seconds"] == 0:
                later = (await client.get("governors")).json()["governors"][0]
    assert later["pid"] == first["pid"]
    assert later["age_at_most_seconds"] >= later["age_at_least_seconds"]


async def test_a_scrape_sees_the_governors_too_so_that_their_ages_are_known(beam: Beam) -> None:
    async with serving(beam) as client:
        scrape = await client.get("http://127.0.0.1:9750/metrics")
    assert f'beamwarden_node_cost_seconds_total{{erlang_node="{beam.name}",probe="governors"}}' in scrape.text


async def test_a_probe_that_meets_its_heap_limit_says_so_and_costs_no_other_its_answer(
    beam: Beam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ets, "SWEEP", Expression("too_much", "lists:duplicate(1000000000, too_much)"))
    async with serving(beam) as client:
        failed = await client.get("ets?fresh=true")
        others = {route: (await client.get(freshly(route))).status_code for route in ROUTES if route[:3] != "ets"}
        health = await client.get("http://127.0.0.1:9750/health")
    assert failed.status_code == 502
    assert failed.json()["type"] == "urn:beamwarden:question-failed"
    assert "it met its heap limit" in failed.json()["detail"]
    assert set(others.values()) == {200}, others
    assert health.status_code == 200


async def test_a_supervisor_that_hangs_is_told_over_rest(beam: Beam, session: Session) -> None:
    async with serving(beam, extra_supervisors=("hanging_sup",)) as client, ill(session, "ill_hanging_supervisor"):
        answer = (await client.get("supervisors?fresh=true")).json()
    statuses = [root["supervisor"]["status"] for root in answer["roots"] if root["asked_for"] and root["supervisor"]]
    assert statuses == ["not answering"]


# ----------------------------------------------------------------------------------------------------------- the atoms


def unseen(route: str) -> Iterator[str]:
    """Names that no node has heard of: plain ones, and those that look like an id, a reference or a module."""
    forms = (
        "unseen_{}_{}",
        '{{unseen_{}_governor,<<"{}">>}}',
        "#Ref<0.{1}.{1}.{1}>",
        "Elixir.Unseen{}.No{}",
        "невиданный_{}_{}",
    )
    part = route.partition("?")[0]
    counter = 0
    while True:
        yield forms[counter % len(forms)].format(part, counter)
        counter += 1


async def ask_for_unseen(client: httpx.AsyncClient, names: Mapping[str, int]) -> None:
    wanted = iter([(route, name) for route, number in names.items() for name in islice(unseen(route), number)])

    async def ask_one_after_another() -> None:
        for route, name in wanted:
            response = await client.get(route + quote(name, safe=""))
            assert response.status_code == 404, f"{route}{name}: {response.text}"

    await asyncio.gather(*(ask_one_after_another() for _ in range(AT_ONCE)))


async def make_no_atoms(beam: Beam, session: Session, names: Mapping[str, int]) -> None:
    async with serving(beam) as client:
        for route in ROUTES:  # with which the node learns the words of our expressions, and loads what it needs
            response = await client.get(freshly(route))
            assert response.is_success, response.text
        await ask_for_unseen(client, dict.fromkeys(LOOKUPS, 5))
        before = await number(session, "erlang:system_info", Atom("atom_count"))
        await ask_for_unseen(client, names)
        assert await number(session, "erlang:system_info", Atom("atom_count")) == before


async def test_five_hundred_unseen_names_make_no_atom(beam: Beam, session: Session) -> None:
    await make_no_atoms(beam, session, LOOKUPS)


@pytest.mark.slow
async def test_ten_thousand_unseen_names_for_each_route_make_no_atom(beam: Beam, session: Session) -> None:
    await make_no_atoms(beam, session, dict.fromkeys(LOOKUPS, 10_000))


# ---------------------------------------------------------------------------------------------------------- the command


@pytest.mark.parametrize(
    "command",
    [
        "applications",
        "binaries",
        "ets",
        "governors",
        "mailboxes",
        "ports",
        "processes",
        "supervisors",
        "supervisor init",
    ],
)
async def test_a_command_asks_the_node_itself(beam: Beam, command: str) -> None:
    whom = ("--node", beam.target, "--cookie-file", str(beam.cookie_file))
    ran = await run_in_thread(*command.split(), "--json", *whom)
    assert (ran.status, ran.errors) == (0, "")
    assert json.loads(ran.output)["node"]["name"] == beam.name
