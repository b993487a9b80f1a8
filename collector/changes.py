"""Logs what becomes of the connection to a node: a line when it changes, none while it stays as it is.

A node that comes and goes for days, or that fails in another way each time, does not fill the log: after some lines
at once there is one now and then, which says how many were left out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from agent.node import Down, State

LINES_AT_ONCE: Final = 20
SECONDS_PER_LINE: Final = 30.0

_LOG: Final = logging.getLogger(__name__)


class ChangeLog:
    """The log of one node."""

    def __init__(self, node: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._clock = clock
        self._told: str | None = None
        self._left_out = 0
        self._lines = float(LINES_AT_ONCE)  # that may be logged now
        self._lines_at = clock()

    def __call__(self, state: State) -> None:
        """Take a new state of the node."""
        facts: dict[str, object] = {"erlang_node": self._node}
        level, text = logging.WARNING, ""
        if isinstance(state, Down):
            told = text = f"not connected: {state.error}"
        else:
            trouble = None if state.preflight is None else state.preflight.trouble
            facts["creation"] = state.session.peer.creation
            told = f"{facts['creation']} {trouble}"
            text = f"connected as {state.session.own.name}"
            if trouble is None:
                level = logging.INFO
            else:
                text += f", but {trouble}"
        if told != self._told and self._log(level, text, facts):
            self._told = told

    def _log(self, level: int, text: str, facts: dict[str, object]) -> bool:
        """Log a line if one more may be logged; say whether it was."""
        now = self._clock()
        self._lines = min(LINES_AT_ONCE, self._lines + (now - self._lines_at) / SECONDS_PER_LINE)
        self._lines_at = now
        if self._lines < 1:
            self._left_out += 1
            return False
        self._lines -= 1
        if self._left_out:
            facts["changes_left_out"] = self._left_out
            self._left_out = 0
        _LOG.log(level, "%s", text, extra=facts)
        return True
