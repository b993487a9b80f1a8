from __future__ import annotations

import tracemalloc

import pytest

from agent import control
from agent.errors import (
    ConnectError,
    ConnectionLost,
    DecodeError,
    LocalProtocolError,
    NodeUnreachable,
    NotErlang,
    PeerNotTrusted,
    TlsMismatch,
    WrongCookie,
)
from agent.handshake import MAX_MESSAGE_BYTES, Identity, Introduction
from agent.limits import DEFAULT_LIMITS, Limits
from agent.protocol import (
    FRAME_SECONDS,
    HANDSHAKE_SECONDS,
    MAX_SENT_FRAME_BYTES,
    Closed,
    Connected,
    Connection,
    Event,
    MessageReceived,
)
from agent.strangers import MAX_UNASKED, MAX_UNASKED_PER_SECOND
from agent.terms import Atom, Pid, Reference, Term
from agent.ticks import Ticks
from tests.fakes import OWN_CREATION, OWN_NAME, OWN_PID, PEER_CREATION, PEER_NAME, WORKER, ScriptedPeer, cookie, frame

REF = Reference(OWN_PID.node, OWN_CREATION, (1, 0, 0))
STARTED = frame((31, REF, OWN_PID, 1, WORKER))
STRANGER = Pid(Atom("other@127.0.0.1"), 7, 0, 3)


def new_connection(max_frame_bytes: int = DEFAULT_LIMITS.max_frame_bytes) -> Connection:
    connection = Connection(Introduction(PEER_NAME, cookie(), challenge=1, creation=5), Limits(16 * max_frame_bytes))
    connection.start(0.0)
    return connection


def events(connection: Connection) -> list[Event]:
    return list(iter(connection.next_event, None))


def converse(connection: Connection, peer: ScriptedPeer, now: float = 0.0) -> None:
    """Carry bytes between the two until neither has more to say."""
    while data := connection.data_to_send():
        if reply := peer.receive(data):
            connection.receive_data(reply, now)
        if peer.is_closed:
            connection.receive_data(b"", now)


def connected(now: float = 0.0, peer: ScriptedPeer | None = None, max_frame_bytes: int = 10_000) -> Connection:
    connection = new_connection(max_frame_bytes)
    converse(connection, peer or ScriptedPeer(), now)
    assert [type(event) for event in events(connection)] == [Connected]
    return connection


def why_closed(connection: Connection) -> Exception:
    *_, last = events(connection)
    assert isinstance(last, Closed)
    return last.error


def test_a_handshake_ends_in_connected_with_both_identities() -> None:
    connection = new_connection()
    converse(connection, ScriptedPeer())
    assert events(connection) == [Connected(Identity(OWN_NAME, OWN_CREATION), Identity(PEER_NAME, PEER_CREATION))]
    assert connection.own_pid == OWN_PID


def test_bytes_may_come_one_at_a_time() -> None:
    connection, peer = new_connection(), ScriptedPeer()
    while data := connection.data_to_send():
        for byte in peer.receive(data):
            connection.receive_data(bytes([byte]), 0.0)
    for byte in STARTED:
        connection.receive_data(bytes([byte]), 0.0)
    assert [type(event) for event in events(connection)] == [Connected, MessageReceived]


def test_the_first_message_may_come_in_one_piece_with_the_end_of_the_handshake() -> None:
    connection, peer = new_connection(), ScriptedPeer()
    connection.receive_data(peer.receive(connection.data_to_send()), 0.0)
    connection.receive_data(peer.receive(connection.data_to_send()) + STARTED + STARTED, 0.0)
    assert [type(event) for event in events(connection)] == [Connected, MessageReceived, MessageReceived]


def test_a_wrong_cookie_is_told_when_the_peer_hangs_up() -> None:
    connection = new_connection()
    converse(connection, ScriptedPeer(cookie="another"))
    assert isinstance(why_closed(connection), WrongCookie)


def test_a_peer_that_cannot_prove_the_cookie_is_left() -> None:
    connection = new_connection()
    converse(connection, ScriptedPeer(proves_cookie=False))
    assert isinstance(why_closed(connection), PeerNotTrusted)


def test_a_handshake_that_does_not_end_in_time_is_given_up() -> None:
    connection = new_connection()
    assert connection.next_deadline() == HANDSHAKE_SECONDS
    connection.handle_deadline(HANDSHAKE_SECONDS - 0.1)
    assert events(connection) == []
    connection.handle_deadline(HANDSHAKE_SECONDS)
    assert isinstance(why_closed(connection), NodeUnreachable)


