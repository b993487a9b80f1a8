"""Terms as somebody types them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import TermTextError
from agent.term_text import MAX_CHARACTERS, MAX_DEPTH, atoms_of, parse_term
from agent.terms import Atom, ImproperList, Term, format_term, identity
from tests.terms_strategies import QUICK


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("42", 42),
        ("-1", -1),
        ("1.5", 1.5),
        ("-1.0e-7", -1e-7),
        ("acme", Atom("acme")),
        ("a@B_1", Atom("a@B_1")),
        ("'It is quoted'", Atom("It is quoted")),
        (r"'it\'s \\ \n \x{1b} \x41 \101'", Atom("it's \\ \n \x1b A A")),
        ("'end'", Atom("end")),
        ("''", Atom("")),
        ('<<"acme">>', b"acme"),
        ('<< "a" , 0, 255 >>', b"a\x00\xff"),
        ('<<"\\"\\\\\\n">>', b'"\\\n'),
        ('<<"é">>', b"\xe9"),
        ('<<"é"/utf8>>', b"\xc3\xa9"),
        ("<<>>", b""),
        ('"text"', list(b"text")),
        ('""', []),
        ("[]", []),
        ("[1,2|[3]]", [1, 2, 3]),
        ("[a|b]", ImproperList((Atom("a"),), Atom("b"))),
        ("[a|[b|c]]", ImproperList((Atom("a"), Atom("b")), Atom("c"))),
        ("{}", ()),
        (' { billing_governor , <<"acme">> } ', (Atom("billing_governor"), b"acme")),
        ('{a,[{b,"c"}],1}', (Atom("a"), [(Atom("b"), [99])], 1)),
    ],
)
def test_a_term_is_read_as_erlang_reads_it(text: str, term: Term) -> None:
    assert identity(parse_term(text)) == identity(term)


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 1, "a term, and found the end"),
        ("  ", 3, "a term"),
        ("1 2", 3, "nothing more, and found '2'"),
        ("{a", 3, ", or }, and found the end"),
        ("{a b}", 4, ", or }"),
        ("{a,}", 4, "a term"),
        ("[1,2", 5, ", or | or ]"),
        ("[1|2,3]", 5, "]"),
        ("[|1]", 2, "a term"),
        ("<<1,256>>", 5, "a byte from 0 to 255"),
        ("<<-1>>", 3, "a byte"),
        ("<<a>>", 3, "a byte"),
        ("<<1:4>>", 4, ", or >>"),
        ('<<"ж">>', 3, "/utf8"),
        ('"abc', 1, 'a " at the end'),
        ("'abc", 1, "a ' at the end"),
        (r"'\x'", 2, "an escape"),
        (r'"\x{110000}"', 2, "a character"),
        (r'"\x{d800}"', 2, "a character"),
        ("Acme", 1, "a term, and found 'Acme'"),
        ("_", 1, "a term"),
        ("end", 1, "'end'"),
        ("16#ff", 3, "decimal"),
        ("1.", 2, "decimal"),
        ("1.0e999", 1, "a float that Erlang has"),
        ("-", 1, "a number"),
        ("#{a=>1}", 1, "a term"),
        ("<0.1.2>", 1, "a term"),
        ("#Ref<0.1.2.3>", 1, "a term"),
        ("9" * 1_001, 1, "1000 digits"),
    ],
)
def test_what_is_no_term_is_refused_with_the_place(text: str, position: int, expected: str) -> None:
    with pytest.raises(TermTextError) as raised:
        parse_term(text)
    assert str(raised.value).startswith(f"at character {position}: expected ")
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    "text", ["[" * (MAX_DEPTH + 1), "x" * (MAX_CHARACTERS + 1), "a" * 256], ids=["too deep", "too long", "long atom"]
)
def test_what_is_too_much_is_refused(text: str) -> None:
    with pytest.raises(TermTextError):
        parse_term(text)


TYPED = st.recursive(
    st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.binary(max_size=20)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(Atom)
    | st.text(st.characters(codec="ascii"), max_size=20).map(lambda text: [ord(each) for each in text]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.tuples(st.lists(inner, min_size=1, max_size=3).map(tuple), st.integers()).map(lambda it: ImproperList(*it))
    ),
    max_leaves=12,
)


@given(term=TYPED)
@QUICK
def test_what_is_printed_is_read_as_what_it_was(term: Term) -> None:
    assert identity(parse_term(format_term(term, 100_000))) == identity(term)


@given(text=st.text(alphabet="""{}[]<>|,"'\\#aA1.-e x/utf8\n\u0436""", max_size=30))
@QUICK
def test_whatever_is_typed_is_a_term_or_refused(text: str) -> None:
    try:
        parse_term(text)
    except TermTextError as error:
        assert "character" in str(error)  # noqa: PT017  # the other outcome is a term


def test_all_atoms_of_a_term_are_found() -> None:
    term = parse_term('{a,[b,{c}|d],<<"e">>,"f",[[]],\'g h\'}')
    assert atoms_of(term) == {"a", "b", "c", "d", "g h"}
