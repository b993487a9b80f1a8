from __future__ import annotations

import pytest

from agent.epmd import parse_port_reply, port_request
from agent.errors import NodeNotRegistered, RemoteProtocolError
from agent.names import NodeName

TAI = NodeName("tai", "box")


def test_the_question_is_a_length_and_z_and_the_name_without_host() -> None:
    assert port_request(TAI) == b"\x00\x04ztai"


def test_the_answer_holds_the_port() -> None:
    # From epmd of OTP 25: result, port 9100, hidden/normal, protocol, versions 6 and 5, name, no extra.
    reply = bytes([119, 0]) + (9100).to_bytes(2, "big") + bytes([77, 0, 0, 6, 0, 5, 0, 3]) + b"tai" + b"\0\0"
    assert parse_port_reply(reply, TAI) == 9100


def test_a_name_that_epmd_does_not_know_is_told_with_the_host() -> None:
    with pytest.raises(NodeNotRegistered, match="epmd on box knows no node named 'tai'"):
        parse_port_reply(bytes([119, 1]), TAI)


@pytest.mark.parametrize("reply", [b"", b"w", b"HTTP/1.1 400 Bad Request", bytes([118, 0, 1, 1])])
def test_what_is_not_epmd_s_answer_is_refused(reply: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_port_reply(reply, TAI)


def test_an_answer_that_ends_before_the_port_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="ends too early"):
        parse_port_reply(bytes([119, 0, 35]), TAI)
