"""Label values that come from a node: names, tables, supervisors. Each new one is a series that Prometheus keeps.

So there are no more than so many at a time, and one gives its place to another only when it has not been seen for an
hour: a node that makes up names all day makes no more series in that hour than there is room for. All others together
are `OTHER`, and counted. Pids and references are of one moment, and never part of a label.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

OTHER: Final = "other"
KEPT_SECONDS: Final = 3_600.0  # after it was seen the last time, a value keeps its place so long
MAX_CHARACTERS: Final = 120

_OF_A_MOMENT: Final = re.compile(r"(#?[A-Za-z]*)<\d+(?:\.\d+)+>")


def label_of(text: str) -> str:
    """Return a name as a label: without the numbers of pids, ports and references, and not too long."""
    plain = _OF_A_MOMENT.sub(lambda hit: f"{hit[1]}<>", text)
    if plain == OTHER:
        return f"'{OTHER}'"  # as Erlang may print it too, and not what all others together are
    return plain if len(plain) <= MAX_CHARACTERS else plain[: MAX_CHARACTERS - 1] + "…"


class Bounded:
    """So many label values, for the life of this program. Time is whatever a clock says that never goes back."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen_at: OrderedDict[str, float] = OrderedDict()  # the least recently seen first
        self.left_out = 0

    def admit(self, values: Iterable[str], now: float) -> frozenset[str]:
        """Return those of the values that have a place, the first ones first; ``left_out`` is how many have none."""
        admitted, left_out = set[str](), set[str]()
        for value in values:
            if value in admitted or value in left_out:
                continue
            if value in self._seen_at or self._has_room(now):
                self._seen_at[value] = now
                self._seen_at.move_to_end(value)
                admitted.add(value)
            else:
                left_out.add(value)
        self.left_out = len(left_out)
        return frozenset(admitted)

    def _has_room(self, now: float) -> bool:
        if len(self._seen_at) < self._most:
            return True
        oldest, seen_at = next(iter(self._seen_at.items()))
        if now - seen_at < KEPT_SECONDS:
            return False
        del self._seen_at[oldest]
        return True
