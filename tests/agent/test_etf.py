"""The term format: the golden vectors of real nodes, then each rule and each limit by itself.

`TERMS` is the place to look up which Python value an Erlang term is.
"""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import pytest

from agent.errors import DecodeError, EncodeError, LimitExceeded
from agent.etf import DEFAULT_LIMITS, Fragment, Limits, Reader, decode, decode_prefix, encode, tags
from agent.terms import (
    FALSE,
    TRUE,
    UNDEFINED,
    Atom,
    BitString,
    ExportFun,
    Fun,
    ImproperList,
    Map,
    Pid,
    Port,
    Reference,
    Term,
    identity,
)
from tests.terms_strategies import ALIKE

# --- the golden vectors -----------------------------------------------------------------------------------------------

TAI: Final = Atom("tai@host")
NOBODY: Final = Atom("nonode@nohost")  # a node without a name calls itself so
CREATION: Final = 1718000000

# Every vector of erlang_fixtures/vectors.escript and the term that it is, in the order of that file.
TERMS: Final[dict[str, Term]] = {
    "small_integer_0": 0,
    "small_integer_1": 1,
    "small_integer_255": 255,
    "integer_256": 256,
    "integer_minus_1": -1,
    "integer_2_27_minus_1": 2**27 - 1,
    "integer_2_27": 2**27,
    "integer_minus_2_27": -(2**27),
    "integer_minus_2_27_minus_1": -(2**27) - 1,
    "integer_2_31_minus_1": 2**31 - 1,
    "integer_minus_2_31": -(2**31),
    "small_big_2_31": 2**31,
    "small_big_minus_2_31_minus_1": -(2**31) - 1,
    "small_big_2_32": 2**32,
    "small_big_2_59": 2**59,
    "small_big_minus_2_59_minus_1": -(2**59) - 1,
    "small_big_2_63_minus_1": 2**63 - 1,
    "small_big_2_63": 2**63,
    "small_big_minus_2_63": -(2**63),
    "small_big_2_64_minus_1": 2**64 - 1,
    "small_big_2_64": 2**64,
    "small_big_minus_2_64": -(2**64),
    "small_big_2_2040_minus_1": 2**2040 - 1,
    "small_big_minus_2_2040_plus_1": -(2**2040) + 1,
    "large_big_2_2040": 2**2040,
    "large_big_minus_2_2040": -(2**2040),
    "large_big_minus_2_2048": -(2**2048),
    "float_0": 0.0,
    "float_minus_0": -0.0,
    "float_1_5": 1.5,
    "float_minus_1_5": -1.5,
    "float_0_1": 0.1,
    "float_1e308": 1.0e308,
    "float_largest": 1.7976931348623157e308,
    "float_smallest_normal": 2.2250738585072014e-308,
    "float_smallest": 5.0e-324,
    "atom_empty": Atom(""),
    "atom_ok": Atom("ok"),
    "atom_true": TRUE,
    "atom_false": FALSE,
    "atom_undefined": UNDEFINED,
    "atom_nil": Atom("nil"),
    "atom_quoted": Atom("hello world"),
    "atom_ascii_255": Atom("a" * 255),
    "atom_latin1": Atom("café"),
    "atom_latin1_127_small": Atom("é" * 127),
    "atom_latin1_128": Atom("é" * 128),
    "atom_latin1_255": Atom("é" * 255),
    "atom_unicode": Atom("λ漢😀"),
    "atom_unicode_255": Atom("😀" * 255),
    "tuple_empty": (),
    "tuple_one": (Atom("ok"),),
    "tuple_nested": (Atom("ok"), (Atom("error"), (1, ()))),
    "small_tuple_255": tuple(range(1, 256)),
    "large_tuple_256": tuple(range(1, 257)),
    "list_empty": [],
    "string_abc": [97, 98, 99],
    "string_bytes_0_255": [0, 255],
    "string_65535": [97] * 65_535,
    "list_65536_bytes": [97] * 65_536,
    "list_with_256": [1, 256],
    "list_with_minus_1": [-1],
    "list_unicode": [0x3BB, 120],
    "list_atoms": [Atom("a"), Atom("b"), Atom("c")],
    "list_nested": [[], [1], [Atom("a"), [Atom("b"), [[99]]]]],
    "list_of_pairs": [(Atom("memory"), 2688), (Atom("message_queue_len"), 0)],
    "improper_a_b": ImproperList((Atom("a"),), Atom("b")),
    "improper_1_2_3": ImproperList((1, 2), 3),
    "improper_binary_tail": ImproperList((1, Atom("a")), b"tail"),
    "map_empty": Map(),
    "map_one": Map([(Atom("a"), 1)]),
    "map_like_keys": Map(
        [
            (1, Atom("integer")),
            (1.0, Atom("float")),
            (TRUE, Atom("atom")),
            ([49], Atom("string")),
            (b"1", Atom("binary")),
        ]
    ),
    "map_keys_of_every_kind": Map(
        [
            ((1, [2]), Atom("tuple")),
            (Map([(Atom("a"), Map())]), Atom("map")),
            ([], Atom("nil")),
            (ImproperList((Atom("a"),), Atom("b")), Atom("improper")),
            (BitString(b"\x80", 1), Atom("bits")),
        ]
    ),
    "map_nested": Map([(Atom("a"), Map([(Atom("b"), Map([(Atom("c"), [Map()])]))]))]),
    "map_32_keys": Map((number, -number) for number in range(1, 33)),
    "map_33_keys": Map((number, -number) for number in range(1, 34)),
    "map_40_keys": Map((number, -number) for number in range(1, 41)),
    "binary_empty": b"",
    "binary_abc": b"abc",
    "binary_not_utf8": b"\x00\xff\xfe",
    "binary_300": b"\x07" * 300,
    "bits_1": BitString(b"\x80", 1),
    "bits_3": BitString(b"\xa0", 3),
    "bits_15": BitString(b"\xff\x02", 7),
    "pid_local": Pid(NOBODY, id=5, serial=0, creation=0),
    "pid_remote": Pid(TAI, id=5, serial=7, creation=CREATION),
    "pid_remote_largest": Pid(TAI, id=2**32 - 1, serial=2**32 - 1, creation=2**32 - 1),
    "pid_remote_unicode_node": Pid(Atom("λ@host"), id=5, serial=7, creation=CREATION),
    "pid_ext": Pid(TAI, id=5, serial=7, creation=3),
    "port_remote": Port(TAI, id=5, creation=CREATION),
    "port_remote_2_28_minus_1": Port(TAI, id=2**28 - 1, creation=CREATION),
    "port_remote_2_28": Port(TAI, id=2**28, creation=CREATION),
    "port_remote_largest": Port(TAI, id=2**64 - 1, creation=CREATION),
    "new_port_ext": Port(TAI, id=5, creation=CREATION),
    "v4_port_ext": Port(TAI, id=5, creation=CREATION),
    "port_ext": Port(TAI, id=5, creation=3),
    "reference_1_word": Reference(TAI, CREATION, (7,)),
    "reference_2_words": Reference(TAI, CREATION, (7, 8)),
    "reference_3_words": Reference(TAI, CREATION, (7, 8, 9)),
    "reference_5_words": Reference(TAI, CREATION, (7, 8, 9, 10, 2**32 - 1)),
    "new_reference_ext_1_word": Reference(TAI, 3, (7,)),
    "new_reference_ext_3_words": Reference(TAI, 3, (7, 8, 9)),
    "new_reference_ext_5_words": Reference(TAI, 3, (7, 8, 9, 10, 11)),
    "reference_ext": Reference(TAI, 3, (7,)),
    "export_process_info": ExportFun(Atom("erlang"), Atom("process_info"), 2),
    "export_lists_map": ExportFun(Atom("lists"), Atom("map"), 2),
    "export_arity_255": ExportFun(Atom("m"), Atom("f"), 255),
    "atom_minor1": Atom("ok"),
    "atom_latin1_minor1": Atom("café"),
    "atom_unicode_minor1": Atom("λ"),
    "float_minor0": 1.5,
    "float_minus_0_1_minor0": -0.1,
    "compressed_list": [Atom("compressed")] * 1000,
    "compressed_binary": b"\x07" * 300,
    "integer_ext_5": 5,
    "small_big_ext_5": 5,
    "small_big_ext_leading_zeros": -5,
    "large_big_ext_5": 5,
    "float_ext": 1.5,
    "atom_ext": Atom("ok"),
    "atom_ext_latin1": Atom("café"),
    "small_atom_ext": Atom("ok"),
    "small_atom_ext_latin1": Atom("café"),
    "atom_utf8_ext_short": Atom("ok"),
    "large_tuple_ext_2": (1, 2),
    "list_ext_bytes": [1, 2],
    "list_ext_empty": [],
    "list_ext_tail_is_list": [1, 2, 3],
    "string_ext_empty": [],
    "bit_binary_ext_8": b"\xff",
    "export_ext_old_atoms": ExportFun(Atom("lists"), Atom("map"), 2),
}

