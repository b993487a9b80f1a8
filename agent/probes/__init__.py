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
from agent.probes.allocators import Allocators
from agent.probes.applications import Applications
from agent.probes.binaries import BinaryHolders, BinaryMemory
from agent.probes.busy import Busy
from agent.probes.distribution import Distribution
from agent.probes.ets import Tables
from agent.probes.governor_ages import AgedGovernors
from agent.probes.governors import GovernorState
from agent.probes.identity import NodeIdentity
from agent.probes.memory import Memory
from agent.probes.memory_limit import MemoryLimit
from agent.probes.microstates import Microstates
from agent.probes.mnesia import Mnesia
from agent.probes.ports import Ports
from agent.probes.process import NoProcess, Process
from agent.probes.processes import Mailboxes, Processes
from agent.probes.statistics import Statistics
from agent.probes.supervision_tree import SupervisionTree
from agent.probes.supervisors import Supervisors
from agent.probes.system_info import SystemInfo
from agent.probes.table import FoundTables, NoTable
from agent.probes.watched_tables import WatchedTables

Result: TypeAlias = (
    AgedGovernors
    | Allocators
    | Applications
    | BinaryHolders
    | BinaryMemory
    | Busy
    | Distribution
    | FoundTables
    | GovernorState
    | Mailboxes
    | Memory
    | MemoryLimit
    | Microstates
    | Mnesia
    | NodeIdentity
    | NoProcess
    | NoTable
    | Ports
    | Process
    | Processes
    | Statistics
    | SupervisionTree
    | Supervisors
    | SystemInfo
    | Tables
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
