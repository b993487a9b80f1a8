"""A real node beside a real collector: driven into its memory limit until it is killed, and then told of by its log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import secrets
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from agent.errors import AgentError
from agent.probes.kernel_files import own_cgroups
from agent.terms import Atom, Map
from erlang_fixtures.beam import Beam
from tests.command_line import Ran, run_in_thread
from tests.fakes import until
from tests.live.nodes import ask, join
from tests.live.test_service import Service, serving

pytestmark = [pytest.mark.live, pytest.mark.skipif(sys.platform != "linux", reason="the limits are those of Linux")]

MIB = 1024 * 1024
LIMIT_BYTES = 128 * MIB  # of what it takes from then on
ROWS_PER_SECOND = 100_000  # some 9 MiB
DEATH_SECONDS = 180.0


@pytest.fixture
def own_beam(erl: Path) -> Iterator[Beam]:
    """A node that ends in the test; its address space is not reserved in advance for what it does not use."""
    with Beam(erl, applications=["tai_autonomics"], arguments=["+MIscs", "64"]) as beam:
        yield beam


@contextlib.contextmanager
def in_cgroup(beam: Beam) -> Iterator[None]:
    """Put a node into a cgroup of its own with a memory limit, or skip where the machine lets nobody make one."""
    mounted = own_cgroups(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())
    usable = [one for one in mounted if Path(one.limit_file).exists()]
    if not usable:
        pytest.skip("no cgroup with a memory controller is mounted here")
    folder = Path(usable[0].folder) / f"beamwarden-{secrets.token_hex(4)}"
    try:
        folder.mkdir()
        (folder / Path(usable[0].limit_file).name).write_text(str(LIMIT_BYTES))
        (folder / "cgroup.procs").write_text(str(beam.pid))
    except OSError as error:
        if folder.exists():
            folder.rmdir()
        pytest.skip(f"cgroups cannot be made here: {error}")
    try:
        yield
    finally:
        beam.kill()
        folder.rmdir()


@contextlib.contextmanager
def under_ulimit(beam: Beam) -> Iterator[None]:
    """Bound the address space of a node: then it is not killed, but ends itself when it gets no more."""
    status = Path(f"/proc/{beam.pid}/status").read_text()
    size_bytes = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmSize:"))
    resource.prlimit(beam.pid, resource.RLIMIT_AS, (size_bytes + LIMIT_BYTES, resource.RLIM_INFINITY))
    yield


def watched(beam: Beam) -> AbstractAsyncContextManager[Service]:
    return serving(
        *("--node", beam.target, "--cookie-file", str(beam.cookie_file)),
        *("--watch-tables", "growing_table", "--vitals-interval-seconds", "2", "--trend-interval-seconds", "1"),
    )


async def fill_memory(beam: Beam, service: Service) -> None:
    """Let a table grow until the node is gone, and the collector has told that."""
    options = Map([(Atom("rows"), 0), (Atom("rows_per_second"), ROWS_PER_SECOND)])
    with contextlib.closing(await join(beam)) as session:
        with contextlib.suppress(AgentError):  # it may be gone before it answers
            await ask(session, "ill_ets_growth:on", options)
        await until(lambda: boxes(service, "contact"), "the node is lost", deadline_seconds=DEATH_SECONDS)


def boxes(service: Service, kind: str) -> list[dict[str, Any]]:
    """The lines of the black box that were written for a reason of this kind."""
    return [line for line in service.said("black box") if kind in {each["kind"] for each in reasons(line)}]


def reasons(line: dict[str, Any]) -> list[dict[str, Any]]:
    found = line["reasons"]
    assert isinstance(found, list)
    return found


async def autopsy(lines: list[dict[str, Any]], *arguments: str) -> Ran:
    """Run the command line over these lines."""
    return await run_in_thread("autopsy", "-", *arguments, given="".join(f"{json.dumps(line)}\n" for line in lines))


async def test_a_node_that_was_killed_for_its_memory_is_told_of_by_the_log_alone(own_beam: Beam) -> None:
    with in_cgroup(own_beam):
        async with watched(own_beam) as service:
            await until(lambda: service.said("vital signs"), "it is looked at", deadline_seconds=60)
            await fill_memory(own_beam, service)
        assert [reason["what"] for line in boxes(service, "memory") for reason in reasons(line)]
        ran = await autopsy(service.log, "--json")
        answer = json.loads(ran.output)
        assert (ran.status, ran.errors) == (0, "")
        assert answer["death"]["cause"] == "memory"
        # What grew is known, by the trend of the last line.
        changes = {each["what"]: each["last"] - each["first"] for each in answer["changes"]}
        parts = ("processes", "binary", "ets", "code", "atom")
        assert max(parts, key=lambda kind: changes.get(f"memory {kind}", 0)) == "ets"
        assert changes["memory ets"] > 0.5 * LIMIT_BYTES
        # Of the largest tables the node may be asked too seldom for so fast an end; the watched are in the trend. They
        # are not asked at each of its points either, so how much of the growth was seen is a matter of the machine.
        assert changes["table growing_table memory"] > 0.1 * LIMIT_BYTES
        assert "memory_near_limit" in {each["rule"] for each in answer["findings"]}
        assert answer["commands"][0]["name"] == "memory_kills"

        # On Cloud Run the collector is killed as well, so the log ends before it can tell that the node is gone.
        end = service.log.index(boxes(service, "memory")[-1]) + 1
        silent = json.loads((await autopsy(service.log[:end], "--json")).output)
        assert (silent["death"]["cause"], silent["death"]["confidence"] in {"likely", "possible"}) == ("memory", True)

        shown = await autopsy(service.log)
        assert "the node went, and the instance lived on: its memory was full" in shown.output


@pytest.mark.slow
async def test_a_node_that_gets_no_more_address_space_has_ended_for_its_memory(own_beam: Beam) -> None:
    with under_ulimit(own_beam):
        async with watched(own_beam) as service:
            await until(lambda: service.said("vital signs"), "it is looked at", deadline_seconds=60)
            await fill_memory(own_beam, service)
    assert json.loads((await autopsy(service.log, "--json")).output)["death"]["cause"] == "memory"


async def test_who_is_told_to_end_says_what_is_known_within_the_second_that_it_has(own_beam: Beam) -> None:
    async with watched(own_beam) as service:
        await until(lambda: service.said("vital signs"), "it is looked at", deadline_seconds=60)
        service.process.terminate()
        assert await asyncio.wait_for(service.process.wait(), 30) == 0
    (line,) = service.said("black box")
    assert [each["kind"] for each in reasons(line)] == ["sigterm"]
    assert line["erlang_node"] == own_beam.name
    assert line["memory_total_bytes"]
    answer = json.loads((await autopsy(service.log, "--json")).output)
    assert answer["death"]["cause"] == "told to end"


async def test_an_application_that_goes_is_told_while_the_node_lives(own_beam: Beam) -> None:
    async with watched(own_beam) as service:
        await until(lambda: service.said("vital signs"), "it is looked at", deadline_seconds=60)
        with contextlib.closing(await join(own_beam)) as session:
            await ask(session, "application:stop", Atom("tai_autonomics"))
        await until(lambda: boxes(service, "application"), "it is told", deadline_seconds=60)
    (line,) = boxes(service, "application")
    assert line["applications_not_running"] == ["tai_autonomics"]
    assert "application_down" in {each["rule"] for each in line["findings"]}
