"""Frames: where one message ends and the next begins, in bytes that come in pieces of any size.

In the handshake a message has 2 bytes of length in front, over TLS 4 (inet_tls_dist.erl: ``{packet, 4}`` from the
start; the protocol's page does not say so). Between connected nodes it is 4.

A frame that is longer than allowed is not kept but passed over, all but its head, which says whom to tell: a node may
well answer with more than was expected, and that is no reason to lose the connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.errors import RemoteProtocolError
from agent.handshake import MAX_MESSAGE_BYTES

MAX_HEAD_BYTES: Final = 8 * 1024  # opcode, pids and a reference, with node names of 1,020 bytes each


@dataclass(frozen=True, slots=True)
class Frame:
    """One message without its length. ``missing_bytes`` at its end were too many to be kept."""

    data: bytes
    missing_bytes: int = 0


class FrameReader:
    """Takes pieces and gives frames. Holds at most ``max_bytes`` of a frame, beside the last piece."""

    def __init__(self, max_bytes: int, *, over_tls: bool) -> None:
        self._max_bytes = max_bytes
        self._length_bytes = 4 if over_tls else 2
        self._in_handshake = True
        self._buffer = bytearray()
        self._start = 0  # of what has not been handed out yet
        self._passed_over_bytes = 0  # of a frame that is too long to be kept, still to come
        self.finished = 0  # frames that have come whole, those that were passed over too

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        passed_over = min(self._passed_over_bytes, len(data))
        self._passed_over_bytes -= passed_over
        self.finished += passed_over > 0 and self._passed_over_bytes == 0
        self._buffer += data[passed_over:]

    def handshake_is_over(self) -> None:
        """Expect the frames of connected nodes from the next byte on."""
        self._in_handshake = False
        self._length_bytes = 4

    @property
    def is_midway(self) -> bool:
        """Whether a frame has begun and is not whole yet."""
        return len(self._buffer) > self._start or self._passed_over_bytes > 0

    @property
    def held(self) -> bytes:
        """What has come and was not handed out."""
        return bytes(self._buffer[self._start :])

    def next(self) -> Frame | None:
        """Return the next frame, or None when it is not whole yet. Raises `RemoteProtocolError`."""
        start = self._start + self._length_bytes
        if len(self._buffer) < start:
            self._forget_what_was_handed_out()
            return None
        length = int.from_bytes(self._buffer[self._start : start], "big")
        if self._in_handshake and length > MAX_MESSAGE_BYTES:
            raise RemoteProtocolError(f"a message of {length} bytes is over the limit of {MAX_MESSAGE_BYTES}")
        kept = length if length <= self._max_bytes else min(MAX_HEAD_BYTES, self._max_bytes)
        end = start + kept
        if len(self._buffer) < end:
            self._forget_what_was_handed_out()
            return None
        with memoryview(self._buffer) as view:  # a slice of the buffer itself would be a second copy
            frame = Frame(bytes(view[start:end]), length - kept)
        here = min(frame.missing_bytes, len(self._buffer) - end)
        self._passed_over_bytes = frame.missing_bytes - here
        self.finished += self._passed_over_bytes == 0
        self._start = end + here
        return frame

    def clear(self) -> None:
        """Let go of everything."""
        self._buffer.clear()
        self._start = self._passed_over_bytes = 0

    def _forget_what_was_handed_out(self) -> None:
        del self._buffer[: self._start]
        self._start = 0
