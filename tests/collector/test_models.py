from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from agent.errors import DeadlineExceeded, NodeUnreachable
from agent.node import Down, Up
from collector.models import MemoryAnswer, NoAnswer, NodeAnswer, SystemAnswer
from collector.snapshot import Snapshot
from tests.collector_fakes import (
    CREATION,
    INSTANCE_ID,
    NODE,
    PATIENCE_SECONDS,
    FakeSession,
    failed,
    snapshot,
    snapshot_down,
)

LATE = DeadlineExceeded("no answer within 2 s")


def taken(ago: timedelta) -> Snapshot:
    return dataclasses.replace(snapshot(), collected_at=datetime.now(UTC) - ago)


def test_an_answer_says_how_old_it_is() -> None:
    age_seconds = MemoryAnswer.of(taken(timedelta(seconds=90))).age_seconds
    assert 90.0 <= age_seconds < 90.0 + PATIENCE_SECONDS


def test_an_answer_is_never_younger_than_new() -> None:
    assert MemoryAnswer.of(taken(timedelta(hours=-1))).age_seconds == 0.0


def test_an_answer_names_the_life_of_the_node_and_the_instance() -> None:
    found = MemoryAnswer.of(dataclasses.replace(snapshot(), instance_id=INSTANCE_ID)).node
    assert (found.name, found.creation, found.instance_id) == (NODE, CREATION, INSTANCE_ID)


def test_a_failed_probe_gives_no_answer_but_its_reason() -> None:
    with pytest.raises(NoAnswer, match="no answer within 2 s") as caught:
        MemoryAnswer.of(snapshot(memory=failed(LATE)))
    assert caught.value.cause is LATE
    assert caught.value.snapshot.name == NODE


@pytest.mark.parametrize("probe", ["system_info", "statistics"])
def test_an_answer_of_two_probes_needs_both(probe: str) -> None:
    with pytest.raises(NoAnswer) as caught:
        SystemAnswer.of(snapshot(**{probe: failed(LATE)}))
    assert caught.value.cause is LATE


def test_a_node_that_is_down_gives_no_answer_but_the_trouble() -> None:
    down = snapshot_down()
    with pytest.raises(NoAnswer) as caught:
        MemoryAnswer.of(down)
    assert caught.value.cause is down.trouble


def test_a_probe_that_was_not_asked_is_told_as_such() -> None:
    with pytest.raises(NoAnswer, match="it was not asked"):
        MemoryAnswer.of(dataclasses.replace(snapshot(), outcomes={}))


def test_what_is_not_known_of_a_node_is_null() -> None:
    outcomes = {"identity": failed(LATE), "supervisors": failed(LATE)}
    answer = NodeAnswer.of(snapshot(**outcomes), Up(FakeSession()))
    assert answer.connection.state == "up"
    assert (answer.otp_release, answer.erts_version, answer.uptime_seconds, answer.supervisors) == (None,) * 4


def test_the_state_of_the_connection_is_that_of_now() -> None:
    answer = NodeAnswer.of(snapshot(), Down(NodeUnreachable("gone since then"), 1))
    assert (answer.connection.state, answer.connection.reason) == ("down", "gone since then")
    assert answer.otp_release == "26"