def test_a_web_server_on_the_port_is_told_as_not_a_node() -> None:
    connection = new_connection()
    connection.receive_data(b"HTTP/1.1 400 Bad Request\r\n\r\n", 0.0)
    error = why_closed(connection)
    assert isinstance(error, NotErlang)
    assert "is no Erlang node" in str(error)


@pytest.mark.parametrize(
    "banner", [b"SSH-2.0-OpenSSH_9.2\r\n", b"220 mail ESMTP\r\n", b"-ERR unknown command\r\n", b"\0\1x"]
)
def test_any_other_server_on_the_port_is_told_as_not_a_node(banner: bytes) -> None:
    connection = new_connection()
    connection.receive_data(banner, 0.0)
    assert isinstance(why_closed(connection), NotErlang)


def test_a_node_that_speaks_tls_is_told_as_one() -> None:
    connection = new_connection()
    connection.receive_data(b"\x15\x03\x01\0\2\2\x28", 0.0)
    error = why_closed(connection)
    assert isinstance(error, TlsMismatch)
    assert "speaks TLS" in str(error)


def test_a_handshake_message_meets_its_limit_before_it_is_read() -> None:
    connection = new_connection()
    connection.receive_data((MAX_MESSAGE_BYTES + 1).to_bytes(2, "big"), 0.0)
    assert isinstance(why_closed(connection), NotErlang)


def too_long(message: Term, length: int) -> bytes:
    """The frame of a message, which is said to be, and is, longer than it has to be."""
    body = frame(message)[4:]
    return length.to_bytes(4, "big") + body + bytes(length - len(body))


@pytest.mark.parametrize("step", [1, 7, 1000, 100_000])
def test_of_a_frame_that_is_too_long_the_head_is_read_and_the_rest_let_go(step: int) -> None:
    connection = connected(max_frame_bytes=1000)
    data = too_long((3, WORKER, OWN_PID, [Atom("x")] * 10), 50_000) + STARTED
    for start in range(0, len(data), step):
        connection.receive_data(data[start : start + step], 0.0)
    ended, started = events(connection)
    assert isinstance(ended, MessageReceived)
    assert isinstance(ended.message, control.Exit)
    assert ended.message.sender == WORKER
    assert ended.message.reason.size_bytes > 49_000
    with pytest.raises(DecodeError, match="were not kept"):
        ended.message.reason.decode()
    assert started == MessageReceived(control.SpawnReply(REF, WORKER))


def test_a_frame_that_never_ends_takes_no_memory() -> None:
    connection = connected(max_frame_bytes=100_000)
    tracemalloc.start()
    connection.receive_data(b"\xff" * 4 + frame((3, WORKER, OWN_PID, Atom("x")))[4:], 0.0)
    for _ in range(200):
        connection.receive_data(bytes(100_000), 0.0)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1_000_000
    assert [type(event) for event in events(connection)] == [MessageReceived]


def test_a_message_of_a_stranger_that_is_too_long_is_skipped() -> None:
    connection = connected(max_frame_bytes=1000)
    connection.receive_data(too_long((2, Atom(""), OWN_PID), 50_000) + STARTED, 0.0)
    assert [type(event) for event in events(connection)] == [MessageReceived]
    assert connection.counters.skipped == 1


def test_a_frame_that_is_too_long_and_none_of_ours_closes_the_connection() -> None:
    connection = connected(max_frame_bytes=1000)
    connection.receive_data(b"\xff" * 2000, 0.0)
    error = why_closed(connection)
    assert isinstance(error, ConnectionLost)
    assert "not the distribution protocol" in str(error)


def test_a_message_of_ours_that_no_question_needs_is_refused() -> None:
    connection = connected()
    with pytest.raises(LocalProtocolError, match="over the limit"):
        connection.send(control.message(WORKER, bytes(MAX_SENT_FRAME_BYTES)), 0.0)
    assert connection.data_to_send() == b""


def test_a_frame_of_exactly_the_limit_is_read() -> None:
    connection = connected(max_frame_bytes=len(STARTED) - 4)
    connection.receive_data(STARTED, 0.0)
    assert [type(event) for event in events(connection)] == [MessageReceived]


@pytest.mark.parametrize("junk", [b"\x00\x00\x00\x01x", b"\x00\x00\x00\x02p\x84", frame((3, 1, 2, 3))])
def test_a_broken_frame_closes_the_connection_with_a_reason(junk: bytes) -> None:
    connection = connected()
    connection.receive_data(junk, 0.0)
    assert "not the distribution protocol" in str(why_closed(connection))


def test_the_peer_s_hanging_up_is_told() -> None:
    connection = connected()
    connection.receive_data(b"", 0.0)
    assert isinstance(why_closed(connection), ConnectionLost)


