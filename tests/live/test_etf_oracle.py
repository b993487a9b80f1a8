"""Real nodes judge the term format: they read what we write, we read what they write, and both call the same equal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import Session
from agent.errors import DecodeError, RemoteError
from agent.etf import decode, decode_prefix, encode, tags
from agent.terms import (
    TRUE,
    Atom,
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
from erlang_fixtures.beam import Beam
from tests.live.nodes import ask, join
from tests.terms_strategies import (
    ALIKE,
    ATOMS,
    DAMAGES,
    LONG,
    QUICK,
    VECTORS,
    damage,
    damaged_terms,
    nested,
    pids,
    portable,
    ports,
    references,
)

pytestmark = pytest.mark.live


# Left out: closures, because a node looks inside and refuses one that no compiler made (`test_a_closure_...` has a real
# one). The identifiers are of nodes that do not exist: of its own a node takes only numbers that it could have given.
@st.composite
def identifiers(draw: st.DrawFn) -> Term:
    return draw(_IDENTIFIERS)


@st.composite
def large_ports(draw: st.DrawFn) -> Term:
    """Ports that every release writes in one form: see `SMALL_PORTS` in `tests/agent/test_etf.py`."""
    return Port(draw(ATOMS), draw(st.integers(1 << 28, (1 << 64) - 1)), draw(st.integers(0, (1 << 32) - 1)))


_IDENTIFIERS: Final = st.one_of(pids(ATOMS), ports(ATOMS), references(ATOMS))
BATCHES: Final = st.lists(nested(st.one_of(portable(), portable(), identifiers())), min_size=1, max_size=10)
BATCHES_WRITTEN_ALIKE: Final = st.lists(
    nested(st.one_of(portable(), portable(), large_ports(), pids(ATOMS), references(ATOMS))), min_size=1, max_size=10
)
PRINTABLE_BATCHES: Final = st.lists(nested(portable()), min_size=1, max_size=10)


@dataclass(frozen=True)
class Oracle:
    session: Session
    release: int

    async def read(self, encoded: Sequence[bytes]) -> list[Term]:
        """Let the node decode."""
        return await self._each("erlang:binary_to_term", list(encoded))

    async def write(self, terms: Sequence[Term], *options: Term) -> list[bytes]:
        """Let the node encode terms that it has got as terms."""
        written = await self._each("erlang:term_to_binary", list(terms), [list(options)] * len(terms))
        return [data for data in written if isinstance(data, bytes)]

    async def parse(self, texts: Sequence[str]) -> list[Term]:
        """Let the node read Erlang source: one term in each text."""
        scanned = await self._each("erl_scan:string", [[ord(character) for character in f"{text} ."] for text in texts])
        parsed = await self._each("erl_parse:parse_term", [_ok(answer) for answer in scanned])
        return [_ok(answer) for answer in parsed]

    async def call_equal(self, ones: Sequence[Term], others: Sequence[Term]) -> list[bool]:
        """Ask the node for ``=:=`` of each pair."""
        return [answer == TRUE for answer in await self._each("erlang:=:=", list(ones), list(others))]

    async def _each(self, function: str, *arguments: list[Term]) -> list[Term]:
        """Apply a function to all first, all second … arguments, in one question."""
        module, _, name = function.partition(":")
        fun = ExportFun(Atom(module), Atom(name), len(arguments))
        answers = await ask(self.session, "lists:map" if len(arguments) == 1 else "lists:zipwith", fun, *arguments)
        assert isinstance(answers, list)
        assert len(answers) == len(arguments[0])
        return answers

    def tells_apart(self, term: Term) -> bool:
        """Whether all keys in ``term`` are different to this release: before OTP 27, 0.0 and -0.0 are one."""
        return self.release >= 27 or not _has_keys_that_only_a_sign_of_zero_tells_apart(term)

    def of_this_release(self, terms: Sequence[Term]) -> list[Term]:
        return [term for term in terms if self.tells_apart(term)]


def _ok(answer: Term) -> Term:
    assert isinstance(answer, tuple), format_term(answer)
    assert answer[0] == Atom("ok"), format_term(answer)
    return answer[1]


_MINUS_ZERO: Final = encode(-0.0)[1:]


def _without_signs_of_zero(term: Term) -> bytes:
    return encode(term).replace(_MINUS_ZERO, encode(0.0)[1:])


def _has_keys_that_only_a_sign_of_zero_tells_apart(term: Term) -> bool:
    try:
        decode(_without_signs_of_zero(term))
    except DecodeError:
        return True
    return False


@pytest.fixture(scope="module")
async def oracle(erl: Path) -> AsyncIterator[Oracle]:
    with Beam(erl) as node:
        session = await join(node)
        release = await ask(session, "erlang:system_info", Atom("otp_release"))
        assert isinstance(release, list)
        yield Oracle(session, int("".join(chr(code) for code in release if isinstance(code, int))))
        session.close()


def test_keys_that_differ_in_the_sign_of_zero_are_found() -> None:
    """The tests below leave such terms out for old releases: these and no others."""
    assert _has_keys_that_only_a_sign_of_zero_tells_apart(Map([(0.0, 1), (-0.0, 2)]))
    assert _has_keys_that_only_a_sign_of_zero_tells_apart([Map([((0.0,), 1), ((-0.0,), 2)])])
    assert not _has_keys_that_only_a_sign_of_zero_tells_apart(Map([(0.0, -0.0), (0, [0.0, -0.0])]))


# --- what each side makes of the other's bytes ------------------------------------------------------------------------


async def check_node_reads(oracle: Oracle, terms: list[Term]) -> None:
    terms = oracle.of_this_release(terms)
    read = await oracle.read([encode(term) for term in terms])
    assert [identity(term) for term in read] == [identity(term) for term in terms]


async def check_we_read(oracle: Oracle, terms: list[Term], *options: Term) -> None:
    terms = oracle.of_this_release(terms)
    written = await oracle.write(terms, *options)
    assert [identity(decode(data)) for data in written] == [identity(term) for term in terms]


async def check_written_alike(oracle: Oracle, terms: list[Term]) -> None:
    terms = oracle.of_this_release(terms)
    written = await oracle.write(terms, (Atom("minor_version"), 2))
    # Decoded first, so that the keys of maps are in the node's order.
    assert [encode(decode(data)) for data in written] == written
    assert [identity(decode(data)) for data in written] == [identity(term) for term in terms]


async def check_printing(oracle: Oracle, terms: list[Term]) -> None:
    printed = [(term, format_term(term, 1_000_000)) for term in oracle.of_this_release(terms)]
    # Integers that are too large for people are not printed as Erlang reads them.
    readable = [(term, text) for term, text in printed if "#Integer<" not in text]
    parsed = await oracle.parse([text for _, text in readable])
    assert [identity(term) for term in parsed] == [identity(term) for term, _ in readable]


async def check_equality(oracle: Oracle, terms: list[Term]) -> None:
    terms = oracle.of_this_release(terms)
    ones, others = [one for one in terms for _ in terms], [other for _ in terms for other in terms]
    answers = await oracle.call_equal(ones, others)
    if oracle.release < 27:
        ones, others = [[decode(_without_signs_of_zero(term)) for term in side] for side in (ones, others)]
    assert answers == [identity(one) == identity(other) for one, other in zip(ones, others, strict=True)]


@settings(QUICK, max_examples=45)
@given(terms=BATCHES)
async def test_a_node_reads_what_we_write(oracle: Oracle, terms: list[Term]) -> None:
    await check_node_reads(oracle, terms)


@settings(QUICK, max_examples=45)
@given(terms=BATCHES)
async def test_we_read_what_a_node_writes(oracle: Oracle, terms: list[Term]) -> None:
    await check_we_read(oracle, terms)


@settings(QUICK, max_examples=25)
@given(terms=BATCHES)
@pytest.mark.parametrize("minor_version", [0, 1])
async def test_we_read_what_a_node_writes_in_old_forms(oracle: Oracle, terms: list[Term], minor_version: int) -> None:
    await check_we_read(oracle, terms, (Atom("minor_version"), minor_version))


@settings(QUICK, max_examples=45)
@given(terms=BATCHES_WRITTEN_ALIKE)
async def test_we_write_the_bytes_that_a_node_writes(oracle: Oracle, terms: list[Term]) -> None:
    await check_written_alike(oracle, terms)


@settings(QUICK, max_examples=40)
@given(terms=PRINTABLE_BATCHES)
async def test_a_node_reads_what_we_print(oracle: Oracle, terms: list[Term]) -> None:
    await check_printing(oracle, terms)


@settings(QUICK, max_examples=20)
@given(terms=BATCHES)
async def test_a_node_calls_equal_what_has_one_identity(oracle: Oracle, terms: list[Term]) -> None:
    await check_equality(oracle, terms)


@pytest.mark.slow
@settings(LONG, max_examples=1_500)
@given(terms=BATCHES, alike=BATCHES_WRITTEN_ALIKE, printable=PRINTABLE_BATCHES)
async def test_a_node_agrees_with_every_check_above(
    oracle: Oracle, terms: list[Term], alike: list[Term], printable: list[Term]
) -> None:
    await check_node_reads(oracle, terms)
    await check_we_read(oracle, terms)
    await check_written_alike(oracle, alike)
    await check_printing(oracle, printable)
    await check_equality(oracle, terms)


async def test_a_node_tells_apart_what_looks_alike(oracle: Oracle) -> None:
    await check_equality(oracle, ALIKE)


async def test_a_node_reads_every_key_that_looks_like_another(oracle: Oracle) -> None:
    keys = ALIKE
    if oracle.release < 27:
        keys = list({_without_signs_of_zero(key): key for key in ALIKE}.values())
    everything = Map((key, number) for number, key in enumerate(keys))
    (read,) = await oracle.read([encode(everything)])
    assert read == everything
    assert isinstance(read, Map)
    assert len(read) == len(keys)


async def test_both_zeros_as_keys_are_two_keys_from_otp_27_on_and_refused_before(oracle: Oracle) -> None:
    both = Map([(0.0, Atom("plus")), (-0.0, Atom("minus"))])
    if oracle.release >= 27:
        assert await oracle.read([encode(both)]) == [both]
    else:
        with pytest.raises(RemoteError, match="badarg"):
            await oracle.read([encode(both)])


async def test_we_read_what_a_node_has_compressed(oracle: Oracle) -> None:
    terms: list[Term] = [[term] * 100 for term in oracle.of_this_release(ALIKE)]
    written = await oracle.write(terms, Atom("compressed"))
    assert sum(data[1] == tags.COMPRESSED for data in written) > len(terms) // 2
    assert [identity(decode(data)) for data in written] == [identity(term) for term in terms]


async def test_terms_as_deep_as_an_answer_can_be_pass_both_ways(oracle: Oracle) -> None:
    deepest: Term = Atom("core")
    for level in range(tags.MAX_TERM_DEPTH - 3):  # a question is a list in lists, an answer is a list in a tuple
        forms: list[Term] = [[deepest], (deepest,), Map([(1, deepest)]), ImproperList((deepest,), level)]
        deepest = forms[level % 4]
    await check_node_reads(oracle, [deepest])
    await check_we_read(oracle, [deepest])


# --- damaged bytes ----------------------------------------------------------------------------------------------------

# Where we refuse what a node reads. No node writes any of it.
STRICTER: Final = (
    "the sign of an integer is 0 or 1",
    "a reference has 1 to 5 words, not 0",
    "FLOAT_EXT holds no number",  # a node looks no further than the first zero byte
    "is not one that a peer may send",  # a node reads forms here that it keeps for itself
    f"terms nest deeper than {tags.MAX_TERM_DEPTH}",
)
# OTP 28 ends with "Cannot allocate 2305843009213693951 bytes" when it reads these seven bytes; 25 reads <<>>.
DEADLY: Final = bytes([tags.BIT_BINARY_EXT, 0, 0, 0, 0, 0])


async def check_damaged(oracle: Oracle, data: bytes) -> bool:
    """Compare what a node and we make of ``data``; False when at least one of them refuses it."""
    ours, theirs, refusal = None, None, ""
    try:
        ours, _ = decode_prefix(data)
    except DecodeError as error:
        refusal = str(error)
    try:
        (theirs,) = await oracle.read([data])
    except RemoteError:
        return False
    except DecodeError as error:  # an answer nests two levels more than the term in it
        assert refusal or "nest deeper" in str(error)  # noqa: PT017  # most terms raise nothing
    if ours is None:
        assert any(reason in refusal for reason in STRICTER), refusal
    if ours is None or theirs is None:
        return False
    assert identity(theirs) == identity(ours)
    return True


def is_comparable(data: bytes) -> bool:
    """Whether a damaged term can be given to a node, and gives it the choice that we have.

    A node looks into closures, and we do not. It reads on behind an old float that no zero byte ends.
    """
    return DEADLY not in data and tags.NEW_FUN_EXT not in data and tags.FLOAT_EXT not in data


@settings(QUICK, max_examples=300)
@given(data=damaged_terms().filter(is_comparable))
async def test_a_damaged_term_that_a_node_reads_is_the_same_term_to_us(oracle: Oracle, data: bytes) -> None:
    await check_damaged(oracle, data)


async def test_vectors_of_both_releases_are_the_same_terms_to_a_node(oracle: Oracle) -> None:
    vectors = [vector for vector in VECTORS if is_comparable(vector)]
    assert len(vectors) > 80
    assert all([await check_damaged(oracle, vector) for vector in vectors])


@pytest.mark.parametrize("how", DAMAGES)
async def test_a_vector_with_one_damage_that_a_node_reads_is_the_same_term_to_us(oracle: Oracle, how: str) -> None:
    for number, vector in enumerate(VECTORS):
        for place in range(0, len(vector), 1 + len(vector) // 3):
            data = damage(vector, how, (place, place + 3), 7 * place + number)
            if is_comparable(data):
                await check_damaged(oracle, data)


@pytest.mark.slow
@settings(LONG, max_examples=5_000)
@given(data=damaged_terms().filter(is_comparable))
async def test_every_damaged_term_that_a_node_reads_is_the_same_term_to_us(oracle: Oracle, data: bytes) -> None:
    await check_damaged(oracle, data)


# --- what only a node can make ----------------------------------------------------------------------------------------


async def test_a_closure_comes_back_to_its_node_as_it_was(oracle: Oracle) -> None:
    forms = await ask(oracle.session, "erl_parse:parse_exprs", await _tokens(oracle, "fun(X) -> X + Y end."))
    value = await ask(oracle.session, "erl_eval:exprs", _ok(forms), [(Atom("Y"), 2)])
    assert isinstance(value, tuple)
    closure = value[1]
    assert isinstance(closure, Fun)
    assert await ask(oracle.session, "erlang:apply", closure, [40]) == 42
    assert await oracle.read([encode(closure)]) == [closure]


async def _tokens(oracle: Oracle, source: str) -> Term:
    return _ok(await ask(oracle.session, "erl_scan:string", [ord(character) for character in source]))


async def test_identifiers_of_a_node_come_back_to_it_as_they_were(oracle: Oracle) -> None:
    processes = await ask(oracle.session, "erlang:processes")
    all_ports = await ask(oracle.session, "erlang:ports")
    made = [await ask(oracle.session, "erlang:make_ref") for _ in range(10)]
    assert isinstance(processes, list)
    assert isinstance(all_ports, list)
    kinds = {type(term) for term in (*processes, *all_ports, *made)}
    assert kinds == {Pid, Port, Reference}
    await check_node_reads(oracle, [*processes, *all_ports, *made])
    await check_equality(oracle, [*processes[:10], *all_ports[:5], *made])


async def test_a_node_prints_its_own_identifiers_as_we_do(oracle: Oracle) -> None:
    processes = await ask(oracle.session, "erlang:processes")
    all_ports = await ask(oracle.session, "erlang:ports")
    made = await ask(oracle.session, "erlang:make_ref")
    assert isinstance(processes, list)
    assert isinstance(all_ports, list)
    assert processes
    assert all_ports
    for pid in processes:
        assert isinstance(pid, Pid)
        assert await ask(oracle.session, "erlang:pid_to_list", pid) == [ord(c) for c in format_pid(pid)]
    for port in all_ports:
        assert await ask(oracle.session, "erlang:port_to_list", port) == [ord(c) for c in format_term(port)]
    assert await ask(oracle.session, "erlang:ref_to_list", made) == [ord(c) for c in format_term(made)]