# What the node that wrote the vectors made up itself; the vector's text says what it is, see `described`.
OF_THE_NODE: Final = {"reference_make_ref", "local_fun"}

# Forms that a node reads and does not write: `decode` must take them, `encode` must not make them.
OLD_FORMS: Final = {
    *("pid_ext", "port_ext", "reference_ext"),
    *("new_reference_ext_1_word", "new_reference_ext_3_words", "new_reference_ext_5_words"),
    *("atom_minor1", "atom_latin1_minor1", "float_minor0", "float_minus_0_1_minor0"),
    *("compressed_list", "compressed_binary"),
    *("integer_ext_5", "small_big_ext_5", "small_big_ext_leading_zeros", "large_big_ext_5", "float_ext"),
    *("atom_ext", "atom_ext_latin1", "small_atom_ext", "small_atom_ext_latin1", "atom_utf8_ext_short"),
    *("large_tuple_ext_2", "list_ext_bytes", "list_ext_empty", "list_ext_tail_is_list", "string_ext_empty"),
    *("bit_binary_ext_8", "export_ext_old_atoms"),
}
# The two releases differ in one thing: 28 writes every port as V4_PORT_EXT, 25 only those that need it. We write as 25.
OLD_PORT_FORM: Final = {"otp25": "v4_port_ext", "otp28": "new_port_ext"}
SMALL_PORTS: Final = {"port_remote", "port_remote_2_28_minus_1", "new_port_ext", "v4_port_ext"}
# A node writes these in the order of its own hashes; ours is the order in which they were made.
IN_ORDER_OF_HASH: Final = {"map_33_keys", "map_40_keys"}


@dataclass(frozen=True)
class Vector:
    otp: str
    name: str
    erlang: str
    canonical: bool
    data: bytes

    @property
    def is_as_we_write(self) -> bool:
        """Whether these are the bytes that `encode` should make: what the node itself writes, but for ports."""
        return self.data[1] == tags.NEW_PORT_EXT if self.name in SMALL_PORTS else self.canonical


def read_vectors(otp: str) -> list[Vector]:
    contents = json.loads((Path(__file__).parents[1] / "vectors" / f"{otp}.json").read_text())
    assert contents["otp_release"] == otp.removeprefix("otp")
    return [
        Vector(otp, entry["name"], entry["erlang"], entry["canonical"], bytes.fromhex(entry["hex"]))
        for entry in contents["vectors"]
    ]


def described(vector: Vector) -> Term:
    """The term of a vector that the node made up, from what the vector's text says about it."""
    _, *words = vector.erlang.split()
    field = dict(word.split("=") for word in words)
    if vector.name == "reference_make_ref":
        parts = tuple(int(part) for part in field["words"].split(","))
        return Reference(Atom(field["node"]), int(field["creation"]), parts)
    # erl_ext_dist, NEW_FUN_EXT. What the closure has captured stays as the node wrote it.
    _, pid_id, serial = field["pid"].strip("<>").split(".")
    of_the_function: list[Term] = [Atom(field["module"]), int(field["old_index"]), int(field["old_uniq"])]
    of_the_function.append(Pid(NOBODY, int(pid_id), int(serial), 0))
    head = struct.pack(
        ">B16sII", int(field["arity"]), bytes.fromhex(field["uniq"]), int(field["index"]), int(field["free"])
    )
    head += b"".join(encode(term)[1:] for term in of_the_function)
    captured = vector.data[2 + 4 + len(head) :]
    return Fun(struct.pack(">I", 4 + len(head) + len(captured)) + head + captured)


