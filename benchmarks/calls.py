"""Small calls per second: ours, and a native hidden node's, to the same node in the same minute.

Both ask ``erlang:node/0``. The native node does it with ``erpc:call`` and with ``erpc:send_request``; underneath, both
send one SPAWN_REQUEST of ``erpc:execute_call/4``. Ours asks for more than that: a link, a heap limit, and the deadline
in a timer of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from agent import Target, connect, read_cookie_file
from benchmarks.native import native_node
from erlang_fixtures.beam import Beam

TOGETHER: Final = 100
DEADLINE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class CallRates:
    """What one way of asking came to, in calls per second: medians of all rounds."""

    way: str
    ours: float
    native: float


class OurNode:
    """Our client, measured as `NativeNode` is: each method returns how many seconds the calls took."""

    def __init__(self, runner: asyncio.Runner, beam: Beam) -> None:
        self._runner = runner
        self._session = runner.run(connect(Target.parse(beam.target), read_cookie_file(beam.cookie_file)))

    def one_by_one(self, calls: int) -> float:
        return self._runner.run(self._one_by_one(calls))

    def at_once(self, calls: int, together: int) -> float:
        return self._runner.run(self._at_once(calls, together))

    def close(self) -> None:
        self._session.close()
        self._runner.run(self._session.wait_closed())

    async def _one_by_one(self, calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            await self._ask()
        return time.perf_counter() - start

    async def _at_once(self, calls: int, together: int) -> float:
        start = time.perf_counter()
        for _ in range(calls // together):
            await asyncio.gather(*(self._ask() for _ in range(together)))
        return time.perf_counter() - start

    async def _ask(self) -> None:
        await self._session.call("erlang", "node", [], deadline_seconds=DEADLINE_SECONDS)


def measure_calls(erl: Path, native_erl: Path, calls: int, rounds: int) -> list[CallRates]:
    """Let both ask a node of one release ``calls`` questions in each round, a multiple of ``TOGETHER``."""
    with Beam(erl) as beam, native_node(native_erl, beam) as native, asyncio.Runner() as runner:
        ours = OurNode(runner, beam)
        one_by_one = _in_turns(lambda: ours.one_by_one(calls), lambda: native.one_by_one(calls), rounds)
        at_once = _in_turns(lambda: ours.at_once(calls, TOGETHER), lambda: native.at_once(calls, TOGETHER), rounds)
        ours.close()
    return [
        CallRates("one after another", *(calls / seconds for seconds in one_by_one)),
        CallRates(f"{TOGETHER} at once", *(calls / seconds for seconds in at_once)),
    ]


def _in_turns(ours: Callable[[], float], native: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Return the median of either side. A first round of each does not count: it loads code and fills caches."""
    ours()
    native()
    pairs = [(ours(), native()) for _ in range(rounds)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
