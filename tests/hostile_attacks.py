"""The attacks, each by a name that says it, with what must become of it."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial

from agent.limits import DEFAULT_MAX_MEMORY_BYTES, MIN_MAX_MEMORY_BYTES, Limits
from agent.rpc import INLINE_DECODE_BYTES
from agent.terms import Atom, Pid, Term
from tests.fakes import OWN_PID, PEER_CREATION, ScriptedPeer, SpawnedCall, frame, message
from tests.hostile import Answer, Attack, Chunks, honest, returning
from tests.hostile_bytes import (
    BILLION,
    HUGE,
    OTHER_OF_OURS,
    STRANGER,
    binary,
    compressed,
    encoded,
    for_ever,
    framed,
    integers_in_a_key,
    length,
    lists_in_lists,
    node_atom,
    numbered,
    pairs_in_keys,
    passed_through,
    reference,
    repeated,
    short_atoms,
    wide_atoms,
)
from tests.hostile_client import Plan

MIB = 1024 * 1024
CAP = MIN_MAX_MEMORY_BYTES
SMALL = Limits(CAP)
ODD = b"\x1b[31m\r\n\x00\x07\x9b2J\x7f"  # orders to a terminal, and the end of a line

_FRAME_SECONDS = (("agent.protocol.FRAME_SECONDS", 0.3),)
_HANDSHAKE_SECONDS = (("agent.protocol.HANDSHAKE_SECONDS", 0.3),)
_UNASKED = (("agent.strangers.MAX_UNASKED", 2000),)  # so that it takes less time until it is too many
_CONNECT_SECONDS = (("agent.session.CONNECT_SECONDS", 0.3),)


@dataclass(frozen=True)
class Case:
    attack: Attack
    plan: Plan = field(default_factory=Plan)
    ends: str = ""
    """What the connection ends with, as a regular expression; empty when it goes on."""

    outcomes: frozenset[str] = frozenset()
    """In which ways a question may end."""


# --- before the handshake is over: from anybody ----------------------------------------------------------------------


def greeting(chunks: Callable[[], Chunks], ends: str, **plan: object) -> Case:
    return Case(Attack(greeting=chunks), Plan(**plan), ends)  # type: ignore[arg-type]  # checked by its tests


def challenge(name: bytes) -> bytes:
    size = min(len(name), 0xFFFF)
    return message(b"N" + struct.pack(">QIIH", (1 << 64) - 1, 1, PEER_CREATION, size) + name)


STATUS = message(b"s" + ScriptedPeer().status)
OVERDUE = r"^NodeUnreachable: .* did not finish the handshake within 0\.3 s"

HANDSHAKES: Mapping[str, Case] = {
    "no_word": greeting(tuple, OVERDUE, patches=_HANDSHAKE_SECONDS),
    "one_byte_at_a_time": greeting(
        lambda: (piece for _ in itertools.count() for piece in (b"\3", b"")), OVERDUE, patches=_HANDSHAKE_SECONDS
    ),
    "messages_of_no_length": greeting(for_ever(b"\0\0"), "^NotErlang: .* '' came where its status was due"),
    "a_message_longer_than_any": greeting(for_ever(b"\xff"), "^NotErlang: .* 65535 bytes is over the limit of 1024"),
    "endless_statuses": greeting(for_ever(STATUS), "^NotErlang: .* 's' came where its challenge was due"),
    "endless_challenges": greeting(
        lambda: itertools.chain([STATUS], itertools.repeat(challenge(b"tai@127.0.0.1"))),
        "^NotErlang: .* 'N' came where its proof of the cookie was due",
    ),
    "a_status_of_odd_characters": greeting(
        for_ever(message(b"s" + ODD * 20)), r"^HandshakeRefused: .* status '\\x1b\[31m"
    ),
    "a_node_name_of_odd_characters": greeting(
        lambda: [STATUS, challenge(ODD * 20)], r"^WrongPeer: .* calls itself '\\x1b\[31m"
    ),
    "an_epmd_that_never_answers": greeting(tuple, "^EpmdUnreachable", by_epmd=True, patches=_CONNECT_SECONDS),
    "an_epmd_that_never_ends": greeting(for_ever(b"\xff"), "^EpmdUnreachable", by_epmd=True),
}

# --- floods of what nobody asked for ---------------------------------------------------------------------------------

FLOODED = "^ConnectionLost: .* floods us with messages that nobody asked for"
_NOBODY = Atom("")
_COMMAND: tuple[Term, ...] = (Atom("os"), Atom("cmd"), [list(b"touch /tmp/hostile")])
_REX_CALL: Term = (Atom("$gen_call"), (STRANGER, reference(1)), (Atom("call"), *_COMMAND, STRANGER))
_ERPC = (Atom("erpc"), Atom("execute_call"), 4)


def ping(tag: Term) -> bytes:
    asked: Term = (Atom("$gen_call"), (STRANGER, tag), (Atom("is_auth"), STRANGER.node))
    return frame((6, STRANGER, _NOBODY, Atom("net_kernel")), asked)


def spawn_attempt(number: int) -> bytes:
    return frame((29, reference(number), STRANGER, STRANGER, _ERPC, [Atom("link")]), [reference(number), *_COMMAND])


UNASKED: Mapping[str, Callable[[int], bytes]] = {
    "ticks": lambda _: b"\0\0\0\0",
    "exits_of_strangers": lambda _: frame((3, STRANGER, OWN_PID, Atom("normal"))),
    "monitor_exits": lambda number: frame((21, STRANGER, OWN_PID, reference(number), Atom("normal"))),
    "answers_to_questions_never_asked": lambda number: frame((31, reference(number), OWN_PID, 1, STRANGER)),
    "refusals_of_questions_never_asked": lambda number: frame((31, reference(number), OWN_PID, 0, Atom("badopt"))),
    "messages": lambda _: frame((2, _NOBODY, OWN_PID), _REX_CALL),
    "calls_to_rex": lambda _: frame((6, STRANGER, _NOBODY, Atom("rex")), _REX_CALL),
    "calls_to_net_kernel": lambda _: frame((6, STRANGER, _NOBODY, Atom("net_kernel")), _REX_CALL),
    "pings": ping,
    "spawn_requests": spawn_attempt,
    "links_to_us": lambda _: frame((1, STRANGER, OWN_PID)),
    "links_to_nobody": lambda _: frame((1, STRANGER, OTHER_OF_OURS)),
    "unlinks": lambda number: frame((35, number + 1, STRANGER, OWN_PID)),
    "monitors_of_us": lambda number: frame((19, STRANGER, OWN_PID, reference(number))),
    "monitors_of_names": lambda number: frame((19, STRANGER, Atom("rex"), reference(number))),
    "demonitors": lambda number: frame((20, STRANGER, OWN_PID, reference(number))),
    "kills": lambda _: frame((8, STRANGER, OWN_PID, Atom("kill"))),
    "group_leaders": lambda _: frame((7, STRANGER, OWN_PID)),
    "opcodes_that_do_not_exist": lambda number: frame((1000 + number, STRANGER)),
    "tuples_that_say_a_billion": lambda _: passed_through(b"i" + length(BILLION) + b"a\1"),
}
ANSWERED = ("ticks", "pings", "spawn_requests", "links_to_nobody", "unlinks", "monitors_of_names")


def flood_of(unasked: Callable[[int], bytes], *, reads: bool = True) -> Attack:
    return Attack(flood=for_ever(b"".join(map(unasked, range(500))), 1), reads=reads)


FLOODS: Mapping[str, Case] = {
    **{
        name: Case(flood_of(unasked), Plan(waits_for_end=True, patches=_UNASKED), FLOODED)
        for name, unasked in UNASKED.items()
    },
    **{
        f"{name}_by_one_who_does_not_read": Case(
            flood_of(UNASKED[name], reads=False), Plan(waits_for_end=True, patches=_UNASKED), FLOODED
        )
        for name in ANSWERED
    },
    "distinct_atoms": Case(
        Attack(flood=numbered(lambda number: frame((1, Pid(node_atom(number), 1, 0, 1), OTHER_OF_OURS)))),
        Plan(waits_for_end=True),
        FLOODED,
    ),
    "large_pings_by_one_who_does_not_read": Case(
        flood_of(lambda _: ping(bytes(3000)), reads=False),
        Plan(waits_for_end=True),
        f"^ConnectionLost: the node leaves {4 * MIB} bytes of ours unread",
    ),
}

# --- what breaks the protocol ----------------------------------------------------------------------------------------


def broken(data: bytes, why: str) -> Case:
    return Case(
        Attack(flood=for_ever(data, 1)),
        Plan(waits_for_end=True),
        f"^ConnectionLost: what .* sent is not the distribution protocol: .*{why}",
    )


def linking(field_bytes: bytes) -> bytes:
    return passed_through(b"h\3a\1" + field_bytes)


BROKEN: Mapping[str, Case] = {
    "distribution_headers": broken(framed(b"\x83D\1\0"), "begins with 112, not with 83"),
    "fragments": broken(framed(b"\x83E" + bytes(17)), "begins with 112, not with 83"),
    "control_messages_without_a_version": broken(framed(b"ph\1a\1"), "131, not with 104"),
    "compressed_control_messages": broken(passed_through(compressed(64)), "not tag 80"),
    "compressed_fields": broken(linking(compressed(64)), "tag 80"),
    "opcodes_that_are_atoms": broken(passed_through(b"h\1" + encoded(Atom("link"))), "has a Atom where a int"),
    "fields_of_a_billion_elements": broken(linking(b"l" + length(BILLION)), "more than 64 terms"),
    "fields_that_nest_a_million_deep": broken(linking(lists_in_lists(1_000_000)), "nest deeper than 8"),
    "fields_of_four_gigabytes": broken(linking(b"m" + length(HUGE)), f"{HUGE} bytes are announced"),
    "integers_of_four_gigabytes": broken(linking(b"o" + length(HUGE) + b"\0"), f"{HUGE} bytes are announced"),
    "node_names_of_sixty_kilobytes": broken(linking(b"Xv\xff\xff" + bytes(70_000)), "an atom of 65535 characters"),
    "frames_of_four_gigabytes_of_nothing": broken(length(HUGE) + bytes(MIB), "begins with 112, not with 00"),
}

# --- frames that are long, or never whole ----------------------------------------------------------------------------

LONG_EXIT = b"p\x83h\4a\3" + encoded(STRANGER) + encoded(OWN_PID)
NEVER_WHOLE = r"^ConnectionLost: a message of .* did not get whole within 0\.3 s"


def never_whole(flood: Callable[[], Chunks]) -> Case:
    return Case(Attack(flood=flood), Plan(waits_for_end=True, patches=_FRAME_SECONDS), NEVER_WHOLE)


def borne(data: bytes, times: int, memory_bytes: int = CAP) -> Case:
    return Case(Attack(flood=lambda: itertools.repeat(data, times), reads=False), Plan(memory_bytes))


def four_gigabytes() -> Chunks:
    return itertools.chain([length(HUGE) + LONG_EXIT], itertools.repeat(bytes(MIB)))


LONG: Mapping[str, Case] = {
    "a_frame_of_four_gigabytes_in_a_flood": never_whole(four_gigabytes),
    "a_frame_of_four_gigabytes_in_drops": never_whole(
        lambda: itertools.chain([length(HUGE) + LONG_EXIT], (piece for _ in itertools.count() for piece in (b"x", b"")))
    ),
    "a_frame_of_the_largest_size_in_drops": never_whole(
        lambda: itertools.chain(
            [length(SMALL.max_frame_bytes) + LONG_EXIT], (piece for _ in itertools.count() for piece in (b"x", b""))
        )
    ),
    "a_frame_that_lacks_its_last_byte": never_whole(lambda: [frame((1, STRANGER, OWN_PID))[:-1]]),
    "messages_of_the_largest_size": borne(
        passed_through(encoded((2, _NOBODY, OWN_PID)), b"\x83" + binary(SMALL.max_frame_bytes - 300)), 80
    ),
    "messages_over_the_largest_size": borne(
        passed_through(encoded((6, STRANGER, _NOBODY, Atom("net_kernel"))), b"\x83" + binary(64 * MIB)), 5
    ),
    "exits_of_the_largest_size": borne(framed(LONG_EXIT + binary(SMALL.max_frame_bytes - 300)), 80),
    "exits_over_the_largest_size": borne(framed(LONG_EXIT + binary(64 * MIB)), 5),
    "spawn_requests_of_the_largest_size": borne(framed(spawn_attempt(1)[4:] + bytes(SMALL.max_frame_bytes - 300)), 80),
    "messages_of_the_largest_size_by_default": borne(
        passed_through(encoded((2, _NOBODY, OWN_PID)), b"\x83" + binary(Limits().max_frame_bytes - 300)),
        40,
        DEFAULT_MAX_MEMORY_BYTES,
    ),
}

# --- answers ---------------------------------------------------------------------------------------------------------

UNREADABLE = frozenset({"UnexpectedAnswer", "AnswerTooLarge"})


def answering(
    value: Callable[[], bytes],
    outcomes: frozenset[str] = UNREADABLE,
    plan: Plan = Plan(questions=3),  # noqa: B008  # frozen
) -> Case:
    return Case(Attack(answer=returning(cache(value))), plan, outcomes=outcomes)


LYING: Mapping[str, Case] = {
    name: answering(partial(bytes, value))
    for name, value in {
        "a_list_that_says_a_billion": b"l" + length(BILLION) + b"j" * 60_000,
        "a_tuple_that_says_a_billion": b"i" + length(BILLION) + b"j" * 60_000,
        "a_map_that_says_a_billion": b"t" + length(BILLION) + b"j" * 60_000,
        "a_string_that_says_more_than_there_is": b"k\xff\xff" + bytes(1000),
        "an_integer_that_says_four_gigabytes": b"o" + length(HUGE) + bytes(1000),
        "a_binary_that_says_four_gigabytes": b"m" + length(HUGE) + bytes(1000),
        "a_bit_string_that_says_four_gigabytes": b"M" + length(HUGE) + bytes(1000),
        "a_fun_that_says_four_gigabytes": b"p" + length(HUGE) + bytes(1000),
        "a_reference_that_says_65535_words": b"Z\xff\xff" + encoded(Atom("a")) + bytes(1000),
        "an_atom_of_65535_bytes": b"v\xff\xff" + b"a" * 65_535,
        "lists_a_million_deep": b"l\0\0\0\1" * 150_000,
        "tails_a_million_deep": b"l\0\0\0\1j" * 150_000,
        "tuples_half_a_million_deep": b"h\1" * 500_000,
        "maps_a_hundred_thousand_deep": b"t\0\0\0\1" * 100_000,
        "map_keys_a_hundred_thousand_deep": b"t\0\0\0\1j" * 100_000,
        "pids_in_pids": b"X" * 500_000,
        "lists_of_a_billion_lists_of_a_billion": (b"l" + length(BILLION)) * 100_000,
        "a_compressed_bomb": compressed(256),
        "compressed_bombs_in_a_list": repeated(compressed(16), 20),
        "a_compressed_bomb_that_says_four_gigabytes": b"P" + length(HUGE) + compressed(64)[5:],
    }.items()
}

LEGAL_OR_TOO_MUCH = frozenset({"a value", "AnswerTooLarge"})
_FEW = Plan(measures_apart=True, questions=2, max_answer_bytes=SMALL.max_frame_bytes)
_MANY = Plan(measures_apart=True, questions=300, max_answer_bytes=SMALL.max_frame_bytes)
_TERMS = SMALL.max_terms - 100
_BYTES = SMALL.max_frame_bytes - 300
VALUES: Mapping[str, Callable[[], bytes]] = {
    "empty_lists": lambda: repeated(b"j", _TERMS),
    "small_tuples": lambda: repeated(b"h\1j", _TERMS // 2),
    "empty_maps": lambda: repeated(b"t\0\0\0\0", _TERMS // 5),
    "maps_in_keys_of_maps": lambda: pairs_in_keys(_TERMS),
    "integers_in_a_key": lambda: integers_in_a_key(_TERMS),
    "small_integers": lambda: repeated(b"n\x08\x00" + b"\x7f" * 8, _TERMS),
    "wide_atoms": lambda: wide_atoms(_BYTES),
    "short_atoms": lambda: short_atoms(_TERMS),
    "a_binary": lambda: binary(_BYTES),
    "bits": lambda: b"M" + length(_BYTES) + b"\1" + bytes(_BYTES),
    "a_fun": lambda: b"p" + length(_BYTES) + bytes(_BYTES - 4),
    "an_integer": lambda: b"o" + length(_BYTES) + b"\1" + b"\xff" * _BYTES,
    "an_integer_in_a_key": lambda: b"t\0\0\0\1" + b"o" + length(_BYTES) + b"\1" + b"\xff" * _BYTES + b"j",
    "a_binary_and_empty_lists": lambda: b"l\0\0\0\2" + binary(_BYTES - 30_000) + repeated(b"j", 20_000) + b"j",
    "a_list_that_breaks_off_at_its_end": lambda: repeated(b"j", _TERMS)[:-1],
}
LARGEST = ("empty_lists", "integers_in_a_key", "wide_atoms", "a_binary", "bits", "an_integer_in_a_key")
VALUE_OUTCOMES = LEGAL_OR_TOO_MUCH | UNREADABLE


def twice(call: SpawnedCall, _pid: Pid) -> Chunks:
    """Every question gets one and the same worker."""
    return honest(call, STRANGER)


def one_worker_for_all(call: SpawnedCall, pid: Pid) -> Chunks:
    return honest(call, pid) if call.target == "m:next" else [call.started(STRANGER)]


def exit_first(call: SpawnedCall, pid: Pid) -> Chunks:
    ended = call.ended((call.reference, Atom("return"), Atom("ok")), pid)
    return honest(call, pid) if call.target == "m:next" else [ended, call.started(pid)]


def everything_twice(call: SpawnedCall, pid: Pid) -> Chunks:
    return [call.started(pid), call.started(STRANGER), *honest(call, pid), *honest(call, pid)]


def named(name: bytes) -> bytes:
    """The status that gives us a name."""
    return b"named:" + struct.pack(">H", len(name)) + name + length(9)


def confused(answer: Answer, outcomes: set[str]) -> Case:
    return Case(Attack(answer=answer), Plan(questions=50, deadline_seconds=0.5), outcomes=frozenset(outcomes))


ANSWERS: Mapping[str, Case] = {
    **LYING,
    **{f"the_most_{name}": answering(value, VALUE_OUTCOMES, _FEW) for name, value in VALUES.items() if name in LARGEST},
    "ten_answers_that_are_decoded_at_once": answering(
        lambda: repeated(b"j", INLINE_DECODE_BYTES - 400), frozenset({"a value"}), Plan(questions=10)
    ),
    **{
        f"{name}_batches": answering(
            lambda: repeated(repeated(b"j", 16_000), 2), frozenset({"a value"}), Plan(batches=batches)
        )
        for name, batches in {"five": 5, "twenty": 20}.items()
    },
    "answers_over_the_largest_size": answering(lambda: binary(64 * MIB), frozenset({"AnswerTooLarge"})),
    "the_most_empty_lists_by_default": answering(
        lambda: repeated(b"j", Limits().max_terms - 100),
        VALUE_OUTCOMES,
        Plan(DEFAULT_MAX_MEMORY_BYTES, questions=2, max_answer_bytes=Limits().max_frame_bytes),
    ),
    "one_worker_for_all_questions": confused(one_worker_for_all, {"DeadlineExceeded"}),
    "one_worker_for_all_answers": confused(twice, {"ok", "DeadlineExceeded", "WorkerDied"}),
    "workers_that_end_before_they_start": confused(exit_first, {"DeadlineExceeded"}),
    "everything_twice": confused(everything_twice, {"ok"}),
}
MANY_ANSWERS: Mapping[str, Case] = {
    f"three_hundred_answers_with_the_most_{name}": answering(value, VALUE_OUTCOMES, _MANY)
    for name, value in VALUES.items()
} | {
    "three_hundred_answers_that_are_decoded_at_once": answering(
        lambda: repeated(b"j", INLINE_DECODE_BYTES - 400), frozenset({"a value"}), _MANY
    ),
}

# --- a node that is watched ------------------------------------------------------------------------------------------

_PROBES = Plan(snapshots=2, patches=(("collector.known.FAILURE_KEPT_SECONDS", 0.0),), measures_apart=True)
HUGE_INTEGER = b"n\xff\0" + b"\xff" * 255
# A machine that has much else to do may let a deadline pass; what there must not be is a bug.
NO_BUGS = frozenset({"UnexpectedAnswer", "AnswerTooLarge", "DeadlineExceeded", "RemoteError", "WorkerDied", "ok"})


def probed(value: Callable[[], bytes], *, hijacks_preflight: bool = False) -> Case:
    return Case(Attack(answer=returning(cache(value)), hijacks_preflight=hijacks_preflight), _PROBES, outcomes=NO_BUGS)


PROBES: Mapping[str, Case] = {
    "empty_lists": probed(lambda: repeated(b"j", 65_000)),
    "lists_that_break_off_at_their_end": probed(lambda: repeated(b"j", 65_000)[:-1]),
    "large_lists_that_break_off_at_their_end": probed(lambda: repeated(b"j", _TERMS)[:-1]),
    "empty_lists_from_the_start": probed(lambda: repeated(b"j", 65_000), hijacks_preflight=True),
    "compressed_bombs_from_the_start": probed(lambda: compressed(16), hijacks_preflight=True),
}


def breaking_differently() -> Attack:
    """Each connection breaks the protocol with other bytes, and so with another text."""
    numbers = itertools.count(1)
    return Attack(flood=lambda: [framed(bytes([next(numbers) % 100]))])