def expected(vector: Vector) -> Term:
    return described(vector) if vector.name in OF_THE_NODE else TERMS[vector.name]


VECTORS: Final = {otp: read_vectors(otp) for otp in ("otp25", "otp28")}
ALL: Final = [pytest.param(vector, id=f"{otp}-{vector.name}") for otp in VECTORS for vector in VECTORS[otp]]


@pytest.mark.parametrize("otp", VECTORS)
def test_every_vector_is_in_the_table_and_the_other_way_round(otp: str) -> None:
    names = [vector.name for vector in VECTORS[otp]]
    assert names == list(dict.fromkeys(names))
    assert set(names) == TERMS.keys() | OF_THE_NODE
    assert not TERMS.keys() & OF_THE_NODE


@pytest.mark.parametrize("otp", VECTORS)
def test_the_old_forms_are_those_that_the_node_itself_does_not_write(otp: str) -> None:
    assert {vector.name for vector in VECTORS[otp] if not vector.canonical} == OLD_FORMS | {OLD_PORT_FORM[otp]}


@pytest.mark.parametrize("vector", ALL)
def test_a_term_is_written_as_the_node_writes_it(vector: Vector) -> None:
    written = encode(expected(vector))
    if vector.name in IN_ORDER_OF_HASH:
        assert sorted(written) == sorted(vector.data)
    else:
        assert (written == vector.data) == vector.is_as_we_write


@pytest.mark.parametrize("vector", ALL)
def test_what_was_read_is_written_again_as_the_node_writes_it(vector: Vector) -> None:
    assert (encode(decode(vector.data)) == vector.data) == vector.is_as_we_write


def test_small_ports_are_written_as_otp_25_and_large_ones_as_both_write_them() -> None:
    written = {otp: [v.name for v in VECTORS[otp] if v.canonical and v.is_as_we_write] for otp in VECTORS}
    assert set(written["otp25"]) - set(written["otp28"]) == SMALL_PORTS - {"v4_port_ext"}
    assert set(written["otp28"]) <= set(written["otp25"])
    assert {"port_remote_2_28", "port_remote_largest"} <= set(written["otp28"])


@pytest.mark.parametrize("vector", ALL)
def test_a_vector_is_read_as_its_term(vector: Vector) -> None:
    assert identity(decode(vector.data)) == identity(expected(vector))


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
@pytest.mark.parametrize("tail", [b"\0", b"\x83j"], ids=["a byte", "a term"])
@pytest.mark.parametrize("vector", ALL)
def test_a_vector_is_read_with_something_behind_it(vector: Vector, tail: bytes) -> None:
    term, end = decode_prefix(vector.data + tail)
    assert identity(term) == identity(expected(vector))
    assert end == len(vector.data)
    with pytest.raises(DecodeError, match=f"^{len(tail)} bytes follow the term$"):
        decode(vector.data + tail)


