from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from itertools import combinations

import pytest

from agent.terms import (
    FALSE,
    TRUE,
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
    format_pid,
    format_term,
    identity,
)
from tests.terms_strategies import ALIKE

TAI = Atom("tai@host")


# --- atoms ------------------------------------------------------------------------------------------------------------


def test_atoms_of_one_name_are_equal_and_have_one_hash() -> None:
    assert Atom("ok") == Atom("ok")
    assert hash(Atom("ok")) == hash(Atom("ok"))
    assert {Atom("ok"): "found"}[Atom("ok")] == "found"


def test_atoms_of_two_names_differ() -> None:
    assert Atom("ok") != Atom("error")
    assert Atom("true") == TRUE != FALSE


@pytest.mark.parametrize("other", ["true", b"true", True, None, 1, ["true"], (Atom("true"),)])
def test_an_atom_is_equal_to_nothing_but_an_atom(other: object) -> None:
    assert Atom("true") != other
    assert other != Atom("true")
    assert Atom("undefined") != other


def test_an_atom_is_no_dictionary_key_for_its_name() -> None:
    assert "ok" not in {Atom("ok"): 1}
    assert Atom("ok") not in {"ok": 1}


def test_the_repr_of_an_atom_is_how_to_make_it() -> None:
    assert repr(Atom("it's")) == 'Atom("it\'s")'


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda atom: pickle.loads(pickle.dumps(atom))])  # noqa: S301  # our own bytes
def test_a_copy_of_an_atom_is_the_same_atom(duplicate: Callable[[Atom], Atom]) -> None:
    assert duplicate(TRUE) == TRUE
    assert hash(duplicate(TRUE)) == hash(TRUE)


# --- identity ---------------------------------------------------------------------------------------------------------


def test_terms_that_erlang_tells_apart_have_different_identities() -> None:
    alike = [(identity(a), identity(b), a, b) for a, b in combinations(ALIKE, 2)]
    assert [(a, b) for one, other, a, b in alike if one == other] == []


def test_equal_terms_that_are_built_apart_have_one_identity() -> None:
    for term in ALIKE:
        assert identity(copy.deepcopy(term)) == identity(term)
        assert hash(identity(copy.deepcopy(term))) == hash(identity(term))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Pid(TAI, 1, 2, 3), Pid(TAI, 1, 2, 4)),
        (Pid(TAI, 1, 2, 3), Pid(Atom("iat@host"), 1, 2, 3)),
        (Port(TAI, 1, 2), Port(TAI, 1, 3)),
        (Pid(TAI, 1, 0, 2), Port(TAI, 1, 2)),
        (Reference(TAI, 1, (1, 2)), Reference(TAI, 1, (1, 2, 0))),
        (ExportFun(Atom("m"), Atom("f"), 1), ExportFun(Atom("m"), Atom("f"), 2)),
        (Fun(b"1"), b"1"),
        (BitString(b"\x80", 1), BitString(b"\x80", 2)),
        (ImproperList((1,), 2), [1, 2]),
        (ImproperList((1, 2), 3), ImproperList((1,), 2)),
        (Map([(1, 2)]), Map([(2, 1)])),
        (Map([(1, 2)]), [(1, 2)]),
    ],
    ids=str,
)
def test_two_terms_that_differ_in_one_place_have_different_identities(one: Term, other: Term) -> None:
    assert identity(one) != identity(other)
    assert len({identity(one), identity(other)}) == 2


def test_the_order_of_a_map_does_not_matter_to_its_identity() -> None:
    pairs: list[tuple[Term, Term]] = [(1, [1]), (1.0, [2]), ([], Map([(1, 2), (3, 4)]))]
    assert identity(Map(pairs)) == identity(Map(reversed(pairs)))


# --- maps -------------------------------------------------------------------------------------------------------------


def test_a_map_keeps_apart_all_keys_that_python_would_confuse() -> None:
    confusable = Map((key, number) for number, key in enumerate(ALIKE))
    assert len(confusable) == len(ALIKE)
    assert [confusable[key] for key in ALIKE] == list(range(len(ALIKE)))


