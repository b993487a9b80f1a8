"""Erlang values that Python lacks, and how to compare and print any Erlang value.

How Erlang terms appear in Python, everywhere in this package:

=============== =======================================================================
integer         ``int``
float           ``float`` (finite: Erlang has no NaN and no infinity)
atom            `Atom`, also ``true``, ``false``, ``undefined`` and ``nil``
tuple           ``tuple``
proper list     ``list`` (an Erlang string is a list of integers)
improper list   `ImproperList`
binary          ``bytes``
bit string      `BitString`, when its length is no multiple of 8
map             `Map`
pid, port, ref  `Pid`, `Port`, `Reference`
fun             `ExportFun` for ``fun m:f/a``, `Fun` (opaque) for closures
=============== =======================================================================
"""

from __future__ import annotations

import re
import struct
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

MAX_ATOM_CHARACTERS: Final = 255  # erl_ext_dist, ATOM_UTF8_EXT: an atom has at most 255 characters

Term: TypeAlias = (
    "int | float | bytes | Atom | tuple[Term, ...] | list[Term] | Map | ImproperList"
    " | BitString | Pid | Port | Reference | ExportFun | Fun"
)


class Atom:
    """An Erlang atom: a name that is equal only to itself, never to a ``str``, ``bool`` or ``None``."""

    __slots__ = ("name",)

    name: str

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return self is other or (other.__class__ is Atom and self.name == other.name)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Atom({self.name!r})"


TRUE: Final = Atom("true")
FALSE: Final = Atom("false")
UNDEFINED: Final = Atom("undefined")


def _salted_hash(node: Atom, *numbers: int) -> int:
    return hash(f"{node.name} {numbers}")  # see `identity`


@dataclass(frozen=True, slots=True)
class Pid:
    """A process identifier. ``creation`` tells one life of the node from the next: the numbers repeat."""

    node: Atom
    id: int
    serial: int
    creation: int

    def __hash__(self) -> int:
        return _salted_hash(self.node, self.id, self.serial, self.creation)