def cuts(size: int) -> list[int]:
    """Every length below ``size``; for a long one both ends and some places between."""
    return list(range(size)) if size < 5_000 else [*range(50), *range(50, size, size // 4), *range(size - 3, size)]


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
@pytest.mark.parametrize("vector", ALL)
def test_a_vector_that_is_cut_anywhere_is_refused(vector: Vector) -> None:
    for length in cuts(len(vector.data)):
        with pytest.raises(DecodeError):
            decode(vector.data[:length])


# --- what Python would confuse ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["true", "false", "undefined", "nil", "none", "null"])
def test_an_atom_is_read_as_an_atom_whatever_its_name(name: str) -> None:
    term = decode(encode(Atom(name)))
    assert type(term) is Atom
    assert term.name == name
    assert not any(term == other for other in (True, False, None, name))


def test_terms_that_look_alike_have_different_bytes() -> None:
    assert len({encode(term) for term in ALIKE}) == len(ALIKE)


@pytest.mark.parametrize("term", ALIKE, ids=repr)
def test_a_term_that_looks_like_another_comes_back_as_itself(term: Term) -> None:
    back = decode(encode(term))
    assert identity(back) == identity(term)
    assert type(back) is type(term)


def test_keys_that_look_alike_come_back_as_so_many_keys() -> None:
    back = decode(encode(Map((key, number) for number, key in enumerate(ALIKE))))
    assert isinstance(back, Map)
    assert [back[key] for key in ALIKE] == list(range(len(ALIKE)))


@pytest.mark.parametrize(
    "key", [1, 0.0, -0.0, TRUE, b"1", [49], (1.0,), ImproperList((1,), 2), Map([(1, 2)])], ids=repr
)
def test_a_map_that_has_one_key_twice_is_refused(key: Term) -> None:
    pair = encode(key)[1:] + b"j"
    assert decode(b"\x83t\0\0\0\1" + pair) == Map([(key, [])])
    with pytest.raises(DecodeError, match="the same key twice"):
        decode(b"\x83t\0\0\0\2" + pair + pair)


# --- what is not written ----------------------------------------------------------------------------------------------

# Wrong type, or the right type with what Erlang does not have.
NO_TERMS: Final[list[tuple[object, str]]] = [
    (True, "a bool is no Erlang term: use Atom, bytes, int, float, list, tuple or Map"),
    (False, "a bool is no Erlang term: use Atom"),
    (None, "a NoneType is no Erlang term: use Atom"),
    ("text", "a str is no Erlang term: use Atom, bytes"),
    ({1: 2}, "a dict is no Erlang term: use .* Map"),
    ({1}, "a set is no Erlang term"),
    (bytearray(b"a"), "a bytearray is no Erlang term: use Atom, bytes"),
    (1j, "a complex is no Erlang term"),
    (..., "a ellipsis is no Erlang term"),
    (float("nan"), "Erlang has no infinite float and no NaN"),
    (float("inf"), "Erlang has no infinite float and no NaN"),
    (float("-inf"), "Erlang has no infinite float and no NaN"),
    (Atom("a" * 256), "an atom of 256 characters is over the limit of 255"),
    (Atom("\ud800"), "an atom is not valid Unicode"),
    (ImproperList((), 1), "an improper list has an element and a tail that is no list"),
    (ImproperList((1,), []), "a tail that is no list"),
    (ImproperList((1,), [2]), "a tail that is no list"),
    (ImproperList((1,), ImproperList((2,), 3)), "a tail that is no list"),
    (BitString(b"", 0), "a bit string has a byte"),  # of this one OTP 28.5 dies: see `tests/live/test_etf_oracle.py`
    (BitString(b"", 1), "a bit string has a byte and 1 to 7 bits in the last one"),
    (BitString(b"a", 0), "1 to 7 bits"),
    (BitString(b"a", 8), "1 to 7 bits"),
    (Pid(TAI, -1, 0, 0), "a number of an identifier does not fit its field: .*-1"),
    (Pid(TAI, 2**32, 0, 0), "does not fit its field: .*4294967296"),
    (Pid(TAI, 0, 2**32, 0), "does not fit its field"),
    (Pid(TAI, 0, 0, 2**32), "does not fit its field"),
    (Pid(Atom("a" * 256), 0, 0, 0), "an atom of 256 characters"),
    (Port(TAI, -1, 0), "does not fit its field"),
    (Port(TAI, 2**64, 0), "does not fit its field"),
    (Port(TAI, 0, 2**32), "does not fit its field"),
    (Reference(TAI, 0, ()), "a reference has 1 to 5 words, not 0"),
    (Reference(TAI, 0, (1,) * 6), "a reference has 1 to 5 words, not 6"),
    (Reference(TAI, 0, (2**32,)), "does not fit its field"),
    (Reference(TAI, -1, (1,)), "does not fit its field"),
    (ExportFun(Atom("m"), Atom("f"), 256), "does not fit its field"),
    (ExportFun(Atom("m"), Atom("f"), -1), "does not fit its field"),
    (Fun(b""), "a closure can only be sent back as it came"),
    (Fun(struct.pack(">I", 28) + bytes(24)), "a closure can only be sent back as it came"),
    (Fun(struct.pack(">I", 40) + bytes(30)), "a closure can only be sent back as it came"),
]


@pytest.mark.parametrize(("value", "message"), NO_TERMS, ids=[ascii(value)[:50] for value, _ in NO_TERMS])
def test_a_value_that_is_no_term_is_not_written_and_the_error_says_why(value: object, message: str) -> None:
    with pytest.raises(EncodeError, match=message):
        encode(cast("Term", value))


AROUND: Final[dict[str, Callable[[Term], Term]]] = {
    "tuple": lambda term: (1, term),
    "list": lambda term: [1, term],
    "element before a tail": lambda term: ImproperList((1, term), 2),
    "tail": lambda term: ImproperList((1,), term),
    "key": lambda term: Map([(term, 1)]),
    "value": lambda term: Map([(1, term)]),
}


@pytest.mark.parametrize("value", [True, None, "text"], ids=repr)
@pytest.mark.parametrize("around", AROUND.values(), ids=list(AROUND))
def test_a_value_that_is_no_term_is_found_wherever_it_is(around: Callable[[Term], Term], value: object) -> None:
    with pytest.raises(EncodeError, match="is no Erlang term"):
        encode(around(cast("Term", value)))


@pytest.mark.parametrize("size", [0, 255, 256])
def test_a_bool_in_a_list_of_bytes_is_not_taken_for_a_byte(size: int) -> None:
    with pytest.raises(EncodeError, match="a bool is no Erlang term"):
        encode([*[7] * size, True])


# --- what is not read -------------------------------------------------------------------------------------------------

NO_ENCODED_TERMS: Final[dict[str, tuple[bytes, str]]] = {
    "nothing": (b"", "ends too early"),
    "no version": (b"j", "a term begins with 131, not with 106"),
    "another version": (b"\x82j", "begins with 131, not with 130"),
    "no tag": (b"\x83", "ends too early"),
    "distribution header": (b"\x83D\0", "tag 68 at byte 1 is not one that a peer may send"),
    "fragment": (b"\x83E" + bytes(17), "tag 69 at byte 1"),
    "atom cache reference": (b"\x83h\1R\0", "tag 82 at byte 3 is not one"),
    "local form": (b"\x83y" + bytes(20), "tag 121 at byte 1"),
    "old fun": (b"\x83u" + bytes(20), "tag 117 at byte 1"),
    "sign of an integer": (b"\x83n\1\2\5", "the sign of an integer is 0 or 1, not 2"),
    "NaN": (b"\x83F\x7f\xf8\0\0\0\0\0\0", "no infinite float and no NaN"),
    "infinity": (b"\x83F\xff\xf0\0\0\0\0\0\0", "no infinite float and no NaN"),
    "old float that is no number": (b"\x83c" + b"nan".ljust(31, b"\0"), "FLOAT_EXT holds no number"),
    "old float that is empty": (b"\x83c" + bytes(31), "FLOAT_EXT holds no number"),
    "old float that Python alone reads": (b"\x83c" + b"1_0.5".ljust(31, b"\0"), "FLOAT_EXT holds no number"),
    "old float that is not ASCII": (b"\x83c" + b"\xb2.5".ljust(31, b"\0"), "FLOAT_EXT holds no number"),
    "old float that is infinite": (b"\x83c" + b"1.0e999".ljust(31, b"\0"), "no infinite float"),
    "atom that is not UTF-8": (b"\x83w\1\xff", "an atom is not valid UTF-8"),
    "atom with a surrogate": (b"\x83w\3\xed\xa0\x80", "an atom is not valid UTF-8"),
    "atom of 256 characters": (b"\x83v\1\0" + b"a" * 256, "an atom of 256 characters is over the limit of 255"),
    "old atom of 256 characters": (b"\x83d\1\0" + b"a" * 256, "an atom of 256 characters is over the limit"),
    "bits without a byte": (b"\x83M\0\0\0\0\1", "a bit string of 0 bytes cannot have 1 bits in the last"),
    "no bits in the last byte": (b"\x83M\0\0\0\1\0a", "of 1 bytes cannot have 0 bits"),
    "9 bits in the last byte": (b"\x83M\0\0\0\1\x09a", "of 1 bytes cannot have 9 bits"),
    "node that is no atom": (b"\x83Xj" + bytes(12), "an atom was expected, not tag 106"),
    "reference of no words": (b"\x83Z\0\0w\1a" + bytes(4), "a reference has 1 to 5 words, not 0"),
    "reference of 6 words": (b"\x83Z\0\6w\1a" + bytes(28), "a reference has 1 to 5 words, not 6"),
    "old reference of 6 words": (b"\x83r\0\6w\1a" + bytes(25), "a reference has 1 to 5 words, not 6"),
    "fun shorter than its fields": (b"\x83p\0\0\0\x1c" + bytes(24), "a fun takes at least 29 bytes, not 28"),
    "fun without a size": (b"\x83p\0\0\0\0", "a fun takes at least 29 bytes, not 0"),
    "arity that is no integer": (b"\x83qw\1mw\1fj", "the arity of a fun is an integer of one byte"),
    "arity of four bytes": (b"\x83qw\1mw\1fb\0\0\0\2", "the arity of a fun is an integer of one byte"),
    "compressed and cut in the head": (b"\x83P\0\0\0", "ends too early"),
    "compressed inside of a term": (b"\x83h\1P\0\0\0\1" + zlib.compress(b"j"), "tag 80 at byte 3"),
    "compressed twice": (b"\x83P\0\0\0\x0e" + zlib.compress(b"P\0\0\0\1" + zlib.compress(b"j")), "tag 80 at byte 0"),
    "compressed with a version inside": (b"\x83P\0\0\0\2" + zlib.compress(b"\x83j"), "tag 131 at byte 0"),
    "compressed with two terms": (b"\x83P\0\0\0\2" + zlib.compress(b"jj"), "1 bytes follow the compressed term"),
    "compressed nothing": (b"\x83P\0\0\0\0" + zlib.compress(b""), "ends too early"),
    "compressed and damaged": (b"\x83P\0\0\0\1" + b"x" + zlib.compress(b"j"), "compressed data is damaged"),
    "compressed with a wrong checksum": (b"\x83P\0\0\0\1" + zlib.compress(b"j")[:-1] + b"x", "data is damaged"),
    "compressed and shorter than it says": (b"\x83P\0\0\0\2" + zlib.compress(b"j"), "not the length that it says"),
    "compressed and longer than it says": (b"\x83P\0\0\0\1" + zlib.compress(b"jj"), "not the length that it says"),
}


@pytest.mark.parametrize(("data", "message"), NO_ENCODED_TERMS.values(), ids=list(NO_ENCODED_TERMS))
def test_bytes_that_are_no_term_are_refused_and_the_error_says_why(data: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        decode(data)


KNOWN_TAGS: Final = {tag for name, tag in vars(tags).items() if name.endswith("_EXT")}


@pytest.mark.parametrize("tag", range(256))
def test_a_tag_is_known_or_refused_by_its_number(tag: int) -> None:
    if tag == tags.NIL_EXT:
        assert decode(bytes([131, tag])) == []
        return
    with pytest.raises(DecodeError) as refusal:
        decode(bytes([131, tag]))
    known = tag in KNOWN_TAGS or tag == tags.COMPRESSED
    assert (f"tag {tag} at byte 1 is not one that a peer may send" in str(refusal.value)) != known


# --- forms that no vector has -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1.50000000000000000000e+00", 1.5),
        (b"  1.5", 1.5),
        (b"-2.5e-3", -0.0025),
        (b"1.5e10", 1.5e10),
        (b"-0.0", -0.0),
        (b"1234567890123456789012345.12345", 1234567890123456789012345.12345),
    ],
    ids=repr,
)
def test_an_old_float_is_read_as_sscanf_does(text: bytes, value: float) -> None:
    assert identity(decode(b"\x83c" + text.ljust(31, b"\0"))) == identity(value)


def test_bits_that_do_not_count_are_cleared() -> None:
    assert decode(b"\x83M\0\0\0\1\3\xff") == BitString(b"\xe0", 3)


def test_a_bit_string_of_nothing_is_an_empty_binary() -> None:
    assert decode(b"\x83M\0\0\0\0\0") == b""


def test_a_closure_that_has_captured_nothing_is_kept_as_it_came() -> None:
    shortest = struct.pack(">I", 29) + bytes(25)
    assert decode(b"\x83p" + shortest) == Fun(shortest)
    assert encode(Fun(shortest)) == b"\x83p" + shortest


def test_a_fragment_is_written_as_the_term_that_it_is_of() -> None:
    term: Term = [Atom("link"), Map([(1, 2.0)])]
    assert encode((29, Fragment.of(term), 1)) == encode((29, term, 1))
    with pytest.raises(EncodeError):
        Fragment.of(float("nan"))


def test_a_list_of_no_elements_is_its_tail() -> None:
    assert decode(b"\x83l\0\0\0\0a\5") == 5


def test_a_tail_that_is_a_list_becomes_part_of_the_list() -> None:
    assert decode(b"\x83l\0\0\0\1a\1l\0\0\0\1a\2j") == [1, 2]
    assert decode(b"\x83l\0\0\0\1a\1l\0\0\0\1a\2a\3") == ImproperList((1, 2), 3)


def test_a_list_with_an_integer_out_of_a_byte_is_written_as_a_list() -> None:
    assert encode([255, 256])[1] == tags.LIST_EXT
    assert encode([255, 255])[1] == tags.STRING_EXT


def test_a_list_with_a_float_is_not_written_as_a_string() -> None:
    assert encode([97, 98.0])[1] == tags.LIST_EXT


def test_damaged_data_behind_a_compressed_term_does_not_matter() -> None:
    data = b"\x83P\0\0\0\1" + zlib.compress(b"j")
    assert decode_prefix(data + b"\xff" * 10) == ([], len(data))


# --- limits -----------------------------------------------------------------------------------------------------------


def test_the_limits_are_those_meant() -> None:
    assert Limits(max_bytes=16 * 1024 * 1024, max_depth=256, max_terms=1_000_000) == DEFAULT_LIMITS


def refuse(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[str, int]:
    """Return why ``data`` is refused, and how many bytes of memory were taken until then."""
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError) as refusal:
            decode_prefix(data, limits)
        return str(refusal.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


SMALL_BYTES: Final = 64 * 1024  # what a refusal may take; an error with its trace takes a few kilobytes
HUGE: Final = b"\xff\xff\xff\xff"
BILLION: Final = (1_000_000_000).to_bytes(4, "big")
NO_LIMIT_OF_TERMS: Final = Limits(max_terms=1 << 40)

# Announced sizes of up to 8 GiB in front of a few bytes.
ANNOUNCED: Final[dict[str, tuple[bytes, Limits, str]]] = {
    "binary of 4 GiB": (b"\x83m" + HUGE + b"abc", DEFAULT_LIMITS, "4294967295 bytes are announced and 3 are there"),
    "bit string of 4 GiB": (b"\x83M" + HUGE + b"\7abc", DEFAULT_LIMITS, "4294967295 bytes are announced"),
    "integer of 4 GiB": (b"\x83o" + HUGE + b"\0abc", DEFAULT_LIMITS, "4294967295 bytes are announced"),
    "fun of 4 GiB": (b"\x83p" + HUGE + bytes(40), DEFAULT_LIMITS, "4294967291 bytes are announced"),
    "string": (b"\x83k\xff\xffabc", DEFAULT_LIMITS, "65535 bytes are announced and 3 are there"),
    "atom": (b"\x83v\xff\xffabc", DEFAULT_LIMITS, "65535 bytes are announced"),
    "list of 10^9": (b"\x83l" + BILLION + b"jjj", DEFAULT_LIMITS, "more than 1000000 terms in one"),
    "tuple of 10^9": (b"\x83i" + BILLION + b"jjj", DEFAULT_LIMITS, "more than 1000000 terms"),
    "map of 10^9": (b"\x83t" + BILLION + b"jjj", DEFAULT_LIMITS, "more than 1000000 terms"),
    "list of 10^9, no limit": (b"\x83l" + BILLION + b"jjj", NO_LIMIT_OF_TERMS, "1000000000 terms are announced and 3"),
    "tuple of 10^9, no limit": (b"\x83i" + BILLION + b"jjj", NO_LIMIT_OF_TERMS, "1000000000 terms are announced"),
    "map of 10^9, no limit": (b"\x83t" + BILLION + b"jjj", NO_LIMIT_OF_TERMS, "2000000000 terms are announced"),
    "small tuple": (b"\x83h\xffjjj", DEFAULT_LIMITS, "255 terms are announced and 3 bytes are there"),
    "compressed 4 GiB": (b"\x83P" + HUGE + zlib.compress(b"j"), DEFAULT_LIMITS, "4294967295 bytes is over the limit"),
}


@pytest.mark.parametrize(("data", "limits", "message"), ANNOUNCED.values(), ids=list(ANNOUNCED))
def test_an_announced_size_takes_no_memory(data: bytes, limits: Limits, message: str) -> None:
    reason, peak_bytes = refuse(data, limits)
    assert message in reason
    assert peak_bytes < SMALL_BYTES


@pytest.mark.parametrize(
    ("size", "contents"),
    [
        (1_000, b"m\0\0\3\xe3" + bytes(20_000_000)),
        (100_000, b"k" + bytes(20_000_000)),
        (1, bytes(20_000_000)),
        (0, bytes(20_000_000)),
    ],
)
def test_compressed_data_is_inflated_no_further_than_it_says(size: int, contents: bytes) -> None:
    bomb = b"\x83P" + size.to_bytes(4, "big") + zlib.compress(contents)
    assert len(bomb) < 20_100
    reason, peak_bytes = refuse(bomb)
    assert "not the length that it says" in reason
    assert peak_bytes < SMALL_BYTES + 3 * size + 4 * len(bomb)


def test_compressed_data_meets_the_limit_of_terms() -> None:
    contents = b"l" + (600).to_bytes(4, "big") + b"h\1j" * 600 + b"j"
    reason, _ = refuse(b"\x83P" + len(contents).to_bytes(4, "big") + zlib.compress(contents), Limits(max_terms=1_000))
    assert reason == "more than 1000 terms in one"


COMPRESSED_BINARY: Final = (
    b"\x83P" + (1005).to_bytes(4, "big") + zlib.compress(b"m" + (1000).to_bytes(4, "big") + bytes(1000))
)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (encode(b"a" * 1000), 1006),
        (encode(b"") + bytes(994), 1000),
        (COMPRESSED_BINARY, 1005),
        (b"\x83P\0\0\0\1" + zlib.compress(b"j") + bytes(986), 1001),
    ],
    ids=["whole", "with a tail", "compressed", "compressed, with a tail"],
)
def test_a_term_is_read_up_to_the_limit_of_bytes_and_not_beyond(data: bytes, size: int) -> None:
    decode_prefix(data, Limits(max_bytes=size))
    with pytest.raises(DecodeError, match=f"of {size} bytes is over the limit of {size - 1}"):
        decode_prefix(data, Limits(max_bytes=size - 1))


