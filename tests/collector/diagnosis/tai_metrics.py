"""The metrics of a service like TAI, as its documents name them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Tai:
    """The metrics of a service, kept by the library that many services use."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tai_http_requests_total", "x", ["endpoint", "method", "status"], registry=self.registry
        )
        self.duration = Histogram(
            "tai_http_request_duration_seconds", "x", ["endpoint"], buckets=(0.1, 1, 5), registry=self.registry
        )
        self.receipts = Counter("tai_receipts_emitted_total", "x", ["type"], registry=self.registry)
        self.storage = Histogram("tai_receipt_storage_duration_ms", "x", ["backend"], registry=self.registry)
        self.verified = Counter("tai_receipt_verification_total", "x", ["result"], registry=self.registry)
        self.queue = Gauge("tai_action_queue_depth", "x", ["pool_id"], registry=self.registry)

    def serve(self, status: int, count: int, seconds: float = 0.05) -> None:
        self.requests.labels("/pubsub", "POST", str(status)).inc(count)
        for _ in range(count):
            self.duration.labels("/pubsub").observe(seconds)

    def text(self) -> str:
        return generate_latest(self.registry).decode()
