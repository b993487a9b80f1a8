"""What became of a restart that we lost sight of, and whether one held: as far as the node can tell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from agent.actions.restart import holder
from agent.errors import AgentError
from agent.restarting import NoFacts, RestartFacts
from agent.supervision import ChildState
from agent.terms import TRUE, Pid, Term
from collector.journal.chain import Entry
from collector.restarts.account import LeftWatch
from collector.restarts.models import RestartState
from collector.restarts.planning import LOOK_SECONDS, Connection, NotThere, SeveralMeant, look

# What we sent just before the connection broke may be on its way into the node still.
SETTLE_SECONDS: Final = 2.0
WATCH_PAUSE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class FoundOut:
    """The end of an action, as it can be known without its report."""

    state: RestartState
    text: str


async def find_out(connection: Connection, intent: Entry) -> FoundOut | None:
    """Look what became of an action; None while its worker is running still. Raises `AgentError`."""
    await asyncio.sleep(SETTLE_SECONDS)
    if await holder(connection, LOOK_SECONDS) == intent.action_id:
        return None
    is_same_life = intent.body.get("creation") == connection.peer.creation
    anew = "" if is_same_life else "the node was started anew since; "
    supervisor, child = str(intent.body.get("supervisor") or ""), str(intent.body.get("child") or "")
    try:
        facts = await look(connection, supervisor, child)
    except (NotThere, SeveralMeant) as error:
        return FoundOut(RestartState.UNKNOWN, f"unknown: {anew}{error}")
    if isinstance(facts, NoFacts):
        return FoundOut(RestartState.UNKNOWN, f"unknown: {anew}the child cannot be looked at ({facts.obstacle})")
    return _judge(facts, intent, anew, is_same_life=is_same_life)


def _judge(facts: RestartFacts, intent: Entry, anew: str, *, is_same_life: bool) -> FoundOut:
    before = intent.body.get("pid")
    if facts.state is ChildState.UNDEFINED:
        return FoundOut(RestartState.FAILED, f"{anew}child is down: its supervisor has no process for it")
    if facts.state is not ChildState.RUNNING:
        return FoundOut(RestartState.UNKNOWN, f"unknown: {anew}child is {facts.state}")
    if is_same_life and facts.pid == before:
        return FoundOut(RestartState.NOT_DONE, f"child runs as {facts.pid}, as before: it was not restarted")
    was = f" (was {before})" if before else ""
    return FoundOut(RestartState.UNKNOWN, f"unknown: {anew}child runs as {facts.pid}{was}")


@dataclass(frozen=True, slots=True)
class Held:
    """How a watch ended. ``held`` None: it is not known."""

    held: bool | None
    text: str


async def watch(
    connect: Callable[[], Awaitable[Connection]], facts: RestartFacts, seconds: float, creation: int
) -> Held:
    """Look again and again whether the child and its supervisor are the ones that they were after the restart.

    Cost: two questions of constant cost every five seconds.
    """
    started = time.monotonic()
    trouble: str | None = None
    while (passed := time.monotonic() - started) < seconds:
        await asyncio.sleep(min(WATCH_PAUSE_SECONDS, seconds - passed))
        try:
            connection = await connect()
            if connection.peer.creation != creation:
                return Held(held=False, text=f"the node was started anew within {time.monotonic() - started:.0f} s")
            for pid, what in ((facts.supervisor_pid, "its supervisor"), (facts.child_pid, "it")):
                if pid is not None and not await _is_alive(connection, pid):
                    return Held(held=False, text=f"{what} ended within {time.monotonic() - started:.0f} s")
            trouble = None
        except AgentError as error:
            trouble = str(error)
    if trouble is not None:
        return Held(held=None, text=f"the node does not answer: {trouble}")
    return Held(held=True, text=f"the same process runs after {seconds / 60:g} minutes")


async def look_whether_it_held(connection: Connection, left: LeftWatch) -> Held:
    """Look late at what nobody has watched to the end: the same process tells that it held. Raises `AgentError`."""
    minutes = (datetime.now(UTC) - left.ended_at).total_seconds() / 60
    if left.intent.body.get("creation") != connection.peer.creation:
        return Held(held=None, text="nobody watched it to the end, and the node was started anew since")
    supervisor, child = str(left.intent.body.get("supervisor") or ""), str(left.intent.body.get("child") or "")
    try:
        facts = await look(connection, supervisor, child)
    except (NotThere, SeveralMeant) as error:
        return Held(held=None, text=f"nobody watched it to the end, and now {error}")
    if isinstance(facts, RestartFacts) and facts.pid is not None and facts.pid == left.pid:
        return Held(held=True, text=f"the same process runs after {minutes:.0f} minutes, looked at only then")
    now = f"it runs as {facts.pid}" if isinstance(facts, RestartFacts) and facts.pid else "it does not run"
    return Held(held=None, text=f"nobody watched it to the end, and {now} after {minutes:.0f} minutes")


async def _is_alive(connection: Connection, pid: Pid) -> bool:
    arguments: list[Term] = [pid]
    return await connection.call("erlang", "is_process_alive", arguments, deadline_seconds=LOOK_SECONDS) == TRUE
