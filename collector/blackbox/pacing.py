"""How many lines the black box may write: pure, time comes as an argument.

What flaps, flaps for hours, and Cloud Logging costs money. So lines are paid for with turns, which come back slowly:
memory that runs out has turns of its own, since a node in a crash loop must not have used them up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

HOUR_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many lines at once, and how many more in an hour; and how far apart they are at the least."""

    at_once: int
    in_an_hour: int
    distance_seconds: float

    @property
    def seconds_for_one(self) -> float:
        """After how long there is one turn more."""
        return HOUR_SECONDS / self.in_an_hour


# The three levels of memory may be crossed within some seconds, and all three are to be told.
OF_MEMORY: Final = Allowance(at_once=6, in_an_hour=6, distance_seconds=1.0)
OF_ALL_ELSE: Final = Allowance(at_once=6, in_an_hour=12, distance_seconds=10.0)


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns that are left of an allowance, and when the last one was taken."""

    allowance: Allowance
    left: float
    counted_at: float
    taken_at: float

    @classmethod
    def full(cls, allowance: Allowance, now: float) -> Turns:
        """Begin with all of them."""
        return cls(allowance, allowance.at_once, now, now - allowance.distance_seconds)

    def take(self, now: float) -> Turns | None:
        """Take one, or None: there is none, or it is too soon."""
        gained = (now - self.counted_at) / self.allowance.seconds_for_one
        left = min(float(self.allowance.at_once), self.left + gained)
        if left < 1.0 or now - self.taken_at < self.allowance.distance_seconds:
            return None
        return replace(self, left=left - 1.0, counted_at=now, taken_at=now)
