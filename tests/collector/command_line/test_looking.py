"""The commands of the playbook: what each asks a collector or a node, and what it shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer.main

from agent.probes.process import NoProcess
from collector import cli
from collector.app import create_app
from collector.command_line import showing
from collector.fleet import Fleet
from collector.freshness import Asker
from collector.settings import Settings
from collector.views import AnswerT, QueryT, View
from tests.collector_fakes import NODE, answered, serving_on_a_port
from tests.collector_results import GOLDEN, AnsweringNode
from tests.command_line import Run

# Each command as a person types it, the golden file of its answer, and something that is seen of it.
COMMANDS = {
    "applications": ("applications", "not running: ssl"),
    "binaries": ("binaries", "binaries outside of heaps take 12.0 MiB"),
    "binaries --processes": ("binaries_processes", "receipt_store"),
    "busy": ("busy", "412 processes did 2,408,001 reductions"),
    "ets": ("ets", "61 tables, 16.0 MiB together"),
    "governor 0.120.0": ("governor", "past_due"),
    "governors": ("governors", "3 governors, 1 not alive"),
    "mailboxes": ("mailboxes", "12,003 messages wait"),
    "ports": ("ports", "12 ports of 65,536"),
    "process 0.111.0": ("process", "tai_receipt_store:init/1"),
    "processes": ("processes", "412 processes, 14.0 MiB together"),
    "supervisor billing_sup": ("supervisor", "4 of 5 left in 60 s"),
    "supervisors": ("supervisors", "quota_sla_sup <0.104.0> not answering"),
    "table receipt_ledger": ("table", "ordered_set, public"),
}


@pytest.fixture(scope="module")
def node() -> AnsweringNode:
    return AnsweringNode(supervisor=answered(NoProcess("governor_sup", ("governance_sup",))))


@pytest.fixture(scope="module")
def collector(node: AnsweringNode) -> Iterator[str]:
    with serving_on_a_port(create_app(Fleet([node]), Settings())) as url:
        yield url


@pytest.fixture(scope="module")
def healthy() -> Iterator[str]:
    with serving_on_a_port(create_app(Fleet([AnsweringNode()]), Settings())) as url:
        yield url


def without_age(printed: str) -> dict[str, object]:
    answer: dict[str, object] = json.loads(printed)
    del answer["age_seconds"]
    return answer


def test_every_golden_answer_has_a_command() -> None:
    assert {golden for golden, _ in COMMANDS.values()} == {file.stem for file in GOLDEN.iterdir()}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_shows_its_answer(run: Run, healthy: str, command: str) -> None:
    ran = run(*command.split(), "--url", healthy)
    assert (ran.status, ran.errors) == (0, "")
    assert ran.output.startswith(f"{NODE}, 03:14:07 UTC")
    assert COMMANDS[command][1] in ran.output


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_prints_its_answer_as_json(run: Run, healthy: str, command: str) -> None:
    ran = run(*command.split(), "--url", healthy, "--json")
    assert (ran.status, ran.errors) == (0, "")
    golden = (GOLDEN / f"{COMMANDS[command][0]}.json").read_text(encoding="utf-8")
    assert without_age(ran.output) == without_age(golden)


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_behind_a_pipe_gets_whole_lines_without_colors(run: Run, healthy: str, command: str) -> None:
    printed = run(*command.split(), "--url", healthy).output
    assert not {"\x1b", "…"} & set(printed)


def test_a_person_gets_what_is_fresh(run: Run, collector: str, node: AnsweringNode) -> None:
    node.asked.clear()
    run("ets", "--url", collector)
    assert [asker for _, asker in node.asked] == [Asker.PERSON]


@pytest.mark.parametrize(
    ("command", "rows", "ids"),
    [
        ("ets --sort size --limit 1", "tables", ["#Ref<0.1841.3.77>"]),
        ("ets --sort memory --limit 1", "tables", ["receipt_ledger"]),
        ("ports --limit 1", "ports", ["#Port<0.15>"]),
        ("governors --limit 1", "governors", ['{quota_governor,<<"acme">>}']),
    ],
)
def test_rows_are_sorted_and_limited(run: Run, healthy: str, command: str, rows: str, ids: list[str]) -> None:
    answer = json.loads(run(*command.split(), "--url", healthy, "--json").output)
    assert [row["id"] for row in answer[rows]] == ids


def test_an_unknown_name_ends_with_1_and_the_nearest(run: Run, collector: str) -> None:
    ran = run("supervisor", "governor_sup", "--url", collector)
    assert (ran.status, ran.output) == (1, "")
    assert ran.errors == (
        "beamwarden: no process is registered as governor_sup; the nearest that exist: governance_sup\n"
    )


@pytest.mark.parametrize("command", ["table", "supervisor", "governor", "process"])
@pytest.mark.parametrize("name", ["", "n" * 5000])
def test_what_can_be_no_name_ends_with_2(run: Run, command: str, name: str) -> None:
    ran = run(command, name)
    assert (ran.status, ran.output) == (2, "")
    assert ran.errors.startswith(
        f"beamwarden: {'name' if command in {'table', 'supervisor'} else 'pid'}: String should"
    )


@pytest.mark.parametrize(
    "arguments", ["ets --limit 0", "ets --sort rows", "governors --limit 1001", "ports --limit 101"]
)
def test_a_wrong_option_ends_with_2(run: Run, arguments: str) -> None:
    assert run(*arguments.split()).status == 2


# ------------------------------------------------------------------------------------------------ asking a node itself


class FakeDirect:
    """Stands in for a node that is asked itself: keeps the question that a view would ask it."""

    def __init__(self, settings: Settings, keep: Callable[[object], None]) -> None:
        self._settings = settings
        self._keep = keep

    def view(self, view: View[QueryT, AnswerT], query: QueryT) -> AnswerT:
        question = view.question(query, self._settings)
        self._keep(question.arguments)
        return view.answer(AnsweringNode().found(question), query)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (["ets", "--watch-tables", "a,b"], ("a", "b")),
        (["supervisors", "--extra-supervisors", "lonely_sup"], ("lonely_sup",)),
        (["governors", "--governor-supervisors", "a_sup, b_sup"], ("a_sup", "b_sup")),
        (["governor", "x", "--governor-supervisors", "a_sup"], ("x", ("a_sup",))),
    ],
)
def test_the_settings_that_matter_are_options_when_a_node_is_asked_itself(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: list[str], arguments: tuple[object, ...]
) -> None:
    asked: list[object] = []
    Path("cookie").write_text("a-cookie", encoding="ascii")
    Path("cookie").chmod(0o400)
    monkeypatch.setattr(
        showing, "Direct", lambda _target, _cookie, _options, settings: FakeDirect(settings, asked.append)
    )
    ran = run(*command, "--node", "a@127.0.0.1", "--cookie-file", "cookie")
    assert (ran.status, ran.errors) == (0, "")
    assert asked == [arguments]


# ---------------------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("command", sorted({command.split()[0] for command in COMMANDS} | {"memory", "node"}))
def test_the_help_of_a_command_has_its_own_options_first(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    shown = run(command, "--help").output
    headings = [line.strip("╭─╮ ") for line in shown.splitlines() if line.startswith("╭")]
    assert headings[-3:] == [
        "Options",
        "Whom to ask (without these the collector on this machine)",
        "How a node is asked itself, with --node",
    ]
    assert shown.index("--json") < shown.index("--url") < shown.index("--tls-ca-file")


def test_the_list_of_commands_has_a_line_for_each(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = run("--help").output.partition("Commands")[2].splitlines()[1:]
    names = [line.split()[1] for line in listed if line.startswith("│")]
    assert sorted(names) == sorted(typer.main.get_command(cli.app).commands)  # type: ignore[attr-defined]  # a group
