"""What is known of the service by its own figures, wherever they come from; and why something is not known.

The figures are those of TAI's monitoring: requests by status, how long they took, receipts, the queue of actions. What
of them is an error rate is decided here, as TAI's own alert does: answers of 500 and above, of all answers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

INFINITY: Final = math.inf
MOST: Final = 2.0**53  # of anything: a counter, which is a double, stops at it, and sums of such are finite
_STATUS: Final = re.compile(r"([1-5])(\d\d|xx)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NotKnown:
    """Why there is no answer. That is never a "no"."""

    why: str


@dataclass(frozen=True, slots=True)
class Category:
    """One of the four error categories of the playbook's second section."""

    name: str
    status: int
    action: str


CATEGORIES: Final = (
    Category("validation errors", 400, "Check client requests, monitor if systematic"),
    Category("business logic errors", 422, "Check application logic, verify state machines"),
    Category("service errors", 503, "Check service health, restart if needed"),
    Category("timeout errors", 504, "Scale up or investigate bottleneck"),
)


def status_code(status: str) -> int | None:
    """Read a label ``status``: 503, or 500 for a class of them, ``5xx``; None for what is neither."""
    found = _STATUS.fullmatch(status)
    return None if found is None else int(found[1] + found[2].lower().replace("xx", "00"))


def is_figure(value: float) -> bool:
    """Say whether a service can have counted so much of anything."""
    return 0.0 <= value <= MOST


@dataclass(frozen=True, slots=True)
class Share:
    """How many requests ended in one category, as a share of all and of those that ended in an error, 400 and above."""

    category: Category
    count: float
    of_requests: float
    of_errors: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """The requests that were answered within a time, by status. There is at least one."""

    by_status: Mapping[str, float]
    window_seconds: float

    @property
    def requests(self) -> float:
        """How many there were."""
        return math.fsum(self.by_status.values())

    @property
    def server_errors(self) -> float:
        """How many were answered with 500 and above."""
        return self._from(500)

    @property
    def errors(self) -> float:
        """How many were answered with 400 and above."""
        return self._from(400)

    @property
    def error_rate(self) -> float:
        """The share that the playbook's criteria are about."""
        return self.server_errors / self.requests

    @property
    def shares(self) -> tuple[Share, ...]:
        """Those of the playbook's categories that occurred, the most frequent first."""
        counts = [(category, self.by_status.get(str(category.status), 0.0)) for category in CATEGORIES]
        return tuple(
            Share(category, count, count / self.requests, count / self.errors)
            for category, count in sorted(counts, key=lambda each: -each[1])
            if count > 0
        )

    def _from(self, least: int) -> float:
        return math.fsum(count for status, count in self.by_status.items() if (status_code(status) or 0) >= least)


@dataclass(frozen=True, slots=True)
class Latency:
    """The 99th percentile of how long requests took. ``is_at_least``: it is above the last bucket, and may be anything.

    ``requests`` is None where nobody counted them.
    """

    p99_seconds: float
    is_at_least: bool
    requests: float | None
    window_seconds: float


@dataclass(frozen=True, slots=True)
class Receipts:
    """Receipts within a time. What is None the service does not tell.

    ``emitted`` is how many the service made, ``stored`` how many operations on the storage have ended,
    ``failed_verifications`` how many hash chains did not hold.
    """

    emitted: float
    stored: float | None
    failed_verifications: float | None
    window_seconds: float


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How many actions wait, in all pools together and in the fullest."""

    total: float
    fullest: float
    pool: str


@dataclass(frozen=True, slots=True)
class Health:
    """What the service's ``/health`` says. ``status`` is None when there was no answer, and ``text`` then says why."""

    status: int | None
    text: str

    @property
    def is_ok(self) -> bool:
        """Whether it answered, and well."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def line(self) -> str:
        """All of it in one line: ``503 supervisor governance_sup not running``, or why there is no answer."""
        return self.text if self.status is None else f"{self.status} {self.text}".rstrip()


TrafficOrNot: TypeAlias = Traffic | NotKnown
LatencyOrNot: TypeAlias = Latency | NotKnown
ReceiptsOrNot: TypeAlias = Receipts | NotKnown
QueueOrNot: TypeAlias = QueueDepth | NotKnown


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """All that the service says of itself, but for its health. ``source`` is where it was read."""

    source: str
    traffic: TrafficOrNot
    latency: LatencyOrNot
    receipts: ReceiptsOrNot
    queue: QueueOrNot


def quantile(wanted: float, buckets: Mapping[float, float]) -> tuple[float, bool] | None:
    """Return a quantile as Prometheus's ``histogram_quantile`` does, and whether it is only a lower bound.

    ``buckets`` are how many were at most so much. None without observations, or without a bucket for all of them.
    """
    bounds = sorted(buckets)
    if len(bounds) < 2 or bounds[-1] != INFINITY:
        return None
    counts, most = [], 0.0
    for bound in bounds:
        most = max(most, buckets[bound])  # rates of buckets that were read a moment apart may go down a little
        counts.append(most)
    rank = wanted * counts[-1]
    if counts[-1] <= 0:
        return None
    place = next(index for index, count in enumerate(counts) if count >= rank)
    if bounds[place] == INFINITY:
        return bounds[-2], True
    below = counts[place - 1] if place else 0.0
    start = bounds[place - 1] if place else min(0.0, bounds[0])
    if place == 0 and bounds[0] <= 0.0:
        return bounds[0], False
    return start + (bounds[place] - start) * (rank - below) / (counts[place] - below), False


def traffic_of(by_status: Mapping[str, float], window_seconds: float, least_requests: int) -> TrafficOrNot:
    """Judge whether there were enough requests for a rate."""
    traffic = Traffic({status: count for status, count in by_status.items() if count > 0}, window_seconds)
    if traffic.requests < least_requests:
        return NotKnown(_few(traffic.requests, window_seconds, least_requests))
    if all(status_code(status) is None for status in traffic.by_status):
        told = ", ".join(sorted(status[:20] for status in traffic.by_status)[:3])
        return NotKnown(f"tai_http_requests_total has no HTTP status as its label status, but {told}")
    return traffic


def latency_of(buckets: Mapping[float, float], window_seconds: float, least_requests: int) -> LatencyOrNot:
    """Judge whether there were enough requests for a 99th percentile."""
    requests = buckets.get(INFINITY, 0.0)
    if requests < least_requests:
        return NotKnown(_few(requests, window_seconds, least_requests))
    found = quantile(0.99, buckets)
    if found is None:
        return NotKnown("tai_http_request_duration_seconds has no buckets beside that of all requests")
    return Latency(*found, requests, window_seconds)


def _few(requests: float, window_seconds: float, least_requests: int) -> str:
    seen = f"only {requests:.0f} requests were" if round(requests) != 1 else "only 1 request was"
    return f"{seen} seen within {window_seconds:.0f} s, of {least_requests} that are needed"
