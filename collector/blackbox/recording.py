"""Keep the black box of a node: look at it often, remember what it said, and write a line when that is due.

Two looks, for ever. The close one asks what costs the same on every node, every five seconds, and every second where
the memory limit is near: some 1 ms of a scheduler. The wide one takes of what grows with the node what programs get
(`collector.known`), shared with everybody else and no more often than our share of a scheduler allows.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from agent.actions.guards import PLATFORM_APPLICATIONS
from agent.probes.applications import Applications, ApplicationState
from agent.probes.identity import NodeIdentity
from agent.probes.memory_limit import MemoryLimit
from agent.probes.processes import Mailboxes
from agent.probes.supervision_tree import SupervisionTree
from agent.probes.supervisors import Supervisors
from collector.blackbox.line import Known, limit_facts, make_line
from collector.blackbox.models import MESSAGE
from collector.blackbox.triggers import Due, Kind, Marks, Reason, Restarts, Sight, State, lost, step, untold
from collector.diagnosis.diagnosing import Numbers, diagnose
from collector.diagnosis.findings import Evidence
from collector.diagnosis.gathering import ASK_LIMIT, GATHER_SECONDS, VITAL, evidence_of, gather
from collector.diagnosis.of_settings import KnownLimit, limit_of
from collector.diagnosis.service_facts import NotKnown
from collector.freshness import Asker
from collector.question import QUESTION_SECONDS
from collector.settings import Settings
from collector.snapshot import Answered, Outcome, Snapshot
from collector.trend import Window
from collector.views.applications import SWEEP_APPLICATIONS
from collector.views.processes import SWEEP_MAILBOXES, SWEEP_PROCESSES
from collector.views.supervisors import sweep_supervisors
from collector.views.tables import sweep_tables
from collector.watched import WatchedNode

CLOSE_SECONDS: Final = 5.0
NEAR_SECONDS: Final = 1.0
NEAR_SHARE: Final = 0.7  # of the memory limit
WIDE_SECONDS: Final = 10.0
CONNECTION_SECONDS: Final = 0.5
WIDE_DEADLINE_SECONDS: Final = 5.0
HURRY_SECONDS: Final = 1.5  # for all of it, when memory runs out: a line that is never written tells nothing

# Above that it is an error, which those who look for errors find.
LEVELS: Final[Mapping[Kind, int]] = {
    Kind.MEMORY: logging.ERROR,
    Kind.APPLICATION: logging.ERROR,
    Kind.SUPERVISOR: logging.ERROR,
    Kind.CONTACT: logging.ERROR,
}

_LOG: Final = logging.getLogger(__name__)


class BlackBox:
    """The black box of one node. ``window`` returns the node's trend as it is then; None where none is kept."""

    def __init__(
        self,
        node: WatchedNode,
        settings: Settings,
        window: Callable[[], Window | None],
        numbers: Numbers,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._settings = settings
        self._window = window
        self._numbers = numbers
        self._clock = clock
        self._marks = Marks(numbers.node.memory_share, numbers.node.very_long_mailbox, numbers.node.restarts_left)
        self._state = State.new(clock())
        self._known: Snapshot | None = None
        self._judged: Evidence | None = None  # of the latest line, for what its trend said
        self._lost: str | None = None
        self._being_written: list[Due] = []

    async def record(self) -> None:
        """Look, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_closely(tasks))
            tasks.create_task(self._look_widely(tasks))

    def write_last_words(self) -> None:
        """Write a line now, of what is known: we are told to end. Nobody is asked anything."""
        if self._known is None or self._known.peer is None:
            return  # it was never there
        now = self._clock()
        unwritten = [reason for due in self._being_written for reason in due.reasons]
        told_to_end = Reason(Kind.SIGTERM, "the collector was told to end (SIGTERM)", now)
        due = Due((told_to_end, *unwritten, *untold(self._state)), self._state.held_back)
        self._log(due, self._evidence(self._known))

    def limit_facts(self) -> Mapping[str, object]:
        """Return how much of the memory limit was taken a moment ago, for the lines of vital signs."""
        limit = NotKnown("") if self._known is None else _limit(self._known, self._settings)
        return limit_facts(limit)

    async def _look_closely(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            self._see(await self._node.look(VITAL, (ASK_LIMIT,), QUESTION_SECONDS), tasks)
            await self._pause(NEAR_SECONDS if self._is_near() else CLOSE_SECONDS)

    async def _look_widely(self, tasks: asyncio.TaskGroup) -> None:
        sweeps = (
            SWEEP_MAILBOXES,
            SWEEP_APPLICATIONS,
            SWEEP_PROCESSES,
            sweep_supervisors(self._settings),
            sweep_tables(self._settings),
        )
        while True:
            self._see(await self._node.look((), sweeps, WIDE_DEADLINE_SECONDS), tasks)
            await self._pause(WIDE_SECONDS)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not when the connection comes or goes meanwhile: that costs nobody anything to see."""
        state, until = type(self._node.node.state), self._clock() + seconds
        # The one listener that a node's state has is its log.
        while type(self._node.node.state) is state and self._clock() < until:  # noqa: ASYNC110
            await asyncio.sleep(min(CONNECTION_SECONDS, seconds))

    def _is_near(self) -> bool:
        limit = None if self._known is None else _limit(self._known, self._settings)
        return isinstance(limit, KnownLimit) and limit.share is not None and limit.share >= NEAR_SHARE

    def _see(self, snapshot: Snapshot, tasks: asyncio.TaskGroup) -> None:
        """Take what was seen; write a line meanwhile, if one is due: memory is looked at all the same."""
        before = self._known
        is_new = before is not None and snapshot.peer is not None and snapshot.peer != before.peer
        self._state, due = step(self._state, sight_of(snapshot, self._settings), self._clock(), self._marks)
        self._lost = lost(self._state)
        if is_new and due is not None and before is not None:
            # Of what was there before another life began: it is that which is gone.
            self._log(due, self._evidence(before), before)
            due = None
        if is_new:
            self._known = self._judged = None
        self._known = merged(self._known, snapshot)
        if due is not None:
            self._being_written.append(due)
            tasks.create_task(self._write(due))

    async def _write(self, due: Due) -> None:
        is_hurried = any(reason.kind is Kind.MEMORY for reason in due.reasons)
        gathered = await gather(
            self._node,
            self._settings,
            self._window(),
            Asker.PROGRAM,
            HURRY_SECONDS if is_hurried else GATHER_SECONDS,
            self._numbers.growth,
        )
        if self._known is None or gathered.snapshot.peer in {None, self._known.peer}:
            self._known = merged(self._known, gathered.snapshot)
        self._judged = gathered.evidence
        self._being_written.remove(due)
        if self._known is not None:
            self._log(due, self._evidence(self._known))

    def _evidence(self, known: Snapshot) -> Evidence:
        evidence = evidence_of(known, self._settings)
        if self._lost is not None:
            evidence = replace(evidence, contact=NotKnown(self._lost))
        if self._judged is None:
            return evidence
        return replace(
            evidence,
            memory=self._judged.memory,
            table_growth=self._judged.table_growth,
            table_falls=self._judged.table_falls,
            still_not_answering=self._judged.still_not_answering,
            still_down=self._judged.still_down,
            run_queues=self._judged.run_queues,
            longest_queues=self._judged.longest_queues,
            interval_seconds=self._judged.interval_seconds,
        )

    def _log(self, due: Due, evidence: Evidence, snapshot: Snapshot | None = None) -> None:
        known = Known(
            snapshot or self._known or _nothing_of(self._node),
            diagnose(evidence, self._numbers),
            self._window(),
            datetime.now(UTC),
            self._lost,
            due.held_back,
        )
        level = max(LEVELS.get(reason.kind, logging.WARNING) for reason in due.reasons)
        _LOG.log(level, MESSAGE, extra=make_line(known, due.reasons, self._clock()))


def sight_of(snapshot: Snapshot, settings: Settings) -> Sight:
    """Take out of a snapshot what triggers look at."""
    identity, limit = snapshot.result(NodeIdentity), _limit(snapshot, settings)
    mailboxes, tree = snapshot.result(Mailboxes), snapshot.result(SupervisionTree)
    applications, supervisors = snapshot.result(Applications), snapshot.result(Supervisors)
    return Sight(
        creation=None if snapshot.peer is None else snapshot.peer.creation,
        lost=_why_lost(snapshot),
        is_answering=snapshot.is_up if snapshot.outcomes else None,  # a sweep's answer may be from before
        uptime_seconds=None if identity is None else identity.uptime_seconds,
        memory_share=limit.share if isinstance(limit, KnownLimit) else None,
        mailbox=None if mailboxes is None else _longest(mailboxes),
        budgets=None if tree is None else _budgets(tree),
        applications=None if applications is None else _states(applications),
        supervisors=None if supervisors is None else {one.name: one.is_running for one in supervisors.expected},
    )


def merged(before: Snapshot | None, now: Snapshot) -> Snapshot:
    """Put the answers of a look over those from before; what was not answered this time is as it was."""
    if before is None:
        return replace(now, outcomes=_answers(now.outcomes), shared=_answers(now.shared))
    return replace(
        now,
        peer=now.peer or before.peer,
        outcomes={**before.outcomes, **_answers(now.outcomes)},
        shared={**before.shared, **_answers(now.shared)},
    )


def _answers(outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    return {probe: outcome for probe, outcome in outcomes.items() if isinstance(outcome, Answered)}


def _limit(snapshot: Snapshot, settings: Settings) -> KnownLimit | NotKnown:
    return limit_of(settings, snapshot.result(MemoryLimit) or NotKnown("it was not answered"))


def _why_lost(snapshot: Snapshot) -> str | None:
    return None if snapshot.trouble is None else str(snapshot.trouble)


def _longest(mailboxes: Mailboxes) -> tuple[str, int]:
    row = next(iter(mailboxes.by_message_queue_len), None)
    whose = "a process that is gone" if row is None else row.name or row.initial_call or row.pid
    return whose, mailboxes.queues.longest


def _budgets(tree: SupervisionTree) -> dict[str, Restarts]:
    return {
        one.name or one.pid: Restarts(one.restarts, one.intensity)
        for one in tree.supervisors()
        if one.restarts is not None and one.intensity is not None
    }


def _states(applications: Applications) -> dict[str, bool]:
    known = {ApplicationState.RUNNING: True, ApplicationState.NOT_RUNNING: False}
    return {
        one.name: known[one.state]
        for one in applications.applications
        if one.state in known and one.name not in PLATFORM_APPLICATIONS
    }


def _nothing_of(node: WatchedNode) -> Snapshot:
    return Snapshot(node.node.target, datetime.now(UTC), node.instance_id)
