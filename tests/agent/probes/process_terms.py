"""Processes as a node tells them, for the tests of what reads that."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Pid, Term
from tests.terms_strategies import TERMS

NODE = Atom("tai@127.0.0.1")
PARENT = Pid(NODE, 50, 0, 77)
NEAR_MISSES: list[Term] = [-1, 1 << 70, 1.0, UNDEFINED, TRUE, FALSE, [], ()]


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


def replaced(terms: tuple[Term, ...], index: int, term: Term) -> tuple[Term, ...]:
    """The same tuple with one element that is something else."""
    return (*terms[:index], term, *terms[index + 1 :])


def lies(truth: Term) -> SearchStrategy[Term]:
    """``truth`` with one of its parts, or all of it, replaced by any term."""
    return st.one_of(TERMS, _somewhere(truth))


@st.composite
def _somewhere(draw: st.DrawFn, truth: Term) -> Term:
    if not isinstance(truth, list | tuple) or not truth or draw(st.integers(0, 4)) == 0:
        return draw(st.one_of(TERMS, st.sampled_from(NEAR_MISSES)))
    index = draw(st.integers(0, len(truth) - 1))
    part = [draw(_somewhere(truth[index]))] if draw(st.booleans()) else []
    parts: list[Term] = [*truth[:index], *part, *truth[index + 1 :]]
    return parts if isinstance(truth, list) else tuple(parts)
