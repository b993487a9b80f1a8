"""Supervisors as a node tells them, for the tests of what reads that."""

from __future__ import annotations

from agent.terms import FALSE, UNDEFINED, Atom, Pid, Term
from tests.agent.probes.process_terms import NODE, function

NONE = Atom("none")
NAME = Atom("a_sup")
STRATEGY = Atom("one_for_one")
OTP_CALL: Term = (Atom("noted"), (Atom("supervisor"), Atom("tai_sup"), 1))


def pid(number: int) -> Pid:
    return Pid(NODE, number, 0, 77)


def columns(*children: tuple[Term, ...], dead: Term = (), elsewhere: Term = ()) -> tuple[Term, ...]:
    """Children as ``supervision_tree.expr`` gives them: each is (id, process, type)."""
    ids, processes, types = ([child[index] for child in children] for index in range(3))
    number = len(children)
    same: list[Term] = [Atom("permanent"), 5000, FALSE, [Atom("tai_worker")]]
    restarts, shutdowns, significants, modules = ([each] * number for each in same)
    return (
        ids,
        processes,
        types,
        restarts,
        shutdowns,
        significants,
        modules,
        list(dead) if isinstance(dead, tuple) else dead,
        list(elsewhere) if isinstance(elsewhere, tuple) else elsewhere,
    )


def worker(name: str, process: Term) -> tuple[Term, ...]:
    return (name.encode(), process, Atom("worker"))


def declared(name: str, process: Term) -> tuple[Term, ...]:
    """A child that is declared a supervisor."""
    return (name.encode(), process, Atom("supervisor"))


def told(
    listed: Term,
    *,
    shape: str = "record",
    module: Term = UNDEFINED,
    strategy: Term = STRATEGY,
    budget: tuple[Term, Term, Term] = (5, 60, 0),
) -> tuple[Term, ...]:
    """What a supervisor says when it is asked."""
    return (Atom(shape), module, strategy, *budget, listed)


def looked_at(answer: Term, *, status: str = "idle", name: Term = NAME, call: Term = OTP_CALL) -> tuple[Term, ...]:
    """A supervisor as ``supervisor.expr`` gives it."""
    where = function("gen_server", "loop", 7) if status == "idle" else function("proc_lib", "sync_start_link", 2)
    return (Atom(status), name, call, where, 0, 1_000, answer)


def running(*children: tuple[Term, ...], name: Term = NAME, **options: Term) -> tuple[Term, ...]:
    return looked_at(told((Atom("listed"), columns(*children, **options))), name=name)
