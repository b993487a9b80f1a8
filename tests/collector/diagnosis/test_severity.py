from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.diagnosis.service_facts import Health, Latency, NotKnown, Traffic
from collector.diagnosis.severity import CRITERIA, Measured, OfFinding, Severity, decide
from tests.terms_strategies import QUICK

WELL = Health(200, "ok")
UNKNOWN = NotKnown("the service tells no figures")


def errors(count: float, of: float = 10_000) -> Traffic:
    return Traffic({"200": of - count, "503": count}, 300.0)


def p99(seconds: float, *, is_at_least: bool = False) -> Latency:
    return Latency(seconds, is_at_least=is_at_least, requests=1_000, window_seconds=300.0)


def decided(
    health: Health | NotKnown = WELL, traffic: Traffic | NotKnown = UNKNOWN, latency: Latency | NotKnown = UNKNOWN
) -> tuple[Severity | None, str | None]:
    found = decide(Measured(health, traffic, latency))
    return found.severity, found.criterion


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, (None, None)),
        (1, (Severity.MEDIUM, "Error rate < 1%")),
        (99, (Severity.MEDIUM, "Error rate < 1%")),
        (100, (Severity.HIGH, "Error rate 1-50%")),
        (5_000, (Severity.HIGH, "Error rate 1-50%")),
        (5_001, (Severity.CRITICAL, "Error rate > 50%")),
    ],
)
def test_the_error_rate_decides_as_the_playbook_has_it(
    count: float, expected: tuple[Severity | None, str | None]
) -> None:
    assert decided(traffic=errors(count), latency=p99(0.1)) == expected


@pytest.mark.parametrize(
    ("latency", "expected"),
    [
        (p99(1.0), None),
        (p99(1.01), Severity.MEDIUM),
        (p99(5.0), Severity.MEDIUM),
        (p99(5.01), Severity.HIGH),
        (p99(5.0, is_at_least=True), Severity.HIGH),
        (p99(2.5, is_at_least=True), Severity.MEDIUM),
        (p99(0.5, is_at_least=True), None),
    ],
)
def test_the_latency_decides_as_the_playbook_has_it(latency: Latency, expected: Severity | None) -> None:
    assert decided(traffic=errors(0), latency=latency)[0] is expected


@pytest.mark.parametrize("health", [Health(503, "supervisor governance_sup not running"), Health(None, "no answer")])
def test_a_health_check_that_fails_outranks_all_else(health: Health) -> None:
    found = decide(Measured(health, errors(1), p99(9.0)))
    assert found.severity is Severity.CRITICAL
    assert found.criterion == "Service completely down (health check failing)"
    assert found.evidence is not None
    assert health.text in found.evidence
    assert (found.not_known, found.you_decide) == ((), ())


def test_what_is_not_known_is_said_where_it_would_be_worse() -> None:
    found = decide(Measured(WELL, UNKNOWN, p99(2.0)))
    assert found.severity is Severity.MEDIUM
    assert [(criterion.text, why) for criterion, why in found.not_known] == [
        ("Error rate > 50%", UNKNOWN.why),
        ("Error rate 1-50%", UNKNOWN.why),
    ]


def test_of_a_latency_above_the_last_bucket_it_is_said_that_it_may_be_worse() -> None:
    found = decide(Measured(WELL, errors(0), p99(2.5, is_at_least=True)))
    assert [criterion.text for criterion, _ in found.not_known] == ["Latency P99 > 5s"]


def test_what_no_machine_can_measure_is_left_to_a_person() -> None:
    found = decide(Measured(WELL, errors(500), p99(0.1)))
    assert [criterion.text for criterion in found.you_decide] == [
        "Data loss occurring",
        "Complete feature unavailability",
    ]


def test_a_service_of_which_nothing_is_known_is_not_called_well() -> None:
    found = decide(Measured(UNKNOWN, UNKNOWN, UNKNOWN))
    assert (found.severity, found.criterion) == (None, None)
    assert len(found.not_known) == sum(criterion.judge is not None for criterion in CRITERIA)


def test_a_finding_that_is_worse_than_the_criteria_decides() -> None:
    measured = Measured(WELL, errors(1), p99(0.1))
    worse = decide(measured, [OfFinding(Severity.LOW, "small"), OfFinding(Severity.HIGH, "tai_autonomics is down")])
    assert (worse.severity, worse.evidence) == (Severity.HIGH, "tai_autonomics is down")
    assert decide(measured, [OfFinding(Severity.LOW, "small")]).severity is Severity.MEDIUM


def test_the_levels_are_called_as_the_playbook_calls_them() -> None:
    assert [level.title for level in Severity] == [
        "Critical (SEV-1)",
        "High (SEV-2)",
        "Medium (SEV-3)",
        "Low (SEV-4)",
    ]


@QUICK
@given(st.floats(0, 10_000), st.floats(0, 10_000))
def test_more_errors_are_never_less_severe(one: float, other: float) -> None:
    def level(count: float) -> int:
        return decided(traffic=errors(count), latency=p99(0.1))[0] or 5

    fewer, more = sorted((one, other))
    assert level(more) <= level(fewer)
