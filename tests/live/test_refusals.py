"""What real nodes refuse, and where they are found."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import Options, Target, connect, read_cookie_file
from agent.errors import NodeUnreachable, NotAllowed, WrongPeer
from agent.terms import Atom
from erlang_fixtures.beam import Beam, Epmd, free_port
from tests.live.nodes import ask, join

pytestmark = pytest.mark.live


@pytest.fixture
def ipv6_beam(erl: Path) -> Iterator[Beam]:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Beam(erl, name="beam@::1") as beam:
        yield beam


async def test_a_node_that_allows_only_others_is_told(erl: Path) -> None:
    with Beam(erl) as beam:
        session = await join(beam)
        assert await ask(session, "net_kernel:allow", [Atom("warden@127.0.0.1")]) == Atom("ok")
        with pytest.raises(NotAllowed, match="set own_name"):
            await join(beam)
        cookie = read_cookie_file(beam.cookie_file)
        allowed = await connect(Target.parse(beam.target), cookie, Options(own_name="warden"))
        assert await ask(allowed, "erlang:node") == Atom(beam.name)
        allowed.close()
        session.close()


async def test_the_port_of_another_node_is_told_with_its_name(beam: Beam) -> None:
    target = Target.parse(f"somebody@127.0.0.1:{beam.port}")
    with pytest.raises(WrongPeer, match=beam.name):
        await connect(target, read_cookie_file(beam.cookie_file))


async def test_epmd_s_own_port_is_not_a_node_s(beam: Beam) -> None:
    with Epmd() as epmd, pytest.raises(NodeUnreachable, match="that port is not an Erlang node's"):
        await connect(Target.parse(f"{beam.name}:{epmd.port}"), read_cookie_file(beam.cookie_file))


async def test_a_port_where_nobody_listens_is_told(beam: Beam) -> None:
    with pytest.raises(NodeUnreachable, match="nothing listens there"):
        await connect(Target.parse(f"{beam.name}:{free_port()}"), read_cookie_file(beam.cookie_file))


async def test_a_node_on_ipv6_is_joined(ipv6_beam: Beam) -> None:
    session = await join(ipv6_beam)
    assert await ask(session, "erlang:node") == Atom("beam@::1")
    assert session.own.name.host == "::1"
    session.close()


async def test_a_node_on_ipv6_takes_a_name_of_ours(ipv6_beam: Beam) -> None:
    cookie = read_cookie_file(ipv6_beam.cookie_file)
    session = await connect(Target.parse(ipv6_beam.target), cookie, Options(own_name="warden"))
    assert await ask(session, "erlang:nodes", Atom("hidden")) == [Atom("warden@::1")]
    session.close()


def test_the_command_line_asks_the_epmd_that_erlang_s_variable_names(
    erl: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from collector.cli import main  # noqa: PLC0415  # a command line that is run here

    with Epmd() as epmd, Beam(erl, epmd_port=epmd.port) as beam:
        monkeypatch.setenv("ERL_EPMD_PORT", str(epmd.port))
        monkeypatch.setattr(
            sys, "argv", ["beamwarden", "node", "--node", beam.name, "--cookie-file", str(beam.cookie_file)]
        )
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 0
    assert f"{beam.name}, " in capfd.readouterr().out
