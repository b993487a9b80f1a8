from __future__ import annotations

import hashlib
import struct

import pytest

from agent.errors import (
    ConnectError,
    HandshakeRefused,
    IncompatiblePeer,
    NodeUnreachable,
    PeerNotTrusted,
    RemoteProtocolError,
    WrongCookie,
    WrongPeer,
)
from agent.handshake import NEEDED_FLAGS, OUR_FLAGS, Cookie, Flag, Handshake, Identity, Introduction
from agent.names import NodeName
from tests.fakes import OWN_NAME, PEER_CREATION, PEER_NAME, digest

CHALLENGE = 4711
NAMED = b"snamed:" + struct.pack(">H", len(str(OWN_NAME))) + str(OWN_NAME).encode() + struct.pack(">I", 99)
ACK = b"a" + digest("c", 1)


def challenge(name: str = str(PEER_NAME), flags: int = NEEDED_FLAGS) -> bytes:
    return b"N" + struct.pack(">QIIH", flags, CHALLENGE, PEER_CREATION, len(name)) + name.encode()


def new_handshake(own_name: NodeName | None = None) -> Handshake:
    return Handshake(Introduction(PEER_NAME, Cookie("c"), challenge=1, creation=5, own_name=own_name))


def test_without_a_name_of_our_own_we_send_the_host_and_ask_for_one() -> None:
    flags, creation, size = struct.unpack(">QIH", new_handshake().start()[1:15])
    assert new_handshake().start()[15:] == b"127.0.0.1"
    assert (size, creation) == (9, 5)
    assert flags == OUR_FLAGS | Flag.NAME_ME


def test_with_a_name_of_our_own_we_send_it_and_do_not_ask() -> None:
    hello = new_handshake(NodeName("warden", "127.0.0.1")).start()
    assert hello[15:] == b"warden@127.0.0.1"
    assert int.from_bytes(hello[1:9], "big") == OUR_FLAGS


def test_we_offer_all_that_otp_28_demands() -> None:
    # erts_internal:get_dflags() on OTP 28.5: mandatory 0x403070F94.
    assert OUR_FLAGS & 0x403070F94 == 0x403070F94


@pytest.mark.parametrize("bit", [0, 1, 6, 13, 19, 22, 23, 35])
def test_we_do_not_offer_what_we_cannot_do_or_must_not_be(bit: int) -> None:
    assert not OUR_FLAGS & 1 << bit


def test_a_handshake_ends_when_both_have_proved_the_cookie() -> None:
    handshake = new_handshake()
    handshake.start()
    assert handshake.receive(NAMED) == b""
    assert handshake.receive(challenge()) == b"r" + struct.pack(">I", 1) + digest("c", CHALLENGE)
    assert handshake.result() is None
    assert handshake.receive(ACK) == b""
    assert handshake.result() == (Identity(OWN_NAME, 99), Identity(PEER_NAME, PEER_CREATION))


@pytest.mark.parametrize("status", [b"ok", b"ok_simultaneous"])
def test_a_fixed_name_keeps_our_own_creation(status: bytes) -> None:
    name = NodeName("warden", "127.0.0.1")
    handshake = new_handshake(name)
    for received in (b"s" + status, challenge(), ACK):
        handshake.receive(received)
    assert handshake.result() == (Identity(name, 5), Identity(PEER_NAME, PEER_CREATION))


def test_alive_is_answered_by_true_so_that_a_dead_connection_of_ours_is_replaced() -> None:
    handshake = new_handshake(NodeName("warden", "127.0.0.1"))
    assert handshake.receive(b"salive") == b"strue"
    handshake.receive(challenge())
    handshake.receive(ACK)
    assert handshake.result() is not None


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (b"nok", "just being connected by a node of our name"),
        (b"not_allowed", "does not allow us"),
        (b"ok", "set own_name"),
        (b"alive", "status 'alive'"),
        (b"perhaps\xff", "status 'perhaps"),
    ],
)
def test_a_refusal_is_told_with_what_to_do(status: bytes, says: str) -> None:
    with pytest.raises(HandshakeRefused, match=says):
        new_handshake().receive(b"s" + status)