def test_a_map_finds_its_values_by_key() -> None:
    memory = Map([(Atom("total"), 3), ([1], 4)])
    assert memory[Atom("total")] == 3
    assert memory[[1]] == 4
    assert memory.get([1]) == 4
    assert Atom("total") in memory


def test_a_map_has_no_key_that_is_only_python_equal() -> None:
    numbers = Map([(1, b"one")])
    assert 1.0 not in numbers
    assert TRUE not in numbers
    assert numbers.get(1.0) is None
    assert numbers.get(1.0, FALSE) == FALSE
    with pytest.raises(KeyError):
        numbers[1.0]


def test_a_later_value_of_a_key_takes_the_place_of_the_earlier() -> None:
    twice = Map([(1, 10), (2, 20), (1, 30)])
    assert len(twice) == 2
    assert twice[1] == 30


def test_a_map_hands_out_keys_and_pairs_in_the_order_given() -> None:
    pairs: list[tuple[Term, Term]] = [(3, 4), ([1], 2)]
    assert list(Map(pairs)) == [3, [1]]
    assert list(Map(pairs).items()) == pairs


def test_an_empty_map_has_nothing() -> None:
    assert len(Map()) == 0
    assert list(Map()) == []


def test_maps_are_equal_as_erlang_sees_them() -> None:
    assert Map([(1, 2), (3, 4)]) == Map([(3, 4), (1, 2)])
    assert hash(Map([(1, 2), (3, 4)])) == hash(Map([(3, 4), (1, 2)]))
    assert Map([(1, 2)]) != Map([(1.0, 2)])
    assert Map([(1, 2)]) != Map([(1, 2.0)])


def test_a_map_is_equal_to_no_dict() -> None:
    assert Map([(1, 2)]) != {1: 2}
    assert Map() != {}


def test_the_repr_of_a_map_is_how_to_make_it() -> None:
    assert repr(Map([(Atom("a"), [1])])) == "Map([(Atom('a'), [1])])"


# --- printing ---------------------------------------------------------------------------------------------------------

# As Erlang's shell prints them, but for a space here and there.
PRINTED: list[tuple[Term, str]] = [
    (0, "0"),
    (-1, "-1"),
    (1 << 64, "18446744073709551616"),
    ((1 << 256) - 1, str((1 << 256) - 1)),
    (1.0, "1.0"),
    (-0.0, "-0.0"),
    (0.1, "0.1"),
    (1e22, "1.0e22"),
    (-1.5e300, "-1.5e300"),
    (1e-7, "1.0e-7"),
    (5e-324, "5.0e-324"),
    (Atom("ok"), "ok"),
    (Atom("billing_governor@2"), "billing_governor@2"),
    (Atom("isUpper"), "isUpper"),
    (Atom(""), "''"),
    (Atom("Elixir.Tai"), "'Elixir.Tai'"),
    (Atom("_under"), "'_under'"),
    (Atom("@at"), "'@at'"),
    (Atom("9lives"), "'9lives'"),
    (Atom("hello world"), "'hello world'"),
    (Atom("tai@127.0.0.1"), "'tai@127.0.0.1'"),
    (Atom("it's \\"), r"'it\'s \\'"),
    (Atom("café"), "'café'"),
    (Atom("λ漢"), "'λ漢'"),
    (Atom("end"), "'end'"),
    (Atom("ends"), "ends"),
    (Atom("end\n"), r"'end\x{a}'"),
    (Atom("maybe"), "'maybe'"),
    (b"", "<<>>"),
    (b"acme", '<<"acme">>'),
    (b'say "hi" \\', r'<<"say \"hi\" \\">>'),
    (b"\0\xff", "<<0,255>>"),
    (b"line\n", "<<108,105,110,101,10>>"),
    ("café".encode(), "<<99,97,102,195,169>>"),
    (BitString(b"\xa0", 3), "<<5:3>>"),
    (BitString(b"\xff\x02", 7), "<<255,1:7>>"),
    ([], "[]"),
    (list(b"abc"), '"abc"'),
    (list(b'a "b" \\'), r'"a \"b\" \\"'),
    (list(b" ~"), '" ~"'),
    ([31], "[31]"),
    ([127], "[127]"),
    ([104, 105, 10], "[104,105,10]"),
    ([104, 105.0], "[104,105.0]"),
    ([1, Atom("a"), b"b"], '[1,a,<<"b">>]'),
    (ImproperList((Atom("a"),), Atom("b")), "[a|b]"),
    (ImproperList((1, 2), b"t"), '[1,2|<<"t">>]'),
    ((), "{}"),
    ((Atom("ok"), (1, [])), "{ok,{1,[]}}"),
    ((Atom("billing_governor"), b"acme"), '{billing_governor,<<"acme">>}'),
    (Map(), "#{}"),
    (Map([(Atom("a"), 1), (b"b", [Map()])]), '#{a=>1,<<"b">>=>[#{}]}'),
    (Map([((1,), ImproperList((1,), 2))]), "#{{1}=>[1|2]}"),
    (Pid(TAI, 123, 4, 99), "<0.123.4>"),
    (Port(TAI, 5, 99), "#Port<0.5>"),
    (Reference(TAI, 99, (7, 8, 9)), "#Ref<0.9.8.7>"),
    (ExportFun(Atom("lists"), Atom("map"), 2), "fun lists:map/2"),
    (ExportFun(Atom("Elixir.Tai"), Atom("stop!"), 0), "fun 'Elixir.Tai':'stop!'/0"),
    (Fun(b"anything"), "#Fun<>"),
]


