"""Processes as a node tells them, for the tests of what reads that."""

from __future__ import annotations

from agent.terms import Atom, Pid, Term

NODE = Atom("tai@127.0.0.1")
PARENT = Pid(NODE, 50, 0, 77)


def pid(number: int) -> Pid:
    return Pid(NODE, number, 0, 77)


def function(module: str, name: str, arity: int) -> Term:
    return (Atom(module), Atom(name), arity)


def row(number: int, memory: Term = 2_688, queue: Term = 0, reductions: Term = 500) -> tuple[Term, ...]:
    """A process as ``process_row.expr`` gives it."""
    return (
        pid(number),
        [],
        function("tai_governor", "init", 1),
        PARENT,
        Atom("billing_sup"),
        function("gen_server", "loop", 7),
        Atom("waiting"),
        reductions,
        memory,
        queue,
    )
