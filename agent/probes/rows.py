"""What the answers of several expressions have in common, read with the same strictness: a node may lie."""

from __future__ import annotations

from typing import Final

from agent.errors import UnexpectedAnswer
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Pid, Term, format_pid, format_term

MAX_COUNT_BITS: Final = 64  # an emulator's counters have 64 bits at most
MAX_TEXT_BYTES: Final = 1024


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
