"""What is known of supervisors and their children: the words of the supervision tree and of the governors.

What each field is read from, and what OTP does not keep:

* A supervisor's own record of a child has a pid, ``{restarting, Pid}`` or ``undefined`` (``supervisor.erl``, the
  record ``child``). The last one says that there is no process, and not why: the child was terminated by somebody,
  ended and is not to be restarted, or its start function gave ``ignore``.
* The restarts that count against the budget are kept as times, and old ones are dropped only at the next restart. So
  they are counted for now, on the node.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Which code a supervisor runs, and so which questions it answers."""

    SUPERVISOR = "supervisor"
    ELIXIR_SUPERVISOR = "Elixir Supervisor"  # OTP's own, with a callback module of Elixir
    PARTITION_SUPERVISOR = "PartitionSupervisor"
    DYNAMIC_SUPERVISOR = "DynamicSupervisor"
    TASK_SUPERVISOR = "Task.Supervisor"
    SUPERVISOR2 = "supervisor2"  # RabbitMQ's
    RANCH_CONNS_SUP = "ranch_conns_sup"  # ranch's, which holds the connections of a listener
    SUPERVISOR_BRIDGE = "supervisor_bridge"  # OTP's, for one process: no supervisor, and answers none of its questions


class Status(StrEnum):
    """What a supervisor is doing, as far as it can be told without harm."""

    RUNNING = "running"
    SUSPENDED = "suspended"  # by sys:suspend: it restarts nothing; it got no question
    NOT_ANSWERING = "not answering"  # busy or stuck: it got no question, or gave no answer in time
    TOO_LARGE = "too large"  # its heap: asking would copy its state; it got no question
    UNKNOWN_STATE = "unknown state"  # a supervisor of a kind or release that we do not know
    KIND_UNKNOWN = "kind unknown"  # before OTP 26.2, with a large heap: it got no question
    NOT_A_SUPERVISOR = "not a supervisor"  # although its parent says so; it got no question
    GONE = "gone"
    NOT_LOOKED_AT = "not looked at"  # one of the limits of the answer was reached before


class ChildState(StrEnum):
    """What a supervisor knows of a child's process."""

    RUNNING = "running"
    RESTARTING = "restarting"  # its start failed, and is tried again
    TERMINATED = "terminated"  # the process is dead, and the supervisor has not taken notice of it yet
    UNDEFINED = "undefined"  # there is no process: terminated by somebody, ended for good, or never there
    UNKNOWN = "unknown"  # a process of another node


@dataclass(frozen=True, slots=True)
class Counts:
    """How many children there are, by what the supervisor itself holds of them.

    Those of a supervisor whose children are listed are `ChildState`'s; of one whose children are only counted, a
    process that has just died still counts as ``running``.
    """

    running: int = 0
    restarting: int = 0
    terminated: int = 0
    undefined: int = 0
    unknown: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.running + self.restarting + self.terminated + self.undefined + self.unknown


@dataclass(frozen=True, slots=True)
class Child:
    """One child, as its supervisor has it.

    ``id`` and ``pid`` are printed on the node, as its shell does; a long id is cut, with ``...``. ``shutdown`` is
    ``brutal_kill``, ``infinity`` or a number of milliseconds. ``modules`` is empty where the child says ``dynamic``.
    None: the kind of supervisor does not keep it. ``supervisor`` is there for a living child that is declared one.
    """

    id: str
    pid: str | None
    state: ChildState
    type: str | None
    restart: str | None
    shutdown: int | str | None
    significant: bool | None
    modules: tuple[str, ...]
    supervisor: Supervisor | None = None


@dataclass(frozen=True, slots=True)
class Supervisor:
    """One supervisor, or what is declared to be one.

    ``module`` is its callback module, ``initial_call`` what it was started with. ``restarts`` are those that count
    against ``intensity`` now. ``children`` is None where they are not listed, ``counts`` where they are not even
    counted; ``why_not_listed`` says why. ``current_function`` and ``message_queue_len`` are there for one that got no
    question. ``may_be_suspended``: it hibernates, and this release does not let us tell that from a suspended one.
    """

    pid: str
    name: str | None
    status: Status
    kind: Kind | None = None
    module: str | None = None
    initial_call: str | None = None
    strategy: str | None = None
    intensity: int | None = None
    period_seconds: int | None = None
    restarts: int | None = None
    counts: Counts | None = None
    children: tuple[Child, ...] | None = None
    why_not_listed: str | None = None
    current_function: str | None = None
    message_queue_len: int | None = None
    heap_bytes: int | None = None
    may_be_suspended: bool = False

    @property
    def budget_left(self) -> int | None:
        """How many more restarts it bears now before it gives up and ends. None: not known."""
        if self.intensity is None or self.restarts is None:
            return None
        return max(0, self.intensity - self.restarts)
