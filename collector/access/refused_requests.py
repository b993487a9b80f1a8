"""Requests to act that never came as far as a plan: the journal has them too."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Collection
from typing import Final
from urllib.parse import unquote

from collector.journal.chain import Kind
from collector.journal.journal import Journal
from collector.journal.schema import JournalError

MAX_PATH_CHARACTERS: Final = 300
ONLY_NODE: Final = "-"

_NODE: Final = re.compile(r"/api/v1/nodes/([^/]{1,255})/")
_LOG: Final = logging.getLogger(__name__)


async def note_refusal(
    journal: Journal, nodes: Collection[str], name: str | None, method: str, path: str, reason: str
) -> None:
    """Write down who was refused what, and why: see `collector.access.gate.OnRefusal`."""
    about = _NODE.match(path)
    node = "" if about is None else unquote(about[1])
    if node == ONLY_NODE and len(nodes) == 1:
        [node] = nodes
    try:
        await journal.append(
            Kind.REFUSED,
            action_id=secrets.token_hex(6),
            node=node,
            body={
                "action": "request",
                "who": name or "not known",
                "method": method,
                "path": path[:MAX_PATH_CHARACTERS],
                "reason": reason,
            },
        )
    except JournalError as error:
        _LOG.warning("a request that was refused is not in the journal: %s", error)
