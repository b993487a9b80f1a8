"""Read an Erlang term that somebody has typed as Erlang prints it: ``{billing_governor,<<"acme">>}``.

Numbers, atoms, binaries, texts, lists and tuples. No pids, references, ports, funs and bit strings, which name what
only the node has; and no maps.
"""

from __future__ import annotations

import math
import re
from typing import Final, NoReturn

from agent.errors import TermTextError
from agent.terms import MAX_ATOM_CHARACTERS, RESERVED_WORDS, Atom, ImproperList, Term

MAX_CHARACTERS: Final = 4096
MAX_DEPTH: Final = 32  # so that what reads one may call itself
MAX_INTEGER_DIGITS: Final = 1000  # Python takes the square of the time for it

_BLANK: Final = re.compile(r"\s*")
_FLOAT: Final = re.compile(r"-?[0-9]+\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_INTEGER: Final = re.compile(r"-?[0-9]+")
_BARE_ATOM: Final = re.compile(r"[a-z][A-Za-z0-9_@]*")
_HEXADECIMAL: Final = re.compile(r"\\x\{([0-9a-fA-F]{1,6})\}|\\x([0-9a-fA-F]{2})")
_OCTAL: Final = re.compile(r"\\([0-7]{1,3})")
_UTF8: Final = re.compile(r"\s*/\s*utf8")
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "d": "\x7f", "s": " "}
_MAX_CODE_POINT: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)


def parse_term(text: str) -> Term:
    """Return the term that ``text`` prints. Raises `TermTextError`, which says at which character it goes wrong."""
    if len(text) > MAX_CHARACTERS:
        raise TermTextError(f"a term of {len(text)} characters is longer than the {MAX_CHARACTERS} that are read")
    reader = _Reader(text)
    term = reader.term(MAX_DEPTH)
    reader.end()
    return term


