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

Ticks: a node drops a peer from which it reads nothing for its net_ticktime. We send an empty frame at a quarter of that
time, and one for each that we get; a peer that is silent for five quarters is gone (OTP's kernel/src/dist_util.erl,
send_tick/2, gives between three and five).

Not supported, and not offered in the handshake: the atom cache, fragments, exit reasons as payloads.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, TypeAlias

from agent import control, strangers
from agent.errors import (
    AgentError,
    ConnectError,
    ConnectionLost,
    LocalProtocolError,
    NodeUnreachable,
    RemoteProtocolError,
)
from agent.handshake import MAX_MESSAGE_BYTES, Handshake, Identity, Introduction
from agent.terms import Atom, Pid

HANDSHAKE_SECONDS: Final = 7.0  # net_kernel's net_setuptime: the node itself gives up after this time
DEFAULT_NET_TICKTIME_SECONDS: Final = 60.0  # kernel's net_ticktime, until the node has told its own
MAX_SENT_FRAME_BYTES: Final = 1024 * 1024  # questions are short; the node has to take in each of them whole
_TICK: Final = b"\0\0\0\0"
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


class Connection:
    """The sans-IO state of one connection. Only `send` raises, and only `LocalProtocolError`."""

    def __init__(self, introduction: Introduction, max_frame_bytes: int = control.MAX_FRAME_BYTES) -> None:
        self.counters = Counters()
        self._target = introduction.target
        self._handshake: Handshake | None = Handshake(introduction)
        self._max_frame_bytes = max_frame_bytes
        self._own_pid: Pid | None = None
        self._net_ticktime_seconds = DEFAULT_NET_TICKTIME_SECONDS
        self._closed = False
        self._buffer = bytearray()
        self._discard_bytes = 0  # of a frame that is too long to be kept, still to come
        self._out = bytearray()
        self._events: deque[Event] = deque()
        self._handshake_until = 0.0
        self._received_at = 0.0
        self._sent_at = 0.0

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
        self._received_at = now
        self.counters.bytes_received += len(data)
        dropped = min(self._discard_bytes, len(data))
        self._discard_bytes -= dropped
        self._buffer += data[dropped:]
        try:
            self._read_frames(now)
        except ConnectError as error:
            self._close(error)
        except RemoteProtocolError as error:
            self._close(self._broken(error))

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
        self._sent_at = now

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
        return min(self._tick_due(), self._silent_at())

    def handle_deadline(self, now: float) -> None:
        """Do what is due: send a tick, or give the peer up."""
        if self._closed:
            return
        if self._handshake is not None:
            if now >= self._handshake_until:
                late = f"{self._target} did not finish the handshake within {HANDSHAKE_SECONDS:g} s"
                self._close(NodeUnreachable(late))
            return
        if now >= self._silent_at():
            silence = now - self._received_at
            self._close(
                ConnectionLost(f"{self._target} has been silent for {silence:.0f} s, its net_ticktime and more")
            )
        elif now >= self._tick_due():
            self._tick(now)

    def set_net_ticktime(self, seconds: float) -> None:
        """Follow the peer's own net_ticktime."""
        self._net_ticktime_seconds = seconds

    @property
    def own_pid(self) -> Pid:
        """The process that we are to the peer. Only after `Connected`."""
        assert self._own_pid is not None
        return self._own_pid

    def _tick_due(self) -> float:
        return self._sent_at + self._net_ticktime_seconds / 4

    def _silent_at(self) -> float:
        return self._received_at + self._net_ticktime_seconds * 5 / 4

    def _tick(self, now: float) -> None:
        self._out += _TICK
        self._sent_at = now

    def _read_frames(self, now: float) -> None:
        start = 0
        while (found := self._next_frame(start)) is not None:
            start, frame, missing_bytes = found
            if self._handshake is not None:
                self._receive_handshake(frame, now)
            else:
                self._receive_frame(frame, missing_bytes, now)
        del self._buffer[:start]

    def _next_frame(self, start: int) -> tuple[int, bytes, int] | None:
        """Return where the next frame ends, the frame, and how much of it is not kept; None when it is not here yet."""
        size = 4 if self._handshake is None else 2
        if len(self._buffer) < start + size:
            return None
        length = int.from_bytes(self._buffer[start : start + size], "big")
        if self._handshake is not None and length > MAX_MESSAGE_BYTES:
            raise RemoteProtocolError(f"a message of {length} bytes is over the limit of {MAX_MESSAGE_BYTES}")
        # Of a frame that is too long only the head is kept: it says whom to tell.
        kept = length if length <= self._max_frame_bytes else min(control.MAX_HEAD_BYTES, self._max_frame_bytes)
        end = start + size + kept
        if len(self._buffer) < end:
            return None
        frame = bytes(self._buffer[start + size : end])
        if kept < length:
            self._discard_bytes = length - kept
            here = min(self._discard_bytes, len(self._buffer) - end)
            self._discard_bytes -= here
            end += here
        return end, frame, length - kept

    def _receive_handshake(self, message: bytes, now: float) -> None:
        assert self._handshake is not None
        self._queue_handshake(self._handshake.receive(message))
        if result := self._handshake.result():
            own, peer = result
            self._handshake = None
            self._own_pid = Pid(Atom(str(own.name)), _OWN_PROCESS, 0, own.creation)
            self._sent_at = now
            self._events.append(Connected(own, peer))

    def _queue_handshake(self, message: bytes) -> None:
        if message:
            self._out += len(message).to_bytes(2, "big") + message

    def _receive_frame(self, frame: bytes, missing_bytes: int, now: float) -> None:
        if not frame:
            self.counters.ticks_received += 1
            self._tick(now)
            return
        message = control.parse(frame, missing_bytes)
        if isinstance(message, control.SpawnReply | control.Exit | control.MonitorExit):
            self._events.append(MessageReceived(message))
        elif (answer := strangers.answer(message, self.own_pid)) is not None:
            self.send(answer, now)
        else:
            self.counters.skipped += 1

    def _meaning_of_close(self) -> ConnectError | ConnectionLost:
        if self._handshake is not None:
            return self._handshake.closed()
        return ConnectionLost(f"{self._target} closed the connection")

    def _broken(self, error: AgentError) -> ConnectError | ConnectionLost:
        what = f"what {self._target} sent is not the distribution protocol: {error}"
        return NodeUnreachable(what) if self._handshake is not None else ConnectionLost(what)

    def _close(self, error: ConnectError | ConnectionLost) -> None:
        self._closed = True
        self._buffer.clear()
        self._out.clear()
        self._events.append(Closed(error))
