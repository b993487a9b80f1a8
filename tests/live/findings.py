"""All that the rules look at, of a real node, beside a service that is well."""

from __future__ import annotations

from collections.abc import Sequence

from agent import Session
from agent.probes import (
    applications,
    governor_ages,
    memory_limit,
    ports,
    processes,
    statistics,
    supervision_tree,
    supervisors,
    system_info,
)
from agent.supervision import Status
from collector.diagnosis.findings import Evidence
from collector.diagnosis.growth import Growth, Pattern
from collector.diagnosis.kinship import down
from collector.diagnosis.of_settings import limit_of
from collector.diagnosis.rules import apply
from collector.diagnosis.what_grows import WhatGrows
from collector.settings import Settings
from tests.collector.diagnosis.well import WELL, told
from tests.live.nodes import SECONDS

STEADY = WhatGrows(Growth(Pattern.STEADY, 360, 3_590.0), ())


async def evidence(session: Session, extra_roots: Sequence[str] = ()) -> Evidence:
    """All that the rules need, from two looks at the supervisors."""
    first = await supervision_tree.ask(session, SECONDS, extra_roots=extra_roots)
    was_down = {(seat.parent.pid, seat.child.id) for seat in down(first)}
    tree = await supervision_tree.ask(session, SECONDS, extra_roots=extra_roots)
    looks = [await statistics.ask(session, SECONDS) for _ in range(2)]
    return Evidence(
        applications=await applications.ask(session, SECONDS),
        supervisors=await supervisors.ask(["tai_autonomics_sup", "governance_sup"], session, SECONDS),
        tree=tree,
        mailboxes=await processes.ask_mailboxes(session, SECONDS),
        system=await system_info.ask(session, SECONDS),
        memory=STEADY,  # which the trend tells, and no probe
        limit=limit_of(Settings(), await memory_limit.ask(session, SECONDS)),
        contact=str(session.peer.name),
        ports=await ports.ask(session, SECONDS),
        governors=await governor_ages.ask(["governance_sup"], None, session, SECONDS),
        statistics=looks[-1],
        run_queues=tuple(look.run_queue_length for look in looks),
        still_down=frozenset(
            (seat.parent.pid, seat.child.id) for seat in down(tree) if (seat.parent.pid, seat.child.id) in was_down
        ),
        health=WELL.health,
        service=WELL.service,
        still_not_answering=frozenset(one.pid for one in first.supervisors() if one.status is Status.NOT_ANSWERING),
    )


async def found(session: Session, *extra_roots: str) -> list[str]:
    """The rules that found something, each with what it says."""
    answer = apply(await evidence(session, extra_roots))
    assert answer.not_known == ()
    return [f"{each.rule.name}: {told(each.seen).sentence}" for each in answer.found]
