"""Switches the illnesses of erlang_fixtures on and off, and asks about the processes that have them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent import Session
from agent.terms import UNDEFINED, Atom, Map, Term
from tests.live.nodes import ask

OK = Atom("ok")


async def switch_on(session: Session, illness: str, **options: Term) -> None:
    """Return when the illness is there. Without options it is as in the module's ``defaults/0``."""
    chosen = Map((Atom(name), value) for name, value in options.items())
    assert await ask(session, f"{illness}:on", chosen) == OK


async def switch_off(session: Session, illness: str) -> None:
    """Return when its last process and its last table are gone."""
    assert await ask(session, f"{illness}:off") == OK


@asynccontextmanager
async def ill(session: Session, illness: str, **options: Term) -> AsyncIterator[None]:
    """Let a node be ill for as long as the block lasts."""
    try:
        await switch_on(session, illness, **options)
        yield
    finally:
        await switch_off(session, illness)


async def pid_of(session: Session, name: str) -> Term:
    """``whereis(Name)``; fail when there is none."""
    pid = await ask(session, "erlang:whereis", Atom(name))
    assert pid != UNDEFINED, name
    return pid


async def item(session: Session, name: str, what: str) -> Term:
    """``process_info(whereis(Name), What)``, the value alone."""
    found = await ask(session, "erlang:process_info", await pid_of(session, name), Atom(what))
    assert isinstance(found, tuple)
    return found[1]


async def function_of(session: Session, name: str) -> str:
    """``module:function`` that a registered process is in."""
    found = await item(session, name, "current_function")
    assert isinstance(found, tuple)
    module, function, _arity = found
    assert isinstance(module, Atom)
    assert isinstance(function, Atom)
    return f"{module.name}:{function.name}"
