"""What is said about ports, against what the node says of each of them when it is asked directly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent import Session
from agent.expression import Expression
from agent.probes import ports
from agent.terms import Atom, Pid, Term, format_pid, format_term
from erlang_fixtures.beam import Beam
from tests.live.nodes import SECONDS, ask, join, number, until_answer

pytestmark = pytest.mark.live

# A process that opens ports, and keeps them until it is killed.
OWNER = """
    Asker = erlang:self(),
    Owner = erlang:spawn(fun() ->
        Open = {open},
        Ports = Open(),
        Asker ! {{opened, erlang:self()}},
        receive stop -> Ports end
    end),
    receive {{opened, Owner}} -> Owner end
"""
# Nobody reads at the other end, so what does not fit the sockets' own buffers waits in the port.
FULL_SOCKET = """fun() ->
    {ok, Listening} = gen_tcp:listen(0, [{active, false}, {ip, {127, 0, 0, 1}}]),
    {ok, Number} = inet:port(Listening),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Number, [{active, false}, {high_watermark, 50000000}]),
    ok = gen_tcp:send(Socket, binary:copy(<<0>>, 40000000)),
    [Listening, Socket]
end"""
PROGRAM = 'fun() -> [erlang:open_port({spawn, "cat - nobody-may-see-this"}, [])] end'
# The driver copies 100 MB at a time, one copy after the other, and holds its port for as long.
BUSY_DRIVER = """fun() ->
    erlang:spawn_link(fun() ->
        {ok, File} = file:open(binary:copy(<<0>>, 100000000), [ram, read, binary]),
        Read = fun Read() -> {ok, _} = file:pread(File, 0, 100000000), Read() end,
        Read()
    end)
end"""
COME_AND_GO = """fun() ->
    erlang:spawn_link(fun() ->
        Again = fun Again() ->
            Sockets = [gen_udp:open(0) || _ <- lists:seq(1, 20)],
            [gen_udp:close(Socket) || {ok, Socket} <- Sockets],
            Again()
        end,
        Again()
    end)
end"""


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()


@asynccontextmanager
async def opened(session: Session, what: str) -> AsyncIterator[str]:
    """Let a process, whose pid is given, own ports for as long as the block lasts."""
    before = await number(session, "erlang:system_info", Atom("port_count"))
    expression = Expression("owner_of_ports", OWNER.format(open=what))
    owner = (await session.evaluate(expression, {}, deadline_seconds=SECONDS)).value
    assert isinstance(owner, Pid)
    try:
        yield format_pid(owner)
    finally:
        await ask(session, "erlang:exit", owner, Atom("kill"))
        await until_answer(session, lambda now: now == before, "erlang:system_info", Atom("port_count"))


async def port_item(session: Session, port: Term, item: str) -> Term:
    pair = await ask(session, "erlang:port_info", port, Atom(item))
    assert isinstance(pair, tuple)
    return pair[1]


async def test_every_row_is_what_the_node_tells_of_that_port(session: Session) -> None:
    async with opened(session, FULL_SOCKET):
        found = await ports.ask(session, SECONDS)
        every = await ask(session, "erlang:ports")
        assert isinstance(every, list)
        assert sorted(row.id for row in found.by_queue) == sorted(map(format_term, every))
        by_id = {format_term(port): port for port in every}
        for row in found.by_queue:
            name, owner = (
                await port_item(session, by_id[row.id], "name"),
                await port_item(session, by_id[row.id], "connected"),
            )
            assert [ord(character) for character in row.name] == name
            assert row.owner == format_term(owner)
            assert row.queue_bytes == await port_item(session, by_id[row.id], "queue_size")
        assert found.queue_bytes == sum(row.queue_bytes for row in found.by_queue)
        assert found.count == len(every) == await number(session, "erlang:system_info", Atom("port_count"))
        assert found.limit == await number(session, "erlang:system_info", Atom("port_limit"))
        assert found.complete


async def test_the_socket_that_nobody_reads_from_is_first(session: Session) -> None:
    async with opened(session, FULL_SOCKET) as owner:
        found = await ports.ask(session, SECONDS)
        assert found.by_queue[0].owner == owner
        assert found.by_queue[0].name == "tcp_inet"
        assert found.by_queue[0].queue_bytes > 1_000_000


async def test_what_the_driver_has_read_and_written_is_told(session: Session) -> None:
    found = await ports.ask(session, SECONDS)
    ours = [row for row in found.by_queue if row.input_bytes > 1_000]  # our questions came this way
    assert ours
    assert all(row.name == "tcp_inet" for row in ours)


async def test_the_arguments_of_a_program_do_not_leave_the_node(session: Session) -> None:
    async with opened(session, PROGRAM) as owner:
        found = await ports.ask(session, SECONDS)
        assert [row.name for row in found.by_queue if row.owner == owner] == ["cat"]
        assert "nobody-may-see-this" not in str(found)


async def test_ports_that_come_and_go_are_in_the_answer_or_not_and_never_wrong(session: Session) -> None:
    async with opened(session, COME_AND_GO):
        for _ in range(100):
            found = await ports.ask(session, SECONDS)
            assert {row.name for row in found.by_queue} <= {"forker", "tcp_inet", "udp_inet", "0/1", "2/2"}
            assert found.complete


async def test_a_port_that_is_at_work_is_waited_for(session: Session) -> None:
    async with opened(session, BUSY_DRIVER):
        for _ in range(10):
            found = await ports.ask(session, SECONDS)
            assert found.complete


async def test_a_port_that_does_not_answer_in_time_is_named_and_all_others_are_told(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "WAIT_SECONDS", 0)
    async with opened(session, BUSY_DRIVER), asyncio.timeout(SECONDS):
        while not (found := await ports.ask(session, SECONDS)).not_answering:
            pass
        assert len(found.not_answering) == 1
        assert not found.complete
        assert "tcp_inet" in {row.name for row in found.by_queue}
        assert not {row.id for row in found.by_queue} & set(found.not_answering)
