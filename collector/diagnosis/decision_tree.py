"""The playbook's "Troubleshooting Decision Tree", walked in its order: questions, answers, and the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from collector.diagnosis.service_facts import Health, Latency, NotKnown, Receipts, ServiceFacts, Traffic
from collector.diagnosis.severity import Thresholds

LEAST_STORED_SECONDS: Final = 60.0  # receipts are kept for a while and stored together: in less, none stored is no news

OF_HEALTH: Final = ("errors", "restart_service", "rollback")
OF_ERRORS: Final = ("error_codes", "rollback")
OF_LATENCY: Final = ("slow_requests", "firestore", "more_memory", "more_instances")
OF_RECEIPTS: Final = ("firestore", "permissions", "firestore_quotas")


class Answer(StrEnum):
    """What a question of the tree is answered with."""

    YES = "yes"
    NO = "no"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Step:
    """One question of the tree. ``leads_to`` is what the playbook says it is when the answer is yes.

    ``commands`` are for a person, by their names, in the playbook's order.
    """

    question: str
    leads_to: str
    section: str
    commands: tuple[str, ...]
    answer: Answer
    evidence: str


@dataclass(frozen=True, slots=True)
class Walk:
    """All four questions, in order. They are all answered: behind the first yes there may be another."""

    steps: tuple[Step, ...]

    @property
    def branch(self) -> Step | None:
        """The branch that is taken: the first question that is answered with yes."""
        return next((step for step in self.steps if step.answer is Answer.YES), None)

    @property
    def not_known_before(self) -> tuple[Step, ...]:
        """The questions before the branch, or all, of which nobody knows the answer: the branch may be another."""
        branch = self.branch
        before = self.steps if branch is None else self.steps[: self.steps.index(branch)]
        return tuple(step for step in before if step.answer is Answer.NOT_KNOWN)


def walk(health: Health | NotKnown, facts: ServiceFacts, thresholds: Thresholds | None = None) -> Walk:
    """Answer the questions of the tree."""
    numbers = thresholds or Thresholds()
    return Walk(
        (
            Step("Health check failing?", "Supervisor issue", "Playbook 1", OF_HEALTH, *_health(health)),
            Step("Error rate high?", "Check error types", "Playbook 2", OF_ERRORS, *_errors(facts, numbers)),
            Step("Latency high?", "Resource or dependency", "Playbook 3", OF_LATENCY, *_latency(facts, numbers)),
            Step("Receipts missing?", "Firestore issue", "Decision tree", OF_RECEIPTS, *receipts_missing(facts)),
        )
    )


def _yes_or_no(evidence: str, *, is_so: bool) -> tuple[Answer, str]:
    return Answer.YES if is_so else Answer.NO, evidence


def _health(health: Health | NotKnown) -> tuple[Answer, str]:
    if isinstance(health, NotKnown):
        return Answer.NOT_KNOWN, health.why
    return _yes_or_no(f"/health: {health.line}", is_so=not health.is_ok)


def _errors(facts: ServiceFacts, numbers: Thresholds) -> tuple[Answer, str]:
    if not isinstance(facts.traffic, Traffic):
        return Answer.NOT_KNOWN, facts.traffic.why
    rate = facts.traffic.error_rate
    return _yes_or_no(f"{rate:.2%} of {facts.traffic.requests:.0f} requests", is_so=rate > numbers.high_error_rate)


def _latency(facts: ServiceFacts, numbers: Thresholds) -> tuple[Answer, str]:
    latency = facts.latency
    if not isinstance(latency, Latency):
        return Answer.NOT_KNOWN, latency.why
    if not latency.is_at_least:
        evidence = f"99th percentile {latency.p99_seconds:.2f} s"
        return _yes_or_no(evidence, is_so=latency.p99_seconds > numbers.medium_p99_seconds)
    evidence = f"99th percentile above {latency.p99_seconds:g} s, the last bucket"
    is_high = latency.p99_seconds >= numbers.medium_p99_seconds
    return Answer.YES if is_high else Answer.NOT_KNOWN, evidence


def receipts_missing(facts: ServiceFacts) -> tuple[Answer, str]:
    """Answer the fourth question, with the evidence for it."""
    receipts = facts.receipts
    if not isinstance(receipts, Receipts):
        return Answer.NOT_KNOWN, receipts.why
    within = f"within {receipts.window_seconds:.0f} s"
    if receipts.failed_verifications:
        return Answer.YES, f"{receipts.failed_verifications:.0f} hash chains of receipts did not hold {within}"
    if not receipts.emitted:
        return _no_receipts(facts, within)
    if receipts.stored is None:
        return (
            Answer.NOT_KNOWN,
            f"{receipts.emitted:.0f} were emitted {within}, but the service does not tell of storing",
        )
    evidence = f"{receipts.emitted:.0f} were emitted and {receipts.stored:.0f} operations on the storage ended {within}"
    if receipts.stored or receipts.window_seconds >= LEAST_STORED_SECONDS:
        return _yes_or_no(evidence, is_so=not receipts.stored)
    return Answer.NOT_KNOWN, f"{evidence}, which is too short to tell"


def _no_receipts(facts: ServiceFacts, within: str) -> tuple[Answer, str]:
    """Without requests there is nothing to write a receipt of, and the answer is not known."""
    if isinstance(facts.traffic, Traffic):
        done = facts.traffic.requests - facts.traffic.errors
        if done > 0:
            return Answer.YES, f"{done:.0f} requests were answered well {within}, and no receipt was emitted"
    return Answer.NOT_KNOWN, f"no receipt was emitted {within}, but there were too few requests to expect one"
