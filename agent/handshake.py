"""The distribution handshake, version 6: who are you, prove that you have the cookie, here is my proof.

`Handshake` knows no socket: it takes whole messages (the 2-byte length is `agent.protocol`'s) and returns what to send.

    ──start()──▶ STATUS ──"sok" | "snamed:" | "salive"──▶ CHALLENGE ──"N..."──▶ ACK ──"a..."──▶ DONE

After "salive" (the node still has an older connection of ours) we insist with "strue".

We ask for a name (DFLAG_NAME_ME) unless a fixed one is set: the node gives one out of a pool of its own, so that a
client that reconnects for years costs the node's atom table one name, which is used again and again.

Source: https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html; OTP's kernel/src/dist_util.erl where the two
differ.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Final

from agent.errors import (
    ConnectError,
    HandshakeRefused,
    IncompatiblePeer,
    NameInUse,
    NodeNameError,
    NodeUnreachable,
    NoNamesGiven,
    NotAllowed,
    PeerNotTrusted,
    RemoteProtocolError,
    WrongCookie,
    WrongPeer,
)
from agent.names import NodeName

MAX_MESSAGE_BYTES: Final = 1024  # the longest is "snamed:" or a challenge with a name of at most 255 characters


class Flag(enum.IntFlag):
    """What a node can do, as it says in the handshake (kernel/include/dist.hrl)."""

    EXTENDED_REFERENCES = 1 << 2
    DIST_MONITOR = 1 << 3
    FUN_TAGS = 1 << 4
    DIST_MONITOR_NAME = 1 << 5
    NEW_FUN_TAGS = 1 << 7
    EXTENDED_PIDS_PORTS = 1 << 8
    EXPORT_PTR_TAG = 1 << 9
    BIT_BINARIES = 1 << 10
    NEW_FLOATS = 1 << 11
    UTF8_ATOMS = 1 << 16
    MAP_TAG = 1 << 17
    BIG_CREATION = 1 << 18
    HANDSHAKE_23 = 1 << 24
    UNLINK_ID = 1 << 25
    MANDATORY_25_DIGEST = 1 << 26  # dist.hrl; the protocol's page says 36
    SPAWN = 1 << 32
    NAME_ME = 1 << 33
    V4_NC = 1 << 34


# Left out on purpose. PUBLISHED: we are a hidden node, or `global` would draw us into its mesh. DIST_HDR_ATOM_CACHE
# and FRAGMENTS: without them each message comes whole, in one frame, with nothing to remember. EXIT_PAYLOAD,
# SEND_SENDER and ALIAS: without them the few messages that reach us have one shape.
OUR_FLAGS: Final = (
    Flag.EXTENDED_REFERENCES
    | Flag.DIST_MONITOR
    | Flag.FUN_TAGS
    | Flag.DIST_MONITOR_NAME
    | Flag.NEW_FUN_TAGS
    | Flag.EXTENDED_PIDS_PORTS
    | Flag.EXPORT_PTR_TAG
    | Flag.BIT_BINARIES
    | Flag.NEW_FLOATS
    | Flag.UTF8_ATOMS
    | Flag.MAP_TAG
    | Flag.BIG_CREATION
    | Flag.HANDSHAKE_23
    | Flag.UNLINK_ID
    | Flag.MANDATORY_25_DIGEST
    | Flag.SPAWN
    | Flag.V4_NC
)
NEEDED_FLAGS: Final = Flag.HANDSHAKE_23 | Flag.BIG_CREATION | Flag.SPAWN | Flag.V4_NC | Flag.UNLINK_ID


class Cookie:
    """The secret that the nodes of a cluster share. It proves itself and is never shown."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode("latin-1")  # dist_util:gen_digest/2 takes atom_to_list/1

    def __repr__(self) -> str:
        return "Cookie(<hidden>)"

    def digest(self, challenge: int) -> bytes:
        """Return the proof for a challenge: MD5 of the cookie and the challenge in decimal digits."""
        # MD5 is what the protocol has; nothing but TLS makes it stronger.
        return hashlib.md5(self._secret + str(challenge).encode(), usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class Identity:
    """One life of a node: its name and the creation, a number that is new each time a node starts."""

    name: NodeName
    creation: int


@dataclass(frozen=True, slots=True)
class Introduction:
    """What we bring to a handshake. Randomness comes from outside, so that a handshake can be repeated in a test.

    ``own_name`` None asks the node for a name on ``target``'s host; ``creation`` is ours when the name is.
    """

    target: NodeName
    cookie: Cookie
    challenge: int
    creation: int
    own_name: NodeName | None = None


class _Awaiting(enum.Enum):
    STATUS = "its status"
    CHALLENGE = "its challenge"
    ACK = "its proof of the cookie"
    NOTHING = "nothing"


class Handshake:
    """One handshake, as the side that connects. Raises `ConnectError` and `RemoteProtocolError`, nothing else."""

    def __init__(self, introduction: Introduction) -> None:
        self._intro = introduction
        self._awaiting = _Awaiting.STATUS
        self._own: Identity | None = None
        if introduction.own_name is not None:
            self._own = Identity(introduction.own_name, introduction.creation)
        self._peer: Identity | None = None

    def start(self) -> bytes:
        """Return our first message: flags, creation and name, or only the host when we ask for a name."""
        flags, name = OUR_FLAGS, str(self._intro.own_name)
        if self._intro.own_name is None:
            flags, name = flags | Flag.NAME_ME, self._intro.target.host
        return struct.pack(">cQIH", b"N", flags, self._intro.creation, len(name)) + name.encode()

    def receive(self, message: bytes) -> bytes:
        """Take the node's next message; return ours, which may be empty."""
        if self._awaiting is _Awaiting.STATUS:
            return self._receive_status(message)
        if self._awaiting is _Awaiting.CHALLENGE:
            return self._receive_challenge(message)
        return self._receive_ack(message)

    def result(self) -> tuple[Identity, Identity] | None:
        """Return who we are and who the peer is once both have proved the cookie, else None."""
        if self._awaiting is _Awaiting.NOTHING and self._own is not None and self._peer is not None:
            return self._own, self._peer
        return None

    def closed(self, *, is_midway: bool = False) -> ConnectError:
        """Return what it means that the node closed the connection now, perhaps midway through a message."""
        target = self._intro.target
        if is_midway:
            return NodeUnreachable(f"{target} closed the connection midway through {self._awaiting.value}")
        if self._awaiting is _Awaiting.ACK:
            return WrongCookie(
                f"{target} does not accept our cookie. Give the cookie that the node was started with "
                "(--cookie-file, or BEAMWARDEN_COOKIE_FILE)"
            )
        return NodeUnreachable(
            f"{target} closed the connection instead of sending {self._awaiting.value}: it is going down, or that port "
            "is not an Erlang node's"
        )

    def _receive_status(self, message: bytes) -> bytes:
        if message[:1] != b"s":
            raise _unexpected(message, self._awaiting)
        status, target = message[1:], self._intro.target
        if status.startswith(b"named:") and self._own is None:
            self._own = _parse_named(status[6:], target)
        elif self._own is None or status not in {b"ok", b"ok_simultaneous", b"alive"}:
            refusal, why = _REFUSALS.get(status, _OTHER_REFUSAL)
            raise refusal(why.format(target=target, status=_show(status)))
        self._awaiting = _Awaiting.CHALLENGE
        # dist_util:do_alive/1. A peer that still holds a dead connection under our name asks whether we mean it.
        return b"strue" if status == b"alive" else b""

    def _receive_challenge(self, message: bytes) -> bytes:
        if message[:1] == b"n":
            raise IncompatiblePeer(
                f"{self._intro.target} speaks the handshake of OTP 22 or older. Nodes from OTP 25 on can be watched: "
                "upgrade it"
            )
        if message[:1] != b"N" or len(message) < 19:
            raise _unexpected(message, self._awaiting)
        flags, challenge, creation, size = struct.unpack(">QIIH", message[1:19])
        name = message[19 : 19 + size].decode("latin-1")
        if name != str(self._intro.target):
            raise WrongPeer(
                f"the node that answers for {self._intro.target} calls itself {_show(name.encode())}: "
                f"{_compare(name, self._intro.target)}"
            )
        if missing := [flag.name for flag in NEEDED_FLAGS if flag not in Flag(flags)]:
            raise IncompatiblePeer(
                f"{name} does not offer {', '.join(map(str, missing))}. Nodes from OTP 25 on can be watched: upgrade it"
            )
        self._peer = Identity(self._intro.target, creation)
        self._awaiting = _Awaiting.ACK
        return struct.pack(">cI", b"r", self._intro.challenge) + self._intro.cookie.digest(challenge)

    def _receive_ack(self, message: bytes) -> bytes:
        if message[:1] != b"a" or len(message) != 17:
            raise _unexpected(message, self._awaiting)
        if not hmac.compare_digest(message[1:], self._intro.cookie.digest(self._intro.challenge)):
            raise PeerNotTrusted(
                f"what answers for {self._intro.target} took our proof of the cookie but cannot give its own: it is no "
                "node of this cluster. Find out what listens there before trying again"
            )
        self._awaiting = _Awaiting.NOTHING
        return b""


_REFUSALS: Final[dict[bytes, tuple[type[HandshakeRefused], str]]] = {
    b"nok": (
        NameInUse,
        "{target} is just being connected by a node of our name. If that is another program, set another own_name, or "
        "none, so that the node gives us one",
    ),
    b"ok": (
        NoNamesGiven,
        "{target} does not give names to nodes that ask for one (OTP 23 and later do): set own_name",
    ),
    b"not_allowed": (
        NotAllowed,
        "{target} does not allow us: its net_kernel:allow/1 lists the nodes that may connect (then set own_name to one "
        "of them), or it demands what this protocol version lacks",
    ),
}
_OTHER_REFUSAL: Final = (
    HandshakeRefused,
    "{target} refused the connection with the status {status}; its log may say why",
)


def _compare(name: str, target: NodeName) -> str:
    """Say what to do when ``name`` answers for ``target``."""
    own_name, _, host = name.partition("@")
    if own_name == target.name and ("." in host) != target.is_long:
        kind = "a short" if target.is_long else "a long"
        return f"it has {kind} name. Give the node by that name"
    return "give the node by that name, or the port of the other"


def _parse_named(rest: bytes, target: NodeName) -> Identity:
    size = int.from_bytes(rest[:2], "big")
    name, creation = rest[2 : 2 + size], rest[2 + size : 6 + size]
    is_none = RemoteProtocolError(f"{target} gave us a name that is none: {_show(name)}")
    try:
        own_name = NodeName.parse(name.decode("latin-1"))
    except NodeNameError:
        raise is_none from None
    if len(creation) != 4 or own_name.host != target.host:
        raise is_none
    return Identity(own_name, int.from_bytes(creation, "big"))


def _unexpected(message: bytes, awaiting: _Awaiting) -> RemoteProtocolError:
    return RemoteProtocolError(f"in the handshake {_show(message[:1])} came where {awaiting.value} was due")


def _show(text: bytes) -> str:
    return ascii(text[:64].decode("latin-1"))
