"""One node, kept connected for ever.

A `Session` is one connection to one life of a node; it never comes back. `Node` has the current one, or the reason why
there is none, and makes the next one.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeAlias

from agent import preflight
from agent.errors import (
    AgentError,
    CertificateRefused,
    ConnectionLost,
    HandshakeRefused,
    IncompatiblePeer,
    NameInUse,
    NodeUnreachable,
    OurCertificateRefused,
    PeerNotTrusted,
    TlsMismatch,
    WrongCookie,
    WrongPeer,
)
from agent.handshake import Cookie
from agent.names import Target, parse_own_name
from agent.preflight import Preflight
from agent.protocol import Counters
from agent.session import Options, Session, connect

FIRST_BACKOFF_SECONDS: Final = 0.5
MAX_BACKOFF_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 30.0  # a connection that stood this long was a good one: the next failure starts anew
MAX_FAILURES_OF_A_FLAPPING_NODE: Final = 3  # so a pause of one to two seconds
LOOK_AGAIN_SECONDS: Final = 30.0  # net_kernel:set_net_ticktime/1 takes 60 s to come into force, for this purpose

_REFUSALS: Final = (
    CertificateRefused,
    HandshakeRefused,
    IncompatiblePeer,
    OurCertificateRefused,
    PeerNotTrusted,
    TlsMismatch,
    WrongCookie,
    WrongPeer,
)
_UNKNOWN: Final = Preflight()
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Up:
    """The node is connected. ``preflight`` says what it offers; None: it was not asked."""

    session: Session
    preflight: Preflight | None = None


@dataclass(frozen=True, slots=True)
class Down:
    """The node is not connected, since ``failures`` attempts, and this is the latest reason."""

    error: AgentError
    failures: int


State: TypeAlias = Up | Down


class Node:
    """A node that is kept connected from ``async with`` until its end, again and again, whatever happens to it.

    ``on_change`` is called with the `State` on every connection, every failure and every further look at the node.
    """

    def __init__(
        self,
        target: Target,
        cookie: Cookie,
        options: Options = Options(),  # noqa: B008  # frozen
        on_change: Callable[[State], None] = lambda _state: None,
    ) -> None:
        self.target = target
        self.internal_errors = 0
        self.connections = 0  # that were made so far
        self._traffic_before = Counters()  # of connections that have ended
        self._cookie = cookie
        self._options = options
        if options.own_name:
            parse_own_name(options.own_name, target.node)  # what can never work is said now, not at each attempt
        self._on_change = on_change
        self._state: State = Down(NodeUnreachable(f"{target} has not been reached yet"), 0)
        self._is_known = False  # whether it has ever taken us
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep_connected(), name=f"keep {self.target} connected")
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Leave the node; the socket is closed then, which takes `agent.link.CLOSE_SECONDS` at the most."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        self._state = Down(ConnectionLost("we have closed the connection"), 0)

    @property
    def state(self) -> State:
        """Whether the node is connected now, and if not, why."""
        return self._state

    @property
    def traffic(self) -> Counters:
        """What has passed over all connections so far, that which stands included."""
        before = self._traffic_before
        return before if isinstance(self._state, Down) else before + self._state.session.counters

    def session(self) -> Session:
        """Return the connection that stands now; raise the reason when there is none."""
        if isinstance(self._state, Down):
            raise self._state.error.with_traceback(None)  # or each raise would add its frames to the last one's
        return self._state.session

    async def _keep_connected(self) -> None:
        failures = 0
        while True:
            error, stood_seconds = await self._connect_and_wait()
            failures += 1
            if stood_seconds >= STEADY_SECONDS:
                failures = 1
            elif stood_seconds > 0:  # a node in a crash loop answers us for moments only: do not miss them
                failures = min(failures, MAX_FAILURES_OF_A_FLAPPING_NODE)
            self._change(Down(error, failures))
            jitter = random.random()  # noqa: S311  # not a secret
            await asyncio.sleep(backoff_seconds(failures, error, jitter, is_known=self._is_known))

    async def _connect_and_wait(self) -> tuple[AgentError, float]:
        """Connect, stay until the connection ends, and return why it did and how long it stood."""
        loop = asyncio.get_running_loop()
        session: Session | None = None
        try:
            session = await connect(self.target, self._cookie, self._options)
            self._is_known = True
            self.connections += 1
            found = await _look_at(session)
            self._change(Up(session, found))
            error: AgentError = await self._stay(session, found)
        except AgentError as failure:
            error = failure
        except Exception as bug:  # noqa: BLE001  # a border that logs and counts: a bug of ours must not end the watch over a node
            self.internal_errors += 1
            _LOG.exception("connecting to %s met a bug", self.target)
            error = ConnectionLost(f"a bug in beamwarden ended the connection: {bug!r}")
        finally:
            if session is not None:
                session.close()
                await session.wait_closed()  # TLS has its own words of goodbye: who ends us must not cut them off
                self._traffic_before = self._traffic_before + session.counters
        return error, 0.0 if session is None else loop.time() - session.connected_at

    async def _stay(self, session: Session, found: Preflight) -> ConnectionLost:
        """Follow what may change on the node until the connection ends, and return why it did."""
        closed = asyncio.ensure_future(session.wait_closed())
        try:
            while not (await asyncio.wait({closed}, timeout=_look_again_seconds(found)))[0]:
                found = await _look_at(session, found)
                self._change(Up(session, found))
            return closed.result()
        finally:
            closed.cancel()

    def _change(self, state: State) -> None:
        self._state = state
        # By the loop, which logs what it raises: a listener's mistake is not the connection's.
        asyncio.get_running_loop().call_soon(self._on_change, state)


async def _look_at(session: Session, before: Preflight = _UNKNOWN) -> Preflight:
    """Find out what the node offers (`agent.preflight.check`); end without fail when we are told to.

    The pre-flight asks several questions at the same time, and `asyncio.gather` hands on the error of one that has just
    failed, although it is being cancelled: leaving a node whose connection broke at that moment would never end.
    """
    try:
        return await preflight.check(session, before)
    finally:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError


def _look_again_seconds(found: Preflight) -> float:
    """Return after how long to look at the node again: in time for a net_ticktime that is raised at once."""
    return min(LOOK_AGAIN_SECONDS, found.ticks.net_ticktime_seconds / 2)


def backoff_seconds(failures: int, error: AgentError, jitter: float, *, is_known: bool = False) -> float:
    """Return how long to wait before the next attempt: twice as long each time, and never in step with others.

    ``jitter`` is between 0 and 1. A refusal waits the longest at once: each attempt writes an error into the node's
    log, and it will not change its mind soon. But from a node that is known, since it has taken us before, a refusal
    may be the link's fault: one that breaks at the wrong byte looks like a wrong cookie. And what is just being
    connected under our name may be our own last attempt, of whose end the node has not heard.
    """
    is_final = isinstance(error, _REFUSALS) and not isinstance(error, NameInUse) and not is_known
    doublings = 16 if is_final else min(failures - 1, 16)
    return min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0**doublings) * (0.5 + jitter / 2)
