from __future__ import annotations

from dataclasses import fields, replace

import pytest

from agent.probes.applications import Application, Applications, ApplicationState
from agent.probes.processes import Mailboxes, ProcessRow, Queues
from agent.probes.supervision_tree import Root, SupervisionTree
from agent.probes.supervisors import Supervisor as Expected
from agent.probes.supervisors import Supervisors
from agent.probes.system_info import SystemInfo
from agent.supervision import Status, Supervisor
from collector.diagnosis.commands import BY_NAME
from collector.diagnosis.findings import Evidence, Seen
from collector.diagnosis.growth import Growth, Pattern
from collector.diagnosis.of_settings import KnownLimit
from collector.diagnosis.ranks import Slope
from collector.diagnosis.rules import RULES, apply
from collector.diagnosis.service_facts import NotKnown
from collector.diagnosis.severity import Severity
from collector.diagnosis.what_grows import Holder, Part, WhatGrows

MIB = 1024 * 1024
STEADY = Growth(Pattern.STEADY, 360, 3_590.0)
NOBODY = NotKnown("the node does not answer")


def application(name: str, state: ApplicationState = ApplicationState.RUNNING) -> Application:
    return Application(name, "1", "", state, None, None)


def row(messages: int, name: str | None = "receipt_store") -> ProcessRow:
    return ProcessRow(
        "<0.123.0>", name, "tai:init/1", "<0.9.0>", "a_sup", "gen_server:loop/7", "waiting", 1, 1, messages
    )


def mailboxes(*rows: ProcessRow) -> Mailboxes:
    return Mailboxes(Queues(100, 0, 0, {}), rows)


def tree(*supervisors: Supervisor) -> SupervisionTree:
    return SupervisionTree(tuple(Root("tai_autonomics", None, one) for one in supervisors))


def supervisor(**changes: object) -> Supervisor:
    well = Supervisor("<0.5.0>", "governance_sup", Status.RUNNING, intensity=5, period_seconds=60, restarts=0)
    return replace(well, **changes)  # type: ignore[arg-type]  # a test's own


SYSTEM = SystemInfo(**{field.name: None for field in fields(SystemInfo)})
WELL = Evidence(
    applications=Applications((application("tai_autonomics"), application("mnesia", ApplicationState.NOT_RUNNING))),
    supervisors=Supervisors((Expected("governance_sup", "<0.5.0>"),)),
    tree=tree(supervisor(), supervisor(intensity=0)),
    mailboxes=mailboxes(row(12)),
    system=replace(SYSTEM, processes=700, process_limit=1_000),
    memory=WhatGrows(STEADY, ()),
    limit=KnownLimit(512 * MIB, "cgroup v2", 300 * MIB),
)


def found(**ill: object) -> list[tuple[str, Seen]]:
    evidence = replace(WELL, **ill)  # type: ignore[arg-type]  # a test's own
    return [(finding.rule.name, finding.seen) for finding in apply(evidence).found]


def test_a_node_that_is_well_has_no_finding_and_nothing_that_is_not_known() -> None:
    answer = apply(WELL)
    assert (answer.found, answer.not_known) == ((), ())


def test_a_rule_that_lacks_what_it_needs_says_why_and_finds_nothing() -> None:
    answer = apply(Evidence(NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY))
    assert answer.found == ()
    assert [(rule.name, why) for rule, why in answer.not_known] == [(rule.name, NOBODY.why) for rule in RULES]


def test_an_application_of_the_service_that_does_not_run_is_critical() -> None:
    down = Applications((application("tai_autonomics", ApplicationState.NOT_RUNNING),))
    ((rule, seen),) = found(applications=down)
    assert (rule, seen.severity) == ("application_down", Severity.CRITICAL)
    assert "tai_autonomics does not run" in seen.sentence


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


@pytest.mark.parametrize(("restarts", "is_found"), [(0, False), (3, False), (4, True), (5, True)])
def test_a_supervisor_with_one_restart_left_is_found(restarts: int, is_found: bool) -> None:  # noqa: FBT001  # a table's
    assert bool(found(tree=tree(supervisor(restarts=restarts)))) is is_found


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
    assert seen.steps == ("beamwarden ets --sort memory",)


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
    assert set(one.needs) <= {field.name for field in fields(Evidence)}


def test_the_names_of_the_rules_are_different() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
