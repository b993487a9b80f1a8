"""Control messages: what two connected nodes say to each other after the handshake.

Each is a tuple ``{Opcode, ...}``, followed by a payload in some. What we send is encoded whole; of what we receive
only the fields that say whom it concerns are decoded here. A reason for an exit or a message may be megabytes long,
and stays `Encoded` until the one it is for asks, within limits of its own. What we do not know is `Skipped`.

Source: https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html, "Protocol between Connected Nodes"; field names are
the ones used there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias, TypeVar

from agent import etf
from agent.errors import DecodeError, RemoteProtocolError
from agent.terms import Atom, Pid, Reference, Term

PASS_THROUGH: Final = 112  # "p": what follows is a control message without distribution header
_FIELD_LIMITS: Final = etf.Limits(max_bytes=1 << 32, max_depth=8, max_terms=64)  # frames have a limit of their own

_UNUSED: Final = Atom("")
_Field = TypeVar("_Field", Pid, Reference, int)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A term inside a frame, not decoded yet. ``missing_bytes`` of it were too many to be kept."""

    frame: bytes
    position: int
    missing_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """Return how long the term is on the wire."""
        return len(self.frame) - self.position + self.missing_bytes

    def decode(self, limits: etf.Limits = etf.DEFAULT_LIMITS) -> Term:
        """Decode the term, which is the last thing in its frame. Raises `DecodeError`."""
        if self.missing_bytes:
            raise DecodeError(f"the last {self.missing_bytes} bytes were not kept")
        reader = etf.Reader(self.frame, self.position, limits)
        term = reader.term()
        if reader.position != len(self.frame):
            raise DecodeError(f"{len(self.frame) - reader.position} bytes follow the term")
        return term


# --- what reaches us --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpawnReply:
    """The answer to a spawn request: the new process, or an atom that says why there is none."""

    OPCODE: ClassVar[int] = 31
    request: Reference
    result: Pid | Atom


@dataclass(frozen=True, slots=True)
class Exit:
    """A process that is linked to one of ours has ended."""

    OPCODE: ClassVar[int] = 3
    sender: Pid
    receiver: Pid
    reason: Encoded


@dataclass(frozen=True, slots=True)
class MonitorExit:
    """A process that we monitor has ended."""

    OPCODE: ClassVar[int] = 21
    sender: Pid | Atom
    receiver: Pid
    reference: Reference
    reason: Encoded


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """A process links itself to one of ours."""

    OPCODE: ClassVar[int] = 1
    sender: Pid
    receiver: Pid


@dataclass(frozen=True, slots=True)
class UnlinkRequest:
    """A process unlinks itself from one of ours and wants that confirmed."""

    OPCODE: ClassVar[int] = 35
    id: int
    sender: Pid
    receiver: Pid


@dataclass(frozen=True, slots=True)
class MonitorRequest:
    """A process wants to monitor a process of ours, by pid or by name."""

    OPCODE: ClassVar[int] = 19
    sender: Pid
    receiver: Pid | Atom
    reference: Reference


@dataclass(frozen=True, slots=True)
class NamedMessage:
    """A message to a registered name of ours."""

    OPCODE: ClassVar[int] = 6
    sender: Pid
    name: Atom
    message: Encoded


@dataclass(frozen=True, slots=True)
class SpawnAttempt:
    """The peer wants to start a process here."""

    OPCODE: ClassVar[int] = 29
    request: Reference
    sender: Pid


@dataclass(frozen=True, slots=True)
class Skipped:
    """Any other message: nothing of it but the opcode was looked at."""

    opcode: int


Incoming: TypeAlias = (
    SpawnReply
    | Exit
    | MonitorExit
    | LinkRequest
    | UnlinkRequest
    | MonitorRequest
    | NamedMessage
    | SpawnAttempt
    | Skipped
)


class _Fields(etf.Reader):
    """Reads the fields of a control tuple, each of the type that it must have."""

    __slots__ = ("_frame", "_missing_bytes")

    def __init__(self, frame: bytes, missing_bytes: int) -> None:
        super().__init__(frame, 1, _FIELD_LIMITS)
        self._frame = frame
        self._missing_bytes = missing_bytes

    def pid(self) -> Pid:
        return self._expect(self.term(), Pid)

    def reference(self) -> Reference:
        return self._expect(self.term(), Reference)

    def integer(self) -> int:
        number = self._expect(self.term(), int)
        if number.bit_length() > 64:  # an answer of ours may have to repeat it
            raise DecodeError(f"a control message has an integer of {number.bit_length()} bits, more than 64")
        return number

    def pid_or_atom(self) -> Pid | Atom:
        term = self.term()
        return term if isinstance(term, Atom) else self._expect(term, Pid)

    def last(self) -> Encoded:
        return Encoded(self._frame, self.position, self._missing_bytes)

    def payload(self) -> Encoded:
        self.version()
        return self.last()

    @staticmethod
    def _expect(term: Term, kind: type[_Field]) -> _Field:
        if not isinstance(term, kind):
            raise DecodeError(f"a control message has a {type(term).__name__} where a {kind.__name__} belongs")
        return term


