"""Hypothesis strategies for Erlang terms, `TERMS` for all of them nested in each other, and for bytes that were terms.

Small sizes on purpose: what breaks a codec is a boundary or a combination, and both come sooner in small terms. The
boundaries of sizes (a tuple of 256, a list of 65,536 bytes) are vectors of `tests/agent/test_etf.py`.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from agent.etf import encode, tags
from agent.terms import (
    FALSE,
    TRUE,
    UNDEFINED,
    Atom,
    BitString,
    ExportFun,
    Fun,
    ImproperList,
    Map,
    Pid,
    Port,
    Reference,
    Term,
)

# No deadline: these machines are shared, and a slow example is no mistake. The everyday form looks at the same
# examples each time, so that a red test is the fault of the change; the long form looks for new ones.
# How many a generated test makes that names no number of its own: EXAMPLES=1000 makes more of the everyday form.
EXAMPLES: Final = int(os.environ.get("EXAMPLES", "50"))
QUICK: Final = settings(deadline=None, derandomize=True, database=None, max_examples=EXAMPLES)
LONG: Final = settings(deadline=None, max_examples=10_000)

# Terms that are one to Python's `==`, or to whoever thinks of them as text, and all different to Erlang.
_ZEROS: Final[list[Term]] = [0, 0.0, -0.0, FALSE, Atom("0"), b"0", [48], b"\0", [0], BitString(b"\0", 1)]
_ONES: Final[list[Term]] = [1, 1.0, TRUE, Atom("1"), b"1", [49], b"\1", [1], BitString(b"\x80", 1)]
_NOTHINGS: Final[list[Term]] = [[], (), b"", Atom(""), Map(), UNDEFINED, Atom("nil"), Atom("none"), b"[]"]
_IN_TUPLES: Final[list[Term]] = [(1,), (1.0,), (TRUE,), ([1],), ((1,),), (0,), (0.0,), (-0.0,), ([],), ((),)]
_IN_LISTS: Final[list[Term]] = [[(1,)], [1.0], [TRUE], [[1]], [1, 1], [0.0], [-0.0], [[]], [()]]
_IN_IMPROPER: Final[list[Term]] = [
    ImproperList((head,), tail) for head in _ONES[:3] for tail in (*_ONES[:3], 0.0, -0.0)
]
_IN_MAPS: Final[list[Term]] = [Map([(key, value)]) for key in (*_ONES[:3], 0.0, -0.0) for value in _ONES[:3]]
ALIKE: Final = [*_ZEROS, *_ONES, *_NOTHINGS, *_IN_TUPLES, *_IN_LISTS, *_IN_IMPROPER, *_IN_MAPS]

# Where OTP changes the tag, or the form in its own memory.
_BOUNDARIES: Final = sorted(
    {
        sign * (1 << bits) + near
        for bits in (0, 8, 16, 27, 28, 31, 32, 59, 60, 63, 64, 2040, 2048)
        for sign in (1, -1)
        for near in (-1, 0, 1)
    }
)
_CHARACTERS: Final = st.characters(codec="utf-8")
_U32: Final = st.integers(0, (1 << 32) - 1)
_U64: Final = st.integers(0, (1 << 64) - 1)


def _bit_string(data: bytes, bits: int) -> BitString:
    return BitString(data[:-1] + bytes([data[-1] >> (8 - bits) << (8 - bits)]), bits)


def _no_list(term: Term) -> Term:
    """A term that can be a tail: one that is a list becomes a tuple."""
    if isinstance(term, ImproperList):
        return term.elements
    return tuple(term) if isinstance(term, list) else term


def _fun(contents: bytes) -> Fun:
    return Fun(struct.pack(">I", 4 + len(contents)) + contents)


INTEGERS: Final[SearchStrategy[Term]] = st.one_of(
    st.integers(), st.sampled_from(_BOUNDARIES), st.integers(-(1 << 2100), 1 << 2100)
)
FLOATS: Final[SearchStrategy[Term]] = st.floats(allow_nan=False, allow_infinity=False)
ATOMS: Final[SearchStrategy[Atom]] = st.one_of(
    st.sampled_from(["ok", "error", "true", "false", "undefined", "nil", "", "end", "hello world", "caf\xe9"]),
    st.text(_CHARACTERS, max_size=12),
    st.builds(str.__mul__, _CHARACTERS, st.sampled_from([63, 64, 127, 128, 255])),
).map(Atom)
BINARIES: Final[SearchStrategy[Term]] = st.binary(max_size=40)
BIT_STRINGS: Final[SearchStrategy[Term]] = st.builds(_bit_string, st.binary(min_size=1, max_size=10), st.integers(1, 7))
STRINGS: Final[SearchStrategy[Term]] = st.one_of(
    st.binary(max_size=40).map(list), st.text(_CHARACTERS, max_size=20).map(lambda text: [ord(c) for c in text])
)
EXPORT_FUNS: Final[SearchStrategy[Term]] = st.builds(ExportFun, ATOMS, ATOMS, st.integers(0, 255))
FUNS: Final[SearchStrategy[Term]] = st.binary(min_size=25, max_size=60).map(_fun)


def pids(nodes: SearchStrategy[Atom], creations: SearchStrategy[int] = _U32) -> SearchStrategy[Term]:
    return st.builds(Pid, nodes, _U32, _U32, creations)


def ports(nodes: SearchStrategy[Atom], creations: SearchStrategy[int] = _U32) -> SearchStrategy[Term]:
    return st.builds(Port, nodes, st.one_of(st.integers(0, (1 << 28) + 1), _U64), creations)


def references(
    nodes: SearchStrategy[Atom], creations: SearchStrategy[int] = _U32, first_words: SearchStrategy[int] = _U32
) -> SearchStrategy[Term]:
    words = st.builds(lambda first, others: (first, *others), first_words, st.lists(_U32, max_size=4))
    return st.builds(Reference, nodes, creations, words)


def containers(inner: SearchStrategy[Term]) -> SearchStrategy[Term]:
    """Every term that has terms inside, around ``inner``."""
    elements = st.lists(inner, max_size=4)
    return st.one_of(
        elements,
        elements.map(tuple),
        st.lists(st.tuples(inner, inner), max_size=4).map(Map),
        st.builds(ImproperList, st.lists(inner, min_size=1, max_size=4).map(tuple), inner.map(_no_list)),
    )


def nested(flat: SearchStrategy[Term]) -> SearchStrategy[Term]:
    """``flat``, alone and inside of each other."""
    return st.recursive(flat, containers, max_leaves=8)


_PORTABLE: Final[SearchStrategy[Term]] = st.one_of(
    INTEGERS, FLOATS, ATOMS, BINARIES, BIT_STRINGS, STRINGS, EXPORT_FUNS, st.sampled_from(ALIKE)
)
_LEAVES: Final[SearchStrategy[Term]] = st.one_of(_PORTABLE, pids(ATOMS), ports(ATOMS), references(ATOMS), FUNS)


# Functions, because Hypothesis prints strategies, and would print all of these again at each level of nesting.
@st.composite
def portable(draw: st.DrawFn) -> Term:
    """What every node can have, whichever it is."""
    return draw(_PORTABLE)


@st.composite
def leaves(draw: st.DrawFn) -> Term:
    """Every term that has no terms inside."""
    return draw(_LEAVES)


TERMS: Final[SearchStrategy[Term]] = nested(leaves())


# --- bytes that were terms --------------------------------------------------------------------------------------------

_VECTORS: Final = [
    bytes.fromhex(vector["hex"])
    for file in sorted((Path(__file__).parent / "vectors").glob("*.json"))
    for vector in json.loads(file.read_text())["vectors"]
]
# The four with tens of thousands of equal elements would only be slow.
VECTORS: Final = sorted({vector for vector in _VECTORS if len(vector) < 5_000})
TAGS: Final = sorted(
    number for name, number in vars(tags).items() if name.endswith("_EXT") or name in ("COMPRESSED", "VERSION")
)
_SIZES: Final = [0, 1, 2, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
_ENCODED: Final = st.one_of(st.sampled_from(VECTORS), TERMS.map(encode))

DAMAGES: Final[dict[str, Callable[[bytes, int, int, int], bytes]]] = {
    "flip": lambda d, start, _, number: (
        d[:start] + bytes(b ^ 1 << number % 8 for b in d[start : start + 1]) + d[start + 1 :]
    ),
    "replace by a tag": lambda d, start, _, number: d[:start] + bytes([TAGS[number % len(TAGS)]]) + d[start + 1 :],
    "delete": lambda d, start, end, _: d[:start] + d[end:],
    "cut": lambda d, _, end, __: d[:end],
    "insert": lambda d, start, _, number: d[:start] + number.to_bytes(2, "big") + d[start:],
    "insert a tag": lambda d, start, _, number: d[:start] + bytes([TAGS[number % len(TAGS)]]) + d[start:],
    "duplicate": lambda d, start, end, _: d[:end] + d[start:end] + d[end:],
    "repeat": lambda d, start, end, number: d[:start] + d[start:end] * (number % 400) + d[end:],
    "change a size": lambda d, start, _, number: d[:start] + _SIZES[number % 9].to_bytes(4, "big") + d[start + 4 :],
    "change a small size": lambda d, start, _, number: d[:start] + number.to_bytes(2, "big") + d[start + 2 :],
}


def damage(data: bytes, how: str, places: tuple[int, int], number: int) -> bytes:
    """Damage an encoded term between two places. Its version byte is left alone: without it, nothing is looked at."""
    start, end = sorted(1 + place % len(data) for place in places)
    return DAMAGES[how](data, start, end, number)


@st.composite
def damaged_terms(draw: st.DrawFn) -> bytes:
    """Encoded terms with one to three damages."""
    data = draw(_ENCODED)
    for _ in range(draw(st.integers(1, 3))):
        places = st.integers(0, len(data) - 1)
        how = draw(st.sampled_from(sorted(DAMAGES)))
        data = damage(data, how, (draw(places), draw(places)), draw(st.integers(0, 0xFFFF)))[:20_000]
    return data
