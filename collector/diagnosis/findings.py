"""What a rule is, what it finds, and the evidence about a node that all rules look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from agent.probes.applications import Applications
from agent.probes.ets import Tables
from agent.probes.governor_ages import AgedGovernors
from agent.probes.ports import Ports
from agent.probes.processes import Mailboxes, Processes
from agent.probes.statistics import Statistics
from agent.probes.supervision_tree import SupervisionTree
from agent.probes.supervisors import Supervisors
from agent.probes.system_info import SystemInfo
from collector.diagnosis.growth import Growth
from collector.diagnosis.of_settings import KnownLimit
from collector.diagnosis.service_facts import Health, NotKnown, ServiceFacts
from collector.diagnosis.severity import Severity, Thresholds
from collector.diagnosis.what_grows import Holder, WhatGrows

NOT_ASKED: Final = NotKnown("it was not asked")
_NO_FACTS: Final = ServiceFacts("nowhere", NOT_ASKED, NOT_ASKED, NOT_ASKED, NOT_ASKED)


@dataclass(frozen=True, slots=True)
class NotLetIn(NotKnown):
    """The node answers, and has no connection with us: a cookie or a certificate is wrong. It may be well."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a node and of its service, and of each thing that is not known, why.

    ``contact`` is what the node calls itself, or why it does not answer. ``largest_process`` and ``largest_table`` are
    those that have most of the memory of their kind; None where it is spread, or was not looked at.
    ``still_not_answering`` are the pids of supervisors that did not answer at two looks some seconds apart,
    ``still_down`` the pids of supervisors with the ids of children that were down at both. ``run_queues`` are the
    lengths of the run queue at several moments, the oldest first. ``longest_queues`` is the length of the longest
    mailbox at each point of the trend, so far apart as ``interval_seconds`` says; None where it was not measured.
    ``table_growth`` is of the rows of those watched tables that are there, ``table_falls`` how often they were fewer
    than before since they began to grow.
    """

    applications: Applications | NotKnown
    supervisors: Supervisors | NotKnown
    tree: SupervisionTree | NotKnown
    mailboxes: Mailboxes | NotKnown
    system: SystemInfo | NotKnown
    memory: WhatGrows | NotKnown
    limit: KnownLimit | NotKnown
    contact: str | NotKnown = NOT_ASKED
    processes: Processes | NotKnown = NOT_ASKED
    tables: Tables | NotKnown = NOT_ASKED
    ports: Ports | NotKnown = NOT_ASKED
    governors: AgedGovernors | NotKnown = NOT_ASKED
    statistics: Statistics | NotKnown = NOT_ASKED
    table_growth: Mapping[str, Growth] = field(default_factory=dict)
    table_falls: Mapping[str, int] = field(default_factory=dict)
    largest_process: Holder | None = None
    largest_table: Holder | None = None
    still_not_answering: frozenset[str] = frozenset()
    still_down: frozenset[tuple[str, str]] = frozenset()
    run_queues: tuple[int, ...] = ()
    longest_queues: tuple[int | None, ...] = ()
    interval_seconds: float = 0.0
    health: Health | NotKnown = NOT_ASKED
    service: ServiceFacts = _NO_FACTS


@dataclass(frozen=True, slots=True)
class NodeThresholds:
    """From which figures on something is found. The playbook has none for these, but for its own, ``playbook``."""

    playbook: Thresholds = field(default_factory=Thresholds)
    memory_share: tuple[float, float, float] = (0.80, 0.90, 0.95)  # medium, high, critical
    limit_share: tuple[float, float] = (0.80, 0.95)  # medium, high: of processes, ports and atoms
    long_mailbox: int = 10_000
    very_long_mailbox: int = 100_000
    restarts_left: int = 1
    soon_seconds: float = 1_800.0
    run_queue_per_scheduler: int = 10
    port_queue_bytes: int = 16 * 1024 * 1024
    action_queue_depth: int = 100
    governor_messages: int = 1_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What a rule sees: one sentence, the figures and names behind it, and since when, where that is known.

    ``fits`` are those of the rule's root causes that the evidence speaks for, ``excluded`` those that it rules out.
    ``steps`` are commands of ours, as they are typed.
    """

    severity: Severity
    sentence: str
    evidence: tuple[str, ...] = ()
    since_seconds: float | None = None
    fits: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


Look = Callable[[Evidence, NodeThresholds], Iterator[Seen]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: the section of the playbook it is of, its root causes, and the commands for a person, by their names.

    ``needs`` names the fields of `Evidence`, and of these, without which it says nothing. ``looks_for`` is what it
    finds, in one sentence; ``numbers`` are the settings that say from which figures on.
    """

    name: str
    section: str
    causes: tuple[str, ...]
    commands: tuple[str, ...]
    needs: tuple[str, ...]
    look: Look = field(repr=False)
    looks_for: str
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule has found."""

    rule: Rule
    seen: Seen


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found, the worst first; and the rules that could not look, with the reason."""

    found: tuple[Finding, ...]
    not_known: tuple[tuple[Rule, str], ...]
