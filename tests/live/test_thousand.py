"""A thousand mixed questions, failures among them: what is on the node afterwards that was not there before?

Nothing, but for what the first of them leave once and for all: modules of OTP that a node loads when they are first
needed, and atoms. Both are named here, but for the atoms of expressions: those are the words that stand in them.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import pkgutil
import random
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from agent import Session, actions, preflight, probes
from agent.actions import garbage_collect, restart, table_key
from agent.actions.table_key import KeyFacts
from agent.errors import AnswerTooLarge, CallError, DeadlineExceeded, RemoteError, WorkerDied
from agent.expression import Expression
from agent.probes import (
    allocators,
    applications,
    binaries,
    busy,
    distribution,
    ets,
    governors,
    lookup,
    memory_limit,
    microstates,
    mnesia,
    ports,
    process,
    processes,
    restart_facts,
    supervision_tree,
    table,
    vital_signs,
    watched_tables,
)
from agent.restarting import RestartFacts
from agent.terms import Atom, Pid, Term
from agent.worker import PLAIN
from erlang_fixtures.beam import Beam
from tests.live.nodes import SECONDS, ask, census, join, messages_waiting, number, settles_to

pytestmark = pytest.mark.live

QUESTIONS = 1000
# Modules of OTP that the questions below make a node load, if it has not yet. Vital signs need erpc alone.
LOADED_ONCE = (
    "erpc",
    *("erl_anno", "erl_eval", "erl_internal", "erl_lint", "erl_parse", "erl_scan", "ordsets", "otp_internal", "sets"),
    "erl_bits",  # where an expression makes a binary or takes one to pieces
    "io_lib_pretty",  # where one prints a term
    "sys",  # which asks a supervisor for its state
    *("net_adm", "timer"),  # which these tests call
)
# Atoms that are asked for by name outside expressions and that a fresh node has not, on every OTP. (Beside them the
# emulator itself makes some 300 when it is first asked for its memory, and a name that it gives us is one.)
NAMED = {
    *("atom_limit", "dets_registry", "ets_count", "ets_limit", "smp_support", "time_correction"),
    *("dirty_cpu_schedulers", "dirty_io_schedulers"),
    *("logical_processors", "logical_processors_available", "logical_processors_online"),
    *("bin_vheap_block_size", "bin_old_vheap_block_size"),  # by the emulator, when it tells of garbage collections
    *("async", "aux", "poll", "dirty_cpu_scheduler", "dirty_io_scheduler"),  # by it too, when it tells of microstates
    *("sorry", "no_such_function", "Name"),  # by the questions here
}

Question = Callable[[Beam, Session], Awaitable[str | None]]
"""Asks the node something; returns the name that it gave us, when it made a connection of its own."""


SUPERVISORS = ("governance_sup", "cluster_sup")

# Every question but the vital signs. The words of an expression that no line here asks would be missed on the node.
PROBES: Mapping[str, Callable[[Session, float], Awaitable[object]]] = {
    "processes": processes.ask,
    "mailboxes": processes.ask_mailboxes,
    "busy": partial(busy.ask, window_seconds=0.001),
    "process": partial(process.ask, process_id="kernel_sup"),
    "no process": partial(process.ask, process_id="governor_sup"),
    "pid": partial(lookup.find, "kernel_sup"),
    "no pid": partial(lookup.find, "governor_sup"),
    "tables": partial(ets.ask, ("tai_receipts_store", "receipt_ledger")),
    "table": partial(table.ask, "ac_tab"),
    "no table": partial(table.ask, "receipt_ledger"),
    "supervision tree": supervision_tree.ask,
    "governors": partial(governors.ask, SUPERVISORS),
    "governor's state": partial(governors.ask_state, "node_monitor"),
    "applications": applications.ask,
    "memory limit": memory_limit.ask,
    "ports": ports.ask,
    "binaries": binaries.ask,
    "binary holders": binaries.ask_holders,
    "restart facts": partial(restart_facts.ask, supervisor="tai_autonomics_sup", child="observability_sup"),
    "no such child": partial(restart_facts.ask, supervisor="governance_sup", child="governor_sup"),
    "lock": restart.holder,
    "allocators": allocators.ask,
    "distribution": distribution.ask,
    "microstates": microstates.ask,
    "mnesia": mnesia.ask,
    "watched tables": partial(watched_tables.ask, ("tai_receipts_store",)),
}


def diagnosis(probe: Callable[[Session, float], Awaitable[object]]) -> Question:
    async def question(_beam: Beam, session: Session) -> None:
        await probe(session, SECONDS)

    return question


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


async def restarted(_beam: Beam, session: Session) -> None:
    """Ten at a time: one of them acts, and what the others stand on has changed, or is locked."""
    facts = await restart_facts.ask(session, SECONDS, "observability_sup", "observer_ui")
    if isinstance(facts, RestartFacts):
        await restart.execute(session, facts, f"action {next(_names)}", SECONDS, 0)


async def collected(_beam: Beam, session: Session) -> None:
    pid = await lookup.find("kernel_sup", session, SECONDS)
    assert isinstance(pid, Pid)
    await garbage_collect.execute(session, pid, f"action {next(_names)}", SECONDS)


async def key_deleted(_beam: Beam, session: Session) -> None:
    name = f"key {next(_names)}"
    await ask(session, "ets:insert", Atom("receipt_ledger"), (name.encode(),))
    found = await table_key.ask(session, SECONDS, "receipt_ledger", f'<<"{name}">>')
    assert isinstance(found, KeyFacts)
    # Another action may be running: then it stays, for as long as that takes.
    while isinstance(await table_key.execute(session, found, name, SECONDS), restart.Locked):
        pass


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
    *map(diagnosis, PROBES.values()),
    *map(raising, ("error", "exit", "throw")),
    unknown_function,
    too_much_heap,
    too_slow,
    cancelled,
    too_long_an_answer,
    detached,
    detached_and_given_up,
    restarted,
    collected,
    key_deleted,
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


def words_of_expressions() -> set[str]:
    """What stands in the expressions of all probes and becomes an atom when a node reads it: names and variables."""
    expressions = {
        value
        for package in (probes, actions)
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        for value in vars(importlib.import_module(found.name)).values()
        if isinstance(value, Expression)
    }
    return {
        bare or quoted
        for each in expressions
        for _text_or_comment, quoted, bare in re.findall(
            r"""("(?:[^"\\]|\\.)*"|%.*)|'([^'\\]*)'|(?<![\w@$#])([a-zA-Z_][\w@]*)""", each.source
        )
        if bare or quoted
    }


async def unknown_to(session: Session, words: set[str]) -> set[str]:
    """Those of them that are no atom on the node yet."""
    unknown = set()
    for word in words:
        try:
            await ask(session, "erlang:binary_to_existing_atom", word.encode())
        except RemoteError:
            unknown.add(word)
    return unknown


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
    words = await unknown_to(session, words_of_expressions() | NAMED)
    modules, people, before = await loaded(session), await census(session), await count(session)
    names: set[str] = set()

    await ask_a_thousand(fresh_beam, session, names, seed=1)
    await settles_to(session, people)
    once, names_once = await count(session), len(names)
    assert without_atoms(once) == without_atoms(before)
    assert await unknown_to(session, words) == set(), "a probe is missing in PROBES"
    assert once["atoms"] - before["atoms"] - names_once == len(words)

    await ask_a_thousand(fresh_beam, session, names, seed=2)
    await settles_to(session, people)
    twice = await count(session)
    assert without_atoms(twice) == without_atoms(before)
    assert twice["atoms"] - once["atoms"] == len(names) - names_once
    assert await loaded(session) == modules
    session.close()
