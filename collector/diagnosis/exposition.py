"""Two looks at the service's ``/metrics``, and what happened between them.

Counters that are lower the second time were begun anew between the looks: what they count by then is what happened, at
the least.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from prometheus_client.parser import text_string_to_metric_families

from collector.blackbox.bounding import tame_text
from collector.diagnosis.service_facts import (
    INFINITY,
    Latency,
    LatencyOrNot,
    NotKnown,
    QueueDepth,
    QueueOrNot,
    Receipts,
    ReceiptsOrNot,
    ServiceFacts,
    TrafficOrNot,
    is_figure,
    latency_of,
    traffic_of,
)

MAX_SERIES: Final = 20_000

REQUESTS: Final = "tai_http_requests_total"
DURATION: Final = "tai_http_request_duration_seconds"
BUCKETS: Final = f"{DURATION}_bucket"
EMITTED: Final = "tai_receipts_emitted_total"
STORED: Final = "tai_receipt_storage_duration_ms_count"
VERIFIED: Final = "tai_receipt_verification_total"
QUEUE: Final = "tai_action_queue_depth"
WANTED: Final = (REQUESTS, BUCKETS, DURATION, EMITTED, STORED, VERIFIED, QUEUE)

Labels: TypeAlias = frozenset[tuple[str, str]]
_Key = TypeVar("_Key", str, float)


class NotExposition(Exception):
    """What was read is not the text that Prometheus reads; the message says why."""


@dataclass(frozen=True, slots=True)
class Look:
    """The figures that are asked for, as they were at one moment of a clock that never goes back."""

    at_seconds: float
    series: Mapping[str, Mapping[Labels, float]]


def read(text: str, at_seconds: float) -> Look:
    """Read the figures that are asked for. Raises `NotExposition`."""
    # Only their lines: a service may have many others, and nobody needs to understand those.
    wanted = [line for line in text.split("\n") if line.startswith(WANTED)]
    if len(wanted) > MAX_SERIES:
        raise NotExposition(f"it has {len(wanted)} series of requests, receipts and actions, more than {MAX_SERIES}")
    series: defaultdict[str, dict[Labels, float]] = defaultdict(dict)
    try:
        for family in text_string_to_metric_families("\n".join((*wanted, ""))):
            for sample in family.samples:
                if sample.name in WANTED and is_figure(sample.value):
                    series[sample.name][frozenset(sample.labels.items())] = float(sample.value)
    except (ValueError, KeyError, IndexError) as error:
        raise NotExposition(f"a line of it is not as Prometheus reads it: {error}") from None
    return Look(at_seconds, series)


def facts_between(before: Look, after: Look, source: str, least_requests: int) -> ServiceFacts:
    """Say what happened between two looks."""
    window_seconds = after.at_seconds - before.at_seconds
    return ServiceFacts(
        source,
        _traffic(before, after, window_seconds, least_requests),
        _latency(before, after, window_seconds, least_requests),
        _receipts(before, after, window_seconds),
        _queue(after),
    )


def _traffic(before: Look, after: Look, window_seconds: float, least_requests: int) -> TrafficOrNot:
    if REQUESTS not in after.series:
        return _missing(REQUESTS)
    by_status = _sums(_increases(before, after, REQUESTS), lambda labels: labels.get("status", ""))
    if set(by_status) == {""}:
        return NotKnown(f"{REQUESTS} has no label status")
    return traffic_of(by_status, window_seconds, least_requests)


def _latency(before: Look, after: Look, window_seconds: float, least_requests: int) -> LatencyOrNot:
    if BUCKETS in after.series:
        increases = _increases(before, after, BUCKETS)
        return latency_of(_sums(increases, lambda labels: bound_of(labels.get("le"))), window_seconds, least_requests)
    told = [
        value
        for labels, value in after.series.get(DURATION, {}).items()
        if bound_of(dict(labels).get("quantile")) == 0.99
    ]
    if told:
        # The service's own, of whichever time it takes; of several endpoints the slowest, since they cannot be added.
        return Latency(max(told), is_at_least=False, requests=None, window_seconds=window_seconds)
    return _missing(DURATION)


def _receipts(before: Look, after: Look, window_seconds: float) -> ReceiptsOrNot:
    if EMITTED not in after.series:
        return _missing(EMITTED)
    stored = sum(_increases(before, after, STORED).values()) if STORED in after.series else None
    failed = None
    if VERIFIED in after.series:
        by_result = _sums(_increases(before, after, VERIFIED), lambda labels: labels.get("result", ""))
        failed = by_result.get("failed", 0.0)
    return Receipts(sum(_increases(before, after, EMITTED).values()), stored, failed, window_seconds)


def _queue(after: Look) -> QueueOrNot:
    depths = after.series.get(QUEUE)
    if not depths:
        return _missing(QUEUE)
    labels, fullest = max(depths.items(), key=lambda each: each[1])
    return QueueDepth(sum(depths.values()), fullest, tame_text(dict(labels).get("pool_id", "")))


def _missing(name: str) -> NotKnown:
    return NotKnown(f"the service's /metrics has no {name}")


def _increases(before: Look, after: Look, name: str) -> dict[Labels, float]:
    earlier = before.series.get(name, {})
    return {labels: _increase(earlier.get(labels, 0.0), now) for labels, now in after.series[name].items()}


def _increase(before: float, now: float) -> float:
    return now - before if now >= before else max(0.0, now)


def _sums(series: Mapping[Labels, float], key: Callable[[Mapping[str, str]], _Key]) -> dict[_Key, float]:
    """Add up what has the same key."""
    sums: defaultdict[_Key, float] = defaultdict(float)
    for labels, value in series.items():
        sums[key(dict(labels))] += value
    return dict(sums)


def bound_of(text: str | None) -> float:
    """Read a bucket's bound or a quantile. What is none counts for all that came, as nothing is known of it."""
    try:
        bound = float(text or "inf")
    except ValueError:
        return INFINITY
    return INFINITY if math.isnan(bound) else bound
