"""Bytes that no encoder of ours would make: terms and frames that lie, and values that take the most when decoded."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Callable

from agent import etf
from agent.terms import Atom, Pid, Reference, Term
from tests.fakes import OWN_PID, PEER_CREATION, PEER_NAME
from tests.hostile import Chunks

STRANGER = Pid(Atom(str(PEER_NAME)), 4000, 0, PEER_CREATION)
OTHER_OF_OURS = Pid(OWN_PID.node, 7, 0, OWN_PID.creation)
HUGE = 0xFFFFFFFF
BILLION = 1_000_000_000
_MEBIBYTE = bytes(1024 * 1024)


def length(size: int) -> bytes:
    return struct.pack(">I", size)


def framed(body: bytes) -> bytes:
    return length(len(body)) + body


def passed_through(control: bytes, payload: bytes = b"") -> bytes:
    """A control message, encoded already, as a node sends it."""
    return framed(b"p\x83" + control + payload)


def encoded(term: Term) -> bytes:
    """A term without its version byte."""
    return etf.encode(term)[1:]


def binary(size: int) -> bytes:
    return b"m" + length(size) + bytes(size)


def repeated(element: bytes, count: int) -> bytes:
    """A list of the same element."""
    return b"l" + length(count) + element * count + b"j"


def lists_in_lists(depth: int) -> bytes:
    return b"l\0\0\0\1" * depth + b"j" * (depth + 1)


def compressed(mebibytes: int) -> bytes:
    """A binary of zeros, in a thousandth of its size.

    One of its mebibytes is compressed, and is there as often as needed: the whole would take seconds, and its memory.
    """
    size, deflate = mebibytes * len(_MEBIBYTE), zlib.compressobj()
    start = b"m" + length(size)
    head = deflate.compress(start) + deflate.flush(zlib.Z_FULL_FLUSH)
    piece = deflate.compress(_MEBIBYTE) + deflate.flush(zlib.Z_FULL_FLUSH)
    checksum = zlib.adler32(start)
    for _ in range(mebibytes):
        checksum = zlib.adler32(_MEBIBYTE, checksum)
    return b"P" + length(size + 5) + head + piece * mebibytes + b"\x03\x00" + length(checksum)


def reference(number: int) -> Reference:
    return Reference(Atom(str(PEER_NAME)), PEER_CREATION, (number & 0x3FFFF, 7, 9))


def for_ever(data: bytes, times: int = 100) -> Callable[[], Chunks]:
    """The same bytes again and again, until nobody is there any more."""
    return lambda: itertools.repeat(data * times)


def numbered(frame_of: Callable[[int], bytes], count: int | None = None) -> Callable[[], Chunks]:
    """Frames that differ, some at a time, as many or for ever."""
    starts = (lambda: itertools.count(0, 200)) if count is None else (lambda: range(0, count, 200))
    return lambda: (b"".join(frame_of(start + offset) for offset in range(200)) for start in starts())


def pairs_in_keys(terms: int) -> bytes:
    """Maps that are keys of maps: each is held twice, as it is and as what it is found by."""
    inner = b"t\0\0\0\1jj"
    return repeated(b"t\0\0\0\1" + inner + b"j", terms // 17)


def integers_in_a_key(terms: int) -> bytes:
    """One map whose key is a list of large integers."""
    integer = b"n\x08\x00" + b"\xff" * 8
    return b"t\0\0\0\1" + repeated(integer, terms - 20) + b"j"


def wide_atoms(size: int) -> bytes:
    """Different atoms of 255 characters, of which one makes Python take four bytes for each."""
    count = size // 262
    names = ("\U0001f600".encode() + f"{number:0254}".encode() for number in range(count))
    return b"l" + length(count) + b"".join(b"v" + struct.pack(">H", len(name)) + name for name in names) + b"j"


def short_atoms(terms: int) -> bytes:
    """Different atoms of 7 characters."""
    return b"l" + length(terms - 20) + b"".join(b"w\x07%07d" % number for number in range(terms - 20)) + b"j"


def node_atom(number: int) -> Atom:
    return Atom(f"{number:0>50}@127.0.0.1")
