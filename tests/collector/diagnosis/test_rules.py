from __future__ import annotations

from dataclasses import fields, replace

import pytest

from agent.probes.applications import Applications, ApplicationState
from agent.probes.supervisors import Supervisor as Expected
from agent.probes.supervisors import Supervisors
from agent.supervision import ChildState, Status
from collector.diagnosis.commands import BY_NAME
from collector.diagnosis.findings import Evidence
from collector.diagnosis.growth import Growth, Pattern
from collector.diagnosis.of_settings import KnownLimit
from collector.diagnosis.ranks import Slope
from collector.diagnosis.rules import RULES, apply
from collector.diagnosis.service_facts import ServiceFacts
from collector.diagnosis.severity import Severity
from collector.diagnosis.what_grows import Holder, Part, WhatGrows
from collector.settings import Settings
from tests.collector.diagnosis.well import (
    MIB,
    NOBODY,
    STEADY,
    SYSTEM,
    WELL,
    application,
    child,
    found,
    mailboxes,
    row,
    supervisor,
    tree,
)


def test_a_node_that_is_well_has_no_finding_and_nothing_that_is_not_known() -> None:
    answer = apply(WELL)
    assert (answer.found, answer.not_known) == ((), ())


def test_a_rule_that_lacks_what_it_needs_says_why_and_finds_nothing() -> None:
    nobody = {field.name: NOBODY for field in fields(Evidence) if "NotKnown" in str(field.type)}
    silent = ServiceFacts("nowhere", NOBODY, NOBODY, NOBODY, NOBODY)
    answer = apply(Evidence(**{**nobody, "contact": "tai@127.0.0.1"}, service=silent))  # type: ignore[arg-type]
    assert answer.found == ()
    with_needs = [rule for rule in RULES if rule.needs]
    assert [(rule.name, why) for rule, why in answer.not_known] == [(rule.name, NOBODY.why) for rule in with_needs]


def test_an_application_of_the_service_that_does_not_run_is_critical() -> None:
    down = Applications((application("tai_autonomics", ApplicationState.NOT_RUNNING),))
    ((rule, seen),) = found(applications=down)
    assert (rule, seen.severity) == ("application_down", Severity.CRITICAL)
    assert "tai_autonomics does not run" in seen.sentence


def test_an_application_that_others_run_without_is_medium() -> None:
    syslog = replace(application("syslog", ApplicationState.NOT_RUNNING), needed_by=("rabbit",))
    ((_, seen),) = found(applications=Applications((application("rabbit"), syslog)))
    assert seen.severity is Severity.MEDIUM
    assert seen.sentence == "the application syslog does not run, although the node does; rabbit runs without it"


def test_a_supervisor_that_is_missing_is_named_in_the_playbook_s_words() -> None:
    ((rule, seen),) = found(supervisors=Supervisors((Expected("governance_sup", None),)))
    assert (rule, seen.sentence) == ("supervisor_missing", "supervisor governance_sup not running")


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.NOT_ANSWERING])
def test_a_supervisor_that_is_stuck_is_found_with_where_it_is(status: Status) -> None:
    stuck = supervisor(status=status, current_function="proc_lib:sync_start_link/2", message_queue_len=3)
    ((rule, seen),) = found(tree=tree(stuck), still_not_answering=frozenset({stuck.pid}))
    assert (rule, seen.severity) == ("supervisor_stuck", Severity.HIGH)
    assert seen.evidence == ("it is in proc_lib:sync_start_link/2", "3 messages wait for it")


def test_a_supervisor_that_was_busy_at_one_look_is_not_called_stuck() -> None:
    assert found(tree=tree(supervisor(status=Status.NOT_ANSWERING))) == []


@pytest.mark.parametrize(
    ("messages", "severity"), [(10_000, None), (10_001, Severity.MEDIUM), (100_001, Severity.HIGH)]
)
def test_a_long_mailbox_is_found_with_its_process(messages: int, severity: Severity | None) -> None:
    seen = found(mailboxes=mailboxes(row(messages)))
    assert [each.severity for _, each in seen] == ([] if severity is None else [severity])


def test_a_process_without_a_name_is_named_by_its_pid_and_quoted_for_a_shell() -> None:
    ((_, seen),) = found(mailboxes=mailboxes(row(50_000, None)))
    assert seen.sentence == "50000 messages wait for <0.123.0>"
    assert seen.steps[0] == "beamwarden process '<0.123.0>'"


