"""A link between us and a node that behaves as badly as a test wants, and counts what passes.

Both directions are named by where the bytes go: ``towards`` ``Side.US`` or ``Side.NODE``. What is done to them can be
changed at any moment; it holds for the connections that stand and for those to come.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias


class Side(enum.Enum):
    """The two ends of a link."""

    US = "us"
    NODE = "node"

    @property
    def other(self) -> Side:
        return Side.NODE if self is Side.US else Side.US


@dataclass(frozen=True)
class Pass:
    """Forward what comes, as it comes."""


@dataclass(frozen=True)
class Delay:
    """Forward each piece this much later."""

    seconds: float


@dataclass(frozen=True)
class Split:
    """Forward each byte by a write of its own."""


@dataclass(frozen=True)
class Merge:
    """Hold what comes until nothing has come for a while, then forward it in one piece."""

    quiet_seconds: float


@dataclass(frozen=True)
class Cut:
    """Forward so many bytes, then close both sides: in order, or as a router does that has forgotten the link."""

    after_bytes: int = 0
    is_reset: bool = False


@dataclass(frozen=True)
class Stall:
    """Forward so many bytes, then hold everything, also the end of a connection, until another treatment is chosen."""

    after_bytes: int = 0


@dataclass(frozen=True)
class Drop:
    """Forward so many bytes, then lose everything, also the end of a connection, without a word."""

    after_bytes: int = 0


Treatment: TypeAlias = Pass | Delay | Split | Merge | Cut | Stall | Drop

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class _End(asyncio.Protocol):
    """The socket of one side. Reads whatever happens to what it has read, so that an end is seen at once."""

    def __init__(self) -> None:
        self.pieces_arrived = 0
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()  # b"" is the end
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self.transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        return self.opened.is_set() and not self.closed.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.opened.set()

    def data_received(self, data: bytes) -> None:
        self.pieces_arrived += 1
        self._arrived.put_nowait(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed.set()
        self._arrived.put_nowait(b"")

    async def read(self) -> bytes:
        """Return the next piece, ``b""`` at the end."""
        return await self._arrived.get()

    async def read_all(self, quiet_seconds: float) -> bytes:
        """Return all that comes until nothing has come for a while; leave an end where it was."""
        pieces = b""
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(quiet_seconds):
                    piece = await self._arrived.get()
                if not piece:
                    self._arrived.put_nowait(b"")
                    break
                pieces += piece
        return pieces

    def write(self, data: bytes) -> None:
        if self.is_open and self.transport is not None:
            self.transport.write(data)

    def hang_up(self, *, is_reset: bool = False) -> None:
        if self.transport is None:
            return
        if is_reset and self.is_open:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()
        else:
            self.transport.close()


@dataclass(eq=False)
class Link:
    """One connection of ours and the proxy's own to the node behind it."""

    ends: dict[Side, _End] = field(default_factory=lambda: {side: _End() for side in Side})
    forwarded: dict[Side, bytearray] = field(default_factory=lambda: {side: bytearray() for side in Side})
    """All that was written, by where it went."""

    pieces_written: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))

    counted_from: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))
    """How much had been forwarded when the treatment of a direction was chosen: ``after_bytes`` starts there."""

    held: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))
    """How many bytes a stall has read and not forwarded yet."""

    keeps_ends_to_itself: bool = False

    def pieces_read(self, towards: Side) -> int:
        return self.ends[towards.other].pieces_arrived

    def write(self, data: bytes, towards: Side) -> None:
        self.forwarded[towards] += data
        self.pieces_written[towards] += 1
        self.ends[towards].write(data)

    def bytes_until(self, after_bytes: int, towards: Side) -> int:
        return max(0, self.counted_from[towards] + after_bytes - len(self.forwarded[towards]))

    def hang_up(self, *, is_reset: bool = False) -> None:
        for end in self.ends.values():
            end.hang_up(is_reset=is_reset)


