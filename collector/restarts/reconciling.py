"""Closes intents of which no end is known: of a collector or a command line that was ended in the middle."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from agent.errors import AgentError
from collector.journal_schema import JournalError
from collector.restarts.runner import Restarts

LOOK_AGAIN_SECONDS: Final = 1.0  # for one that is running still, or a node that is not connected
LOOK_FOR_MORE_SECONDS: Final = 60.0  # a command line may have left one meanwhile

_LOG: Final = logging.getLogger(__name__)


async def reconcile(all_restarts: Iterable[Restarts]) -> None:
    """Look after the intents of all nodes, until it is cancelled."""
    await asyncio.gather(*map(_reconcile, all_restarts))


async def _reconcile(restarts: Restarts) -> None:
    while True:
        pause_seconds = LOOK_AGAIN_SECONDS
        try:
            if await restarts.close_open_intents():
                pause_seconds = LOOK_FOR_MORE_SECONDS
        except (AgentError, JournalError) as error:
            _LOG.debug("what became of earlier restarts is not known yet: %s", error)
        await asyncio.sleep(pause_seconds)
