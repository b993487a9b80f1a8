"""Bytes to terms, trusting nothing."""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from agent.errors import DecodeError, LimitExceeded
from agent.etf import tags
from agent.terms import (
    MAX_ATOM_CHARACTERS,
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

MAX_TERM_BYTES: Final = 16 * 1024 * 1024  # no question of ours has an answer of this size; a caller may allow less
MAX_TERMS: Final = 1_000_000  # one takes up to 140 bytes here, besides what it has on the wire


@dataclass(frozen=True, slots=True)
class Limits:
    """What a decoded term may take: bytes on the wire (also when decompressed), nesting, and terms in all."""

    max_bytes: int = MAX_TERM_BYTES
    max_depth: int = tags.MAX_TERM_DEPTH
    max_terms: int = MAX_TERMS


DEFAULT_LIMITS: Final = Limits()


def decode(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Term:
    """Decode one term that fills ``data``, version byte included. Raises `DecodeError`."""
    term, end = decode_prefix(data, limits)
    if end != len(data):
        raise DecodeError(f"{len(data) - end} bytes follow the term")
    return term


def decode_prefix(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[Term, int]:
    """Decode the term at the start of ``data``; return it and the offset of what follows. Raises `DecodeError`."""
    if data[1:2] == bytes([tags.COMPRESSED]) and data[0] == tags.VERSION:
        inflated, end = _inflate(data, limits)
        reader = Reader(inflated, 0, limits)
        term = reader.term()
        if reader.position != len(inflated):
            raise DecodeError(f"{len(inflated) - reader.position} bytes follow the compressed term")
        return term, end
    reader = Reader(data, 0, limits)
    reader.version()
    return reader.term(), reader.position


def _inflate(data: bytes, limits: Limits) -> tuple[bytes, int]:
    if len(data) < 6:
        raise DecodeError("the term ends too early")
    size = int.from_bytes(data[2:6], "big")
    if max(size, len(data)) > limits.max_bytes:
        raise LimitExceeded(
            f"a compressed term of {max(size, len(data))} bytes is over the limit of {limits.max_bytes}"
        )
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(data[6:], size + 1)
    except zlib.error as error:
        raise DecodeError(f"compressed data is damaged: {error}") from None
    if len(inflated) != size or not inflater.eof:
        raise DecodeError("compressed data has not the length that it says")
    return inflated, len(data) - len(inflater.unused_data)


class Reader:
    """A cursor over encoded terms, for those who want to read only the start of a long one.

    ``position`` is the offset of the next byte. Every method raises `DecodeError`, and nothing else.
    """

    __slots__ = ("_data", "_limits", "_terms_left", "position")

    def __init__(self, data: bytes, position: int = 0, limits: Limits = DEFAULT_LIMITS) -> None:
        if len(data) - position > limits.max_bytes:
            raise LimitExceeded(f"a term of {len(data) - position} bytes is over the limit of {limits.max_bytes}")
        self._data = data
        self._limits = limits
        self._terms_left = limits.max_terms
        self.position = position

    def version(self) -> None:
        """Pass the version byte that begins each term."""
        if (found := self.byte()) != tags.VERSION:
            raise DecodeError(f"a term begins with 131, not with {found}")

    def term(self, depth: int = 0) -> Term:
        """Read the next term, which is inside of ``depth`` others."""
        return self.elements(1, depth)[0]

    def elements(self, count: int, depth: int) -> list[Term]:
        """Read the next ``count`` terms, which are inside of ``depth`` others.

        One loop does it all: most of the time that a term takes goes into calls, and each level of nesting has to do
        with two of Python's frames.
        """
        if count and depth > self._limits.max_depth:
            raise LimitExceeded(f"terms nest deeper than {self._limits.max_depth}")
        data, terms, inside = self._data, [], depth + 1
        for _ in range(count):
            try:
                read = _READERS[data[self.position]]
            except IndexError:
                raise DecodeError("the term ends too early") from None
            except KeyError as tag:
                raise DecodeError(f"tag {tag} at byte {self.position} is not one that a peer may send") from None
            self.position += 1
            terms.append(read(self, inside))
        return terms

    def tuple_arity(self) -> int:
        """Read the head of a tuple; its elements are the next terms."""
        tag = self.byte()
        if tag == tags.SMALL_TUPLE_EXT:
            return self.byte()
        if tag == tags.LARGE_TUPLE_EXT:
            return self.unsigned(4)
        raise DecodeError(f"a tuple was expected, not tag {tag}")

    def byte(self) -> int:
        """Read one byte."""
        try:
            value = self._data[self.position]
        except IndexError:
            raise DecodeError("the term ends too early") from None
        self.position += 1
        return value

    def take(self, size: int) -> bytes:
        """Read ``size`` bytes."""
        start = self.position
        end = start + size
        if end > len(self._data):
            raise DecodeError(f"{size} bytes are announced and {len(self._data) - start} are there")
        self.position = end
        return self._data[start:end]

    def unsigned(self, size: int) -> int:
        """Read a big-endian unsigned integer of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def announced(self, terms: int) -> int:
        """Count terms that follow; return their number, once the limits and the bytes that are there allow as many."""
        self.count(terms)
        if terms > len(self._data) - self.position:  # the shortest term takes one byte
            raise DecodeError(f"{terms} terms are announced and {len(self._data) - self.position} bytes are there")
        return terms

    def count(self, terms: int) -> None:
        """Count terms that are about to be read, and what takes as much memory."""
        self._terms_left -= terms
        if self._terms_left < 0:
            raise LimitExceeded(f"more than {self._limits.max_terms} terms in one")

    def atom(self) -> Atom:
        """Read a term that must be an atom; anything else is not entered (pids in pids would nest unseen).

        Such an atom is part of an identifier, which takes as much memory as three terms.
        """
        self.count(2)
        read = _ATOM_READERS.get(tag := self.byte())
        if read is None:
            raise DecodeError(f"an atom was expected, not tag {tag}")
        return read(self, 0)


def _read_atom(reader: Reader, size: int, encoding: str) -> Atom:
    name = reader.take(size)
    return _known_atom(name, encoding) if size <= _MAX_KNOWN_ATOM_BYTES else _new_atom(name, encoding)


def _new_atom(name: bytes, encoding: str) -> Atom:
    try:
        text = name.decode(encoding)
    except UnicodeDecodeError:
        raise DecodeError("an atom is not valid UTF-8") from None
    if len(text) > MAX_ATOM_CHARACTERS:
        raise DecodeError(f"an atom of {len(text)} characters is over the limit of {MAX_ATOM_CHARACTERS}")
    return Atom(text)


# The same few hundred names come again and again. A flood of others pushes each other out, and holds at most 2 MB.
_known_atom = lru_cache(maxsize=3072)(_new_atom)
_MAX_KNOWN_ATOM_BYTES: Final = 64


def _read_big(reader: Reader, size: int) -> int:
    sign = reader.byte()
    if sign > 1:
        raise DecodeError(f"the sign of an integer is 0 or 1, not {sign}")
    magnitude = int.from_bytes(reader.take(size), "little")
    return -magnitude if sign else magnitude


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise DecodeError("Erlang has no infinite float and no NaN")
    return value


_OLD_FLOAT: Final = re.compile(rb"\s*-?[0-9]+\.[0-9]+(e[-+]?[0-9]+)?\x00*", re.ASCII)


def _read_old_float(reader: Reader, _depth: int) -> float:
    text = reader.take(31)
    if not _OLD_FLOAT.fullmatch(text):
        raise DecodeError("FLOAT_EXT holds no number")
    return _finite(float(text.rstrip(b"\0")))


def _read_string(reader: Reader, _depth: int) -> list[Term]:
    size = reader.unsigned(2)
    reader.count(size)
    return list(reader.take(size))


def _read_list(reader: Reader, depth: int) -> Term:
    elements = reader.elements(reader.announced(reader.unsigned(4)) + 1, depth)
    tail = elements.pop()
    if isinstance(tail, list):
        return elements + tail if tail else elements
    if not elements:
        return tail
    if isinstance(tail, ImproperList):
        return ImproperList((*elements, *tail.elements), tail.tail)
    return ImproperList(tuple(elements), tail)


_MAP_TERMS: Final = 4  # a map and its index take as much memory as so many terms, and each pair as two more


def _read_map(reader: Reader, depth: int) -> Map:
    arity = reader.unsigned(4)
    reader.count(_MAP_TERMS + 2 * arity)
    flat = reader.elements(reader.announced(2 * arity), depth)
    for key in flat[::2]:
        if isinstance(key, tuple | list | Map | ImproperList):
            reader.count(_terms_in(key))
    pairs = iter(flat)
    entries = Map(zip(pairs, pairs, strict=True))
    if len(entries) != arity:
        raise DecodeError("a map has the same key twice")
    return entries


def _terms_in(key: Term) -> int:
    """Count the terms of a key once more: it is kept beside a copy of it by which it is found (`terms.identity`)."""
    found, count = [key], 0
    while found:  # not by calling itself: this stands on top of as many frames as the key is deep
        term = found.pop()
        count += _MAP_TERMS if isinstance(term, Map) else 1
        if isinstance(term, tuple | list):
            found.extend(term)
        elif isinstance(term, ImproperList):
            found.extend((*term.elements, term.tail))
        elif isinstance(term, Map):
            found.extend(part for pair in term.items() for part in pair)
    return count


def _read_bits(reader: Reader, _depth: int) -> bytes | BitString:
    size, bits = reader.unsigned(4), reader.byte()
    data = reader.take(size)
    if not 1 <= bits <= 8 or not data:
        if not data and bits == 0:
            return b""
        raise DecodeError(f"a bit string of {size} bytes cannot have {bits} bits in the last")
    if bits == 8:
        return data
    return BitString(data[:-1] + bytes([data[-1] & (0xFF00 >> bits) & 0xFF]), bits)


def _read_reference(reader: Reader, creation_size: int) -> Reference:
    count = reader.unsigned(2)
    if not 1 <= count <= tags.MAX_REFERENCE_WORDS:
        raise DecodeError(f"a reference has 1 to {tags.MAX_REFERENCE_WORDS} words, not {count}")
    reader.count(count)
    node, creation = reader.atom(), reader.unsigned(creation_size)
    return Reference(node, creation, struct.unpack(f">{count}I", reader.take(4 * count)))


def _read_old_reference(reader: Reader, _depth: int) -> Reference:
    node, word = reader.atom(), reader.unsigned(4)
    return Reference(node, reader.byte(), (word,))


def _read_pid(reader: Reader, numbers: struct.Struct) -> Pid:
    return Pid(reader.atom(), *numbers.unpack(reader.take(numbers.size)))


def _read_port(reader: Reader, numbers: struct.Struct) -> Port:
    return Port(reader.atom(), *numbers.unpack(reader.take(numbers.size)))


def _read_fun(reader: Reader, _depth: int) -> Fun:
    size = reader.unsigned(4)
    if size < tags.MIN_NEW_FUN_BYTES:
        raise DecodeError(f"a fun takes at least {tags.MIN_NEW_FUN_BYTES} bytes, not {size}")
    return Fun(size.to_bytes(4, "big") + reader.take(size - 4))


def _read_export(reader: Reader, _depth: int) -> ExportFun:
    module, function = reader.atom(), reader.atom()
    if reader.byte() != tags.SMALL_INTEGER_EXT:
        raise DecodeError("the arity of a fun is an integer of one byte")
    return ExportFun(module, function, reader.byte())


# ID, Serial, Creation of pids; ID, Creation of ports.
_III, _IIB = struct.Struct(">III"), struct.Struct(">IIB")
_IB, _II, _QI = struct.Struct(">IB"), struct.Struct(">II"), struct.Struct(">QI")
_INT = struct.Struct(">i")

_ATOM_READERS: Final[dict[int, Callable[[Reader, int], Atom]]] = {
    tags.ATOM_EXT: lambda r, _: _read_atom(r, r.unsigned(2), "latin-1"),
    tags.SMALL_ATOM_EXT: lambda r, _: _read_atom(r, r.byte(), "latin-1"),
    tags.ATOM_UTF8_EXT: lambda r, _: _read_atom(r, r.unsigned(2), "utf-8"),
    tags.SMALL_ATOM_UTF8_EXT: lambda r, _: _read_atom(r, r.byte(), "utf-8"),
}

_READERS: Final[dict[int, Callable[[Reader, int], Term]]] = {
    **_ATOM_READERS,
    tags.SMALL_INTEGER_EXT: lambda r, _: r.byte(),
    tags.INTEGER_EXT: lambda r, _: _INT.unpack(r.take(4))[0],
    tags.SMALL_BIG_EXT: lambda r, _: _read_big(r, r.byte()),
    tags.LARGE_BIG_EXT: lambda r, _: _read_big(r, r.unsigned(4)),
    tags.NEW_FLOAT_EXT: lambda r, _: _finite(struct.unpack(">d", r.take(8))[0]),
    tags.FLOAT_EXT: _read_old_float,
    tags.SMALL_TUPLE_EXT: lambda r, depth: tuple(r.elements(r.announced(r.byte()), depth)),
    tags.LARGE_TUPLE_EXT: lambda r, depth: tuple(r.elements(r.announced(r.unsigned(4)), depth)),
    tags.NIL_EXT: lambda _, __: [],
    tags.STRING_EXT: _read_string,
    tags.LIST_EXT: _read_list,
    tags.MAP_EXT: _read_map,
    tags.BINARY_EXT: lambda r, _: r.take(r.unsigned(4)),
    tags.BIT_BINARY_EXT: _read_bits,
    tags.PID_EXT: lambda r, _: _read_pid(r, _IIB),
    tags.NEW_PID_EXT: lambda r, _: _read_pid(r, _III),
    tags.PORT_EXT: lambda r, _: _read_port(r, _IB),
    tags.NEW_PORT_EXT: lambda r, _: _read_port(r, _II),
    tags.V4_PORT_EXT: lambda r, _: _read_port(r, _QI),
    tags.REFERENCE_EXT: _read_old_reference,
    tags.NEW_REFERENCE_EXT: lambda r, _: _read_reference(r, 1),
    tags.NEWER_REFERENCE_EXT: lambda r, _: _read_reference(r, 4),
    tags.EXPORT_EXT: _read_export,
    tags.NEW_FUN_EXT: _read_fun,
}
