"""Who may ask for what: a row for each route, and no for whatever has none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Role(IntEnum):
    """What an asker is taken for. Each may do whatever those below it may."""

    ANYONE = 0
    LOCAL = 1  # on this machine, and not through a proxy
    VIEWER = 2
    OPERATOR = 3

    def __str__(self) -> str:
        return self.name.lower()


# Those that are given with a token; the other two follow from where a request comes from.
ROLES_OF_TOKENS: Final[Mapping[str, Role]] = {str(role): role for role in (Role.VIEWER, Role.OPERATOR)}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. Without a token it has the name of its role."""

    name: str
    role: Role


READING: Final = frozenset({"GET", "HEAD"})  # every other method acts

_NODE: Final = "/api/v1/nodes/{node}"

# Least role by method and route. HEAD is answered as GET.
PERMISSIONS: Final[Mapping[tuple[str, str], Role]] = {
    ("GET", "/"): Role.ANYONE,
    ("GET", "/livez"): Role.ANYONE,
    ("GET", "/readyz"): Role.ANYONE,
    ("GET", "/health"): Role.ANYONE,
    ("GET", "/metrics"): Role.ANYONE,
    ("GET", "/probe"): Role.ANYONE,
    ("GET", "/openapi.json"): Role.ANYONE,
    ("GET", "/api/v1/nodes"): Role.LOCAL,
    ("GET", _NODE): Role.LOCAL,
    ("GET", f"{_NODE}/memory"): Role.LOCAL,
    ("GET", f"{_NODE}/system"): Role.LOCAL,
    ("GET", f"{_NODE}/processes"): Role.LOCAL,
    ("GET", f"{_NODE}/process"): Role.LOCAL,
    ("GET", f"{_NODE}/mailboxes"): Role.LOCAL,
    ("GET", f"{_NODE}/busy"): Role.LOCAL,
    ("GET", f"{_NODE}/ets"): Role.LOCAL,
    ("GET", f"{_NODE}/table"): Role.LOCAL,
    ("GET", f"{_NODE}/supervisors"): Role.LOCAL,
    ("GET", f"{_NODE}/supervisor"): Role.LOCAL,
    ("GET", f"{_NODE}/governors"): Role.LOCAL,
    ("GET", f"{_NODE}/governor"): Role.LOCAL,
    ("GET", f"{_NODE}/applications"): Role.LOCAL,
    ("GET", f"{_NODE}/ports"): Role.LOCAL,
    ("GET", f"{_NODE}/binaries"): Role.LOCAL,
    ("GET", f"{_NODE}/trend"): Role.LOCAL,
    ("GET", f"{_NODE}/diagnosis"): Role.LOCAL,
    ("GET", "/api/v1/audit"): Role.LOCAL,
    ("GET", f"{_NODE}/restarts"): Role.LOCAL,
    ("GET", f"{_NODE}/restarts/{{action_id}}"): Role.LOCAL,
    ("POST", f"{_NODE}/restarts"): Role.OPERATOR,
    ("POST", f"{_NODE}/garbage-collections"): Role.OPERATOR,
    ("POST", f"{_NODE}/table-deletions"): Role.OPERATOR,
}

# Asked by machines, under whatever name a cluster has given this program; the Host header is not checked for these.
FOR_MACHINES: Final = frozenset({"/livez", "/readyz", "/health", "/metrics", "/probe"})


class Permissions:
    """A table of permissions, asked by paths."""

    def __init__(self, table: Mapping[tuple[str, str], Role] = PERMISSIONS) -> None:
        self._rows = [(_pattern(route), method, role) for (method, route), role in table.items()]

    def of(self, path: str) -> dict[str, Role]:
        """Return the methods that a path may be asked with, each with its least role: none for an unknown path."""
        found: dict[str, Role] = {}
        for pattern, method, role in self._rows:
            if pattern.fullmatch(path):
                found[method] = max(role, found.get(method, role))
        return found


def _pattern(route: str) -> re.Pattern[str]:
    # As Starlette reads its routes: a parameter is whatever has no slash in it.
    parts = re.split(r"\{\w+\}", route)
    return re.compile("[^/]+".join(map(re.escape, parts)))
