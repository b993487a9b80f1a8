"""What answers on epmd's port."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from agent import epmd
from agent.errors import NodeNotRegistered, RemoteProtocolError
from tests.fakes import PEER_NAME


def check(data: bytes) -> None:
    try:
        port = epmd.parse_port_reply(data, PEER_NAME)
    except (NodeNotRegistered, RemoteProtocolError):
        return
    assert 0 <= port <= 65_535
    assert data[:2] == b"w\0"


def seeds() -> Iterator[bytes]:
    name = PEER_NAME.name.encode()
    # Type 77 is a node that is not hidden; then protocol, both versions, the name and an empty extra field.
    yield b"w\0" + struct.pack(">HBBHHH", 35_095, 77, 0, 6, 5, len(name)) + name + b"\0\0"
    yield b"w\1"
    yield b"v\0"
