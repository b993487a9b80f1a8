"""The term format on terms and bytes that nobody has thought of."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Final

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from agent.errors import DecodeError
from agent.etf import Limits, Reader, decode, decode_prefix, encode
from agent.terms import Map, Term, format_term, identity
from tests.terms_strategies import DAMAGES, LONG, QUICK, TAGS, TERMS, VECTORS, damage, damaged_terms

# --- terms ------------------------------------------------------------------------------------------------------------


def check_round_trip(term: Term) -> None:
    data = encode(term)
    back = decode(data)
    assert identity(back) == identity(term)
    assert type(back) is type(term)
    assert encode(back) == data
    assert encode(copy.deepcopy(term)) == data


def check_prefix(term: Term, tail: bytes) -> None:
    data = encode(term)
    back, end = decode_prefix(data + tail)
    assert identity(back) == identity(term)
    assert end == len(data)
    if tail:
        with pytest.raises(DecodeError, match="bytes follow the term"):
            decode(data + tail)


def check_cut(term: Term) -> None:
    data = encode(term)
    for length in range(0, len(data), 1 + len(data) // 100):
        with pytest.raises(DecodeError):
            decode(data[:length])


def check_printing(term: Term, max_characters: int) -> None:
    text = format_term(term, max_characters)
    assert len(text) <= max_characters + len("...")
    assert text.isprintable()
    if text.endswith("..."):
        assert format_term(term, 10 * max_characters + 10_000).startswith(text[:-3])


def check_limits(term: Term, limits: Limits) -> None:
    """A limit refuses, or changes nothing."""
    data = encode(term)
    try:
        back = decode(data, limits)
    except DecodeError as refusal:
        reason = str(refusal)
    else:
        assert identity(back) == identity(term)
        assert len(data) <= limits.max_bytes
        return
    assert any(limit in reason for limit in ("more than", "nest deeper", "over the limit"))


LIMITS: Final = st.builds(Limits, st.integers(0, 300), st.integers(0, 4), st.integers(0, 20))


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
@settings(QUICK, max_examples=300)
@given(TERMS)
def test_decode_gives_back_what_encode_was_given(term: Term) -> None:
    check_round_trip(term)


@settings(QUICK, max_examples=100)
@given(TERMS, st.binary(max_size=5))
def test_decode_prefix_finds_the_end_of_any_term(term: Term, tail: bytes) -> None:
    check_prefix(term, tail)


@settings(QUICK, max_examples=60)
@given(TERMS)
def test_any_term_that_is_cut_is_refused(term: Term) -> None:
    check_cut(term)


@settings(QUICK, max_examples=150)
@given(TERMS, st.integers(0, 500))
def test_any_term_is_printed_in_the_characters_allowed(term: Term, max_characters: int) -> None:
    check_printing(term, max_characters)


@settings(QUICK, max_examples=150)
@given(TERMS, LIMITS)
def test_a_limit_refuses_or_changes_nothing(term: Term, limits: Limits) -> None:
    check_limits(term, limits)


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
@settings(QUICK, max_examples=100)
@given(st.lists(st.tuples(TERMS, TERMS), max_size=6), st.randoms(use_true_random=False))
def test_a_map_is_equal_in_any_order(pairs: list[tuple[Term, Term]], random: Random) -> None:
    """Keys that are in twice are taken out first: of them the last counts, so order matters."""
    ordered = list(Map(pairs).items())
    shuffled = ordered.copy()
    random.shuffle(shuffled)
    assert Map(shuffled) == Map(ordered)
    assert hash(Map(shuffled)) == hash(Map(ordered))
    assert decode(encode(Map(shuffled))) == Map(ordered)


@pytest.mark.slow
@LONG
@given(TERMS, st.binary(max_size=5), st.integers(0, 500), LIMITS)
def test_any_term_passes_every_check_above(term: Term, tail: bytes, max_characters: int, limits: Limits) -> None:
    check_round_trip(term)
    check_prefix(term, tail)
    check_cut(term)
    check_printing(term, max_characters)
    check_limits(term, limits)


# --- bytes ------------------------------------------------------------------------------------------------------------


def accepts(data: bytes) -> bool:
    """Decode ``data``. The only error is `DecodeError`, and what is accepted is a term in every respect."""
    try:
        term = decode(data)
    except DecodeError:
        return False
    assert identity(decode(encode(term))) == identity(term)
    assert len(format_term(term)) <= 403
    return True


def accepts_somehow(data: bytes) -> bool:
    """The same for what may have something behind it, and for what is read in pieces."""
    try:
        term, end = decode_prefix(data)
    except DecodeError:
        return False
    assert 0 < end <= len(data)
    assert identity(decode(data[:end])) == identity(term)
    return True


READS: Final[list[Callable[[Reader], object]]] = [
    Reader.version,
    Reader.term,
    Reader.tuple_arity,
    Reader.byte,
    Reader.atom,
    lambda reader: reader.take(3),
    lambda reader: reader.unsigned(4),
    lambda reader: list(reader.elements(2, 1)),
]


def check_reader(data: bytes, position: int, reads: list[Callable[[Reader], object]]) -> None:
    """Whatever is read from whatever bytes: it is there, or `DecodeError`."""
    try:
        reader = Reader(data, position)
        for read in reads:
            before = reader.position
            read(reader)
            assert before < reader.position <= len(data)
    except DecodeError:
        pass


@settings(QUICK, max_examples=600)
@given(st.binary(max_size=80))
def test_random_bytes_are_a_term_or_a_decode_error(data: bytes) -> None:
    accepts(data)
    accepts(b"\x83" + data)
    accepts_somehow(b"\x83" + data)


@settings(QUICK, max_examples=400)
@given(st.lists(st.sampled_from([*TAGS, 0, 1, 2, 255]), max_size=60).map(bytes))
def test_random_tags_are_a_term_or_a_decode_error(data: bytes) -> None:
    accepts(b"\x83" + data)
    accepts_somehow(b"\x83" + data)


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
@settings(QUICK, max_examples=750)
@given(damaged_terms())
def test_a_damaged_term_is_a_term_or_a_decode_error(data: bytes) -> None:
    accepts(data)
    accepts_somehow(data)


@settings(QUICK, max_examples=200)
@given(damaged_terms(), st.integers(0, 20), st.lists(st.sampled_from(READS), max_size=8))
def test_a_reader_on_damaged_terms_raises_decode_error_only(
    data: bytes, position: int, reads: list[Callable[[Reader], object]]
) -> None:
    check_reader(data, position, reads)


@pytest.mark.parametrize("how", DAMAGES)
def test_every_vector_with_one_damage_at_many_places_is_a_term_or_a_decode_error(how: str) -> None:
    outcomes = [
        accepts(damage(vector, how, (place, place + 3), 7 * place + number))
        for number, vector in enumerate(VECTORS)
        for place in range(0, len(vector), 1 + len(vector) // 12)
    ]
    assert False in outcomes


def test_the_damage_leaves_some_bytes_a_term_and_others_not() -> None:
    """Without both, the tests above would look at one half only."""
    enough = settings(QUICK, max_examples=2_000)
    assert find(damaged_terms(), lambda data: data not in VECTORS and accepts(data), settings=enough)
    assert find(damaged_terms(), lambda data: not accepts(data), settings=enough)


@pytest.mark.slow
@settings(LONG, max_examples=30_000)
@given(damaged_terms(), st.integers(0, 20), st.lists(st.sampled_from(READS), max_size=8))
def test_a_damaged_term_passes_every_check_above(
    data: bytes, position: int, reads: list[Callable[[Reader], object]]
) -> None:
    accepts(data)
    accepts_somehow(data)
    check_reader(data, position, reads)


@pytest.mark.slow
@settings(LONG, max_examples=30_000)
@given(st.binary(max_size=300))
def test_long_random_bytes_are_a_term_or_a_decode_error(data: bytes) -> None:
    accepts(data)
    accepts(b"\x83" + data)
    accepts_somehow(b"\x83" + data)
