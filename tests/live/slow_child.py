"""A child of a real application whose restart takes its time, and what the tests of crashes know of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from agent import Session
from agent.actions.restart import holder
from agent.probes import restart_facts
from agent.restarting import RestartFacts
from agent.terms import Atom
from tests.fakes import pause
from tests.live.nodes import SECONDS, ask
from tests.live.restart_trees import TREE, spec, starts_of

SUPERVISOR: Final = "tai_autonomics_sup"
CHILD: Final = "slow_child"
ENDS_MILLISECONDS: Final = 250
STARTS_MILLISECONDS: Final = 250


@asynccontextmanager
async def slow_child(
    session: Session, ends_milliseconds: int = ENDS_MILLISECONDS, starts_milliseconds: int = STARTS_MILLISECONDS
) -> AsyncIterator[None]:
    """Have the application supervise it for as long as the block lasts."""
    what = (Atom("slow"), ends_milliseconds, starts_milliseconds)
    shutdown = ends_milliseconds + 10_000
    await ask(session, "restart_children:start", Atom(TREE), [])  # for its table, which counts starts
    try:
        added = await ask(
            session, "supervisor:start_child", Atom(SUPERVISOR), spec(Atom(CHILD), what, shutdown=shutdown)
        )
        assert isinstance(added, tuple), added
        yield
    finally:
        await until_nobody_acts(session)
        await ask(session, "supervisor:terminate_child", Atom(SUPERVISOR), Atom(CHILD))
        await ask(session, "supervisor:delete_child", Atom(SUPERVISOR), Atom(CHILD))
        await ask(session, "restart_children:stop", Atom(TREE))


async def until_nobody_acts(session: Session) -> None:
    """Wait until no action runs on the node any more."""
    async with asyncio.timeout(SECONDS):
        while await holder(session, SECONDS) is not None:
            await pause()


async def until_somebody_acts(session: Session) -> None:
    """Wait until an action runs on the node."""
    async with asyncio.timeout(SECONDS):
        while await holder(session, SECONDS) is None:
            await pause()


async def pid_of(session: Session, child: str = CHILD) -> str | None:
    """The child's pid; None when it has none."""
    facts = await restart_facts.ask(session, SECONDS, SUPERVISOR, child)
    assert isinstance(facts, RestartFacts), facts
    return facts.pid


async def starts(session: Session) -> int:
    """How often it was started."""
    return await starts_of(session, Atom(CHILD))
