from __future__ import annotations

import asyncio
import dataclasses
import logging
from types import SimpleNamespace

import pytest

from agent.errors import DeadlineExceeded
from agent.terms import UNDEFINED
from collector import vitals
from collector.fleet import Fleet
from collector.vitals import log_vital_signs, vital_signs
from tests.collector_fakes import (
    CREATION,
    INSTANCE_ID,
    NODE,
    OTHER_NODE,
    SYSTEM_INFO,
    FakeNode,
    FakeSession,
    answered,
    failed,
    snapshot,
    snapshot_down,
    watch,
)

LATE = failed(DeadlineExceeded("no answer within 2 s"))
OF_IDENTITY = {"uptime_seconds"}
OF_MEMORY = {"memory_total_bytes", "memory_processes_bytes", "memory_binary_bytes", "memory_ets_bytes"}
OF_SYSTEM = {"processes", "ports", "atoms", "ets_tables"}
OF_STATISTICS = {"run_queue_length", "reductions"}


def test_the_facts_are_those_of_the_snapshot() -> None:
    assert vital_signs(dataclasses.replace(snapshot(), instance_id=INSTANCE_ID)) == {
        "erlang_node": NODE,
        "instance_id": INSTANCE_ID,
        "creation": CREATION,
        "uptime_seconds": 86_400,
        "memory_total_bytes": 48_234_496,
        "memory_processes_bytes": 14_680_064,
        "memory_binary_bytes": 1_048_576,
        "memory_ets_bytes": 2_097_152,
        "processes": 412,
        "ports": 12,
        "atoms": 18_211,
        "ets_tables": 61,
        "run_queue_length": 7,
        "reductions": 81_023_441,
    }


@pytest.mark.parametrize(
    ("probe", "facts"),
    [
        ("identity", OF_IDENTITY),
        ("memory", OF_MEMORY),
        ("system_info", OF_SYSTEM),
        ("statistics", OF_STATISTICS),
        ("supervisors", set()),
    ],
)
def test_of_a_probe_that_failed_nothing_is_said(probe: str, facts: set[str]) -> None:
    left = vital_signs(snapshot(**{probe: LATE}))
    assert vital_signs(snapshot()).keys() - left.keys() == facts


def test_of_what_the_node_does_not_know_nothing_is_said() -> None:
    info = dataclasses.replace(SYSTEM_INFO, ets_tables=None)
    left = vital_signs(snapshot(system_info=answered(info)))
    assert vital_signs(snapshot()).keys() - left.keys() == {"ets_tables"}


def test_a_zero_is_said() -> None:
    info = dataclasses.replace(SYSTEM_INFO, ports=0)
    assert vital_signs(snapshot(system_info=answered(info)))["ports"] == 0


def test_of_a_node_that_is_down_its_name_is_left() -> None:
    assert vital_signs(snapshot_down()) == {"erlang_node": NODE}


class Intervals:
    """Stands in for ``asyncio`` in `collector.vitals`: each interval is over at once, until ``count`` are."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        if len(self.slept) == self.count:
            raise asyncio.CancelledError
        self.slept.append(seconds)


async def lines_of(
    fleet: Fleet, intervals: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> list[logging.LogRecord]:
    caplog.set_level(logging.INFO)
    fake = Intervals(intervals)
    monkeypatch.setattr(vitals, "asyncio", SimpleNamespace(sleep=fake.sleep))
    with pytest.raises(asyncio.CancelledError):
        await log_vital_signs(fleet, 60.0)
    # The first line comes soon: an instance may not live for an interval.
    assert fake.slept == ([5.0] + [60.0] * intervals)[:intervals]
    return caplog.records


async def test_each_node_has_a_line_for_each_interval(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fleet = Fleet([watch(FakeNode(NODE, FakeSession()), INSTANCE_ID), watch(FakeNode(OTHER_NODE))])
    well, sick = 3, 3
    lines = await lines_of(fleet, 3, monkeypatch, caplog)
    assert [vars(line)["erlang_node"] for line in lines] == [NODE, OTHER_NODE] * 3
    assert [line.levelno for line in lines].count(logging.INFO) == well
    assert [line.levelno for line in lines].count(logging.WARNING) == sick
    assert lines[0].getMessage() == "vital signs"
    assert (vars(lines[0])["processes"], vars(lines[0])["instance_id"]) == (412, INSTANCE_ID)
    assert lines[1].getMessage() == f"vital signs: node not connected: {OTHER_NODE} on port 9100: nothing listens there"


async def test_before_the_first_interval_is_over_there_is_no_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = FakeSession()
    assert await lines_of(Fleet([watch(FakeNode(NODE, session))]), 0, monkeypatch, caplog) == []
    assert session.calls == []


async def test_a_missing_supervisor_is_in_the_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = FakeSession()
    session.behaviours["erlang:whereis"] = UNDEFINED
    [line] = await lines_of(Fleet([watch(FakeNode(NODE, session))]), 1, monkeypatch, caplog)
    assert line.levelno == logging.WARNING
    assert line.getMessage().startswith("vital signs: supervisor governance_sup not running")
    assert vars(line)["processes"] == 412
