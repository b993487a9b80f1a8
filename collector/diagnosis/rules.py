"""The rules about the node, as data: what a section of the playbook is about, as it is seen in a node."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from agent.actions.guards import PLATFORM_APPLICATIONS
from agent.probes.applications import Applications
from agent.probes.processes import Mailboxes
from agent.probes.supervision_tree import SupervisionTree
from agent.probes.supervisors import Supervisors
from agent.probes.system_info import SystemInfo
from agent.supervision import Status
from collector.diagnosis.findings import Evidence, Finding, Findings, NodeThresholds, Rule, Seen
from collector.diagnosis.memory_rules import memory_grows, memory_near_limit
from collector.diagnosis.service_facts import NotKnown
from collector.diagnosis.severity import Severity

SHOWN: Final = 5


def apply(
    evidence: Evidence, thresholds: NodeThresholds | None = None, rules: Sequence[Rule] | None = None
) -> Findings:
    """Let every rule look. One that lacks what it needs says why, and is never taken for one that found nothing."""
    found, not_known = list[Finding](), list[tuple[Rule, str]]()
    for rule in RULES if rules is None else rules:
        missing = [given.why for name in rule.needs if isinstance(given := getattr(evidence, name), NotKnown)]
        if missing:
            not_known.append((rule, missing[0]))
        else:
            found += (Finding(rule, seen) for seen in rule.look(evidence, thresholds or NodeThresholds()))
    return Findings(tuple(sorted(found, key=lambda each: each.seen.severity)), tuple(not_known))


def _applications_down(evidence: Evidence, _thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.applications, Applications)
    for name in evidence.applications.not_running:
        # Those of OTP and Elixir may be loaded and not started in a node that is well.
        if name not in PLATFORM_APPLICATIONS:
            yield Seen(
                Severity.CRITICAL,
                f"the application {name} does not run, although the node does: a port that answers shows nothing of it",
                steps=("beamwarden applications", "beamwarden supervisors"),
            )


def _supervisors_missing(evidence: Evidence, _thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.supervisors, Supervisors)
    for name in evidence.supervisors.missing:
        quoted = shlex.quote(name)
        yield Seen(
            Severity.CRITICAL,
            f"supervisor {name} not running",
            steps=(f"beamwarden supervisor {quoted}", f"beamwarden restart {quoted} --under PARENT --dry-run"),
        )


def _supervisors_stuck(evidence: Evidence, _thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.tree, SupervisionTree)
    for supervisor in evidence.tree.supervisors():
        # One that starts a child is busy as well, and a node that is well has such ones at any time.
        has_not_answered = supervisor.status is Status.NOT_ANSWERING and supervisor.pid in evidence.still_not_answering
        if supervisor.status is Status.SUSPENDED or has_not_answered:
            name = supervisor.name or supervisor.pid
            where = (
                f"it is in {supervisor.current_function}"
                if supervisor.current_function
                else "where it is, is not known"
            )
            yield Seen(
                Severity.HIGH,
                f"supervisor {name} is {supervisor.status}: it restarts nothing that ends meanwhile",
                (where, f"{supervisor.message_queue_len or 0} messages wait for it"),
                steps=(f"beamwarden process {shlex.quote(name)}",),
            )


def _restarts_used_up(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.tree, SupervisionTree)
    for supervisor in evidence.tree.supervisors():
        left = supervisor.budget_left
        if left is None or not supervisor.restarts or left > thresholds.restarts_left:
            continue
        name = supervisor.name or supervisor.pid
        yield Seen(
            Severity.HIGH,
            f"children of {name} crash again and again: {left} more restarts within {supervisor.period_seconds} s, and "
            "it ends itself and all that is below it",
            (f"{supervisor.restarts} of {supervisor.intensity} restarts used",),
            steps=(f"beamwarden supervisor {shlex.quote(name)}",),
        )


def _mailboxes_long(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.mailboxes, Mailboxes)
    for row in evidence.mailboxes.by_message_queue_len[:SHOWN]:
        if row.message_queue_len <= thresholds.long_mailbox:
            continue
        name = row.name or row.pid
        yield Seen(
            Severity.HIGH if row.message_queue_len > thresholds.very_long_mailbox else Severity.MEDIUM,
            f"{row.message_queue_len} messages wait for {name}",
            (
                f"pid {row.pid}, {row.status}, in {row.current_function or 'a function that is not known'}",
                f"started as {row.initial_call or 'not known'} by {row.parent_name or row.parent or 'not known'}",
            ),
            fits=("Process accumulating messages",),
            steps=(f"beamwarden process {shlex.quote(name)}", "beamwarden supervisors"),
        )


def _limits_near(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.system, SystemInfo)
    system = evidence.system
    for what, count, limit in (
        ("processes", system.processes, system.process_limit),
        ("ports", system.ports, system.port_limit),
        ("atoms", system.atoms, system.atom_limit),
    ):
        if count is None or not limit or count < thresholds.limit_share[0] * limit:
            continue
        yield Seen(
            Severity.HIGH if count >= thresholds.limit_share[1] * limit else Severity.MEDIUM,
            f"the node has {count} {what} of {limit} that it may have",
            (f"{count / limit:.0%}",),
            fits=("OOM or resource exhaustion",),
            steps=("beamwarden ports" if what == "ports" else "beamwarden processes",),
        )


_OF_HEALTH: Final = (
    "Configuration error",
    "Dependency initialization failure",
    "OOM or resource exhaustion",
    "Network connectivity",
)
_OF_MEMORY: Final = (
    "Receipt buffer not flushing",
    "ETS table growing without limit",
    "Process accumulating messages",
    "Binary garbage not collected",
)

RULES: Final = (
    Rule("application_down", "Playbook 1", _OF_HEALTH, ("errors", "rollback"), ("applications",), _applications_down),
    Rule(
        "supervisor_missing", "Playbook 1", _OF_HEALTH, ("errors", "rollback"), ("supervisors",), _supervisors_missing
    ),
    Rule("supervisor_stuck", "Playbook 1", _OF_HEALTH, ("errors",), ("tree",), _supervisors_stuck),
    Rule("restarts_used_up", "Playbook 1", _OF_HEALTH, ("errors", "rollback"), ("tree",), _restarts_used_up),
    Rule(
        "memory_near_limit",
        "Playbook 4",
        _OF_MEMORY,
        ("memory_trend", "memory_kills", "more_memory"),
        ("limit",),
        memory_near_limit,
    ),
    Rule("memory_grows", "Playbook 4", _OF_MEMORY, ("memory_trend", "smaller_buffers"), ("memory",), memory_grows),
    Rule("mailbox_long", "Playbook 4", _OF_MEMORY, ("errors",), ("mailboxes",), _mailboxes_long),
    Rule("limit_near", "Playbook 1", _OF_HEALTH, ("errors",), ("system",), _limits_near),
)
