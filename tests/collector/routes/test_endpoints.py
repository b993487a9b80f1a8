from __future__ import annotations

import asyncio
import re
from html.parser import HTMLParser

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from agent.expression import Shell
from agent.probes import Result, vital_signs
from agent.probes.allocators import AllocatorRow, Allocators
from agent.probes.mnesia import Mnesia
from agent.terms import UNDEFINED
from collector.fleet import Fleet
from collector.question import Question
from collector.routes import endpoints
from collector.routes.endpoints import scrape_deadline_seconds
from collector.settings import Settings
from collector.snapshot import Snapshot
from collector.watched import WatchedNode
from tests.collector_fakes import (
    CREATION,
    EXPECTED_SUPERVISORS,
    INSTANCE_ID,
    NODE,
    OTHER_NODE,
    PATIENCE_SECONDS,
    FakeNode,
    FakeSession,
    assert_problem,
    fleet_down,
    fleet_of,
    serving,
    snapshot,
    watch,
)


def samples(text: str) -> dict[str, float]:
    """Give the values of the families that have one sample, by name."""
    return {family.name: family.samples[0].value for family in parse_text(text) if len(family.samples) == 1}


def of_nodes(text: str) -> dict[str, float]:
    """Give those of them that tell of nodes, and not of our own work."""
    return {name: value for name, value in samples(text).items() if not name.startswith("beamwarden_")}


# ----------------------------------------------------------------------------------------------------------- deadlines


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 2.0),
        ("10", 2.0),
        ("2.5", 2.0),
        ("1.2", 0.7),
        ("0.55", 0.1),
        ("0.2", 0.1),
        ("0", 0.1),
        ("-3", 0.1),
        ("-inf", 0.1),
        ("inf", 2.0),
        ("nan", 2.0),
        ("soon", 2.0),
        ("", 2.0),
        ("1e999", 2.0),
    ],
)
def test_a_scrape_waits_a_little_less_than_its_scraper_and_two_seconds_at_most(
    header: str | None, seconds: float
) -> None:
    assert scrape_deadline_seconds(header) == pytest.approx(seconds)


# ------------------------------------------------------------------------------------------------------------- metrics


async def test_metrics_are_of_what_the_node_answers_now() -> None:
    session = FakeSession()
    async with serving(fleet_of(session)) as client:
        before = samples((await client.get("/metrics")).text)
        session.behaviours["erlang:system_info"] = lambda item: 77 if item.name == "process_count" else UNDEFINED
        after = samples((await client.get("/metrics")).text)
    assert before["erlang_vm_processes"] == 412
    assert before["beam_up"] == 1
    assert after["erlang_vm_processes"] == 77


async def test_a_scraper_gets_plain_text_unless_it_asks_otherwise() -> None:
    async with serving(fleet_of(FakeSession())) as client:
        response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_a_scraper_that_accepts_openmetrics_gets_it() -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
    async with serving(fleet_of(FakeSession()), Settings(naming="v6")) as client:
        response = await client.get("/metrics", headers={"Accept": accept})
    assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert response.text.endswith("# EOF\n")
    names = {family.name for family in parse_openmetrics(response.text)}  # type: ignore[no-untyped-call]
    assert {"beam_up", "erlang_vm_memory_bytes"} <= names


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "junk",
        ";;,=;",
        "text/html",
        "text/plain;version=junk",
        "application/openmetrics-text;version=junk",
        "application/openmetrics-text;version=2.junk",
        "application/openmetrics-text;version=0.0.1",
        "application/openmetrics-text;version=\xff",
    ],
)
async def test_a_scraper_that_accepts_nothing_known_gets_metrics_all_the_same(accept: str) -> None:
    async with serving(fleet_of(FakeSession())) as client:
        response = await client.get("/metrics", headers={b"Accept": accept.encode("latin-1")})
    assert response.status_code == 200
    assert "\nerlang_vm_processes 412.0\n" in response.text