@pytest.mark.parametrize(
    ("share", "severity"),
    [(0.79, None), (0.80, Severity.MEDIUM), (0.90, Severity.HIGH), (0.95, Severity.CRITICAL), (1.2, Severity.CRITICAL)],
)
def test_the_memory_limit_is_found_to_be_near(share: float, severity: Severity | None) -> None:
    seen = found(limit=KnownLimit(1_000 * MIB, "cgroup v2", round(share * 1_000) * MIB))
    assert [each.severity for _, each in seen] == ([] if severity is None else [severity])


@pytest.mark.parametrize(("count", "severity"), [(799, None), (800, Severity.MEDIUM), (950, Severity.HIGH)])
def test_a_limit_of_the_node_is_found_to_be_near(count: int, severity: Severity | None) -> None:
    seen = found(system=replace(SYSTEM, atoms=count, atom_limit=1_000))
    assert [each.severity for _, each in seen] == ([] if severity is None else [severity])


def growing(pattern: Pattern = Pattern.GRADUAL, mib_a_minute: float = 2.0) -> WhatGrows:
    slope = Slope(*(each * MIB / 60 for each in (mib_a_minute, mib_a_minute / 2, mib_a_minute * 2)))
    total = Growth(pattern, 360, 3_590.0, 120.0 * MIB, 3_590.0, slope, 0.001)
    return WhatGrows(total, (Part("ets", 114 * MIB, 0.95, total), Part("processes", 6 * MIB, 0.04, STEADY)))


def test_memory_that_grows_is_told_with_what_grows_and_until_when() -> None:
    ((rule, seen),) = found(memory=growing(), largest_table=Holder("receipt_ledger", 100 * MIB, 0.8))
    assert (rule, seen.severity, seen.since_seconds) == ("memory_grows", Severity.MEDIUM, 3_590.0)
    assert seen.sentence == "memory grows gradually, by 120 MiB within 60 min: mostly ets (95%)"
    assert "receipt_ledger has 80% of ets, 100 MiB" in seen.evidence
    assert seen.evidence[-1] == "the limit is reached in 106 min at this rate, at the latest in 212 min"
    assert seen.steps == ("beamwarden ets --sort memory", "beamwarden table receipt_ledger")


def test_the_playbook_s_causes_that_the_evidence_speaks_for_and_rules_out_are_told() -> None:
    ((_, seen),) = found(memory=growing())
    assert seen.fits == ("Receipt buffer not flushing", "ETS table growing without limit")
    assert seen.excluded == ("Process accumulating messages", "Binary garbage not collected")


def test_memory_that_will_be_full_within_half_an_hour_is_high() -> None:
    ((_, seen),) = found(memory=growing(mib_a_minute=20.0))
    assert seen.severity is Severity.HIGH


def test_memory_that_grows_without_a_known_limit_is_told_all_the_same() -> None:
    seen = dict(found(memory=growing(Pattern.SUDDEN), limit=NOBODY))["memory_grows"]
    assert seen.sentence.startswith("memory has risen suddenly")
    assert seen.evidence[-1] == "when a limit is reached is not known"


def test_the_worst_is_the_first() -> None:
    seen = found(
        mailboxes=mailboxes(row(50_000)),
        supervisors=Supervisors((Expected("governance_sup", None),)),
        tree=tree(supervisor(status=Status.SUSPENDED)),
    )
    assert [each.severity for _, each in seen] == [Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_names_commands_and_evidence_that_exist(rule: object) -> None:
    one = next(each for each in RULES if each is rule)
    assert set(one.commands) <= set(BY_NAME)
    of_service = {f"service.{field.name}" for field in fields(ServiceFacts)}
    assert one.looks_for.endswith(".")
    assert set(one.numbers) <= set(Settings.model_fields)
    assert set(one.needs) <= {field.name for field in fields(Evidence)} | of_service


def test_the_names_of_the_rules_are_different() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


GOVERNANCE_DOWN = supervisor(
    pid="<0.4.0>", name="tai_autonomics_sup", children=(child("governance_sup", None, type="supervisor"),)
)


def test_a_supervisor_that_is_missing_is_started_where_the_tree_has_its_place() -> None:
    ((rule, seen),) = found(
        supervisors=Supervisors((Expected("governance_sup", None),)),
        tree=tree(GOVERNANCE_DOWN),
        still_down=frozenset({("<0.4.0>", "governance_sup")}),
    )
    assert rule == "supervisor_missing"
    assert seen.steps[-1] == "beamwarden restart governance_sup --under tai_autonomics_sup --dry-run"


def test_no_start_is_told_where_nobody_knows_the_place() -> None:
    ((_, seen),) = found(supervisors=Supervisors((Expected("governance_sup", None),)), tree=tree())
    assert seen.steps == ("beamwarden supervisors",)


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({}, Severity.MEDIUM),
        ({"type": "supervisor"}, Severity.HIGH),
        ({"state": ChildState.RESTARTING, "restart": "transient"}, Severity.HIGH),
        ({"state": ChildState.TERMINATED}, Severity.HIGH),
        ({"restart": "transient"}, None),  # it may have done its work
        ({"restart": "temporary"}, None),
    ],
)
def test_a_child_that_is_down_at_both_looks_is_found(changes: dict[str, object], severity: Severity | None) -> None:
    down = supervisor(children=(child("receipt_store", None, **changes),))
    seen = found(tree=tree(down), still_down=frozenset({("<0.5.0>", "receipt_store")}))
    assert [each.severity for _, each in seen] == ([] if severity is None else [severity])


