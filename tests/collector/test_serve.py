"""Only what needs no running service: that is tests/live's."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from agent.errors import NodeNameError
from agent.handshake import Cookie
from agent.names import Target
from agent.node import Down
from collector.instance import Instance
from collector.load import load_settings
from collector.serve import _web_config, make_fleet, serve
from collector.settings import Settings, SettingsError
from tests.collector_fakes import INSTANCE_ID, NODE, OTHER_NODE
from tests.web_port import USERS, write

COOKIE = Cookie("a cookie that no test reads")


def settings(**flags: object) -> Settings:
    return load_settings({"node": [NODE, f"{OTHER_NODE}:9101"]} | flags, {})


async def test_every_node_of_the_settings_is_watched() -> None:
    fleet = make_fleet(settings(), COOKIE, Instance())
    assert [*fleet.nodes] == [NODE, OTHER_NODE]
    assert [watched.node.target for watched in fleet.nodes.values()] == [
        Target.parse(NODE),
        Target.parse(f"{OTHER_NODE}:9101"),
    ]


async def test_a_fleet_that_was_made_is_not_connected_yet() -> None:
    fleet = make_fleet(settings(), COOKIE, Instance())
    assert all(isinstance(watched.node.state, Down) for watched in fleet.nodes.values())


async def test_every_snapshot_names_the_instance_once_it_is_known() -> None:
    fleet = make_fleet(settings(), COOKIE, Instance(INSTANCE_ID))
    assert {snapshot.instance_id for snapshot in await fleet.snapshots(1.0)} == {INSTANCE_ID}


@pytest.mark.parametrize(
    ("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)], ids=["IPv4", "IPv6"]
)
def test_a_port_that_is_taken_is_told_as_the_setting_that_it_is(host: str, family: socket.AddressFamily) -> None:
    try:
        taken = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with taken:
        address = f"[{host}]:{taken.getsockname()[1]}" if ":" in host else f"{host}:{taken.getsockname()[1]}"
        with pytest.raises(SettingsError) as caught:
            serve(settings(listen=address), COOKIE, {})
    assert str(caught.value).startswith(f"cannot listen on {address}: Address already in use")


def test_passwords_that_others_could_read_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    web = write(tmp_path / "web.yml", USERS)
    for listen in ("127.0.0.1:9750", "192.0.2.1:9750"):
        _web_config(settings(listen=listen, web_config_file=str(web)))
    assert [record.getMessage() for record in caplog.records] == [
        "basic_auth_users without tls_server_config: passwords can be read on their way here"
    ]


def test_an_address_of_another_machine_is_told_as_the_setting_that_it_is() -> None:
    with pytest.raises(SettingsError, match=r"^cannot listen on 192\.0\.2\.1:9750: "):
        serve(settings(listen="192.0.2.1:9750"), COOKIE, {})


async def test_a_name_that_cannot_work_is_refused_before_anything_is_tried() -> None:
    unchecked = settings().model_copy(update={"own_name": "warden@shorthost"})
    with pytest.raises(NodeNameError, match="cannot talk to"):
        make_fleet(unchecked, COOKIE, Instance())
