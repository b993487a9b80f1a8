"""What is said about binaries, against what the node says of each process when it is asked directly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent import Session
from agent.expression import Expression
from agent.probes import binaries
from agent.probes.binaries import BinaryHolder, CountedBinaries
from agent.terms import Atom, Pid, format_pid, format_term
from erlang_fixtures.beam import Beam
from tests.live.illnesses import ill, item, pid_of
from tests.live.nodes import SECONDS, ask, join, number

pytestmark = pytest.mark.live

KEEPER = """
    Asker = erlang:self(),
    Keeper = erlang:spawn(fun() ->
        Kept = {kept},
        erlang:garbage_collect(),
        Asker ! {{kept, erlang:self()}},
        receive stop -> Kept end
    end),
    receive {{kept, Keeper}} -> Keeper end
"""


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


@asynccontextmanager
async def keeper(session: Session, kept: str) -> AsyncIterator[str]:
    """Let a process, whose pid is given, keep what this gives for as long as the block lasts."""
    expression = Expression("keeper", KEEPER.format(kept=kept))
    pid = (await session.evaluate(expression, {}, deadline_seconds=SECONDS)).value
    assert isinstance(pid, Pid)
    try:
        yield format_pid(pid)
    finally:
        await ask(session, "erlang:exit", pid, Atom("kill"))


async def holder(session: Session, pid: str) -> BinaryHolder:
    """The row of a process."""
    found = await binaries.ask_holders(session, SECONDS)
    (row,) = [holder for holder in found.holders if holder.process.pid == pid]
    return row


async def as_told(session: Session, name: str) -> CountedBinaries:
    """What ``process_info(whereis(Name), binary)`` tells."""
    references = await item(session, name, "binary")
    assert isinstance(references, list)
    each = {}
    for reference in references:
        assert isinstance(reference, tuple)
        address, size_bytes, _references = reference
        assert isinstance(address, int)
        assert isinstance(size_bytes, int)
        each[address] = size_bytes
    return CountedBinaries(len(references), len(each), sum(each.values()))


async def test_the_sum_is_the_node_s_own(session: Session) -> None:
    async with ill(session, "ill_binary_leak", binaries=2_000, bytes_per_each=10_000):
        before = await number(session, "erlang:memory", Atom("binary"))
        found = await binaries.ask(session, SECONDS)
        assert found.memory_bytes == pytest.approx(before, rel=0.1)
        assert found.memory_bytes > 20_000_000


async def test_the_leaking_process_is_first_though_its_heap_is_small(session: Session) -> None:
    async with ill(session, "ill_binary_leak", binaries=2_000, bytes_per_each=10_000):
        found = await binaries.ask_holders(session, SECONDS)
        first = found.holders[0]
        assert first.process.pid == format_term(await pid_of(session, "leaking_binaries"))
        assert first.process.name == "leaking_binaries"
        assert first.process.memory_bytes < first.estimated_bytes / 10
        assert first.estimated_bytes == pytest.approx(20_000_000, rel=0.01)
        assert first.counted == await as_told(session, "leaking_binaries") == CountedBinaries(2_000, 2_000, 20_000_000)
        assert found.memory_bytes > 20_000_000
        assert found.estimated_bytes >= first.estimated_bytes
        assert [row.estimated_bytes for row in found.holders] == sorted(
            (row.estimated_bytes for row in found.holders), reverse=True
        )


async def test_all_processes_but_our_own_are_looked_at(session: Session) -> None:
    async with asyncio.timeout(SECONDS):  # one that is ending is counted by the node, and not looked at
        while True:
            found = await binaries.ask_holders(session, SECONDS)
            if found.processes == await number(session, "erlang:system_info", Atom("process_count")) - 1:
                return


async def test_one_binary_counts_once_however_often_it_is_referred_to(session: Session) -> None:
    parts = (
        "(fun(Large) -> [binary:part(Large, At, 100) || At <- lists:seq(1, 1000)] end)(binary:copy(<<0>>, 10000000))"
    )
    async with keeper(session, parts) as pid:
        found = await holder(session, pid)
        assert found.counted is not None
        assert (found.counted.binaries, found.counted.size_bytes) == (1, 10_000_000)
        assert found.estimated_bytes >= 10_000_000


async def test_a_process_with_very_many_references_is_estimated_and_left_alone(session: Session) -> None:
    async with ill(session, "ill_binary_leak", binaries=150_000, bytes_per_each=100):
        found = await binaries.ask_holders(session, SECONDS)
        first = found.holders[0]
        assert first.process.name == "leaking_binaries"
        assert first.estimated_bytes == pytest.approx(150_000 * 100, rel=0.05)
        assert first.counted is None
        assert first.why_not_counted is not None
        assert first.why_not_counted.startswith("it may refer to as many as")
        assert not found.complete


async def test_as_many_references_as_may_be_looked_at_fit_into_the_worker(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "MAX_REFERENCES", 1_000_000)  # the node's bound is some three times what there are
    async with ill(session, "ill_binary_leak", binaries=100_000, bytes_per_each=100):
        first = (await binaries.ask_holders(session, SECONDS)).holders[0]
        assert first.counted == CountedBinaries(100_000, 100_000, 10_000_000)


async def test_a_worker_that_meets_its_heap_limit_costs_that_count_alone(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "COUNT_HEAP_WORDS", 20_000)
    async with ill(session, "ill_binary_leak", binaries=20_000, bytes_per_each=1_000):
        first, second, *_ = (await binaries.ask_holders(session, SECONDS)).holders
        assert first.process.name == "leaking_binaries"
        assert first.why_not_counted == "to look at each takes more memory than a question may"
        assert second.counted is not None


async def test_processes_that_die_meanwhile_are_in_the_answer_or_not_and_never_wrong(session: Session) -> None:
    async with ill(session, "ill_idle_processes", processes=5_000, come_and_go_per_second=5_000):
        for _ in range(30):
            found = await binaries.ask_holders(session, SECONDS)
            assert all(row.estimated_bytes > 0 for row in found.holders)
            assert found.processes > 5_000
