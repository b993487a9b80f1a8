"""Gathers the evidence about a node, within a deadline: what rules and the black box look at.

What a node is asked for is what `collector.known` allows: a person gets it no older than some seconds, the black box
takes what others have paid for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from agent.errors import (
    CertificateRefused,
    HandshakeRefused,
    IncompatiblePeer,
    OurCertificateRefused,
    PeerNotTrusted,
    TlsMismatch,
    WrongCookie,
)
from agent.probes import Result, memory_limit
from agent.probes.applications import Applications
from agent.probes.ets import Tables
from agent.probes.governor_ages import AgedGovernors
from agent.probes.identity import NodeIdentity
from agent.probes.memory import Memory
from agent.probes.memory_limit import MemoryLimit
from agent.probes.ports import Ports
from agent.probes.processes import Mailboxes, Processes
from agent.probes.statistics import Statistics
from agent.probes.supervision_tree import SupervisionTree
from agent.probes.supervisors import Supervisors
from agent.probes.system_info import SystemInfo
from agent.supervision import Status
from collector.diagnosis.findings import Evidence, NotLetIn
from collector.diagnosis.growth import CRITERIA, Criteria, Growth
from collector.diagnosis.kinship import down
from collector.diagnosis.of_settings import limit_of
from collector.diagnosis.service_facts import NotKnown
from collector.diagnosis.what_grows import Holder, WhatGrows, holder, table_falls, table_growth, what_grows
from collector.freshness import Asker
from collector.question import Question
from collector.settings import Settings
from collector.snapshot import Answered, Snapshot, TooSoon
from collector.trend import LONGEST_QUEUE, RUN_QUEUE, Window, present_life
from collector.views.applications import SWEEP_APPLICATIONS
from collector.views.governors import sweep_governors
from collector.views.ports import SWEEP_PORTS
from collector.views.processes import SWEEP_MAILBOXES, SWEEP_PROCESSES
from collector.views.supervisors import SUPERVISOR, SupervisorQuery, sweep_supervisors
from collector.views.tables import sweep_tables
from collector.watched import WatchedNode

GATHER_SECONDS: Final = 3.5  # with what a command line needs to begin and to print, within five
SECOND_LOOK_SECONDS: Final = 1.0  # of the deadline, for supervisors that did not answer
BETWEEN_LOOKS_SECONDS: Final = 1.5  # a supervisor that starts a child is busy for a moment, and that is no illness
LOOKED_AT_AGAIN: Final = 5
RUN_QUEUES_BEFORE: Final = 3  # points of the trend

# The node is there, and it is we who are wrong.
REFUSED: Final = (
    *(WrongCookie, PeerNotTrusted, HandshakeRefused, IncompatiblePeer),
    *(TlsMismatch, CertificateRefused, OurCertificateRefused),
)
VITAL: Final = ("identity", "memory", "statistics", "system_info", "supervisors")
ASK_LIMIT: Final = Question("memory_limit", memory_limit.ask)

_Kind = TypeVar("_Kind", bound=Result)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The evidence about a node, without its service's, and the answers that it was made of."""

    snapshot: Snapshot
    evidence: Evidence


async def gather(
    node: WatchedNode,
    settings: Settings,
    window: Window | None,
    asker: Asker = Asker.PROGRAM,
    deadline_seconds: float = GATHER_SECONDS,
    criteria: Criteria = CRITERIA,
) -> Gathered:
    """Ask the node, and judge its trend meanwhile. Never raises; without a ``window`` nothing is known of growth."""
    asked = _ask(node, settings, asker, deadline_seconds)
    # In a thread: a series of an hour takes some 10 ms, and the connections to nodes would wait for it.
    (snapshot, again), growth = await asyncio.gather(asked, asyncio.to_thread(_judge, window, settings, criteria))
    return Gathered(snapshot, _evidence(snapshot, settings, growth, again))


def evidence_of(snapshot: Snapshot, settings: Settings) -> Evidence:
    """Say what these answers are evidence of, from whenever they are, without a trend and without asking anybody."""
    return _evidence(snapshot, settings, _Judged(NotKnown("the trend was not looked at")), _Again())


@dataclass(frozen=True, slots=True)
class _Again:
    """What was seen at a second look at those that looked ill: what is so for a moment only is no illness."""

    silent: frozenset[str] = frozenset()
    down: frozenset[tuple[str, str]] = frozenset()
    run_queues: tuple[int, ...] = ()


async def _ask(node: WatchedNode, settings: Settings, asker: Asker, deadline_seconds: float) -> tuple[Snapshot, _Again]:
    sweeps = (
        ASK_LIMIT,
        SWEEP_APPLICATIONS,
        SWEEP_MAILBOXES,
        SWEEP_PROCESSES,
        SWEEP_PORTS,
        sweep_supervisors(settings),
        sweep_tables(settings),
        sweep_governors(settings),
    )
    clock = asyncio.get_running_loop().time
    until = clock() + deadline_seconds
    snapshot = await node.look(VITAL, sweeps, deadline_seconds - SECOND_LOOK_SECONDS, asker)
    snapshot = await _take_what_is_known(node, snapshot, sweeps)
    suspects = list(dict.fromkeys(_suspects(snapshot)))[:LOOKED_AT_AGAIN]
    if not suspects and not _is_busy(snapshot):
        return snapshot, _Again()
    await asyncio.sleep(max(0.0, min(BETWEEN_LOOKS_SECONDS, until - SECOND_LOOK_SECONDS - clock())))
    return snapshot, await _look_again(node, settings, suspects, max(0.1, until - clock()))