class _Reader:
    """A place in a text, which moves on as it is read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def end(self) -> None:
        self._blanks()
        if self._at < len(self._text):
            self._fail("nothing more")

    def term(self, levels: int) -> Term:
        self._blanks()
        if levels == 0:
            raise TermTextError(f"at character {self._at + 1}: it is nested more than {MAX_DEPTH} deep")
        next_character = self._text[self._at : self._at + 1]
        if self._take("<<"):
            return self._binary()
        match next_character:
            case "{":
                self._at += 1
                return tuple(self._elements("}", levels - 1))
            case "[":
                return self._list(levels - 1)
            case '"':
                return [ord(character) for character in self._quoted('"')]
            case "'":
                return self._atom(self._quoted("'"))
            case "-" | "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9":
                return self._number()
        name = _BARE_ATOM.match(self._text, self._at)
        if name is None:
            self._fail("a term")
        if name[0] in RESERVED_WORDS:
            self._fail(f"an atom, which {name[0]} is only in quotes: '{name[0]}'")
        self._at = name.end()
        return self._atom(name[0])

    def _elements(self, closing: str, levels: int) -> list[Term]:
        found: list[Term] = []
        self._blanks()
        if self._take(closing):
            return found
        while True:
            found.append(self.term(levels))
            self._blanks()
            if self._take(closing):
                return found
            self._expect(",", f", or {closing}")

    def _list(self, levels: int) -> Term:
        self._at += 1
        found: list[Term] = []
        self._blanks()
        if self._take("]"):
            return found
        while True:
            found.append(self.term(levels))
            self._blanks()
            if self._take("]"):
                return found
            if self._take("|"):
                tail = self.term(levels)
                self._blanks()
                self._expect("]", "]")
                return _with_tail(found, tail)
            self._expect(",", ", or | or ]")

    def _binary(self) -> bytes:
        self._blanks()
        found = b""
        if self._take(">>"):
            return found
        while True:
            self._blanks()
            found += self._segment()
            self._blanks()
            if self._take(">>"):
                return found
            self._expect(",", ", or >>")

    def _segment(self) -> bytes:
        begin = self._at
        if self._text.startswith('"', self._at):
            text = self._quoted('"')
            utf8 = _UTF8.match(self._text, self._at)
            if utf8 is not None:
                self._at = utf8.end()
                return text.encode()
            if all(ord(character) < 256 for character in text):
                return text.encode("latin-1")
            self._at = begin
            self._fail('characters below 256, or /utf8 after the text: <<"…"/utf8>>')
        number = _INTEGER.match(self._text, self._at)
        if number is None or len(number[0]) > 3 or not 0 <= int(number[0]) < 256:
            self._fail("a byte from 0 to 255, or a text in double quotes")
        self._at = number.end()
        return bytes([int(number[0])])

    def _number(self) -> int | float:
        real = _FLOAT.match(self._text, self._at)
        if real is not None:
            value = float(real[0])
            if not math.isfinite(value):
                self._fail("a float that Erlang has")
            self._at = real.end()
            return value
        number = _INTEGER.match(self._text, self._at)
        if number is None or len(number[0]) > MAX_INTEGER_DIGITS:
            self._fail(f"a number, of {MAX_INTEGER_DIGITS} digits at most")
        self._at = number.end()
        if self._text.startswith(("#", "."), self._at):
            self._fail("a number in decimal digits")
        return int(number[0])

    def _quoted(self, quote: str) -> str:
        begin = self._at
        self._at += 1
        found: list[str] = []
        while not self._take(quote):
            if self._at >= len(self._text):
                self._at = begin
                self._fail(f"a {quote} at the end of what begins here")
            found.append(self._character())
        return "".join(found)

    def _character(self) -> str:
        if self._text[self._at] != "\\":
            self._at += 1
            return self._checked(ord(self._text[self._at - 1]), self._at)
        for pattern, base in ((_HEXADECIMAL, 16), (_OCTAL, 8)):
            match = pattern.match(self._text, self._at)
            if match is not None:
                return self._checked(int(match[match.lastindex or 0], base), match.end())
        escaped = self._text[self._at + 1 : self._at + 2]
        if not escaped or escaped in "x^":
            self._fail(r"an escape such as \n, \x{1b} or \\")
        self._at += 2
        return _ESCAPED.get(escaped, escaped)

    def _checked(self, code: int, after: int) -> str:
        if code > _MAX_CODE_POINT or code in _SURROGATES:
            self._fail("a character")
        self._at = after
        return chr(code)

    def _atom(self, name: str) -> Atom:
        if len(name) > MAX_ATOM_CHARACTERS:
            raise TermTextError(
                f"before character {self._at + 1}: an atom has {MAX_ATOM_CHARACTERS} characters at most"
            )
        return Atom(name)

    def _blanks(self) -> None:
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at

    def _take(self, token: str) -> bool:
        if self._text.startswith(token, self._at):
            self._at += len(token)
            return True
        return False

    def _expect(self, token: str, expected: str) -> None:
        if not self._take(token):
            self._fail(expected)

    def _fail(self, expected: str) -> NoReturn:
        found = repr(self._text[self._at : self._at + 12]) if self._at < len(self._text) else "the end"
        raise TermTextError(f"at character {self._at + 1}: expected {expected}, and found {found}")


def _with_tail(elements: list[Term], tail: Term) -> Term:
    if isinstance(tail, list):
        return [*elements, *tail]
    if isinstance(tail, ImproperList):
        return ImproperList((*elements, *tail.elements), tail.tail)
    return ImproperList(tuple(elements), tail)


def atoms_of(term: Term) -> frozenset[str]:
    """Return the names of all atoms in a term that was read: each has to be one on the node before it is sent there."""
    match term:
        case Atom(name=name):
            return frozenset({name})
        case tuple() | list():
            return frozenset().union(*map(atoms_of, term))
        case ImproperList(elements, tail):
            return frozenset().union(atoms_of(tail), *map(atoms_of, elements))
    return frozenset()