def test_the_limit_of_bytes_counts_from_where_the_reader_begins() -> None:
    assert Reader(bytes(1000) + b"a\5", 1000, Limits(max_bytes=2)).term() == 5
    with pytest.raises(DecodeError, match="a term of 3 bytes is over the limit of 2"):
        Reader(bytes(1000) + b"a\5x", 1000, Limits(max_bytes=2))


# (term, what it counts for beside itself): elements, keys, values and characters; a map is 4 more and each of its pairs
# 2, an identifier is 2 more for each atom in it, and the words of a reference.
COUNTED: Final[list[tuple[Term, int]]] = [
    ([], 0),
    ((1, 2, 3), 3),
    ([1, 2.0, 3], 3),
    ([Atom("a"), [Atom("b"), (Atom("c"),)]], 5),
    (Map(), 4),
    (Map([(1, 2), (3, (4, 5))]), 6 + 4 + 2 * 2),
    (Pid(TAI, 1, 2, 3), 2),
    (Port(TAI, 1, 2), 2),
    (Reference(TAI, 1, (2, 3)), 2 + 2),
    (ExportFun(Atom("m"), Atom("f"), 1), 4),
    (ImproperList((1.0, 2.0), 3), 2),
    (list(b"string"), 6),
    ([list(b"four"), list(b"four")], 10),
    (tuple(range(300)), 300),
]


