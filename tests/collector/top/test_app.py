"""The program with keys and a screen, but without a terminal. What it shows of a node is `test_screen`'s."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot

from collector.command_line.client import AskAgain, ClientError, Collector
from collector.top.app import Canvas, Top, run
from tests.collector_fakes import FakeClock
from tests.top_source import FakeSource

PATIENCE_SECONDS = 20.0


class Shown:
    """A running program and its keys."""

    def __init__(self, top: Top, pilot: Pilot[None]) -> None:
        self.top = top
        self._pilot = pilot

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)

    async def resize(self, width: int, height: int) -> None:
        await self._pilot.resize_terminal(width, height)

    @property
    def text(self) -> str:
        """What is on the screen, line by line."""
        strips = self.top.query_one(Canvas).render_lines(self.top.screen.size.region)
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    async def until(self, wanted: Callable[[str], bool]) -> str:
        """Wait until the screen is as wanted; fail with what it is."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not wanted(self.text):
                    await self._pilot.pause(0.01)
        except TimeoutError:
            raise AssertionError(self.text) from None
        return self.text

    async def until_it_says(self, *words: str) -> str:
        return await self.until(lambda text: all(word in text for word in words))


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@asynccontextmanager
async def shown(source: FakeSource, clock: FakeClock, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Shown]:
    top = Top(source, 2.0, clock.monotonic)
    async with top.run_test(size=size) as pilot:
        yield Shown(top, pilot)


async def test_it_shows_the_node_its_vital_signs_its_troubles_and_its_largest_processes(
    source: FakeSource, clock: FakeClock
) -> None:
    async with shown(source, clock) as screen:
        text = await screen.until_it_says("receipt_store", "46.0 MiB", "not running: ssl", "+50%")
    lines = text.splitlines()
    assert len(lines) == 24
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("tai_autonomics@127.0.0.1  OTP 26")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["2"], ["[2 tables]", "* receipt_ledger"]),
        (["3"], ["[3 supervisors]", "quota_sla_sup", "not answering"]),
        (["4"], ["[4 applications]", "> ssl"]),
        (["5"], ["[5 governors]", "{quota_governor"]),
        (["6"], ["[6 ports]", "#Port<0.15>"]),
        (["tab", "tab"], ["[3 supervisors]"]),
        (["shift+tab"], ["[6 ports]"]),
        (["right"], ["[2 tables]"]),
        (["left"], ["[6 ports]"]),
        (["s"], ["queue▼"]),
        (["s", "s"], ["reductions▼"]),
        (["s", "s", "s"], ["memory▼", "[1 processes]"]),
        (["6", "m"], ["[1 processes]", "memory▼"]),
        (["w"], ["queue▼", "12,003 messages wait"]),
        (["b"], ["reductions▼", "2,408,001 reductions"]),
        (["t"], ["[2 tables]", "memory▼"]),
        (["n"], ["[2 tables]"]),
        (["question_mark"], ["Panes", "Orders", "Rows"]),
        (["h", "h"], ["> <0.111.0>"]),
        (["p"], ["PAUSED"]),
        (["space", "space"], ["every 2 s"]),
    ],
)
async def test_a_key_does_what_the_help_says(
    source: FakeSource, clock: FakeClock, keys: list[str], words: list[str]
) -> None:
    async with shown(source, clock) as screen:
        await screen.until_it_says("receipt_store")
        await screen.press(*keys)
        await screen.until_it_says(*words)


async def test_arrows_choose_a_row_and_enter_looks_at_it_alone(source: FakeSource, clock: FakeClock) -> None:
    async with shown(source, clock) as screen:
        await screen.until_it_says("> <0.111.0>")
        await screen.press("down")
        await screen.until_it_says("> <0.120.0>")
        await screen.press("enter")
        await screen.until_it_says("process <0.120.0>   Esc goes back", "started with", "gen_server:loop/7")
        await screen.press("escape")
        await screen.until_it_says("> <0.120.0>")
        await screen.press("home")
        await screen.until_it_says("> <0.111.0>")
        await screen.press("end")
        await screen.until_it_says("> <0.250.0>")


async def test_a_process_that_is_gone_is_told_where_it_would_stand(source: FakeSource, clock: FakeClock) -> None:
    source.troubles["process"] = ClientError("no process <0.111.0> is alive")
    async with shown(source, clock) as screen:
        await screen.until_it_says("receipt_store")
        await screen.press("enter")
        await screen.until_it_says("! no process <0.111.0> is alive")


