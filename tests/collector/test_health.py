from __future__ import annotations

from agent.errors import DeadlineExceeded, SpawnRefused
from agent.probes.supervisors import Supervisor, Supervisors
from collector.health import why_unavailable
from tests.collector_fakes import NODE, OTHER_NODE, answered, failed, snapshot, snapshot_down

LATE = DeadlineExceeded(f"{NODE} gave no answer within 2 s")
GOVERNANCE_IS_MISSING = answered(
    Supervisors((Supervisor("governance_sup", None), Supervisor("receipt_ledger_sup", "<0.124.0>")))
)
ALL_ARE_MISSING = answered(Supervisors((Supervisor("governance_sup", None), Supervisor("receipt_ledger_sup", None))))


def test_nothing_is_wrong_with_a_healthy_node() -> None:
    assert why_unavailable([snapshot()]) is None


def test_nothing_is_wrong_with_a_node_of_which_no_supervisor_is_expected() -> None:
    assert why_unavailable([snapshot(supervisors=answered(Supervisors(())))]) is None


def test_a_missing_supervisor_is_told_in_the_words_of_the_playbook() -> None:
    assert why_unavailable([snapshot(supervisors=GOVERNANCE_IS_MISSING)]) == "supervisor governance_sup not running"


def test_all_missing_supervisors_are_told() -> None:
    reason = "supervisor governance_sup not running, supervisor receipt_ledger_sup not running"
    assert why_unavailable([snapshot(supervisors=ALL_ARE_MISSING)]) == reason


def test_a_node_that_is_not_connected_is_told_with_the_trouble() -> None:
    reason = f"node not connected: {NODE} on port 9100: nothing listens there"
    assert why_unavailable([snapshot_down()]) == reason


def test_a_node_that_answers_nothing_is_told_with_the_reason() -> None:
    outcomes = dict.fromkeys(
        snapshot().outcomes, failed(SpawnRefused("the node would not start a worker: system_limit"))
    )
    reason = "node does not answer: the node would not start a worker: system_limit"
    assert why_unavailable([snapshot(**outcomes)]) == reason


def test_supervisors_that_are_not_known_are_not_said_to_be_missing() -> None:
    assert why_unavailable([snapshot(supervisors=failed(LATE))]) == f"supervisors not known: {LATE}"


def test_other_probes_do_not_matter() -> None:
    assert why_unavailable([snapshot(memory=failed(LATE), identity=failed(LATE))]) is None


def test_of_several_nodes_the_one_in_trouble_is_named() -> None:
    sick = snapshot(OTHER_NODE, supervisors=GOVERNANCE_IS_MISSING)
    reason = f"{OTHER_NODE}: supervisor governance_sup not running"
    assert why_unavailable([snapshot(NODE), sick]) == reason
    assert why_unavailable([sick, snapshot(NODE)]) == reason


def test_nothing_is_wrong_with_several_healthy_nodes() -> None:
    assert why_unavailable([snapshot(NODE), snapshot(OTHER_NODE)]) is None
