"""The question to the Erlang port mapper: on which port does this node listen?

Source: https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html, "Get the Distribution Port of a Node".
"""

from __future__ import annotations

import struct
from typing import Final

from agent.errors import NodeNotRegistered, RemoteProtocolError
from agent.names import NodeName

DEFAULT_PORT: Final = 4369
MAX_REPLY_BYTES: Final = 1024  # two bytes, ten of numbers, a name and an extra field that no release fills

_PORT_PLEASE2_REQ: Final = b"z"
_PORT2_RESP: Final = 119


def port_request(name: NodeName) -> bytes:
    """Return the bytes that ask for the distribution port of ``name``."""
    request = _PORT_PLEASE2_REQ + name.name.encode()
    return struct.pack(">H", len(request)) + request


def parse_port_reply(reply: bytes, name: NodeName) -> int:
    """Return the port in a whole answer (epmd closes the connection behind it).

    Raises `NodeNotRegistered` when epmd knows no such node, `RemoteProtocolError` when this is not epmd's answer.
    """
    if len(reply) < 2 or reply[0] != _PORT2_RESP:
        raise RemoteProtocolError("what answers on epmd's port is not epmd")
    if reply[1] != 0:
        raise NodeNotRegistered(
            f"epmd on {name.host} knows no node named {name.name!r}: is the node up, and is this its name?"
        )
    if len(reply) < 4:
        raise RemoteProtocolError("epmd's answer ends too early")
    return int(struct.unpack(">H", reply[2:4])[0])
