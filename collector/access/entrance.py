"""Who is let in at all where a web configuration says so: by a password, or a token.

It is the first question of all, as in the exporter toolkit: without an answer nobody learns which routes there are. One
header has one of the two, so a token of ours stands in for a password, that of a shell beside us too; whose it is, the
gate finds out.

``/livez`` and ``/readyz`` are open: they tell of no node, and a probe that cannot carry a header would end the instance
that we look after.
"""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass, field
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

from collector.access import origins, refusals
from collector.access.attempts import Attempts
from collector.access.passwords import Busy, Passwords
from collector.access.permissions import Principal, Role
from collector.access.refusals import Refused
from collector.access.tokens import PREFIX
from collector.port.known_web_config import KnownWebConfig
from collector.port.web_config import RateLimit

ALWAYS_OPEN: Final = frozenset({"/livez", "/readyz"})


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows of who makes it, be it right or not: one of these, or nothing of ours."""

    token: str | None = field(default=None, repr=False)
    login: tuple[str, bytes] | None = field(default=None, repr=False)  # user, password

    @classmethod
    def by(cls, headers: Headers) -> Shown:
        """Read the header Authorization. Raises `Refused`.

        A token that does not begin as ours is somebody else's: Cloud Run passes on the one that was for its own front.
        """
        given = headers.getlist("authorization")
        if len(given) > 1:
            raise Refused(refusals.several_tokens())
        scheme, _, value = (given[0] if given else "").strip().partition(" ")
        value = value.strip()
        if scheme.lower() == "basic":
            return cls(login=_login(value))
        return cls(token=value) if scheme.lower() == "bearer" and value.startswith(PREFIX) else cls()


def _login(value: str) -> tuple[str, bytes] | None:
    """Take apart what RFC 7617 has; None when it is none of that."""
    try:
        user, colon, password = base64.b64decode(value, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user.decode("utf-8", "surrogateescape"), password) if colon else None


class Entrance:
    """Lets requests in as the web configuration says; without one everybody, whom nobody has looked at."""

    def __init__(self, web: KnownWebConfig | None, attempts: Attempts) -> None:
        self._web = web
        self._attempts = attempts
        self._passwords = Passwords()
        self._bucket: Bucket | None = None

    async def admit(self, scope: Scope) -> Principal | None:
        """Return who it is; None when that is not asked here. Of the role anyone is who has shown a token, unseen.

        Raises `Refused`.
        """
        if self._web is None or scope["path"] in ALWAYS_OPEN:
            return None
        found = await self._web.look()
        self._limit_rate(found.config.rate_limit)
        users = found.config.basic_auth_users
        if not users:
            return None
        shown = Shown.by(Headers(scope=scope))
        if shown.token is not None:
            return Principal(str(Role.ANYONE), Role.ANYONE)
        if shown.login is None:
            raise Refused(refusals.password_needed())
        user, password = shown.login
        is_right = self._passwords.remembered(users, user, password)
        if is_right is None:
            wait_seconds = self._attempts.wait_seconds(origins.network_of(origins.client_host(scope)))
            if wait_seconds is not None:
                raise Refused(refusals.too_many(wait_seconds))
            try:
                is_right = await self._passwords.is_right(users, user, password)
            except Busy:
                raise Refused(refusals.passwords_busy()) from None
        if not is_right:
            raise Refused(refusals.wrong_password())
        return Principal(user, Role.VIEWER)

    def _limit_rate(self, limit: RateLimit) -> None:
        if limit.interval == 0.0:
            return
        if self._bucket is None or self._bucket.limit != limit:
            self._bucket = Bucket(limit, time.monotonic())
        wait_seconds = self._bucket.take(time.monotonic())
        if wait_seconds > 0.0:
            raise Refused(refusals.rate_limited(wait_seconds))


class Bucket:
    """A bucket of tokens: one is taken by each request, one comes back in each interval, and ``burst`` fit in."""

    def __init__(self, limit: RateLimit, now_seconds: float) -> None:
        self.limit = limit
        self._tokens = float(limit.burst)
        self._at_seconds = now_seconds

    def take(self, now_seconds: float) -> float:
        """Take one. Returns 0, or the seconds until there is one."""
        back = (now_seconds - self._at_seconds) / self.limit.interval
        self._tokens = min(float(self.limit.burst), self._tokens + back)
        self._at_seconds = now_seconds
        if self._tokens < 1.0:
            return (1.0 - self._tokens) * self.limit.interval
        self._tokens -= 1.0
        return 0.0