@pytest.mark.parametrize(("term", "count"), COUNTED, ids=[repr(term)[:50] for term, _ in COUNTED])
def test_a_term_is_read_up_to_the_limit_of_terms_and_not_beyond(term: Term, count: int) -> None:
    assert identity(decode(encode(term), Limits(max_terms=count))) == identity(term)
    if count:
        with pytest.raises(DecodeError, match=f"more than {count - 1} terms in one"):
            decode(encode(term), Limits(max_terms=count - 1))


# Forms that take much memory here for few bytes there, and how many terms each counts for.
COSTLY: Final[dict[str, tuple[bytes, int]]] = {
    "empty lists": (b"j", 1),
    "lists of one": (b"l\0\0\0\1jj", 2),
    "strings": (b"k\0\x32" + bytes(50), 51),
    "empty tuples": (b"h\0", 1),
    "empty maps": (b"t\0\0\0\0", 5),
    "maps of one": (b"t\0\0\0\1jj", 10),
    "maps with lists of lists as keys": (b"t\0\0\0\1l\0\0\0\1jjj", 12),
    "maps with long lists of lists as keys": (b"t\0\0\0\1l\0\0\0\x32" + b"j" * 50 + b"jj", 110),
    "maps with maps as keys": (b"t\0\0\0\1t\0\0\0\1jjj", 24),
    "improper lists": (b"l\0\0\0\1ja\1", 2),
    "floats": (b"F" + bytes(8), 1),
    "binaries": (b"m\0\0\0\2ab", 1),
    "bit strings": (b"M\0\0\0\1\1\x80", 1),
    "pids": (b"Xw\1a" + b"\1" * 12, 3),
    "references": (b"Z\0\5w\1a" + b"\1" * 24, 8),
}


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
@pytest.mark.parametrize(("form", "terms"), COSTLY.values(), ids=list(COSTLY))
def test_the_limit_of_terms_bounds_the_memory(form: bytes, terms: int) -> None:
    max_terms = 5_100
    count = max_terms // terms
    data = b"\x83l" + count.to_bytes(4, "big") + form * count + b"j"
    tracemalloc.start()
    try:
        kept = decode(data, Limits(max_terms=max_terms))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(kept, list)
    assert len(kept) == count
    assert peak_bytes < 130 * max_terms
    with pytest.raises(DecodeError, match="more than"):
        decode(data, Limits(max_terms=terms * count - 1))


