from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.journal.chain import (
    FIRST_PREVIOUS,
    NO_ENTRY,
    DamagedEntry,
    Entry,
    Facts,
    FaultKind,
    Head,
    Json,
    Kind,
    Row,
    Verified,
    digest,
    follow,
    format_time,
    parse_time,
    to_canonical,
    verify,
)

MOMENT = datetime(2026, 11, 23, 3, 14, 7, 125_000, tzinfo=UTC)
BODY: Mapping[str, Json] = {"who": "anna", "action": "restart", "plan": {"pids": ["<0.1.0>"], "rows": 3}}

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
bodies = st.dictionaries(
    st.text(),
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)),
    max_size=4,
)


def chain_of(*bodies: Mapping[str, Json], kind: Kind = Kind.INTENT, node: str = "a@b") -> list[Row]:
    rows: list[Row] = []
    head = NO_ENTRY
    for number, body in enumerate(bodies):
        at = MOMENT + timedelta(seconds=number)
        rows.append(follow(head, Facts(at, kind, f"action-{number // 2}", node, body)))
        head = Head(rows[-1].seq, rows[-1].hash)
    return rows


def rewritten_from(rows: list[Row], first: int) -> list[Row]:
    """Write the entries from an index on anew, as somebody does who knows how hashes are made."""
    again = rows[:first]
    for row in rows[first:]:
        previous = again[-1].hash if again else FIRST_PREVIOUS
        row = row._replace(seq=len(again) + 1, previous=previous)  # noqa: PLW2901
        again.append(row._replace(hash=digest(row)))
    return again


reasons = st.builds(lambda reason: {"reason": reason}, st.text(max_size=5))
chains = st.lists(reasons, min_size=1, max_size=6).map(lambda made: chain_of(*made))
two_or_more = st.lists(reasons, min_size=2, max_size=6).map(lambda made: chain_of(*made))


def fault_of(rows: list[Row], head: str | None = None) -> FaultKind | None:
    fault = verify(rows, head).fault
    return None if fault is None else fault.kind


# ------------------------------------------------------------------------------------------------------- what is held


@given(chains)
def test_a_chain_holds_and_has_every_hash_of_its_entries(rows: list[Row]) -> None:
    for row in rows:
        assert verify(rows, row.hash) == Verified(len(rows), rows[-1].hash)


def test_no_entry_is_a_chain_too() -> None:
    assert verify([]) == Verified(0, None)


def test_the_hash_is_made_as_the_head_of_the_module_says() -> None:
    # Made with sha256sum, of the text that is described there.
    [row] = chain_of({"who": "anna"})
    assert row == (
        1,
        "2026-11-23T03:14:07.125000Z",
        "intent",
        "action-0",
        "a@b",
        '{"who":"anna"}',
        "0" * 64,
        "5e3390e32de18f77c1e9d3f4cf9293e6323e8f40db18497f4a420d82e075e6d9",
    )


@given(bodies)
def test_an_entry_is_read_as_it_was_written(body: dict[str, Json]) -> None:
    [row] = chain_of(body)
    assert Entry.of(row) == Entry(1, MOMENT, Kind.INTENT, "action-0", "a@b", body, FIRST_PREVIOUS, row.hash)


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  # its zone is given aside
def test_a_moment_is_printed_and_read_to_the_microsecond(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment


def test_a_moment_of_another_zone_is_printed_in_utc() -> None:
    assert (
        format_time(datetime(2026, 11, 23, 5, 0, tzinfo=timezone(timedelta(hours=2)))) == "2026-11-23T03:00:00.000000Z"
    )


@given(bodies)
def test_a_body_is_written_in_one_way_whatever_its_order(body: dict[str, Json]) -> None:
    assert to_canonical(dict(reversed(body.items()))) == to_canonical(body)


def test_bytes_of_a_command_line_that_are_no_text_become_text() -> None:
    [row] = chain_of({"reason": b"gr\xfc\xdfe".decode("utf-8", "surrogateescape")}, node="a\udcff@b")
    assert Entry.of(row).body == {"reason": "gr??e"}
    assert row.node == "a?@b"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_json_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        chain_of({"value": value})


# --------------------------------------------------------------------------------------------------- what is found out


@given(st.data())
def test_an_edited_character_of_any_column_is_found(data: st.DataObject) -> None:
    rows = data.draw(chains)
    index = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.sampled_from(Row._fields))
    if column == "seq":
        edited: object = data.draw(st.integers(-(1 << 62), 1 << 62).filter(lambda seq: seq != rows[index].seq))
    else:
        before = getattr(rows[index], column)
        place = data.draw(st.integers(0, len(before)))
        edited = before[:place] + data.draw(st.text(max_size=2)) + before[place + data.draw(st.integers(0, 2)) :]
        if edited == before:
            return
    rows[index] = Row._make([edited if name == column else getattr(rows[index], name) for name in Row._fields])
    assert fault_of(sorted(rows, key=lambda row: row.seq)) is not None


