"""Terms, also compressed: what decodes is a term in every respect."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent import etf
from agent.errors import DecodeError
from agent.terms import format_term, identity

# Below the usual ones: a compressed term of 16 MB would only make each run slow.
LIMITS: Final = etf.Limits(max_bytes=1 << 18, max_terms=20_000)
NARROW: Final = etf.Limits(max_bytes=100, max_depth=3, max_terms=10)
MAX_SEED_BYTES: Final = 2_000


def check(data: bytes) -> None:
    try:
        term, end = etf.decode_prefix(data, LIMITS)
    except DecodeError:
        return
    assert 0 < end <= len(data)
    same = identity(term)
    encoded = etf.encode(term)
    back = etf.decode(encoded)
    assert identity(back) == same
    assert etf.encode(back) == encoded
    assert len(format_term(term)) <= 403
    try:
        narrow = etf.decode(data[:end], NARROW)
    except DecodeError:
        return
    assert identity(narrow) == same


def vectors() -> Iterator[bytes]:
    """Terms as the nodes of several releases encode them."""
    for file in sorted((Path(__file__).parents[1] / "vectors").glob("*.json")):
        for vector in json.loads(file.read_text())["vectors"]:
            yield bytes.fromhex(vector["hex"])


def seeds() -> Iterator[bytes]:
    for vector in vectors():
        if len(vector) <= MAX_SEED_BYTES:
            yield vector
        yield b"\x83P" + (len(vector) - 1).to_bytes(4, "big") + zlib.compress(vector[1:])
