"""``beamwarden top`` as a person runs it: in a terminal, with keys, on a real node and on a collector."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from agent import Session
from agent.terms import Atom
from erlang_fixtures.beam import Beam
from tests.live.illnesses import ill
from tests.live.nodes import ask, join
from tests.live.test_service import serving, watching

pytestmark = pytest.mark.live

PROGRAM = Path(sys.executable).with_name("beamwarden")
SECONDS = 30.0
_SEQUENCE = re.compile(rb"\x1b(?:\[[0-9;?<>=$]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9]|[=>])")


class Terminal:
    """A terminal of so many cells, and the program in it. ``written`` is all that was written to it."""

    def __init__(self, arguments: Sequence[str], width: int, height: int) -> None:
        self._ours, self._theirs = pty.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.before = termios.tcgetattr(self._theirs)
        self.written = b""
        self._looked_at = 0
        # Where these are set they count for more than the terminal, with every program of this kind.
        size_by_decree = {"COLUMNS", "LINES"}
        environment = {name: value for name, value in os.environ.items() if name not in size_by_decree}
        self.process = subprocess.Popen(
            [PROGRAM, "top", *arguments],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
            env={**environment, "TERM": "xterm-256color"},
        )

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def read(self, wait_seconds: float = 0.05) -> None:
        """Take what was written until now."""
        while select.select([self._ours], [], [], wait_seconds)[0]:
            try:
                self.written += os.read(self._ours, 1 << 16)
            except OSError:  # Linux's, when the last who had it open is gone
                return

    def until_it_says(self, *words: str) -> None:
        """Wait until all of these were written; fail with what was."""
        too_late = time.monotonic() + SECONDS
        while not all(word in self.text for word in words):
            assert time.monotonic() < too_late, self.text
            assert self.process.poll() is None, self.text
            self.read()

    def forget(self) -> None:
        """Look only at what is written from now on."""
        self._looked_at = len(self.written)

    @property
    def text(self) -> str:
        return _SEQUENCE.sub(b" ", self.written[self._looked_at :]).decode(errors="replace")

    def settings(self) -> list[object]:
        """How the terminal is set: which keys do what, and whether it shows what is typed."""
        return list(termios.tcgetattr(self._theirs))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@contextlib.contextmanager
def terminal(*arguments: str, width: int = 80, height: int = 24) -> Iterator[Terminal]:
    opened = Terminal(arguments, width, height)
    try:
        yield opened
    finally:
        opened.close()


def ends(shown: Terminal) -> int:
    """Wait until the program has ended, and take the rest of what it wrote."""
    too_late = time.monotonic() + SECONDS
    while shown.process.poll() is None:
        assert time.monotonic() < too_late, shown.text
        shown.read()
    shown.read()
    return shown.process.returncode


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
    with terminal(*straight(beam)) as shown:
        await asyncio.to_thread(shown.until_it_says, beam.name, "code_server", "run queue", "q quit")
        assert shown.settings() != shown.before
        shown.press("q")
        assert await asyncio.to_thread(ends, shown) == 0
        as_it_was(shown)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_signal_leaves_the_terminal_as_it_was(beam: Beam, number: signal.Signals) -> None:
    with terminal(*straight(beam)) as shown:
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
        with terminal(*options, width=140, height=45) as shown:
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
        with terminal("--url", url, width=140, height=45) as shown:
            await asyncio.to_thread(shown.until_it_says, beam.name, "code_server", "lines: last")
            shown.press("q")
            assert await asyncio.to_thread(ends, shown) == 0


async def test_a_node_that_dies_is_told_and_shown_again_when_it_is_back(erl: Path) -> None:
    with Beam(erl, applications=["tai_autonomics"]) as beam, terminal(*straight(beam), "--interval", "1") as shown:
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
    with terminal(*straight(beam), "--interval", "1") as shown:
        await asyncio.to_thread(shown.until_it_says, "code_server")
        shown.press("q")
        assert await asyncio.to_thread(ends, shown) == 0
    async with asyncio.timeout(SECONDS):
        while await count() != before:
            pass


def test_where_there_is_no_terminal_it_says_so(beam: Beam) -> None:
    command = [str(PROGRAM), "top", *straight(beam)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "needs a terminal" in ran.stderr