def parse(frame: bytes, missing_bytes: int = 0) -> Incoming:
    """Read the control message in a frame, of which so many bytes at its end were not kept.

    Raises `RemoteProtocolError`: then the peer and we lost each other.
    """
    if frame[:1] != bytes([PASS_THROUGH]):
        raise RemoteProtocolError(f"a frame begins with {PASS_THROUGH}, not with {frame[:1].hex() or 'nothing'}")
    fields = _Fields(frame, missing_bytes)
    fields.version()
    arity = fields.tuple_arity()
    opcode = fields.integer()
    read = _PARSERS.get((opcode, arity))
    return Skipped(opcode) if read is None else read(fields)


def _parse_named_message(fields: _Fields) -> NamedMessage:
    sender = fields.pid()
    fields.atom()  # unused
    name = fields.atom()
    return NamedMessage(sender, name, fields.payload())


def _parse_spawn_reply(fields: _Fields) -> SpawnReply:
    request = fields.reference()
    fields.pid()  # to whom: every request is from one pid of ours
    fields.integer()  # flags: whether link and monitor were made
    return SpawnReply(request, fields.pid_or_atom())


_PARSERS: Final[dict[tuple[int, int], Callable[[_Fields], Incoming]]] = {
    (LinkRequest.OPCODE, 3): lambda f: LinkRequest(f.pid(), f.pid()),
    (Exit.OPCODE, 4): lambda f: Exit(f.pid(), f.pid(), f.last()),
    (NamedMessage.OPCODE, 4): _parse_named_message,
    (MonitorRequest.OPCODE, 4): lambda f: MonitorRequest(f.pid(), f.pid_or_atom(), f.reference()),
    (MonitorExit.OPCODE, 5): lambda f: MonitorExit(f.pid_or_atom(), f.pid(), f.reference(), f.last()),
    (SpawnAttempt.OPCODE, 6): lambda f: SpawnAttempt(f.reference(), f.pid()),
    (SpawnReply.OPCODE, 5): _parse_spawn_reply,
    (UnlinkRequest.OPCODE, 4): lambda f: UnlinkRequest(f.integer(), f.pid(), f.pid()),
}


# --- what we send -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A control message of ours, ready to be encoded: the tuple, and a payload or None."""

    control: tuple[Term | etf.Fragment, ...]
    payload: Term | None = None

    def encode(self) -> bytes:
        """Return the frame without its length. Raises `EncodeError`."""
        payload = b"" if self.payload is None else etf.encode(self.payload)
        return bytes([PASS_THROUGH]) + etf.encode(self.control) + payload


def spawn_request(
    request: Reference,
    sender: Pid,
    group_leader: Pid,
    function: tuple[Atom, Atom],
    arguments: Sequence[Term],
    options: list[Term] | etf.Fragment,
) -> Outgoing:
    """Ask the peer to start a process that applies ``function`` (module and name) to ``arguments``."""
    mfa = (*function, len(arguments))
    return Outgoing((29, request, sender, group_leader, mfa, options), list(arguments))


def exit_signal(sender: Pid, receiver: Pid, reason: Term) -> Outgoing:
    """Send an exit signal as ``exit/2`` does; the reason ``kill`` cannot be trapped."""
    return Outgoing((8, sender, receiver, reason))


def demonitor(sender: Pid, receiver: Pid, reference: Reference) -> Outgoing:
    """End a monitor of ours."""
    return Outgoing((20, sender, receiver, reference))


def link_exit(sender: Pid, receiver: Pid, reason: Term) -> Outgoing:
    """Tell a process that linked itself to one of ours how that one ended."""
    return Outgoing((3, sender, receiver, reason))


def monitor_exit(sender: Pid | Atom, receiver: Pid, reference: Reference, reason: Term) -> Outgoing:
    """Tell a process that monitors one of ours how that one ended."""
    return Outgoing((21, sender, receiver, reference, reason))


def unlink_acknowledgement(unlink_id: int, sender: Pid, receiver: Pid) -> Outgoing:
    """Confirm that a link is gone."""
    return Outgoing((36, unlink_id, sender, receiver))


def spawn_refusal(request: Reference, receiver: Pid, error: Atom) -> Outgoing:
    """Refuse to start a process here."""
    return Outgoing((31, request, receiver, 0, error))


def message(receiver: Pid, term: Term) -> Outgoing:
    """Send a message to a process."""
    return Outgoing((2, _UNUSED, receiver), term)
