from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.diagnosis.service_facts import (
    Health,
    Latency,
    NotKnown,
    Traffic,
    latency_of,
    quantile,
    traffic_of,
)
from tests.terms_strategies import QUICK

INF = math.inf


def test_the_error_rate_counts_what_is_answered_with_500_and_above() -> None:
    traffic = Traffic({"200": 900.0, "404": 40.0, "500": 20.0, "503": 40.0}, 60.0)
    assert (traffic.requests, traffic.errors, traffic.server_errors) == (1000, 100, 60)
    assert traffic.error_rate == pytest.approx(0.06)


def test_the_playbook_s_categories_come_with_their_shares_the_most_frequent_first() -> None:
    traffic = Traffic({"200": 880.0, "400": 10.0, "422": 30.0, "503": 60.0, "500": 20.0}, 60.0)
    assert [(share.category.status, share.count) for share in traffic.shares] == [(503, 60), (422, 30), (400, 10)]
    assert traffic.shares[0].of_requests == pytest.approx(0.06)
    assert traffic.shares[0].of_errors == pytest.approx(0.5)
    assert traffic.shares[0].category.action == "Check service health, restart if needed"


@pytest.mark.parametrize("status", ["ok", "", "\u00b200", "\u0665\u0660\u0660", "-500", "5000", "9" * 5_000])
def test_what_is_no_status_counts_as_a_request_and_not_as_an_error(status: str) -> None:
    assert Traffic({"200": 1.0, status: 1.0}, 60.0).error_rate == 0.0


def test_a_class_of_statuses_counts_as_what_it_is() -> None:
    traffic = Traffic({"2xx": 97.0, "4xx": 1.0, "5xx": 2.0}, 60.0)
    assert (traffic.server_errors, traffic.errors) == (2.0, 3.0)


def test_where_no_status_is_one_the_error_rate_is_not_known() -> None:
    assert traffic_of({"ok": 900.0, "failed": 100.0}, 2.0, 100) == NotKnown(
        "tai_http_requests_total has no HTTP status as its label status, but failed, ok"
    )


def test_few_requests_are_no_rate() -> None:
    assert traffic_of({"200": 12.0}, 2.0, 100) == NotKnown(
        "only 12 requests were seen within 2 s, of 100 that are needed"
    )
    assert traffic_of({"200": 1.0}, 2.0, 100) == NotKnown("only 1 request was seen within 2 s, of 100 that are needed")
    assert traffic_of({}, 2.0, 1) == NotKnown("only 0 requests were seen within 2 s, of 1 that are needed")
    assert traffic_of({"200": 100.0, "500": 0.0}, 2.0, 100) == Traffic({"200": 100.0}, 2.0)


# What Prometheus 2.42 answered to histogram_quantile for these buckets.
@pytest.mark.parametrize(
    ("wanted", "buckets", "expected"),
    [
        (0.99, {0.1: 50, 0.5: 90, 1.0: 98, 5.0: 100, INF: 100}, (3.0, False)),
        (0.5, {0.1: 50, 0.5: 90, 1.0: 98, 5.0: 100, INF: 100}, (0.1, False)),
        (0.25, {0.1: 50, 0.5: 90, INF: 100}, (0.05, False)),
        (0.99, {0.1: 50, 0.5: 90, INF: 100}, (0.5, True)),
        (0.99, {0.1: 0, INF: 7}, (0.1, True)),
        (0.99, {0.1: 5, 0.5: 4, 1.0: 10, INF: 10}, (0.99, False)),
    ],
)
def test_a_quantile_is_prometheus_s_own(
    wanted: float, buckets: dict[float, float], expected: tuple[float, bool]
) -> None:
    found = quantile(wanted, buckets)
    assert found is not None
    assert found[0] == pytest.approx(expected[0])
    assert found[1] is expected[1]


@pytest.mark.parametrize("buckets", [{}, {INF: 5}, {0.1: 5, 1.0: 5}, {0.1: 0, INF: 0}])
def test_of_too_few_buckets_or_none_that_holds_all_there_is_no_quantile(buckets: dict[float, float]) -> None:
    assert quantile(0.99, buckets) is None


@QUICK
@given(st.dictionaries(st.floats(-10, 1e6), st.floats(0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_a_quantile_lies_within_the_buckets(buckets: dict[float, float], wanted: float) -> None:
    buckets[INF] = max(buckets.values())
    found = quantile(wanted, buckets)
    if found is not None:
        assert min(0.0, *(bound for bound in buckets if bound < INF)) <= found[0]
        assert found[0] <= max(bound for bound in buckets if bound < INF)


def test_a_latency_says_of_how_many_requests_it_is() -> None:
    assert latency_of({0.5: 100, 1.0: 200, INF: 200}, 2.0, 100) == Latency(
        p99_seconds=0.99, is_at_least=False, requests=200, window_seconds=2.0
    )
    assert isinstance(latency_of({0.5: 5, INF: 5}, 2.0, 100), NotKnown)
    assert isinstance(latency_of({INF: 500}, 2.0, 100), NotKnown)


@pytest.mark.parametrize(
    ("status", "is_ok"), [(200, True), (204, True), (302, False), (404, False), (503, False), (None, False)]
)
def test_health_is_ok_when_the_answer_is(status: int | None, is_ok: bool) -> None:  # noqa: FBT001  # a parameter of a table
    assert Health(status, "").is_ok is is_ok
