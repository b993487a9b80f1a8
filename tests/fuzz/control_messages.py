"""Control messages, and what strangers are answered.

The first byte of the input says how much of the frame's end is missing; the rest is the frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent import control, strangers
from agent.errors import DecodeError, RemoteProtocolError
from agent.terms import Atom, Pid, Reference, Term
from tests.connection_checks import check_message
from tests.fakes import OWN_PID, WORKER, frame

STRANGER: Final = Pid(Atom("other@127.0.0.1"), 7, 0, 3)
REFERENCE: Final = Reference(OWN_PID.node, OWN_PID.creation, (1, 0, 0))
PING: Final[Term] = (Atom("$gen_call"), (STRANGER, REFERENCE), (Atom("is_auth"), STRANGER.node))


def check(data: bytes) -> None:
    body, missing_bytes = data[1:], sum(data[:1])
    try:
        received = control.parse(body, missing_bytes)
    except RemoteProtocolError:
        return
    if isinstance(received, control.Exit | control.MonitorExit):
        check_encoded(received.reason, body, missing_bytes)
    if isinstance(received, control.NamedMessage):
        check_encoded(received.message, body, missing_bytes)
    answer = strangers.answer(received, OWN_PID)
    if answer is not None:
        # It repeats what it answers, atoms in UTF-8; nobody gets us to send much more than he has sent.
        check_message(answer.encode(), max_bytes=3 * len(body) + 100)


def check_encoded(encoded: control.Encoded, body: bytes, missing_bytes: int) -> None:
    assert 0 <= encoded.position <= len(body)
    assert encoded.size_bytes == len(body) - encoded.position + missing_bytes
    try:
        encoded.decode()
    except DecodeError:
        return
    assert not missing_bytes


def said(fields: Term, payload: Term | None = None) -> bytes:
    return frame(fields, payload)[4:]


def bodies() -> Iterator[bytes]:
    """One control message of each kind, as a node sends it."""
    unused, name = Atom(""), Atom("net_kernel")
    yield said((1, STRANGER, OWN_PID))
    yield said((1, STRANGER, WORKER))
    yield said((2, unused, OWN_PID), [1, 2])
    yield said((3, WORKER, OWN_PID, (REFERENCE, Atom("return"), [1, 2.0, b"x"])))
    yield said((6, STRANGER, unused, name), PING)
    yield said((6, STRANGER, unused, Atom("rex")), (Atom("stop"),))
    yield said((8, STRANGER, OWN_PID, Atom("kill")))
    yield said((19, STRANGER, Atom("rex"), REFERENCE))
    yield said((19, STRANGER, WORKER, REFERENCE))
    yield said((21, WORKER, OWN_PID, REFERENCE, Atom("noproc")))
    yield said((21, Atom("rex"), OWN_PID, REFERENCE, Atom("noproc")))
    yield said((29, REFERENCE, STRANGER, STRANGER, (Atom("m"), Atom("f"), 0), []), [])
    yield said((31, REFERENCE, OWN_PID, 1, WORKER))
    yield said((31, REFERENCE, OWN_PID, 0, Atom("system_limit")))
    yield said((35, 1 << 70, STRANGER, OWN_PID))


def seeds() -> Iterator[bytes]:
    for body in bodies():
        yield b"\0" + body
        yield b"\7" + body
