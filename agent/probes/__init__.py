"""The questions we ask, one per file: ``ask(caller, deadline_seconds)`` gives a frozen result.

A probe knows what it asks, what that costs the node and what the answer means; it knows nothing of connections,
sharing or metrics. To add one: copy ``memory.py``, and name it here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from agent.expression import Shell
from agent.probes import identity, memory, statistics, supervisors, system_info
from agent.probes.busy import Busy
from agent.probes.identity import NodeIdentity
from agent.probes.memory import Memory
from agent.probes.process import NoProcess, Process
from agent.probes.processes import Mailboxes, Processes
from agent.probes.statistics import Statistics
from agent.probes.supervisors import Supervisors
from agent.probes.system_info import SystemInfo
from agent.probes.watched_tables import WatchedTables

Result: TypeAlias = (
    Busy
    | Mailboxes
    | Memory
    | NodeIdentity
    | NoProcess
    | Process
    | Processes
    | Statistics
    | Supervisors
    | SystemInfo
    | WatchedTables
)
Probe: TypeAlias = Callable[[Shell, float], Awaitable[Result]]


def vital_signs(expected_supervisors: Sequence[str] = ()) -> Mapping[str, Probe]:
    """Return the probes that cost the same on every node, however large it is."""
    return {
        "identity": identity.ask,
        "memory": memory.ask,
        "statistics": statistics.ask,
        "system_info": system_info.ask,
        "supervisors": partial(supervisors.ask, expected_supervisors),
    }
