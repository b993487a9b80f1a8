"""Node names, and where to find the node that bears one."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from agent.errors import NodeNameError
from agent.terms import MAX_ATOM_CHARACTERS

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")  # net_kernel:valid_name_head/1
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_HOST: Final = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")  # the labels of DNS
_BRACKETED: Final = re.compile(r"([^@\[]*)@\[([^\]]*)\](?::(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class NodeName:
    """A node's name in its two parts: ``name@host``."""

    name: str
    host: str

    @classmethod
    def parse(cls, text: str) -> NodeName:
        """Read ``name@host``; an IPv6 address is a host too. Raises `NodeNameError`."""
        name, _, host = text.partition("@")
        is_host = _HOST.fullmatch(host) or _is_ipv6(host)
        if not _NAME.fullmatch(name) or not is_host or len(text) > MAX_ATOM_CHARACTERS:
            raise NodeNameError(f"{text!r} is no node name of the form name@host")
        return cls(name, host)

    @property
    def is_long(self) -> bool:
        """Whether the host has a dot or is an address, as on nodes started with ``-name`` instead of ``-sname``."""
        return "." in self.host or ":" in self.host

    def __str__(self) -> str:
        return f"{self.name}@{self.host}"


@dataclass(frozen=True, slots=True)
class Target:
    """A node to connect to. With a ``port``, epmd is not asked for one."""

    node: NodeName
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read ``name@host``, ``name@host:port``, or ``name@[IPv6 address]:port``. Raises `NodeNameError`."""
        text = text.strip()
        if bracketed := _BRACKETED.fullmatch(text):
            name, host, digits = bracketed.groups()
            if not _is_ipv6(host):
                raise NodeNameError(f"{text!r}: what stands in the brackets is no IPv6 address")
            node = NodeName.parse(f"{name}@{host}")
        elif _is_ipv6(text.partition("@")[2]):  # its last group is no port
            return cls(NodeName.parse(text))
        else:
            address, colon, rest = text.partition(":")
            node, digits = NodeName.parse(address), rest if colon else None
        if digits is None:
            return cls(node)
        if not _PORT.fullmatch(digits) or int(digits) > 65_535:
            raise NodeNameError(f"{text!r} has no port between 1 and 65535 behind the colon")
        return cls(node, int(digits))

    def __str__(self) -> str:
        if self.port is None:
            return str(self.node)
        host = f"[{self.node.host}]" if ":" in self.node.host else self.node.host
        return f"{self.node.name}@{host}:{self.port}"


def parse_own_name(text: str, target: NodeName) -> NodeName:
    """Read the fixed name that we shall bear towards ``target``: ``name`` or ``name@host``. Raises `NodeNameError`.

    Nodes with short and with long names cannot talk to each other (the two would not agree on who is who), so a name
    of the other kind is refused here and not after the connection hangs. On one and the same host there is no other
    kind: ``-name a@localhost`` has no dot either.
    """
    own = NodeName.parse(text if "@" in text else f"{text}@{target.host}")
    if own.host != target.host and own.is_long != target.is_long:
        kinds = "a long one (with a dot in the host), ours a short one"
        if own.is_long:
            kinds = "a short one (no dot in the host), ours a long one"
        raise NodeNameError(f"{own} cannot talk to {target}: the node's name is {kinds}. Both must be of one kind")
    return own


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.IPv6Address(host).scope_id is None  # of a link-local address; no node's name has it
    except ValueError:
        return False