def test_after_the_end_nothing_more_happens() -> None:
    connection = connected()
    connection.receive_data(b"", 0.0)
    events(connection)
    connection.receive_data(STARTED, 1.0)
    connection.handle_deadline(1000.0)
    assert (events(connection), connection.next_deadline(), connection.data_to_send()) == ([], None, b"")


@pytest.mark.parametrize("moment", ["in the handshake", "after the end"])
def test_sending_without_a_connection_is_a_mistake_of_ours(moment: str) -> None:
    connection = new_connection() if moment == "in the handshake" else closed()
    with pytest.raises(LocalProtocolError):
        connection.send(control.exit_signal(OWN_PID, WORKER, Atom("kill")), 0.0)


def closed() -> Connection:
    connection = connected()
    connection.receive_data(b"", 0.0)
    return connection


def test_a_message_leaves_with_its_length() -> None:
    connection = connected()
    message = control.exit_signal(OWN_PID, WORKER, Atom("kill"))
    connection.send(message, 0.0)
    assert connection.data_to_send() == frame((8, OWN_PID, WORKER, Atom("kill")))
    assert connection.data_to_send() == b""


def test_a_tick_is_sent_at_a_quarter_of_the_net_ticktime() -> None:
    connection = connected(now=100.0)
    assert connection.next_deadline() == 115.0
    connection.handle_deadline(114.9)
    assert connection.data_to_send() == b""
    connection.handle_deadline(115.0)
    assert connection.data_to_send() == b"\0\0\0\0"
    assert connection.next_deadline() == 130.0


def test_whatever_is_sent_puts_the_next_tick_off() -> None:
    connection = connected(now=100.0)
    connection.send(control.exit_signal(OWN_PID, WORKER, Atom("kill")), 110.0)
    assert connection.next_deadline() == 125.0


def test_a_tick_is_answered_by_a_tick() -> None:
    connection = connected()
    connection.receive_data(b"\0\0\0\0", 5.0)
    assert connection.data_to_send() == b"\0\0\0\0"
    assert connection.counters.ticks_received == 1
    assert events(connection) == []


def test_a_peer_that_is_silent_for_five_quarters_of_its_net_ticktime_is_gone() -> None:
    connection = connected(now=100.0)
    for now in (115.0, 130.0, 145.0, 160.0):
        connection.handle_deadline(now)
    assert events(connection) == []
    assert connection.next_deadline() == 175.0
    connection.handle_deadline(175.0)
    error = why_closed(connection)
    assert isinstance(error, ConnectionLost)
    assert "silent for 75 s" in str(error)


def test_every_byte_from_the_peer_proves_that_it_lives() -> None:
    connection = connected(now=100.0)
    connection.receive_data(b"\0", 170.0)
    connection.handle_deadline(175.0)
    assert events(connection) == []


def test_the_node_s_own_net_ticktime_is_followed() -> None:
    connection = connected(now=100.0)
    connection.set_ticks(Ticks(net_ticktime_seconds=8))
    assert connection.next_deadline() == 102.0
    for now in (102.0, 104.0, 106.0, 108.0):
        connection.handle_deadline(now)
    assert connection.next_deadline() == 110.0
    connection.handle_deadline(110.0)
    assert isinstance(why_closed(connection), ConnectionLost)


def test_the_node_s_own_intensity_is_followed() -> None:
    connection = connected(now=100.0)
    connection.set_ticks(Ticks(net_ticktime_seconds=60, intensity=10))
    assert connection.next_deadline() == 106.0
    for step in range(1, 11):
        connection.handle_deadline(100.0 + 6 * step)
    assert events(connection) == []
    connection.handle_deadline(166.0)
    assert isinstance(why_closed(connection), ConnectionLost)


def test_any_number_of_ticks_in_one_piece_is_answered_by_one() -> None:
    connection = connected()
    connection.receive_data(b"\0\0\0\0" * 1000, 5.0)
    assert connection.data_to_send() == b"\0\0\0\0"
    assert connection.counters.ticks_received == 1000


def test_a_frame_that_does_not_get_whole_ends_the_connection_although_bytes_come() -> None:
    connection = connected(now=100.0)
    connection.receive_data((5000).to_bytes(4, "big"), 100.0)
    for second in range(1, int(FRAME_SECONDS)):
        connection.receive_data(b"x", 100.0 + second)
        connection.handle_deadline(100.0 + second)
    assert events(connection) == []
    connection.handle_deadline(100.0 + FRAME_SECONDS)
    error = why_closed(connection)
    assert isinstance(error, ConnectionLost)
    assert "did not get whole" in str(error)


