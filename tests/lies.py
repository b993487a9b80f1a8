"""Answers that a node gives that lies, made of the answer that it should give."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st

from agent.terms import FALSE, TRUE, UNDEFINED, Term
from tests.terms_strategies import ALIKE, TERMS

NEAR_MISSES: list[Term] = [-1, 1 << 70, 1.0, UNDEFINED, TRUE, FALSE, [], ()]


def replaced(terms: tuple[Term, ...], index: int, term: Term) -> tuple[Term, ...]:
    """The same tuple with one element that is something else."""
    return (*terms[:index], term, *terms[index + 1 :])


def every_small_lie(truth: Term) -> Iterator[Term]:
    """``truth`` with each of its parts, and all of it, replaced by each of many terms; and with each part left out."""
    yield from (*ALIKE, *NEAR_MISSES)
    if isinstance(truth, list | tuple):
        for index, part in enumerate(truth):
            for lie in every_small_lie(part):
                yield _like(truth, [*truth[:index], lie, *truth[index + 1 :]])
            yield _like(truth, [*truth[:index], *truth[index + 1 :]])


@st.composite
def lies(draw: st.DrawFn, truth: Term) -> Term:
    """``truth`` with one of its parts, or all of it, left out or replaced by any term."""
    if not isinstance(truth, list | tuple) or not truth or draw(st.integers(0, 9)) == 0:
        return draw(TERMS)
    index = draw(st.integers(0, len(truth) - 1))
    part = [draw(lies(truth[index]))] if draw(st.booleans()) else []
    return _like(truth, [*truth[:index], *part, *truth[index + 1 :]])


def _like(truth: Term, parts: list[Term]) -> Term:
    return parts if isinstance(truth, list) else tuple(parts)
