"""A node with one child under one supervisor, which restarts it as a real one does, at the speed of the test.

It answers the expressions of a restart with what a real node gives (held against real ones in tests/live), and can be
cut off, started anew, or made to fail its starts, at the moments that a test wants.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.errors import ConnectionLost
from agent.expression import Evaluated, Expression
from agent.handshake import Identity
from agent.rpc import DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_HEAP_WORDS
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Pid, Term
from tests.agent.probes.supervisor_terms import looked_at, told
from tests.collector_fakes import FakeSession
from tests.fakes import PEER_NAME

SUPERVISOR = "governance_sup"
CHILD = "billing_sup"
FIRST_PID = 100
TOLD: Term = (Atom("not_listed"), Atom("cap"), (1, 0, 0))


@dataclass
class RestartNode:
    """The node. ``failing_starts`` is how many starts fail before one works."""

    creation: int = 1
    child: int | None = FIRST_PID
    restart_type: str = "permanent"
    failing_starts: int = 0
    rows: int = 0
    temporary: int = 0
    is_connected: bool = True
    lock: str | None = None
    restarted_by: list[str] = field(default_factory=list)
    """Which actions have ended the child on this node, in the order in which they did."""

    went_down_under: list[str] = field(default_factory=list)
    """Of which of these the child stayed down, since its starts failed."""

    next_pid: int = FIRST_PID + 1
    health: str = "200 ok"
    hold: asyncio.Event | None = None
    """When it is set, a worker waits for it between the end of the child and its start."""

    loses: str | None = None
    """How connections that a test does not make itself lose a worker: see `Connection`."""

    workers: set[asyncio.Task[Term]] = field(default_factory=set)

    def start_anew(self) -> None:
        """Have the next life of the node: the same pids as in the last one."""
        for worker in self.workers:
            worker.cancel()
        self.creation += 1
        self.child, self.next_pid, self.lock = FIRST_PID, FIRST_PID + 1, None

    def pid(self, number: int) -> Pid:
        return Pid(Atom(str(PEER_NAME)), number, 0, self.creation)

    def fingerprint(self) -> bytes:
        return f"{self.creation} {self.child} {self.rows > 0}".encode().ljust(16)[:16]

    def facts(self) -> Term:
        """What ``restart_facts.expr`` gives."""
        supervisor = looked_at(told(TOLD), name=Atom(SUPERVISOR))
        process: Term = UNDEFINED if self.child is None else self.pid(self.child)
        dying = 0 if self.child is None else 1
        names: list[Term] = [] if self.child is None else [(Atom(CHILD), process)]
        lost: list[Term] = (
            [] if not self.rows else [(b"ledger", Atom("ledger"), self.rows, 800, process, Atom(CHILD), Atom("none"))]
        )
        temporary: list[Term] = [(b"{t,1}", self.pid(900 + number), process) for number in range(self.temporary)]
        return (
            Atom("facts"),
            self.pid(50),
            supervisor,
            (CHILD.encode(), process, Atom(self.restart_type), FALSE, 5000, Atom("worker"), [Atom("tai_worker")]),
            (Atom("tai_autonomics"), UNDEFINED if self.child is None else Atom("tai_autonomics")),
            (dying, dying, names, 0, []),
            ((len(lost), self.rows, 800 if lost else 0), lost, [Atom("ledger")] if lost else [], (0, 0, 0), []),
            (0, 0, self.temporary, temporary, [], [], 5000),
            self.fingerprint(),
        )

    def receive_restart(self, action_id: str, expected: bytes, retries: int) -> asyncio.Task[Term]:
        """Take a worker in. It goes on whatever becomes of who sent it."""
        worker = asyncio.create_task(self._restart(action_id, expected, retries))
        self.workers.add(worker)
        worker.add_done_callback(self.workers.discard)
        return worker

    async def _restart(self, action_id: str, expected: bytes, retries: int) -> Term:
        if self.lock is not None:
            return (Atom("locked"), self.lock.encode())
        if self.fingerprint() != expected:
            return (Atom("changed"), self.facts(), 8)
        self.lock = action_id
        try:
            self.restarted_by.append(action_id)
            self.child = None
            if self.hold is not None:
                await self.hold.wait()
            return self._start(action_id, retries)
        finally:
            self.lock = None

    def _start(self, action_id: str, retries: int) -> Term:
        tries = 1
        while self.failing_starts and tries <= retries:
            self.failing_starts -= 1
            tries += 1
        if self.failing_starts:
            self.failing_starts -= 1
            self.went_down_under.append(action_id)
            return (Atom("done"), Atom("terminated"), 1, (Atom("failed"), b"{bad,config}"), tries, 1, self.facts(), 8)
        self.child, self.next_pid, self.rows, self.temporary = self.next_pid, self.next_pid + 1, 0, 0
        started: Term = (Atom("started"), self.pid(self.child))
        return (Atom("done"), Atom("terminated"), 1, started, tries, 1, self.facts(), 8)


@dataclass
class Connection:
    """One connection to one life of it. ``loses`` cuts it when the next worker is asked for: before it has arrived at
    the node, or behind it."""

    node: RestartNode
    loses: str | None = None
    creation: int = field(init=False)

    def __post_init__(self) -> None:
        self.creation = self.node.creation

    @property
    def peer(self) -> Identity:
        return Identity(PEER_NAME, self.creation)

    def _need(self) -> None:
        if not self.node.is_connected or self.creation != self.node.creation:
            raise ConnectionLost("the connection has ended")

    async def call(
        self,
        module: str,
        function: str,
        arguments: Sequence[Term],
        *,
        deadline_seconds: float,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
    ) -> Term:
        self._need()
        match f"{module}:{function}", arguments:
            case "erlang:binary_to_existing_atom", [bytes() as name]:
                return Atom(name.decode())
            case "erlang:whereis", [Atom(name=name)]:
                if name == SUPERVISOR:
                    return self.node.pid(50)
                if name == CHILD and self.node.child is not None:
                    return self.node.pid(self.node.child)
                return UNDEFINED
            case "erlang:list_to_pid", [list() as text]:
                number = "".join(chr(code) for code in text if isinstance(code, int)).split(".")[1]
                return self.node.pid(int(number))
            case "erlang:is_process_alive", [Pid() as pid]:
                return TRUE if pid in (self.node.pid(50), self.node.pid(self.node.child or 0)) else FALSE
        raise AssertionError(f"{module}:{function} {arguments}")

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
        await asyncio.sleep(0)
        self._need()
        value: Term
        match expression.name:
            case "actions/lock":
                value = Atom("none") if self.node.lock is None else (Atom("held"), self.node.lock.encode())
            case "restart_plan":
                value = (self._look(bindings), 8)
            case "process" if bindings["Is_pid"] == TRUE:
                value = Atom("gone")
            case "process":
                value = (Atom("no_such_name"), [SUPERVISOR.encode(), CHILD.encode()])
            case name:
                raise AssertionError(name)
        return Evaluated(value, worker_seconds=0.001, reductions=1000)

    def _look(self, bindings: Mapping[str, Term]) -> Term:
        if bindings["Supervisor"] == UNDEFINED and bindings["Child"] == self.node.pid(50):
            return (Atom("top"), Atom("tai_autonomics"))
        if bindings["Child"] not in (CHILD.encode(), self.node.pid(self.node.child or 0)):
            return (
                Atom("no_such_child"),
                self.node.pid(50),
                looked_at(told(TOLD), name=Atom(SUPERVISOR)),
                [CHILD.encode()],
            )
        return self.node.facts()

    async def evaluate_detached(
        self, expression: Expression, bindings: Mapping[str, Term], *, deadline_seconds: float
    ) -> Evaluated:
        self._need()
        action_id, expected, retries = bindings["Action"], bindings["Expected"], bindings["Retries"]
        assert isinstance(action_id, bytes)
        assert isinstance(expected, bytes)
        assert isinstance(retries, int)
        if self.loses == "before":
            self.node.is_connected = False
            raise ConnectionLost("the connection has ended")
        worker = self.node.receive_restart(action_id.decode(), expected, retries)
        if self.loses == "behind":
            self.node.is_connected = False
            raise ConnectionLost("the connection has ended")
        return Evaluated(await asyncio.shield(worker), worker_seconds=0.001, reductions=1000)


@dataclass
class FakeSite:
    """Where the node is reached."""

    node: RestartNode
    name: str = str(PEER_NAME)
    instance_id: str | None = "00f46b92"
    loses: str | None = None

    async def connection(self) -> Connection:
        if not self.node.is_connected:
            raise ConnectionLost("the node is not connected")
        return Connection(self.node, self.loses)


ASKED_BY_A_RESTART: Final = frozenset(
    {"erlang:binary_to_existing_atom", "erlang:whereis", "erlang:list_to_pid", "erlang:is_process_alive"}
)


class RestartSession(FakeSession):
    """A connection to it as the collector has one: what a restart asks is this node's, all else is a healthy one's."""

    def __init__(self, node: RestartNode, loses: str | None = None) -> None:
        super().__init__(creation=node.creation)
        self.restart_node = node
        self._connection = Connection(node, loses)

    async def call(
        self,
        module: str,
        function: str,
        arguments: Sequence[Term],
        *,
        deadline_seconds: float,
        max_heap_words: int = DEFAULT_MAX_HEAP_WORDS,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
    ) -> Term:
        if f"{module}:{function}" in ASKED_BY_A_RESTART:
            return await self._connection.call(module, function, arguments, deadline_seconds=deadline_seconds)
        return await super().call(module, function, arguments, deadline_seconds=deadline_seconds)

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
        return await self._connection.evaluate(expression, bindings, deadline_seconds=deadline_seconds)

    async def evaluate_detached(
        self, expression: Expression, bindings: Mapping[str, Term], *, deadline_seconds: float
    ) -> Evaluated:
        return await self._connection.evaluate_detached(expression, bindings, deadline_seconds=deadline_seconds)
