"""Where the cookie is, and whether it is safe there.

A cookie is the whole authority over a cluster, so what goes wrong here is said without ever showing it.

Source: OTP's kernel/src/auth.erl (read_cookie/1, check_attributes/4, check_cookie/2).
"""

from __future__ import annotations

import logging
import os
import re
import stat
from pathlib import Path
from typing import Final

from agent.errors import CookieError
from agent.handshake import Cookie

MAX_FILE_BYTES: Final = 4096  # a cookie is an atom: at most 255 characters

_LOG: Final = logging.getLogger(__name__)
_FILE_CONTENT: Final = re.compile(r"([ -~]+)(?:[\r\n][\r\n ]*)?")
_CHARACTERS: Final = "a cookie is one line of 1 to 255 printable ASCII characters"


def parse_cookie(text: str, place: str) -> Cookie:
    """Make a cookie of what stands at ``place`` (which the error names). Raises `CookieError`."""
    content = _FILE_CONTENT.fullmatch(text)
    if content is None or len(content[1]) > 255:  # the characters of an atom
        raise CookieError(f"{place} holds no cookie: {_CHARACTERS}")
    return Cookie(content[1])


def read_cookie_file(path: Path) -> Cookie:
    """Read a cookie file. Raises `CookieError`.

    A file that others may read is refused, as Erlang refuses it, if its directory could be changed by us: then the
    mode can be mended. Where it could not (a secret volume is mounted read-only, and its files are 0444), it is taken
    with one warning.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # reading a pipe would wait for its writer
            raise CookieError(f"the cookie file {path} is no regular file")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise CookieError(f"the cookie file {path} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        if os.access(path.resolve().parent, os.W_OK):
            raise CookieError(f"the cookie file {path} is open to others than its owner: chmod 600 {path}")
        _LOG.warning(
            "the cookie file %s may be read by others than its owner; we cannot change that, so it is taken",
            path,
        )
    return parse_cookie(content.decode("latin-1"), f"the cookie file {path}")


def read_default_cookie_file() -> Cookie:
    """Read the file that Erlang itself would read: ``~/.erlang.cookie``, or the one in the XDG configuration folder.

    Raises `CookieError`.
    """
    try:
        in_home = Path.home() / ".erlang.cookie"
        configuration = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        found = [path for path in (in_home, configuration / "erlang" / ".erlang.cookie") if path.exists()]
    except (OSError, RuntimeError):  # a user without a home, or with one that is not theirs
        found = []
    if not found:
        raise CookieError("no cookie is given, and ~/.erlang.cookie is not there")
    return read_cookie_file(found[0])
