"""From a request to a plan: what the node, the service and the journal say, put before the guards."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from agent.actions.guards import Guard, Refusal
from agent.actions.plan import Accepted, Past, Plan, Policy, make_plan
from agent.actions.restart import holder
from agent.errors import AgentError
from agent.expression import ActingShell
from agent.handshake import Identity
from agent.probes import process, restart_facts, rows
from agent.probes.process import Process
from agent.probes.restart_facts import NoSuchSupervisor
from agent.restarting import NoFacts, NoSuchChild, RestartFacts, SeveralChildren
from collector.models import NodeReference
from collector.restarts.models import NextStep, PlanAnswer, RestartRequest

LOOK_SECONDS: Final = 10.0
FEW: Final = 10  # children that are named when none is called anything like what was asked for


class Connection(ActingShell, Protocol):
    """One connection to one life of a node: a `Session`, or a fake in a test."""

    @property
    def peer(self) -> Identity:
        """Who the node is."""
        ...


class NotThere(Exception):
    """The supervisor or the child does not exist; the message names the nearest that do."""


class SeveralMeant(Exception):
    """Several children have this id; the message has their pids."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, the request that it is for, and what is shown of it."""

    plan: Plan
    answer: PlanAnswer
    supervisor_name: str
    child_id: str


async def look(connection: Connection, supervisor: str | None, child: str) -> RestartFacts | NoFacts:
    """Ask the node about a child. Raises `NotThere`, `SeveralMeant` and what the node's answers do."""
    found = await restart_facts.ask(connection, LOOK_SECONDS, supervisor, child)
    match found:
        case NoSuchSupervisor():
            raise NotThere(_with_nearest(f"no process {found.asked_for} is there", found.nearest))
        case NoSuchChild():
            name = found.supervisor.name or found.supervisor.pid
            near = rows.nearest(child, found.ids) or found.ids[:FEW]
            raise NotThere(_with_nearest(f"{name} has no child {child}", near))
        case SeveralChildren():
            raise SeveralMeant(f"{child} is the id of several children: name one by its pid, {', '.join(found.pids)}")
    return found


async def plan(
    connection: Connection,
    request: RestartRequest,
    node: NodeReference,
    policy: Policy,
    past: Callable[[str, str], Past],
    service_health: str | None,
) -> Planned:
    """Make the plan of a restart as everything is now. ``past`` is given the supervisor's name and the child's id."""
    facts = await look(connection, request.supervisor, request.child)
    supervisor_name, child_id = _key(request, facts)
    before = await _blocked(connection, past(supervisor_name, child_id))
    made = make_plan(
        facts,
        creation=node.creation or 0,
        instance_id=node.instance_id,
        accepted=Accepted(tuple(request.accept_data_loss), children=request.accept_lost_children),
        policy=policy,
        past=before,
    )
    running = await holder(connection, LOOK_SECONDS)
    if running is not None:
        made = replace(made, refusals=(*made.refusals, action_running(running)))
    following = await _next_step(connection, facts, node, policy) if isinstance(facts, RestartFacts) else None
    return Planned(made, PlanAnswer.of(made, node, service_health, following), supervisor_name, child_id)


def action_running(action_id: str) -> Refusal:
    """Refuse what would be done beside another action."""
    which = f" ({action_id})" if action_id else ""
    return Refusal(Guard.ACTION_RUNNING, f"another action is running on this node{which}: wait until it has ended", 5)


def _key(request: RestartRequest, facts: RestartFacts | NoFacts) -> tuple[str, str]:
    """Return what a child is called in the journal, whatever it was called by."""
    supervisor = facts.supervisor
    name = (supervisor.name or supervisor.pid) if supervisor is not None else request.supervisor or ""
    return name, facts.id if isinstance(facts, RestartFacts) else request.child


async def _blocked(connection: Connection, past: Past) -> Past:
    """Find out whether who had the child's name when its last start failed is still there."""
    if past.blocker is None:
        return past
    found = await process.ask(connection, LOOK_SECONDS, past.blocker)
    return past if isinstance(found, Process) else replace(past, blocker=None)


async def _next_step(
    connection: Connection, facts: RestartFacts, node: NodeReference, policy: Policy
) -> NextStep | None:
    """Plan the restart of the supervisor itself, which is what people would try next."""
    name = facts.supervisor.name or facts.supervisor.pid
    try:
        above = await look(connection, None, name)
    except (NotThere, SeveralMeant, AgentError):
        return None
    made = make_plan(
        above,
        creation=node.creation or 0,
        instance_id=node.instance_id,
        accepted=Accepted(),
        policy=policy,
        past=Past(),
    )
    hard = [one for one in made.refusals if one.guard not in (Guard.DATA_LOSS, Guard.CHILDREN_LOST)]
    if hard:
        return NextStep(supervisor=name, allowed=False, detail=hard[0].detail, command=None)
    losses = [one.detail for one in made.refusals]
    takes = f"{above.subtree.processes} processes end" if isinstance(above, RestartFacts) else ""
    return NextStep(
        supervisor=name,
        allowed=True,
        detail="; ".join([takes, *losses]),
        command=f"beamwarden restart {shlex.quote(name)} --dry-run",
    )


def _with_nearest(what: str, nearest: Sequence[str]) -> str:
    return f"{what}; the nearest that exist: {', '.join(nearest)}" if nearest else what
