"""Log lines: one JSON object each where a machine reads them, plain where a person does.

The field names are those of Cloud Logging (severity, message, time), which takes such lines from standard output as
they are. Whatever a caller passes as ``extra`` becomes a field of its own.

The event loop never writes them: whoever reads our output may stop reading, and a write would then hold everything up.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import Final, Literal, TextIO

MAX_WAITING_LINES: Final = 1000  # some hours of a quiet day; beyond them nobody reads what we print
LAST_LINES_SECONDS: Final = 0.2  # at the end, for a reader of our output that may have gone

# What happened and was meant to: Cloud Logging knows it, between INFO and WARNING. Python does not.
NOTICE: Final = 25
logging.addLevelName(NOTICE, "NOTICE")

LogFormat = Literal["auto", "json", "text"]

_STANDARD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _facts(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD_FIELDS}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "severity": record.levelname,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "message": record.getMessage(),
            "logger": record.name,
            **_facts(record),
        }
        if record.exc_info:
            line["stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """For a terminal: time, level if it matters, message, facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        facts = "".join(f"  {name}={_on_one_line(value)}" for name, value in _facts(record).items())
        text = f"{moment} {level}{record.getMessage()}{facts}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def _on_one_line(value: object) -> str:
    """Print a fact without what a terminal would obey: it may be what somebody has typed, far from here."""
    text = str(value)
    return text if text.isprintable() else repr(text)[1:-1]


def set_up_logging(log_format: LogFormat, stream: TextIO | None = None) -> None:
    """Send everything from INFO on to ``stream`` (standard output), replacing what was set up before."""
    stream = stream or sys.stdout or io.StringIO()  # there is none when it was closed before we began
    logging.raiseExceptions = False  # or each line that cannot be written would be answered by a page on stderr
    as_text = log_format == "text" or (log_format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # One line per change of state, none per request: these two would tell of their own doings.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


@contextlib.contextmanager
def in_a_thread(end_at_once: Callable[[int], object] = os._exit) -> Iterator[None]:
    """Let a thread do the writing meanwhile; lines stay in order. At the end what is left is written.

    When nobody takes it, the process ends here: Python's own end would wait for the thread, for ever.
    """
    root = logging.getLogger()
    handlers = root.handlers
    lines: queue.Queue[logging.LogRecord] = queue.Queue(MAX_WAITING_LINES)
    listener = QueueListener(lines, *handlers)
    listener.start()
    root.handlers = [_AsItIs(lines)]
    status = 1
    try:
        yield
        status = 0
    finally:
        root.handlers = handlers
        last_lines = threading.Thread(target=listener.stop, daemon=True)
        last_lines.start()
        last_lines.join(LAST_LINES_SECONDS)
        if last_lines.is_alive():
            end_at_once(status)


class _AsItIs(QueueHandler):
    """Passes records on untouched, as is right within one process: the formatter needs them whole."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):  # nobody reads: the newest lines are lost, and nobody waits
            super().enqueue(record)
