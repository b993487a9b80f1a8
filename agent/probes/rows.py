"""What the answers of several expressions have in common, read with the same strictness: a node may lie."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice, pairwise
from typing import Final

from agent.errors import UnexpectedAnswer
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Pid, Term, format_pid, format_term

MAX_COUNT_BITS: Final = 64  # an emulator's counters have 64 bits at most
MAX_TEXT_BYTES: Final = 2048  # a term is printed in 200 characters, but for an atom at their end, which is not cut
MAX_NAME_CHARACTERS: Final = 255  # of an atom
MAX_NAME_BYTES: Final = 4 * MAX_NAME_CHARACTERS

NEAREST: Final = 5
MAX_KNOWN_NAMES: Final = 2_000
LEAST_LIKENESS: Final = 0.4  # 1 is the same name; governor_sup and governance_sup are 0.71 alike


def count(term: Term) -> int:
    """Return a count or a size. Raises `UnexpectedAnswer` for what is none."""
    if isinstance(term, int) and term >= 0 and term.bit_length() <= MAX_COUNT_BITS:
        return term
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for a count")


def optional_count(term: Term) -> int | None:
    """Return a count, or None for ``undefined``."""
    return None if term == UNDEFINED else count(term)


def counts(term: Term) -> tuple[int, ...]:
    """Return a list of counts."""
    return tuple(count(each) for each in elements(term))


def elements(term: Term) -> list[Term]:
    """Return the elements of a list."""
    if isinstance(term, list):
        return term
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for a list")


def pid(term: Term) -> str:
    """Print a pid as on its own node."""
    if isinstance(term, Pid):
        return format_pid(term)
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for a pid")


def optional_pid(term: Term) -> str | None:
    """Print a pid; None for ``undefined``."""
    return None if term == UNDEFINED else pid(term)


def pid_seen_from(term: Term, own: Term) -> str | None:
    """Print a pid as on its own node, and where that is unless it is the node of ``own``; None for ``undefined``."""
    printed = optional_pid(term)
    if isinstance(term, Pid) and isinstance(own, Pid) and term.node != own.node:
        return f"{printed} on {term.node.name}"
    return printed


def name(term: Term) -> str | None:
    """Return a name as it is, without quotes; None for ``undefined``, and for ``[]`` as process_info has it."""
    if term in (UNDEFINED, []):
        return None
    return atom(term)


def atom(term: Term) -> str:
    """Return an atom's name as it is, without quotes."""
    if isinstance(term, Atom):
        return term.name
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for an atom")


def boolean(term: Term) -> bool:
    """Return true or false."""
    if term in (TRUE, FALSE):
        return term == TRUE
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for true or false")


def function(term: Term) -> str | None:
    """Print ``{M, F, A}`` as ``m:f/a``, quoted as Erlang does; None for ``undefined``. A may be a list of arguments."""
    match term:
        case (Atom() as module, Atom() as called, int() as arity) if 0 <= arity <= 255:
            return f"{format_term(module)}:{format_term(called)}/{arity}"
        case (Atom() as module, Atom() as called, list() as arguments):
            return f"{format_term(module)}:{format_term(called)}/{len(arguments)}"
    if term == UNDEFINED:
        return None
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for a function")


def text(term: Term) -> str:
    """Return what the node has printed. Bytes that are no UTF-8 are replaced."""
    if isinstance(term, bytes) and len(term) <= MAX_TEXT_BYTES:
        return term.decode(errors="replace")
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for a printed term")


def nearest(wanted: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the names that look most like the wanted one, the nearest first: at most 5, or none when none does.

    By the pairs of letters that two names share. That takes the same short time for every name: a node that gives
    thousands of long ones, made to be compared slowly, holds nothing up.
    """
    letters = _pairs(wanted)
    alike = ((_likeness(letters, _pairs(name)), name) for name in islice(known, MAX_KNOWN_NAMES))
    near = {(-likeness, name) for likeness, name in alike if likeness >= LEAST_LIKENESS}
    return tuple(name for _, name in sorted(near)[:NEAREST])


def _pairs(name: str) -> set[tuple[str, str]]:
    # A blank on either side, so that the first and the last letter count, and a single one is a pair.
    return set(pairwise(f" {name[:MAX_NAME_CHARACTERS].lower()} "))


def _likeness(one: set[tuple[str, str]], other: set[tuple[str, str]]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))
