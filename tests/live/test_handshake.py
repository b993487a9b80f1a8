from __future__ import annotations

from pathlib import Path

import pytest

from agent import Cookie, Options, Session, Target, connect, read_cookie_file
from agent.errors import NodeNotRegistered, RemoteError, WrongCookie
from agent.terms import Atom, Map, Pid
from agent.ticks import Ticks
from erlang_fixtures.beam import Beam, Epmd
from tests.fakes import until
from tests.live.nodes import SECONDS, ask, join, number

pytestmark = pytest.mark.live


def own_name(session: Session) -> Atom:
    return Atom(str(session.own.name))


async def test_we_are_hidden_and_nobody_is_told(beam: Beam) -> None:
    session = await join(beam)
    assert await ask(session, "erlang:nodes") == []
    hidden = await ask(session, "erlang:nodes", Atom("hidden"))
    assert isinstance(hidden, list)
    assert own_name(session) in hidden
    assert await ask(session, "tai_node_monitor:seen") == Map([(Atom("up"), 0), (Atom("down"), 0)])
    session.close()


async def test_creation_and_init_are_as_the_handshake_made_us_believe(beam: Beam) -> None:
    session = await join(beam)
    assert await ask(session, "erlang:system_info", Atom("creation")) == session.peer.creation
    init = Pid(Atom(beam.name), 0, 0, session.peer.creation)
    assert await ask(session, "erlang:whereis", Atom("init")) == init
    assert await ask(session, "erlang:group_leader") == init
    session.close()


async def test_reconnecting_costs_the_node_no_atoms(beam: Beam) -> None:
    first = await join(beam)
    before = await number(first, "erlang:system_info", Atom("atom_count"))
    names = set()
    for _ in range(30):
        session = await join(beam)
        names.add(session.own.name)
        session.close()
        await session.wait_closed()
        # Only when the node has seen the end of a connection is its name free again.
        await number(first, "erlang:system_info", Atom("atom_count"))
    grown = await number(first, "erlang:system_info", Atom("atom_count")) - before
    first.close()
    assert grown <= len(names)
    assert len(names) <= 3


async def test_a_fixed_name_is_borne(beam: Beam) -> None:
    cookie = read_cookie_file(beam.cookie_file)
    session = await connect(Target.parse(beam.target), cookie, Options(own_name="warden"))
    hidden = await ask(session, "erlang:nodes", Atom("hidden"))
    assert isinstance(hidden, list)
    assert Atom("warden@127.0.0.1") in hidden
    session.close()


async def test_a_wrong_cookie_is_told(beam: Beam) -> None:
    with pytest.raises(WrongCookie, match="does not accept our cookie"):
        await connect(Target.parse(beam.target), Cookie("wrong"))


async def test_epmd_tells_where_the_node_is(erl: Path) -> None:
    with Epmd() as epmd, Beam(erl, epmd_port=epmd.port) as beam:
        cookie, options = read_cookie_file(beam.cookie_file), Options(epmd_port=epmd.port)
        session = await connect(Target.parse(beam.name), cookie, options)
        assert await ask(session, "erlang:node") == Atom(beam.name)
        session.close()
        with pytest.raises(NodeNotRegistered, match="knows no node named 'nobody'"):
            await connect(Target.parse("nobody@127.0.0.1"), cookie, options)


async def test_a_node_with_a_short_name_can_be_joined(erl: Path) -> None:
    with Beam(erl, name="shorty@localhost", is_short=True) as beam:
        session = await join(beam)
        assert await ask(session, "erlang:node") == Atom("shorty@localhost")
        assert session.own.name.host == "localhost"
        session.close()


async def test_the_node_s_ping_is_answered(beam: Beam) -> None:
    session = await join(beam)
    assert await ask(session, "net_adm:ping", own_name(session)) == Atom("pong")
    session.close()


async def test_nothing_can_be_run_on_us(beam: Beam) -> None:
    session = await join(beam)
    with pytest.raises(RemoteError, match="notsup"):
        await ask(session, "erpc:call", own_name(session), Atom("os"), Atom("getpid"), [])
    assert await ask(session, "rpc:call", own_name(session), Atom("os"), Atom("getpid"), []) == (
        Atom("badrpc"),
        Atom("notsup"),
    )
    session.close()


async def test_a_call_to_a_process_that_we_do_not_have_ends_at_once(beam: Beam) -> None:
    session = await join(beam)
    with pytest.raises(RemoteError, match="noproc"):
        await ask(session, "gen_server:call", (Atom("rex"), own_name(session)), Atom("hello"), Atom("infinity"))
    session.close()


async def test_links_and_unlinks_of_the_node_are_survived(beam: Beam) -> None:
    session = await join(beam)
    ours = Pid(own_name(session), 1, 0, session.own.creation)
    assert await ask(session, "erlang:link", ours) == Atom("true")
    assert await ask(session, "erlang:send", ours, Atom("hello")) == Atom("hello")
    await until(lambda: session.counters.skipped >= 1, "the message is skipped")
    assert await ask(session, "erlang:node") == Atom(beam.name)
    session.close()


async def test_ticks_keep_a_quiet_connection(erl: Path) -> None:
    with Beam(erl, arguments=["-kernel", "net_ticktime", "2"]) as beam:
        session = await join(beam)
        assert await session.call("net_kernel", "get_net_ticktime", [], deadline_seconds=SECONDS) == 2
        session.set_ticks(Ticks(net_ticktime_seconds=2))
        # The node ticks four times in each net_ticktime: after twelve it has looked at us for three of them.
        await until(lambda: session.counters.ticks_received >= 12, "twelve ticks", deadline_seconds=60)
        assert await ask(session, "erlang:node") == Atom(beam.name)
        session.close()
