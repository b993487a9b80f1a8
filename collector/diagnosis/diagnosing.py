"""The whole diagnosis: the node and its service are asked at once, then the playbook is held against the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from agent.errors import ConnectionLost
from collector.cloud import Cloud
from collector.diagnosis import service
from collector.diagnosis.decision_tree import Walk, walk
from collector.diagnosis.findings import Evidence, Findings, NodeThresholds
from collector.diagnosis.gathering import GATHER_SECONDS, Gathered, gather
from collector.diagnosis.growth import Criteria
from collector.diagnosis.of_settings import place_of, service_of
from collector.diagnosis.rules import apply
from collector.diagnosis.service import ServiceReport
from collector.diagnosis.service_facts import NotKnown, ServiceFacts
from collector.diagnosis.severity import Decision, Measured, OfFinding, Thresholds, decide
from collector.diagnosis.shell_commands import Place
from collector.freshness import Asker
from collector.settings import Settings
from collector.snapshot import Snapshot
from collector.trend import Window
from collector.watched import WatchedNode

DIAGNOSIS_SECONDS: Final = GATHER_SECONDS + 0.5  # to judge what was gathered


@dataclass(frozen=True, slots=True)
class Numbers:
    """From which figures on something is called ill: the playbook's, and those that it has none for."""

    playbook: Thresholds = field(default_factory=Thresholds)
    node: NodeThresholds = field(default_factory=NodeThresholds)
    growth: Criteria = field(default_factory=Criteria)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the playbook says of all that is known. ``place`` is where the service runs, for commands."""

    walk: Walk
    decision: Decision
    findings: Findings
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class NodeDiagnosis:
    """The diagnosis of one node, the answers of the node that it was made of, and where its service runs."""

    diagnosis: Diagnosis
    snapshot: Snapshot
    place: Place


def diagnose(evidence: Evidence, numbers: Numbers) -> Diagnosis:
    """Hold the playbook against the evidence. Pure."""
    findings = apply(evidence, replace(numbers.node, playbook=numbers.playbook))
    measured = Measured(evidence.health, evidence.service.traffic, evidence.service.latency)
    found = [OfFinding(each.seen.severity, each.seen.sentence) for each in findings.found]
    return Diagnosis(
        walk(evidence.health, evidence.service, numbers.playbook),
        decide(measured, found, numbers.playbook),
        findings,
        evidence,
    )


def numbers_of(settings: Settings) -> Numbers:
    """Take the numbers out of the settings."""
    return Numbers(
        Thresholds(
            critical_error_rate=settings.diagnosis_error_share_critical,
            high_error_rate=settings.diagnosis_error_share_high,
            high_p99_seconds=settings.diagnosis_latency_seconds_high,
            medium_p99_seconds=settings.diagnosis_latency_seconds_medium,
        ),
        NodeThresholds(
            memory_share=(
                settings.diagnosis_memory_share_medium,
                settings.diagnosis_memory_share_high,
                settings.diagnosis_memory_share_critical,
            ),
            limit_share=(settings.diagnosis_limit_share_medium, settings.diagnosis_limit_share_high),
            long_mailbox=settings.diagnosis_mailbox_messages_medium,
            very_long_mailbox=settings.diagnosis_mailbox_messages_high,
            restarts_left=settings.diagnosis_restarts_left,
            soon_seconds=settings.diagnosis_soon_minutes * 60.0,
            run_queue_per_scheduler=settings.diagnosis_run_queue_length,
            port_queue_bytes=settings.diagnosis_port_queue_bytes,
            action_queue_depth=settings.diagnosis_action_queue_depth,
            governor_messages=settings.diagnosis_governor_messages,
        ),
        Criteria(least_rise_share=settings.diagnosis_rise_share),
    )


class Diagnoser:
    """Diagnoses one node, as often as it is asked to. Those who ask at the same time share one diagnosis.

    ``window`` returns the node's trend as it is then; None where none is kept.
    """

    def __init__(
        self,
        node: WatchedNode,
        settings: Settings,
        cloud: Cloud,
        window: Callable[[], Window | None],
        numbers: Numbers,
    ) -> None:
        self._node = node
        self._settings = settings
        self._cloud = cloud
        self._window = window
        self._numbers = numbers
        self._under_way: dict[Asker, asyncio.Task[NodeDiagnosis]] = {}

    async def diagnose(self, asker: Asker) -> NodeDiagnosis:
        """Ask the node and its service, and judge; it takes `GATHER_SECONDS` and a little at the most.

        Raises `ConnectionLost` when it is closed meanwhile, and nothing else: what is not known is part of a diagnosis.
        """
        task = self._under_way.get(asker)
        if task is None:
            task = asyncio.create_task(self._diagnose(asker), name=f"diagnose {self._node.name}")
            self._under_way[asker] = task
            task.add_done_callback(lambda _done: self._under_way.pop(asker, None))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise  # it is we who were told to end, and others may wait for it
            raise ConnectionLost("beamwarden is shutting down") from None

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _diagnose(self, asker: Asker) -> NodeDiagnosis:
        gathered, report, place = await asyncio.gather(
            gather(self._node, self._settings, self._window(), asker, criteria=self._numbers.growth),
            self._ask_service(),
            self._cloud.place(),
        )
        return self._judge(gathered, report, place_of(self._settings, place))

    def _judge(self, gathered: Gathered, report: ServiceReport | NotKnown, place: Place) -> NodeDiagnosis:
        evidence = gathered.evidence
        if isinstance(report, NotKnown):
            facts = ServiceFacts("nowhere", report, report, report, report)
            evidence = replace(evidence, health=report, service=facts)
        else:
            evidence = replace(evidence, health=report.health, service=report.facts)
        return NodeDiagnosis(diagnose(evidence, self._numbers), gathered.snapshot, place)

    async def _ask_service(self) -> ServiceReport | NotKnown:
        asked = service_of(self._settings, self._node.node.target.node.host)
        if isinstance(asked, NotKnown):
            return asked
        return await service.ask(asked, self._cloud.token, GATHER_SECONDS)
