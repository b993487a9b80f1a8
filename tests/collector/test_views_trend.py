from __future__ import annotations

from datetime import timedelta

import pytest

from collector.models import NodeReference
from collector.trend import LONGEST_QUEUE, PROCESS_COUNT, Point, Trend, all_series, memory_of
from collector.views.trend import TrendAnswer
from tests.collector_fakes import CREATION, MOMENT
from tests.collector_results import as_golden
from tests.top_golden import GOLDEN_TREND, SHORT_TREND
from tests.top_source import point

ABOUT = NodeReference(name="a@b", creation=CREATION, instance_id=None)


def answer_of(*points: Point) -> TrendAnswer:
    trend = Trend(10.0, all_series(["receipt_ledger"]))
    for number, one in enumerate(points):
        trend.record(one, 10.0 * number, MOMENT)
    return TrendAnswer.of(trend.window(), ABOUT, ["receipt_ledger"])


def test_the_answer_is_as_it_was() -> None:
    """How to write the file anew stands in `tests.top_golden`."""
    assert as_golden(SHORT_TREND) == GOLDEN_TREND.read_text(encoding="utf-8")


def test_a_client_reads_what_the_collector_has_written() -> None:
    assert TrendAnswer.model_validate_json(as_golden(SHORT_TREND)) == SHORT_TREND


def test_the_first_point_is_as_old_as_all_intervals_together() -> None:
    assert SHORT_TREND.first_at == SHORT_TREND.collected_at - timedelta(seconds=30)


def test_all_series_have_as_many_values_as_there_are_points() -> None:
    tables = [series for table in SHORT_TREND.tables for series in (table.count, table.size, table.memory_bytes)]
    memory = [getattr(SHORT_TREND.memory, name) for name in type(SHORT_TREND.memory).model_fields]
    others = [SHORT_TREND.process_count, SHORT_TREND.run_queue_length, SHORT_TREND.longest_message_queue]
    assert {len(series.values) for series in (*tables, *memory, *others, SHORT_TREND.messages_waiting)} == {4}


def test_a_trend_without_a_gap_is_complete() -> None:
    found = answer_of(point(0), point(1))
    assert (found.complete, found.left_out) == (True, [])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "memory at 1 of 2 points: not answered"),
        ({memory_of("total"): 1}, "the process count at 1 of 2 points: not answered"),
        ({memory_of("total"): 1, PROCESS_COUNT: 2}, "the run queue at 1 of 2 points: not answered"),
    ],
)
def test_what_was_not_measured_is_said_with_at_how_many_points(values: dict[tuple[str, ...], int], said: str) -> None:
    assert answer_of(point(0), Point(CREATION, values)).left_out[0] == said


def test_a_figure_that_the_budget_does_not_allow_every_time_is_said_to_be_of_that() -> None:
    without = {series: value for series, value in point(1).values.items() if series != LONGEST_QUEUE}
    (said,) = answer_of(point(0), Point(CREATION, without)).left_out
    assert said.startswith("message queues at 1 of 2 points: asked for only as often as max_scheduler_share allows")
