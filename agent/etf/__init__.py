"""The External Term Format: Erlang terms as bytes, both ways.

`encode` writes what OTP's ``term_to_binary(T, [{minor_version, 2}])`` writes. `decode` reads every tag that a node may
send to a peer without the atom cache, the old ones too. Which Python value stands for which term: `agent.terms`.

Bytes from a peer are not trusted: each length, the depth and the number of terms meet a limit before memory is taken
for them, and whatever the bytes are, the only exception is `DecodeError`.

Source: https://www.erlang.org/doc/apps/erts/erl_ext_dist.html; tag names below are the ones used there.
"""

from agent.etf.decode import DEFAULT_LIMITS, Limits, Reader, decode, decode_prefix
from agent.etf.encode import Fragment, encode

__all__ = ["DEFAULT_LIMITS", "Fragment", "Limits", "Reader", "decode", "decode_prefix", "encode"]
