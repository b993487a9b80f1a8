"""Restart a child, or start one that is down, on the node itself; and tell whether an action is still running."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from agent.errors import UnexpectedAnswer
from agent.expression import ActingShell, Expression, Shell
from agent.probes import rows
from agent.probes.restart_facts import bindings_for, printed_id
from agent.probes.restart_rows import read_facts
from agent.restarting import Found, RestartFacts
from agent.terms import UNDEFINED, Atom, Pid, Term, format_term

DEFAULT_RETRIES: Final = 3
PAUSE_MILLISECONDS: Final = 1_000  # before the first retry; twice as long before each one after that
LOOK_MILLISECONDS: Final = 5_000  # for looking at the child, before and after

RESTART: Final = Expression.load("supervisor", "application_top", "restart_facts", "actions/locking", "actions/restart")
LOCK: Final = Expression.load("actions/lock")


class Start(StrEnum):
    """How the start of the child ended."""

    STARTED = "started"
    RUNNING = "running"  # somebody else was faster
    IGNORED = "ignored"  # its start function gave `ignore`: there is no process, and no error
    ALREADY_STARTED = "already started"  # another process has its name
    FAILED = "failed"
    NOT_FOUND = "not found"  # the supervisor has forgotten it
    SUPERVISOR_GONE = "supervisor gone"


@dataclass(frozen=True, slots=True)
class Locked:
    """Nothing was done: another action is running on the node. ``action_id`` is what the journal calls that one."""

    action_id: str | None


@dataclass(frozen=True, slots=True)
class Changed:
    """Nothing was done: what the plan stands on is not so any more. None: it cannot be looked at now."""

    found: Found | None


@dataclass(frozen=True, slots=True)
class Done:
    """It was done. ``after`` is the child as it was looked at then; None: it could not be."""

    start: Start
    pid: str | None
    reason: str | None
    tries: int
    shutdown_seconds: float
    start_seconds: float
    after: Found | None
    not_ended_because: str | None = None

    @property
    def is_up(self) -> bool:
        """Whether the child has a process now, as far as its supervisor and our look afterwards say."""
        if isinstance(self.after, RestartFacts):
            return self.after.subtree.processes > 0
        return self.start in (Start.STARTED, Start.RUNNING)


Report: TypeAlias = Locked | Changed | Done


async def execute(
    shell: ActingShell, facts: RestartFacts, action_id: str, deadline_seconds: float, retries: int
) -> Report:
    """Check the facts again, take the lock, end the child, start it, and look at it; all in one worker on the node.

    The worker goes on when we die or the connection breaks, and has no limit that could end it half-way. Raises what
    `agent.rpc.Calls.call_detached` raises: then it is not known what was done, and `holder` tells when it is over.
    """
    deadline = min(deadline_seconds, 1e6)
    bindings = {
        **bindings_for(facts.supervisor_pid, printed_id(facts.id), deadline),
        "Milliseconds": LOOK_MILLISECONDS,
        "Expected": facts.fingerprint,
        "Action": action_id.encode(),
        "Retries": retries,
        "Pause_milliseconds": PAUSE_MILLISECONDS,
    }
    if facts.child_pid is not None:  # ids are not unique, as they are printed
        bindings["Child"] = facts.child_pid
    answer = await shell.evaluate_detached(RESTART, bindings, deadline_seconds=deadline)
    return read_report(answer.value)


def read_report(answer: Term) -> Report:
    """Read what the worker says. Raises `UnexpectedAnswer`."""
    match answer:
        case (Atom(name="locked"), action_id):
            return Locked(read_action_id(action_id))
        case (Atom(name="changed"), found, int() as word_bytes):
            return Changed(_read_look(found, word_bytes))
        case (Atom(name="done"), ended, ended_ms, outcome, tries, started_ms, after, int() as word_bytes):
            start, pid, reason = _read_start(outcome)
            return Done(
                start=start,
                pid=pid,
                reason=reason,
                tries=rows.count(tries),
                shutdown_seconds=rows.count(ended_ms) / 1000,
                start_seconds=rows.count(started_ms) / 1000,
                after=_read_look(after, word_bytes),
                not_ended_because=_read_end(ended),
            )
    raise UnexpectedAnswer(f"the node gives {format_term(answer, 80)} for a report")


async def holder(shell: Shell, deadline_seconds: float) -> str | None:
    """Return what the journal calls the action that runs on the node ("" when it has no name); None when none does."""
    answer = await shell.evaluate(LOCK, {}, deadline_seconds=deadline_seconds)
    match answer.value:
        case Atom(name="none"):
            return None
        case (Atom(name="held"), action_id):
            return read_action_id(action_id) or ""
    raise UnexpectedAnswer("the node gives something else for the lock than was asked for")


def read_action_id(term: Term) -> str | None:
    """Read what the journal calls an action; None when it has no name yet."""
    return None if term == UNDEFINED else rows.text(term)


def _read_look(term: Term, word_bytes: int) -> Found | None:
    return None if term == Atom("not_looked_at") else read_facts(term, word_bytes)


def _read_end(term: Term) -> str | None:
    match term:
        case (Atom(name="not_terminated"), reason):
            return rows.text(reason)
        case Atom(name="terminated" | "nothing_ran"):
            return None
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for the end of a child")


def _read_start(term: Term) -> tuple[Start, str | None, str | None]:
    match term:
        case (Atom(name="started"), Pid() as pid):
            return Start.STARTED, rows.pid(pid), None
        case (Atom(name="already_started"), Pid() as pid):
            return Start.ALREADY_STARTED, rows.pid(pid), f"{rows.pid(pid)} has its name already"
        case (Atom(name="failed"), reason):
            return Start.FAILED, None, rows.text(reason)
        case (Atom(name="supervisor_gone"), reason):
            return Start.SUPERVISOR_GONE, None, rows.text(reason)
        case Atom(name="ignored"):
            return Start.IGNORED, None, "its start function said ignore"
        case Atom(name="running"):
            return Start.RUNNING, None, None
        case Atom(name="not_found"):
            return Start.NOT_FOUND, None, "its supervisor does not know it any more"
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for the start of a child")
