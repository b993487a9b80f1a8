from __future__ import annotations

import pytest

from agent.errors import NodeNameError
from agent.names import NodeName, Target, parse_own_name


@pytest.mark.parametrize(
    ("text", "node", "port"),
    [
        ("tai@127.0.0.1", NodeName("tai", "127.0.0.1"), None),
        ("tai_autonomics@host.example.org:9100", NodeName("tai_autonomics", "host.example.org"), 9100),
        ("erlang-autonomics@box:1", NodeName("erlang-autonomics", "box"), 1),
        (" tai@box:65535 ", NodeName("tai", "box"), 65_535),
        ("tai@::1", NodeName("tai", "::1"), None),
        ("tai@2001:db8::9100", NodeName("tai", "2001:db8::9100"), None),
        ("tai@[::1]:9100", NodeName("tai", "::1"), 9100),
        ("tai@[::1]", NodeName("tai", "::1"), None),
    ],
)
def test_a_target_is_a_node_and_perhaps_a_port(text: str, node: NodeName, port: int | None) -> None:
    assert Target.parse(text) == Target(node, port)


@pytest.mark.parametrize("text", ["tai@127.0.0.1", "tai@box:9100", "tai@::1", "tai@[::1]:9100"])
def test_a_target_is_printed_as_it_was_given(text: str) -> None:
    assert str(Target.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tai",
        "@box",
        "tai@",
        "tai@b@c",
        "ta i@box",
        "tai@bo x",
        "täi@box",
        "tai@.",
        "tai@a..b",
        "tai@" + "x" * 64,
        "x" * 255 + "@b",
        "@[::1]:9100",
    ],
)
def test_what_is_no_node_name_is_refused(text: str) -> None:
    with pytest.raises(NodeNameError, match="name@host"):
        Target.parse(text)


@pytest.mark.parametrize("port", ["", "0", "65536", "-1", "x", "9" * 5000, "9100:1", "٣", "09100", "0000099999"])
def test_what_is_no_port_is_refused(port: str) -> None:
    for host in ("box", "[::1]"):
        with pytest.raises(NodeNameError, match="port between 1 and 65535"):
            Target.parse(f"tai@{host}:{port}")


@pytest.mark.parametrize("text", ["tai@[box]:9100", "tai@[]:9100", "tai@[::1%eth0]", "tai@[127.0.0.1]:9100"])
def test_brackets_are_for_ipv6_addresses(text: str) -> None:
    with pytest.raises(NodeNameError, match="no IPv6 address"):
        Target.parse(text)


def test_an_own_name_without_host_lives_on_the_target_s_host() -> None:
    assert parse_own_name("warden", NodeName("tai", "10.0.0.7")) == NodeName("warden", "10.0.0.7")


def test_an_own_name_may_have_a_host() -> None:
    assert parse_own_name("warden@10.0.0.9", NodeName("tai", "10.0.0.7")) == NodeName("warden", "10.0.0.9")


@pytest.mark.parametrize(("own", "target"), [("warden@box", "tai@box.example.org"), ("warden@a.b", "tai@box")])
def test_a_short_and_a_long_name_cannot_be_mixed(own: str, target: str) -> None:
    with pytest.raises(NodeNameError, match="Both must be of one kind"):
        parse_own_name(own, NodeName.parse(target))


def test_on_one_host_there_is_no_mix() -> None:
    assert parse_own_name("warden@::1", NodeName("tai", "::1")) == NodeName("warden", "::1")
    assert parse_own_name("warden@10.0.0.7", NodeName("tai", "2001:db8::1")) == NodeName("warden", "10.0.0.7")
