"""The rules about the service's own figures: Playbooks 2 and 3, and the receipts of the decision tree."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from agent.probes.processes import Mailboxes
from collector.diagnosis.causes import ACTION_QUEUE, OF_CATEGORIES, OF_LATENCY, OF_RECEIPTS, RESOURCES
from collector.diagnosis.decision_tree import Answer, receipts_missing
from collector.diagnosis.exhaustion import is_memory_short, is_processor_short, judged, one_of
from collector.diagnosis.findings import Evidence, NodeThresholds, Rule, Seen
from collector.diagnosis.of_settings import KnownLimit
from collector.diagnosis.service_facts import CATEGORIES, Category, Latency, QueueDepth, Traffic, status_code
from collector.diagnosis.severity import Severity, Thresholds

SERVER_ERROR: Final = 500


def _category(category: Category, evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    traffic = evidence.service.traffic
    assert isinstance(traffic, Traffic)
    share = next((each for each in traffic.shares if each.category is category), None)
    if share is None:
        return
    severity = _severity(category.status, share.of_requests, thresholds.playbook)
    if severity is not None:
        yield Seen(
            severity,
            f"{category.name}: {_were(share.count, traffic)} answered with {category.status}, {share.of_requests:.2%}",
            (f"what to do by the playbook: {category.action}", *_all_errors(traffic)),
            steps=_STEPS.get(category.status, ()),
        )


def _other_errors(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    traffic = evidence.service.traffic
    assert isinstance(traffic, Traffic)
    known = {str(category.status) for category in CATEGORIES}
    others = {
        status: count
        for status, count in traffic.by_status.items()
        if (status_code(status) or 0) >= SERVER_ERROR and status not in known
    }
    if others:
        count = sum(others.values())
        share = count / traffic.requests
        told = ", ".join(f"{number:.0f} with {status}" for status, number in sorted(others.items()))
        yield Seen(
            _of_server_errors(share, thresholds.playbook),
            f"errors of no category of the playbook: {_were(count, traffic)} answered so, {share:.2%}",
            (told, *_all_errors(traffic)),
            steps=("beamwarden supervisors",),
        )


def _severity(status: int, share: float, playbook: Thresholds) -> Severity | None:
    """Say how severe a category is. What clients do wrong is an error rate of theirs: never worse than Medium."""
    if status >= SERVER_ERROR:
        return _of_server_errors(share, playbook)
    return Severity.MEDIUM if share >= playbook.high_error_rate else None


def _of_server_errors(share: float, playbook: Thresholds) -> Severity:
    if share > playbook.critical_error_rate:
        return Severity.CRITICAL
    return Severity.HIGH if share >= playbook.high_error_rate else Severity.MEDIUM


def _were(count: float, traffic: Traffic) -> str:
    verb = "was" if round(count) == 1 else "were"
    return f"{count:.0f} of {traffic.requests:.0f} requests within {traffic.window_seconds:.0f} s {verb}"


def _all_errors(traffic: Traffic) -> Iterator[str]:
    """Say what all errors are, where there are several kinds."""
    counts = {status: count for status, count in traffic.by_status.items() if (status_code(status) or 0) >= 400}
    if len(counts) > 1:
        most = sorted(counts.items(), key=lambda each: -each[1])
        told = ", ".join(f"{count / traffic.errors:.0%} are {status}" for status, count in most)
        yield f"of {traffic.errors:.0f} errors {told}"


def _latency_high(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    latency, playbook = evidence.service.latency, thresholds.playbook
    assert isinstance(latency, Latency)
    seconds = latency.p99_seconds
    if not _is_slower(latency, playbook.medium_p99_seconds):
        return
    are_resources = one_of(
        is_memory_short(evidence, thresholds),
        is_processor_short(evidence, thresholds),
        _is_a_mailbox_long(evidence, thresholds),
    )
    fits, excluded = judged(RESOURCES, is_so=are_resources)
    queue_fits, queue_excluded = judged(ACTION_QUEUE, is_so=_is_queue_long(evidence, thresholds))
    yield Seen(
        Severity.HIGH if _is_slower(latency, playbook.high_p99_seconds) else Severity.MEDIUM,
        f"one of a hundred requests takes longer than {f'{seconds:g}' if latency.is_at_least else f'{seconds:.2f}'} s",
        tuple(_about_resources(evidence)),
        fits=(*fits, *queue_fits),
        excluded=(*excluded, *queue_excluded),
        steps=("beamwarden memory", "beamwarden busy", "beamwarden mailboxes"),
    )


def _is_slower(latency: Latency, limit_seconds: float) -> bool:
    """Say whether it takes longer than so; what lies above the last bucket does, from that bucket's bound on."""
    return latency.p99_seconds >= limit_seconds if latency.is_at_least else latency.p99_seconds > limit_seconds


