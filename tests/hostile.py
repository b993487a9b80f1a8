"""Peers that attack, behind a real socket: what a node would say that is broken, or in the wrong hands.

The worst of them know the cookie. What they attack runs in another process, `tests.hostile_client`, so that what it
takes can be measured by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from agent import etf
from agent.terms import Atom, Pid, Term
from tests.fakes import PEER_CREATION, PEER_NAME, WORKER, ScriptedPeer, SpawnedCall, pass_steps, stop_accepting
from tests.hostile_client import HELD_UP_SECONDS, Plan

MIB = 1024 * 1024
LAST_RESORT_SECONDS = 30.0  # for a client to end by itself after its limit; then it is killed
_ROOT = Path(__file__).parent.parent
_MARKER = Atom("what is asked for")

Chunks: TypeAlias = Iterable[bytes]  # an empty one is a pause
Answer: TypeAlias = Callable[[SpawnedCall, Pid], Chunks]


def honest(call: SpawnedCall, pid: Pid) -> Chunks:
    return [call.returned(Atom("ok"), pid)]


def returning(value: Callable[[], bytes]) -> Answer:
    """Answer all but ``m:next`` with a value that is encoded already, or only looks like it."""

    def answer(call: SpawnedCall, pid: Pid) -> Chunks:
        if call.target == "m:next":
            return honest(call, pid)
        encoded, marker = value(), etf.encode(_MARKER)[1:]
        reason: Term = [call.reference, _MARKER] if call.is_plain else (call.reference, Atom("return"), _MARKER)
        before, _, after = call.ended(reason, pid)[4:].partition(marker)
        length = struct.pack(">I", len(before) + len(encoded) + len(after))
        return [call.started(pid) + length + before, encoded + after]

    return answer


@dataclass(frozen=True)
class Attack:
    """What a peer does beside, or instead of, what a node does."""

    greeting: Callable[[], Chunks] | None = None
    """Sent at once; then there is no handshake."""

    flood: Callable[[], Chunks] = tuple
    """Sent as soon as both sides have proved the cookie; each piece is whole frames where answers must come too."""

    answer: Answer = honest
    reads: bool = True
    """Whether it reads, and answers, while it sends the flood."""

    hijacks_preflight: bool = False
    """Whether ``answer`` answers the pre-flight too."""

    status: bytes | None = None
    claimed_name: str = str(PEER_NAME)


@dataclass
class _Peer(ScriptedPeer):
    asked: list[SpawnedCall] = field(default_factory=list)
    hijacks_preflight: bool = False

    def __post_init__(self) -> None:
        self.answer = self._keep

    def _keep(self, call: SpawnedCall) -> bytes:
        self.asked.append(call)
        return b""

    def _receive_frame(self, body: bytes) -> bytes:
        if self.hijacks_preflight and body:
            control, end = etf.decode_prefix(body[1:])
            if isinstance(control, tuple) and control[0] == 29:
                _, request, sender, leader, _, options = control
                arguments = etf.decode(body[1 + end :])
                call = SpawnedCall(request, sender, leader, tuple(options), tuple(arguments))  # type: ignore[arg-type]  # our own bytes
                return self._keep(call)
        return super()._receive_frame(body)


class HostileServer:
    """Serves one attack to everybody who comes, again and again."""

    def __init__(self, attack: Attack) -> None:
        self.port = 0
        self.connections = 0
        self.replies: list[tuple[Term, ...]] = []
        """Every control message that it got which was no question."""

        self._attack = attack
        self._pids = itertools.count(1000)
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        self._begin(self._serve(reader, writer))

    async def end(self) -> None:
        """Close all connections. Nothing may listen any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:  # a task that is cancelled before its first step runs no `finally`
            writer.transport.abort()
        await pass_steps()  # transports that were aborted close their sockets in the loop's next round

    def _begin(self, serving: Coroutine[object, object, None]) -> None:
        self._tasks.add(asyncio.ensure_future(serving))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attack = self._attack
        peer = _Peer(claimed_name=attack.claimed_name, hijacks_preflight=attack.hijacks_preflight)
        peer.status = peer.status if attack.status is None else attack.status
        peer.others = self.replies
        is_flooding = False
        try:
            if attack.greeting is not None:
                await _send(writer, attack.greeting())
                while await reader.read(65_536):
                    pass
            while not peer.is_closed and (data := await reader.read(65_536)):
                await _send(writer, [peer.receive(data)])
                asked, peer.asked = peer.asked, []
                for call in asked:
                    await _send(writer, attack.answer(call, self._new_pid()))
                if peer.is_connected and not is_flooding:
                    is_flooding = True
                    if attack.reads:
                        self._begin(_send(writer, attack.flood()))
                    else:
                        await _send(writer, attack.flood())
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    def _new_pid(self) -> Pid:
        return Pid(WORKER.node, next(self._pids), 0, PEER_CREATION)


