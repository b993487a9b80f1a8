"""May this child be restarted, and what would happen? A pure decision over what is known of it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.actions.guards import NEVER_RESTARTED, PLATFORM_APPLICATIONS, Guard, Refusal
from agent.actions.obstacles import OTP_KINDS, name_of, not_otp, of_obstacle
from agent.restarting import NoFacts, RestartFacts, Subtree
from agent.supervision import ChildState

# A habit of some: the name of a table has its owner's pid.
_PID_AT_THE_END: Final = re.compile(r"(?<=.)<\d+\.\d+\.\d+>\Z", re.DOTALL)
_NAMED_IN_A_REFUSAL: Final = 5
_NAMED_IN_A_WARNING: Final = 5
_ID_DIGITS: Final = 16


class Action(StrEnum):
    """What a restart comes to: a child that does not run is only started."""

    RESTART = "restart"
    START = "start"


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be done. ``applications`` empty: all but the platform's; ``denied_applications`` are always denied."""

    applications: tuple[str, ...] = ()
    denied_applications: tuple[str, ...] = ()
    cooldown_seconds: float = 60.0
    max_actions: int = 5
    window_seconds: float = 600.0

    def allows(self, application: str | None) -> bool:
        """Tell whether children of this application may be restarted; None is what belongs to none."""
        if application is None or application in self.denied_applications or application in NEVER_RESTARTED:
            return False
        return application in self.applications if self.applications else application not in PLATFORM_APPLICATIONS


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a person has said that may be lost. Tables by their names; one that ends in * is the beginning of names."""

    tables: tuple[str, ...] = ()
    children: bool = False

    def covers(self, table: str) -> bool:
        """Tell whether the rows of this table may be lost."""
        return any(
            table == name or (name.endswith("*") and len(name) > 1 and table.startswith(name[:-1]))
            for name in self.tables
        )


@dataclass(frozen=True, slots=True)
class Past:
    """What the journal knows of earlier actions on this node, in seconds ago.

    ``blocker`` is a process that had the child's name when its last start failed, and that is still there.
    """

    on_this_child_seconds_ago: float | None = None
    on_this_node_seconds_ago: tuple[float, ...] = ()
    blocker: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restart would do, and why not. ``facts`` is `NoFacts` where it could not even be looked at."""

    id: str
    action: Action
    facts: RestartFacts | NoFacts
    refusals: tuple[Refusal, ...]
    warnings: tuple[str, ...]

    @property
    def is_allowed(self) -> bool:
        """Whether no guard refuses it."""
        return not self.refusals


def make_plan(
    facts: RestartFacts | NoFacts,
    *,
    creation: int,
    instance_id: str | None,
    accepted: Accepted,
    policy: Policy,
    past: Past,
) -> Plan:
    """Decide. The id stands for all that must still be so: pids repeat in each life of a node, so also for which."""
    if isinstance(facts, NoFacts):
        refusals = (of_obstacle(facts), *too_soon(policy, past))
        return Plan(_id(creation, instance_id, facts.obstacle), Action.RESTART, facts, refusals, ())
    action = Action.START if facts.state in (ChildState.UNDEFINED, ChildState.TERMINATED) else Action.RESTART
    return Plan(
        id=_id(creation, instance_id, facts.supervisor.pid, facts.id, facts.pid or "", facts.fingerprint.hex()),
        action=action,
        facts=facts,
        refusals=(*_refusals(facts, accepted, policy, past), *too_soon(policy, past)),
        warnings=tuple(_warnings(facts, action)),
    )


def _id(creation: int, instance_id: str | None, *what: str) -> str:
    digest = hashlib.sha256(json.dumps([creation, instance_id, *what]).encode())
    return digest.hexdigest()[:_ID_DIGITS]


def _refusals(facts: RestartFacts, accepted: Accepted, policy: Policy, past: Past) -> Iterator[Refusal]:
    supervisor = facts.supervisor
    if supervisor.kind not in OTP_KINDS:
        yield not_otp(supervisor)
    # A child without a process belongs where its supervisor does.
    applications = [facts.supervisor_application, *([facts.application] if facts.subtree.processes else [])]
    yield from (_application(each) for each in dict.fromkeys(applications) if not policy.allows(each))
    if facts.restart == "temporary":
        yield Refusal(
            Guard.TEMPORARY_CHILD,
            f"{facts.id} is temporary: its supervisor forgets it when it is ended, and cannot start it again. Whoever "
            "started it has to",
        )
    if facts.state is ChildState.RESTARTING:
        yield Refusal(
            Guard.ALREADY_RESTARTING, f"{name_of(supervisor)} is restarting it already: look again in a moment"
        )
    if facts.state is ChildState.UNKNOWN:
        yield Refusal(
            Guard.CHILD_ELSEWHERE,
            f"{facts.pid} runs on another node: what would go with it cannot be seen from here. Ask that node",
        )
    if supervisor.restarts and supervisor.intensity is not None and supervisor.restarts >= supervisor.intensity:
        yield Refusal(
            Guard.BUDGET_USED_UP,
            f"{name_of(supervisor)} has no restart left ({supervisor.restarts} within {supervisor.period_seconds} s; "
            f"it allows {supervisor.intensity}): which of its children crashed is not recorded, and the next crash of "
            "one ends them all. Find out why first",
            supervisor.period_seconds,
        )
    yield from _losses(facts, accepted)
    if past.blocker is not None:
        yield Refusal(
            Guard.FAILED_BEFORE,
            f"its last start failed because {past.blocker} was there already under its name, and it still is: the next "
            "start would fail too. End that process first",
        )


