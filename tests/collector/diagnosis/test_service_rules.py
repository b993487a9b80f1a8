"""The rules about the service's figures, at the playbook's numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collector.diagnosis.findings import NodeThresholds
from collector.diagnosis.of_settings import KnownLimit
from collector.diagnosis.rules import RULES, apply
from collector.diagnosis.service import Service, ask
from collector.diagnosis.service_facts import Latency, NotKnown, QueueDepth, Receipts
from collector.diagnosis.severity import Severity, Thresholds
from tests.collector.diagnosis.tai_service import TaiService, tai_service
from tests.collector.diagnosis.well import MIB, WELL, facts, found, found_in, mailboxes, row, traffic


@pytest.mark.parametrize(
    ("status", "count", "severity"),
    [
        ("s503", 0, None),
        ("s503", 1, Severity.MEDIUM),
        ("s503", 10, Severity.HIGH),
        ("s503", 500, Severity.HIGH),
        ("s503", 501, Severity.CRITICAL),
        ("s504", 10, Severity.HIGH),
        ("s500", 10, Severity.HIGH),
        ("s502", 501, Severity.CRITICAL),
        ("s400", 9, None),
        ("s400", 10, Severity.MEDIUM),
        ("s400", 900, Severity.MEDIUM),
        ("s422", 900, Severity.MEDIUM),
        ("s404", 900, None),
    ],
)
def test_errors_are_as_severe_as_their_share_is(status: str, count: int, severity: Severity | None) -> None:
    seen = found_in(facts(traffic=traffic(**{status: count})))
    assert [each.severity for _, each in seen] == ([] if severity is None else [severity])


def test_the_four_categories_are_told_with_counts_shares_and_the_playbook_s_action() -> None:
    seen = dict(found_in(facts(traffic=traffic(s400=100, s422=50, s503=30, s504=20))))
    assert [each.sentence.replace(" requests within 300 s were answered with", "") for each in seen.values()] == [
        "service errors: 30 of 1000 503, 3.00%",
        "timeout errors: 20 of 1000 504, 2.00%",
        "business logic errors: 50 of 1000 422, 5.00%",
        "validation errors: 100 of 1000 400, 10.00%",
    ]
    assert seen["validation_errors"].evidence == (
        "what to do by the playbook: Check client requests, monitor if systematic",
        "of 200 errors 50% are 400, 25% are 422, 15% are 503, 10% are 504",
    )


def test_errors_of_no_category_are_told_as_what_they_are() -> None:
    ((rule, seen),) = found_in(facts(traffic=traffic(s500=30, s502=1)))
    assert (rule, seen.evidence[0]) == ("other_server_errors", "30 with 500, 1 with 502")


def test_the_playbook_s_numbers_are_those_that_are_set() -> None:
    lenient = NodeThresholds(playbook=Thresholds(high_error_rate=0.1))
    ((_, seen),) = found_in(facts(traffic=traffic(s503=50)), lenient)
    assert seen.severity is Severity.MEDIUM


def latency(seconds: float, *, is_at_least: bool = False) -> Latency:
    return Latency(seconds, is_at_least, 1_000.0, 300.0)


@pytest.mark.parametrize(
    ("found_latency", "severity"),
    [
        (latency(1.0), None),
        (latency(1.01), Severity.MEDIUM),
        (latency(5.0), Severity.MEDIUM),
        (latency(5.01), Severity.HIGH),
        (latency(0.5, is_at_least=True), None),
        (latency(1.0, is_at_least=True), Severity.MEDIUM),
        (latency(5.0, is_at_least=True), Severity.HIGH),
    ],
)
def test_latency_is_found_at_the_playbook_s_numbers(found_latency: Latency, severity: Severity | None) -> None:
    seen = found_in(facts(latency=found_latency))
    assert [each.severity for _, each in seen] == ([] if severity is None else [severity])


SLOW = facts(latency=latency(2.0))


def test_causes_of_latency_that_nothing_speaks_for_are_excluded_where_all_is_known() -> None:
    ((_, seen),) = found_in(SLOW)
    assert seen.fits == ()
    assert seen.excluded == ("Resource exhaustion (CPU, memory)", "Action executor queue overflow")


@pytest.mark.parametrize(
    "ill",
    [
        {"limit": KnownLimit(1_000 * MIB, "cgroup v2", 801 * MIB)},
        {"mailboxes": mailboxes(row(10_001))},
        {"run_queues": (30, 40)},
    ],
)
def test_memory_mailboxes_and_the_run_queue_speak_for_exhausted_resources(ill: dict[str, object]) -> None:
    assert dict(found(service=SLOW, **ill))["latency_high"].fits == ("Resource exhaustion (CPU, memory)",)


def test_what_is_not_known_excludes_no_cause() -> None:
    blind = facts(latency=latency(2.0), queue=NotKnown("not told"))
    (finding,) = apply(replace(WELL, service=blind, limit=NotKnown("no limit"))).found
    assert (finding.seen.fits, finding.seen.excluded) == ((), ())


@pytest.mark.parametrize(("depth", "is_found"), [(100, False), (101, True)])
def test_an_action_queue_that_overflows_is_found_and_speaks_for_the_latency(depth: int, is_found: bool) -> None:  # noqa: FBT001  # a table's
    seen = dict(found_in(facts(latency=latency(2.0), queue=QueueDepth(depth + 5.0, depth, "default"))))
    assert ("action_queue_overflow" in seen) is is_found
    assert ("Action executor queue overflow" in seen["latency_high"].fits) is is_found


@pytest.mark.parametrize(
    ("receipts", "is_found"),
    [
        (Receipts(990.0, 990.0, 0.0, 300.0), False),
        (Receipts(990.0, 0.0, 0.0, 300.0), True),
        (Receipts(0.0, 0.0, 0.0, 300.0), True),
        (Receipts(990.0, 990.0, 1.0, 300.0), True),
        (Receipts(990.0, None, None, 300.0), False),
    ],
)
def test_receipts_that_are_missing_are_found(receipts: Receipts, is_found: bool) -> None:  # noqa: FBT001  # a table's
    seen = found_in(facts(receipts=receipts))
    assert [(rule, each.severity) for rule, each in seen] == ([("receipts_missing", Severity.HIGH)] if is_found else [])


def test_the_commands_are_those_of_the_playbook_s_sections() -> None:
    commands = {rule.name: rule.commands for rule in RULES}
    assert commands["receipts_missing"] == ("firestore", "permissions", "firestore_quotas")
    assert commands["validation_errors"][0] == "validation_errors"
    assert commands["business_logic_errors"][0] == "business_errors"
    assert commands["timeout_errors"][0] == "timeout_errors"


async def found_at(tai: TaiService) -> dict[str, Severity]:
    """What is found of a service that answers over HTTP, each with how severe it is."""
    report = await ask(Service(tai.url, window_seconds=0.01), no_token)
    seen = found(health=report.health, service=report.facts)
    return {rule: each.severity for rule, each in seen}


async def no_token() -> str | None:
    return None


async def test_a_real_service_that_is_well_has_no_finding() -> None:
    with tai_service() as tai:
        assert await found_at(tai) == {}


async def test_the_errors_of_a_real_service_are_found_by_category() -> None:
    with tai_service() as tai:
        tai.server_errors = 0.6
        tai.other_errors = {400: 0.1, 422: 0.02, 500: 0.02, 504: 0.002}
        assert await found_at(tai) == {
            "service_errors": Severity.CRITICAL,
            "other_server_errors": Severity.HIGH,
            "timeout_errors": Severity.MEDIUM,
            "business_logic_errors": Severity.MEDIUM,
            "validation_errors": Severity.MEDIUM,
        }


async def test_a_real_service_that_is_slow_as_actions_wait_is_found() -> None:
    with tai_service() as tai:
        tai.slow, tai.waiting = 0.1, 500
        assert await found_at(tai) == {"action_queue_overflow": Severity.MEDIUM, "latency_high": Severity.MEDIUM}


async def test_a_real_service_that_emits_no_receipts_is_found() -> None:
    with tai_service() as tai:
        tai.has_receipts = False
        assert await found_at(tai) == {"receipts_missing": Severity.HIGH}
