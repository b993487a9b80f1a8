"""How are the governors: the workers below the supervisors that hold them?

How old is a governor? Erlang does not keep when a process was started, neither for `process_info/2` nor anywhere else
(OTP 25 to 28). What can be known is when *we* first saw its pid, and that the answer before did not have it: who keeps
answers can say so from the pids, and from ``uptime_seconds`` that it is no older than its node.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.supervision import ChildState, Supervisor


@dataclass(frozen=True, slots=True)
class Governor:
    """One worker. None for ``message_queue_len`` and ``current_function``: there is no process, or it has just gone.

    ``id`` is its id in the supervisor, printed: ``{billing_governor,<<"acme">>}``. ``supervisor`` is the registered
    name of that one, or its pid.
    """

    id: str
    supervisor: str
    pid: str | None
    state: ChildState
    message_queue_len: int | None
    current_function: str | None

    @property
    def is_alive(self) -> bool:
        """Whether it has a living process."""
        return self.state is ChildState.RUNNING


@dataclass(frozen=True, slots=True)
class Governors:
    """The governors that were listed: all of them in the order of the tree, or those with the longest queues.

    ``total`` and ``alive`` count all that were found. ``missing`` are the supervisors to start from that are not
    registered. ``not_read`` are supervisors on the way whose children are not known, with the reason in their status.
    """

    governors: tuple[Governor, ...]
    total: int
    alive: int
    missing: tuple[str, ...]
    not_read: tuple[Supervisor, ...]
    uptime_seconds: float
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every governor is listed."""
        return not self.left_out


@dataclass(frozen=True, slots=True)
class GovernorState:
    """The state that one gen_statem is in: its name, or None and the reason why there is none to tell.

    Its data never leaves the node.
    """

    pid: str
    name: str | None
    state: str | None
    why_not: str | None
    is_suspended: bool = False
