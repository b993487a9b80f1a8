"""One connection under bytes, messages, deadlines and time in any order, beside a twin that gets each byte alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, TypeVar
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import SearchStrategy

from agent import control, protocol, strangers
from agent.errors import EncodeError, LocalProtocolError
from agent.handshake import MAX_MESSAGE_BYTES, Flag, Introduction
from agent.names import NodeName
from agent.protocol import Connected, Connection
from agent.terms import Atom, Pid, Reference, Term
from agent.ticks import Ticks
from tests.connection_checks import (
    MAX_SENT_BYTES,
    History,
    Outlet,
    buffered_bytes,
    check_nothing_follows,
    new_connection,
    take_events,
    told,
)
from tests.fakes import OWN_CREATION, OWN_NAME, OWN_PID, PEER_NAME, WORKER, ScriptedPeer, cookie, frame, message
from tests.terms_strategies import ALIKE, ATOMS, DAMAGES, LONG, QUICK, damage

T = TypeVar("T")

# --- what comes and what goes -----------------------------------------------------------------------------------------

STRANGER: Final = Pid(Atom("other@127.0.0.1"), 7, 0, 3)
PIDS: Final = st.sampled_from([OWN_PID, WORKER, STRANGER])
TERMS: Final = st.one_of(st.sampled_from(ALIKE), st.binary(max_size=200))
PIDS_OR_ATOMS: Final = st.one_of(PIDS, st.sampled_from([Atom("net_kernel"), Atom("rex"), Atom("noproc")]), ATOMS)
REFERENCES: Final = st.sampled_from([Reference(OWN_PID.node, OWN_CREATION, (number, 0, 0)) for number in (1, 2)])
# An unlink's id has to be repeated in our answer, however long it is.
IDS: Final = st.one_of(st.integers(0, 1 << 64), st.integers(0, 20 * MAX_SENT_BYTES).map(lambda bits: 1 << bits))


def framed(opcode: int, *fields: SearchStrategy[Term]) -> SearchStrategy[bytes]:
    return st.tuples(st.just(opcode), *fields).map(frame)


def ping(asker: Pid, tag: Term) -> bytes:
    question = (Atom("$gen_call"), (asker, tag), (Atom("is_auth"), asker.node))
    return frame((6, asker, Atom(""), Atom("net_kernel")), question)


def lengthened(data: bytes, more: int) -> bytes:
    """The same frame with bytes behind its message."""
    return (len(data) - 4 + more).to_bytes(4, "big") + data[4:] + bytes(more)


def with_length(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


ANSWERS: Final = st.one_of(
    framed(31, REFERENCES, PIDS, st.integers(0, 3), PIDS_OR_ATOMS),
    framed(3, PIDS, PIDS, TERMS),
    framed(21, PIDS_OR_ATOMS, PIDS, REFERENCES, TERMS),
)
UNASKED: Final = st.one_of(
    framed(1, PIDS, PIDS),
    framed(35, IDS, PIDS, PIDS),
    framed(19, PIDS, PIDS_OR_ATOMS, REFERENCES),
    framed(29, REFERENCES, PIDS, PIDS, TERMS, TERMS),
    framed(2, ATOMS, PIDS),
    st.builds(ping, PIDS, st.one_of(REFERENCES, TERMS)),
)
TICK: Final = bytes(4)
LONG_FRAMES: Final = st.builds(
    lengthened, st.one_of(ANSWERS, UNASKED), st.one_of(st.integers(1, 500), st.integers(1, 20_000))
)
FRAMES: Final = st.one_of(ANSWERS, UNASKED, LONG_FRAMES, st.just(TICK))
NOISE: Final = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.binary(max_size=40).map(message),
    st.binary(max_size=40).map(with_length),
    st.just(b"\xff" * 4),
)
# Too long; no term of Erlang's; none of Python's that stands for one.
UNSENDABLE: Final = [
    control.message(WORKER, bytes(MAX_SENT_BYTES)),
    control.message(WORKER, float("nan")),
    control.message(WORKER, "text"),  # type: ignore[arg-type]
]
OUTGOING: Final = st.one_of(
    st.builds(control.message, PIDS, TERMS),
    st.builds(control.exit_signal, PIDS, PIDS, TERMS),
    st.builds(control.demonitor, PIDS, PIDS, REFERENCES),
    st.sampled_from(UNSENDABLE),
)
PEERS: Final[dict[str, Callable[[], ScriptedPeer]]] = {
    "good": ScriptedPeer,
    "with another cookie": lambda: ScriptedPeer(cookie="another"),
    "without the cookie": lambda: ScriptedPeer(proves_cookie=False),
    "that gives no names": lambda: ScriptedPeer(status=b"ok"),
    "that knows us": lambda: ScriptedPeer(status=b"alive"),
    "that refuses": lambda: ScriptedPeer(status=b"nok"),
    "of another name": lambda: ScriptedPeer(claimed_name="other@127.0.0.1"),
    "that can nothing": lambda: ScriptedPeer(flags=Flag(0)),
    "that is too old": lambda: ScriptedPeer(challenge_tag=b"n"),
}
PLACES: Final = st.integers(0, 500)
MAX_FRAME_BYTES: Final = st.sampled_from([200, 1_000, 20_000])
SECONDS: Final = st.one_of(st.sampled_from([0.001, 1.0, 7.0, 15.0, 75.0]), st.floats(0, 100))
# With the longest, other deadlines come first.
TICKS: Final = st.one_of(
    st.just(Ticks(7200.0)), st.builds(Ticks, st.sampled_from([8.0, 60.0, 7200.0]), st.sampled_from([4, 1000]))
)


def is_sent_by(connection: Connection, outgoing: control.Outgoing, now: float) -> bool:
    try:
        connection.send(outgoing, now)
    except LocalProtocolError:
        return False
    return True


def is_sendable(outgoing: control.Outgoing) -> bool:
    try:
        return len(outgoing.encode()) <= MAX_SENT_BYTES
    except EncodeError:
        return False


# --- the machine ------------------------------------------------------------------------------------------------------


class ConnectionMachine(RuleBasedStateMachine):
    """Whatever happens, happens to both; the twin is given every piece byte by byte."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.wire = b""  # what the peer has sent and has not arrived
        self.history = History()
        self.outlets = Outlet(), Outlet()
        self.limits = ExitStack()
        self.limits.enter_context(patch.object(protocol, "MAX_SENT_FRAME_BYTES", MAX_SENT_BYTES))

    @initialize(
        now=st.floats(0, 1e6),
        kind=st.sampled_from(sorted(PEERS)),
        own_name=st.sampled_from([None, OWN_NAME]),
        max_frame_bytes=MAX_FRAME_BYTES,
        max_unasked=st.sampled_from([strangers.MAX_UNASKED, strangers.MAX_UNASKED, 10]),
        ticks=TICKS,
        in_handshake=st.sampled_from([False, False, True]),
    )
    def start(
        self,
        *,
        now: float,
        kind: str,
        own_name: NodeName | None,
        max_frame_bytes: int,
        max_unasked: int,
        ticks: Ticks,
        in_handshake: bool,
    ) -> None:
        self.now = now
        self.limits.enter_context(patch.object(strangers, "MAX_UNASKED", max_unasked))
        self.peer = PEERS[kind]() if in_handshake else ScriptedPeer()
        if own_name is not None and self.peer.status.startswith(b"named:"):
            self.peer.status = b"ok"
        self.max_buffered_bytes = 4 + max(max_frame_bytes, MAX_MESSAGE_BYTES)
        introduction = Introduction(PEER_NAME, cookie(), challenge=1, creation=OWN_CREATION, own_name=own_name)
        self.connection = new_connection(introduction, max_frame_bytes)
        self.twin = new_connection(introduction, max_frame_bytes)
        self.both(lambda connection: connection.set_ticks(ticks))
        self.both(lambda connection: connection.start(self.now))
        while not in_handshake and (answer := self.peer.receive(self.take_output())):
            self.receive(answer)

    # What is done to it.

    @rule()
    def let_the_peer_read(self) -> None:
        data = self.take_output()
        if not self.peer.is_closed:
            self.wire += self.peer.receive(data)

    @rule(frames=st.lists(ANSWERS, min_size=1, max_size=3))
    def let_the_peer_answer(self, frames: list[bytes]) -> None:
        self.wire += b"".join(frames)
        self.deliver(len(self.wire))

    @rule(frames=st.lists(st.one_of(UNASKED, st.just(TICK)), min_size=1, max_size=12))
    def let_the_peer_speak_unasked(self, frames: list[bytes]) -> None:
        self.wire += b"".join(frames)
        self.deliver(len(self.wire))

    @rule(data=LONG_FRAMES, after=FRAMES, percent=st.integers(1, 99), seconds=SECONDS, missing=st.integers(0, 20))
    def let_a_long_frame_come_in_two_pieces(
        self, data: bytes, after: bytes, percent: int, seconds: float, missing: int
    ) -> None:
        self.deliver(len(self.wire))
        self.wire = data + after
        self.deliver(len(data) * percent // 100)
        self.now += seconds
        self.deliver(len(self.wire) - missing)

    @rule(frames=st.lists(FRAMES, min_size=1, max_size=4))
    def let_the_peer_send_what_arrives_later(self, frames: list[bytes]) -> None:
        self.wire += b"".join(frames)

    @rule(how=st.sampled_from(sorted(DAMAGES)), places=st.tuples(PLACES, PLACES), number=st.integers(0, 65_535))
    def damage_what_is_on_its_way(self, how: str, places: tuple[int, int], number: int) -> None:
        if self.wire:
            self.wire = damage(b"\0" + self.wire, how, places, number)[1:][:50_000]

    @rule(noise=NOISE)
    def let_noise_come_next(self, noise: bytes) -> None:
        if not self.wire:
            self.wire = noise

    @rule(size=st.integers(1, 200))
    def deliver_a_piece(self, size: int) -> None:
        self.deliver(size)

    @rule()
    def deliver_everything(self) -> None:
        self.deliver(len(self.wire))

    # Rarely: it ends everything.
    @rule(patience=st.integers(0, 4))
    def hang_up(self, patience: int) -> None:
        if not patience:
            self.lose_the_peer()

    @rule(outgoing=OUTGOING)
    def send(self, outgoing: control.Outgoing) -> None:
        self.take_events()
        accepted = self.both(lambda connection: is_sent_by(connection, outgoing, self.now))
        assert accepted == (self.history.stands and is_sendable(outgoing))

    @rule()
    def wait_for_the_deadline(self) -> None:
        self.now = max(self.now, self.connection.next_deadline() or 0.0)
        self.handle_deadline()

    @rule(seconds=SECONDS)
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds

    @rule(ticks=TICKS)
    def learn_its_ticks(self, ticks: Ticks) -> None:
        self.both(lambda connection: connection.set_ticks(ticks))

    @rule(times=st.integers(1, 6))
    def get_answers_to_no_question(self, times: int) -> None:
        self.take_events()
        for _ in range(times if self.history.stands else 0):
            self.both(lambda connection: connection.count_unasked(self.now))

    @rule()
    def take_the_events(self) -> None:
        self.take_events()

    # What always holds.

    @invariant()
    def no_more_is_kept_than_one_frame_without_its_end(self) -> None:
        assert buffered_bytes(self.connection) < self.max_buffered_bytes
        assert buffered_bytes(self.twin) < self.max_buffered_bytes

    @invariant()
    def both_wait_for_the_same_time(self) -> None:
        self.both(Connection.next_deadline)

    @invariant()
    def nothing_follows_the_end(self) -> None:
        if self.history.is_over:
            check_nothing_follows(self.connection)
            check_nothing_follows(self.twin)

    def teardown(self) -> None:
        try:
            self.lose_the_peer()
            self.take_events()
            assert self.history.is_over
            self.nothing_follows_the_end()
        finally:
            self.limits.close()

    # How.

    def lose_the_peer(self) -> None:
        self.both(lambda connection: connection.receive_data(b"", self.now))

    @rule()
    def handle_deadline(self) -> None:
        self.both(lambda connection: connection.handle_deadline(self.now))
        due = self.connection.next_deadline()
        assert due is None or due > self.now

    def both(self, do: Callable[[Connection], T]) -> T:
        """Do a thing to both, with one outcome."""
        result = do(self.connection)
        assert do(self.twin) == result
        return result

    def deliver(self, size: int) -> None:
        size = max(0, size)
        piece, self.wire = self.wire[:size], self.wire[size:]
        if piece:  # nothing would be a hanging up
            self.receive(piece)

    def receive(self, piece: bytes) -> None:
        self.connection.receive_data(piece, self.now)
        for byte in piece[: len(piece) if not self.history.is_over else 1]:
            self.twin.receive_data(bytes([byte]), self.now)

    def take_output(self) -> bytes:
        data = self.connection.data_to_send()
        same = self.twin.data_to_send()
        # Without the ticks: a piece with many of them needs no more than one answer.
        assert self.outlets[0].read(data) == self.outlets[1].read(same)
        return data

    def take_events(self) -> None:
        new, same = take_events(self.connection), take_events(self.twin)
        assert [told(event) for event in same] == [told(event) for event in new]
        for event in new:
            self.history.add(event)
            if isinstance(event, Connected):
                assert self.peer.is_connected
                assert self.peer.proves_cookie


# A step may read and write some hundred short messages twice; what Hypothesis takes for slow is that.
UNHURRIED: Final = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
def test_no_order_of_bytes_messages_and_deadlines_breaks_a_connection() -> None:
    run_state_machine_as_test(
        ConnectionMachine,
        settings=settings(QUICK, max_examples=60, stateful_step_count=40, suppress_health_check=UNHURRIED),
    )


@pytest.mark.slow
def test_no_long_order_of_bytes_messages_and_deadlines_breaks_a_connection() -> None:
    run_state_machine_as_test(
        ConnectionMachine,
        settings=settings(LONG, max_examples=3_000, stateful_step_count=100, suppress_health_check=UNHURRIED),
    )
