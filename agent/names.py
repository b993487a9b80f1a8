"""Node names, and where to find the node that bears one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from agent.errors import NodeNameError
from agent.terms import MAX_ATOM_CHARACTERS

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")  # net_kernel:valid_name_head/1
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_HOST: Final = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")  # the labels of DNS


@dataclass(frozen=True, slots=True)
class NodeName:
    """A node's name in its two parts: ``name@host``."""

    name: str
    host: str

    @classmethod
    def parse(cls, text: str) -> NodeName:
        """Read ``name@host``. Raises `NodeNameError`."""
        name, _, host = text.partition("@")
        if not _NAME.fullmatch(name) or not _HOST.fullmatch(host) or len(text) > MAX_ATOM_CHARACTERS:
            raise NodeNameError(f"{text!r} is no node name of the form name@host")
        return cls(name, host)

    @property
    def is_long(self) -> bool:
        """Whether the host has a dot, as it has on nodes that were started with ``-name`` instead of ``-sname``."""
        return "." in self.host

    def __str__(self) -> str:
        return f"{self.name}@{self.host}"


@dataclass(frozen=True, slots=True)
class Target:
    """A node to connect to. With a ``port``, epmd is not asked for one."""

    node: NodeName
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read ``name@host`` or ``name@host:port``. Raises `NodeNameError`."""
        address, colon, digits = text.strip().partition(":")
        if not colon:
            return cls(NodeName.parse(address))
        if not _PORT.fullmatch(digits) or int(digits) > 65_535:
            raise NodeNameError(f"{text!r} has no port between 1 and 65535 behind the colon")
        return cls(NodeName.parse(address), int(digits))

    def __str__(self) -> str:
        return str(self.node) if self.port is None else f"{self.node}:{self.port}"


def parse_own_name(text: str, target: NodeName) -> NodeName:
    """Read the fixed name that we shall bear towards ``target``: ``name`` or ``name@host``. Raises `NodeNameError`.

    Nodes with short and with long names cannot talk to each other (the two would not agree on who is who), so a name
    of the other kind is refused here and not after the connection hangs.
    """
    own = NodeName.parse(text if "@" in text else f"{text}@{target.host}")
    if own.is_long != target.is_long:
        kinds = "a long one (with a dot in the host), ours a short one"
        if own.is_long:
            kinds = "a short one (no dot in the host), ours a long one"
        raise NodeNameError(f"{own} cannot talk to {target}: the node's name is {kinds}. Both must be of one kind")
    return own
