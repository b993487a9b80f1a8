"""Terms to bytes, as OTP writes them."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from agent.errors import EncodeError
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


@dataclass(frozen=True, slots=True)
class Fragment:
    """A term encoded once, to be put into many others. It counts as one level of nesting, whatever is in it."""

    data: bytes

    @classmethod
    def of(cls, term: Term) -> Fragment:
        """Encode a term. Raises `EncodeError` as `encode` does."""
        return cls(encode(term)[1:])


def encode(term: Term | tuple[Term | Fragment, ...]) -> bytes:
    """Encode one term, version byte included. Raises `EncodeError` for a value that is no Erlang term."""
    out = bytearray([tags.VERSION])
    _write(out, (term,), 0)
    return bytes(out)


def _write(out: bytearray, terms: Iterable[object], depth: int) -> None:
    """Write terms one after the other; each is inside of ``depth`` others."""
    for term in terms:
        write = _WRITERS.get(type(term))
        if write is None:
            raise EncodeError(
                f"a {type(term).__name__} is no Erlang term: use Atom, bytes, int, float, list, tuple or Map"
            )
        if depth > tags.MAX_TERM_DEPTH:
            raise EncodeError(f"terms nest deeper than {tags.MAX_TERM_DEPTH}")
        write(out, term, depth + 1)


def _write_int(out: bytearray, value: int, _depth: int) -> None:
    if 0 <= value <= tags.MAX_SMALL:
        out += bytes([tags.SMALL_INTEGER_EXT, value])
    elif -(1 << 31) <= value < 1 << 31:
        out += struct.pack(">Bi", tags.INTEGER_EXT, value)
    else:
        magnitude = abs(value)
        size = (magnitude.bit_length() + 7) // 8
        _write_head(out, tags.SMALL_BIG_EXT, tags.LARGE_BIG_EXT, size)
        out.append(value < 0)
        out += magnitude.to_bytes(size, "little")


def _write_head(out: bytearray, small_tag: int, large_tag: int, size: int) -> None:
    out += bytes([small_tag, size]) if size <= tags.MAX_SMALL else struct.pack(">BI", large_tag, size)


def _write_float(out: bytearray, value: float, _depth: int) -> None:
    if not math.isfinite(value):
        raise EncodeError("Erlang has no infinite float and no NaN")
    out += struct.pack(">Bd", tags.NEW_FLOAT_EXT, value)


def _write_atom(out: bytearray, atom: Atom, _depth: int = 0) -> None:
    out += _encode_atom(atom.name)


@lru_cache(maxsize=512)  # what we ask for is made of a few names, and so are the answers
def _encode_atom(text: str) -> bytes:
    try:
        name = text.encode()
    except UnicodeEncodeError:
        raise EncodeError("an atom is not valid Unicode") from None
    if len(text) > MAX_ATOM_CHARACTERS:
        raise EncodeError(f"an atom of {len(text)} characters is over the limit of {MAX_ATOM_CHARACTERS}")
    if len(name) <= tags.MAX_SMALL:
        return bytes([tags.SMALL_ATOM_UTF8_EXT, len(name)]) + name
    return struct.pack(">BH", tags.ATOM_UTF8_EXT, len(name)) + name


def _write_tuple(out: bytearray, elements: tuple[Term, ...], depth: int) -> None:
    _write_head(out, tags.SMALL_TUPLE_EXT, tags.LARGE_TUPLE_EXT, len(elements))
    _write(out, elements, depth)


def _write_list(out: bytearray, elements: list[Term], depth: int) -> None:
    if text := _as_string_ext(elements):
        out += struct.pack(">BH", tags.STRING_EXT, len(text)) + text
        return
    if elements:
        out += struct.pack(">BI", tags.LIST_EXT, len(elements))
        _write(out, elements, depth)
    out.append(tags.NIL_EXT)


def _as_string_ext(elements: list[Term]) -> bytes:
    """Return the bytes of a list that OTP writes as STRING_EXT; nothing for every other list."""
    if len(elements) > tags.MAX_STRING_EXT_BYTES or set(map(type, elements)) != {int}:
        return b""
    try:
        return bytes(elements)  # type: ignore[arg-type]  # all are integers
    except ValueError:
        return b""


def _write_improper(out: bytearray, term: ImproperList, depth: int) -> None:
    if not term.elements or isinstance(term.tail, list | ImproperList):
        raise EncodeError("an improper list has an element and a tail that is no list")
    out += struct.pack(">BI", tags.LIST_EXT, len(term.elements))
    _write(out, term.elements, depth)
    _write(out, (term.tail,), depth)


def _write_map(out: bytearray, entries: Map, depth: int) -> None:
    out += struct.pack(">BI", tags.MAP_EXT, len(entries))
    for entry in entries.items():
        _write(out, entry, depth)


def _write_bytes(out: bytearray, data: bytes, _depth: int) -> None:
    out += struct.pack(">BI", tags.BINARY_EXT, len(data)) + data


def _write_bits(out: bytearray, term: BitString, _depth: int) -> None:
    if not term.data or not 1 <= term.bits <= 7:  # of 0 bytes with 0 bits, OTP 28.5 dies: the whole node
        raise EncodeError("a bit string has a byte and 1 to 7 bits in the last one")
    out += struct.pack(">BIB", tags.BIT_BINARY_EXT, len(term.data), term.bits) + term.data


def _write_pid(out: bytearray, pid: Pid, _depth: int) -> None:
    out.append(tags.NEW_PID_EXT)
    _write_atom(out, pid.node)
    out += _pack(">III", pid.id, pid.serial, pid.creation)


def _write_port(out: bytearray, port: Port, _depth: int) -> None:
    small = port.id < 1 << tags.OLD_PORT_BITS
    out.append(tags.NEW_PORT_EXT if small else tags.V4_PORT_EXT)
    _write_atom(out, port.node)
    out += _pack(">II" if small else ">QI", port.id, port.creation)


def _write_reference(out: bytearray, reference: Reference, _depth: int) -> None:
    count = len(reference.words)
    if not 1 <= count <= tags.MAX_REFERENCE_WORDS:
        raise EncodeError(f"a reference has 1 to {tags.MAX_REFERENCE_WORDS} words, not {count}")
    out += struct.pack(">BH", tags.NEWER_REFERENCE_EXT, count)
    _write_atom(out, reference.node)
    out += _pack(f">{count + 1}I", reference.creation, *reference.words)


def _pack(layout: str, *numbers: int) -> bytes:
    try:
        return struct.pack(layout, *numbers)
    except struct.error:
        raise EncodeError(f"a number of an identifier does not fit its field: {numbers}") from None


def _write_export(out: bytearray, fun: ExportFun, _depth: int) -> None:
    out.append(tags.EXPORT_EXT)
    _write_atom(out, fun.module)
    _write_atom(out, fun.function)
    out += bytes([tags.SMALL_INTEGER_EXT]) + _pack(">B", fun.arity)


def _write_fun(out: bytearray, fun: Fun, _depth: int) -> None:
    if len(fun.data) < tags.MIN_NEW_FUN_BYTES or int.from_bytes(fun.data[:4], "big") != len(fun.data):
        raise EncodeError("a closure can only be sent back as it came")
    out.append(tags.NEW_FUN_EXT)
    out += fun.data


def _write_fragment(out: bytearray, fragment: Fragment, _depth: int) -> None:
    out += fragment.data


# Callable[..., None]: each writer takes its own type, the key says which.
_WRITERS: Final[dict[type, Callable[..., None]]] = {
    int: _write_int,
    float: _write_float,
    Atom: _write_atom,
    tuple: _write_tuple,
    list: _write_list,
    Map: _write_map,
    bytes: _write_bytes,
    Pid: _write_pid,
    Reference: _write_reference,
    Port: _write_port,
    ImproperList: _write_improper,
    BitString: _write_bits,
    ExportFun: _write_export,
    Fun: _write_fun,
    Fragment: _write_fragment,
}
