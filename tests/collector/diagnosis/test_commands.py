from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from collector.diagnosis.commands import BY_NAME, COMMANDS
from collector.diagnosis.service_facts import CATEGORIES
from collector.diagnosis.shell_commands import PLACEHOLDERS, AsIs, Command, Place, fill, placeholders
from scripts.playbooks import PAGE, page

NOWHERE = Place()
HERE = Place("tai-autonomics", "europe-west1", "acme-prod", "tai-autonomics-00042-abc")
THERE = replace(HERE, ended_at=datetime(2026, 11, 23, 3, 9, tzinfo=UTC))
EACH = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)

# What the playbook has and gcloud has not, as its reference has it.
NOT_THERE = (
    "monitoring timeseries",
    "run metrics",
    "firestore documents list",
    "firestore restore",
    "firestore admin",
    "logging read --filter",
    "latestReadyRevision)",
    "exit_code=",
    "operation_latency",
    "memory_utilization'",
)


@EACH
@pytest.mark.parametrize("place", [NOWHERE, HERE, THERE], ids=["nowhere", "here", "there"])
def test_a_shell_understands_every_line(command: Command, place: Place) -> None:
    for line in fill(command, place):
        found = subprocess.run(["sh", "-n", "-c", line], capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr


@EACH
def test_what_is_known_is_filled_in_and_what_is_not_is_named(command: Command) -> None:
    lines = fill(command, HERE)
    assert set(placeholders(lines)) & {"SERVICE", "REGION", "PROJECT_ID", "REVISION"} == set()
    assert not [line for line in lines if "{service}" in line or "{project}" in line or "{region}" in line]
    assert placeholders(fill(command, NOWHERE))


@EACH
def test_every_gcloud_command_names_the_project_and_cloud_run_s_the_region_too(command: Command) -> None:
    for line in fill(command, HERE):
        if "gcloud run" in line:
            assert "--region=europe-west1" in line
        if line.startswith("gcloud") or "$(gcloud run" in line:
            assert "--project=acme-prod" in line or "get-iam-policy acme-prod" in line


@EACH
def test_nothing_is_said_that_gcloud_does_not_have(command: Command) -> None:
    assert [wrong for wrong in NOT_THERE for line in fill(command, HERE) if wrong in line] == []


@EACH
def test_only_what_is_said_to_change_something_does(command: Command) -> None:
    changing = {"update", "update-traffic", "deploy", "restore", "delete"}
    words = {word for line in fill(command, HERE) for word in shlex.split(line)}
    assert command.changes is bool(words & changing)


def test_a_log_query_is_one_argument_and_of_this_service_alone() -> None:
    (line,) = fill(BY_NAME["validation_errors"], HERE)
    assert shlex.split(line)[3].startswith(
        'resource.type="cloud_run_revision" AND resource.labels.service_name="tai-autonomics" '
        "AND (httpRequest.status=400"
    )


def test_a_query_of_monitoring_is_one_argument_that_curl_encodes() -> None:
    (line,) = fill(BY_NAME["memory_trend"], HERE)
    *_, flag, query = shlex.split(line)
    assert flag == "--data-urlencode"
    assert query.startswith("query=histogram_quantile(0.99, ")
    assert '{monitored_resource="cloud_run_revision",service_name="tai-autonomics"}[5m]' in query


@EACH
def test_of_an_end_logs_and_monitoring_are_asked_for_the_time_of_it(command: Command) -> None:
    for line in fill(command, THERE):
        words = shlex.split(line)
        if "logging" in words:
            assert 'timestamp>="2026-11-23T02:09:00Z" AND timestamp<="2026-11-23T03:19:00Z"' in words[3]
            assert "--freshness=1h" not in words
        if "monitoring.googleapis.com" in line:
            assert "time=2026-11-23T03:09:00Z" in words


def test_an_end_that_no_calendar_has_is_asked_for_as_if_it_were_now() -> None:
    assert fill(BY_NAME["errors"], replace(HERE, ended_at=datetime.min.replace(tzinfo=UTC))) == fill(
        BY_NAME["errors"], HERE
    )


def test_a_value_that_would_be_something_else_to_a_shell_is_quoted() -> None:
    (line,) = fill(BY_NAME["more_instances"], Place(service="x; rm -rf ~", project="$(date)"))
    assert shlex.split(line)[4] == "x; rm -rf ~"
    assert "--project=$(date)" in shlex.split(line)
    assert "'x; rm -rf ~'" in line


def test_nothing_is_filled_into_what_the_shell_expands() -> None:
    words = [word for command in COMMANDS for line in command.lines for word in line]
    assert [word.text for word in words if isinstance(word, AsIs) and "{" in word.text] == []


def test_the_placeholders_are_found_in_their_order_and_once() -> None:
    assert placeholders(("a --x=REGION SERVICE", "b SERVICE $SERVICE_URL PREVIOUS_REVISION=100")) == (
        "REGION",
        "SERVICE",
        "PREVIOUS_REVISION",
    )
    assert placeholders(('severity>=ERROR AND x="RESOURCE_EXHAUSTED"', "ACTION_POOL_SIZE=50")) == ()


def test_every_placeholder_is_used() -> None:
    used = {name for command in COMMANDS for name in placeholders(fill(command, NOWHERE))}
    assert used == set(PLACEHOLDERS) - {"REVISION"}


def test_the_names_are_different() -> None:
    assert len(BY_NAME) == len(COMMANDS)


def test_each_of_the_four_categories_has_its_query() -> None:
    for category in CATEGORIES:
        assert sum(f"httpRequest.status={category.status}" in str(command.lines) for command in COMMANDS) == 1


def test_the_page_is_what_the_program_says() -> None:
    assert PAGE.read_text() == page(), "write it anew: .venv/bin/python -m scripts.playbooks"
