"""Peers that say exactly what a test wants, for what a real node cannot be made to say."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import struct
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from agent import etf
from agent.expression import Evaluated, Expression
from agent.handshake import NEEDED_FLAGS, Cookie, Flag
from agent.names import NodeName, Target
from agent.rpc import DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_HEAP_WORDS
from agent.terms import TRUE, UNDEFINED, Atom, Pid, Reference, Term, format_term

PEER_NAME = NodeName("tai", "127.0.0.1")
PEER_CREATION = 77
OWN_NAME = NodeName("2HVP0TDI4GTFO", "127.0.0.1")
OWN_CREATION = 99
OWN_PID = Pid(Atom(str(OWN_NAME)), 1, 0, OWN_CREATION)
WORKER = Pid(Atom(str(PEER_NAME)), 500, 0, PEER_CREATION)
COOKIE = "this is the secret"


def frame(control: Term, payload: Term | None = None) -> bytes:
    """A control message as a node sends it, with its length."""
    body = b"p" + etf.encode(control) + (b"" if payload is None else etf.encode(payload))
    return struct.pack(">I", len(body)) + body


def message(body: bytes) -> bytes:
    """A handshake message with its length."""
    return struct.pack(">H", len(body)) + body


def digest(cookie: str, challenge: int) -> bytes:
    """The proof of a cookie, written down a second time on purpose: the code under test has its own."""
    return hashlib.md5(f"{cookie}{challenge}".encode(), usedforsecurity=False).digest()


@dataclass(frozen=True)
class SpawnedCall:
    """A question as the peer got it."""

    request: Reference
    sender: Pid
    group_leader: Pid
    options: tuple[Term, ...]
    arguments: tuple[Term, ...]

    @property
    def is_plain(self) -> bool:
        """Whether it was asked without erpc."""
        return len(self.arguments) == 3

    @property
    def question(self) -> tuple[Term, str, Sequence[Term]]:
        """The reference, ``module:function`` that is to be called in the end, and its arguments."""
        match self.arguments:
            case (reference, Atom(name=module), Atom(name=function), list() as arguments):
                return reference, f"{module}:{function}", arguments
            case (_, [_, _, _, [[_, [_, Atom(name=module)], [_, Atom(name=function)], [[[reference]], arguments]]]], _):
                assert isinstance(arguments, list)
                return reference, f"{module}:{function}", arguments
        raise AssertionError(f"a question of a form that is not known: {self.arguments}")

    @property
    def reference(self) -> Term:
        return self.question[0]

    @property
    def target(self) -> str:
        """What is to be called in the end: ``module:function``."""
        return self.question[1]

    def started(self, pid: Pid = WORKER) -> bytes:
        return frame((31, self.request, self.sender, 1, pid))

    def refused(self, why: str) -> bytes:
        return frame((31, self.request, self.sender, 0, Atom(why)))

    def ended(self, reason: Term, pid: Pid = WORKER) -> bytes:
        if Atom("monitor") in self.options:
            return frame((21, pid, self.sender, self.request, reason))
        return frame((3, pid, self.sender, reason))

    def returned(self, value: Term, pid: Pid = WORKER) -> bytes:
        reason: Term = [self.reference, value] if self.is_plain else (self.reference, Atom("return"), value)
        return self.started(pid) + self.ended(reason, pid)


Answer = Callable[[SpawnedCall], bytes]


def batched(call: SpawnedCall) -> list[str]:
    """The questions in one batch of `agent.batch`, as ``module:function(first argument)``."""
    match call.question:
        case (_, "lists:zipwith3", [_, list() as modules, list() as functions, list() as arguments]):
            return [
                f"{getattr(module, 'name', '')}:{getattr(function, 'name', '')}({format_term(args)})"
                for module, function, args in zip(modules, functions, arguments, strict=True)
            ]
    return []


HEALTHY: Mapping[str, Term] = {
    "erlang:system_info([otp_release])": list(b"28"),
    "erlang:module_loaded([erpc])": TRUE,
    "erlang:module_loaded([erl_scan])": TRUE,
    "erlang:module_loaded([erl_parse])": TRUE,
    "erlang:module_loaded([erl_eval])": TRUE,
    "code:root_dir([])": list(b"/usr/lib/erlang"),
    "net_kernel:get_net_ticktime([])": 60,
    "application:get_env([kernel,net_tickintensity])": UNDEFINED,
}
"""What a node in good health answers in the pre-flight."""

PREFLIGHT = {
    *HEALTHY,
    "code:ensure_loaded([erpc])",
    "code:get_mode([])",
    "code:which([erl_scan])",
    "code:which([erl_parse])",
    "code:which([erl_eval])",
}


@dataclass
class ScriptedPeer:
    """The accepting side of one connection, without a socket. Each field is something it may do wrong."""

    cookie: str = COOKIE
    status: bytes = b"named:" + struct.pack(">H", len(str(OWN_NAME))) + str(OWN_NAME).encode() + struct.pack(">I", 99)
    claimed_name: str = str(PEER_NAME)
    flags: Flag = NEEDED_FLAGS
    challenge_tag: bytes = b"N"
    proves_cookie: bool = True
    preflight: Mapping[str, Term] | None = field(default_factory=lambda: HEALTHY)
    """What it answers to the questions of the pre-flight; those that are not here hang. None: they are calls too."""

    answer: Answer = lambda call: call.returned(Atom("ok"))
    """What it answers to any other call."""

    introduced: bytes = b""
    is_connected: bool = False
    is_closed: bool = False
    preflights: list[list[str]] = field(default_factory=list)
    calls: list[SpawnedCall] = field(default_factory=list)
    others: list[tuple[Term, ...]] = field(default_factory=list)
    """Every other control message that it got, a payload as its last element."""

    ticks: int = 0
    _buffer: bytes = b""
    _step: int = 0

    def receive(self, data: bytes) -> bytes:
        """Take bytes and return those that the peer sends on them."""
        self._buffer += data
        out = b""
        while not self.is_closed and (body := self._next()) is not None:
            out += self._receive_frame(body) if self.is_connected else self._receive_handshake(body)
        return out

    def _next(self) -> bytes | None:
        size = 4 if self.is_connected else 2
        length = int.from_bytes(self._buffer[:size], "big")
        if len(self._buffer) < size + length:
            return None
        body, self._buffer = self._buffer[size : size + length], self._buffer[size + length :]
        return body

    def _receive_handshake(self, body: bytes) -> bytes:
        self._step += 1
        if self._step == 1:
            self.introduced = body
            out = message(b"s" + self.status)
            if self.status not in {b"nok", b"not_allowed"} and self.status != b"alive":
                out += self._challenge()
            return out
        if body[:1] == b"s":
            self.others.append((body,))
            self._step -= 1
            return self._challenge()
        if body[5:] != digest(self.cookie, 4711):
            self.is_closed = True
            return b""
        self.is_connected = True
        theirs = int.from_bytes(body[1:5], "big")
        return message(b"a" + digest(self.cookie if self.proves_cookie else "another", theirs))

    def _challenge(self) -> bytes:
        name = self.claimed_name.encode()
        return message(self.challenge_tag + struct.pack(">QIIH", self.flags, 4711, PEER_CREATION, len(name)) + name)

    def _receive_frame(self, body: bytes) -> bytes:
        if not body:
            self.ticks += 1
            return b""
        control, end = etf.decode_prefix(body[1:])
        payload = body[1 + end :]
        assert isinstance(control, tuple)
        if control[0] != 29:
            self.others.append((*control, etf.decode(payload)) if payload else control)
            return b""
        _, request, sender, group_leader, mfa, options = control
        arguments = etf.decode(payload)
        assert isinstance(request, Reference)
        assert isinstance(sender, Pid)
        assert isinstance(group_leader, Pid)
        assert isinstance(options, list)
        assert isinstance(arguments, list)
        assert mfa in {(Atom("erpc"), Atom("execute_call"), 4), (Atom("lists"), Atom("foldl"), 3)}
        call = SpawnedCall(request, sender, group_leader, tuple(options), tuple(arguments))
        if self.preflight is not None and (questions := batched(call)) and set(questions) <= PREFLIGHT:
            self.preflights.append(questions)
            answered = [self.preflight[question] for question in questions if question in self.preflight]
            return call.returned(answered) if len(answered) == len(questions) else b""
        self.calls.append(call)
        return self.answer(call)


class PeerServer:
    """Scripted peers behind a real socket: each connection gets the next of them."""

    def __init__(self, peers: Sequence[ScriptedPeer]) -> None:
        self.peers = list(peers)
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.port = 0

    @property
    def target(self) -> Target:
        return Target(PEER_NAME, self.port)

    async def push(self, data: bytes) -> None:
        """Send bytes on the newest connection."""
        self.writers[-1].write(data)
        await self.writers[-1].drain()

    def cut(self) -> None:
        """Close the newest connection without a word."""
        self.writers[-1].transport.abort()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        peer = self.peers[min(self.connections, len(self.peers) - 1)]
        self.connections += 1
        with contextlib.suppress(ConnectionError):
            while not peer.is_closed and (data := await reader.read(65_536)):
                writer.write(peer.receive(data))
                await writer.drain()
        writer.close()


async def stop_accepting(server: asyncio.Server) -> None:
    """Close a server's listener; whoever had connected has reached its handler then.

    asyncio leaves a socket open that it has accepted and not yet made a transport of when its server is closed.
    """
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    await pass_steps()
    server.close()


async def pass_steps() -> None:
    """Let the loop do what asyncio has begun: it accepts, and closes, in four steps at most."""
    for _ in range(4):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def serving(*peers: ScriptedPeer) -> AsyncIterator[PeerServer]:
    """Serve scripted peers on a port of 127.0.0.1."""
    server = PeerServer(peers)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        await stop_accepting(listener)
        for writer in server.writers:
            writer.transport.abort()
        await pass_steps()


async def pause() -> None:
    """Wait before a node or a service is asked again. Asked without a pause, it and the test take a core each."""
    await asyncio.sleep(0.02)


async def until(condition: Callable[[], object], what: str, deadline_seconds: float = 10.0) -> None:
    """Wait until something is so; fail when it is not in time."""
    try:
        async with asyncio.timeout(deadline_seconds):
            while not condition():  # noqa: ASYNC110  # any condition, most of them without an event
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not within {deadline_seconds:g} s: {what}") from None


def cookie() -> Cookie:
    """The cookie that a scripted peer has too."""
    return Cookie(COOKIE)


Scripted: TypeAlias = "Term | Exception | Callable[[Sequence[Term]], Term]"


class FakeCaller:
    """Something that can be asked: answers by ``module:function``, raises what is an exception."""

    def __init__(self, answers: Mapping[str, Scripted]) -> None:
        self._answers = answers
        self.calls: list[tuple[str, list[Term]]] = []

    async def call(
        self,
        module: str,
        function: str,
        arguments: Sequence[Term],
        *,
        deadline_seconds: float,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
    ) -> Term:
        assert deadline_seconds > 0
        assert max_answer_bytes > 0
        self.calls.append((f"{module}:{function}", list(arguments)))
        answer = self._answers[f"{module}:{function}"]
        if isinstance(answer, Exception):
            raise answer
        return answer(arguments) if callable(answer) else answer


@dataclass(frozen=True)
class Evaluation:
    """One expression as the node got it."""

    name: str
    bindings: Mapping[str, Term]
    deadline_seconds: float
    max_heap_words: int
    is_sweep: bool


class FakeShell(FakeCaller):
    """Something that can also be given expressions: each gives ``value``, or raises it when it is an exception."""

    def __init__(self, value: Term | Exception, answers: Mapping[str, Scripted] | None = None) -> None:
        super().__init__({"erlang:system_info": 100} if answers is None else answers)
        self.value = value
        self.evaluations: list[Evaluation] = []

    async def evaluate(
        self,
        expression: Expression,
        bindings: Mapping[str, Term],
        *,
        deadline_seconds: float,
        max_heap_words: int = DEFAULT_MAX_HEAP_WORDS,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
        is_sweep: bool = False,
    ) -> Evaluated:
        assert deadline_seconds > 0
        assert max_answer_bytes > 0
        self.evaluations.append(Evaluation(expression.name, bindings, deadline_seconds, max_heap_words, is_sweep))
        if isinstance(self.value, Exception):
            raise self.value
        return Evaluated(self.value, worker_seconds=0.001, reductions=1_000)
