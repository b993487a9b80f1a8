from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.diagnosis import exposition
from collector.diagnosis.exposition import NotExposition, facts_between, read
from collector.diagnosis.service_facts import Latency, NotKnown, QueueDepth, Receipts, ServiceFacts, Traffic
from tests.collector.diagnosis.tai_metrics import Tai
from tests.terms_strategies import QUICK

NOTHING = "# HELP go_info nothing of ours\n# TYPE go_info gauge\ngo_info 1\n"


def between(before: str, after: str, least_requests: int = 100) -> ServiceFacts:
    return facts_between(read(before, 10.0), read(after, 12.0), "here", least_requests)


def test_what_happened_between_two_looks_is_told() -> None:
    tai = Tai()
    tai.serve(200, 5_000)
    tai.serve(500, 5_000, 4.0)
    tai.receipts.labels("transition").inc(1_000)
    before = tai.text()
    tai.serve(200, 90)
    tai.serve(503, 10, 3.0)
    tai.receipts.labels("transition").inc(50)
    tai.receipts.labels("refusal").inc(10)
    for _ in range(55):
        tai.storage.labels("firestore").observe(12)
    tai.verified.labels("success").inc(9)
    tai.verified.labels("failed").inc(2)
    tai.queue.labels("a").set(3)
    tai.queue.labels("b").set(40)
    found = between(before, tai.text())
    assert isinstance(found.traffic, Traffic)
    assert (found.traffic.requests, found.traffic.error_rate) == (100, 0.1)
    assert found.traffic.window_seconds == 2.0
    assert isinstance(found.latency, Latency)
    assert 1.0 < found.latency.p99_seconds <= 5.0
    assert found.receipts == Receipts(60.0, 55.0, 2.0, 2.0)
    assert found.queue == QueueDepth(43.0, 40.0, "b")


def test_a_service_that_was_started_anew_between_the_looks_has_counted_from_zero() -> None:
    old, new = Tai(), Tai()
    old.serve(200, 10_000)
    new.serve(200, 150)
    found = between(old.text(), new.text()).traffic
    assert isinstance(found, Traffic)
    assert found.requests == 150


def test_a_status_that_appears_between_the_looks_counts_whole() -> None:
    tai = Tai()
    tai.serve(200, 100)
    before = tai.text()
    tai.serve(200, 100)
    tai.serve(504, 100)
    found = between(before, tai.text()).traffic
    assert isinstance(found, Traffic)
    assert found.error_rate == 0.5


def test_of_few_requests_that_is_said() -> None:
    tai = Tai()
    before = tai.text()
    tai.serve(500, 12)
    found = between(before, tai.text())
    expected = NotKnown("only 12 requests were seen within 2 s, of 100 that are needed")
    assert (found.traffic, found.latency) == (expected, expected)


def test_a_service_without_these_metrics_makes_each_of_them_not_known() -> None:
    found = between(NOTHING, NOTHING)
    assert found.traffic == NotKnown("the service's /metrics has no tai_http_requests_total")
    assert found.latency == NotKnown("the service's /metrics has no tai_http_request_duration_seconds")
    assert found.receipts == NotKnown("the service's /metrics has no tai_receipts_emitted_total")
    assert found.queue == NotKnown("the service's /metrics has no tai_action_queue_depth")


def test_a_summary_s_own_percentile_is_taken_the_slowest_endpoint_s() -> None:
    text = (
        'tai_http_request_duration_seconds{endpoint="/a",quantile="0.99"} 0.4\n'
        'tai_http_request_duration_seconds{endpoint="/b",quantile="0.99"} 2.5\n'
        'tai_http_request_duration_seconds{endpoint="/b",quantile="0.5"} 9\n'
        'tai_http_request_duration_seconds{endpoint="/c",quantile="0.99"} NaN\n'
    )
    assert between(text, text).latency == Latency(2.5, is_at_least=False, requests=None, window_seconds=2.0)


def test_requests_without_a_status_are_no_error_rate() -> None:
    text = 'tai_http_requests_total{method="GET"} 500\n'
    assert between(NOTHING, text).traffic == NotKnown("tai_http_requests_total has no label status")


def test_what_the_service_does_not_tell_of_its_receipts_is_not_zero() -> None:
    assert between(NOTHING, "tai_receipts_emitted_total 5\n").receipts == Receipts(5.0, None, None, 2.0)


def test_lines_of_others_need_not_be_understood() -> None:
    assert read("what is this{{{\ntai_action_queue_depth 5\n", 0.0).series == {
        "tai_action_queue_depth": {frozenset(): 5.0}
    }


@pytest.mark.parametrize(
    "line", ["tai_action_queue_depth", 'tai_action_queue_depth{pool_id="a" 5', "tai_action_queue_depth x"]
)
def test_a_line_that_should_be_understood_and_is_not_is_an_error(line: str) -> None:
    with pytest.raises(NotExposition):
        read(f"{line}\n", 0.0)


def test_more_series_than_a_service_has_are_not_read() -> None:
    text = "".join(f'tai_http_requests_total{{status="{number}"}} 1\n' for number in range(exposition.MAX_SERIES + 1))
    with pytest.raises(NotExposition, match="more than 20000"):
        read(text, 0.0)


@pytest.mark.parametrize("value", ["1.7e308", "-1", "NaN", "+Inf", "9007199254740994"])
def test_what_nobody_can_have_counted_is_no_figure(value: str) -> None:
    assert read(f"tai_action_queue_depth {value}\n", 0.0).series == {}


@QUICK
@given(st.lists(st.tuples(st.sampled_from(exposition.WANTED), st.text(max_size=40)), max_size=5))
def test_whatever_a_service_says_is_read_or_refused(lines: list[tuple[str, str]]) -> None:
    with contextlib.suppress(NotExposition):
        text = "\n".join(f"{name}{rest}" for name, rest in lines)
        facts_between(read(text, 0.0), read(text, 1.0), "here", 1)