async def test_metrics_are_compressed_for_those_who_accept_it() -> None:
    async with serving(fleet_of(FakeSession())) as client:
        compressed = await client.get("/metrics", headers={"Accept-Encoding": "gzip"})
        plain = await client.get("/metrics", headers={"Accept-Encoding": "identity"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert int(compressed.headers["content-length"]) < len(plain.content) / 4
    assert "content-encoding" not in plain.headers
    assert samples(compressed.text).keys() == samples(plain.text).keys()


async def test_a_slow_node_is_down_within_the_deadline_of_the_scraper() -> None:
    session = FakeSession()
    session.hold()
    async with serving(fleet_of(session)) as client, asyncio.timeout(PATIENCE_SECONDS):
        response = await client.get("/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": "0.2"})
    assert response.status_code == 200
    assert of_nodes(response.text) == {"beam_up": 0}


async def test_a_scrape_waits_as_long_as_its_scraper_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def scrape(_node: WatchedNode, deadline_seconds: float, _only: object) -> Snapshot:
        waited.append(deadline_seconds)
        return snapshot()

    monkeypatch.setattr(WatchedNode, "scrape", scrape)
    async with serving(fleet_of(FakeSession())) as client:
        await client.get("/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": "1.5"})
        await client.get("/metrics")
    assert waited == [1.0, 2.0]


async def test_a_node_that_is_down_costs_a_scrape_nothing() -> None:
    async with serving(fleet_down(NODE)) as client:
        response = await client.get("/metrics")
    assert of_nodes(response.text) == {"beam_up": 0}


async def test_scrapers_at_the_same_moment_share_one_question_and_one_may_hang_up() -> None:
    session = FakeSession()
    session.hold()
    node = FakeNode(NODE, session)
    async with serving(Fleet([watch(node)])) as client:
        scrapes = [asyncio.create_task(client.get("/metrics")) for _ in range(3)]
        await node.was_asked(3)
        scrapes[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await scrapes[0]
        session.release()
        responses = await asyncio.gather(*scrapes[1:])
    assert [samples(response.text)["beam_up"] for response in responses] == [1, 1]
    assert session.calls.count("erlang:memory") == 1


# ------------------------------------------------------------------------------------------- which and how many of them


def of_one_value(name: str, value: int) -> Question:
    """Ask for nothing, and have a result all the same."""

    async def ask(_shell: Shell, _deadline_seconds: float) -> Result:
        return Allocators(tuple(AllocatorRow(name, number, "mbcs", 1, 1, 1, value) for number in range(300)))

    return Question(name, ask, is_sweep=True)


def fleet_with_sweeps(session: FakeSession) -> Fleet:
    """A node with all vital signs, and two sweeps of which the first one has 1,200 series."""
    probes = vital_signs(EXPECTED_SUPERVISORS)
    sweeps = (of_one_value("allocators", 7), Question("mnesia", mnesia_that_stands))
    return Fleet([WatchedNode(FakeNode(NODE, session), probes, lambda: None, sweeps)])


async def mnesia_that_stands(_shell: Shell, _deadline_seconds: float) -> Result:
    return Mnesia(None)


def probes_of(text: str) -> set[str]:
    return {
        sample.labels["probe"]
        for family in parse_text(text)
        if family.name == "beam_probe_success"
        for sample in family.samples
    }


async def test_a_scrape_of_some_probes_asks_these_and_whether_the_node_is_up() -> None:
    session = FakeSession()
    async with serving(fleet_with_sweeps(session)) as client:
        response = await client.get("/metrics", params={"collect[]": ["memory", "allocators"]})
    assert probes_of(response.text) == {"identity", "memory", "allocators"}
    assert session.calls.count("erlang:memory") == 1
    names = {family.name for family in parse_text(response.text) if family.name.startswith("erlang_vm")}
    of_memory = [f"erlang_vm_memory_{part}bytes" for part in ("atom_", "", "processes_", "system_")]
    assert names == {"erlang_vm_allocators", *of_memory, *(f"{name}_total" for name in of_memory)}
    assert samples(response.text)["beam_up"] == 1


async def test_without_a_choice_all_probes_are_asked() -> None:
    async with serving(fleet_with_sweeps(FakeSession())) as client:
        response = await client.get("/metrics")
    assert probes_of(response.text) == {*vital_signs(), "allocators", "mnesia"}


async def test_a_probe_that_is_left_out_by_the_settings_is_not_asked() -> None:
    session = FakeSession()
    without = Settings(scrape_without=("allocators", "memory", "identity"))
    async with serving(fleet_with_sweeps(session), without) as client:
        response = await client.get("/metrics")
    assert probes_of(response.text) == {"identity", "statistics", "system_info", "supervisors", "mnesia"}
    assert "erlang:memory" not in session.calls
    assert "erlang_vm_statistics_wallclock" not in response.text
    assert samples(response.text)["beam_up"] == 1


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (["memory", "dets"], "there is no probe 'dets'; there are identity, memory, "),
        ([""], "there is no probe ''; there are identity, memory, "),
        (["ports"], "there is no probe 'ports'; "),
        (["allocators"], "the setting scrape_without leaves allocators out; there are identity, memory, "),
    ],
)
async def test_a_probe_that_is_not_there_is_refused_with_those_that_are(asked: list[str], why: str) -> None:
    session = FakeSession()
    async with serving(fleet_with_sweeps(session), Settings(scrape_without=("allocators",))) as client:
        response = await client.get("/metrics", params={"collect[]": asked})
    assert assert_problem(response, 400, "unknown-probe")["detail"].startswith(f"collect[]: {why}")
    assert session.calls == []


