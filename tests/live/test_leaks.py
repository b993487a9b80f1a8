from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent import Cookie, Down, Node, State, Target, Up, read_cookie_file
from agent import node as node_module
from agent import protocol as protocol_module
from agent.errors import ConnectionLost, NodeUnreachable, WrongCookie
from agent.node import FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS
from agent.terms import Atom
from erlang_fixtures.beam import Beam, free_port
from tests.fakes import until
from tests.live.nodes import SECONDS, ask, join_through, until_it_answers, watch_through
from tests.proxy import Cut, Drop, Proxy, Side, proxying

pytestmark = pytest.mark.live


@pytest.fixture
def own_beam(erl: Path) -> Iterator[Beam]:
    """A node that the test may kill."""
    with Beam(erl) as beam:
        yield beam


def held(beam: Beam) -> dict[str, int]:
    """What a program can run out of, without what the node's fixture opens and ends in its own time."""
    return {
        "tasks": len(asyncio.all_tasks()),
        "descriptors": sum(file.name != beam.log.name for file in open_files()),
        "threads": sum(not isinstance(thread, threading.Timer) for thread in threading.enumerate()),
    }


def open_files() -> Iterator[Path]:
    """What our descriptors lead to."""
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one by which they were listed
            yield descriptor.readlink()


async def until_held(expected: dict[str, int], beam: Beam) -> None:
    """Wait until we hold as much as before; fail with the difference."""
    try:
        await until(lambda: held(beam) == expected, "")
    except AssertionError:
        assert held(beam) == expected


async def in_thread(pool: ThreadPoolExecutor, work: Callable[[], None]) -> None:
    await asyncio.get_running_loop().run_in_executor(pool, work)


async def kill_and_find(beam: Beam, kills: int) -> None:
    """Kill the node again and again while questions are under way; count what we hold before and after."""
    changes: list[State] = []
    before_all = held(beam)
    target, cookie = Target.parse(beam.target), read_cookie_file(beam.cookie_file)
    # One thread for all starts: the loop's own pool may grow by itself.
    with ThreadPoolExecutor(1) as starter:
        async with Node(target, cookie, on_change=changes.append) as node:
            await until_it_answers(node, beam)
            await in_thread(starter, lambda: None)
            before = held(beam)
            for _ in range(kills):
                session = await until_it_answers(node, beam)
                questions = [asyncio.create_task(ask(session, "timer:sleep", Atom("infinity"))) for _ in range(20)]
                # Some are being answered when it dies, some have just been asked.
                questions += [asyncio.create_task(ask(session, "lists:seq", 1, 2000)) for _ in range(20)]
                await ask(session, "erlang:node")
                beam.kill()
                await asyncio.wait(questions, timeout=SECONDS)
                assert {type(question.exception()) for question in questions[:20]} == {ConnectionLost}
                assert {type(question.exception()) for question in questions} <= {ConnectionLost, type(None)}
                # Beside it, so that attempts go on while nothing listens and while it starts.
                await in_thread(starter, beam.start)
            await until_it_answers(node, beam)
            await until_held(before, beam)
            assert sum(isinstance(change, Up) for change in changes) > kills
    await until_held(before_all, beam)


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "backoff_seconds", lambda *_, **__: 0.02)


@pytest.mark.usefixtures("_hasty")
async def test_five_kills_of_a_node_leave_no_task_descriptor_or_thread(own_beam: Beam) -> None:
    await kill_and_find(own_beam, 5)


@pytest.mark.slow
@pytest.mark.usefixtures("_hasty")
async def test_a_hundred_kills_of_a_node_leave_no_task_descriptor_or_thread(own_beam: Beam) -> None:
    await kill_and_find(own_beam, 100)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that are asked for between attempts to connect; none of them is really as long."""
    asked: list[float] = []
    sleep = asyncio.sleep

    async def recorded(seconds: float) -> None:
        task = asyncio.current_task()
        if task is not None and task.get_name().startswith("keep "):
            asked.append(seconds)
            seconds = 0.01
        await sleep(seconds)

    monkeypatch.setattr(asyncio, "sleep", recorded)
    return asked


def assert_doubling(pauses: list[float]) -> None:
    longest = [min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0**doublings) for doublings in range(len(pauses))]
    shares = [pause / full for pause, full in zip(pauses, longest, strict=True)]
    assert all(0.5 <= share <= 1 for share in shares)
    assert max(shares) > min(shares), "without jitter all sidecars come back in step"


def assert_one_at_a_time(proxy: Proxy, pauses: list[float]) -> None:
    assert proxy.most_at_once == 1
    assert proxy.total - len(pauses) in {0, 1}, "one pause after each attempt"


async def test_while_nothing_listens_attempts_come_one_at_a_time_and_ever_more_rarely(pauses: list[float]) -> None:
    # Behind the proxy is nobody; it counts who comes, and closes.
    async with proxying(free_port()) as proxy:
        target = Target.parse(f"nobody@127.0.0.1:{proxy.port}")
        async with Node(target, Cookie("x")) as node:
            await until(lambda: len(pauses) >= 12, "twelve attempts")
            assert_doubling(pauses[:12])
            assert_one_at_a_time(proxy, pauses)
            assert isinstance(node.state, Down)
            assert isinstance(node.state.error, NodeUnreachable)


async def test_while_nobody_answers_attempts_come_one_at_a_time_and_ever_more_rarely(
    own_beam: Beam, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol_module, "HANDSHAKE_SECONDS", 0.05)
    async with proxying(own_beam.port) as proxy:
        proxy.treat(Drop())
        async with watch_through(proxy, own_beam):
            await until(lambda: len(pauses) >= 8, "eight attempts")
            assert_doubling(pauses[:8])
            assert_one_at_a_time(proxy, pauses)


async def test_while_the_node_refuses_us_attempts_come_one_at_a_time_with_the_longest_pauses(
    own_beam: Beam, pauses: list[float]
) -> None:
    async with proxying(own_beam.port) as proxy:
        target = Target.parse(f"{own_beam.name}:{proxy.port}")
        async with Node(target, Cookie("wrong")) as node:
            await until(lambda: len(pauses) >= 5, "five attempts")
            assert all(MAX_BACKOFF_SECONDS / 2 <= pause <= MAX_BACKOFF_SECONDS for pause in pauses)
            assert_one_at_a_time(proxy, pauses)
            assert isinstance(node.state, Down)
            assert isinstance(node.state.error, WrongCookie)


async def test_a_link_that_breaks_again_and_again_right_after_the_handshake_is_tried_one_at_a_time_and_never_at_once(
    own_beam: Beam, pauses: list[float]
) -> None:
    changes: list[State] = []
    async with proxying(own_beam.port) as proxy:
        (await join_through(proxy, own_beam)).close()
        handshake = len(proxy.links[0].forwarded[Side.NODE])
        proxy.treat(Cut(handshake + 1), Side.NODE)
        async with watch_through(proxy, own_beam, on_change=changes.append):
            await until(lambda: len(pauses) >= 10, "ten losses", SECONDS)
            errors = [change.error for change in changes if isinstance(change, Down)]
            assert {type(error) for error in errors} == {ConnectionLost}, "each time it was connected"
            # Never longer than two seconds either: a node in a crash loop answers for moments only.
            longest = [0.5, 1, *[2.0] * 8]
            assert all(full / 2 <= pause <= full for pause, full in zip(pauses, longest, strict=False))
            assert proxy.most_at_once == 1