def _suspects(snapshot: Snapshot) -> Iterator[str]:
    """Yield the pids of supervisors to look at once more: those that are silent, then those with a child down."""
    tree = snapshot.result(SupervisionTree)
    if tree is not None:
        yield from (one.pid for one in tree.supervisors() if one.status is Status.NOT_ANSWERING)
        yield from (seat.parent.pid for seat in down(tree))


def _is_busy(snapshot: Snapshot) -> bool:
    """Say whether some processes waited for a scheduler that had one already."""
    statistics, system = snapshot.result(Statistics), snapshot.result(SystemInfo)
    schedulers = None if system is None else system.schedulers_online
    return statistics is not None and statistics.run_queue_length > (schedulers or 1)


async def _take_what_is_known(node: WatchedNode, snapshot: Snapshot, sweeps: Iterable[Question]) -> Snapshot:
    """Where a person may not ask anew yet, take the answers that programs get: they say how old they are."""
    soon = [one for one in sweeps if isinstance(snapshot.why_no(one.probe), TooSoon)]
    if not soon:
        return snapshot
    known = await node.look((), soon, 0.0)
    answers = {probe: each for probe, each in known.shared.items() if isinstance(each, Answered)}
    return replace(snapshot, shared={**snapshot.shared, **answers})


async def _look_again(node: WatchedNode, settings: Settings, pids: Iterable[str], deadline_seconds: float) -> _Again:
    questions = [SUPERVISOR.question(SupervisorQuery(name=pid), settings) for pid in pids]
    looks = [node.look((), (question,), deadline_seconds) for question in questions]
    vital, *snapshots = await asyncio.gather(node.look(("statistics",), (), deadline_seconds), *looks)
    trees = [tree for snapshot in snapshots if (tree := snapshot.result(SupervisionTree)) is not None]
    tops = [tree.roots[0].supervisor for tree in trees if tree.roots]
    statistics = vital.result(Statistics)
    return _Again(
        frozenset(top.pid for top in tops if top is not None and top.status is Status.NOT_ANSWERING),
        frozenset((seat.parent.pid, seat.child.id) for tree in trees for seat in down(tree)),
        () if statistics is None else (statistics.run_queue_length,),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    memory: WhatGrows | NotKnown
    tables: Mapping[str, Growth] = field(default_factory=dict)
    table_falls: Mapping[str, int] = field(default_factory=dict)
    run_queues: tuple[int, ...] = ()
    longest_queues: tuple[int | None, ...] = ()
    interval_seconds: float = 0.0


def _judge(window: Window | None, settings: Settings, criteria: Criteria) -> _Judged:
    if window is None:
        why = NotKnown("no trend is kept: a collector keeps one, unless trend_interval_seconds is 0")
        return _Judged(why)
    looked = {name: table_growth(window, name, "size", criteria) for name in settings.watch_tables}
    tables = {name: growth for name, growth in looked.items() if growth is not None}
    run_queues = present_life(window, window.values[RUN_QUEUE])[-RUN_QUEUES_BEFORE:]
    return _Judged(
        what_grows(window, criteria),
        tables,
        {name: table_falls(window, name, growth.since_seconds) for name, growth in tables.items()},
        tuple(length for length in run_queues if length is not None),
        tuple(present_life(window, window.values[LONGEST_QUEUE])),
        window.interval_seconds,
    )


def _evidence(snapshot: Snapshot, settings: Settings, judged: _Judged, again: _Again) -> Evidence:
    statistics = _of(snapshot, "statistics", Statistics)
    now = () if isinstance(statistics, NotKnown) else (statistics.run_queue_length,)
    return Evidence(
        applications=_of(snapshot, "applications", Applications),
        supervisors=_of(snapshot, "supervisors", Supervisors),
        tree=_of(snapshot, "supervision_tree", SupervisionTree),
        mailboxes=_of(snapshot, "mailboxes", Mailboxes),
        system=_of(snapshot, "system_info", SystemInfo),
        memory=judged.memory,
        limit=limit_of(settings, _of(snapshot, "memory_limit", MemoryLimit)),
        contact=_contact(snapshot),
        processes=_of(snapshot, "processes", Processes),
        tables=_of(snapshot, "ets", Tables),
        ports=_of(snapshot, "ports", Ports),
        governors=_of(snapshot, "governors", AgedGovernors),
        statistics=statistics,
        table_growth=judged.tables,
        table_falls=judged.table_falls,
        largest_process=_largest_process(snapshot),
        largest_table=_largest_table(snapshot),
        still_not_answering=again.silent,
        still_down=again.down,
        run_queues=(*judged.run_queues, *now, *again.run_queues),
        longest_queues=judged.longest_queues,
        interval_seconds=judged.interval_seconds,
    )


def _of(snapshot: Snapshot, probe: str, kind: type[_Kind]) -> _Kind | NotKnown:
    found = snapshot.result(kind)
    return found if found is not None else NotKnown(str(snapshot.why_no(probe) or "the node was not asked"))


def _contact(snapshot: Snapshot) -> str | NotKnown:
    identity = _of(snapshot, "identity", NodeIdentity)
    if not isinstance(identity, NotKnown):
        return snapshot.name
    return NotLetIn(identity.why) if isinstance(snapshot.why_no("identity"), REFUSED) else identity


def _largest_process(snapshot: Snapshot) -> Holder | None:
    found, memory = snapshot.result(Processes), snapshot.result(Memory)
    if found is None or memory is None:
        return None
    return holder([(row.name or row.pid, row.memory_bytes) for row in found.by_memory[:1]], memory.processes)


def _largest_table(snapshot: Snapshot) -> Holder | None:
    found, memory = snapshot.result(Tables), snapshot.result(Memory)
    if found is None or memory is None:
        return None
    return holder([(row.id, row.memory_bytes) for row in found.by_memory[:1]], memory.ets)