@pytest.mark.parametrize(("term", "text"), PRINTED, ids=[text[:40] for _, text in PRINTED])
def test_a_term_is_printed_as_erlang_does(term: Term, text: str) -> None:
    assert format_term(term) == text


@pytest.mark.parametrize(("term", "text"), PRINTED, ids=[text[:40] for _, text in PRINTED])
def test_a_term_inside_of_others_is_printed_as_alone(term: Term, text: str) -> None:
    assert format_term((term, Map([(term, Atom("x"))]))) == f"{{{text},#{{{text}=>x}}}}"


def test_a_pid_is_printed_as_its_own_node_does() -> None:
    assert format_pid(Pid(TAI, 123, 0, 99)) == "<0.123.0>"


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "\x1b[31mred", "\x7f", "\u202e", "\u2028", "\0"])
def test_no_atom_puts_a_character_of_control_into_a_log_or_a_terminal(name: str) -> None:
    text = format_term((Atom(name), Map([(Atom(name), 1)]), ExportFun(Atom(name), Atom(name), 1)))
    assert text.isprintable()


@pytest.mark.parametrize("bits", [257, 10_000_000])
def test_a_very_large_integer_is_printed_by_its_size(bits: int) -> None:
    assert format_term(1 << (bits - 1)) == f"#Integer<{bits} bits>"
    assert format_term(-1 << (bits - 1)) == f"#Integer<{bits} bits>"


# (term, what its text begins with): each is longer than 400 characters in full.
LONG: list[tuple[Term, str]] = [
    (list(range(1000)), "[0,1,2,3,"),
    (tuple(range(1000)), "{0,1,2,3,"),
    (Map((number, number) for number in range(1000)), "#{0=>0,1=>1,"),
    (ImproperList(tuple(range(1000)), 5), "[0,1,2,3,"),
    (b"a" * 100_000, '<<"aaaa'),
    (b"\0" * 100_000, "<<0,0,0,"),
    (BitString(bytes(range(250)) * 3, 1), "<<0,1,2,3,"),
    ([1] * 1_000_000, "[1,1,1,"),
    (Reference(TAI, 1, (4_000_000_000,) * 50), "#Ref<0.4000000000.4000000000."),
    (Atom("a" * 500), "aaaa"),
]


@pytest.mark.parametrize(("term", "beginning"), LONG, ids=[beginning for _, beginning in LONG])
def test_a_long_term_is_cut_and_says_so(term: Term, beginning: str) -> None:
    text = format_term(term)
    assert text.startswith(beginning)
    assert text.endswith("...")
    assert len(text) == 403


@pytest.mark.parametrize("max_characters", [0, 1, 5, 40])
def test_a_term_is_cut_where_the_caller_says(max_characters: int) -> None:
    whole = "{ok,<<\"0123456789abcdef\">>,[1,2,3,4,5,6,7,8],'hello world'}"
    term: Term = (Atom("ok"), b"0123456789abcdef", [1, 2, 3, 4, 5, 6, 7, 8], Atom("hello world"))
    assert format_term(term) == whole
    assert format_term(term, max_characters) == whole[:max_characters] + "..."


