"""All the nodes that we watch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from collector.snapshot import Snapshot
from collector.watched import WatchedNode


class Fleet:
    """All the nodes we watch, by name. Connects from ``async with`` until its end."""

    def __init__(self, watched: Sequence[WatchedNode]) -> None:
        self.nodes = {node.name: node for node in watched}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        for watched in self.nodes.values():
            await self._stack.enter_async_context(watched.node)
            self._stack.push_async_callback(watched.close)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def forget(self) -> None:
        """Forget the answers that are kept of all nodes, so that they take no memory."""
        for watched in self.nodes.values():
            watched.forget()

    async def snapshots(self, deadline_seconds: float, only: Iterable[str] | None = None) -> list[Snapshot]:
        """Ask all nodes for their vital signs at the same time, under one deadline."""
        names = None if only is None else tuple(only)
        return await asyncio.gather(*(node.snapshot(deadline_seconds, names) for node in self.nodes.values()))