def _about_resources(evidence: Evidence) -> Iterator[str]:
    if isinstance(evidence.limit, KnownLimit) and evidence.limit.share is not None:
        yield f"{evidence.limit.share:.0%} of the memory limit is taken"
    if evidence.run_queues:
        yield f"{evidence.run_queues[-1]} processes wait for a scheduler"
    if isinstance(evidence.mailboxes, Mailboxes):
        yield f"the longest mailbox has {evidence.mailboxes.queues.longest} messages"
    if isinstance(evidence.service.queue, QueueDepth):
        yield f"{evidence.service.queue.total:.0f} actions wait"


def _is_a_mailbox_long(evidence: Evidence, thresholds: NodeThresholds) -> bool | None:
    if not isinstance(evidence.mailboxes, Mailboxes):
        return None
    return evidence.mailboxes.queues.longest > thresholds.long_mailbox


def _is_queue_long(evidence: Evidence, thresholds: NodeThresholds) -> bool | None:
    queue = evidence.service.queue
    return queue.fullest > thresholds.action_queue_depth if isinstance(queue, QueueDepth) else None


def _queue_overflows(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    queue = evidence.service.queue
    assert isinstance(queue, QueueDepth)
    if _is_queue_long(evidence, thresholds):
        pool = f"the pool {queue.pool}" if queue.pool else "the pool"
        yield Seen(
            Severity.MEDIUM,
            f"{queue.fullest:.0f} actions wait for {pool}, more than it gets done",
            (f"{queue.total:.0f} in all pools",),
            fits=(ACTION_QUEUE,),
            steps=("beamwarden mailboxes", "beamwarden busy"),
        )


def _receipts_missing(evidence: Evidence, _thresholds: NodeThresholds) -> Iterator[Seen]:
    answer, why = receipts_missing(evidence.service)
    if answer is Answer.YES:
        yield Seen(
            Severity.HIGH,
            "receipts are missing: whether data is lost is yours to decide",
            (why,),
            steps=("beamwarden ets", "beamwarden supervisors"),
        )


_STEPS: Final = {
    422: ("beamwarden governors",),
    503: ("beamwarden supervisors", "beamwarden governors", "beamwarden memory"),
    504: ("beamwarden busy", "beamwarden mailboxes"),
}
_COMMANDS: Final = {
    400: ("validation_errors", "error_codes"),
    422: ("business_errors", "error_codes", "rollback"),
    503: ("service_errors", "error_codes", "firestore", "permissions", "restart_service", "rollback"),
    504: ("timeout_errors", "error_codes", "latency", "more_instances", "more_workers"),
}
_OF_SERVER_ERRORS: Final = ("diagnosis_error_share_high", "diagnosis_error_share_critical")


def _rule_of(category: Category) -> Rule:
    is_server_s = category.status >= SERVER_ERROR
    return Rule(
        category.name.replace(" ", "_"),
        "Playbook 2",
        OF_CATEGORIES[category.status],
        _COMMANDS[category.status],
        ("service.traffic",),
        partial(_category, category),
        f"Requests that were answered with {category.status}"
        + (": as severe as their share of all is." if is_server_s else ", many of all. Never worse than Medium."),
        _OF_SERVER_ERRORS if is_server_s else ("diagnosis_error_share_high",),
    )


OF_VALIDATION, OF_BUSINESS, OF_SERVICE, OF_TIMEOUTS = map(_rule_of, CATEGORIES)
OF_OTHERS: Final = Rule(
    "other_server_errors",
    "Playbook 2",
    (),
    ("error_codes", "errors", "rollback"),
    ("service.traffic",),
    _other_errors,
    "Requests that were answered with 500 or above and are in none of the playbook's categories.",
    _OF_SERVER_ERRORS,
)
OF_SLOWNESS: Final = Rule(
    "latency_high",
    "Playbook 3",
    OF_LATENCY,
    (
        *("slow_requests", "latency", "firestore_latency", "firestore_quotas"),
        *("smaller_buffers", "more_memory", "more_workers", "more_instances"),
    ),
    ("service.latency",),
    _latency_high,
    "One of a hundred requests takes long.",
    ("diagnosis_latency_seconds_medium", "diagnosis_latency_seconds_high"),
)
OF_QUEUE: Final = Rule(
    "action_queue_overflow",
    "Playbook 3",
    OF_LATENCY,
    ("more_workers", "more_instances", "latency"),
    ("service.queue",),
    _queue_overflows,
    "Actions wait that the fullest pool does not get done.",
    ("diagnosis_action_queue_depth",),
)
OF_MISSING_RECEIPTS: Final = Rule(
    "receipts_missing",
    "Decision tree",
    OF_RECEIPTS,
    ("firestore", "permissions", "firestore_quotas"),
    ("service.receipts",),
    _receipts_missing,
    "Requests without receipts, receipts that are not stored, or hash chains that do not hold.",
)