@pytest.mark.parametrize(
    "named",
    [
        b"",
        b"\x00\x00",
        struct.pack(">H", 5) + b"x@127",
        struct.pack(">H", 9) + b"127.0.0.1" + bytes(4),
        struct.pack(">H", 7) + b"x@other" + bytes(4),
        struct.pack(">H", 60_000) + b"x@127.0.0.1" + bytes(4),
    ],
)
def test_a_given_name_that_is_none_of_this_host_breaks_the_protocol(named: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        new_handshake().receive(b"snamed:" + named)


def after_status() -> Handshake:
    handshake = new_handshake()
    handshake.receive(NAMED)
    return handshake


def test_a_node_of_another_name_is_refused_and_named() -> None:
    with pytest.raises(WrongPeer, match=r"calls itself 'other@127\.0\.0\.1'"):
        after_status().receive(challenge("other@127.0.0.1"))


@pytest.mark.parametrize("flag", list(NEEDED_FLAGS))
def test_a_node_that_lacks_what_we_need_is_refused_by_name(flag: Flag) -> None:
    with pytest.raises(IncompatiblePeer, match=str(flag.name)):
        after_status().receive(challenge(flags=NEEDED_FLAGS & ~flag))


def test_flags_of_the_future_do_no_harm() -> None:
    assert after_status().receive(challenge(flags=NEEDED_FLAGS | 1 << 63 | 1 << 37)) != b""


def test_the_handshake_of_old_releases_is_told_apart() -> None:
    with pytest.raises(IncompatiblePeer, match="OTP 25"):
        after_status().receive(b"n\x00\x05old challenge")


def test_a_peer_that_cannot_prove_the_cookie_is_not_trusted() -> None:
    handshake = after_status()
    handshake.receive(challenge())
    with pytest.raises(PeerNotTrusted):
        handshake.receive(b"a" + digest("another", 1))


@pytest.mark.parametrize("steps", [[], [NAMED], [NAMED, challenge()]])
@pytest.mark.parametrize("junk", [b"", b"x", b"N", b"HTTP/1.1 400", b"a", b"\xff" * 40])
def test_junk_at_any_step_breaks_the_protocol(steps: list[bytes], junk: bytes) -> None:
    handshake = new_handshake()
    for step in steps:
        handshake.receive(step)
    with pytest.raises(RemoteProtocolError):
        handshake.receive(junk)


@pytest.mark.parametrize(
    ("steps", "error"),
    [([], NodeUnreachable), ([NAMED], NodeUnreachable), ([NAMED, challenge()], WrongCookie)],
)
def test_what_a_closed_connection_means_depends_on_the_step(steps: list[bytes], error: type[ConnectError]) -> None:
    handshake = new_handshake()
    for step in steps:
        handshake.receive(step)
    assert type(handshake.closed()) is error


def test_a_name_that_we_did_not_ask_for_is_not_taken() -> None:
    with pytest.raises(HandshakeRefused):
        new_handshake(NodeName("warden", "127.0.0.1")).receive(NAMED)


def test_a_cookie_is_digested_in_latin_1() -> None:
    assert Cookie("\xfc").digest(7) == hashlib.md5(b"\xfc7", usedforsecurity=False).digest()


def test_a_cookie_does_not_show_itself() -> None:
    secret = Cookie("hunter2")
    for shown in (repr(secret), str(secret), f"{Introduction(PEER_NAME, secret, 1, 2)}", repr({"cookie": secret})):
        assert "hunter2" not in shown


@pytest.mark.parametrize(
    "name", [b"\xff\n\x1b[31m@127.0.0.1", b"two words@127.0.0.1", b"x" * 300 + b"@127.0.0.1", b"a@b@127.0.0.1"]
)
def test_a_name_for_us_that_is_none_breaks_the_protocol(name: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="gave us a name that is none"):
        new_handshake().receive(b"snamed:" + struct.pack(">H", len(name)) + name + struct.pack(">I", 99))
