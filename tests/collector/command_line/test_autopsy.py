"""``beamwarden autopsy``: what is typed, what is shown, and how it ends when there is nothing to tell."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import pytest

from tests.collector.autopsy.logs import FULL_BOX, as_google, as_text, box, entry, platform, vitals
from tests.command_line import Run

KILLED = as_google(
    entry(vitals(60, 0.5)),
    entry(vitals(300, 0.75)),
    entry(FULL_BOX),
    platform(545, "Memory limit of 512 MiB exceeded with 520 MiB used."),
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "log.json"
    file.write_text(KILLED)
    return file


def test_the_page_of_an_instance_that_was_killed_for_its_memory(run: Run, log: Path) -> None:
    ended = run("autopsy", str(log))
    assert ended.status == 0
    page = " ".join(ended.output.split())
    for told in (
        "instance 00f46b92, tai-autonomics-00042-abc, tai@127.0.0.1",
        "CERTAIN the kernel ended it: its memory limit was exceeded",
        "95% of the memory limit is taken, above 95%",
        "ets 280 MiB, 93% of it",
        "receipt_ledger 290 MiB, 900,000 rows",
        "HIGH memory grows gradually",
        "gcloud run services update tai-autonomics --region=europe-west1 --project=acme-prod",
    ):
        assert told in page


def test_it_is_read_from_standard_input_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(KILLED.encode())))
    ended = run("autopsy", "-", "--json")
    answer = json.loads(ended.output)
    assert (answer["death"]["cause"], answer["death"]["confidence"]) == ("memory", "certain")
    assert [finding["rule"] for finding in answer["findings"]] == ["memory_grows"]
    assert answer["timeline"][-1]["what"].startswith("the memory limit was exceeded")


def test_of_a_node_that_is_gone_no_command_of_ours_is_told(run: Run, log: Path) -> None:
    answer = json.loads(run("autopsy", str(log), "--json").output)
    assert all(finding["steps"] == [] for finding in answer["findings"])
    assert {"memory_kills", "more_memory", "smaller_buffers"} <= {command["name"] for command in answer["commands"]}


def test_another_instance_is_named_and_can_be_chosen(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "log.json"
    file.write_text(as_google(entry(vitals(60, 0.5, instance_id="old"), "old"), entry(FULL_BOX)))
    assert "The log also has: old" in run("autopsy", str(file)).output
    assert json.loads(run("autopsy", str(file), "--instance", "old", "--json").output)["instance"] == "old"
    missing = run("autopsy", str(file), "--instance", "new")
    assert missing.status == 1
    assert "there are: 00f46b92, old" in missing.errors


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "nothing of beamwarden's in 0 lines"),
        ("hello\nworld\n", "nothing of beamwarden's in 2 lines"),
        ("03:14:07 vital signs  processes=3\n", 'Set log_format to "json"'),
        ("[{1, 2", "is none"),
    ],
)
def test_a_file_that_has_nothing_says_so(run: Run, tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "log"
    file.write_text(content)
    ended = run("autopsy", str(file))
    assert ended.status == 1
    assert told in ended.errors


def test_a_file_that_is_not_there_says_so(run: Run) -> None:
    ended = run("autopsy", "/no/such/file")
    assert (ended.status, ended.errors) == (1, "beamwarden: /no/such/file: cannot be read: No such file or directory\n")


def test_a_line_made_to_harm_a_terminal_does_not(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text(as_text(vitals(60, 0.5, erlang_node="\x1b[2J"), {**FULL_BOX, "instance_id": "\x1b]0;x\x07"}))
    output = run("autopsy", str(file)).output
    assert "\x1b[2J" not in output
    assert "\x07" not in output


def test_nothing_in_a_log_moves_the_terminal(run: Run, tmp_path: Path) -> None:
    evil = "\x1b[2J\x07"
    finding: dict[str, object] = {"rule": evil, "section": evil, "sentence": evil, "severity": "high"}
    lists = {name: [evil] for name in ("evidence", "causes_that_fit", "causes_open", "causes_excluded")}
    facts: dict[str, object] = {
        "findings": [finding | lists],
        "growth": {"pattern": evil, "kinds": [{"kind": evil, "rise_bytes": 1}]},
        "top_processes": [{"pid": evil, "name": evil, "memory_bytes": 1}],
        "top_tables": [{"name": evil, "memory_bytes": 1}],
        "trend": [{"what": f"memory {evil}", "first": 1, "last": 2}],
    }
    file = tmp_path / "log.json"
    file.write_text(as_text(vitals(30, 0.5, erlang_node=evil), box(60, ("memory", evil), **facts)))
    ended = run("autopsy", str(file))
    assert ended.status == 0
    assert "\\x1b[2J" in ended.output
    assert not {"\x1b", "\x07"} & set(ended.output)


def test_the_instance_that_died_is_told_and_not_the_one_that_came_in_its_place(run: Run, tmp_path: Path) -> None:
    killed = [
        entry(vitals(60, 0.9, instance_id="dead"), "dead"),
        platform(70, "Memory limit of 1 MiB exceeded", "dead"),
    ]
    living = [entry(vitals(seconds, 0.4, instance_id="new"), "new") for seconds in (80, 140)]
    file = tmp_path / "log.json"
    file.write_text(as_google(*killed, *living))
    assert json.loads(run("autopsy", str(file), "--json").output)["instance"] == "dead"


def test_the_days_of_a_long_life_are_told_apart(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text(as_text(vitals(0, 0.3), vitals(3 * 86_400, 0.6)))
    output = run("autopsy", str(file)).output
    assert "2026-11-23 03:00:00 to 2026-11-26 03:00:00 UTC" in output
    assert [line[:14] for line in output.splitlines() if "of the limit" in line] == ["11-23 03:00:00", "11-26 03:00:00"]


def test_a_log_that_is_compressed_is_read(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "log.json.gz"
    file.write_bytes(gzip.compress(KILLED.encode()))
    assert json.loads(run("autopsy", str(file), "--json").output)["death"]["cause"] == "memory"


def test_a_compressed_log_that_was_cut_says_so(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "log.json.gz"
    file.write_bytes(gzip.compress(KILLED.encode())[:-20])
    ended = run("autopsy", str(file))
    assert (ended.status, "cannot be read: Compressed file ended" in ended.errors) == (1, True)


def test_what_a_shell_has_saved_as_utf_16_is_read(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "log.json"
    file.write_text(KILLED, encoding="utf-16")
    assert json.loads(run("autopsy", str(file), "--json").output)["death"]["cause"] == "memory"
