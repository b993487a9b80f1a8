"""Logs of any form, order and condition: what is of ours is read, and nothing in them breaks the reader."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.autopsy import reading
from collector.autopsy.instances import MAX_VITALS, gather
from collector.autopsy.reading import Counts, NoLog, read
from collector.autopsy.report import AutopsyAnswer
from tests.collector.autopsy.logs import FULL_BOX, INSTANCE, as_google, as_text, box, entry, line, platform, vitals


def instances(text: str) -> list[str | None]:
    return [one.name for one in gather(read(io.StringIO(text), Counts()))]


def test_lines_of_others_in_between_are_passed_over() -> None:
    text = (
        "starting\n" + as_text(vitals(60, 0.5)) + '{"level":"info","msg":"request"}\n[not, json\n' + as_text(FULL_BOX)
    )
    counts = Counts()
    (one,) = gather(read(io.StringIO(text), counts))
    assert (one.name, len(one.vitals), len(one.boxes), counts.lines) == (INSTANCE, 2, 1, 5)


def test_what_gcloud_prints_is_read_in_the_order_of_time() -> None:
    (one,) = gather(
        read(io.StringIO(as_google(entry(vitals(60, 0.5)), entry(vitals(120, 0.6)), entry(FULL_BOX))), Counts())
    )
    assert [round(each.line.memory_limit_share or 0, 2) for each in one.vitals] == [0.5, 0.6, 0.95]
    assert (one.where.service, one.where.region, one.where.project) == ("tai-autonomics", "europe-west1", "acme-prod")


def test_several_logs_of_google_in_one_file_are_read_in_the_order_of_time() -> None:
    older = as_google(*(entry(vitals(at, share)) for at, share in ((30, 0.4), (60, 0.5), (90, 0.6))))
    newer = as_google(entry(vitals(120, 0.7)), entry(FULL_BOX))
    for text in (older + newer, newer + older):
        (one,) = gather(read(io.StringIO(text), Counts()))
        assert [round(each.line.memory_limit_share or 0, 2) for each in one.vitals] == [0.4, 0.5, 0.6, 0.7, 0.95]


def test_a_line_that_stands_before_one_a_little_older_does_not_turn_time_around() -> None:
    text = as_text(vitals(60, 0.5), line(59.9, "connected as x"), vitals(120, 0.6), vitals(180, 0.7))
    (one,) = gather(read(io.StringIO(text), Counts()))
    assert [each.line.memory_limit_share for each in one.vitals] == [0.5, 0.6, 0.7]


def test_entries_in_lines_are_read_too() -> None:
    text = "\n".join(json.dumps(each) for each in (entry(vitals(60, 0.5)), platform(70, "signal 9")))
    assert instances(text) == [INSTANCE]


def test_the_instance_that_wrote_last_is_the_first() -> None:
    old, new = entry(vitals(60, 0.5, instance_id="old"), "old"), entry(vitals(600, 0.5, instance_id="new"), "new")
    assert instances(as_google(old, new)) == ["new", "old"]


def test_lines_from_before_the_instance_was_known_are_of_it() -> None:
    (one,) = gather(read(io.StringIO(as_text(line(0, "serving on http://x"), vitals(60, 0.5))), Counts()))
    assert (one.name, one.lines) == (INSTANCE, 2)


def test_each_run_of_a_collector_is_one_where_nothing_has_a_name() -> None:
    runs = [(line(at, "serving on http://x"), vitals(at + 60, 0.5, instance_id=None)) for at in (0, 100, 200)]
    assert instances(as_text(*(each for run in runs for each in run))) == [None, "run 2", "run 1"]


def test_a_collector_that_began_anew_in_its_instance_is_told_of_with_what_was_before() -> None:
    began = line(0, "serving on http://x")
    log = as_text(began, vitals(60, 0.5), began, vitals(120, 0.6), vitals(180, 0.7))
    (one,) = gather(read(io.StringIO(log), Counts()))
    assert (one.name, one.lines, len(one.vitals)) == (INSTANCE, 5, 3)


def test_a_long_log_takes_no_more_memory_than_a_short_one() -> None:
    text = as_text(*(vitals(second, 0.5) for second in range(3 * MAX_VITALS)))
    (one,) = gather(read(io.StringIO(text), Counts()))
    assert len(one.vitals) == MAX_VITALS
    assert one.vitals[-1].line.memory_limit_share == 0.5


def test_lines_of_a_terminal_are_told_apart() -> None:
    counts = Counts()
    assert gather(read(io.StringIO("03:14:07 vital signs  erlang_node=tai@127.0.0.1  processes=3\n"), counts)) == []
    assert counts.of_a_terminal == 1


def test_an_array_of_which_not_even_one_entry_is_whole_is_no_log() -> None:
    with pytest.raises(NoLog, match="was it cut"):
        list(read(io.StringIO(as_google(entry(vitals(60, 0.5)))[:-5]), Counts()))


@pytest.mark.parametrize(
    "end", ["", ",", ',{"textPayl', "," + "x" * (2 * reading.MAX_LINE_CHARACTERS)], ids=["", "comma", "half", "other"]
)
def test_of_an_array_that_was_cut_what_stands_before_is_read_and_that_it_was_cut_is_told(end: str) -> None:
    counts = Counts()
    (one,) = gather(read(io.StringIO("[" + json.dumps(entry(vitals(60, 0.5))) + end), counts))
    assert (one.name, counts.is_cut) == (INSTANCE, True)


@pytest.mark.parametrize("between", ["", "\n", "\n\n", ","])
def test_all_arrays_are_read_where_several_logs_were_put_into_one_file(between: str) -> None:
    texts = [as_google(entry(vitals(at, 0.5), name)) for at, name in ((90, "c"), (60, "b"), (30, "a"))]
    counts = Counts()
    found = list(read(io.StringIO(between.join(texts)), counts))
    assert (len(found), counts.skipped, counts.is_cut) == (3, 0, False)


@pytest.mark.parametrize("size", [10, 70_000, 300_000])
def test_an_entry_of_an_array_may_be_long_and_stand_anywhere(size: int) -> None:
    texts = ["x" * size, "] } ,", "signal 9"]
    text = json.dumps([{"textPayload": each} for each in texts] + [7], indent=1)
    counts = Counts()
    assert [each.text for each in read(io.StringIO(text), counts)] == ["x" * min(size, 2_000), *texts[1:]]
    assert (counts.lines, counts.skipped) == (4, 1)


@pytest.mark.parametrize("before", ["", "\n \n", "\ufeff"])
@pytest.mark.parametrize("form", [as_google, as_text])
def test_blank_lines_and_a_mark_before_it_are_no_part_of_a_log(before: str, form: Callable[[object], str]) -> None:
    assert instances(before + form(entry(vitals(60, 0.5)))) == [INSTANCE]


@pytest.mark.parametrize(
    "form",
    [
        "beamwarden-1  | {}",
        "[pod/tai-7d/beamwarden] 2026-11-23T03:00:00.123456789Z {}",
        "2026-11-23T03:00:00.123456789Z stdout F {}",
        "Nov 23 03:00:00 host beamwarden[12]: {}",
    ],
    ids=["compose", "kubectl", "cri", "syslog"],
)
def test_what_stands_before_each_line_in_a_log_that_others_have_written_is_passed_over(form: str) -> None:
    lines = as_text(vitals(60, 0.5), FULL_BOX).splitlines()
    assert instances("\n".join(form.format(each) for each in lines)) == [INSTANCE]


@pytest.mark.parametrize("name", ["log", "MESSAGE"])
def test_a_line_that_is_the_field_of_another_is_read(name: str) -> None:
    lines = as_text(vitals(60, 0.5), FULL_BOX).splitlines()
    (one,) = gather(read(io.StringIO("\n".join(json.dumps({name: f"{each}\n", "x": 1}) for each in lines)), Counts()))
    assert (one.name, len(one.vitals), len(one.boxes)) == (INSTANCE, 2, 1)


def test_times_of_other_zones_are_those_of_utc() -> None:
    text = as_text(vitals(60, 0.5, time="2026-11-23T05:01:00+02:00"), vitals(60, 0.5, time="9999-12-31T23:59:59-01:00"))
    (one,) = gather(read(io.StringIO(text), Counts()))
    assert str(one.last_at) == "2026-11-23 03:01:00+00:00"


def test_a_line_that_begins_with_a_bracket_is_a_line() -> None:
    assert instances("[os_mon] cpu supervisor port\n" + as_text(vitals(60, 0.5))) == [INSTANCE]


def test_a_long_array_of_the_newest_first_takes_no_more_memory_than_what_is_kept_of_it(
    tmp_path: Path,
) -> None:
    at = "2026-11-23T02:00:00Z"
    others = [{"textPayload": "x" * 1_000, "timestamp": at} for _ in range(12_000)]
    file = tmp_path / "log.json"
    file.write_text(json.dumps([entry(vitals(60, 0.5)), entry(vitals(30, 0.5)), *others]))
    tracemalloc.start()
    with file.open() as log:
        gather(read(log, Counts()))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < file.stat().st_size / 2


def test_a_line_that_never_ends_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINE_CHARACTERS", 1_000)
    counts = Counts()
    long = "".join("x" * length + "\n" for length in (1_000, 1_001, 2_001, 2_002, 5_000))
    found = gather(read(io.StringIO(long + as_text(vitals(60, 0.5))), counts))
    assert [one.name for one in found] == [INSTANCE]
    assert (counts.lines, counts.skipped) == (6, 5)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["jsonPayload", "textPayload", "timestamp", "labels", "resource", "message", "time", "logger", "reasons",
     "findings", "growth", "memory_limit_share", "instance_id", "top_processes", "erlang_node"]
)  # fmt: skip
WORDS = st.sampled_from(["black box", "vital signs", "collector.x", "2026-11-23T03:00:00Z", "signal 9", "ended"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.lists(st.dictionaries(FIELDS, JSON | WORDS, max_size=6), max_size=5), st.sampled_from(["array", "lines"]))
def test_whatever_a_log_holds_it_is_read_or_told_not_to_be_one(contents: list[dict[str, object]], form: str) -> None:
    text = json.dumps(contents) if form == "array" else "\n".join(map(json.dumps, contents))
    counts = Counts()
    for one in gather(read(io.StringIO(text), counts)):
        assert AutopsyAnswer.of(one, [], counts).death.sentence


@given(st.text(max_size=300))
def test_text_of_any_kind_is_read_or_told_not_to_be_a_log(text: str) -> None:
    try:
        gather(read(io.StringIO(text), Counts()))
    except NoLog as error:
        assert "JSON array" in str(error)  # noqa: PT017  # that there is none is all right as well


def test_halves_of_characters_are_told_as_what_they_are() -> None:
    half = "\ud800"
    counts = Counts()
    text = as_google(
        entry(vitals(60, 0.5, instance_id=half, erlang_node=half)), entry(box(65, ("memory", half))),
        platform(70, f"signal 9 {half}", half), entry(vitals(75, 0.5, instance_id="b"), "b"),
    )  # fmt: skip
    for one in gather(read(io.StringIO(text), counts)):
        assert "\\ud800" not in AutopsyAnswer.of(one, [], counts).model_dump_json()


def test_a_box_of_a_later_release_is_read_as_far_as_it_is_known() -> None:
    (one,) = gather(read(io.StringIO(as_text(box(60, ("memory", "x"), new_figure=1, black_box=9))), Counts()))
    assert one.boxes[0].line.reasons[0].kind == "memory"