class Proxy:
    """Made by `proxying`. ``port`` is where we connect."""

    def __init__(self, node_port: int) -> None:
        self.port = 0
        self.links: list[Link] = []
        self.most_at_once = 0
        self._node_port = node_port
        self._treatments: dict[Side, Treatment] = dict.fromkeys(Side, Pass())
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def total(self) -> int:
        """How many connections we have made."""
        return len(self.links)

    def open_now(self, side: Side = Side.US) -> int:
        """How many connections are open to one side."""
        return sum(link.ends[side].is_open for link in self.links)

    def holds(self, towards: Side) -> bool:
        """Whether a stalled link has bytes that it will forward when it goes on."""
        return any(link.held[towards] for link in self.links)

    def treat(self, treatment: Treatment, towards: Side | None = None) -> None:
        """Choose what is done to the bytes towards one side, or both."""
        for side in Side if towards is None else (towards,):
            self._treatments[side] = treatment
            for link in self.links:
                link.counted_from[side] = len(link.forwarded[side])
                self._cut_when_due(link, side)
        self._changed.set()
        self._changed = asyncio.Event()

    def half_open(self, closing: Side) -> None:
        """Close one side of the connections that stand; the other side is not told."""
        for link in self.links:
            link.keeps_ends_to_itself = True
            link.ends[closing].hang_up()

    def accept(self) -> asyncio.Protocol:
        """Take a connection of ours."""
        link = Link()
        self._tasks.append(asyncio.create_task(self._serve(link)))
        return link.ends[Side.US]

    async def close(self) -> None:
        """End everything; raise what went wrong in the proxy itself."""
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self.links:
            for end in link.ends.values():
                if end.transport is not None:
                    end.transport.abort()
                    await end.closed.wait()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _serve(self, link: Link) -> None:
        await link.ends[Side.US].opened.wait()
        self.links.append(link)
        self.most_at_once = max(self.most_at_once, self.open_now())
        for side in Side:
            self._cut_when_due(link, side)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: link.ends[Side.NODE], "127.0.0.1", self._node_port
            )
        except OSError:
            link.hang_up()
            return
        async with asyncio.TaskGroup() as both:
            for side in Side:
                both.create_task(self._pump(link, side))

    async def _pump(self, link: Link, towards: Side) -> None:
        while piece := await link.ends[towards.other].read():
            await self._forward(link, towards, piece)
        while isinstance(self._treatments[towards], Stall | Drop):
            await self._changed.wait()
        if not link.keeps_ends_to_itself:
            link.ends[towards].hang_up()

    async def _forward(self, link: Link, towards: Side, piece: bytes) -> None:
        treatment = self._treatments[towards]
        match treatment:
            case Pass():
                link.write(piece, towards)
            case Delay(seconds):
                await asyncio.sleep(seconds)
                link.write(piece, towards)
            case Split():
                for byte in piece:
                    link.write(bytes([byte]), towards)
                    # The loop first wakes us and only then who reads on our own side: once is not enough.
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
            case Merge(quiet_seconds):
                link.write(piece + await link.ends[towards.other].read_all(quiet_seconds), towards)
            case Cut(after_bytes) | Stall(after_bytes) | Drop(after_bytes):
                passing = link.bytes_until(after_bytes, towards)
                if passing:
                    link.write(piece[:passing], towards)
                self._cut_when_due(link, towards)
                if isinstance(treatment, Stall) and len(piece) > passing:
                    await self._hold(link, towards, piece[passing:])

    async def _hold(self, link: Link, towards: Side, piece: bytes) -> None:
        link.held[towards] = len(piece)
        await self._changed.wait()
        link.held[towards] = 0
        await self._forward(link, towards, piece)

    def _cut_when_due(self, link: Link, towards: Side) -> None:
        treatment = self._treatments[towards]
        if isinstance(treatment, Cut) and not link.bytes_until(treatment.after_bytes, towards):
            link.hang_up(is_reset=treatment.is_reset)


@contextlib.asynccontextmanager
async def proxying(node_port: int) -> AsyncIterator[Proxy]:
    """Stand between us and a port of 127.0.0.1."""
    proxy = Proxy(node_port)
    listener = await asyncio.get_running_loop().create_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
        await proxy.close()
