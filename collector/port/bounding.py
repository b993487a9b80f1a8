"""How many answers that take much are made at once, and whether there is memory for one more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from collector.memory_ceiling import MemoryCeiling
from collector.port import problems
from collector.port.problems import ProblemError

AT_ONCE: Final = 16
WAITING: Final = 64
TURN_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 5

# What has many rows, or is made of very much. The vital signs, the probes of this program, scrapes (of cheap probes
# then) and what cures a node are answered as long as we live.
_TAKES_MUCH: Final = re.compile(
    r"/openapi\.json|/api/v1/audit|/api/v1/nodes/[^/]+/"
    r"(processes|process|mailboxes|busy|ets|table|supervisors?|governors?|applications|ports|binaries|trend|diagnosis)"
)


def takes_much(path: str) -> bool:
    """Whether the answer to this path may take much memory."""
    return _TAKES_MUCH.fullmatch(path) is not None


class Bounding:
    """Lets only so many through to ``app`` that ask for what takes much, and none at the memory ceiling.

    ``is_much`` tells by the path whether it is such a request.
    """

    def __init__(self, app: ASGIApp, ceiling: MemoryCeiling, is_much: Callable[[str], bool] = takes_much) -> None:
        self._app = app
        self._ceiling = ceiling
        self._is_much = is_much
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request."""
        if scope["type"] != "http" or not self._is_much(scope["path"]):
            await self._app(scope, receive, send)
            return
        if not await self._take_turn():
            detail = f"too many ask at once for what takes much: ask again in {RETRY_SECONDS} s"
            await _refuse("too-many-askers", detail, scope, receive, send)
            return
        try:
            if self._ceiling.is_reached():
                self._ceiling.refusals += 1
                detail = (
                    "this collector has reached its memory ceiling (memory_ceiling_bytes, "
                    f"{self._ceiling.ceiling_bytes} bytes) and makes no answers that take much: ask again in "
                    f"{RETRY_SECONDS} s. memory, system and node still answer, and so does the node itself with --node "
                    "and --cookie-file"
                )
                await _refuse("memory-ceiling", detail, scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            self._turns.release()

    async def _take_turn(self) -> bool:
        if self._turns.locked() and self._waiting >= WAITING:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(TURN_SECONDS):
                return await self._turns.acquire()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1


async def _refuse(kind: str, detail: str, scope: Scope, receive: Receive, send: Send) -> None:
    error = ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, kind, detail)
    await problems.respond(error, {"Retry-After": str(RETRY_SECONDS)})(scope, receive, send)
