"""The handshake: nobody gets through it without the proof of the cookie.

The first byte of the input says whether we bring a name; then come the peer's messages, each behind 2 bytes of length.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.errors import ConnectError, RemoteProtocolError
from agent.handshake import MAX_MESSAGE_BYTES, Handshake, Introduction
from agent.names import NodeName
from tests.fakes import COOKIE, OWN_CREATION, OWN_NAME, PEER_NAME, ScriptedPeer, cookie, digest, message

CHALLENGE: Final = 1


def introduction(*, is_named: bool) -> Introduction:
    own_name = OWN_NAME if is_named else None
    return Introduction(PEER_NAME, cookie(), challenge=CHALLENGE, creation=OWN_CREATION, own_name=own_name)


def messages(data: bytes) -> Iterator[bytes]:
    while len(data) >= 2:
        size = int.from_bytes(data[:2], "big") % (MAX_MESSAGE_BYTES + 1)
        yield data[2 : 2 + size]
        data = data[2 + size :]


def check(data: bytes) -> None:
    is_named = data[:1] > b"\x7f"
    handshake = Handshake(introduction(is_named=is_named))
    assert handshake.start()
    for body in messages(data[1:]):
        try:
            assert len(handshake.receive(body)) <= MAX_MESSAGE_BYTES
        except (ConnectError, RemoteProtocolError):
            return
        assert isinstance(handshake.closed(), ConnectError)
        if result := handshake.result():
            own, peer = result
            assert body == b"a" + digest(COOKIE, CHALLENGE)
            assert peer.name == PEER_NAME
            if is_named:
                assert own.name == OWN_NAME
            else:
                assert NodeName.parse(str(own.name)) == own.name
            return


def seeds() -> Iterator[bytes]:
    statuses = [b"ok", b"ok_simultaneous", b"alive", b"nok", b"not_allowed"]
    for is_named, peer in [
        (False, ScriptedPeer()),
        (False, ScriptedPeer(challenge_tag=b"n")),
        (False, ScriptedPeer(proves_cookie=False)),
        *((True, ScriptedPeer(status=status)) for status in statuses),
    ]:
        yield bytes([255 * is_named]) + said_by(peer, is_named=is_named)


def said_by(peer: ScriptedPeer, *, is_named: bool) -> bytes:
    """All that a scripted peer says in a handshake with us."""
    handshake = Handshake(introduction(is_named=is_named))
    said, to_peer = b"", message(handshake.start())
    while to_peer and (reply := peer.receive(to_peer)):
        said += reply
        to_peer = b""
        try:
            for body in messages(reply):
                if out := handshake.receive(body):
                    to_peer += message(out)
        except (ConnectError, RemoteProtocolError):
            break
    return said
