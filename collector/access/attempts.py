"""How often somebody may be refused before we stop looking, and how often a token or a password was wrong."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final

MAX_REFUSALS: Final = 10
WINDOW_SECONDS: Final = 60.0
MAX_ASKERS: Final = 1024  # remembered at once; of more, the oldest are forgotten


class Attempts:
    """Counts refusals for each asker, a minute at a time.

    It bounds what refusals may write into a journal, and how often a password may be guessed. It never keeps out who
    has a right token, or a password that was found right before: everybody behind one proxy has one address, and an
    attacker there would lock out the operator. Guessing a token of 256 random bits is hopeless at any rate.
    """

    def __init__(self) -> None:
        self.failed_logins = 0
        self._refused: OrderedDict[str, tuple[float, int]] = OrderedDict()  # since when, how often

    def wait_seconds(self, asker: str) -> float | None:
        """Return the seconds that are left until it is looked at again, if it has been refused too often."""
        since, count = self._refused.get(asker, (0.0, 0))
        left = since + WINDOW_SECONDS - time.monotonic()
        return left if count >= MAX_REFUSALS and left > 0.0 else None

    def refuse(self, asker: str) -> float | None:
        """Count one more refusal. Returns the seconds that are left until it is looked at again, if it is too many."""
        now = time.monotonic()
        since, count = self._refused.get(asker, (now, 0))
        if now - since >= WINDOW_SECONDS:
            since, count = now, 0
            self._refused.pop(asker, None)  # to stand behind those whose minute began earlier
        self._refused[asker] = (since, count + 1)
        if len(self._refused) > MAX_ASKERS:
            self._refused.popitem(last=False)
        return since + WINDOW_SECONDS - now if count >= MAX_REFUSALS else None
