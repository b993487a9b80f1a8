from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from collector.logs import LogFormat, in_a_thread, set_up_logging
from tests.collector_fakes import PATIENCE_SECONDS

pytestmark = pytest.mark.usefixtures("root_logging")

LOG = logging.getLogger("collector.of_a_test")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def set_up(log_format: LogFormat = "json", stream: io.StringIO | None = None) -> io.StringIO:
    stream = stream or io.StringIO()
    set_up_logging(log_format, stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


# --------------------------------------------------------------------------------------------------------------- json


@pytest.mark.parametrize("severity", ["INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL"])
def test_a_line_has_what_cloud_logging_reads(severity: str) -> None:
    stream = set_up()
    before = datetime.now(UTC)
    LOG.log(logging.getLevelNamesMapping()[severity], "node %s is %s", "a@b", "gone")
    [line] = lines(stream)
    assert line.keys() == {"severity", "time", "message", "logger"}
    assert line["severity"] == severity
    assert line["message"] == "node a@b is gone"
    assert line["logger"] == "collector.of_a_test"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])
    assert abs(datetime.fromisoformat(line["time"]) - before).total_seconds() < 10


def test_what_is_passed_as_extra_becomes_a_field() -> None:
    stream = set_up()
    LOG.info("vital signs", extra={"erlang_node": "a@b", "memory_total_bytes": 12, "ports": None, "nodes": ["a@b"]})
    [line] = lines(stream)
    facts = {name: line[name] for name in line.keys() - {"severity", "time", "message", "logger"}}
    assert facts == {"erlang_node": "a@b", "memory_total_bytes": 12, "ports": None, "nodes": ["a@b"]}


def test_what_json_does_not_know_becomes_text() -> None:
    stream = set_up()
    LOG.info("started", extra={"moment": datetime(2026, 11, 23, tzinfo=UTC)})
    assert lines(stream)[0]["moment"] == "2026-11-23 00:00:00+00:00"


def test_an_exception_comes_with_its_trace_in_the_same_line() -> None:
    stream = set_up()
    try:
        raise ZeroDivisionError("a slip")
    except ZeroDivisionError:
        LOG.exception("met a bug")
    [line] = lines(stream)
    assert line["severity"] == "ERROR"
    assert line["message"] == "met a bug"
    assert line["stack_trace"].startswith("Traceback (most recent call last):\n")
    assert line["stack_trace"].endswith("ZeroDivisionError: a slip")


def test_text_of_several_lines_and_other_scripts_stays_one_line() -> None:
    stream = set_up()
    LOG.info("first\nsecond, größer 漢")
    assert len(stream.getvalue().splitlines()) == 1
    assert lines(stream)[0]["message"] == "first\nsecond, größer 漢"
    assert "größer 漢" in stream.getvalue()


# ---------------------------------------------------------------------------------------------------------------- text


def test_a_person_reads_time_message_and_facts() -> None:
    stream = set_up("text")
    LOG.info("connected", extra={"erlang_node": "a@b", "creation": 7})
    assert re.fullmatch(r"\d\d:\d\d:\d\d connected  erlang_node=a@b  creation=7\n", stream.getvalue())


def test_a_person_reads_the_level_when_it_matters() -> None:
    stream = set_up("text")
    LOG.warning("gone")
    assert re.fullmatch(r"\d\d:\d\d:\d\d warning: gone\n", stream.getvalue())


def test_a_person_reads_the_trace_below_the_line() -> None:
    stream = set_up("text")
    try:
        raise ZeroDivisionError("a slip")
    except ZeroDivisionError:
        LOG.exception("met a bug")
    first, second, *_, last = stream.getvalue().splitlines()
    assert first.endswith("error: met a bug")
    assert second == "Traceback (most recent call last):"
    assert last == "ZeroDivisionError: a slip"


# ----------------------------------------------------------------------------------------------------------- the set-up


def is_json(stream: io.StringIO) -> bool:
    LOG.info("hello")
    return stream.getvalue().startswith("{")


def test_auto_is_text_on_a_terminal() -> None:
    assert not is_json(set_up("auto", Terminal()))


def test_auto_is_json_elsewhere() -> None:
    assert is_json(set_up("auto", io.StringIO()))


def test_json_is_json_on_a_terminal_too() -> None:
    assert is_json(set_up("json", Terminal()))


def test_text_is_text_elsewhere_too() -> None:
    assert not is_json(set_up("text", io.StringIO()))


def test_standard_output_is_where_lines_go(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    set_up_logging("json")
    assert is_json(stream)


def test_setting_up_again_replaces_what_was() -> None:
    before, after = set_up(), set_up()
    LOG.info("hello")
    assert before.getvalue() == ""
    assert len(lines(after)) == 1


def test_debugging_lines_are_left_out() -> None:
    stream = set_up()
    LOG.debug("tick")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("library", ["httpx", "uvicorn.error"])
def test_libraries_tell_of_trouble_only(library: str) -> None:
    stream = set_up()
    logging.getLogger(library).info("HTTP Request: GET http://metadata.google.internal")
    logging.getLogger(library).error("Exception in ASGI application")
    assert [line["message"] for line in lines(stream)] == ["Exception in ASGI application"]


# --------------------------------------------------------------------------------------------------------- in a thread


class StuckStream(io.StringIO):
    """Standard output whose reader has stopped reading, until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.writers: list[threading.Thread] = []
        self.was_reached = threading.Event()
        self.is_released = threading.Event()

    def write(self, text: str, /) -> int:
        self.writers.append(threading.current_thread())
        self.was_reached.set()
        self.is_released.wait(PATIENCE_SECONDS)
        return super().write(text)


def test_lines_of_a_thread_are_whole_and_in_order() -> None:
    stream = set_up()
    with in_a_thread():
        for number in range(100):
            LOG.info("line %d", number, extra={"number": number})
        try:
            raise ZeroDivisionError("a slip")
        except ZeroDivisionError:
            LOG.exception("met a bug")
    *numbered, last = lines(stream)
    assert [(line["message"], line["number"]) for line in numbered] == [(f"line {n}", n) for n in range(100)]
    assert last["message"] == "met a bug"
    assert last["stack_trace"].endswith("ZeroDivisionError: a slip")


def test_a_reader_that_stops_reading_holds_up_nobody_not_even_at_the_end() -> None:
    stream = StuckStream()
    set_up("json", stream)
    ended: list[int] = []
    with in_a_thread(end_at_once=ended.append):
        LOG.info("the first line")
        assert stream.was_reached.wait(PATIENCE_SECONDS)
        LOG.info("the second line")
    assert stream.getvalue() == ""  # we are through, and the first line is not
    assert ended == [0]
    assert threading.current_thread() not in stream.writers
    stream.is_released.set()
    for writer in stream.writers:
        writer.join(PATIENCE_SECONDS)
    assert [line["message"] for line in lines(stream)] == ["the first line", "the second line"]


LOG_TO_NOBODY = """
import logging
from collector.logs import in_a_thread, set_up_logging
set_up_logging("json")
with in_a_thread():
    for _ in range(300):
        logging.info("x" * 1000)
"""


def test_a_process_ends_although_nobody_reads_what_it_prints() -> None:
    with subprocess.Popen([sys.executable, "-c", LOG_TO_NOBODY], stdout=subprocess.PIPE) as process:
        try:
            assert process.wait(PATIENCE_SECONDS) == 0
        finally:
            process.kill()


def test_afterwards_lines_are_written_at_once_again() -> None:
    stream = set_up()
    with in_a_thread():
        pass
    LOG.info("the last line")
    assert [line["message"] for line in lines(stream)] == ["the last line"]
