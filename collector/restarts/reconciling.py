"""Closes intents of which no end is known: of a collector or a command line that was ended in the middle."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final, Protocol

from agent.errors import AgentError
from collector.journal.schema import JournalError

LOOK_AGAIN_SECONDS: Final = 1.0  # for one that is running still, or a node that is not connected
LOOK_FOR_MORE_SECONDS: Final = 60.0  # a command line may have left one meanwhile

_LOG: Final = logging.getLogger(__name__)


class Acting(Protocol):
    """What acts on one node."""

    async def close_open_intents(self) -> bool:
        """Find out, once, what became of intents without an end. False: some are running on the node still."""
        ...


async def reconcile(all_acting: Iterable[Acting]) -> None:
    """Look after the intents of all nodes, until it is cancelled."""
    await asyncio.gather(*map(_reconcile, all_acting))


async def _reconcile(acting: Acting) -> None:
    while True:
        pause_seconds = LOOK_AGAIN_SECONDS
        try:
            if await acting.close_open_intents():
                pause_seconds = LOOK_FOR_MORE_SECONDS
        except (AgentError, JournalError) as error:
            _LOG.debug("what became of earlier actions is not known yet: %s", error)
        await asyncio.sleep(pause_seconds)
