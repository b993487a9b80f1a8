"""How much a peer may make us hold: one number that a person sets, and what follows from it.

What a connection holds at worst, in sixteenths of ``max_memory_bytes``: a little over two for the frame that is coming
in and its copy, one for answers that wait to be decoded, one for an answer that is decoded although its asker has gone,
one for copies of its binaries, and six for its terms. The rest, at least 16 MiB, is for what does not scale: what we
send, answers that are small enough to be decoded at once, atoms that are remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DEFAULT_MAX_MEMORY_BYTES: Final = 128 * 1024 * 1024
MIN_MAX_MEMORY_BYTES: Final = 64 * 1024 * 1024
TERM_BYTES: Final = 140  # the most that one counted term takes: a new atom of eight characters beyond the BMP


@dataclass(frozen=True, slots=True)
class Limits:
    """What one node may make us hold in all, for as long as it is connected."""

    max_memory_bytes: int = DEFAULT_MAX_MEMORY_BYTES

    @property
    def max_frame_bytes(self) -> int:
        """The longest message that is kept whole; of longer ones only the head is."""
        return self.max_memory_bytes // 16

    @property
    def max_waiting_bytes(self) -> int:
        """All answers together that have come and are not decoded yet."""
        return self.max_memory_bytes // 16

    @property
    def max_terms(self) -> int:
        """The terms in one answer."""
        return self.max_memory_bytes * 6 // 16 // TERM_BYTES


DEFAULT_LIMITS: Final = Limits()
