"""Who gets through to the routes: decided before any of them, for every request.

In this order: does the web configuration let them in, is there such a route, are we meant, does a page from elsewhere
ask, who is it, may they, and is it small enough. What a route is asked for and what it answers is none of its business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collector.access import origins, refusals
from collector.access.attempts import Attempts
from collector.access.entrance import Entrance, Shown
from collector.access.known_tokens import KnownTokens
from collector.access.permissions import FOR_MACHINES, READING, Permissions, Principal, Role
from collector.access.refusals import BODY_SECONDS, MAX_BODY_BYTES, Refusal, Refused
from collector.access.tokens import TokensError, find_entry, is_token
from collector.settings import Settings

# Is told of every refusal of an action: whose it was, if that is known, method, path, and the guard that refused.
OnRefusal: TypeAlias = Callable[[str | None, str, str, str], Awaitable[None]]


class Gate:
    """Lets requests through to ``app`` that may pass, with ``request.state.principal``, and answers the others.

    ``app.state.on_refusal`` is told of the actions that were refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        tokens: KnownTokens,
        attempts: Attempts,
        permissions: Permissions | None = None,
        entrance: Entrance | None = None,
    ) -> None:
        self._app = app
        self._hosts = frozenset(settings.allowed_hosts)
        self._is_open = settings.insecure_no_auth
        self._tokens = tokens
        self._attempts = attempts
        self._permissions = permissions or Permissions()
        self._entrance = entrance or Entrance(None, attempts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # RFC 6455, 7.4.1: against our policy
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            entrant = await self._entrance.admit(scope)
            principal = await self._admit(scope, self._least_role(scope), entrant)
            body = receive if scope["method"] in READING else await _read_body(scope, receive, principal)
        except Refused as refused:
            refusal = await self._count(scope, refused.refusal)
            await refusal.response()(scope, receive, send)
            return
        scope.setdefault("state", {})["principal"] = principal
        await self._app(scope, body, send)

    def _least_role(self, scope: Scope) -> Role:
        allowed = self._permissions.of(scope["path"])
        if not allowed:
            raise Refused(refusals.unknown_path(scope["path"]))
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method not in allowed:
            raise Refused(refusals.wrong_method(scope["path"], allowed))
        return allowed[method]

    async def _admit(self, scope: Scope, least: Role, entrant: Principal | None) -> Principal:
        headers = Headers(scope=scope)
        if scope["path"] not in FOR_MACHINES:
            host = origins.asked_host(headers)
            if host is None or not origins.is_known_host(host, self._hosts):
                raise Refused(refusals.unknown_host(host))
        if scope["method"] not in READING and origins.is_from_other_page(headers, scope["scheme"]):
            raise Refused(refusals.other_origin())
        unnamed = entrant or self._without_token(scope)
        if entrant is not None and entrant.role == Role.ANYONE:
            least = max(least, Role.LOCAL)  # came in by a token, so this has to be one, whatever is asked
        if least == Role.ANYONE:
            return unnamed
        try:
            return await self._identify(headers, unnamed, least)
        except TokensError:
            # Who needs no token is let through: in an incident, reading matters more than a file.
            if unnamed.role >= least:
                return unnamed
            raise Refused(refusals.tokens_unusable()) from None

    def _without_token(self, scope: Scope) -> Principal:
        if origins.is_local(scope):
            return Principal(str(Role.LOCAL), Role.LOCAL)
        # Local askers may read and not act, which is what insecure_no_auth gives to everybody.
        return Principal(str(Role.ANYONE), Role.LOCAL if self._is_open else Role.ANYONE)

    async def _identify(self, headers: Headers, unnamed: Principal, least: Role) -> Principal:
        """Return whose token it is, or ``unnamed``. Raises `Refused`, or `TokensError` when that is not known."""
        token = Shown.by(headers).token
        if token is None and unnamed.role >= least:
            return unnamed
        if token is not None and (shell := find_entry(self._tokens.of_shell, token)) is not None:
            return Principal(shell.name, shell.role)
        entries = await self._tokens.entries()
        if not entries and least >= Role.OPERATOR:
            raise Refused(refusals.no_tokens(is_failed_login=token is not None))
        if token is None:
            raise Refused(refusals.token_needed(least))
        entry = find_entry(entries, token) if is_token(token) else None
        if entry is None:
            raise Refused(refusals.wrong_token())
        if entry.role < least:
            raise Refused(refusals.role_too_low(entry.name, entry.role, least))
        return Principal(entry.name, entry.role)

    async def _count(self, scope: Scope, refusal: Refusal) -> Refusal:
        """Return the answer, which is another one when there were too many. Tells of actions, but not of those."""
        is_action = scope["method"] not in READING and refusal.reason not in {"not-found", "method-not-allowed"}
        self._attempts.failed_logins += refusal.is_failed_login
        if not is_action and not refusal.is_failed_login:
            return refusal
        wait_seconds = self._attempts.refuse(origins.network_of(origins.client_host(scope)))
        if wait_seconds is not None:
            return refusals.too_many(wait_seconds)
        if is_action:
            on_refusal: OnRefusal = scope["app"].state.on_refusal
            await on_refusal(refusal.asker, scope["method"], scope["path"], refusal.reason)
        return refusal


async def _read_body(scope: Scope, receive: Receive, principal: Principal) -> Receive:
    """Read the body, which is small, before any route waits for it. Raises `Refused`."""
    too_large = Refused(refusals.body_too_large(principal.name))
    announced = Headers(scope=scope).get("content-length", "0")
    if len(announced) > len(str(MAX_BODY_BYTES)) or not announced.isdecimal() or int(announced) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":  # the asker has hung up, which the route is told
                    return _again(message, receive)
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise too_large
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise Refused(refusals.body_too_slow(principal.name)) from None
    return _again({"type": "http.request", "body": bytes(body), "more_body": False}, receive)


def _again(message: Mapping[str, object], receive: Receive) -> Receive:
    """Give this message first, and then what comes."""
    waiting: list[Message] = [dict(message)]

    async def give() -> Message:
        return waiting.pop() if waiting else await receive()

    return give