async def test_a_scrape_that_is_too_long_leaves_out_its_largest_family_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(fleet_with_sweeps(FakeSession()), Settings(scrape_max_series=1_000)) as client:
        responses = [await client.get("/metrics") for _ in range(2)]
    for response in responses:
        assert "erlang_vm_allocators" not in response.text
        assert samples(response.text)["beamwarden_scrape_series_left_out"] == 1_200
        assert samples(response.text)["erlang_vm_processes"] == 412
    (told,) = [record for record in caplog.records if record.name == "collector.routes.endpoints"]
    assert getattr(told, "families") == {"erlang_vm_allocators": 1_200}  # noqa: B009  # an extra of the record


async def test_a_scrape_has_old_and_new_names_unless_it_is_said_otherwise() -> None:
    async def scraped(settings: Settings) -> set[str]:
        async with serving(fleet_of(FakeSession()), settings) as client:
            return set(samples((await client.get("/metrics")).text))

    old, new = "erlang_vm_process_count", "erlang_vm_processes"
    assert {old, new} <= await scraped(Settings())
    assert {old, new} & await scraped(Settings(naming="legacy")) == {old}
    assert {old, new} & await scraped(Settings(naming="v6")) == {new}


# -------------------------------------------------------------------------------------------------------------- health


async def health_of(fleet: Fleet, path: str = "/health") -> httpx.Response:
    async with serving(fleet) as client:
        return await client.get(path)


async def test_a_healthy_node_is_ok() -> None:
    response = await health_of(Fleet([watch(FakeNode(NODE, FakeSession()), INSTANCE_ID)]))
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "nodes": [{"name": NODE, "creation": CREATION, "instance_id": INSTANCE_ID, "reason": None}],
    }


async def test_a_missing_supervisor_is_told_in_the_words_of_the_playbook() -> None:
    session = FakeSession()
    session.behaviours["erlang:whereis"] = UNDEFINED
    session.behaviours["erlang:binary_to_existing_atom"] = lambda name: name
    response = await health_of(fleet_of(session))
    assert response.status_code == 503
    assert response.text.startswith('{"status":"unavailable","reason":"supervisor governance_sup not running')


async def test_health_asks_only_what_it_needs() -> None:
    session = FakeSession()
    await health_of(fleet_of(session))
    assert "erlang:memory" not in session.calls


