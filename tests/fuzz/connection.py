"""A whole connection after its handshake, beside a twin that gets the same bytes in smaller pieces.

The input is a program for what happens to them. Each step is a byte that says what, a byte that says how much, and the
bytes that it takes.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import Final
from unittest.mock import patch

from agent import control, protocol, strangers
from agent.errors import LocalProtocolError
from agent.protocol import Connection
from agent.terms import Atom
from agent.ticks import Ticks
from tests.connection_checks import (
    History,
    Outlet,
    buffered_bytes,
    check_nothing_follows,
    new_connection,
    take_events,
    told,
)
from tests.fakes import OWN_PID, WORKER, ScriptedPeer
from tests.fuzz.control_messages import bodies
from tests.fuzz.handshake import introduction

# Small, so that short programs meet each of them.
MAX_FRAME_BYTES: Final = 300
MAX_SENT_BYTES: Final = 150
MAX_UNASKED: Final = 60
MAX_STEPS: Final = 40
TICK: Final = bytes(4)
HELD: Final = 0x80  # beside a `What`: what comes stays on its way until the next step
KILL: Final = control.exit_signal(OWN_PID, WORKER, Atom("kill"))


class What(enum.IntEnum):
    """What may happen."""

    BYTES = 0
    MESSAGE = 1
    LONG_MESSAGE = 2
    TICKS = 3
    REPEAT = 4
    WAIT = 5
    SEND = 6
    HANG_UP = 7
    LEARN_TICKS = 8


class Pair:
    """The two, and what is on its way to them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.wire = b""
        self.histories = History(), History()
        self.outlets = Outlet(max_bytes=MAX_SENT_BYTES), Outlet(max_bytes=MAX_SENT_BYTES)
        self.connections = connect(self.outlets[0]), connect(self.outlets[1])
        self.check()
        assert self.histories[0].stands

    def add(self, data: bytes) -> None:
        self.wire += data

    def repeat(self, times: int) -> None:
        self.wire = (self.wire * times)[:2_000]

    def deliver(self) -> None:
        one, other = self.connections
        piece, self.wire = self.wire, b""
        one.receive_data(piece, self.now)
        size = 1 + len(piece) // 30  # a long piece byte by byte would be most of the time
        for start in range(0, len(piece), size):
            other.receive_data(piece[start : start + size], self.now)

    def learn_ticks(self, ticks: Ticks) -> None:
        for connection in self.connections:
            connection.set_ticks(ticks)

    def hang_up(self) -> None:
        for connection in self.connections:
            connection.receive_data(b"", self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for connection in self.connections:
            connection.handle_deadline(self.now)
            due = connection.next_deadline()
            assert due is None or due > self.now

    def send(self) -> None:
        for connection, history in zip(self.connections, self.histories, strict=True):
            try:
                connection.send(KILL, self.now)
            except LocalProtocolError:
                assert history.is_over

    def check(self) -> None:
        for connection, history in zip(self.connections, self.histories, strict=True):
            for event in take_events(connection):
                history.add(event)
            if history.is_over:
                check_nothing_follows(connection)
            assert buffered_bytes(connection) < 4 + MAX_FRAME_BYTES
        one, other = self.connections
        assert one.next_deadline() == other.next_deadline()
        assert self.outlets[0].read(one.data_to_send()) == self.outlets[1].read(other.data_to_send())
        assert list(map(told, self.histories[0].events)) == list(map(told, self.histories[1].events))


def connect(outlet: Outlet) -> Connection:
    """Return a connection with its handshake done and all its output read."""
    connection, peer = new_connection(introduction(is_named=False), MAX_FRAME_BYTES), ScriptedPeer()
    connection.start(0.0)
    while data := connection.data_to_send():
        outlet.read(data)
        if reply := peer.receive(data):
            connection.receive_data(reply, 0.0)
    return connection


def with_length(body: bytes, more: int = 0) -> bytes:
    return (len(body) + more).to_bytes(4, "big") + body + bytes(more)


ARRIVING: Final[dict[What, Callable[[bytes], bytes]]] = {
    What.BYTES: lambda taken: taken,
    What.MESSAGE: with_length,
    What.LONG_MESSAGE: lambda taken: with_length(taken, MAX_FRAME_BYTES),
}
HAPPENING: Final[dict[What, Callable[[Pair, int], None]]] = {
    What.TICKS: lambda pair, size: pair.add(TICK * size),
    What.REPEAT: lambda pair, size: pair.repeat(size),
    What.WAIT: lambda pair, size: pair.wait(size / 4),
    What.SEND: lambda pair, _: pair.send(),
    What.HANG_UP: lambda pair, _: pair.hang_up(),
    What.LEARN_TICKS: lambda pair, size: pair.learn_ticks(Ticks(60.0 * (1 + size))),
}


def check(data: bytes) -> None:
    with (
        patch.object(protocol, "MAX_SENT_FRAME_BYTES", MAX_SENT_BYTES),
        patch.object(strangers, "MAX_UNASKED", MAX_UNASKED),
    ):
        pair = Pair()
        for _ in range(MAX_STEPS):
            if len(data) < 2:
                break
            data = step(pair, data[0], data[1], data[2:])
            pair.check()
        pair.hang_up()
        pair.check()
        assert pair.histories[0].is_over


def step(pair: Pair, what: int, size: int, data: bytes) -> bytes:
    """Do one step and return what it left of the program."""
    kind = What(what % HELD % len(What))
    taken = data[:size] if kind in ARRIVING else b""
    if kind in ARRIVING:
        pair.wire += ARRIVING[kind](taken)
    else:
        HAPPENING[kind](pair, size)
    if pair.wire and not what & HELD:
        pair.deliver()
    return data[len(taken) :]


def seeds() -> Iterator[bytes]:
    every = list(bodies())
    for body in every:
        yield bytes([What.MESSAGE, len(body)]) + body
        yield bytes([What.LONG_MESSAGE, len(body)]) + body
        half = with_length(body)[: len(body) // 2]
        yield bytes([What.LEARN_TICKS, 100, What.BYTES, len(half)]) + half + bytes([What.WAIT, 8, What.TICKS, 9])
        yield bytes([What.MESSAGE | HELD, len(body)]) + body + bytes([What.REPEAT, 255])
        long = with_length(body, MAX_FRAME_BYTES)
        pieces = [long[start : start + 100] for start in range(0, len(long), 100)]
        yield bytes([What.LEARN_TICKS, 100]) + b"".join(
            bytes([What.BYTES, len(piece)]) + piece + bytes([What.WAIT, 8]) for piece in pieces
        )
    yield b"".join(bytes([What.MESSAGE | HELD, len(body)]) + body for body in every)
    yield bytes([What.TICKS, 3, What.WAIT, 60, What.SEND, 0, What.WAIT, 60, What.HANG_UP, 0])
