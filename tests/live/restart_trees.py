"""Trees of ``erlang_fixtures/src/restart_children.erl``, and what the tests of restarts ask about them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from agent import Session
from agent.actions import restart
from agent.actions.restart import Done, Report
from agent.probes import restart_facts
from agent.probes.restart_facts import Answer
from agent.restarting import RestartFacts
from agent.terms import Atom, Map, Pid, Term
from tests.fakes import pause
from tests.live.nodes import SECONDS, ask

TREE = "restart_tree"
PLAIN = Atom("plain")
NONE = Atom("none")
INFINITY = Atom("infinity")


def tagged(word: str, value: Term) -> Term:
    """``{Word, Value}``."""
    return (Atom(word), value)


def spec(
    child_id: Term,
    what: Term = PLAIN,
    *,
    restart: str = "permanent",
    shutdown: Term = 1_000,
    kind: str = "worker",
    start: tuple[str, list[Term]] | None = None,
) -> Map:
    """The spec of a child that is ``what``, or that another function of the fixture starts."""
    function, arguments = start or ("child", [Atom(TREE), child_id, what])
    return Map(
        [
            (Atom("id"), child_id),
            (Atom("start"), (Atom("restart_children"), Atom(function), arguments)),
            (Atom("restart"), Atom(restart)),
            (Atom("shutdown"), shutdown),
            (Atom("type"), Atom(kind)),
        ]
    )


def below_it(name: str, *specs: Term, kind: str = "supervisor", shutdown: Term = INFINITY) -> Map:
    """The spec of a supervisor further down, with children of its own."""
    start: tuple[str, list[Term]] = ("supervisor", [Atom(name), Atom("one_for_one"), list(specs)])
    return spec(Atom(name), kind=kind, shutdown=shutdown, start=start)


def sharing(name: str, number: int, each: Term) -> Map:
    """The spec of a supervisor further down whose children share one."""
    return spec(Atom(name), kind="supervisor", shutdown=INFINITY, start=("many", [Atom(name), number, each]))


@asynccontextmanager
async def growing(session: Session, *specs: Term, hibernates: bool = False) -> AsyncIterator[None]:
    """Have a tree on the node for as long as the block lasts."""
    options: list[Term] = [tagged("hibernate_after", 1)] if hibernates else []
    await ask(session, "restart_children:start", Atom(TREE), list(specs), options)
    try:
        yield
    finally:
        assert await ask(session, "restart_children:stop", Atom(TREE)) == Atom("ok")


async def look(session: Session, child: str, supervisor: str | None = TREE) -> Answer:
    return await restart_facts.ask(session, SECONDS, supervisor, child)


async def facts_of(session: Session, child: str, supervisor: str | None = TREE) -> RestartFacts:
    found = await look(session, child, supervisor)
    assert isinstance(found, RestartFacts), found
    return found


async def execute(session: Session, facts: RestartFacts, retries: int = 0, action_id: str = "a-1") -> Report:
    return await restart.execute(session, facts, action_id, SECONDS, retries)


async def done(session: Session, child: str, retries: int = 0, supervisor: str = TREE) -> Done:
    """Restart a child as it is now."""
    report = await execute(session, await facts_of(session, child, supervisor), retries)
    assert isinstance(report, Done), report
    return report


async def starts_of(session: Session, child_id: Term) -> int:
    """How often a child has been started."""
    found = await ask(session, "ets:lookup_element", Atom(TREE), child_id, 2)
    assert isinstance(found, int)
    return found


async def processes(session: Session) -> set[Pid]:
    """All that are there, and stay: without the workers of this very question, and whoever is about to end."""
    seen = await _all(session)
    last: set[Pid] | None = None
    stayed: set[Pid] = set()
    async with asyncio.timeout(SECONDS):
        while stayed != last:
            await pause()
            before, seen = seen, await _all(session)
            last, stayed = stayed, before & seen
    return stayed


async def _all(session: Session) -> set[Pid]:
    found = await ask(session, "erlang:processes")
    assert isinstance(found, list)
    return {pid for pid in found if isinstance(pid, Pid)}


async def pids_named(session: Session, names: Collection[str]) -> dict[str, Term]:
    return {name: await ask(session, "erlang:whereis", Atom(name)) for name in names}