async def _send(writer: asyncio.StreamWriter, chunks: Chunks) -> None:
    with contextlib.suppress(ConnectionError):
        for chunk in chunks:
            if writer.transport.is_closing():
                return
            if chunk:
                writer.write(chunk)
                await writer.drain()
            else:
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def attacking(attack: Attack) -> AsyncIterator[HostileServer]:
    """Serve an attack on a port of 127.0.0.1."""
    server = HostileServer(attack)
    listener = socket.create_server(("127.0.0.1", 0))
    # The kernel would take some megabytes for a peer that does not read.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    accepting = await asyncio.start_server(server.accept, sock=listener)
    server.port = listener.getsockname()[1]
    try:
        yield server
    finally:
        await stop_accepting(accepting)
        await server.end()


@dataclass(frozen=True)
class Report:
    """What `tests.hostile_client` tells of one attack."""

    ended: str
    """How the connection ended, as ``error: text``; empty when it did not."""

    outcomes: Mapping[str, int]
    """How often a question ended in which way."""

    texts: list[str]
    """Every text that a person may get to read."""

    next: str
    """How the question ended that was asked afterwards."""

    traced_bytes: int
    """The most that was allocated at once, beyond what was before."""

    resident_bytes: int
    """By how much the process has grown at most."""

    log_lines: int
    tasks: list[str]
    ran: list[str]


class Clients:
    """A process that makes others, one for each plan: they begin with everything imported.

    A client that fails takes that process with it; the next plan gets a new one.
    """

    def __init__(self, errors: Path) -> None:
        self._errors = errors
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    def follow(self, plan: str) -> str:
        """Let a client follow a plan, and return its report. Raises AssertionError, with what it had to say."""
        process = self._process = self._process or self._begin()
        assert process.stdin is not None
        assert process.stdout is not None
        report = ""
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(plan + "\n")
            process.stdin.flush()
            report = process.stdout.readline()
        if (errors := self._errors.read_text()) or not report.strip():
            self._end()
            raise AssertionError(f"a client ended without a report; on standard error it said: {errors}")
        return report

    def kill(self) -> None:
        """End the client that follows a plan now, and what made it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _begin(self) -> subprocess.Popen[str]:
        # Coverage would count among what a client takes.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        with self._errors.open("wb") as errors:
            return subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "tests.hostile_client"],
                cwd=_ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )

    def _end(self) -> None:
        self.kill()
        if self._process is not None:
            self._process.communicate()
        self._process = None


async def attack_client(clients: Clients, attack: Attack, plan: Plan) -> tuple[Report, HostileServer]:
    """Let a client in a process of its own walk into an attack; return what became of it."""
    async with attacking(Attack()) as healthy, attacking(attack) as hostile:
        ports = {"healthy_port": healthy.port, "hostile_port": hostile.port}
        limit_seconds = plan.limit_seconds + HELD_UP_SECONDS + LAST_RESORT_SECONDS
        following = asyncio.ensure_future(asyncio.to_thread(clients.follow, json.dumps(asdict(plan) | ports)))
        if following not in (await asyncio.wait({following}, timeout=limit_seconds))[0]:
            clients.kill()
        return Report(**json.loads(await following)), hostile