def test_a_key_is_counted_again_in_each_map_of_which_it_is_a_part_of_the_key() -> None:
    data = b"\x83" + b"t\0\0\0\1" * 100 + b"h\x96" + b"a\7" * 150 + b"a\1" * 100
    with pytest.raises(LimitExceeded):
        decode(data, Limits(max_terms=100 * 150))
    assert isinstance(decode(data, Limits(max_terms=2 * 100 * 150 + 100 * 100 * 5)), Map)


# --- depth ------------------------------------------------------------------------------------------------------------

# One level of nesting each: what comes before the inner term and what behind it.
LEVELS: Final[dict[str, tuple[bytes, bytes]]] = {
    "tuple": (b"h\1", b""),
    "second of a tuple": (b"h\2a\1", b""),
    "large tuple": (b"i\0\0\0\1", b""),
    "list": (b"l\0\0\0\1", b"j"),
    "tail of a list": (b"l\0\0\0\1a\1", b""),
    "tail of no elements": (b"l\0\0\0\0", b""),
    "element before a tail": (b"l\0\0\0\1", b"a\1"),
    "key": (b"t\0\0\0\1", b"a\1"),
    "value": (b"t\0\0\0\1a\1", b""),
}
CORES: Final = {"list": b"j", "integer": b"a\1", "tuple": b"h\0", "map": b"t\0\0\0\0", "string": b"k\0\1a"}
MAX_DEPTH: Final = DEFAULT_LIMITS.max_depth


def nested(level: tuple[bytes, bytes], depth: int, core: bytes = b"j") -> bytes:
    before, behind = level
    return b"\x83" + before * depth + core + behind * depth


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
@pytest.mark.parametrize("core", CORES.values(), ids=list(CORES))
@pytest.mark.parametrize(
    "level",
    [
        # Keys in keys take time with the square of their depth.
        pytest.param(level, id=name, marks=pytest.mark.slow if name == "key" else ())
        for name, level in LEVELS.items()
    ],
)
def test_the_deepest_term_that_is_read_can_be_written_and_compared(level: tuple[bytes, bytes], core: bytes) -> None:
    term = decode(nested(level, MAX_DEPTH, core))
    assert identity(decode(encode(term))) == identity(term)
    assert hash(identity(term)) == hash(identity(decode(encode(term))))


@pytest.mark.parametrize("core", CORES.values(), ids=list(CORES))
@pytest.mark.parametrize("level", LEVELS.values(), ids=list(LEVELS))
def test_a_term_that_is_one_level_too_deep_is_refused(level: tuple[bytes, bytes], core: bytes) -> None:
    with pytest.raises(DecodeError, match=f"terms nest deeper than {MAX_DEPTH}"):
        decode(nested(level, MAX_DEPTH + 1, core))


