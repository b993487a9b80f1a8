"""One connection to a node: bytes in, events out, bytes to send out. It knows no socket and no clock.

Theory of operation::

    c = Connection(introduction)
    c.start(now)                        # queues our first message
    loop:   send c.data_to_send()       # always, after each of the calls below
            c.receive_data(data, now)   # when bytes come; b"" when the peer has closed
            c.handle_deadline(now)      # when now >= c.next_deadline()
            while event := c.next_event(): ...

A connection is in its handshake, then connected, then closed; it never goes back. `Connected` and `Closed` come once
each, `Closed` last and always, with the error that says why. Nothing that the peer sends raises here.

A connection ends when the peer closes it, breaks the protocol, is silent for too long (`agent.ticks`), sends a frame
that does not get whole, or floods us with what nobody asked for (`agent.strangers`).

Not supported, and not offered in the handshake: the atom cache, fragments, exit reasons as payloads.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final, TypeAlias

from agent import control, strangers
from agent.errors import (
    ConnectError,
    ConnectionLost,
    LocalProtocolError,
    NodeUnreachable,
    NotErlang,
    RemoteProtocolError,
    TlsMismatch,
)
from agent.framing import Frame, FrameReader
from agent.handshake import Handshake, Identity, Introduction
from agent.limits import DEFAULT_LIMITS, Limits
from agent.terms import Atom, Pid
from agent.ticks import TickClock, Ticks

HANDSHAKE_SECONDS: Final = 7.0  # net_kernel's net_setuptime: the node itself gives up after this time
FRAME_SECONDS: Final = 60.0  # for one frame to come whole, kept or not; 8 MiB need 140 kB/s
MAX_SENT_FRAME_BYTES: Final = 1024 * 1024  # questions are short; the node has to take in each of them whole
_TICK: Final = b"\0\0\0\0"
_TLS_RECORD: Final = b"\x15\x03"  # an alert, which is what TLS has to say to bytes that are none
_OWN_PROCESS: Final = 1  # the one process that we pretend to be


@dataclass(frozen=True, slots=True)
class Connected:
    """Both sides have proved the cookie; messages may be sent."""

    own: Identity
    peer: Identity


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message that concerns a question of ours."""

    message: control.SpawnReply | control.Exit | control.MonitorExit


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over: `ConnectError` when it never stood, else `ConnectionLost`."""

    error: ConnectError | ConnectionLost


Event: TypeAlias = Connected | MessageReceived | Closed


@dataclass(slots=True)
class Counters:
    """What passed over a connection. ``skipped`` are messages that we neither asked for nor answer."""

    bytes_received: int = 0
    bytes_sent: int = 0
    ticks_received: int = 0
    skipped: int = 0

    def __add__(self, other: Counters) -> Counters:
        return Counters(
            self.bytes_received + other.bytes_received,
            self.bytes_sent + other.bytes_sent,
            self.ticks_received + other.ticks_received,
            self.skipped + other.skipped,
        )


class Connection:
    """The sans-IO state of one connection. Only `send` raises, and only `LocalProtocolError`.

    ``over_tls`` says that the bytes travel inside TLS, where lengths in the handshake are of another size.
    """

    def __init__(self, introduction: Introduction, limits: Limits = DEFAULT_LIMITS, *, over_tls: bool = False) -> None:
        self.counters = Counters()
        self._target = introduction.target
        self._over_tls = over_tls
        self._handshake: Handshake | None = Handshake(introduction)
        self._frames = FrameReader(limits.max_frame_bytes, over_tls=over_tls)
        self._patience = strangers.Patience()
        self._own_pid: Pid | None = None
        self._closed = False
        self._out = bytearray()
        self._events: deque[Event] = deque()
        self._handshake_until = 0.0
        self._midway_since: float | None = None  # when the frame began that is not whole yet
        self._finished = 0  # frames that had come whole when we last looked
        self._clock = TickClock(0.0)
        self._owes_tick = False

    def start(self, now: float) -> None:
        """Begin the handshake."""
        assert self._handshake is not None
        self._handshake_until = now + HANDSHAKE_SECONDS
        self._queue_handshake(self._handshake.start())

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the peer; ``b""`` says that it has closed."""
        if self._closed:
            return
        if not data:
            self._close(self._meaning_of_close())
            return
        self._clock.received(now)
        self.counters.bytes_received += len(data)
        self._frames.feed(data)
        try:
            self._read_frames(now)
        except ConnectError as error:
            self._close(error)
        except RemoteProtocolError as error:
            self._close(self._broken(error))
        if self._owes_tick and not self._closed:
            self._tick(now)

    def next_event(self) -> Event | None:
        """Return the next event, or None when there is none yet."""
        return self._events.popleft() if self._events else None

    def send(self, message: control.Outgoing, now: float) -> None:
        """Queue a message. Raises `LocalProtocolError` when there is no connection, or it cannot be sent."""
        if self._closed or self._own_pid is None:
            raise LocalProtocolError("messages can be sent only while connected")
        frame = message.encode()
        if len(frame) > MAX_SENT_FRAME_BYTES:
            raise LocalProtocolError(f"a message of {len(frame)} bytes is over the limit of {MAX_SENT_FRAME_BYTES}")
        self._out += len(frame).to_bytes(4, "big") + frame
        self._clock.sent(now)

    def data_to_send(self) -> bytes:
        """Return the bytes that are due, once."""
        data = bytes(self._out)
        self._out.clear()
        self.counters.bytes_sent += len(data)
        return data

    def next_deadline(self) -> float | None:
        """Return when `handle_deadline` wants to be called, None when never."""
        if self._closed:
            return None
        if self._handshake is not None:
            return self._handshake_until
        return min(self._clock.due_at, self._clock.silent_at, self._frame_until())

    def handle_deadline(self, now: float) -> None:
        """Do what is due: send a tick, or give the peer up."""
        if self._closed:
            return
        if self._handshake is not None:
            if now >= self._handshake_until:
                late = f"{self._target} did not finish the handshake within {HANDSHAKE_SECONDS:g} s"
                self._close(NodeUnreachable(late))
        elif now >= self._clock.silent_at:
            silence = self._clock.silence_seconds(now)
            self._close(
                ConnectionLost(f"{self._target} has been silent for {silence:.0f} s, its net_ticktime and more")
            )
        elif now >= self._frame_until():
            self._close(ConnectionLost(f"a message of {self._target} did not get whole within {FRAME_SECONDS:g} s"))
        elif now >= self._clock.due_at:
            self._tick(now)

    def set_ticks(self, ticks: Ticks) -> None:
        """Follow the peer's own settings."""
        self._clock.ticks = ticks

    def count_unasked(self, now: float) -> None:
        """Count a message that no question asked for; too many of them close the connection."""
        self.counters.skipped += 1
        self._bear(now)

    @property
    def own_pid(self) -> Pid:
        """The process that we are to the peer. Only after `Connected`."""
        assert self._own_pid is not None
        return self._own_pid

    def _frame_until(self) -> float:
        return math.inf if self._midway_since is None else self._midway_since + FRAME_SECONDS

    def _tick(self, now: float) -> None:
        self._out += _TICK
        self._owes_tick = False
        self._clock.sent(now)

    def _read_frames(self, now: float) -> None:
        while not self._closed and (frame := self._frames.next()) is not None:
            if self._handshake is not None:
                self._receive_handshake(frame.data, now)
            else:
                self._receive_frame(frame, now)
        if self._frames.finished != self._finished or not self._frames.is_midway:
            self._finished = self._frames.finished
            self._midway_since = None
        if self._frames.is_midway and self._midway_since is None:
            self._midway_since = now

    def _receive_handshake(self, message: bytes, now: float) -> None:
        assert self._handshake is not None
        self._queue_handshake(self._handshake.receive(message))
        if result := self._handshake.result():
            own, peer = result
            self._handshake = None
            self._frames.handshake_is_over()
            self._own_pid = Pid(Atom(str(own.name)), _OWN_PROCESS, 0, own.creation)
            self._clock.sent(now)
            self._events.append(Connected(own, peer))

    def _queue_handshake(self, message: bytes) -> None:
        if message:
            self._out += len(message).to_bytes(4 if self._over_tls else 2, "big") + message

    def _receive_frame(self, frame: Frame, now: float) -> None:
        if not frame.data:
            self.counters.ticks_received += 1
            self._owes_tick = True  # one for all that came at once
            self._bear(now)
            return
        message = control.parse(frame.data, frame.missing_bytes)
        if isinstance(message, control.SpawnReply | control.Exit | control.MonitorExit):
            self._events.append(MessageReceived(message))
        elif (answer := strangers.answer(message, self.own_pid)) is not None:
            self.send(answer, now)
            self._bear(now)
        else:
            self.count_unasked(now)

    def _bear(self, now: float) -> None:
        if not self._closed and not self._patience.allows_one_more(now):
            self._close(
                ConnectionLost(f"{self._target} floods us with messages that nobody asked for, so we have left it")
            )

    def _meaning_of_close(self) -> ConnectError | ConnectionLost:
        if self._handshake is not None:
            return self._handshake.closed(is_midway=self._frames.is_midway)
        return ConnectionLost(f"{self._target} closed the connection")

    def _broken(self, error: RemoteProtocolError) -> ConnectError | ConnectionLost:
        if self._handshake is None:
            return ConnectionLost(f"what {self._target} sent is not the distribution protocol: {error}")
        if self._frames.held.startswith(_TLS_RECORD) and not self._over_tls:
            return TlsMismatch(
                f"{self._target} speaks TLS: set tls_ca_file to the authority that has signed its certificate"
            )
        return NotErlang(
            f"what answers for {self._target} is no Erlang node: {error}. Give the port that the node listens on, or "
            "no port, so that epmd is asked"
        )

    def _close(self, error: ConnectError | ConnectionLost) -> None:
        self._closed = True
        self._frames.clear()
        self._out.clear()
        self._events.append(Closed(error))
