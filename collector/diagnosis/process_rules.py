"""The rules about processes: for whom do messages pile up?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.probes.governor_ages import AgedGovernors
from agent.probes.processes import Mailboxes
from collector.diagnosis.causes import MESSAGES, OF_CATEGORIES, OF_MEMORY
from collector.diagnosis.findings import Evidence, NodeThresholds, Rule, Seen
from collector.diagnosis.own_steps import look_at_process, restart_process
from collector.diagnosis.severity import Severity

SHOWN: Final = 5


def _mailboxes_long(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.mailboxes, Mailboxes)
    since_seconds = _since(evidence, thresholds.long_mailbox)
    for place, row in enumerate(evidence.mailboxes.by_message_queue_len[:SHOWN]):
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
            since_seconds if place == 0 else None,  # the trend has the longest mailbox, and does not know whose it is
            fits=(MESSAGES,),
            steps=(look_at_process(name), *restart_process(evidence.tree, row.pid)),
        )


def _since(evidence: Evidence, messages: int) -> float | None:
    """Say for how long the longest mailbox has been longer than so; None: the trend does not tell."""
    since: int | None = None
    for points, length in enumerate(reversed(evidence.longest_queues)):
        if length is None:
            continue
        if length <= messages:
            break
        since = points
    return None if since is None else since * evidence.interval_seconds


def _governors_behind(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.governors, AgedGovernors)
    longest = sorted(evidence.governors.found.governors, key=lambda one: -(one.message_queue_len or 0))
    for governor in longest[:SHOWN]:
        waiting, pid = governor.message_queue_len or 0, governor.pid
        # One with more is what mailbox_long finds.
        if pid is None or not thresholds.governor_messages < waiting <= thresholds.long_mailbox:
            continue
        yield Seen(
            Severity.MEDIUM,
            f"{waiting} messages wait for the governor {governor.id}",
            (
                f"pid {pid} below {governor.supervisor}",
                f"it is in {governor.current_function or 'a function that is not known'}",
            ),
            steps=(look_at_process(pid), *restart_process(evidence.tree, pid)),
        )


OF_MAILBOXES: Final = Rule(
    "mailbox_long",
    "Playbook 4",
    OF_MEMORY,
    ("errors",),
    ("mailboxes",),
    _mailboxes_long,
    "A process for which many messages wait.",
    ("diagnosis_mailbox_messages_medium", "diagnosis_mailbox_messages_high"),
)
OF_GOVERNORS: Final = Rule(
    "governor_behind",
    "Playbook 2",
    OF_CATEGORIES[504],
    ("timeout_errors", "service_errors"),
    ("governors",),
    _governors_behind,
    "A governor for which messages wait, though fewer than `mailbox_long` finds.",
    ("governor_supervisors", "diagnosis_governor_messages"),
)