async def test_what_is_long_is_scrolled(source: FakeSource, clock: FakeClock) -> None:
    async with shown(source, clock) as screen:
        await screen.press("question_mark")
        await screen.until_it_says("beamwarden top: one Erlang node")
        await screen.press("pagedown", "pagedown", "pagedown")
        await screen.until_it_says("fewer than are added")
        await screen.press("home")
        await screen.until_it_says("beamwarden top: one Erlang node")


async def test_it_goes_on_when_the_collector_is_gone_and_shows_it_when_it_is_back(
    source: FakeSource, clock: FakeClock
) -> None:
    async with shown(source, clock) as screen:
        await screen.until_it_says("receipt_store")
        for path in ("", "memory", "system", "trend", "processes"):
            source.troubles[path] = ClientError("no collector answers at http://127.0.0.1:9750")
        clock.now += 20.0
        await screen.until_it_says("! no collector answers at http://127.0.0.1:9750", "what is shown is 20 s old")
        source.troubles.clear()
        clock.now += 2.0
        await screen.until(lambda text: "no collector" not in text and "receipt_store" in text)


async def test_a_question_that_was_asked_too_often_is_told_and_asked_as_a_program_asks(
    source: FakeSource, clock: FakeClock
) -> None:
    async with shown(source, clock) as screen:
        await screen.until_it_says("receipt_store")
        source.troubles["processes"] = AskAgain("processes was asked a moment ago", 30.0)
        await screen.press("r")
        await screen.until_it_says("! processes was asked a moment ago")
        source.troubles.clear()
        source.asked.clear()
        clock.now += 8.0
        await screen.until(lambda text: "a moment ago" not in text)
        assert "processes" in source.asked
        assert "processes!" not in source.asked


async def test_r_asks_now_and_as_a_person(source: FakeSource, clock: FakeClock) -> None:
    async with shown(source, clock) as screen:
        await screen.until_it_says("receipt_store")
        source.asked.clear()
        await screen.press("r")
        await screen.until(lambda _text: "processes!" in source.asked)


async def test_while_it_is_paused_nothing_is_asked(source: FakeSource, clock: FakeClock) -> None:
    async with shown(source, clock) as screen:
        await screen.until_it_says("receipt_store", "not running: ssl")
        await screen.press("p")
        source.asked.clear()
        clock.now += 100.0
        await screen.until_it_says("100 s old")
        assert source.asked == []


async def test_a_slow_answer_holds_up_no_key(source: FakeSource, clock: FakeClock) -> None:
    source.may_answer.clear()
    async with shown(source, clock) as screen:
        await screen.until_it_says("46.0 MiB", "asking ...")
        await screen.press("2")
        await screen.until_it_says("[2 tables]", "asking ...")
        source.may_answer.set()
        await screen.until_it_says("* receipt_ledger")


async def test_it_draws_for_the_size_that_the_terminal_has(source: FakeSource, clock: FakeClock) -> None:
    async with shown(source, clock) as screen:
        await screen.until_it_says("receipt_store")
        await screen.resize(140, 45)
        text = await screen.until_it_says("lines: last", "tai_receipt_store:init/1")
        assert len(text.splitlines()) == 45
        await screen.resize(30, 8)
        await screen.until_it_says("too small")


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_a_key_ends_it(source: FakeSource, clock: FakeClock, key: str) -> None:
    async with shown(source, clock) as screen:
        await screen.until_it_says("receipt_store")
        await screen.press(key)
        assert screen.top.return_code == 0
        assert not screen.top.is_running


async def test_it_ends_also_while_a_question_is_under_way(source: FakeSource, clock: FakeClock) -> None:
    source.may_answer.clear()
    async with shown(source, clock) as screen:
        await screen.until_it_says("asking ...")
        await screen.press("q")
    source.may_answer.set()


def test_without_a_terminal_it_says_what_to_use_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ClientError, match="--watch"):
        run(Collector("http://127.0.0.1:1"), 2.0)


def test_nothing_else_loads_what_draws_on_the_whole_screen() -> None:
    loads = "import sys, collector.cli, collector.serve"
    program = f"{loads}; print([name for name in sys.modules if name.split('.')[0] == 'textual'])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
