from __future__ import annotations

import pytest

from agent import control, etf
from agent.errors import DecodeError, RemoteProtocolError
from agent.terms import Atom, ImproperList, Pid, Reference, Term
from tests.fakes import OWN_PID, WORKER, frame

REF = Reference(OWN_PID.node, OWN_PID.creation, (1, 0, 0))
STRANGER = Pid(Atom("other@127.0.0.1"), 7, 0, 3)


def body(message: Term, payload: Term | None = None) -> bytes:
    return frame(message, payload)[4:]


@pytest.mark.parametrize(
    ("message", "payload", "parsed"),
    [
        ((31, REF, OWN_PID, 1, WORKER), None, control.SpawnReply(REF, WORKER)),
        ((31, REF, OWN_PID, 0, Atom("badopt")), None, control.SpawnReply(REF, Atom("badopt"))),
        ((1, STRANGER, OWN_PID), None, control.LinkRequest(STRANGER, OWN_PID)),
        ((35, 1 << 60, STRANGER, OWN_PID), None, control.UnlinkRequest(1 << 60, STRANGER, OWN_PID)),
        ((19, STRANGER, OWN_PID, REF), None, control.MonitorRequest(STRANGER, OWN_PID, REF)),
        ((19, STRANGER, Atom("rex"), REF), None, control.MonitorRequest(STRANGER, Atom("rex"), REF)),
        (
            (29, REF, STRANGER, STRANGER, (Atom("m"), Atom("f"), 0), []),
            [],
            control.SpawnAttempt(REF, STRANGER),
        ),
        ((2, Atom(""), OWN_PID), Atom("hi"), control.Skipped(2)),
        ((4711, 1), None, control.Skipped(4711)),
        ((31, 1, 2), None, control.Skipped(31)),
    ],
)
def test_a_control_message_is_read(message: Term, payload: Term | None, parsed: control.Incoming) -> None:
    assert control.parse(body(message, payload)) == parsed


def test_the_reason_of_an_exit_is_decoded_only_on_request() -> None:
    read = control.parse(body((3, WORKER, OWN_PID, [b"reason", 1.5])))
    assert isinstance(read, control.Exit)
    assert (read.sender, read.receiver) == (WORKER, OWN_PID)
    assert read.reason.decode() == [b"reason", 1.5]
    assert read.reason.size_bytes == len(etf.encode([b"reason", 1.5])) - 1


def test_a_reason_that_is_no_term_does_not_hurt_until_it_is_decoded() -> None:
    read = control.parse(body((3, WORKER, OWN_PID, Atom("x")))[:-1] + b"\xff")
    assert isinstance(read, control.Exit)
    with pytest.raises(DecodeError):
        read.reason.decode()


def test_bytes_behind_a_reason_are_an_error() -> None:
    read = control.parse(body((21, WORKER, OWN_PID, REF, Atom("x"))) + b"\x61\x01")
    assert isinstance(read, control.MonitorExit)
    with pytest.raises(DecodeError, match="2 bytes follow"):
        read.reason.decode()


def test_a_message_to_a_name_keeps_its_payload_encoded() -> None:
    read = control.parse(body((6, STRANGER, Atom(""), Atom("net_kernel")), (Atom("x"), 1)))
    assert isinstance(read, control.NamedMessage)
    assert read.name == Atom("net_kernel")
    assert read.message.decode() == (Atom("x"), 1)


@pytest.mark.parametrize(
    "frame_body",
    [
        b"",
        b"\x83",
        b"q" + etf.encode((3, WORKER, OWN_PID, 1)),
        b"p",
        b"p\x82",
        b"p" + etf.encode([1]),
        b"p" + etf.encode((Atom("op"), 1)),
        b"p" + etf.encode((3, Atom("no pid"), OWN_PID, 1)),
        b"p" + etf.encode((31, WORKER, OWN_PID, 1, WORKER)),
        b"p" + etf.encode((35, Atom("x"), OWN_PID, WORKER)),
        b"p" + etf.encode((19, WORKER, 1, REF)),
        b"p" + etf.encode((6, WORKER, Atom(""), Atom("x"))),
        b"p" + etf.encode((31, REF, OWN_PID, [[0] * 1000, [Atom("x")] * 1000], WORKER)),
    ],
)
def test_what_is_no_control_message_breaks_the_protocol(frame_body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        control.parse(frame_body)


def test_a_frame_is_the_tuple_and_its_payload() -> None:
    sent = control.spawn_request(REF, OWN_PID, WORKER, (Atom("m"), Atom("f")), [1, 2], [Atom("link")]).encode()
    head, end = etf.decode_prefix(sent[1:])
    assert sent[:1] == b"p"
    assert head == (29, REF, OWN_PID, WORKER, (Atom("m"), Atom("f"), 2), [Atom("link")])
    assert etf.decode(sent[1 + end :]) == [1, 2]


@pytest.mark.parametrize(
    ("sent", "control_tuple"),
    [
        (control.exit_signal(OWN_PID, WORKER, Atom("kill")), (8, OWN_PID, WORKER, Atom("kill"))),
        (control.demonitor(OWN_PID, WORKER, REF), (20, OWN_PID, WORKER, REF)),
        (control.link_exit(OWN_PID, WORKER, Atom("noproc")), (3, OWN_PID, WORKER, Atom("noproc"))),
        (
            control.monitor_exit(Atom("rex"), WORKER, REF, Atom("noproc")),
            (21, Atom("rex"), WORKER, REF, Atom("noproc")),
        ),
        (control.unlink_acknowledgement(9, OWN_PID, WORKER), (36, 9, OWN_PID, WORKER)),
        (control.spawn_refusal(REF, WORKER, Atom("notsup")), (31, REF, WORKER, 0, Atom("notsup"))),
    ],
)
def test_a_message_without_payload_is_the_tuple_alone(sent: control.Outgoing, control_tuple: Term) -> None:
    assert sent.encode() == b"p" + etf.encode(control_tuple)


def test_a_message_to_a_process_carries_its_term() -> None:
    tag = ImproperList((Atom("alias"),), REF)
    sent = control.message(WORKER, (tag, Atom("yes"))).encode()
    assert sent == b"p" + etf.encode((2, Atom(""), WORKER)) + etf.encode((tag, Atom("yes")))


@pytest.mark.parametrize("unlink_id", [1 << 64, -(1 << 64), 1 << 8_000_000], ids=["a bit more", "less", "a megabyte"])
def test_an_integer_that_no_node_sends_breaks_the_protocol(unlink_id: int) -> None:
    with pytest.raises(DecodeError, match="more than 64"):
        control.parse(b"p" + etf.encode((35, unlink_id, WORKER, OWN_PID)))
