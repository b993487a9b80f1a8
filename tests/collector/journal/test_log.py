from __future__ import annotations

import io
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from collector.journal.chain import NO_ENTRY, Entry, Facts, Json, Kind, follow
from collector.journal.log import MAX_FACT_CHARACTERS, log_entry, print_entry
from collector.logs import set_up_logging

MOMENT = datetime(2026, 11, 23, 3, 14, 7, tzinfo=UTC)


def entry_of(body: Mapping[str, Json]) -> Entry:
    return Entry.of(follow(NO_ENTRY, Facts(MOMENT, Kind.REFUSED, "r-1", "a@b", body)))


def logged(entry: Entry) -> dict[str, Any]:
    stream = io.StringIO()
    set_up_logging("json", stream)
    log_entry(entry)
    [line] = stream.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.mark.usefixtures("root_logging")
def test_an_entry_is_a_line_with_its_facts_and_the_head_hash() -> None:
    entry = entry_of({"action": "restart", "who": "anna", "child": "governance_sup", "plan": {"pids": ["<0.1.0>"]}})
    line = logged(entry)
    assert line.pop("time")
    assert line == {
        "severity": "NOTICE",
        "message": "restart: refused",
        "logger": "collector.journal.log",
        "journal_entry": 1,
        "journal_kind": "refused",
        "journal_head": entry.hash,
        "action_id": "r-1",
        "erlang_node": "a@b",
        "action": "restart",
        "who": "anna",
        "child": "governance_sup",
        "plan": {"pids": ["<0.1.0>"]},
    }


@pytest.mark.usefixtures("root_logging")
@pytest.mark.parametrize("name", ["name", "args", "msg", "message", "severity", "time", "journal_head", "stack_trace"])
def test_no_fact_takes_the_place_of_what_every_line_has(name: str) -> None:
    entry = entry_of({name: "a lie"})
    line = logged(entry)
    assert (line["severity"], line["journal_head"]) == ("NOTICE", entry.hash)
    assert line[f"of_{name}"] == "a lie"


@pytest.mark.usefixtures("root_logging")
@pytest.mark.parametrize("long", ["x" * 5_000, [{"pid": "<0.1.0>"}] * 1_000])
def test_a_long_plan_does_not_make_a_line_that_nobody_takes(long: Json) -> None:
    line = logged(entry_of({"plan": long, "reason": "x" * MAX_FACT_CHARACTERS}))
    assert line["plan"].endswith(" characters, in the journal")
    assert line["reason"] == "x" * MAX_FACT_CHARACTERS


@pytest.mark.usefixtures("root_logging")
def test_on_a_terminal_no_fact_can_forge_a_line() -> None:
    stream = io.StringIO()
    set_up_logging("text", stream)
    log_entry(entry_of({"reason": "see\n03:14:08 notice: restart: outcome \x1b[2J"}))
    [line] = stream.getvalue().splitlines()
    assert "reason=see\\n03:14:08" in line
    assert "\x1b" not in line


def test_a_command_prints_the_same_line_beside_its_answer(capsys: pytest.CaptureFixture[str]) -> None:
    entry = entry_of({"who": "anna"})
    print_entry(entry)
    printed = capsys.readouterr()
    assert printed.out == ""
    line = json.loads(printed.err)
    assert (line["severity"], line["message"], line["journal_head"]) == ("NOTICE", "action: refused", entry.hash)
    assert line["who"] == "anna"


def test_a_terminal_that_has_gone_is_no_failure_of_the_action() -> None:
    stream = io.StringIO()
    stream.close()
    print_entry(entry_of({}), stream)


def test_notice_stands_between_information_and_warnings() -> None:
    assert logging.INFO < logging.getLevelNamesMapping()["NOTICE"] < logging.WARNING
