"""Sweeps of nodes with very many processes: ours, and a loop compiled into a module on that node (``sweep_loop.erl``).

Both run on the node in the same guarded worker at low priority, and take turns. Ours is timed from Python, end to end:
from the question to the frozen result. The compiled loop is timed on the node: without the wire, without a reader. So
the ratio says what it costs in all not to load anything. The mailboxes are compared in the same manner with the bare
``lists:zipwith`` that they cannot be faster than.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from agent import Session, Target, connect, read_cookie_file
from agent.expression import Expression
from agent.probes import processes
from agent.probes.processes import HEAP_WORDS_PER_PROCESS, QUEUE_THRESHOLDS, TOP
from agent.probes.sweep import HEAP_WORDS
from agent.terms import Atom, Term
from benchmarks.native import compiled
from erlang_fixtures.beam import Beam

SOURCE: Final = Path(__file__).with_name("sweep_loop.erl")
DEADLINE_SECONDS: Final = 60.0
DEFAULT_LIMIT: Final = 1 << 18  # of processes; one that is a million makes processes/0 itself slower
SAMPLE: Final = 500  # processes that are asked one by one; the rest would take as long each
WAYS: Final = (Atom("together"), Atom("apart"))

COMPILED: Final = Expression("compiled", "sweep_loop:sweep(Way, K, Thresholds)")
LAST_PIDS: Final = Expression("last_pids", "lists:sublist(lists:reverse(erlang:processes()), N)")
BARE: Final = Expression("bare", "sweep_loop:bare_mailboxes()")


MANY: Final = 100_000  # processes, from which on our own overhead must not count any more
MAX_COMPILED_RATIO: Final = 1.5
MAX_BARE_RATIO: Final = 2.0
MIN_ONE_BY_ONE_RATIO: Final = 100.0
AIMS: Final = (
    f"Aims, with {MANY:,} processes and more: at most {MAX_COMPILED_RATIO:g} times compiled, {MAX_BARE_RATIO:g} times "
    f"bare; one each at least {MIN_ONE_BY_ONE_RATIO:g} times ours."
)


@dataclass(frozen=True, slots=True)
class SweepTimes:
    """One node with so many processes: medians of all rounds, in seconds.

    The ratios are medians too, of what was measured within one round, so that what else the machine does in the
    meantime counts on both sides. ``one_by_one`` is what one question for each process would take, from a sample.
    ``wire_bytes`` is what one sweep puts on the wire, both ways. The pings are the 99th percentile on the node, at rest
    and while we sweep without end.
    """

    processes: int
    ours: float
    compiled: float
    compiled_ratio: float
    mailboxes: float
    bare: float
    bare_ratio: float
    one_by_one: float
    one_by_one_ratio: float
    wire_bytes: int
    ping_at_rest: float
    ping_while_sweeping: float


def missed_aims(times: SweepTimes) -> Iterator[str]:
    """Say which of `AIMS` were missed, and by how much."""
    if times.processes < MANY:
        return
    if times.compiled_ratio > MAX_COMPILED_RATIO:
        yield f"{times.compiled_ratio:.2f} times compiled"
    if times.bare_ratio > MAX_BARE_RATIO:
        yield f"{times.bare_ratio:.2f} times bare"
    if times.one_by_one_ratio < MIN_ONE_BY_ONE_RATIO:
        yield f"one each only {times.one_by_one_ratio:.0f} times ours"


def measure_sweeps(
    erl: Path, system_erl: Path, sizes: Sequence[int], rounds: int, ping_seconds: float
) -> Iterator[SweepTimes]:
    """Let one node have ever more processes, ``sizes`` ascending, and sweep it each time."""
    with (
        compiled(system_erl, SOURCE) as ebin,
        Beam(erl, arguments=["+P", str(max(DEFAULT_LIMIT, 2 * max(sizes))), "-pa", ebin]) as beam,
        asyncio.Runner() as runner,
    ):
        node = runner.run(_Node.join(beam))
        for size in sizes:
            runner.run(node.grow(size))
            yield runner.run(node.measure(rounds, ping_seconds))
        runner.run(node.leave())


class _Node:
    """The node that is swept, over two connections: one sweeps while the other pings."""

    def __init__(self, session: Session, other: Session) -> None:
        self._session = session
        self._other = other
        self._idle = 0

    @classmethod
    async def join(cls, beam: Beam) -> _Node:
        target, cookie = Target.parse(beam.target), read_cookie_file(beam.cookie_file)
        return cls(await connect(target, cookie), await connect(target, cookie))

    async def leave(self) -> None:
        for session in (self._session, self._other):
            session.close()
            await session.wait_closed()

    async def grow(self, size: int) -> None:
        await _call(self._session, "sweep_loop", "start_idle", size - self._idle)
        self._idle = size

    async def measure(self, rounds: int, ping_seconds: float) -> SweepTimes:
        sample = await self._evaluate(LAST_PIDS, N=SAMPLE)
        assert isinstance(sample, list)
        # Side by side what is compared.
        sides: dict[str, Callable[[], Awaitable[float]]] = {
            "ours": lambda: _seconds(processes.ask(self._session, DEADLINE_SECONDS)),
            **{way.name: partial(self._sweep_compiled, way) for way in WAYS},
            "mailboxes": lambda: _seconds(processes.ask_mailboxes(self._session, DEADLINE_SECONDS)),
            "bare": partial(self._on_node, BARE),
            "one_by_one": partial(self._ask_one_by_one, sample),
        }
        times = [{side: await run() for side, run in sides.items()} for _ in range(rounds + 1)][1:]  # caches are filled
        medians = {side: median(turn[side] for turn in times) for side in sides}
        compiled = min((way.name for way in WAYS), key=medians.__getitem__)
        return SweepTimes(
            processes=self._idle,
            ours=medians["ours"],
            compiled=medians[compiled],
            compiled_ratio=median(turn["ours"] / turn[compiled] for turn in times),
            mailboxes=medians["mailboxes"],
            bare=medians["bare"],
            bare_ratio=median(turn["mailboxes"] / turn["bare"] for turn in times),
            one_by_one=medians["one_by_one"],
            one_by_one_ratio=median(turn["one_by_one"] / turn["ours"] for turn in times),
            wire_bytes=await self._wire_bytes(),
            ping_at_rest=await self._ping(ping_seconds),
            ping_while_sweeping=await self._ping_while_sweeping(ping_seconds),
        )

    async def _sweep_compiled(self, way: Atom) -> float:
        return await self._on_node(COMPILED, Way=way, K=TOP, Thresholds=list(QUEUE_THRESHOLDS))

    async def _on_node(self, expression: Expression, **bindings: Term) -> float:
        """Evaluate what times itself on the node."""
        match await self._evaluate(expression, **bindings):
            case (int() as microseconds, _answer):
                return microseconds / 1e6
            case other:
                raise AssertionError(f"{expression.name} gave {other!r}")

    async def _evaluate(self, expression: Expression, **bindings: Term) -> Term:
        """Evaluate in a worker like that of our sweeps, but with room for one answer for each process."""
        heap_words = HEAP_WORDS + 4 * HEAP_WORDS_PER_PROCESS * self._idle
        answer = await self._session.evaluate(
            expression, bindings, deadline_seconds=DEADLINE_SECONDS, max_heap_words=heap_words, is_sweep=True
        )
        return answer.value

    async def _ask_one_by_one(self, pids: Sequence[Term]) -> float:
        """Return what one question for each process would take."""
        items: Term = [Atom("memory"), Atom("message_queue_len")]
        start = time.perf_counter()
        for pid in pids:
            await _call(self._session, "erlang", "process_info", pid, items)
        return (time.perf_counter() - start) / len(pids) * self._idle

    async def _wire_bytes(self) -> int:
        counters = self._session.counters
        before = counters.bytes_received + counters.bytes_sent
        await processes.ask(self._session, DEADLINE_SECONDS)
        return counters.bytes_received + counters.bytes_sent - before

    async def _ping_while_sweeping(self, seconds: float) -> float:
        pinging = asyncio.create_task(self._ping(seconds))
        while not pinging.done():
            await processes.ask(self._session, DEADLINE_SECONDS)
        return await pinging

    async def _ping(self, seconds: float) -> float:
        """Have a process of the node ping another, and return the 99th percentile."""
        ponger = await _call(self._other, "sweep_loop", "start_ponger")
        times = await _call(self._other, "sweep_loop", "ping", ponger, round(seconds * 1000))
        assert isinstance(times, list)
        return quantiles([time for time in times if isinstance(time, int)], n=100)[-1] / 1e6


async def _call(session: Session, module: str, function: str, *arguments: Term) -> Term:
    return await session.call(module, function, arguments, deadline_seconds=DEADLINE_SECONDS)


async def _seconds(sweep: Awaitable[object]) -> float:
    start = time.perf_counter()
    await sweep
    return time.perf_counter() - start
