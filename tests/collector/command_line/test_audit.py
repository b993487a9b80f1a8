"""``beamwarden audit``, of the file on this machine and of a collector; and what people see of it."""

from __future__ import annotations

import asyncio
import json
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Response

from collector.app import create_app
from collector.fleet import Fleet
from collector.journal.audit import AuditAnswer, AuditEntry, ChainAnswer
from collector.journal.chain import Entry, Json, Kind
from collector.journal.file import JournalFile
from collector.journal.journal import Journal
from collector.render.audit import audit_table, chain_text
from collector.settings import Settings
from tests.collector.test_render import printed
from tests.collector_fakes import serving_on_a_port
from tests.command_line import Ran, Run

BODY: dict[str, Json] = {
    "action": "restart",
    "who": "anna",
    "supervisor": "tai_autonomics_sup",
    "child": "governance_sup",
    "reason": "governors hang",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is without any setting."""
    return tmp_path / "home/.local/state/beamwarden/journal.db"


@pytest.fixture
def entries(path: Path) -> list[Entry]:
    with JournalFile(path) as journal:
        return [
            journal.append(Kind.INTENT, action_id="r-1", node="a@b", body=BODY),
            journal.append(Kind.OUTCOME, action_id="r-1", node="a@b", body=BODY | {"outcome": "restarted"}),
            journal.append(Kind.REFUSED, action_id="r-2", node="c@d", body=BODY | {"guard": "cooldown"}),
        ]


@pytest.fixture
def url(path: Path, entries: list[Entry]) -> Iterator[str]:
    """A real collector with that journal."""
    assert entries
    journal = Journal(path)
    with serving_on_a_port(create_app(Fleet([]), Settings(), journal=journal)) as url:
        yield url
    asyncio.run(journal.close())


def edit(path: Path, statement: str) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    for each in ("DROP TRIGGER entries_stay", "DROP TRIGGER entries_hold", statement):
        database.execute(each)
    database.close()


# ---------------------------------------------------------------------------------------------------------- the list


def test_what_was_done_is_shown_the_newest_first(run: Run, entries: list[Entry]) -> None:
    ran = run("audit")
    assert (ran.status, ran.errors) == (0, "")
    head, _, *rows, _, last = ran.output.splitlines()
    assert head.split() == ["UTC", "who", "what", "on", "under", "node", "outcome", "reason"]
    what = "anna restart governance_sup tai_autonomics_sup"
    assert [" ".join(row.split()[2:]) for row in rows] == [
        f"{what} c@d refused: cooldown governors hang",
        f"{what} a@b restarted governors hang",
        f"{what} a@b intent governors hang",
    ]
    assert rows[0].startswith(entries[2].at.strftime("%Y-%m-%d %H:%M:%S "))
    assert last.split() == ["head", entries[2].hash]


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize(
    ("arguments", "numbers"), [((), [3, 2, 1]), (("--limit", "1"), [3]), (("--node-name", "a@b"), [2, 1])]
)
def test_as_json_it_is_what_the_api_says(run: Run, url: str, arguments: tuple[str, ...], numbers: list[int]) -> None:
    ran = run("audit", "--json", *arguments)
    assert (ran.status, ran.errors) == (0, "")
    assert [entry.seq for entry in AuditAnswer.model_validate_json(ran.output).entries] == numbers
    assert run("audit", "--json", "--url", url, *arguments) == ran


def test_another_file_is_named(run: Run, path: Path, entries: list[Entry]) -> None:
    path.rename("elsewhere.db")
    ran = run("audit", "--journal", "elsewhere.db", "--json")
    assert json.loads(ran.output)["head"] == entries[-1].hash


@pytest.mark.usefixtures("entries")
def test_the_file_is_found_where_the_state_of_programs_is_kept(
    run: Run, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    path.parent.rename(tmp_path / "state/beamwarden")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert run("audit").status == 0


def test_a_collector_of_the_settings_is_asked_unless_a_file_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, path: Path, entries: list[Entry]
) -> None:
    assert entries
    monkeypatch.setenv("BEAMWARDEN_URL", "http://127.0.0.1:1")
    assert "no collector answers at http://127.0.0.1:1" in run("audit").errors
    assert run("audit", "--journal", str(path)).status == 0


def test_without_a_journal_it_says_so_and_makes_none(run: Run, path: Path) -> None:
    told = (
        f"beamwarden: the journal {path} is not there; nothing was done from here so far, or --journal names another\n"
    )
    assert run("audit") == Ran(1, "", told)
    assert run("audit", "verify") == Ran(1, "", told)
    assert not path.parent.exists()


def test_a_collector_that_has_none_is_told(run: Run) -> None:
    with serving_on_a_port(create_app(Fleet([]), Settings())) as url:
        ran = run("audit", "--url", url)
    assert (ran.status, ran.output) == (1, "")
    assert ran.errors.startswith("beamwarden: the journal cannot be kept; there is no place for it")


def test_a_file_and_a_collector_are_too_many(run: Run) -> None:
    ran = run("audit", "--journal", "a", "--url", "http://127.0.0.1:1")
    assert (ran.status, ran.output) == (2, "")
    assert ran.errors.startswith("beamwarden: --journal, --url: give one of them")


@pytest.mark.parametrize("arguments", [("--journal", ""), ("--url", "nowhere"), ("--limit", "0"), ("--node", "a@b")])
def test_a_wrong_setting_ends_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("audit", *arguments).status == 2
    assert run("audit", "verify", *arguments).status == 2


def test_options_that_would_be_lost_are_not_taken(run: Run) -> None:
    ran = run("audit", "--journal", "a", "verify")
    assert ran == Ran(2, "", "beamwarden: options belong behind the last word: beamwarden audit verify …\n")


# --------------------------------------------------------------------------------------------------------- the chain


def test_a_chain_that_holds_ends_with_0(run: Run, url: str, entries: list[Entry]) -> None:
    holds = Ran(0, f"the chain holds: 3 entries\nhead {entries[2].hash}\n", "")
    assert run("audit", "verify") == holds
    assert run("audit", "verify", "--url", url) == holds
    assert run("audit", "verify", "--head", entries[1].hash) == holds
    assert run("audit", "verify", "--head", f" {entries[1].hash.upper()}\n") == holds
    assert run("audit", "verify", "--url", url, "--head", entries[0].hash) == holds


def test_an_entry_that_was_altered_is_named_and_ends_with_1(
    run: Run, url: str, path: Path, entries: list[Entry]
) -> None:
    edit(path, "UPDATE entries SET node = 'x@y' WHERE seq = 2")
    altered = Ran(
        1,
        "the chain does not hold: entry 2 was altered: its hash is not that of what it says\n"
        f"before it 1 entry holds\nhead {entries[0].hash}\n",
        "",
    )
    assert run("audit", "verify") == altered
    assert run("audit", "verify", "--url", url) == altered


def test_a_journal_that_was_cut_shows_against_a_hash_of_the_log(run: Run, path: Path, entries: list[Entry]) -> None:
    edit(path, "DELETE FROM entries WHERE seq = 3")
    assert run("audit", "verify").status == 0
    ran = run("audit", "verify", "--head", entries[2].hash)
    assert ran.status == 1
    assert ran.output.startswith("the chain does not hold: no entry has the hash that was given: the newest entries")


def test_as_json_the_fault_has_its_number_and_kind(run: Run, path: Path, entries: list[Entry]) -> None:
    edit(path, "DELETE FROM entries WHERE seq = 2")
    ran = run("audit", "verify", "--json")
    assert (ran.status, ran.errors) == (1, "")
    assert json.loads(ran.output) == {
        "holds": False,
        "entries": 1,
        "head": entries[0].hash,
        "fault": {"seq": 2, "kind": "missing", "detail": "entry 2 is missing"},
    }


@pytest.mark.parametrize("head", ["", "latest", "0" * 63, "g" * 64])
def test_what_is_no_hash_ends_with_2(run: Run, head: str) -> None:
    ran = run("audit", "verify", "--head", head)
    assert (ran.status, ran.output) == (2, "")
    assert ran.errors.startswith("beamwarden: --head: ")
    assert ran.errors.endswith("it should be 64 hexadecimal digits, a journal_head of the log\n")


LIES = {
    "seq": 1,
    "at": "",
    "kind": "",
    "action_id": "",
    "node": "",
    "previous": "",
    "hash": "",
    "body": {"a": math.nan},
}


def test_a_collector_whose_entries_are_none_is_told(run: Run) -> None:
    app = FastAPI()

    @app.get("/api/v1/audit")
    def _lie() -> Response:
        return Response(json.dumps({"head": None, "entries": [LIES]}))

    with serving_on_a_port(app) as url:
        ran = run("audit", "verify", "--url", url)
    assert (ran.status, ran.output) == (1, "")
    assert ran.errors.startswith(f"beamwarden: what answers at {url} is no journal: ")


def test_a_long_journal_of_a_collector_is_followed_to_its_end(
    run: Run, url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.command_line.audit.MAX_ENTRIES", 2)
    with JournalFile(path) as journal:
        more = [journal.append(Kind.INTENT, action_id=f"r-{number}", node="a@b", body=BODY) for number in range(4)]
    assert run("audit", "verify", "--url", url).output == f"the chain holds: 7 entries\nhead {more[-1].hash}\n"


# ------------------------------------------------------------------------------------------------------- the drawings


def entry(**about: object) -> AuditEntry:
    filled: dict[str, Any] = {
        "seq": 1,
        "at": "2026-11-23T03:14:07.125000Z",
        "kind": "intent",
        "action_id": "r-1",
        "node": "tai_autonomics@127.0.0.1",
        "body": BODY,
        "previous": "0" * 64,
        "hash": "1" * 64,
    }
    return AuditEntry(**filled | about)


def drawn(*entries: AuditEntry, width: int = 10_000) -> list[str]:
    return printed(audit_table(AuditAnswer(head="1" * 64, entries=list(entries))), width).splitlines()


@pytest.mark.parametrize("width", [70, 80, 120])
def test_who_did_what_to_whom_is_seen_in_any_terminal(width: int) -> None:
    lines = drawn(entry(kind="refused", body=BODY | {"guard": "cooldown"}), width=width)
    assert max(map(len, lines)) <= width
    assert lines[2].startswith("2026-11-23 03:14:07  anna  restart  governance")


@pytest.mark.parametrize(
    ("kind", "facts", "shown"),
    [
        ("intent", {}, "intent"),
        ("outcome", {"outcome": "restarted"}, "restarted"),
        ("outcome", {}, "outcome"),
        ("watched", {"verdict": "held"}, "watched: held"),
        ("refused", {"guard": "cooldown"}, "refused: cooldown"),
        ("reconciled", {"outcome": "child is down"}, "reconciled: child is down"),
    ],
)
def test_the_outcome_is_what_the_entry_says_of_it(kind: str, facts: dict[str, Any], shown: str) -> None:
    assert f"  {shown}  " in drawn(entry(kind=kind, body=BODY | facts))[2]


@pytest.mark.parametrize("subject", ["child", "process", "table"])
def test_a_child_a_process_and_a_table_are_shown_alike(subject: str) -> None:
    assert "  <0.123.0>  " in drawn(entry(body={"action": "gc", subject: "<0.123.0>"}))[2]


def test_what_an_entry_does_not_say_is_a_dash() -> None:
    assert drawn(entry(body={}, node=""))[2].split() == ["2026-11-23", "03:14:07", *"-----", "intent", "-"]


def test_no_text_of_an_entry_reaches_the_terminal_as_it_is() -> None:
    hostile = "\x1b[2J\r\n\u202e"
    facts = dict.fromkeys(("action", "who", "supervisor", "child", "reason", "outcome"), hostile)
    lines = drawn(entry(body=facts, node=hostile, at=f"{hostile}26-11-23T03:14:07Z", kind=hostile))
    assert all(line.isprintable() for line in lines)


def test_an_empty_journal_and_an_empty_search_are_told_apart() -> None:
    assert printed(audit_table(AuditAnswer(head=None, entries=[]))) == "nothing was done or refused so far"
    assert printed(audit_table(AuditAnswer(head="1" * 64, entries=[]))) == "no such entry"


def test_an_empty_chain_holds() -> None:
    answer = ChainAnswer(holds=True, entries=0, head=None, fault=None)
    assert printed(chain_text(answer)) == "the chain holds: 0 entries"
