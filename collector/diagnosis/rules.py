"""All rules, as data, in the order in which findings of one severity are told: what names one thing comes first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Final

from collector.diagnosis import memory_rules, node_rules, process_rules, service_rules, supervision_rules
from collector.diagnosis.findings import Evidence, Finding, Findings, NodeThresholds, Rule
from collector.diagnosis.service_facts import NotKnown

RULES: Final = (
    node_rules.OF_CONTACT,
    node_rules.OF_ENTRY,
    supervision_rules.OF_APPLICATIONS,
    supervision_rules.OF_EXPECTED,
    supervision_rules.OF_STUCK,
    supervision_rules.OF_CHILDREN,
    supervision_rules.OF_RESTARTS,
    supervision_rules.OF_GOVERNORS,
    memory_rules.OF_LIMIT,
    process_rules.OF_MAILBOXES,
    process_rules.OF_GOVERNORS,
    memory_rules.OF_TABLES,
    memory_rules.OF_GROWTH,
    node_rules.OF_LIMITS,
    node_rules.OF_RUN_QUEUE,
    node_rules.OF_PORT_QUEUES,
    node_rules.OF_SILENT_PORTS,
    service_rules.OF_QUEUE,
    service_rules.OF_MISSING_RECEIPTS,
    service_rules.OF_SERVICE,
    service_rules.OF_TIMEOUTS,
    service_rules.OF_OTHERS,
    service_rules.OF_BUSINESS,
    service_rules.OF_VALIDATION,
    service_rules.OF_SLOWNESS,
)


def apply(
    evidence: Evidence, thresholds: NodeThresholds | None = None, rules: Sequence[Rule] | None = None
) -> Findings:
    """Let every rule look. One that lacks what it needs says why, and is never taken for one that found nothing."""
    found, not_known = list[Finding](), list[tuple[Rule, str]]()
    for rule in RULES if rules is None else rules:
        why = next(_missing(evidence, rule), None)
        if why is not None:
            not_known.append((rule, why))
        else:
            found += (Finding(rule, seen) for seen in rule.look(evidence, thresholds or NodeThresholds()))
    return Findings(tuple(sorted(found, key=lambda each: each.seen.severity)), tuple(not_known))


def _missing(evidence: Evidence, rule: Rule) -> Iterator[str]:
    for name in rule.needs:
        given = attrgetter(name)(evidence)
        if isinstance(given, NotKnown):
            yield given.why