@dataclass(frozen=True, slots=True)
class Port:
    """A port identifier."""

    node: Atom
    id: int
    creation: int

    def __hash__(self) -> int:
        return _salted_hash(self.node, self.id, self.creation)


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference: one to five 32-bit words, the first of them the least significant."""

    node: Atom
    creation: int
    words: tuple[int, ...]

    def __hash__(self) -> int:
        return _salted_hash(self.node, self.creation, *self.words)


@dataclass(frozen=True, slots=True)
class ExportFun:
    """``fun Module:Function/Arity``: travels as a name and runs compiled on whichever node applies it."""

    module: Atom
    function: Atom
    arity: int


@dataclass(frozen=True, slots=True)
class Fun:
    """A closure, kept as the bytes behind its tag: we can hand it back, and look at nothing inside."""

    data: bytes


@dataclass(frozen=True, slots=True)
class BitString:
    """Bits that do not fill the last byte: ``bits`` (1 to 7) of it count, from the most significant; the rest is 0."""

    data: bytes
    bits: int


@dataclass(frozen=True, slots=True)
class ImproperList:
    """``[a, b | tail]``: at least one element, and a tail that is no list."""

    elements: tuple[Term, ...]
    tail: Term


class Map:
    """An Erlang map. Keys are kept apart as Erlang's ``=:=`` does: ``1``, ``1.0``, ``true`` and ``[]`` are four keys.

    A Python ``dict`` would take ``1`` and ``1.0`` for one key and refuse lists, so entries are found by `identity`.
    """

    __slots__ = ("_entries",)

    def __init__(self, items: Iterable[tuple[Term, Term]] = ()) -> None:
        self._entries: dict[Hashable, tuple[Term, Term]] = {identity(key): (key, value) for key, value in items}

    def __getitem__(self, key: Term) -> Term:
        return self._entries[identity(key)][1]

    def get(self, key: Term, default: Term | None = None) -> Term | None:
        """Return the value of ``key``, or ``default``."""
        entry = self._entries.get(identity(key))
        return default if entry is None else entry[1]

    def __contains__(self, key: Term) -> bool:
        return identity(key) in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Term]:
        return (key for key, _ in self._entries.values())

    def items(self) -> Iterable[tuple[Term, Term]]:
        """Return the pairs of key and value, in no order that means anything."""
        return self._entries.values()

    def __eq__(self, other: object) -> bool:
        return other.__class__ is Map and identity(self) == identity(other)

    def __hash__(self) -> int:
        return hash(identity(self))

    def __repr__(self) -> str:
        return f"Map({list(self._entries.values())!r})"


# Python's hash of an integer is the integer, modulo 2^61 - 1, and that of a tuple follows from those of its elements: a
# node could choose keys that all have one hash, and each would be compared with every other. The hash of a text is
# salted, so integers are hashed as texts, but for small ones that are a key by themselves: these do not collide.
_HASHED_AS_ITSELF_BITS: Final = 60


def identity(term: Term) -> Hashable:
    """Return a value that is equal for two terms exactly when Erlang says ``=:=`` of them (OTP 27's, for ``-0.0``)."""
    if isinstance(term, int) and term.bit_length() <= _HASHED_AS_ITSELF_BITS:
        return term
    return _salted(term)


def _salted(term: Term) -> Hashable:
    if isinstance(term, (Atom, bytes)):  # most keys
        return term
    if isinstance(term, int):
        return f"{term:x}"
    if isinstance(term, float):
        return (float, struct.pack(">d", term))
    if isinstance(term, tuple):
        return (tuple, *map(_salted, term))
    if isinstance(term, list):
        return (list, *map(_salted, term))
    if isinstance(term, Map):
        return (Map, frozenset((_salted(key), _salted(value)) for key, value in term.items()))
    if isinstance(term, ImproperList):
        return (ImproperList, _salted(term.tail), *map(_salted, term.elements))
    return term


def format_pid(pid: Pid) -> str:
    """Print a pid as its own node's shell does: ``<0.123.0>``."""
    return f"<0.{pid.id}.{pid.serial}>"


# erl_scan:reserved_word/1, and the two that maybe expressions have added since
_RESERVED: Final = (
    "after|and|andalso|band|begin|bnot|bor|bsl|bsr|bxor|case|catch|cond|div|else|end|fun|if|let|maybe|not|of|or|orelse"
    "|receive|rem|try|when|xor"
)
RESERVED_WORDS: Final = frozenset(_RESERVED.split("|"))
_BARE_ATOM: Final = re.compile(rf"(?!(?:{_RESERVED})\Z)[a-z][A-Za-z0-9_@]*")
_MAX_PRINTED_BITS: Final = 256  # int.__str__ is quadratic, and raises above 4300 digits


def format_term(term: Term, max_characters: int = 400) -> str:
    """Print a term as Erlang would, for people: cut after ``max_characters``, whatever its size or depth."""
    pieces: list[str] = []
    length = 0
    stack: list[Term | _Literal] = [term]
    while stack:
        item = stack.pop()
        if isinstance(item, _Literal):
            piece = item.text
        else:
            piece, inner = _take_apart(item, max_characters)
            stack.extend(reversed(inner))
        pieces.append(piece)
        length += len(piece)
        if length > max_characters:
            return "".join(pieces)[:max_characters] + "..."
    return "".join(pieces)


@dataclass(frozen=True, slots=True)
class _Literal:
    text: str


_COMMA: Final = _Literal(",")


def _take_apart(term: Term, max_elements: int) -> tuple[str, list[Term | _Literal]]:
    """Split a term into what is printed first and what is left to print."""
    if isinstance(term, tuple):
        return "{", [*_between(term[:max_elements]), _Literal("}")]
    if isinstance(term, list):
        text = _as_text(term)
        return (text, []) if text else ("[", [*_between(term[:max_elements]), _Literal("]")])
    if isinstance(term, ImproperList):
        return "[", [*_between(term.elements[:max_elements]), _Literal("|"), term.tail, _Literal("]")]
    if isinstance(term, Map):
        pairs: list[Term | _Literal] = []
        for key, value in list(term.items())[:max_elements]:
            pairs += [_COMMA, key, _Literal("=>"), value]
        return "#{", [*pairs[1:], _Literal("}")]
    return _format_flat(term, max_elements), []


def _between(elements: Iterable[Term]) -> list[Term | _Literal]:
    separated: list[Term | _Literal] = []
    for element in elements:
        separated += [_COMMA, element]
    return separated[1:]


def _as_text(term: list[Term]) -> str:
    """Print a list of printable character codes as Erlang's shell does; the empty string when it is none."""
    if not term or len(term) > MAX_ATOM_CHARACTERS:
        return ""
    if all(isinstance(code, int) and 32 <= code < 127 for code in term):
        return '"' + bytes(term).decode("ascii").replace("\\", "\\\\").replace('"', '\\"') + '"'  # type: ignore[arg-type]  # all are integers
    return ""


def _format_flat(term: Term, max_bytes: int) -> str:
    match term:
        case bytes():
            return _format_binary(term[:max_bytes])
        case BitString(data, bits):
            return "<<" + ",".join([*map(str, data[:-1][:max_bytes]), f"{data[-1] >> (8 - bits)}:{bits}"]) + ">>"
        case Atom(name=name):
            return _format_atom(name)
        case int() if term.bit_length() > _MAX_PRINTED_BITS:
            return f"#Integer<{term.bit_length()} bits>"
        case int():
            return repr(term)
        case float():
            return _format_float(term)
    return _format_identifier(term)


def _format_float(value: float) -> str:
    mantissa, e, exponent = repr(value).partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}e{int(exponent)}" if e else mantissa


def _format_binary(data: bytes) -> str:
    if data and data.isascii() and data.decode("ascii").isprintable():
        return '<<"' + data.decode("ascii").replace("\\", "\\\\").replace('"', '\\"') + '">>'
    return "<<" + ",".join(map(str, data)) + ">>"


def _format_identifier(term: Term) -> str:
    match term:
        case Pid():
            return format_pid(term)
        case Port(id=port_id):
            return f"#Port<0.{port_id}>"
        case Reference(words=words):
            return "#Ref<0." + ".".join(str(word) for word in reversed(words)) + ">"
        case ExportFun(module, function, arity):
            return f"fun {_format_atom(module.name)}:{_format_atom(function.name)}/{arity}"
    return "#Fun<>"


def _format_atom(name: str) -> str:
    if _BARE_ATOM.fullmatch(name):
        return name
    return "'" + "".join(map(_escape, name)) + "'"


def _escape(character: str) -> str:
    if character in "'\\":
        return "\\" + character
    # The name may come from anybody: it must not begin a line in a log nor give orders to a terminal.
    return character if character.isprintable() else f"\\x{{{ord(character):x}}}"
