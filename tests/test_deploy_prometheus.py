"""The rules and the configuration of deploy/, held against Prometheus's and Alertmanager's own tools."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.live.prometheus import needs

DEPLOY = Path(__file__).parent.parent / "deploy"
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*_test.yml"))
SEVERITIES = {"critical", "high", "medium", "low"}


def alerts() -> Iterator[dict[str, Any]]:
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from (rule for rule in group["rules"] if "alert" in rule)


ALERTS = {rule["alert"]: rule for rule in alerts()}


def run(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@needs("promtool")
@pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
def test_the_rules_are_as_prometheus_reads_them(file: Path) -> None:
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", str(file))


@needs("promtool")
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_each_alert_fires_when_it_should_and_not_before(file: Path) -> None:
    run("promtool", "test", "rules", str(file))


def test_every_alert_is_tested_both_ways() -> None:
    expected = {"fires": set[str](), "is quiet": set[str]()}
    for file in TESTS:
        for test in yaml.safe_load(file.read_text())["tests"]:
            for moment in test["alert_rule_test"]:
                expected["fires" if moment["exp_alerts"] else "is quiet"].add(moment["alertname"])
    assert expected == {"fires": set(ALERTS), "is quiet": set(ALERTS)}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_severe_it_is_and_what_to_look_at_first(name: str) -> None:
    rule = ALERTS[name]
    assert set(rule["annotations"]) == {"summary", "description", "command", "playbook"}
    assert rule["annotations"]["summary"]
    assert rule["labels"].get("severity") in SEVERITIES or "escalation" in rule["labels"]


@needs("amtool")
def test_alertmanager_takes_its_configuration() -> None:
    run("amtool", "check-config", str(DEPLOY / "alertmanager" / "alertmanager.yml"))


@needs("amtool")
@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"severity": "critical"}, "pagerduty_critical,slack"),
        ({"severity": "high"}, "pagerduty_high,slack"),
        ({"severity": "medium"}, "slack"),
        ({"severity": "low"}, "slack"),
        ({"severity": "critical", "escalation": "incident_commander"}, "incident_commander"),
        ({"severity": "critical", "escalation": "vp_engineering"}, "vp_engineering"),
    ],
)
def test_who_is_told(labels: dict[str, str], receivers: str) -> None:
    configuration = str(DEPLOY / "alertmanager" / "alertmanager.yml")
    words = [f"{name}={value}" for name, value in labels.items()]
    run(
        "amtool",
        "config",
        "routes",
        "test",
        f"--config.file={configuration}",
        f"--verify.receivers={receivers}",
        *words,
    )


def test_no_secret_stands_in_the_configuration() -> None:
    text = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text()
    assert "routing_key:" not in text
    assert "api_url:" not in text
