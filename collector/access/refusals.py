"""What an asker is told who may not: whose fault it is, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from collector.access.permissions import Role
from collector.port import problems
from collector.port.problems import ProblemError

MAX_BODY_BYTES: Final = 64 * 1024  # of a request; what may be asked for fits into a tenth
BODY_SECONDS: Final = 10.0

_BASIC: Final[Mapping[str, str]] = {"WWW-Authenticate": 'Basic realm="beamwarden", charset="UTF-8"'}
_HOW: Final = "give one with --token-file or in BEAMWARDEN_TOKEN, over HTTP as 'Authorization: Bearer TOKEN'"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that gets no further, and the answer to it. ``asker`` is known only by a right token."""

    error: ProblemError
    headers: Mapping[str, str] = field(default_factory=dict)
    asker: str | None = None
    is_failed_login: bool = False

    @property
    def reason(self) -> str:
        """Why, in a word: the guard's name."""
        return self.error.problem.type.removeprefix("urn:beamwarden:")

    def response(self) -> Response:
        """Make the answer."""
        return problems.respond(self.error, self.headers)


class Refused(Exception):
    """A request is refused; carries the `Refusal`."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.reason)


def unknown_path(path: str) -> Refusal:
    """Answer whoever asks for what is not there."""
    return Refusal(ProblemError(HTTPStatus.NOT_FOUND, "not-found", f"there is no {path} here"))


def wrong_method(path: str, allowed: Iterable[str]) -> Refusal:
    """Answer whoever asks in a way that is not foreseen."""
    methods = ", ".join(sorted(allowed))
    detail = f"{path} takes {methods} only"
    return Refusal(ProblemError(HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", detail), {"Allow": methods})


def unknown_host(host: str | None) -> Refusal:
    """Answer whoever calls us by a name that is not ours."""
    detail = (
        "the Host header of this request names nobody, or is there twice"
        if host is None
        else f"this collector is not known as {host[:100]}: ask it by its address, or add that name to allowed_hosts "
        f"(--allowed-hosts {host[:100]}) where it is started"
    )
    return Refusal(ProblemError(HTTPStatus.MISDIRECTED_REQUEST, "unknown-host", detail))


def other_origin() -> Refusal:
    """Answer a browser that asks for a page from elsewhere."""
    detail = "a page from elsewhere makes this request, and nobody acts here but those who ask themselves"
    return Refusal(ProblemError(HTTPStatus.FORBIDDEN, "other-origin", detail))


def token_needed(least: Role) -> Refusal:
    """Answer who has shown no token of ours and needs one."""
    if least >= Role.OPERATOR:
        detail = f"acting needs a token of role operator, from everywhere: {_HOW}"
    else:
        detail = (
            "from elsewhere than its own machine, and through a proxy, this collector is read with a token of role "
            f"viewer: {_HOW}. {_making(Role.VIEWER)}; --insecure-no-auth lets everybody read. Or ask the node itself "
            "with --node and --cookie-file"
        )
    return Refusal(ProblemError(HTTPStatus.UNAUTHORIZED, "token-needed", detail), _challenge())


def no_tokens(*, is_failed_login: bool) -> Refusal:
    """Answer who wants to act where nobody has been given the right to."""
    detail = f"nobody may act here yet, since there are no tokens. {_making(Role.OPERATOR)}. Then {_HOW}"
    return Refusal(ProblemError(HTTPStatus.FORBIDDEN, "no-tokens", detail), is_failed_login=is_failed_login)


def wrong_token() -> Refusal:
    """Answer who has shown a token that is none of ours."""
    detail = f"this token is not known here, or has been revoked: {_HOW}"
    error = ProblemError(HTTPStatus.UNAUTHORIZED, "wrong-token", detail)
    return Refusal(error, _challenge("invalid_token"), is_failed_login=True)


def password_needed() -> Refusal:
    """Answer who has shown nothing where every request needs a name and a password."""
    detail = (
        "this collector is asked with a name and a password: give them with --basic-auth-file or in "
        "BEAMWARDEN_BASIC_AUTH, over HTTP as 'Authorization: Basic …'. A token does as well: that of a shell beside "
        "the collector, where shell_token_file is set (the image has it), or one of 'beamwarden token create'"
    )
    return Refusal(ProblemError(HTTPStatus.UNAUTHORIZED, "password-needed", detail), _BASIC)


def wrong_password() -> Refusal:
    """Answer who has shown a name and a password that do not belong together, be there such a user or not."""
    detail = "there is no such user here, or the password is another one"
    return Refusal(ProblemError(HTTPStatus.UNAUTHORIZED, "wrong-password", detail), _BASIC, is_failed_login=True)


def passwords_busy() -> Refusal:
    """Answer who comes with a new password while too many others are looked at."""
    detail = "too many passwords wait to be looked at here: try again"
    return Refusal(ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "passwords-busy", detail), {"Retry-After": "1"})


def rate_limited(wait_seconds: float) -> Refusal:
    """Answer who comes above the rate limit of the web configuration."""
    error = ProblemError(
        HTTPStatus.TOO_MANY_REQUESTS, "rate-limited", "more requests than rate_limit allows: try again"
    )
    return Refusal(error, {"Retry-After": str(max(1, math.ceil(wait_seconds)))})


def several_tokens() -> Refusal:
    """Answer who has several Authorization headers, of which different programs would read different ones."""
    error = ProblemError(HTTPStatus.UNAUTHORIZED, "wrong-token", "there is more than one Authorization header")
    return Refusal(error, _challenge("invalid_request"), is_failed_login=True)


def tokens_unusable() -> Refusal:
    """Answer who needs a token while none can be checked."""
    detail = "the file of tokens cannot be used, and the log of this collector says why: until then nobody is known"
    return Refusal(ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "tokens-unusable", detail))


def role_too_low(name: str, role: Role, least: Role) -> Refusal:
    """Answer who is known, but may not do this."""
    detail = f"the token {name} has the role {role}, and this needs the role {least}: ask with another token"
    error = ProblemError(HTTPStatus.FORBIDDEN, "role-too-low", detail)
    return Refusal(error, _challenge("insufficient_scope"), asker=name)


def too_many(wait_seconds: float) -> Refusal:
    """Answer who has been refused too often."""
    detail = (
        f"refused too often from this address: look for the reason of the first refusals; wait {wait_seconds:.0f} s"
    )
    error = ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "refused-too-often", detail)
    return Refusal(error, {"Retry-After": str(max(1, math.ceil(wait_seconds)))})


def body_too_large(asker: str) -> Refusal:
    """Answer who sends more than any request has."""
    detail = f"the body of a request has at most {MAX_BODY_BYTES} bytes here"
    return Refusal(ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", detail), asker=asker)


def body_too_slow(asker: str) -> Refusal:
    """Answer who does not get to the end of a request."""
    detail = f"the body of the request was not here within {BODY_SECONDS:g} s"
    return Refusal(ProblemError(HTTPStatus.REQUEST_TIMEOUT, "body-too-slow", detail), asker=asker)


def _challenge(error: str | None = None) -> dict[str, str]:
    return {"WWW-Authenticate": 'Bearer realm="beamwarden"' + (f', error="{error}"' if error else "")}


def _making(role: Role) -> str:
    return f"Make one where the collector runs: beamwarden token create --role {role} --name NAME"
