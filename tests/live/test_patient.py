"""First, do no harm: what is left on a node after we have asked it things, and after we have died while asking."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from agent.errors import DeadlineExceeded, RemoteError, WorkerDied
from agent.probes import vital_signs
from agent.terms import Atom
from erlang_fixtures.beam import Beam
from tests.fakes import until
from tests.live.nodes import SECONDS, ask, census, join, messages_waiting, number, settles_to

pytestmark = pytest.mark.live

FOREVER = [Atom("infinity")]


async def test_a_thousand_questions_that_time_out_leave_nothing(beam: Beam) -> None:
    session = await join(beam)
    before, waiting = await census(session), await messages_waiting(session)
    for _ in range(10):
        asked = [session.call("timer", "sleep", FOREVER, deadline_seconds=0.05) for _ in range(100)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(answer, DeadlineExceeded) for answer in answers)
    await settles_to(session, before)
    assert await messages_waiting(session) == waiting
    session.close()


ASK_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from agent import Target, connect, read_cookie_file
from agent.terms import Atom

async def main():
    session = await connect(Target.parse(sys.argv[1]), read_cookie_file(Path(sys.argv[2])))
    calls = [
        asyncio.ensure_future(session.call("timer", "sleep", [Atom("infinity")], deadline_seconds=600))
        for _ in range(100)
    ]
    await asyncio.sleep(0)
    await session.call("erlang", "node", [], deadline_seconds=60)
    print("asked", flush=True)
    await asyncio.gather(*calls)

asyncio.run(main())
"""


async def test_our_sudden_death_with_a_hundred_questions_under_way_leaves_nothing(beam: Beam) -> None:
    session = await join(beam)
    before = await census(session)
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ASK_FOR_EVER, beam.target, str(beam.cookie_file), stdout=asyncio.subprocess.PIPE
    )
    assert victim.stdout is not None
    assert await asyncio.wait_for(victim.stdout.readline(), SECONDS) == b"asked\n"
    assert (await census(session))["processes"] >= before["processes"] + 100
    victim.send_signal(signal.SIGKILL)
    await victim.wait()
    await settles_to(session, before)
    session.close()


async def test_vital_signs_leave_no_process_no_message_and_no_server_behind(beam: Beam) -> None:
    session = await join(beam)
    probes = vital_signs(["governance_sup", "no_such_supervisor_anywhere"])
    for probe in probes.values():  # OTP's own modules load once
        await probe(session, SECONDS)
    before, waiting = await census(session), await messages_waiting(session)
    loaded = await number(session, "erlang:length", await ask(session, "erlang:loaded"))
    registered = await number(session, "erlang:length", await ask(session, "erlang:registered"))
    atoms = await number(session, "erlang:system_info", Atom("atom_count"))
    for _ in range(20):
        for probe in probes.values():
            await probe(session, SECONDS)
    await settles_to(session, before)
    assert await messages_waiting(session) == waiting
    assert await number(session, "erlang:length", await ask(session, "erlang:loaded")) == loaded
    assert await number(session, "erlang:length", await ask(session, "erlang:registered")) == registered
    assert await number(session, "erlang:system_info", Atom("atom_count")) == atoms
    session.close()


async def test_names_from_outside_never_become_atoms(beam: Beam) -> None:
    session = await join(beam)
    await vital_signs(["first"])["supervisors"](session, SECONDS)
    before = await number(session, "erlang:system_info", Atom("atom_count"))
    names = [f"unheard_of_{number_}" for number_ in range(500)]
    await vital_signs(names)["supervisors"](session, SECONDS)
    assert await number(session, "erlang:system_info", Atom("atom_count")) == before
    session.close()


async def test_a_node_without_dets_stays_without(beam: Beam) -> None:
    session = await join(beam)
    found = await vital_signs()["system_info"](session, SECONDS)
    assert getattr(found, "dets_tables") == 0  # noqa: B009  # the probes' results have no common type
    for server in ("dets", "dets_sup"):
        assert await ask(session, "erlang:whereis", Atom(server)) == Atom("undefined")
    session.close()


async def test_the_node_s_log_has_not_a_line_of_us(erl: Path) -> None:
    # Below notice a node also reports the progress of its own start, which may come late.
    with Beam(erl, arguments=["-kernel", "logger_level", "notice"]) as beam:
        session = await join(beam)
        await ask(session, "logger:error", list(b"the first line"))
        await until(lambda: "the first line" in beam.log.read_text(), "the log is written")
        for probe in vital_signs(["nobody_sup"]).values():
            await probe(session, SECONDS)
        for function in ("error", "exit", "throw"):
            with pytest.raises(RemoteError):
                await session.call("erlang", function, [Atom("sorry")], deadline_seconds=SECONDS)
            with pytest.raises(RemoteError):
                await session.call_detached("erlang", function, [Atom("sorry")], deadline_seconds=SECONDS)
        with pytest.raises(WorkerDied):
            await session.call("lists", "seq", [1, 10_000_000], deadline_seconds=SECONDS)
        with pytest.raises(DeadlineExceeded):
            await session.call("timer", "sleep", FOREVER, deadline_seconds=0.05)
        session.close()
        last = await join(beam)
        await ask(last, "logger:error", list(b"the last line"))
        await until(lambda: "the last line" in beam.log.read_text(), "the log is written")
        between = beam.log.read_text().partition("the first line")[2].partition("the last line")[0]
        last.close()
    assert [line for line in between.splitlines() if line and "ERROR REPORT" not in line] == []
