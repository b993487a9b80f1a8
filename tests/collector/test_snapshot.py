from __future__ import annotations

from agent.errors import DeadlineExceeded
from agent.probes.identity import NodeIdentity
from agent.probes.memory import Memory
from tests.collector_fakes import IDENTITY, MEMORY, NODE, answered, failed, snapshot, snapshot_down

LATE = DeadlineExceeded("no answer within 2 s")


def test_the_name_has_no_port() -> None:
    assert snapshot_down(f"{NODE}:9100").name == NODE


def test_one_answer_is_enough_to_be_up() -> None:
    outcomes = dict.fromkeys(("identity", "statistics", "system_info", "supervisors"), failed(LATE))
    assert snapshot(**outcomes).is_up


def test_a_node_that_answers_nothing_is_not_up() -> None:
    outcomes = dict.fromkeys(snapshot().outcomes, failed(LATE))
    assert not snapshot(**outcomes).is_up
    assert not snapshot_down().is_up


def test_a_result_is_found_by_its_kind() -> None:
    assert snapshot().result(Memory) == MEMORY
    assert snapshot().result(NodeIdentity) == IDENTITY


def test_a_failed_probe_has_no_result_but_a_reason() -> None:
    late = snapshot(memory=failed(LATE))
    assert late.result(Memory) is None
    assert late.why_no("memory") is LATE


def test_an_answered_probe_has_no_reason() -> None:
    assert snapshot(memory=answered(MEMORY)).why_no("memory") is None


def test_of_a_node_that_is_down_its_trouble_is_the_reason_for_all() -> None:
    down = snapshot_down()
    assert down.why_no("memory") is down.trouble is not None
