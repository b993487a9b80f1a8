from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import RemoteProtocolError
from agent.framing import MAX_HEAD_BYTES, Frame, FrameReader
from agent.handshake import MAX_MESSAGE_BYTES

MAX_BYTES = 10 * MAX_HEAD_BYTES


def frames(reader: FrameReader) -> list[Frame]:
    return list(iter(reader.next, None))


def connected(max_bytes: int = MAX_BYTES) -> FrameReader:
    reader = FrameReader(max_bytes, over_tls=False)
    reader.handshake_is_over()
    return reader


@pytest.mark.parametrize(("over_tls", "length_bytes"), [(False, 2), (True, 4)])
def test_a_message_of_the_handshake_has_its_own_length(over_tls: bool, length_bytes: int) -> None:  # noqa: FBT001  # a parameter of the test
    reader = FrameReader(MAX_BYTES, over_tls=over_tls)
    reader.feed((3).to_bytes(length_bytes, "big") + b"sok" + b"\0")
    assert frames(reader) == [Frame(b"sok")]
    assert reader.is_midway


def test_what_follows_the_handshake_in_one_piece_is_read_by_the_new_length() -> None:
    reader = FrameReader(MAX_BYTES, over_tls=False)
    reader.feed(b"\0\3sok" + b"\0\0\0\1x")
    assert reader.next() == Frame(b"sok")
    reader.handshake_is_over()
    assert frames(reader) == [Frame(b"x")]


def test_a_message_of_the_handshake_that_is_too_long_is_refused_before_it_comes() -> None:
    reader = FrameReader(MAX_BYTES, over_tls=True)
    reader.feed((MAX_MESSAGE_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(RemoteProtocolError):
        reader.next()


def test_a_frame_of_the_longest_length_is_kept_whole() -> None:
    reader = connected(max_bytes=10)
    reader.feed(b"\0\0\0\x0a0123456789" + b"\0\0\0\x0b0123456789a")
    assert frames(reader) == [Frame(b"0123456789"), Frame(b"0123456789", 1)]


def test_of_a_frame_that_is_too_long_the_head_is_handed_out_at_once() -> None:
    reader = connected()
    reader.feed((1 << 31).to_bytes(4, "big") + bytes(MAX_HEAD_BYTES))
    [frame] = frames(reader)
    assert (len(frame.data), frame.missing_bytes) == (MAX_HEAD_BYTES, (1 << 31) - MAX_HEAD_BYTES)
    assert reader.is_midway
    assert reader.held == b""


def test_nothing_of_what_is_passed_over_is_held() -> None:
    reader = connected()
    reader.feed((1 << 20).to_bytes(4, "big") + bytes(1 << 19))
    frames(reader)
    for _ in range(7):
        reader.feed(bytes(1 << 16))
        assert frames(reader) == []
        assert reader.held == b""


def test_what_was_handed_out_is_not_held_any_more() -> None:
    reader = connected()
    reader.feed(b"\0\0\0\1x" * 3 + b"\0\0")
    frames(reader)
    assert reader.held == b"\0\0"


def test_a_reader_that_was_cleared_is_not_midway() -> None:
    reader = connected()
    reader.feed((1 << 20).to_bytes(4, "big") + bytes(1 << 19))
    frames(reader)
    reader.clear()
    assert not reader.is_midway


@given(st.lists(st.binary(max_size=40)), st.integers(1, 30), st.lists(st.integers(1, 50)))
def test_no_way_of_cutting_changes_the_frames(bodies: list[bytes], max_bytes: int, cuts: list[int]) -> None:
    stream = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    reader, found, start = connected(max_bytes), [], 0
    for size in [*cuts, len(stream)]:
        reader.feed(stream[start : start + size])
        found += frames(reader)
        start += size
    assert found == [Frame(body[:max_bytes], max(0, len(body) - max_bytes)) for body in bodies]
    assert not reader.is_midway
