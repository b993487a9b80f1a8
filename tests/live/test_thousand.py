"""A thousand mixed questions, failures among them: what is on the node afterwards that was not there before?

Nothing, but for what the first of them leave once and for all: modules of OTP that a node loads when they are first
needed, and atoms. Both are named here.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from agent import Session, preflight
from agent.errors import AnswerTooLarge, CallError, DeadlineExceeded, RemoteError, WorkerDied
from agent.probes import vital_signs
from agent.terms import Atom, Term
from agent.worker import PLAIN
from erlang_fixtures.beam import Beam
from tests.live.nodes import SECONDS, ask, census, join, messages_waiting, number, settles_to

pytestmark = pytest.mark.live

QUESTIONS = 1000
# Modules of OTP that the questions below make a node load, if it has not yet. The probes themselves need erpc alone.
LOADED_ONCE = (
    "erpc",
    *("erl_anno", "erl_eval", "erl_internal", "erl_lint", "erl_parse", "erl_scan", "ordsets", "otp_internal", "sets"),
    *("net_adm", "timer"),  # which these tests call
)
# Atoms that our probes name and that a fresh node has not, on every OTP; and three of the questions here: sorry,
# no_such_function, Name. (Beside them the emulator itself makes some 300 when it is first asked for its memory, and a
# name that it gives us is one.)
NEW_ATOMS = 12 + 3

Question = Callable[[Beam, Session], Awaitable[str | None]]
"""Asks the node something; returns the name that it gave us, when it made a connection of its own."""


async def vital(_beam: Beam, session: Session) -> None:
    for probe in vital_signs(["governance_sup", "nobody_sup"]).values():
        await probe(session, SECONDS)


def raising(how: str) -> Question:
    async def question(_beam: Beam, session: Session) -> None:
        with pytest.raises(RemoteError):
            await session.call("erlang", how, [Atom("sorry")], deadline_seconds=SECONDS)

    return question


async def unknown_function(_beam: Beam, session: Session) -> None:
    with pytest.raises(RemoteError, match="undef"):
        await session.call("lists", "no_such_function", [], deadline_seconds=SECONDS)


async def too_much_heap(_beam: Beam, session: Session) -> None:
    with pytest.raises(WorkerDied):
        await session.call("lists", "seq", [1, 1_000_000], deadline_seconds=SECONDS, max_heap_words=10_000)


async def too_slow(_beam: Beam, session: Session) -> None:
    with pytest.raises(DeadlineExceeded):
        await session.call("timer", "sleep", [Atom("infinity")], deadline_seconds=0.01)


async def cancelled(_beam: Beam, session: Session) -> None:
    question = asyncio.ensure_future(session.call("timer", "sleep", [Atom("infinity")], deadline_seconds=SECONDS))
    await asyncio.sleep(0)
    question.cancel()
    await asyncio.wait({question})


async def too_long_an_answer(_beam: Beam, session: Session) -> None:
    with pytest.raises(AnswerTooLarge):
        await session.call("lists", "seq", [1, 10_000], deadline_seconds=SECONDS, max_answer_bytes=1000)


async def detached(_beam: Beam, session: Session) -> None:
    assert await session.call_detached("erlang", "abs", [-1], deadline_seconds=SECONDS) == 1


async def detached_and_given_up(_beam: Beam, session: Session) -> None:
    with pytest.raises(DeadlineExceeded):
        await session.call_detached("timer", "sleep", [100], deadline_seconds=0.01)


async def expression(_beam: Beam, session: Session) -> None:
    source: Term = list(b"length([Name || Name <- registered(), is_atom(Name)]).")
    scanned = await ask(session, "erl_scan:string", source)
    assert isinstance(scanned, tuple)
    parsed = await ask(session, "erl_parse:parse_exprs", scanned[1])
    assert isinstance(parsed, tuple)
    answer = await ask(session, "erl_eval:exprs", parsed[1], [])
    assert isinstance(answer, tuple)
    assert isinstance(answer[1], int)


_names = itertools.count()


async def name_from_outside(_beam: Beam, session: Session) -> None:
    await vital_signs([f"unheard_of_{next(_names)}"])["supervisors"](session, SECONDS)


async def without_erpc(beam: Beam, _session: Session) -> str:
    other = await join(beam)
    other.ask_by(PLAIN)
    assert await ask(other, "lists:seq", 1, 3) == [1, 2, 3]
    other.close()
    await other.wait_closed()
    return str(other.own.name)


async def pinged(_beam: Beam, session: Session) -> None:
    assert await ask(session, "net_adm:ping", Atom(str(session.own.name))) == Atom("pong")


async def another_connection(beam: Beam, _session: Session) -> str:
    other = await join(beam)
    await preflight.check(other)
    with pytest.raises(CallError):
        await other.call("timer", "sleep", [Atom("infinity")], deadline_seconds=0.01)
    other.close()
    await other.wait_closed()
    return str(other.own.name)


MIXTURE: tuple[Question, ...] = (
    *[vital] * 2,
    *map(raising, ("error", "exit", "throw")),
    unknown_function,
    too_much_heap,
    too_slow,
    cancelled,
    too_long_an_answer,
    detached,
    detached_and_given_up,
    expression,
    name_from_outside,
    without_erpc,
    pinged,
    another_connection,
)


@pytest.fixture
def fresh_beam(erl: Path) -> Iterator[Beam]:
    """A node that was asked nothing yet."""
    with Beam(erl, applications=["tai_autonomics"]) as beam:
        yield beam


async def names_of(session: Session, function: str) -> set[str]:
    found = await ask(session, function)
    assert isinstance(found, list)
    return {name.name for name in found if isinstance(name, Atom)}


async def count(session: Session) -> dict[str, int]:
    """What must not grow, beside processes, links and monitors."""
    return {
        "messages": await messages_waiting(session),
        "registered": len(await names_of(session, "erlang:registered")),
        "ports": await number(session, "erlang:length", await ask(session, "erlang:ports")),
        "tables": await number(session, "erlang:length", await ask(session, "ets:all")),
        "atoms": await number(session, "erlang:system_info", Atom("atom_count")),
        "persistent terms": await number(
            session, "maps:get", Atom("count"), await ask(session, "persistent_term:info")
        ),
    }


async def ask_a_thousand(beam: Beam, session: Session, given_names: set[str], seed: int) -> None:
    """Ask ten at a time, in an order of its own."""
    questions = [MIXTURE[index % len(MIXTURE)] for index in range(QUESTIONS)]
    random.Random(seed).shuffle(questions)
    for start in range(0, QUESTIONS, 10):
        found = await asyncio.gather(*(question(beam, session) for question in questions[start : start + 10]))
        given_names |= {name for name in found if name is not None}


async def loaded(session: Session) -> set[str]:
    return await names_of(session, "erlang:loaded")


def without_atoms(counts: dict[str, int]) -> dict[str, int]:
    return {what: number for what, number in counts.items() if what != "atoms"}


async def test_a_thousand_mixed_questions_leave_what_is_named_and_another_thousand_nothing(fresh_beam: Beam) -> None:
    session = await join(fresh_beam)
    for module in LOADED_ONCE:
        assert await ask(session, "code:ensure_loaded", Atom(module)) == (Atom("module"), Atom(module))
    await ask(session, "erlang:memory")
    modules, people, before = await loaded(session), await census(session), await count(session)
    names: set[str] = set()

    await ask_a_thousand(fresh_beam, session, names, seed=1)
    await settles_to(session, people)
    once, names_once = await count(session), len(names)
    assert without_atoms(once) == without_atoms(before)
    assert once["atoms"] - before["atoms"] - names_once == NEW_ATOMS

    await ask_a_thousand(fresh_beam, session, names, seed=2)
    await settles_to(session, people)
    twice = await count(session)
    assert without_atoms(twice) == without_atoms(before)
    assert twice["atoms"] - once["atoms"] == len(names) - names_once
    assert await loaded(session) == modules
    session.close()
