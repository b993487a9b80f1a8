"""The program as it is run: started by its command, asked over HTTP, ended by a signal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.terms import Atom
from collector.access.attempts import MAX_REFUSALS
from collector.access.permissions import Role
from collector.access.tokens import create_token, revoke_token
from erlang_fixtures.beam import Beam, free_port
from tests.command_line import run_in_thread
from tests.fakes import pause, until
from tests.live.nodes import ask, join

pytestmark = pytest.mark.live

PROGRAM = Path(sys.executable).with_name("beamwarden")


class Service:
    """A running collector: where it is, and what it has logged so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[dict[str, object]] = []
        self.http = httpx.AsyncClient(timeout=30, trust_env=False)

    async def read_log(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.log.append(json.loads(line))

    def said(self, start: str) -> list[dict[str, object]]:
        """The log lines whose message begins so."""
        return [line for line in self.log if str(line["message"]).startswith(start)]

    async def get(self, path: str, **headers: str) -> httpx.Response:
        (line,) = self.said("serving on")
        return await self.http.get(str(line["message"]).removeprefix("serving on ") + path, headers=headers)

    async def up(self) -> list[float]:
        """``beam_up`` of every node, by a scrape."""
        scrape = await self.get("/metrics")
        families = {family.name: family for family in text_string_to_metric_families(scrape.text)}
        return [sample.value for sample in families["beam_up"].samples]

    async def is_up(self) -> None:
        """Wait until the first node answers a scrape."""
        async with asyncio.timeout(60):
            while (await self.up())[0] != 1:
                await pause()


@contextlib.asynccontextmanager
async def serving(*arguments: str, environment: dict[str, str] | None = None) -> AsyncIterator[Service]:
    """Run ``beamwarden serve`` on a free port, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--journal",
            f"{folder}/journal.db",
            *arguments,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=asyncio.subprocess.PIPE,
        )
        service = Service(process)
        reading = asyncio.create_task(service.read_log())
        try:
            await until(lambda: service.said("serving on"), "it serves", deadline_seconds=60)
            yield service
        finally:
            await service.http.aclose()
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await asyncio.wait_for(process.wait(), 30)
            await reading


def watching(beam: Beam) -> Sequence[str]:
    expected = "tai_autonomics_sup,governance_sup"
    return "--node", beam.target, "--cookie-file", str(beam.cookie_file), "--expected-supervisors", expected


@pytest.fixture(scope="module")
async def shared(beam: Beam) -> AsyncIterator[Service]:
    """A collector beside the node that the tests of this file share: leave both as you found them."""
    async with serving(*watching(beam), "--vitals-interval-seconds", "1") as service:
        await service.is_up()
        yield service


@pytest.fixture
def own_beam(erl: Path) -> Iterator[Beam]:
    """A node that the test may stop."""
    with Beam(erl, applications=["tai_autonomics"]) as beam:
        yield beam


async def test_a_scrape_has_the_vital_signs(beam: Beam, shared: Service) -> None:
    scrape = (await shared.get("/metrics")).text
    names = {family.name for family in text_string_to_metric_families(scrape)}
    assert {"erlang_vm_memory_bytes", "erlang_vm_statistics_reductions", "erlang_vm_process_limit"} <= names
    assert f'beam_up{{erlang_node="{beam.name}"}} 1.0' in scrape
    assert 'erlang_vm_memory_bytes{kind="processes"}' in scrape
    assert "beamwarden_internal_errors_total 0.0" in scrape


async def test_health_follows_the_supervisors_in_the_playbook_s_words(beam: Beam, shared: Service) -> None:
    session = await join(beam)
    assert (await shared.get("/health")).json()["status"] == "ok"
    root, child = Atom("tai_autonomics_sup"), Atom("governance_sup")
    assert await ask(session, "supervisor:terminate_child", root, child) == Atom("ok")
    answer = await shared.get("/health")
    await ask(session, "supervisor:restart_child", root, child)
    assert answer.status_code == 503
    assert answer.json()["status"] == "unavailable"
    assert answer.json()["reason"] == "supervisor governance_sup not running"
    assert (await shared.get("/health")).status_code == 200
    session.close()


async def test_every_answer_names_the_life_of_the_node(own_beam: Beam) -> None:
    async with serving(*watching(own_beam)) as service:
        await service.is_up()
        first = (await service.get("/api/v1/nodes/-/memory")).json()["node"]
        own_beam.kill()
        assert (await service.get("/api/v1/nodes/-/memory")).status_code == 503
        own_beam.start()
        await service.is_up()
        second = (await service.get("/api/v1/nodes/-/memory")).json()["node"]
    assert first["name"] == second["name"] == own_beam.name
    assert first["creation"] != second["creation"]


async def test_a_node_that_hangs_is_not_up_although_its_connection_stands(own_beam: Beam) -> None:
    async with serving(*watching(own_beam)) as service:
        await service.is_up()
        os.kill(own_beam.pid, signal.SIGSTOP)
        scrape = await service.get("/metrics", **{"X-Prometheus-Scrape-Timeout-Seconds": "1"})
        assert f'beam_up{{erlang_node="{own_beam.name}"}} 0.0' in scrape.text
        assert "erlang_vm" not in scrape.text
        assert (await service.get("/health")).json()["reason"].startswith("node does not answer")
        assert (await service.get("/livez")).status_code == 200
        assert (await service.get("/readyz")).status_code == 200
        assert service.said("not connected") == []
        os.kill(own_beam.pid, signal.SIGCONT)
        await service.is_up()


async def test_a_node_that_was_never_there_harms_nobody(beam: Beam) -> None:
    absent = f"absent@127.0.0.1:{free_port()}"
    async with serving("--node", absent, *watching(beam)) as service:
        async with asyncio.timeout(60):
            while await service.up() != [0.0, 1.0]:
                await pause()
        nodes = (await service.get("/api/v1/nodes")).json()["nodes"]
        assert [node["connection"]["state"] for node in nodes] == ["down", "up"]
        assert "absent@127.0.0.1: node not connected" in (await service.get("/health")).json()["reason"]


async def test_the_log_has_a_line_per_change_and_none_per_scrape(own_beam: Beam) -> None:
    async with serving(*watching(own_beam)) as service:
        await service.is_up()
        for _ in range(20):
            await service.up()
        told = [
            line["message"] for line in service.log if line["message"] != "vital signs"
        ]  # which have their own time
        assert told[1:] == [service.said("connected as")[0]["message"]]
        own_beam.kill()
        await until(lambda: service.said("not connected"), "the loss is told")
        own_beam.start()
        await until(lambda: len(service.said("connected as")) == 2, "the return is told", deadline_seconds=60)
    assert {line["severity"] for line in service.said("not connected")} == {"WARNING"}
    assert all({"severity", "time", "message"} <= line.keys() for line in service.log)
    creations = [line["creation"] for line in service.said("connected as")]
    assert len(set(creations)) == 2


async def test_vital_signs_are_logged_at_each_interval(beam: Beam, shared: Service) -> None:
    await until(lambda: len(shared.said("vital signs")) >= 2, "two lines", deadline_seconds=30)
    line = shared.said("vital signs")[-1]
    assert line["erlang_node"] == beam.name
    assert isinstance(line["memory_total_bytes"], int)
    assert isinstance(line["processes"], int)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_and_answers_whoever_waits(own_beam: Beam, number: signal.Signals) -> None:
    async with serving(*watching(own_beam)) as service:
        await service.is_up()
        os.kill(own_beam.pid, signal.SIGSTOP)
        (line,) = service.said("serving on")
        host, _, port = str(line["message"]).rpartition("/")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /api/v1/nodes/-/memory HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        own_port = writer.get_extra_info("sockname")[1]
        # What it has not read yet when it is told to end is nobody's request: its connection is closed.
        await until(lambda: unread_bytes(int(port), own_port) == 0, "it has read the request")
        service.process.send_signal(number)
        assert await asyncio.wait_for(service.process.wait(), 30) == 0
        answer = await asyncio.wait_for(reader.read(), 30)
        assert b"content-type: application/problem+json" in answer.lower()
        writer.close()
        os.kill(own_beam.pid, signal.SIGCONT)
    assert service.log[-1]["message"] == "ended"


def unread_bytes(port: int, from_port: int) -> int | None:
    """How much of what came from a port on this machine waits to be read at another; None without a connection."""
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = row.split()
        if int(local.partition(":")[2], 16) == port and int(remote.partition(":")[2], 16) == from_port:
            return int(queues.partition(":")[2], 16)
    return None


async def test_the_node_sees_us_go(own_beam: Beam) -> None:
    session = await join(own_beam)
    alone = await ask(session, "erlang:nodes", Atom("hidden"))
    async with serving(*watching(own_beam)) as service:
        await service.is_up()
        assert await ask(session, "erlang:nodes", Atom("hidden")) != alone
    async with asyncio.timeout(30):
        while await ask(session, "erlang:nodes", Atom("hidden")) != alone:
            await pause()
    session.close()


async def test_a_cookie_in_the_environment_is_nowhere_to_be_seen(beam: Beam) -> None:
    arguments = ["--node", beam.target]
    async with serving(*arguments, environment={"BEAMWARDEN_COOKIE": beam.cookie}) as service:
        await service.is_up()
        paths = ("/metrics", "/health", "/api/v1/nodes", "/api/v1/nodes/-", "/openapi.json")
        seen = [json.dumps(service.log), command_line(service.process.pid)]
        seen += [(await service.get(path)).text for path in paths]
    assert not any(beam.cookie in text for text in seen)


def command_line(pid: int) -> str:
    """What ``ps`` shows of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text()


async def test_a_wrong_cookie_is_told_by_health_and_in_the_log(beam: Beam) -> None:
    async with serving("--node", beam.target, environment={"BEAMWARDEN_COOKIE": "wrong"}) as service:
        await until(lambda: service.said("not connected"), "it is told")
        assert "does not accept our cookie" in (await service.get("/health")).json()["reason"]
        assert await service.up() == [0.0]


async def test_the_command_line_asks_the_collector_and_the_node_alike(beam: Beam, shared: Service) -> None:
    async def run(*arguments: str) -> dict[str, object]:
        ran = await run_in_thread(*arguments, "--json")
        assert ran.status == 0
        answer = json.loads(ran.output)
        assert isinstance(answer, dict)
        return answer

    (line,) = shared.said("serving on")
    url = str(line["message"]).removeprefix("serving on ")
    direct = ("--node", beam.target, "--cookie-file", str(beam.cookie_file))
    for command in ("memory", "node"):
        asked, straight = await run(command, "--url", url), await run(command, *direct)
        assert asked.keys() == straight.keys()
        assert asked["node"] == straight["node"]


# -------------------------------------------------------------------------------------------------------- the journal


async def test_without_a_journal_it_serves_and_says_that_no_action_will_run(beam: Beam) -> None:
    async with serving(*watching(beam), "--journal", "/proc/no/such/place.db") as service:
        await until(lambda: service.said("no action will run until the journal can be written"), "it says so")
        await service.is_up()
        answer = await service.get("/api/v1/audit")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:beamwarden:no-journal"


async def test_a_journal_is_made_at_its_start(beam: Beam, tmp_path: Path) -> None:
    async with serving(*watching(beam), "--journal", str(tmp_path / "made" / "journal.db")) as service:
        answer = await service.get("/api/v1/audit")
    assert answer.json() == {"head": None, "entries": []}
    # Closed as it should be: what SQLite needs while it is open is gone.
    assert [file.name for file in (tmp_path / "made").iterdir()] == ["journal.db"]


# ----------------------------------------------------------------------------------------- tokens, which need no node

NO_NODE = ("--node", "nobody@127.0.0.1:1")
WRONG = {"Authorization": "Bearer bw_" + "x" * 43}


async def test_a_token_counts_while_the_collector_runs_and_until_it_is_revoked(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    environment = {"BEAMWARDEN_COOKIE": "none", "BEAMWARDEN_TOKENS_FILE": str(file)}
    through_a_proxy = {"Via": "1.1 proxy"}
    async with serving(*NO_NODE, environment=environment) as service:
        seen = [(await service.get("/api/v1/nodes", **through_a_proxy)).status_code]
        shown = {"Authorization": f"Bearer {create_token(file, 'grafana', Role.VIEWER)}"}
        seen.append((await service.get("/api/v1/nodes", **through_a_proxy, **shown)).status_code)
        revoke_token(file, "grafana")
        seen.append((await service.get("/api/v1/nodes", **through_a_proxy, **shown)).status_code)
    assert seen == [401, 200, 401]
    assert shown["Authorization"].removeprefix("Bearer ") not in json.dumps(service.log)


async def test_nobody_chooses_the_address_under_which_its_failures_are_counted(tmp_path: Path) -> None:
    environment = {"BEAMWARDEN_COOKIE": "none", "BEAMWARDEN_TOKENS_FILE": str(tmp_path / "tokens")}
    async with serving(*NO_NODE, environment=environment) as service:
        seen = [
            (await service.get("/api/v1/nodes", **WRONG, **{"X-Forwarded-For": f"192.0.2.{number}"})).status_code
            for number in range(MAX_REFUSALS + 1)
        ]
        metrics = (await service.get("/metrics")).text
    assert seen == [401] * MAX_REFUSALS + [429]
    assert f"\nbeamwarden_failed_logins_total {MAX_REFUSALS + 1}.0\n" in metrics


async def test_a_tokens_file_that_is_wrong_is_told_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("junk\n")
    environment = {"BEAMWARDEN_COOKIE": "none", "BEAMWARDEN_TOKENS_FILE": str(file)}
    async with serving(*NO_NODE, environment=environment) as service:
        assert (await service.get("/api/v1/nodes")).status_code == 200
        assert (await service.get("/api/v1/nodes", **WRONG, Via="1.1 proxy")).status_code == 503
    assert len(service.said(f"the tokens file {file}, line 1: ")) == 1
