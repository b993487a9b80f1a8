"""What the service says of itself, asked of a real server that may be slow, long-winded or hostile."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator

import pytest

from collector.diagnosis import service as module
from collector.diagnosis.service import MAX_TEXT_CHARACTERS, health_of
from erlang_fixtures.beam import free_port
from tests.collector_fakes import PATIENCE_SECONDS


@contextlib.contextmanager
def answering(*pieces: bytes, is_held: bool = False) -> Iterator[str]:
    """Serve these bytes to whoever asks, and then hang up, or only at the end."""
    is_over = threading.Event()

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                while self.rfile.readline().strip():
                    pass
                for piece in pieces:
                    self.wfile.write(piece)
            if is_held:
                is_over.wait(PATIENCE_SECONDS)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            is_over.set()
            server.shutdown()
            serving.join()


def http(status: str, body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in (f"Content-Length: {len(body)}", *headers))
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (http("200 OK", b'{"status":"ok"}'), "200 ok"),
        (http("503 X", b'{"status":"down","reason":"supervisor governance_sup not running"}'),
         "503 supervisor governance_sup not running"),
        (http("200 OK", b"fine\r\n  and \x1b[2J well\n"), "200 fine and \\x1b[2J well"),
        (http("503 X", b'{"reason":"half a character: \\ud800"}'), "503 half a character: \\xd800"),
        (http("200 OK", b"[1, 2]"), "200 [1, 2]"),
        (http("200 OK", b'{"status": 7}'), '200 {"status": 7}'),
        (http("204 No Content", b""), "204"),
        (http("500 X", b"\xff\xfe"), "500 \ufffd\ufffd"),
        (http("302 Found", b"", "Location: http://192.0.2.1/health"), "302"),
    ],
)  # fmt: skip
async def test_it_is_told_in_one_line(answer: bytes, told: str) -> None:
    with answering(answer) as url:
        assert (await health_of(url)).line == told
        assert (await health_of(f"{url}/")).line == told


async def test_a_long_answer_is_cut() -> None:
    body = b"x" * 1_000_000
    with answering(http("200 OK", body)) as url:
        told = (await health_of(url)).line
    assert told == f"200 {'x' * (MAX_TEXT_CHARACTERS - 1)}…"


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 200 OK\r\n",), (http("200 OK", b"x" * 100)[:-50],)])
async def test_who_does_not_get_to_an_end_is_left(monkeypatch: pytest.MonkeyPatch, pieces: tuple[bytes, ...]) -> None:
    monkeypatch.setattr(module, "HEALTH_SECONDS", 0.2)
    with answering(*pieces, is_held=True) as url:
        assert (await health_of(url)).line == f"{url}/health gives no answer within 0.2 s"


async def test_where_nobody_listens_it_says_so() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert (await health_of(url)).line.startswith(f"{url}/health does not answer")


async def test_what_is_not_http_says_so() -> None:
    with answering(b"SSH-2.0-OpenSSH\r\n") as url:
        assert (await health_of(url)).line.startswith(f"{url}/health does not answer")


@pytest.mark.parametrize("url", ["no url", "http://[::1", "http://\udcff", "ftp://x", "http://x:99999"])
async def test_what_is_no_url_is_told_and_raises_nothing(url: str) -> None:
    assert url.encode(errors="replace") in (await health_of(url)).line.encode(errors="replace")
