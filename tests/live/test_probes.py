"""What the probes say, against what the node says when it is asked directly."""

from __future__ import annotations

import pytest

from agent.probes import identity, memory, statistics, supervisors, system_info
from agent.terms import Atom
from erlang_fixtures.beam import Beam
from tests.live.nodes import SECONDS, ask, join, number

pytestmark = pytest.mark.live


async def test_memory_adds_up(beam: Beam) -> None:
    session = await join(beam)
    found = await memory.ask(session, SECONDS)
    assert found.total == found.processes + found.system
    assert found.system > found.atom + found.binary + found.code + found.ets > 0
    code_now = await number(session, "erlang:memory", Atom("code"))
    assert found.code == pytest.approx(code_now, rel=0.2)
    session.close()


async def test_identity_is_the_runtime_s_own(beam: Beam) -> None:
    session = await join(beam)
    found = await identity.ask(session, SECONDS)
    otp = await ask(session, "erlang:system_info", Atom("otp_release"))
    assert [ord(code) for code in found.otp_release] == otp
    wall_clock = await ask(session, "erlang:statistics", Atom("wall_clock"))
    assert isinstance(wall_clock, tuple)
    assert isinstance(wall_clock[0], int)
    assert found.uptime_seconds <= wall_clock[0] / 1000 + 1 <= found.uptime_seconds + 60
    session.close()


async def test_statistics_go_up_and_not_down(beam: Beam) -> None:
    session = await join(beam)
    first = await statistics.ask(session, SECONDS)
    await ask(session, "lists:seq", 1, 10_000)
    second = await statistics.ask(session, SECONDS)
    for total in ("reductions", "context_switches", "input_bytes", "output_bytes", "garbage_collections"):
        assert getattr(second, total) >= getattr(first, total) > 0, total
    assert second.reductions > first.reductions
    session.close()


async def test_counts_are_the_node_s_own(beam: Beam) -> None:
    session = await join(beam)
    found = await system_info.ask(session, SECONDS)
    for name, item in {
        "process_limit": "process_limit",
        "port_limit": "port_limit",
        "atom_limit": "atom_limit",
        "ets_tables": "ets_count",
        "schedulers": "schedulers",
        "word_size_bytes": "wordsize",
    }.items():
        assert getattr(found, name) == await number(session, "erlang:system_info", Atom(item)), name
    unknown = [name for name in found.__slots__ if getattr(found, name) is None]
    assert set(unknown) <= {"logical_processors", "logical_processors_available", "logical_processors_online"}
    session.close()


async def test_supervisors_of_the_application_are_found_where_they_are(beam: Beam) -> None:
    session = await join(beam)
    names = ["tai_autonomics_sup", "governance_sup", "governor_sup"]
    found = await supervisors.ask(names, session, SECONDS)
    assert [one.name for one in found.expected] == names
    assert found.missing == ("governor_sup",)
    pid = await ask(session, "erlang:whereis", Atom("governance_sup"))
    assert found.expected[1].pid == "".join(map(chr, await printed(session, pid)))
    session.close()


async def printed(session: object, pid: object) -> list[int]:
    answer = await ask(session, "erlang:pid_to_list", pid)  # type: ignore[arg-type]  # a session and a pid
    assert isinstance(answer, list)
    return [code for code in answer if isinstance(code, int)]


async def test_a_terminated_supervisor_is_missing(beam: Beam) -> None:
    session = await join(beam)
    root, child = Atom("tai_autonomics_sup"), Atom("observability_sup")
    assert await ask(session, "supervisor:terminate_child", root, child) == Atom("ok")
    try:
        assert (await supervisors.ask(["observability_sup"], session, SECONDS)).missing == ("observability_sup",)
    finally:
        await ask(session, "supervisor:restart_child", root, child)
    assert (await supervisors.ask(["observability_sup"], session, SECONDS)).missing == ()
    session.close()
