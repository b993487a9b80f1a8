"""What is known of a supervisor's child that somebody wants to restart, and of what would go with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from agent.supervision import ChildState, Supervisor
from agent.terms import Pid, format_pid


class Obstacle(StrEnum):
    """Why nothing more is known of a child, and it cannot be restarted."""

    APPLICATION_TOP = "application top"  # what was named is an application's top process, which no supervisor has
    NO_PARENT = "no parent"  # it has no parent that is alive: a supervisor must be named
    SUPERVISOR_GONE = "supervisor gone"
    NOT_ASKED = "not asked"  # the supervisor is busy, suspended, too large or none; its status says which
    SHARED_SPEC = "shared spec"  # its children share one spec: they can be ended, and not started again by their id
    NOT_OTP = "not OTP's"  # it is a supervisor of another kind
    TOO_MANY = "too many processes"


@dataclass(frozen=True, slots=True)
class Table:
    """An ETS table with rows whose owner would die. ``heir`` is who gets it then; without one it vanishes."""

    id: str
    name: str
    rows: int
    memory_bytes: int
    owner: str
    owner_name: str | None
    heir: str | None


@dataclass(frozen=True, slots=True)
class Tables:
    """Such tables: all of them in sums and in ``names``, one for each table, the largest in ``shown``."""

    count: int = 0
    rows: int = 0
    memory_bytes: int = 0
    names: tuple[str, ...] = ()
    shown: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class NamedProcess:
    """A process, and its registered name if it has one."""

    pid: str
    name: str | None


@dataclass(frozen=True, slots=True)
class TemporaryChild:
    """A living child further down that is temporary: whoever started it has to start it again."""

    id: str
    pid: str
    supervisor: str


@dataclass(frozen=True, slots=True)
class SharedSpec:
    """The living children of a supervisor further down that share one spec: none of them comes back by itself."""

    supervisor: str
    supervisor_name: str | None
    restart: str | None
    count: int


@dataclass(frozen=True, slots=True)
class NotAsked:
    """A supervisor further down that got no question: what it has below is not known."""

    pid: str
    name: str | None
    status: str


@dataclass(frozen=True, slots=True)
class Subtree:
    """What dies with the child, at least. ``told`` are linked processes that trap exits and live on.

    ``shutdown_milliseconds`` is for how long the shutdown may take by the children's own values: None means without a
    limit, when ``is_shutdown_known``, and else that nobody knows.
    """

    processes: int
    named: int
    names: tuple[NamedProcess, ...]
    told_count: int
    told: tuple[NamedProcess, ...]
    supervisors: int
    static_children: int
    temporary_count: int
    temporary: tuple[TemporaryChild, ...]
    shared: tuple[SharedSpec, ...]
    not_asked: tuple[NotAsked, ...]
    shutdown_milliseconds: int | None
    is_shutdown_known: bool

    @property
    def children_lost(self) -> int:
        """How many living children no restart brings back."""
        return self.temporary_count + sum(one.count for one in self.shared)


@dataclass(frozen=True, slots=True)
class RestartFacts:
    """One child of one supervisor, as both are now.

    ``fingerprint`` is the node's own digest of what must still be so when the child is restarted: the supervisor, the
    child, its restart type, the children below with specs of their own, and the tables that would vanish.
    """

    supervisor: Supervisor
    supervisor_pid: Pid
    id: str
    child_pid: Pid | None
    state: ChildState
    type: str | None
    restart: str | None
    shutdown: int | str | None
    significant: bool | None
    supervisor_application: str | None
    application: str | None
    subtree: Subtree
    lost_tables: Tables
    kept_tables: Tables
    fingerprint: bytes

    @property
    def pid(self) -> str | None:
        """The child's pid as it is printed; None when it has no process."""
        return None if self.child_pid is None else format_pid(self.child_pid)


@dataclass(frozen=True, slots=True)
class NoFacts:
    """The child is not known any closer, and why. ``supervisor`` is what could be seen of its supervisor."""

    obstacle: Obstacle
    supervisor: Supervisor | None = None
    application: str | None = None


@dataclass(frozen=True, slots=True)
class NoSuchChild:
    """The supervisor has no such child. ``ids`` are those of the ones that it has, 2,000 at most."""

    supervisor: Supervisor
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SeveralChildren:
    """Several children have this printed id: a pid says which is meant."""

    supervisor: Supervisor
    pids: tuple[str, ...]


Found: TypeAlias = RestartFacts | NoFacts | NoSuchChild | SeveralChildren
