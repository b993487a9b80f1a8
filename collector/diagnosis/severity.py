"""How severe is it, by the criteria of the incident playbook's "Severity Levels", and which of them decided?

What no machine can measure is asked, not guessed; what could be measured and is not known is said, and is never a "no".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from collector.diagnosis.service_facts import Health, Latency, LatencyOrNot, NotKnown, Traffic, TrafficOrNot


class Severity(IntEnum):
    """The playbook's levels; the worst is the smallest, as it numbers them."""

    CRITICAL = 1
    HIGH = 2
    MEDIUM = 3
    LOW = 4

    @property
    def word(self) -> str:
        """In one word: ``critical``."""
        return self.name.lower()

    @property
    def title(self) -> str:
        """As the playbook calls it: ``Critical (SEV-1)``."""
        return f"{self.name.capitalize()} (SEV-{self.value})"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The playbook's numbers."""

    critical_error_rate: float = 0.5
    high_error_rate: float = 0.01
    high_p99_seconds: float = 5.0
    medium_p99_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What the criteria are about. Health is known whenever somebody asked: no answer is failing, too."""

    health: Health | NotKnown
    traffic: TrafficOrNot
    latency: LatencyOrNot


@dataclass(frozen=True, slots=True)
class Met:
    """A criterion is met, or not, by this evidence."""

    is_met: bool
    evidence: str


Judge = Callable[[Measured, Thresholds], Met | NotKnown]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of the playbook. ``judge`` is None where a person decides."""

    severity: Severity
    text: str
    judge: Judge | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The severity, and the criterion and the evidence that decided it; None where no criterion is met.

    ``not_known`` are criteria that would be worse than what was found, and why nobody knows; ``you_decide`` are those
    that would be worse and that only a person can judge.
    """

    severity: Severity | None
    criterion: str | None
    evidence: str | None
    not_known: tuple[tuple[Criterion, str], ...]
    you_decide: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class OfFinding:
    """A finding about the node that the criteria do not speak of, and how severe its rule says it is."""

    severity: Severity
    sentence: str


def decide(measured: Measured, found: Sequence[OfFinding] = (), thresholds: Thresholds | None = None) -> Decision:
    """Go through the criteria, the worst first, until one is met. A finding may be worse than that."""
    judged = list(_judge_all(measured, thresholds or Thresholds()))
    met = next(((criterion, answer) for criterion, answer in judged if isinstance(answer, Met) and answer.is_met), None)
    worst = min(found, key=lambda each: each.severity, default=None)
    severity = met[0].severity if met else None
    criterion, evidence = (met[0].text, met[1].evidence) if met else (None, None)
    if worst is not None and (severity is None or worst.severity < severity):
        severity, criterion, evidence = worst.severity, "a finding of the node", worst.sentence
    return Decision(
        severity,
        criterion,
        evidence,
        tuple(
            (each, answer.why) for each, answer in judged if isinstance(answer, NotKnown) and _is_worse(each, severity)
        ),
        # Nobody has to say that it is no more than Low: what is nothing worse is that.
        tuple(
            each
            for each in CRITERIA
            if each.judge is None and each.severity is not Severity.LOW and _is_worse(each, severity)
        ),
    )


def _is_worse(criterion: Criterion, severity: Severity | None) -> bool:
    return severity is None or criterion.severity < severity


def _judge_all(measured: Measured, thresholds: Thresholds) -> Iterator[tuple[Criterion, Met | NotKnown]]:
    for criterion in CRITERIA:
        if criterion.judge is not None:
            yield criterion, criterion.judge(measured, thresholds)


def _is_down(measured: Measured, _thresholds: Thresholds) -> Met | NotKnown:
    if isinstance(measured.health, NotKnown):
        return measured.health
    return Met(not measured.health.is_ok, f"/health: {measured.health.line}")


def _most_fail(measured: Measured, thresholds: Thresholds) -> Met | NotKnown:
    return _of_errors(measured.traffic, lambda rate: rate > thresholds.critical_error_rate)


def _many_fail(measured: Measured, thresholds: Thresholds) -> Met | NotKnown:
    return _of_errors(
        measured.traffic, lambda rate: thresholds.high_error_rate <= rate <= thresholds.critical_error_rate
    )


def _some_fail(measured: Measured, thresholds: Thresholds) -> Met | NotKnown:
    # "Error rate < 1 %" would be met by a service that is well, so it means above 0.
    return _of_errors(measured.traffic, lambda rate: 0.0 < rate < thresholds.high_error_rate)


def _is_very_slow(measured: Measured, thresholds: Thresholds) -> Met | NotKnown:
    return _of_latency(measured.latency, thresholds.high_p99_seconds)


def _is_slow(measured: Measured, thresholds: Thresholds) -> Met | NotKnown:
    return _of_latency(measured.latency, thresholds.medium_p99_seconds)


def _of_errors(traffic: TrafficOrNot, is_met: Callable[[float], bool]) -> Met | NotKnown:
    if not isinstance(traffic, Traffic):
        return traffic
    evidence = (
        f"{traffic.server_errors:.0f} of {traffic.requests:.0f} requests within {traffic.window_seconds:.0f} s "
        f"were answered with 500 or above, {traffic.error_rate:.2%}"
    )
    return Met(is_met(traffic.error_rate), evidence)


def _of_latency(latency: LatencyOrNot, limit_seconds: float) -> Met | NotKnown:
    if not isinstance(latency, Latency):
        return latency
    if not latency.is_at_least:
        return Met(latency.p99_seconds > limit_seconds, f"the 99th percentile is {latency.p99_seconds:.2f} s")
    evidence = f"the 99th percentile is above {latency.p99_seconds:g} s, the last bucket"
    if latency.p99_seconds >= limit_seconds:
        return Met(is_met=True, evidence=evidence)
    return NotKnown(evidence)


CRITERIA: Final = (
    Criterion(Severity.CRITICAL, "Service completely down (health check failing)", _is_down),
    Criterion(Severity.CRITICAL, "Error rate > 50%", _most_fail),
    Criterion(Severity.CRITICAL, "Data loss occurring"),
    Criterion(Severity.CRITICAL, "Complete feature unavailability"),
    Criterion(Severity.HIGH, "Error rate 1-50%", _many_fail),
    Criterion(Severity.HIGH, "Latency P99 > 5s", _is_very_slow),
    Criterion(Severity.HIGH, "Partial service degradation"),
    Criterion(Severity.HIGH, "Some features working, some failing"),
    Criterion(Severity.MEDIUM, "Error rate < 1%", _some_fail),
    Criterion(Severity.MEDIUM, "Latency P99 > 1s but < 5s", _is_slow),
    Criterion(Severity.MEDIUM, "Intermittent issues"),
    Criterion(Severity.MEDIUM, "Workaround available"),
    Criterion(Severity.LOW, "Minor issues"),
    Criterion(Severity.LOW, "No customer impact"),
    Criterion(Severity.LOW, "Informational"),
    Criterion(Severity.LOW, "Can be resolved in planning"),
)
