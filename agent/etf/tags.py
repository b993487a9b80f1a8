"""Tags and sizes of the External Term Format, by the names that OTP's erl_ext_dist page gives them."""

from __future__ import annotations

from typing import Final

VERSION: Final = 131

COMPRESSED: Final = 80
NEW_FLOAT_EXT: Final = 70
BIT_BINARY_EXT: Final = 77
NEW_PID_EXT: Final = 88
NEW_PORT_EXT: Final = 89
NEWER_REFERENCE_EXT: Final = 90
SMALL_INTEGER_EXT: Final = 97
INTEGER_EXT: Final = 98
FLOAT_EXT: Final = 99
ATOM_EXT: Final = 100
REFERENCE_EXT: Final = 101
PORT_EXT: Final = 102
PID_EXT: Final = 103
SMALL_TUPLE_EXT: Final = 104
LARGE_TUPLE_EXT: Final = 105
NIL_EXT: Final = 106
STRING_EXT: Final = 107
LIST_EXT: Final = 108
BINARY_EXT: Final = 109
SMALL_BIG_EXT: Final = 110
LARGE_BIG_EXT: Final = 111
NEW_FUN_EXT: Final = 112
EXPORT_EXT: Final = 113
NEW_REFERENCE_EXT: Final = 114
SMALL_ATOM_EXT: Final = 115
MAP_EXT: Final = 116
ATOM_UTF8_EXT: Final = 118
SMALL_ATOM_UTF8_EXT: Final = 119
V4_PORT_EXT: Final = 120

MAX_TERM_DEPTH: Final = 256  # each level costs two Python frames of the 1,000 that there are by default
MAX_REFERENCE_WORDS: Final = 5  # NEWER_REFERENCE_EXT: "an unsigned big endian integer not larger than 5"
MAX_STRING_EXT_BYTES: Final = 65_535  # STRING_EXT has a length of 16 bits
MAX_SMALL: Final = 255  # lengths, arities and integers that fit one byte have tags of their own
MIN_NEW_FUN_BYTES: Final = 29  # Size 4, Arity 1, Uniq 16, Index 4, NumFree 4
OLD_PORT_BITS: Final = 28  # OTP 25 sends ports of at most 28 bits as NEW_PORT_EXT, OTP 28 none; each reads both