def test_a_child_that_is_down_at_one_look_only_is_not_found() -> None:
    assert found(tree=tree(supervisor(children=(child("receipt_store", None),)))) == []


def test_a_long_mailbox_s_process_is_restarted_where_it_is_a_child() -> None:
    parent = supervisor(children=(child("receipt_store", "<0.123.0>"),))
    ((_, seen),) = found(mailboxes=mailboxes(row(50_000)), tree=tree(parent))
    assert seen.steps[-1] == "beamwarden restart receipt_store --under governance_sup --dry-run"


@pytest.mark.parametrize(
    ("parents", "own"),
    [
        ({}, {"restart": "temporary"}),
        ({"strategy": "simple_one_for_one"}, {}),
        ({"kind": None}, {}),
        ({"status": Status.SUSPENDED}, {}),
        ({"restarts": 5}, {}),
    ],
)
def test_what_a_guard_would_refuse_is_no_next_step(parents: dict[str, object], own: dict[str, object]) -> None:
    parent = supervisor(children=(child("receipt_store", "<0.123.0>", **own),), **parents)
    steps = dict(found(mailboxes=mailboxes(row(50_000)), tree=tree(parent)))["mailbox_long"].steps
    assert steps == ("beamwarden process receipt_store",)


def test_one_of_several_children_with_the_same_printed_id_is_restarted_by_its_pid() -> None:
    parent = supervisor(children=(child("store", "<0.123.0>"), child("store", "<0.124.0>")))
    ((_, seen),) = found(mailboxes=mailboxes(row(50_000)), tree=tree(parent))
    assert seen.steps[-1] == "beamwarden restart '<0.123.0>' --under governance_sup --dry-run"


def test_a_process_of_otp_s_own_is_not_restarted() -> None:
    parent = supervisor(children=(child("logger", "<0.123.0>"),))
    of_kernel = replace(tree(parent), roots=(replace(tree(parent).roots[0], application="kernel"),))
    ((_, seen),) = found(mailboxes=mailboxes(row(50_000)), tree=of_kernel)
    assert seen.steps == ("beamwarden process receipt_store",)


@pytest.mark.parametrize(
    ("memory", "falls", "severity"),
    [
        (WhatGrows(STEADY, ()), 0, Severity.LOW),
        (growing(), 0, Severity.MEDIUM),
        (growing(), 1, None),
    ],
)
def test_a_watched_table_that_only_grows_is_found(memory: WhatGrows, falls: int, severity: Severity | None) -> None:
    rows = Growth(Pattern.GRADUAL, 360, 3_590.0, 60_000.0, 3_590.0)
    seen = dict(found(memory=memory, table_growth={"receipt_ledger": rows}, table_falls={"receipt_ledger": falls}))
    assert (seen["table_grows"].severity if "table_grows" in seen else None) == severity


@pytest.mark.parametrize(
    ("lengths", "since_seconds"),
    [
        ((), None),
        ((12, 12), None),
        ((12, 20_000), 0.0),
        ((12, 20_000, None, 30_000, None), 30.0),
        ((20_000, 12, 20_000), 0.0),
        ((20_000, 12), None),  # it was flooded after the last point
    ],
)
def test_for_how_long_messages_have_waited_is_what_the_trend_says(
    lengths: tuple[int | None, ...], since_seconds: float | None
) -> None:
    ill = found(mailboxes=mailboxes(row(20_000)), longest_queues=lengths, interval_seconds=10.0)
    assert [seen.since_seconds for _, seen in ill] == [since_seconds]


@pytest.mark.parametrize(
    ("restarts", "severity"), [(0, None), (2, None), (3, Severity.MEDIUM), (4, Severity.HIGH), (5, Severity.HIGH)]
)
def test_a_crash_loop_is_found_before_the_restarts_are_nearly_used_up(restarts: int, severity: Severity | None) -> None:
    looping = supervisor(intensity=5, restarts=restarts)
    assert [seen.severity for _, seen in found(tree=tree(looping))] == ([] if severity is None else [severity])
