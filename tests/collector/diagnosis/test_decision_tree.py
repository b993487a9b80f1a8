from __future__ import annotations

import pytest

from collector.diagnosis.decision_tree import Answer, Walk, walk
from collector.diagnosis.service_facts import (
    Health,
    Latency,
    LatencyOrNot,
    NotKnown,
    Receipts,
    ReceiptsOrNot,
    ServiceFacts,
    Traffic,
    TrafficOrNot,
)

UNKNOWN = NotKnown("the service tells no figures")
WELL = Health(200, "ok")
MANY = Traffic({"200": 1_000.0}, 300.0)
FAST = Latency(0.2, is_at_least=False, requests=1_000, window_seconds=300.0)
STORED = Receipts(900.0, 880.0, 0.0, 300.0)


def walked(
    health: Health | NotKnown = WELL,
    traffic: TrafficOrNot = MANY,
    latency: LatencyOrNot = FAST,
    receipts: ReceiptsOrNot = STORED,
) -> Walk:
    return walk(health, ServiceFacts("here", traffic, latency, receipts, UNKNOWN))


def answers(found: Walk) -> list[str]:
    return [step.answer.value for step in found.steps]


def test_of_a_service_that_is_well_all_questions_are_answered_with_no() -> None:
    found = walked()
    assert answers(found) == ["no"] * 4
    assert found.branch is None
    assert found.not_known_before == ()


def test_the_branch_is_the_first_question_answered_with_yes_and_the_others_are_answered_too() -> None:
    found = walked(traffic=Traffic({"200": 900.0, "503": 100.0}, 300.0), latency=UNKNOWN, receipts=UNKNOWN)
    assert answers(found) == ["no", "yes", "not known", "not known"]
    assert found.branch is not None
    assert (found.branch.leads_to, found.branch.section) == ("Check error types", "Playbook 2")
    assert found.branch.evidence == "10.00% of 1000 requests"
    assert found.not_known_before == ()


def test_what_is_not_known_before_the_branch_is_told() -> None:
    slow = Latency(2.0, is_at_least=False, requests=1_000, window_seconds=300.0)
    found = walked(health=UNKNOWN, traffic=UNKNOWN, latency=slow)
    assert found.branch is not None
    assert found.branch.question == "Latency high?"
    assert [step.question for step in found.not_known_before] == ["Health check failing?", "Error rate high?"]


def test_a_service_of_which_nothing_is_known_is_never_answered_with_no() -> None:
    found = walked(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)
    assert {step.answer for step in found.steps} == {Answer.NOT_KNOWN}
    assert {step.evidence for step in found.steps} == {UNKNOWN.why}


def test_a_health_check_without_an_answer_fails() -> None:
    found = walked(Health(None, "http://127.0.0.1:8080/health does not answer"))
    assert found.branch is not None
    assert found.branch.leads_to == "Supervisor issue"


def test_an_error_rate_of_one_percent_is_not_above_one_percent() -> None:
    assert walked(traffic=Traffic({"200": 990.0, "500": 10.0}, 300.0)).branch is None


@pytest.mark.parametrize(("last_bucket", "answer"), [(0.5, "not known"), (1.0, "yes"), (2.5, "yes")])
def test_a_latency_above_the_last_bucket_is_high_where_that_bucket_is(last_bucket: float, answer: str) -> None:
    above = Latency(last_bucket, is_at_least=True, requests=1_000, window_seconds=300.0)
    assert answers(walked(latency=above))[2] == answer


@pytest.mark.parametrize(
    ("receipts", "traffic", "answer"),
    [
        (Receipts(0.0, None, None, 300.0), MANY, "yes"),
        (Receipts(0.0, None, None, 300.0), UNKNOWN, "not known"),
        (Receipts(0.0, None, None, 300.0), Traffic({"503": 500.0}, 300.0), "not known"),
        (Receipts(50.0, 0.0, None, 300.0), MANY, "yes"),
        (Receipts(50.0, 0.0, None, 2.0), MANY, "not known"),
        (Receipts(50.0, 1.0, None, 2.0), MANY, "no"),
        (Receipts(50.0, None, None, 300.0), MANY, "not known"),
        (Receipts(50.0, 50.0, 2.0, 300.0), MANY, "yes"),
    ],
)
def test_receipts_are_missing_where_they_are_expected_and_not_there(
    receipts: Receipts, traffic: TrafficOrNot, answer: str
) -> None:
    assert answers(walked(traffic=traffic, receipts=receipts))[3] == answer