def test_a_term_that_just_fits_is_not_cut() -> None:
    assert format_term([1, 2], 5) == "[1,2]"
    assert format_term([1, 2], 4) == "[1,2..."


def test_256_characters_are_printed_as_numbers() -> None:
    assert format_term([97] * 255, 1000) == '"' + "a" * 255 + '"'
    assert format_term([97] * 256, 2000) == "[" + ",".join(["97"] * 256) + "]"


def deep_tuple(depth: int) -> Term:
    term: Term = Atom("core")
    for _ in range(depth):
        term = (term,)
    return term


def deep_map(depth: int) -> Term:
    term: Term = Atom("core")
    for _ in range(depth):
        term = Map([(1, term)])
    return term


def test_nesting_is_printed_whole_when_it_fits() -> None:
    assert format_term(deep_tuple(100)) == "{" * 100 + "core" + "}" * 100


@pytest.mark.parametrize(("make", "beginning"), [(deep_tuple, "{{{{"), (deep_map, "#{1=>#{1=>")])
def test_nesting_far_beyond_pythons_own_depth_is_printed_cut(make: Callable[[int], Term], beginning: str) -> None:
    text = format_term(make(20_000))
    assert text.startswith(beginning)
    assert text.endswith("...")
    assert len(text) == 403


def test_keys_that_python_hashes_alike_are_told_apart_without_a_search() -> None:
    keys = [number * ((1 << 61) - 1) for number in range(1, 500)]
    assert len({hash(key) for key in keys}) == 1
    assert len({hash(identity(key)) for key in keys}) == len(keys)
    assert len(Map((key, key) for key in keys)) == len(keys)


@pytest.mark.parametrize("number", [(1 << 60) - 1, 1 << 60, -(1 << 60), 1 << 61, -(1 << 64), (1 << 64) - 1, 1 << 2048])
def test_a_large_integer_is_itself_and_not_its_negative_nor_its_neighbour(number: int) -> None:
    assert identity(number) == identity(int(str(number)))
    assert len({identity(other) for other in (number, -number, number + 1, number - 1)}) == 4


# Of CPython's Objects/tupleobject.c, tuplehash: each element is multiplied, rotated and multiplied again.
_PRIME_1, _PRIME_2 = 11_400_714_785_074_694_791, 14_029_467_366_897_019_727


def _signed(number: int) -> int:
    number %= 1 << 64
    return number - (1 << 64) if number >= 1 << 63 else number


def _pairs_with_one_hash(count: int) -> Iterator[tuple[int, int]]:
    """Pairs whose second element takes back what the first changes in the hash, whatever stands before them."""
    inverse, found, step = pow(_PRIME_2, -1, 1 << 64), 0, 0
    while found < count:
        step += 1
        first, second = _signed(step * inverse), _signed(-(step << 31) * _PRIME_1 * inverse)
        if max(abs(first), abs(second)) < 1 << 60:
            found += 1
            yield first, second


def test_pairs_can_be_chosen_that_python_cannot_tell_apart_by_their_hash() -> None:
    assert len({hash((tuple, *pair)) for pair in _pairs_with_one_hash(50)}) <= 2


@pytest.mark.parametrize(
    "make",
    [
        lambda pair: pair,
        lambda pair: [*pair],
        lambda pair: ImproperList(pair, 1),
        lambda pair: (1, (2, pair)),
        lambda pair: Map([(pair[0], pair[1])]),
        lambda pair: Pid(Atom("a@b"), pair[0], pair[1], 1),
        lambda pair: Port(Atom("a@b"), pair[0], pair[1]),
        lambda pair: Reference(Atom("a@b"), 1, pair),
    ],
    ids=["tuple", "list", "improper list", "inner tuple", "map", "pid", "port", "reference"],
)
def test_keys_that_are_chosen_to_have_one_hash_have_many(make: Callable[[tuple[int, int]], Term]) -> None:
    assert len({hash(identity(make(pair))) for pair in _pairs_with_one_hash(50)}) == 50
