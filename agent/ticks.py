"""Ticks: how two connected nodes notice that the other is gone.

A node sends an empty frame whenever it has sent nothing for a while, and drops a peer from which it has read nothing
for its net_ticktime. Both sides must go by the same numbers, so we follow those of the node.

Source: OTP's kernel/src/dist_util.erl, send_tick/2, and net_kernel.erl, init/1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIN_INTENSITY: Final = 4  # net_kernel.erl takes what is set into these bounds
MAX_INTENSITY: Final = 1000
MAX_NET_TICKTIME_SECONDS: Final = 86_400.0  # a day; who never wants to notice a loss sets more


@dataclass(frozen=True, slots=True)
class Ticks:
    """A node's two settings; the defaults are OTP's own."""

    net_ticktime_seconds: float = 60.0
    intensity: int = MIN_INTENSITY

    @property
    def interval_seconds(self) -> float:
        """After so long without a word we send a tick."""
        return self.net_ticktime_seconds / self.intensity

    @property
    def silence_seconds(self) -> float:
        """After so long without a word from it the node is gone: one interval more than it gives us."""
        return self.net_ticktime_seconds + self.interval_seconds


DEFAULT_TICKS: Final = Ticks()


class TickClock:
    """When the next tick is due, and when the peer has been silent for too long."""

    def __init__(self, now: float) -> None:
        self.ticks = DEFAULT_TICKS
        self._sent_at = now
        self._received_at = now

    def sent(self, now: float) -> None:
        """Note that something left."""
        self._sent_at = now

    def received(self, now: float) -> None:
        """Note that something came."""
        self._received_at = now

    @property
    def due_at(self) -> float:
        """When the next tick of ours is due."""
        return self._sent_at + self.ticks.interval_seconds

    @property
    def silent_at(self) -> float:
        """When the peer is gone if nothing comes until then."""
        return self._received_at + self.ticks.silence_seconds

    def silence_seconds(self, now: float) -> float:
        """Return how long the peer has been silent."""
        return now - self._received_at