async def test_a_node_that_is_down_is_unavailable() -> None:
    response = await health_of(fleet_down(NODE))
    assert response.status_code == 503
    reason = f"node not connected: {NODE} on port 9100: nothing listens there"
    assert response.json() == {
        "status": "unavailable",
        "reason": reason,
        "nodes": [{"name": NODE, "creation": None, "instance_id": None, "reason": reason}],
    }


async def test_of_several_reasons_the_worst_is_told_and_each_node_has_its_own() -> None:
    session = FakeSession()
    session.behaviours["erlang:whereis"] = UNDEFINED
    down = FakeNode(OTHER_NODE)
    answer = (await health_of(Fleet([watch(FakeNode(NODE, session)), watch(down)]))).json()
    assert answer["reason"].startswith(f"{OTHER_NODE}: node not connected")
    first, second = (node["reason"] for node in answer["nodes"])
    assert first.startswith("supervisor ")
    assert second.startswith("node not connected")


async def test_a_node_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "QUESTION_SECONDS", 0.01)
    session = FakeSession()
    session.hold()
    response = await health_of(fleet_of(session))
    assert response.status_code == 503
    assert response.json()["reason"].startswith("node does not answer: ")


async def test_one_node_in_trouble_makes_all_unavailable_unless_another_is_meant() -> None:
    fleet = Fleet([watch(FakeNode(NODE, FakeSession())), watch(FakeNode(OTHER_NODE))])
    async with serving(fleet) as client:
        all_nodes = await client.get("/health")
        well = await client.get("/health", params={"node": NODE})
        sick = await client.get("/health", params={"node": OTHER_NODE})
    assert all_nodes.status_code == 503
    assert all_nodes.json()["reason"].startswith(f"{OTHER_NODE}: node not connected: ")
    assert well.status_code == 200
    assert [node["name"] for node in well.json()["nodes"]] == [NODE]
    assert sick.status_code == 503


async def test_health_of_a_node_that_is_not_watched_is_a_problem() -> None:
    problem = assert_problem(await health_of(fleet_down(NODE), "/health?node=other@here"), 404, "unknown-node")
    assert problem["detail"] == f"no node other@here is watched here: name one of {NODE}"


# -------------------------------------------------------------------------------------------------- livez, readyz, page


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_this_program_is_well_whatever_becomes_of_the_nodes(path: str) -> None:
    stuck = FakeSession()
    stuck.hold()
    fleet = Fleet([watch(FakeNode(NODE)), watch(FakeNode(OTHER_NODE, stuck))])
    async with serving(fleet) as client:
        response = await client.get(path)
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}
    assert stuck.calls == []


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in {"href", "src"} and value is not None]


async def test_every_link_of_the_first_page_leads_somewhere() -> None:
    async with serving(fleet_of(FakeSession())) as client:
        page = await client.get("/")
        links = Links()
        links.feed(page.text)
        statuses = {link: (await client.get(link)).status_code for link in links.found}
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert {"/metrics", "/health", "/api/v1/nodes", "/livez", "/readyz"} <= set(statuses)
    assert set(statuses.values()) == {200}


async def test_the_first_page_needs_nothing_from_elsewhere() -> None:
    async with serving(fleet_of(FakeSession())) as client:
        page = (await client.get("/")).text
    assert not re.search(r"https?:|<script|<link|@import", page)


async def test_a_probe_has_one_node_of_several_and_names_no_other() -> None:
    async with serving(fleet_of(FakeSession(), FakeSession(OTHER_NODE))) as client:
        response = await client.get("/probe", params={"target": OTHER_NODE})
    assert response.status_code == 200
    assert "erlang_vm_process_limit " in response.text  # of one node: it is not named
    assert f'erlang_node="{OTHER_NODE}"' in response.text
    assert f'erlang_node="{NODE}"' not in response.text


async def test_a_probe_of_a_node_that_is_not_watched_names_those_that_are() -> None:
    async with serving(fleet_of(FakeSession())) as client:
        problem = assert_problem(await client.get("/probe", params={"target": "evil@10.0.0.1"}), 404, "unknown-node")
    assert NODE in problem["detail"]
