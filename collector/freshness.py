"""How old an answer may be, and so how often a node is asked: pure decisions, of which two things follow.

A scrape, a timer and a program that reads the API take an answer that others have paid for. They may have an expensive
question asked anew only as often as our share of one scheduler allows, however many they are. A person in the middle of
an incident does not wait for that: what they see is never older than some seconds.
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
FAILED_AGAIN_SECONDS: Final = 60.0  # what cannot be answered now is tried again after a minute at the latest

# Each probe has a part of the share to itself, so that one that is dear on this node leaves the others theirs.
# Together they are less than 1, as a test says.
PARTS: Final[Mapping[str, float]] = {
    "mailboxes": 0.3,
    "processes": 0.3,
    "ets": 0.15,
    "supervision_tree": 0.1,
    "governors": 0.05,
    "applications": 0.03,
    "ports": 0.03,
    "watched_tables": 0.04,
}
OTHER_PART: Final = 0.01  # of what nobody asks by itself


class Asker(Enum):
    """Who wants an answer: a program (a scraper, a timer, a script), or a person who waits for it."""

    PROGRAM = "program"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Budget:
    """What the settings allow us on each node."""

    max_scheduler_share: float = DEFAULT_MAX_SCHEDULER_SHARE
    fresh_min_interval_seconds: float = DEFAULT_FRESH_MIN_INTERVAL_SECONDS

    def interval_seconds(self, probe: str, cost_seconds: float) -> float:
        """Return how often programs may have a question asked that cost this much the last time."""
        part = self.max_scheduler_share * PARTS.get(probe, OTHER_PART)
        return max(MIN_INTERVAL_SECONDS, cost_seconds / part)

    def max_age_seconds(self, asker: Asker, probe: str, cost_seconds: float) -> float:
        """Return how old an answer may be that cost this much, when it is for this asker."""
        if asker is Asker.PERSON:
            return PERSON_MAX_AGE_SECONDS
        return self.interval_seconds(probe, cost_seconds)

    def pause_after_failure_seconds(self, asker: Asker, probe: str, duration_seconds: float) -> float:
        """Return how long a question that failed is not asked again. What it has cost the node is not known."""
        if asker is Asker.PERSON:
            return self.fresh_min_interval_seconds
        return min(FAILED_AGAIN_SECONDS, self.interval_seconds(probe, duration_seconds))
