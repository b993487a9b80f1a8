"""Our own memory, and the ceiling that it keeps below: beside us in the instance runs the service.

Where it runs, an out-of-memory kill takes all containers along. So before there is a need for one, what can be found
out again is forgotten; at the ceiling what takes much is refused, until there is room. (A limit of the system, such as
RLIMIT_AS, would meet us at a place of its own choice, the journal say.)
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

LOOK_SECONDS: Final = 1.0
SHED_AGAIN_SECONDS: Final = 10.0  # what is shed costs a tenth of a second to collect, and the nodes to ask anew
SHED_SHARE: Final = 0.8  # of the ceiling, from which on what can be found out again is forgotten

_STATM: Final = Path("/proc/self/statm")
_LOG: Final = logging.getLogger(__name__)


def resident_bytes() -> int | None:
    """Return how much of our memory is resident now; None where the system does not tell it."""
    try:
        # proc(5): size, resident, … in pages.
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def give_back() -> None:
    """Collect garbage, and give free memory back to the system where that can be asked for."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's: else what is free stays resident
    if trim is not None:
        trim(0)


def begin_to_collect() -> None:
    """Collect garbage from now on, but leave out what is loaded by now, which is most of it and stays."""
    gc.freeze()
    gc.enable()


class MemoryCeiling:
    """Keeps us below ``ceiling_bytes`` by calling ``shed``. Elsewhere than on Linux nothing is known, nor done."""

    def __init__(
        self,
        ceiling_bytes: int,
        shed: Callable[[], None],
        resident: Callable[[], int | None] = resident_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ceiling_bytes = ceiling_bytes
        self.refusals = 0
        self.sheds = 0
        self._shed = shed
        self._resident = resident
        self._clock = clock
        self._shed_at = -math.inf
        self._is_told = False

    @property
    def resident_bytes(self) -> int | None:
        """How much is resident now; None where that is not known."""
        return self._resident()

    def is_reached(self) -> bool:
        """Whether there is no room for what takes much, although what can be shed has been. Says so in the log once."""
        used_bytes = self._look()
        is_reached = used_bytes >= self.ceiling_bytes
        if is_reached and not self._is_told:
            self._is_told = True
            _LOG.warning(
                "this program has reached its memory ceiling, so it refuses what takes much",
                extra={"resident_bytes": used_bytes, "memory_ceiling_bytes": self.ceiling_bytes},
            )
        elif self._is_told and used_bytes < self.ceiling_bytes * SHED_SHARE:
            self._is_told = False
            _LOG.info(
                "this program is well below its memory ceiling again",
                extra={"resident_bytes": used_bytes, "refusals": self.refusals},
            )
        return is_reached

    async def watch(self) -> None:
        """Look again and again, until it is cancelled."""
        while True:
            self.is_reached()
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self) -> int:
        used_bytes = self._resident() or 0
        now = self._clock()
        if used_bytes >= self.ceiling_bytes * SHED_SHARE and now - self._shed_at >= SHED_AGAIN_SECONDS:
            self._shed_at = now
            self.sheds += 1
            self._shed()
            used_bytes = self._resident() or 0
        return used_bytes
