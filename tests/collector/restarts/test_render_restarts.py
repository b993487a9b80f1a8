"""What people see of a restart: the plan before it, and the block that tells of it."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from collector.command_line.consent import printable_lines
from collector.journal.chain import FIRST_PREVIOUS, Entry, Kind
from collector.restarts.account import answer_of
from collector.restarts.models import PlanAnswer
from tests.collector_fakes import MOMENT, NODE
from tests.restart_plans import ALLOWED, ASKED, DOWN, GOLDEN, LEDGER, PLANS, REFUSED, WIDTHS, drawn

HOSTILE: Final = "\x1b[2J\x9b31m\u202e\rx"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PLANS)
def test_a_plan_looks_as_it_is_meant_to(name: str, width: int) -> None:
    assert drawn(PLANS[name], width) == (GOLDEN / f"plan_{name}_{width}.txt").read_text()


@pytest.mark.parametrize("width", [30, 80, 140])
@pytest.mark.parametrize("name", PLANS)
def test_a_plan_never_runs_out_of_the_terminal(name: str, width: int) -> None:
    assert max(map(len, drawn(PLANS[name], width).splitlines())) <= width


def hostile(plan: PlanAnswer) -> PlanAnswer:
    """Put what a terminal obeys into every text of a plan."""

    def spoil(value: Any) -> Any:  # noqa: ANN401  # JSON
        match value:
            case str():
                return value + HOSTILE
            case list():
                return [spoil(each) for each in value]
            case dict():
                return {name: spoil(each) for name, each in value.items()}
        return value

    return PlanAnswer.model_validate(spoil(plan.model_dump(mode="json")))


@pytest.mark.parametrize("plan", [REFUSED, ALLOWED, DOWN], ids=["refused", "allowed", "down"])
def test_nothing_from_the_node_reaches_the_terminal_as_an_order(plan: PlanAnswer) -> None:
    request = ASKED.model_copy(update={"child": HOSTILE, "supervisor": HOSTILE})
    for spoilt in (hostile(plan), hostile(plan).model_copy(update={"refusals": plan.refusals})):
        shown = drawn(spoilt, 140, request)
        assert {character for character in shown if not character.isprintable()} == {"\n"}


def test_the_options_that_accept_the_losses_are_one_for_a_shell() -> None:
    assert REFUSED.child is not None
    child = REFUSED.child.model_copy(update={"tables_to_accept": ["receipt_ledger", "it's $HOME; *", "billing_*"]})
    shown = drawn(REFUSED.model_copy(update={"child": child}), 80)
    options = shown.partition("If all of that may be lost, add:\n")[2].replace("\\\n", " ")
    accepted = ["receipt_ledger", "it's $HOME; *", "billing_*"]
    assert shlex.split(options) == [
        *(word for name in accepted for word in ("--accept-data-loss", name)),
        "--accept-lost-children",
    ]


def test_of_very_many_tables_the_rest_is_counted() -> None:
    assert REFUSED.child is not None
    tables = [LEDGER.model_copy(update={"name": f"table_{number}"}) for number in range(200)]
    child = REFUSED.child.model_copy(update={"tables_lost": tables, "tables_lost_count": 5_000})
    shown = drawn(REFUSED.model_copy(update={"child": child}), 140)
    assert "table_9 " in shown
    assert "table_10 " not in shown
    assert "and 4990 more" in shown


# --------------------------------------------------------------------------------------------- what is told afterwards

INTENT: Final[dict[str, Any]] = {
    "action": "restart",
    "who": "anna",
    "reason": "mailboxes of billing grow",
    "supervisor": "tai_autonomics_sup",
    "child": "governance_sup",
    "plan_id": "ca48b826d1eb4375",
}
VERDICT: Final[dict[str, Any]] = {
    "is_up": True,
    "start": "started",
    "reason": None,
    "tries": 1,
    "shutdown_seconds": 0.25,
    "start_seconds": 1.5,
    "pid_before": "<0.100.0>",
    "pid_now": "<0.157.0>",
    "processes_before": 41,
    "processes_now": 11,
    "names_before": 10,
    "names_missing": [],
    "children_before": 30,
    "children_now": 0,
    "rows_before": 812,
    "rows_now": 0,
    "health_before": "503 supervisor governance_sup not running",
    "health_after": "200 ok",
}


def entry(kind: Kind, body: dict[str, Any], at: datetime = MOMENT) -> Entry:
    return Entry(1, at.astimezone(UTC), kind, "5f3a9c2b81d0", NODE, body, FIRST_PREVIOUS, FIRST_PREVIOUS)


def told(*more: Entry, **intent: Any) -> str:  # noqa: ANN401  # JSON
    return answer_of([entry(Kind.INTENT, INTENT | intent), *more]).text


def outcome(state: str, **body: Any) -> Entry:  # noqa: ANN401  # JSON
    return entry(Kind.OUTCOME, {"outcome": state, **body})


TAIL: Final = "action 5f3a9c2b81d0, plan ca48b826d1eb4375"
ASKED_FOR: Final = 'asked for by anna at 2026-11-23 03:14:07 UTC, because "mailboxes of billing grow"'
WHAT: Final = f"governance_sup below tai_autonomics_sup, on {NODE}"


def test_one_that_was_done_is_told_with_what_was_planned_and_what_happened() -> None:
    assert told(outcome("done", verdict=VERDICT, is_watched=True)).splitlines() == [
        f"RESTARTED: {WHAT}",
        ASKED_FOR,
        "up as <0.157.0>, was <0.100.0>; shutdown 0.2 s, start 1.5 s, 1 try",
        "processes 41 before, 11 now",
        "names all back",
        "children that no restart brings back: 30 before, 0 now",
        "rows in its tables: 812 before, 0 now",
        "/health before: 503 supervisor governance_sup not running",
        "/health after: 200 ok",
        "whether it holds is being watched",
        TAIL,
    ]


def test_one_that_failed_says_that_the_child_is_down_first_and_what_to_do() -> None:
    verdict = VERDICT | {
        "is_up": False, "start": "failed", "reason": "{bad,config}", "tries": 4, "pid_now": None,
        "processes_now": 0, "names_missing": ["billing_sup"], "children_now": None, "rows_now": None,
    }  # fmt: skip
    assert told(outcome("failed", verdict=verdict)).splitlines() == [
        f"DOWN, its restart failed: {WHAT}",
        ASKED_FOR,
        "it is down (failed): {bad,config}; shutdown 0.2 s, start 1.5 s, 4 tries",
        "processes 41 before, 0 now",
        "names missing: billing_sup",
        "children that no restart brings back: 30 before, not known now",
        "rows in its tables: 812 before, not known now",
        "/health before: 503 supervisor governance_sup not running",
        "/health after: 200 ok",
        "try again: beamwarden restart governance_sup --under tai_autonomics_sup",
        "or roll back: gcloud run services update-traffic SERVICE --region=REGION --project=PROJECT_ID "
        "--to-revisions=PREVIOUS_REVISION=100",
        TAIL,
    ]


@pytest.mark.parametrize(
    ("more", "intent", "headline"),
    [
        ((), {}, f"RESTART UNDER WAY: {WHAT}"),
        ((), {"action": "start"}, f"START UNDER WAY: {WHAT}"),
        ((outcome("done"),), {"action": "start"}, f"STARTED: {WHAT}"),
        ((outcome("failed"),), {"action": "start"}, f"DOWN, its start failed: {WHAT}"),
        ((outcome("not done", found="x"),), {}, f"NOT RESTARTED, nothing was changed: {WHAT}"),
        ((outcome("unknown", found="x"),), {}, f"RESTART OF UNKNOWN OUTCOME: {WHAT}"),
    ],
)
def test_the_first_line_says_all(more: tuple[Entry, ...], intent: dict[str, str], headline: str) -> None:
    assert told(*more, **intent).splitlines()[0] == headline


@pytest.mark.parametrize(
    ("held", "line"),
    [
        (True, "it held: as it was"),
        (False, "it did NOT hold: as it was. Roll back: gcloud run services update-traffic"),
        (None, "whether it held is not known: as it was"),
    ],
)
def test_how_a_watch_ended_is_told_and_not_knowing_is_no_failure(*, held: bool | None, line: str) -> None:
    watched = entry(Kind.WATCHED, {"held": held, "found": "as it was"})
    answer = answer_of([entry(Kind.INTENT, INTENT), outcome("done", is_watched=True), watched])
    assert (answer.held, answer.is_watched) == (held, False)
    assert line in answer.text


def test_nobody_adds_a_line_of_their_own() -> None:
    forged = "x\nRESTARTED: all is well\r\n\x0b\u2028y"
    text = told(outcome("unknown", found=forged), reason=forged, child=forged, who=forged)
    assert len(text.split("\n")) == len(text.splitlines()) == 4
    assert not any(line.startswith("RESTARTED") for line in text.splitlines())


def test_what_a_terminal_obeys_is_shown_and_not_obeyed() -> None:
    text = printable_lines(told(outcome("unknown", found=HOSTILE), child=HOSTILE))
    assert {character for character in text if not character.isprintable()} == {"\n"}