@pytest.mark.parametrize("level", LEVELS.values(), ids=list(LEVELS))
def test_a_term_of_any_depth_is_refused_without_taking_memory(level: tuple[bytes, bytes]) -> None:
    reason, peak_bytes = refuse(nested(level, 100_000))
    assert reason == f"terms nest deeper than {MAX_DEPTH}"
    assert peak_bytes < 4 * SMALL_BYTES  # the frames of the allowed levels


@pytest.mark.parametrize("level", LEVELS.values(), ids=list(LEVELS))
def test_the_caller_may_allow_less_depth(level: tuple[bytes, bytes]) -> None:
    decode(nested(level, 3), Limits(max_depth=3))
    with pytest.raises(DecodeError, match="terms nest deeper than 3"):
        decode(nested(level, 4), Limits(max_depth=3))


@pytest.mark.parametrize("level", LEVELS.values(), ids=list(LEVELS))
def test_compressed_terms_meet_the_limit_of_depth(level: tuple[bytes, bytes]) -> None:
    contents = nested(level, 100_000)[1:]
    with pytest.raises(DecodeError, match=f"terms nest deeper than {MAX_DEPTH}"):
        decode(b"\x83P" + len(contents).to_bytes(4, "big") + zlib.compress(contents))


def under(frames: int, work: Callable[[], Term]) -> Term:
    """Do ``work`` with so many frames already on the stack, as below a web framework."""
    return work() if frames == 0 else under(frames - 1, work)


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
@pytest.mark.parametrize("level", LEVELS.values(), ids=list(LEVELS))
def test_the_deepest_term_leaves_pythons_stack_room_for_the_caller(level: tuple[bytes, bytes]) -> None:
    data = nested(level, MAX_DEPTH)
    term = under(350, lambda: decode(data))
    assert under(350, lambda: encode(term)) == encode(term)


def test_the_deepest_key_can_be_compared_with_its_like() -> None:
    key = nested(LEVELS["value"], MAX_DEPTH - 1)[1:]
    with pytest.raises(DecodeError, match="a map has the same key twice"):
        decode(b"\x83t\0\0\0\2" + key + b"j" + key + b"j")


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
@pytest.mark.parametrize("name", sorted(AROUND.keys() - {"tail"}))  # a tail is no list, so tails alone do not nest
def test_a_term_that_nests_too_deep_is_not_written(name: str) -> None:
    around = AROUND[name]
    term: Term = Atom("core")
    for _ in range(MAX_DEPTH):
        term = around(term)
    assert identity(decode(encode(term))) == identity(term)
    with pytest.raises(EncodeError, match=f"terms nest deeper than {MAX_DEPTH}"):
        encode(around(term))


def test_a_term_without_end_is_not_written() -> None:
    endless: list[Term] = [1]
    endless.append(endless)
    with pytest.raises(EncodeError, match="terms nest deeper"):
        encode(endless)


# Every place that takes an atom, and so could be made to nest if it took a term.
PLACES_OF_ATOMS: Final[dict[str, bytes]] = {
    "node of a pid": b"X",
    "node of an old pid": b"g",
    "node of a port": b"Y",
    "node of a large port": b"x",
    "node of an old port": b"f",
    "node of a reference": b"Z\0\1",
    "node of a new reference": b"r\0\1",
    "node of an old reference": b"e",
    "module": b"q",
    "function": b"qw\1m",
}


@pytest.mark.parametrize("place", PLACES_OF_ATOMS.values(), ids=list(PLACES_OF_ATOMS))
def test_an_identifier_in_the_place_of_an_atom_is_not_entered(place: bytes) -> None:
    reason, peak_bytes = refuse(b"\x83" + place * 100_000)
    assert reason == f"an atom was expected, not tag {place[0]}"
    assert peak_bytes < SMALL_BYTES


# --- the reader -------------------------------------------------------------------------------------------------------


def test_a_reader_reads_one_term_after_the_other() -> None:
    reader = Reader(b"\x83h\2w\1aa\5", 0)
    reader.version()
    assert reader.tuple_arity() == 2
    assert reader.position == 3
    assert (reader.atom(), reader.term()) == (Atom("a"), 5)
    assert reader.position == 8


def test_a_reader_begins_where_it_is_told() -> None:
    reader = Reader(b"other\x83j", 5)
    reader.version()
    assert reader.term() == []
    assert reader.position == 7


def test_a_reader_reads_the_head_of_a_large_tuple_without_its_elements() -> None:
    assert Reader(b"i" + HUGE).tuple_arity() == 2**32 - 1


@pytest.mark.parametrize(("data", "message"), [(b"j", "a tuple was expected, not tag 106"), (b"i\0", "are announced")])
def test_a_reader_refuses_what_is_no_tuple(data: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        Reader(data).tuple_arity()


@pytest.mark.parametrize("read", [Reader.version, Reader.term, Reader.tuple_arity, Reader.byte, Reader.atom])
@pytest.mark.parametrize("position", [0, 3, 100])
def test_a_reader_at_the_end_refuses_to_go_on(read: Callable[[Reader], object], position: int) -> None:
    with pytest.raises(DecodeError, match="the term ends too early"):
        read(Reader(b"abc"[:position], position))


def test_the_limit_of_terms_is_for_all_that_one_reader_reads() -> None:
    reader = Reader(b"h\2jj" * 3, limits=Limits(max_terms=4))
    assert [reader.term(), reader.term()] == [([], []), ([], [])]
    with pytest.raises(DecodeError, match="more than 4 terms in one"):
        reader.term()


def test_an_atom_that_comes_again_is_not_made_again() -> None:
    first, second = cast("list[Term]", decode(encode([Atom("again"), Atom("again")])))
    assert first is second


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
def test_a_flood_of_atoms_leaves_little_behind() -> None:
    """As many characters of four bytes as an atom can have that is kept, and as one can have at all."""
    names = [f"{number:05}".encode() + "😀".encode() * length for length in (13, 250) for number in range(10_000)]
    tracemalloc.start()
    try:
        for name in names:
            decode(b"\x83v" + len(name).to_bytes(2, "big") + name)
        left_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left_bytes < 2_000_000
