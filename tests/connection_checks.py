"""What must hold of a connection whatever is done to it, for the tests that do anything to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from agent import etf
from agent.errors import ConnectError, ConnectionLost
from agent.handshake import Introduction
from agent.limits import Limits
from agent.names import NodeName
from agent.protocol import Closed, Connected, Connection, Event

MAX_SENT_BYTES: Final = 2_000  # stands for MAX_SENT_FRAME_BYTES, so that short messages meet the limit too


def new_connection(introduction: Introduction, max_frame_bytes: int) -> Connection:
    return Connection(introduction, Limits(max_memory_bytes=8 * max_frame_bytes))


def buffered_bytes(connection: Connection) -> int:
    return len(connection._frames._buffer)


def take_events(connection: Connection) -> list[Event]:
    return list(iter(connection.next_event, None))


def told(event: Event) -> object:
    """An event, made comparable: two errors are never equal."""
    return (type(event.error), str(event.error)) if isinstance(event, Closed) else event


@dataclass
class Outlet:
    """Reads what leaves a connection, knowing nothing of `agent.protocol`."""

    in_handshake: bool = True
    max_bytes: int = MAX_SENT_BYTES

    def read(self, data: bytes) -> list[bytes]:
        """Return the messages without the ticks. All are whole and of a kind that we send."""
        bodies = []
        while data:
            size = 2 if self.in_handshake else 4
            prefix, rest = data[:size], data[size:]
            length = int.from_bytes(prefix, "big")
            body, data = rest[:length], rest[length:]
            assert len(prefix) == size
            assert len(body) == length
            if self.in_handshake:
                assert body[:1] == b"N" or body == b"strue" or (body[:1] == b"r" and len(body) == 21)
                self.in_handshake = body[:1] != b"r"
            elif body:
                check_message(body, self.max_bytes)
            else:
                continue
            bodies.append(body)
        return bodies


def check_message(body: bytes, max_bytes: int) -> None:
    """It is whole, and one that we may send."""
    assert len(body) <= max_bytes
    assert body[:2] == b"p\x83"
    fields, end = etf.decode_prefix(body[1:])
    assert isinstance(fields, tuple)
    assert fields[0] in (2, 3, 8, 20, 21, 29, 31, 36)
    if len(body) > 1 + end:
        etf.decode(body[1 + end :])


@dataclass
class History:
    """The events of one connection: `Connected` first if at all, `Closed` once and last."""

    events: list[Event] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], Closed)

    @property
    def stands(self) -> bool:
        return bool(self.events) and not self.is_over

    def add(self, event: Event) -> None:
        assert not self.is_over
        if isinstance(event, Connected):
            assert not self.events
            assert NodeName.parse(str(event.own.name)) == event.own.name
        elif isinstance(event, Closed):
            assert isinstance(event.error, ConnectionLost if self.events else ConnectError)
        else:
            assert self.events
        self.events.append(event)


def check_nothing_follows(connection: Connection) -> None:
    """It is over, and stays so."""
    assert connection.next_deadline() is None
    assert connection.data_to_send() == b""
    assert connection.next_event() is None
