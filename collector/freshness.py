"""How old an answer may be, and so how often a node is asked: pure decisions, of which two things follow.

A scrape, a timer and a program that reads the API take an answer that others have paid for. They may have an expensive
question asked anew only as often as our share of one scheduler allows, however many they are. A person in the middle of
an incident does not wait for that: what they see is never older than some seconds.

The share is of sweeps, whose cost grows with the node. The vital signs of a scrape cost the same on every node (some
0.5 ms, measured on OTP 25 and 28) and are asked each time, since whether a node answers now is what they tell. Looking
up one process or one table is asked for by name, and is neither kept nor held back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

DEFAULT_MAX_SCHEDULER_SHARE: Final = 0.01
DEFAULT_FRESH_MIN_INTERVAL_SECONDS: Final = 1.0
PERSON_MAX_AGE_SECONDS: Final = 5.0
MIN_INTERVAL_SECONDS: Final = 1.0  # of a question that costs next to nothing: two scrapers in one second share it

# The share is divided, so that a probe that is dear on this node leaves the others theirs. What is not used is not
# given to others: a node that gets worse would otherwise be asked less of everything at once.
PARTS: Final[Mapping[str, float]] = {
    "mailboxes": 0.28,
    "processes": 0.28,
    "ets": 0.11,
    "supervision_tree": 0.1,
    "governors": 0.05,
    "applications": 0.03,
    "ports": 0.03,
    "watched_tables": 0.035,
    "allocators": 0.02,
    "distribution": 0.02,
    "mnesia": 0.015,
    "microstates": 0.01,
}
OTHER: Final = "other"  # all probes that no program asks by itself, however many these are, have one part together
OTHER_PART: Final = 0.02


class Asker(Enum):
    """Who wants an answer: a program (a scraper, a timer, a script), or a person who waits for it."""

    PROGRAM = "program"
    PERSON = "person"


def pot_of(probe: str) -> str:
    """Return what a probe's cost is paid from."""
    return probe if probe in PARTS else OTHER


@dataclass(frozen=True, slots=True)
class Budget:
    """What the settings allow us on each node."""

    max_scheduler_share: float = DEFAULT_MAX_SCHEDULER_SHARE
    fresh_min_interval_seconds: float = DEFAULT_FRESH_MIN_INTERVAL_SECONDS

    def interval_seconds(self, probe: str, cost_seconds: float) -> float:
        """Return how long programs wait after a question that cost this much, until they have it asked anew.

        So within any time the costs that they cause add up to no more than their share of it, and one question.
        """
        part = self.max_scheduler_share * PARTS.get(probe, OTHER_PART)
        return max(MIN_INTERVAL_SECONDS, cost_seconds / part)

    def max_age_seconds(self, asker: Asker, probe: str, cost_seconds: float) -> float:
        """Return how old an answer may be that cost this much, when it is for this asker."""
        if asker is Asker.PERSON:
            return PERSON_MAX_AGE_SECONDS
        return self.interval_seconds(probe, cost_seconds)