def _application(application: str | None) -> Refusal:
    if application is None:
        return Refusal(
            Guard.APPLICATION_NOT_ALLOWED,
            "it belongs to no application, so nobody has allowed it: only children of applications are restarted",
        )
    return Refusal(
        Guard.APPLICATION_NOT_ALLOWED,
        f"it belongs to {application}, whose children may not be restarted here (the settings restart_applications "
        "and restart_denied_applications)",
    )


def _losses(facts: RestartFacts, accepted: Accepted) -> Iterator[Refusal]:
    names = names_to_accept(name for name in facts.lost_tables.names if not accepted.covers(name))
    if names:
        more = f" and {len(names) - _NAMED_IN_A_REFUSAL} more" if len(names) > _NAMED_IN_A_REFUSAL else ""
        yield Refusal(
            Guard.DATA_LOSS,
            f"rows would be lost with their owners, in {', '.join(names[:_NAMED_IN_A_REFUSAL])}{more}: accept the loss "
            "of each by its name, or save them first",
        )
    if facts.subtree.children_lost and not accepted.children:
        yield Refusal(
            Guard.CHILDREN_LOST,
            f"{facts.subtree.children_lost} children below it would be lost: no restart brings temporary ones back. "
            "Accept that, if somebody will start them again",
        )


def names_to_accept(tables: Iterable[str]) -> tuple[str, ...]:
    """Return how the loss of these tables is accepted: by their names, or one for all that differ only in a pid."""
    return tuple(dict.fromkeys(_PID_AT_THE_END.sub("*", name) for name in tables))


def too_soon(policy: Policy, past: Past) -> Iterator[Refusal]:
    """Yield the guards that ask for patience: they are looked at once more when the intent is written."""
    ago = past.on_this_child_seconds_ago
    if ago is not None and ago < policy.cooldown_seconds:
        yield Refusal(
            Guard.COOLDOWN,
            f"it was restarted {ago:.0f} s ago: give it {policy.cooldown_seconds:.0f} s to show whether that helped",
            math.ceil(policy.cooldown_seconds - ago),
        )
    recent = sorted(ago for ago in past.on_this_node_seconds_ago if ago < policy.window_seconds)
    if len(recent) >= policy.max_actions:
        yield Refusal(
            Guard.COOLDOWN,
            f"{len(recent)} actions on this node within {policy.window_seconds / 60:.0f} minutes: what they did not "
            "mend another one will not",
            math.ceil(policy.window_seconds - recent[policy.max_actions - 1]),
        )


def _warnings(facts: RestartFacts, action: Action) -> Iterator[str]:
    supervisor, subtree = facts.supervisor, facts.subtree
    if supervisor.budget_left is None:
        yield f"how many restarts {name_of(supervisor)} has left is not known"
    if action is Action.START:
        return
    if supervisor.strategy in ("one_for_all", "rest_for_one"):
        yield (
            f"{name_of(supervisor)} is {supervisor.strategy}: after a crash it would restart siblings too. A restart "
            "on request leaves them as they are"
        )
    if not subtree.is_shutdown_known:
        yield "how long the shutdown may take is not known"
    elif subtree.shutdown_milliseconds is None:
        yield "nothing limits how long the shutdown may take: a child says infinity"
    if subtree.told_count:
        yield _survivors(subtree)
    for one in subtree.not_asked:
        yield f"{one.name or one.pid} below it was not asked ({one.status}): what hangs on it is not known"
    if subtree.supervisors:
        yield "children that were added while it ran come back only if whoever added them does so again"


def _survivors(subtree: Subtree) -> str:
    count = subtree.told_count
    said = f"{count} processes outside are" if count > 1 else "1 process outside is"
    said += f" linked to it, {'trap' if count > 1 else 'traps'} exits and will be told of its end"
    names = [one.name for one in subtree.told if one.name is not None]
    if not names:
        return said
    more = f" and {len(names) - _NAMED_IN_A_WARNING} more" if len(names) > _NAMED_IN_A_WARNING else ""
    return (
        f"{said}. What lives on keeps its name ({', '.join(names[:_NAMED_IN_A_WARNING])}{more}): a start that wants "
        "that name fails, and the child stays down"
    )


def shutdown_limit_seconds(facts: RestartFacts) -> float:
    """Return for how long the shutdown may take; infinite where nothing limits it, or nobody knows."""
    milliseconds = facts.subtree.shutdown_milliseconds
    return math.inf if milliseconds is None else milliseconds / 1000
