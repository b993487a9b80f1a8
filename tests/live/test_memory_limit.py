"""The limits of real nodes, set from outside while they run."""

from __future__ import annotations

import asyncio
import resource
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agent import Session
from agent.probes import memory_limit
from agent.probes.kernel_files import own_cgroups
from agent.probes.memory_limit import LimitSource
from agent.terms import Atom
from erlang_fixtures.beam import Beam
from tests.fakes import pause
from tests.live.nodes import SECONDS, ask, join

pytestmark = [pytest.mark.live, pytest.mark.skipif(sys.platform != "linux", reason="the limits are those of Linux")]

MIB = 1024 * 1024


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


@pytest.fixture
def cgroup(beam: Beam) -> Iterator[Path]:
    """A memory cgroup of 4 GiB with the node in it, and above it one of 3 GiB."""
    mounted = own_cgroups(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())
    usable = [one for one in mounted if Path(one.limit_file).exists()]
    if not usable:
        pytest.skip("no cgroup with a memory controller is mounted here")
    limit_name = Path(usable[0].limit_file).name
    outer = Path(usable[0].folder) / f"beamwarden-{secrets.token_hex(4)}"
    inner = outer / "node"
    home = outer.parent / "cgroup.procs"
    try:
        outer.mkdir()
        inner.mkdir()
        (outer / limit_name).write_text(str(3072 * MIB))
        (inner / limit_name).write_text(str(4096 * MIB))
        (inner / "cgroup.procs").write_text(str(beam.pid))
    except OSError as error:
        for folder in (inner, outer):
            if folder.exists():
                folder.rmdir()
        pytest.skip(f"cgroups cannot be made here: {error}")
    yield inner
    home.write_text(str(beam.pid))
    inner.rmdir()
    outer.rmdir()


def kernel_says(file: str, name: str) -> int:
    """The bytes in a line of ``/proc/meminfo``, or of a process's ``status``."""
    line = next(line for line in Path(file).read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


async def test_the_machine_s_memory_and_the_resident_size_are_what_the_kernel_says(
    beam: Beam, session: Session
) -> None:
    found = await memory_limit.ask(session, SECONDS)
    machine = next(limit for limit in found.limits if limit.source is LimitSource.MACHINE)
    assert machine.limit_bytes == kernel_says("/proc/meminfo", "MemTotal")
    assert found.resident_bytes == pytest.approx(kernel_says(f"/proc/{beam.pid}/status", "VmRSS"), rel=0.3)
    assert found.resident_peak_bytes == pytest.approx(kernel_says(f"/proc/{beam.pid}/status", "VmHWM"), rel=0.3)
    assert not [why for why in found.not_known if "/proc/meminfo" in why or "/proc/self/status" in why]


async def test_the_limit_on_its_address_space_is_found(beam: Beam, session: Session) -> None:
    before = resource.prlimit(beam.pid, resource.RLIMIT_AS)
    resource.prlimit(beam.pid, resource.RLIMIT_AS, (1 << 45, before[1]))
    try:
        found = await memory_limit.ask(session, SECONDS)
    finally:
        resource.prlimit(beam.pid, resource.RLIMIT_AS, before)
    own = next(limit for limit in found.limits if limit.source is LimitSource.ADDRESS_SPACE)
    assert own.limit_bytes == 1 << 45
    assert own.used_bytes is not None
    assert found.resident_bytes is not None
    assert own.used_bytes > found.resident_bytes


async def test_the_limits_of_its_cgroup_and_of_the_one_above_are_found(cgroup: Path, session: Session) -> None:
    found = await memory_limit.ask(session, SECONDS)
    own, above = found.limits[:2]
    assert own.source in {LimitSource.CGROUP_V1, LimitSource.CGROUP_V2}
    assert Path(own.file).parent == cgroup
    assert (own.limit_bytes, above.limit_bytes) == (4096 * MIB, 3072 * MIB)
    assert found.nearest == above
    assert found.memory_kills == 0


@pytest.mark.usefixtures("cgroup")
async def test_what_the_node_takes_counts_against_the_limit_of_its_cgroup(session: Session) -> None:
    async def used() -> int:
        found = (await memory_limit.ask(session, SECONDS)).limits[0].used_bytes
        assert found is not None
        return found

    before = await used()
    half = bytes(MIB // 2)
    keys = [(Atom("undefined"), number) for number in range(80)]
    try:
        for key in keys:
            await ask(session, "persistent_term:put", key, half)
        async with asyncio.timeout(SECONDS):
            while await used() < before + 30 * MIB:
                await pause()
    finally:
        for key in keys:
            await ask(session, "persistent_term:erase", key)


async def test_it_is_told_while_the_node_s_file_server_hangs(session: Session) -> None:
    await ask(session, "sys:suspend", Atom("code_server"))
    server = await ask(session, "erlang:whereis", Atom("file_server_2"))
    await ask(session, "sys:suspend", server)
    try:
        assert (await memory_limit.ask(session, SECONDS)).resident_bytes is not None
    finally:
        await ask(session, "sys:resume", server)
        await ask(session, "sys:resume", Atom("code_server"))