def test_each_frame_has_its_own_time_to_get_whole() -> None:
    connection = connected(now=100.0)
    half = len(STARTED) // 2
    connection.receive_data(STARTED[:half], 100.0)
    connection.receive_data(STARTED[half:] + STARTED[:half], 150.0)
    connection.handle_deadline(150.0 + FRAME_SECONDS - 1)
    assert [type(event) for event in events(connection)] == [MessageReceived]
    connection.receive_data(STARTED[half:], 150.0 + FRAME_SECONDS - 1)
    connection.receive_data(b"\0\0\0\0", 150.0 + 2 * FRAME_SECONDS)
    connection.handle_deadline(150.0 + 2 * FRAME_SECONDS)
    assert [type(event) for event in events(connection)] == [MessageReceived]


def test_a_frame_behind_one_that_was_too_long_has_its_own_time_too() -> None:
    connection = connected(now=100.0, max_frame_bytes=1000)
    long = too_long((2, Atom(""), OWN_PID), 5000)
    connection.receive_data(long[:-1], 100.0)
    connection.receive_data(long[-1:] + b"\0\0", 150.0)
    connection.set_ticks(Ticks(net_ticktime_seconds=7200))
    assert connection.next_deadline() == 150.0 + FRAME_SECONDS


FLOODS = {
    "ticks": b"\0\0\0\0",
    "messages": frame((2, Atom(""), OWN_PID)),
    "questions": frame((19, STRANGER, Atom("rex"), REF)),
}


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
@pytest.mark.parametrize("message", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_what_nobody_asked_for_ends_the_connection(message: bytes) -> None:
    connection = connected(now=100.0)
    connection.receive_data(message * MAX_UNASKED, 100.0)
    assert events(connection) == []
    connection.receive_data(message, 100.0)
    error = why_closed(connection)
    assert isinstance(error, ConnectionLost)
    assert "floods us" in str(error)


def test_what_comes_unasked_now_and_then_is_borne_for_ever() -> None:
    connection = connected(now=100.0)
    each_second = b"\0\0\0\0" * int(MAX_UNASKED_PER_SECOND)
    for second in range(30):
        connection.receive_data(each_second, 100.0 + second)
    assert events(connection) == []


def test_over_tls_the_messages_of_the_handshake_have_four_bytes_of_length() -> None:
    connection = Connection(Introduction(PEER_NAME, cookie(), challenge=1, creation=5), over_tls=True)
    connection.start(0.0)
    peer, introduction = ScriptedPeer(), connection.data_to_send()
    assert introduction[:2] == b"\0\0"
    reply = peer.receive(introduction[2:])
    while reply:  # the peer's messages have two bytes
        size = int.from_bytes(reply[:2], "big")
        connection.receive_data(b"\0\0" + reply[: 2 + size], 0.0)
        reply = reply[2 + size :] + peer.receive(connection.data_to_send()[2:])
    assert [type(event) for event in events(connection)] == [Connected]


def test_what_is_no_node_is_told_so_over_tls_too() -> None:
    connection = Connection(Introduction(PEER_NAME, cookie(), challenge=1, creation=5), over_tls=True)
    connection.start(0.0)
    connection.receive_data(b"\x15\x03\x01\0", 0.0)
    error: ConnectError | Exception = why_closed(connection)
    assert isinstance(error, NotErlang)


def test_a_question_of_a_stranger_is_answered_without_an_event() -> None:
    connection = connected()
    connection.receive_data(frame((19, STRANGER, Atom("rex"), REF)), 0.0)
    assert connection.data_to_send() == frame((21, Atom("rex"), STRANGER, REF, Atom("noproc")))
    assert events(connection) == []
    assert connection.counters.skipped == 0


@pytest.mark.parametrize(
    "message", [(2, Atom(""), OWN_PID), (8, STRANGER, OWN_PID, Atom("kill")), (99, 1), (7, STRANGER, OWN_PID)]
)
def test_what_nobody_asked_for_is_skipped_and_counted(message: tuple[object, ...]) -> None:
    connection = connected()
    connection.receive_data(frame(message), 0.0)  # type: ignore[arg-type]  # these are terms
    assert (events(connection), connection.data_to_send(), connection.counters.skipped) == ([], b"", 1)


def test_bytes_are_counted_both_ways() -> None:
    connection = connected()
    before = connection.counters.bytes_received, connection.counters.bytes_sent
    connection.receive_data(b"\0\0\0\0", 0.0)
    connection.data_to_send()
    assert (connection.counters.bytes_received, connection.counters.bytes_sent) == (before[0] + 4, before[1] + 4)
