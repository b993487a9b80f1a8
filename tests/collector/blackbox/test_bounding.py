"""Whatever stands in a line, it is one line of JSON, no longer than it may be, that says what it lacks."""

from __future__ import annotations

import io
import json
import logging

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.blackbox.bounding import MAX_LINE_BYTES, MAX_NUMBER, MAX_ROWS, bounded, tame_text
from collector.blackbox.models import MESSAGE
from collector.logs import JsonFormatter
from tests.terms_strategies import QUICK

# All of Unicode, with halves of characters, line breaks of all kinds and what JSON escapes.
NASTY = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(
    ["\x00" * 400, '"' * 400, "\\" * 400, "𝄞" * 400, "\ud800" * 400, "\u2028\n\r\x85" * 100]
)
NUMBERS = st.integers() | st.floats() | st.integers(10**20, 10**400)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | NASTY,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NASTY, inner, max_size=5),
    max_leaves=10,
)
ROWS = st.tuples(st.lists(VALUES, min_size=1, max_size=3), st.sampled_from([1, 10, 1_000]))
LISTS = st.sampled_from(["reasons", "findings", "top_processes", "trend", "top_tables", "supervisors", "not_known"])


def written(line: dict[str, object]) -> bytes:
    """The line as the log has it."""
    record = logging.getLogger("collector.blackbox.recording").makeRecord(
        "collector.blackbox.recording", logging.CRITICAL, "", 0, MESSAGE, (), None, extra=line
    )
    stream = io.BytesIO()
    text = io.TextIOWrapper(stream, "utf-8")  # strict, as standard output is
    text.write(JsonFormatter().format(record) + "\n")
    text.flush()
    return stream.getvalue()


@settings(QUICK, max_examples=60)
@given(
    st.dictionaries(LISTS, ROWS), st.dictionaries(st.sampled_from(["erlang_node", "node_lost", "instance_id"]), VALUES)
)
def test_a_line_is_no_longer_than_it_may_be_and_stays_one_line(
    lists: dict[str, tuple[list[object], int]], others: dict[str, object]
) -> None:
    found = written(bounded({name: rows * times for name, (rows, times) in lists.items()} | others))
    assert len(found) <= MAX_LINE_BYTES
    assert len(found.decode().splitlines()) == 1
    assert isinstance(json.loads(found), dict)


@settings(QUICK)
@given(NASTY)
def test_a_text_is_printable_and_short(text: str) -> None:
    found = tame_text(text)
    assert found.isprintable()
    assert len(found) <= 300


def test_rows_are_dropped_from_the_end_and_told() -> None:
    rows = [f"{number:03} {'x' * 290}" for number in range(90)]
    line = bounded({"top_tables": rows, "top_processes": rows})
    kept = {name: line[name] for name in ("top_tables", "top_processes")}
    for name, found in kept.items():
        assert isinstance(found, list)
        assert found == rows[: len(found)]
        assert f"{90 - len(found)} of {name}" in str(line["left_out"])
    assert len(str(kept["top_processes"])) > len(str(kept["top_tables"]))  # which tells less


def test_thousands_of_rows_are_told_of() -> None:
    line = bounded({"supervisors": ["s"] * 5_000})
    assert line["supervisors"] == ["s"] * MAX_ROWS
    assert line["left_out"] == [f"{5_000 - MAX_ROWS} of supervisors"]


def test_a_field_that_is_as_long_as_a_line_is_left_out_and_the_others_stay() -> None:
    many = {f"{number}": {f"{inner}": "x" * 300 for inner in range(60)} for number in range(10)}
    line = bounded({"erlang_node": "a@b", "growth": many, "reasons": ["memory"]})
    assert (line["erlang_node"], line["reasons"]) == ("a@b", ["memory"])
    assert "growth" not in line
    assert "growth" in str(line["left_out"])


def test_what_fits_is_left_as_it_is() -> None:
    facts = {"erlang_node": "a@b", "processes": 412, "findings": [{"rule": "r"}], "share": 0.5, "empty": []}
    assert bounded(facts) == facts


def test_a_number_that_cloud_logging_would_change_is_cut_and_what_is_none_is_said_to_be_none() -> None:
    assert bounded({"a": 10**5_000, "b": float("nan"), "c": float("inf")}) == {"a": MAX_NUMBER, "b": None, "c": None}
