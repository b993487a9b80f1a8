"""``beamwarden top`` as a person runs it: in a terminal, with keys, on a real node and on a collector."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent import Session
from agent.terms import Atom
from erlang_fixtures.beam import Beam
from tests.fakes import pause
from tests.live.illnesses import ill
from tests.live.nodes import ask, join
from tests.live.test_service import serving, watching
from tests.terminal import PROGRAM, SECONDS, Terminal, ends, terminal

pytestmark = pytest.mark.live


def straight(beam: Beam) -> tuple[str, ...]:
    return "--node", beam.target, "--cookie-file", str(beam.cookie_file)


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


def as_it_was(shown: Terminal) -> None:
    """Assert that the terminal is set as before, shows the other screen again, and its cursor."""
    assert shown.settings() == shown.before
    assert shown.written.rindex(b"\x1b[?1049l") > shown.written.rindex(b"\x1b[?1049h")
    assert shown.written.rindex(b"\x1b[?25h") > shown.written.rindex(b"\x1b[?25l")


async def test_it_shows_the_node_and_q_leaves_the_terminal_as_it_was(beam: Beam) -> None:
    with terminal("top", *straight(beam)) as shown:
        await asyncio.to_thread(shown.until_it_says, beam.name, "code_server", "run queue", "q quit")
        assert shown.settings() != shown.before
        shown.press("q")
        assert await asyncio.to_thread(ends, shown) == 0
        as_it_was(shown)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
async def test_a_signal_leaves_the_terminal_as_it_was(beam: Beam, number: signal.Signals) -> None:
    with terminal("top", *straight(beam)) as shown:
        await asyncio.to_thread(shown.until_it_says, "code_server")
        shown.process.send_signal(number)
        assert await asyncio.to_thread(ends, shown) == 0
        as_it_was(shown)


async def test_illnesses_are_where_they_are_looked_for(beam: Beam, session: Session) -> None:
    async with (
        ill(session, "ill_mailbox_flood", messages=20_000),
        ill(session, "ill_ets_growth", rows=200_000),
        ill(session, "ill_hanging_supervisor", under=Atom("observability_sup")),
    ):
        options = (*straight(beam), "--watch-tables", "growing_table", "--interval", "1")
        with terminal("top", *options, width=140, height=45) as shown:
            await asyncio.to_thread(
                shown.until_it_says, "hanging_sup not answering", "20,000 messages in one mailbox", "q quit"
            )
            for key, words in {
                "w": ("flooded_mailbox", "20,000", "never_receive"),
                "t": ("* growing_table", "200,000"),
                "3": ("hanging_sup", "not answering"),
                "4": ("tai_autonomics", "running"),
                "5": ("{billing_governor",),
                "b": ("reductions",),
            }.items():
                shown.forget()
                shown.press(key)
                await asyncio.to_thread(shown.until_it_says, *words)
            shown.press("q")
            assert await asyncio.to_thread(ends, shown) == 0


async def test_it_asks_a_collector_and_shows_its_last_hour(beam: Beam) -> None:
    async with serving(*watching(beam), "--trend-interval-seconds", "1") as service:
        await service.is_up()
        (line,) = service.said("serving on")
        url = str(line["message"]).removeprefix("serving on ")
        with terminal("top", "--url", url, width=140, height=45) as shown:
            await asyncio.to_thread(shown.until_it_says, beam.name, "code_server", "lines: last")
            shown.press("q")
            assert await asyncio.to_thread(ends, shown) == 0


async def test_a_node_that_dies_is_told_and_shown_again_when_it_is_back(erl: Path) -> None:
    with (
        Beam(erl, applications=["tai_autonomics"]) as beam,
        terminal("top", *straight(beam), "--interval", "1") as shown,
    ):
        await asyncio.to_thread(shown.until_it_says, "code_server")
        shown.forget()
        beam.kill()
        await asyncio.to_thread(shown.until_it_says, "! ", "old")
        beam.start()
        shown.forget()
        await asyncio.to_thread(shown.until_it_says, "code_server", "up 0:00:0")
        shown.press("q")
        assert await asyncio.to_thread(ends, shown) == 0
        as_it_was(shown)


async def test_it_leaves_no_process_and_no_message_on_the_node(beam: Beam, session: Session) -> None:
    async def count() -> object:
        return await ask(session, "erlang:system_info", Atom("process_count"))

    before = await count()
    with terminal("top", *straight(beam), "--interval", "1") as shown:
        await asyncio.to_thread(shown.until_it_says, "code_server")
        shown.press("q")
        assert await asyncio.to_thread(ends, shown) == 0
    async with asyncio.timeout(SECONDS):
        while await count() != before:
            await pause()


def test_where_there_is_no_terminal_it_says_so(beam: Beam) -> None:
    command = [str(PROGRAM), "top", *straight(beam)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "needs a terminal" in ran.stderr
