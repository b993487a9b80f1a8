"""A small service as the playbook has it: ``/health`` and ``/metrics``. Each look finds 500 more requests."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REQUESTS_BETWEEN_LOOKS = 500
OK = (200, b'{"status":"ok"}')


class TaiService(ThreadingHTTPServer):
    """The service; what it says can be changed at any time.

    ``asked`` has the paths in the order that they were asked for. ``server_errors`` is the share of requests that it
    answered with 503, ``other_errors`` are the shares of other statuses. ``slow`` is the share of requests that took
    between one and five seconds, ``waiting`` how many actions wait. Without ``has_receipts`` it emits none.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.health = OK
        self.server_errors = 0.0
        self.other_errors: dict[int, float] = {}
        self.slow = 0.0
        self.waiting = 0
        self.has_receipts = True
        super().__init__(("127.0.0.1", 0), _Answers)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_port}"

    def metrics(self) -> bytes:
        """What it has counted so far."""
        requests = self.asked.count("/metrics") * REQUESTS_BETWEEN_LOOKS
        failed = round(requests * self.server_errors)
        others = {status: round(requests * share) for status, share in self.other_errors.items()}
        return "\n".join(
            (
                f'tai_http_requests_total{{status="200"}} {requests - failed - sum(others.values())}',
                f'tai_http_requests_total{{status="503"}} {failed}',
                *(f'tai_http_requests_total{{status="{status}"}} {count}' for status, count in others.items()),
                f'tai_http_request_duration_seconds_bucket{{le="1"}} {round(requests * (1 - self.slow))}',
                f'tai_http_request_duration_seconds_bucket{{le="5"}} {requests}',
                f'tai_http_request_duration_seconds_bucket{{le="+Inf"}} {requests}',
                f"tai_receipts_emitted_total {requests * self.has_receipts}",
                f"tai_receipt_storage_duration_ms_count {requests * self.has_receipts}",
                f'tai_action_queue_depth{{pool_id="a"}} {self.waiting}',
                "",
            )
        ).encode()


class _Answers(BaseHTTPRequestHandler):
    server: TaiService

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, body = self.server.health if self.path == "/health" else (200, self.server.metrics())
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # who asks may not wait
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the library has it
        """Say nothing."""


@contextlib.contextmanager
def tai_service() -> Iterator[TaiService]:
    """Run the service, until the end."""
    with TaiService() as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield server
        finally:
            server.shutdown()
            serving.join()
