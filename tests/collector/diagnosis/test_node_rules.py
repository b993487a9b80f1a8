"""The rules about the node as a whole, its processes, ports and governors, at their thresholds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.probes.ports import PortRow, Ports
from agent.supervision import ChildState
from collector.diagnosis.findings import NOT_ASKED, NotLetIn
from collector.diagnosis.rules import apply
from collector.diagnosis.service_facts import Health, NotKnown
from collector.diagnosis.severity import Severity
from tests.collector.diagnosis.well import MIB, SYSTEM, WELL, child, found, governor, governors, supervisor, tree

SILENT = NotKnown("tai@127.0.0.1 on port 9100: nothing listens there")


@pytest.mark.parametrize(
    ("health", "severity"),
    [
        (Health(503, "no"), Severity.CRITICAL),
        (Health(None, "no answer"), Severity.CRITICAL),
        (Health(200, "ok"), Severity.HIGH),
        (NotKnown("there is no service to ask"), Severity.HIGH),
    ],
)
def test_a_node_that_does_not_answer_is_found(health: Health | NotKnown, severity: Severity) -> None:
    ((rule, seen),) = found(contact=SILENT, health=health)
    assert (rule, seen.severity, seen.sentence) == ("node_lost", severity, f"the node does not answer: {SILENT.why}")


def test_a_service_that_is_well_speaks_for_the_network() -> None:
    ((_, seen),) = found(contact=SILENT)
    assert seen.fits == ("Network connectivity",)


def test_a_node_that_does_not_let_us_in_is_not_called_lost() -> None:
    ((_, seen),) = found(contact=NotLetIn("tai@127.0.0.1 does not accept our cookie"))
    assert (seen.severity, "does not let us in" in seen.sentence) == (Severity.LOW, True)


def test_nobody_is_told_to_roll_back_since_our_cookie_is_wrong() -> None:
    evidence = replace(WELL, contact=NotLetIn("tai@127.0.0.1 does not accept our cookie"))
    (one,) = apply(evidence).found
    assert (one.rule.commands, one.seen.fits) == ((), ())
    assert not any("blocked" in line for line in one.seen.evidence)


def test_a_node_that_nobody_asked_is_not_lost() -> None:
    assert found(contact=NOT_ASKED) == []


@pytest.mark.parametrize(("tables", "is_found"), [(6_553, False), (6_554, True), (9_000, True)])
def test_many_tables_are_low_since_their_limit_stops_nobody(tables: int, is_found: bool) -> None:  # noqa: FBT001  # a table's
    seen = found(system=replace(SYSTEM, ets_tables=tables, ets_limit=8_192))
    assert [each.severity for _, each in seen] == ([Severity.LOW] if is_found else [])


@pytest.mark.parametrize(
    ("lengths", "is_found"), [((21, 21), True), ((20, 21), False), ((900, 3), False), ((900,), False), ((), False)]
)
def test_a_run_queue_that_is_long_at_every_look_is_found(lengths: tuple[int, ...], is_found: bool) -> None:  # noqa: FBT001  # a table's
    seen = found(run_queues=lengths)  # of two schedulers
    assert [rule for rule, _ in seen] == (["run_queue_long"] if is_found else [])


@pytest.mark.parametrize(("queue_bytes", "is_found"), [(16 * MIB, False), (16 * MIB + 1, True)])
def test_a_port_that_nobody_reads_from_is_found_with_its_owner(queue_bytes: int, is_found: bool) -> None:  # noqa: FBT001  # a table's
    row = PortRow("#Port<0.5>", "tcp_inet", "<0.61.0>", "receipt_publisher", queue_bytes, 0, 0)
    seen = found(ports=Ports(12, 65_536, queue_bytes, (row,), ()))
    assert [each.steps for _, each in seen] == (
        [("beamwarden ports", "beamwarden process receipt_publisher")] if is_found else []
    )


def test_a_port_that_does_not_answer_is_found() -> None:
    ((rule, seen),) = found(ports=Ports(12, 65_536, 0, (), ("#Port<0.7>",), ("ports that gave no answer: 1",)))
    assert (rule, seen.evidence) == ("port_not_answering", ("ports that gave no answer: 1",))


@pytest.mark.parametrize(
    ("messages", "rules"), [(1_000, []), (1_001, ["governor_behind"]), (10_000, ["governor_behind"]), (10_001, [])]
)
def test_a_governor_s_mailbox_counts_from_fewer_messages_on(messages: int, rules: list[str]) -> None:
    assert [rule for rule, _ in found(governors=governors(governor(messages)))] == rules


DEAD = governor(printed_id="{billing_governor,9}", pid=None, state=ChildState.UNDEFINED)


@pytest.mark.parametrize(("others", "severity"), [((), Severity.HIGH), ((governor(),), Severity.MEDIUM)])
def test_governors_without_a_process_are_found(others: tuple[object, ...], severity: Severity) -> None:
    ((rule, seen),) = found(governors=governors(DEAD, *others))  # type: ignore[arg-type]  # governors, or none
    assert (rule, seen.severity) == ("governors_dead", severity)


def test_a_governor_that_is_dead_is_told_once_and_started_where_it_has_its_place() -> None:
    parent = supervisor(name="billing_sup", children=(child(DEAD.id, None),))
    ((rule, seen),) = found(
        governors=governors(DEAD, governor()), tree=tree(parent), still_down=frozenset({("<0.5.0>", DEAD.id)})
    )
    assert rule == "governors_dead"
    assert seen.steps[-1] == "beamwarden restart '{billing_governor,9}' --under billing_sup --dry-run"


@pytest.mark.parametrize(
    ("state", "restart"), [(ChildState.RESTARTING, "permanent"), (ChildState.UNDEFINED, "transient")]
)
def test_a_governor_that_is_being_restarted_or_has_done_its_work_is_not_dead(state: ChildState, restart: str) -> None:
    parent = supervisor(name="billing_sup", children=(child(DEAD.id, None, restart=restart, state=state),))
    assert found(governors=governors(replace(DEAD, state=state), governor()), tree=tree(parent)) == []
