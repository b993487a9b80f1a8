"""Passwords held against their bcrypt hashes, which is slow on purpose: so beside the event loop, and once for all."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import bcrypt

MAX_REMEMBERED: Final = 128  # right ones, and as many wrong ones: a scraper with a wrong one asks for ever
MAX_WAITING: Final = 8  # different ones, to be looked at one after the other
MAX_PASSWORD_BYTES: Final = 72  # bcrypt takes no more into account

_NOBODY: Final = "." * 53  # salt and digest of a password that nobody has


class Busy(Exception):
    """Too many passwords wait to be looked at."""


class Passwords:
    """Says whether a password is right. Each is hashed once, in one thread, however many ask with it at once.

    What is remembered is a keyed hash of user, bcrypt hash and password: a password that is changed in the
    configuration is a new one, and no password stays in memory.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, bool] = OrderedDict()
        self._wrong: OrderedDict[bytes, bool] = OrderedDict()  # apart, so that guesses displace nobody's right one
        self._under_way: dict[bytes, asyncio.Future[bool]] = {}
        # One thread: whoever guesses takes one processor at most from the node beside us.
        self._thread = ThreadPoolExecutor(1, "passwords")

    def remembered(self, users: Mapping[str, str], user: str, password: bytes) -> bool | None:
        """Return whether it is right, if that is known already."""
        asked = self._digest(users.get(user, ""), user, password)
        for known in (self._right, self._wrong):
            if asked in known:
                known.move_to_end(asked)
                return known[asked]
        return None

    async def is_right(self, users: Mapping[str, str], user: str, password: bytes) -> bool:
        """Find out whether it is right; ``users`` has the hash of each. Raises `Busy`.

        An unknown user costs as much as the cheapest of those that there are, so that time does not tell who is known.
        """
        asked = self._digest(users.get(user, ""), user, password)
        if asked not in self._under_way:
            if len(self._under_way) >= MAX_WAITING:
                raise Busy
            cheapest = min(hashed.split("$")[2] for hashed in users.values())
            hashed = users.get(user, f"$2b${cheapest}${_NOBODY}")
            looking = asyncio.get_running_loop().run_in_executor(self._thread, _fits, password, hashed)
            self._under_way[asked] = looking
            looking.add_done_callback(partial(self._remember, asked, user in users))
        return await asyncio.shield(self._under_way[asked]) and user in users

    def _remember(self, asked: bytes, is_known: bool, done: asyncio.Future[bool]) -> None:  # noqa: FBT001  # of a partial
        del self._under_way[asked]
        if done.cancelled() or done.exception() is not None:
            return
        is_right = done.result() and is_known
        known = self._right if is_right else self._wrong
        known[asked] = is_right
        if len(known) > MAX_REMEMBERED:
            known.popitem(last=False)

    def _digest(self, hashed: str, user: str, password: bytes) -> bytes:
        parts = (hashed.encode(), user.encode("utf-8", "surrogateescape"), password)
        return hashlib.blake2b(b"".join(len(one).to_bytes(8) + one for one in parts), key=self._key).digest()


def _fits(password: bytes, hashed: str) -> bool:
    return bcrypt.checkpw(password[:MAX_PASSWORD_BYTES], hashed.replace("$2x$", "$2b$").replace("$2$", "$2b$").encode())