@given(st.data())
def test_an_edited_entry_is_named(data: st.DataObject) -> None:
    rows = data.draw(chains)
    index = data.draw(st.integers(0, len(rows) - 1))
    rows[index] = rows[index]._replace(node="another@node")
    verified = verify(rows)
    assert verified.entries == index
    assert verified.head == (rows[index - 1].hash if index else None)
    assert str(verified.fault) == f"entry {index + 1} was altered: its hash is not that of what it says"


@given(st.data())
def test_a_removed_entry_is_missed_by_name(data: st.DataObject) -> None:
    rows = data.draw(two_or_more)
    index = data.draw(st.integers(0, len(rows) - 2))
    del rows[index]
    verified = verify(rows)
    assert (verified.entries, str(verified.fault)) == (index, f"entry {index + 1} is missing")


@given(st.data())
def test_entries_that_were_swapped_are_out_of_order(data: st.DataObject) -> None:
    rows = data.draw(two_or_more)
    first, second = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1), min_size=2, max_size=2)))
    rows[first], rows[second] = rows[second]._replace(seq=first + 1), rows[first]._replace(seq=second + 1)
    fault = verify(rows).fault
    assert fault is not None
    assert (fault.seq, fault.kind) == (first + 1, FaultKind.OUT_OF_ORDER)


def test_an_entry_before_the_first_is_out_of_order() -> None:
    rows = chain_of({}, {})
    stray = rows[0]._replace(seq=-5)
    assert fault_of([stray._replace(hash=digest(stray)), *rows]) == FaultKind.OUT_OF_ORDER


@given(st.data())
def test_an_entry_that_was_rewritten_with_its_hash_is_found_by_the_next(data: st.DataObject) -> None:
    rows = data.draw(two_or_more)
    index = data.draw(st.integers(0, len(rows) - 2))
    forged = rows[index]._replace(action_id="another")
    rows[index] = forged._replace(hash=digest(forged))
    fault = verify(rows).fault
    assert fault is not None
    assert (fault.seq, fault.kind) == (index + 2, FaultKind.REWRITTEN)


@given(st.data())
def test_a_tail_that_was_cut_off_is_found_by_the_head_alone(data: st.DataObject) -> None:
    rows = data.draw(chains)
    left = rows[: data.draw(st.integers(0, len(rows) - 1))]
    assert fault_of(left) is None
    assert fault_of(left, rows[-1].hash) == FaultKind.CUT


@given(st.data())
def test_a_tail_that_was_rewritten_is_found_by_the_head_alone(data: st.DataObject) -> None:
    rows = data.draw(chains)
    first = data.draw(st.integers(0, len(rows) - 1))
    forged = list(rows)
    forged[first] = forged[first]._replace(node="another@node")
    forged = rewritten_from(forged, first)
    assert fault_of(forged) is None
    assert fault_of(forged, rows[-1].hash) == FaultKind.CUT


def test_a_journal_that_was_wholly_rewritten_is_found_by_the_head_alone() -> None:
    rows = chain_of(BODY, BODY, BODY)
    forged = rewritten_from([row._replace(node="another@node") for row in rows], 0)
    assert fault_of(forged) is None
    assert fault_of(forged, rows[-1].hash) == FaultKind.CUT


def test_entries_that_came_later_do_not_make_a_head_wrong() -> None:
    rows = chain_of(BODY, BODY, BODY)
    assert fault_of(rows, rows[0].hash) is None


# ------------------------------------------------------------------------------------------- what is no entry of ours


@pytest.mark.parametrize(
    "edited",
    [
        {"kind": "boasted"},
        {"at": "yesterday"},
        {"at": "2026-11-23T03:14:07Z"},
        {"body": "[]"},
        {"body": "{"},
        {"body": '{"who": "anna"}'},
        {"body": '{"share":NaN}'},
        {"body": '{"a":' * 100_000},
        {"body": '{"who":"\\ud800"}'},
        {"node": "a\udcff@b"},
        {"node": b"a@b"},
        {"action_id": None},
        {"hash": b"0"},
    ],
)
def test_an_entry_of_somebody_else_is_not_read(edited: dict[str, object]) -> None:
    [row] = chain_of({"who": "anna"})
    wrong = row._replace(**edited)  # type: ignore[arg-type]  # SQLite gives what was put into it
    with pytest.raises(DamagedEntry, match=r"^entry 1 cannot be read: "):
        Entry.of(wrong)
    assert fault_of([wrong]) == FaultKind.ALTERED


@pytest.mark.parametrize("value", [b"a@b", "b'a@b'", None, "None", 7, "7", 7.0])
def test_one_value_is_not_taken_for_another_that_is_printed_alike(value: object) -> None:
    [row] = chain_of(BODY)
    others: list[object] = [b"a@b", "b'a@b'", None, "None", 7, "7", 7.0]
    hashes = [digest(row._replace(node=other)) for other in others]  # type: ignore[arg-type]
    assert hashes.count(digest(row._replace(node=value))) == 1  # type: ignore[arg-type]
