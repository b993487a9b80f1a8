"""Since when do we know the governors? What takes the place of their age, which Erlang does not keep."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.expression import Shell
from agent.probes import governors
from agent.probes.governors import Governor, Governors, Sightings


@dataclass(frozen=True, slots=True)
class Age:
    """How old a governor is at least and at most, in seconds."""

    at_least_seconds: float
    at_most_seconds: float


@dataclass(frozen=True, slots=True)
class AgedGovernors:
    """The governors, and since when each is known. ``seen_at`` is when they were asked, on the loop's clock."""

    found: Governors
    sightings: Sightings
    seen_at: float

    def age(self, governor: Governor) -> Age | None:
        """Return how old a governor was when it was asked. No process is older than its node."""
        bounds = None if governor.pid is None else self.sightings.age_seconds(governor.pid, self.seen_at)
        if bounds is None:
            return None
        at_least, at_most = bounds
        uptime = self.found.uptime_seconds
        return Age(min(at_least, uptime), uptime if at_most is None else min(at_most, uptime))


async def ask(
    supervisors: Sequence[str], before: AgedGovernors | None, shell: Shell, deadline_seconds: float
) -> AgedGovernors:
    """Ask for the governors, ``before`` being the last answer of the same life of the node. Cost: as for governors."""
    asked_at = asyncio.get_running_loop().time()
    found = await governors.ask(supervisors, shell, deadline_seconds)
    sightings = (before.sightings if before else Sightings()).after(found, asked_at)
    if not found.complete:
        # One that is new in the next answer may have been among those that this one does not list.
        sightings = replace(sightings, last_answer_at=None)
    return AgedGovernors(found, sightings, asked_at)
