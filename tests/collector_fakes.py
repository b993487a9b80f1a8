"""Stand-ins for a node and a session, and everything of the collector that a test puts around them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, Self, TypeAlias

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from agent.errors import AgentError, ConnectionLost, NodeUnreachable
from agent.expression import Evaluated, Expression
from agent.handshake import Cookie, Identity
from agent.names import NodeName, Target
from agent.node import Down, Node, State, Up
from agent.preflight import Preflight
from agent.probes import Result, vital_signs
from agent.probes.allocators import AllocatorRow, Allocators
from agent.probes.distribution import Distribution, Peer, PortFigures, ProcessFigures, SocketFigures
from agent.probes.identity import NodeIdentity
from agent.probes.memory import Memory
from agent.probes.microstates import Microstates, Thread
from agent.probes.mnesia import Mnesia, MnesiaTable, RunningMnesia
from agent.probes.processes import Mailboxes, Processes, Queues
from agent.probes.statistics import Statistics
from agent.probes.supervisors import Supervisor, Supervisors
from agent.probes.system_info import SystemInfo
from agent.protocol import Counters
from agent.rpc import DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_HEAP_WORDS
from agent.session import Session
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Pid, Term
from agent.ticks import DEFAULT_TICKS
from collector.app import create_app
from collector.fleet import Fleet
from collector.recording import Trends
from collector.settings import Settings
from collector.snapshot import Answered, Failed, Outcome, Snapshot
from collector.watched import WatchedNode

NODE: Final = "tai_autonomics@127.0.0.1"
OTHER_NODE: Final = "tai_billing@127.0.0.1"
CREATION: Final = 1_763_914_502
INSTANCE_ID: Final = "00f46b92"
OFFERS: Final = Preflight(
    otp_release=28, code_server_answers=True, has_erpc=True, can_evaluate=True, ticks=DEFAULT_TICKS
)
EXPECTED_SUPERVISORS: Final = ("governance_sup", "receipt_ledger_sup")
MOMENT: Final = datetime(2026, 11, 23, 3, 14, 7, tzinfo=UTC)

# How long a test waits for what must happen. Reached only when it does not.
PATIENCE_SECONDS: Final = 10.0

# ------------------------------------------------------------------------------------- what the node of the tests says

MEMORY: Final = Memory(
    total=48_234_496,
    processes=14_680_064,
    processes_used=14_679_040,
    system=33_554_432,
    atom=639_185,
    atom_used=617_003,
    binary=1_048_576,
    code=12_582_912,
    ets=2_097_152,
)
STATISTICS: Final = Statistics(
    input_bytes=7_340_032,
    output_bytes=2_097_153,
    context_switches=1_204_551,
    garbage_collections=50_231,
    garbage_collected_words=90_871_230,
    word_size_bytes=8,
    reductions=81_023_441,
    runtime_seconds=51.25,
    run_queue_length=7,
    dirty_cpu_run_queue_length=3,
    dirty_io_run_queue_length=1,
)
SYSTEM_INFO: Final = SystemInfo(
    processes=412,
    process_limit=2_097_152,
    ports=12,
    port_limit=65_536,
    atoms=18_211,
    atom_limit=1_048_576,
    ets_tables=61,
    ets_limit=8192,
    dets_tables=0,
    schedulers=2,
    schedulers_online=2,
    dirty_cpu_schedulers=4,
    dirty_cpu_schedulers_online=3,
    dirty_io_schedulers=10,
    logical_processors=6,
    logical_processors_available=5,
    logical_processors_online=8,
    thread_pool_size=1,
    word_size_bytes=8,
    smp_support=True,
    threads=True,
    time_correction=False,
)
IDENTITY: Final = NodeIdentity(otp_release="26", erts_version="14.2.1", uptime_seconds=86_400.5)
SUPERVISORS: Final = Supervisors(
    (Supervisor("governance_sup", "<0.123.0>"), Supervisor("receipt_ledger_sup", "<0.124.0>"))
)
RESULTS: Final[Mapping[str, Result]] = {
    "identity": IDENTITY,
    "memory": MEMORY,
    "statistics": STATISTICS,
    "system_info": SYSTEM_INFO,
    "supervisors": SUPERVISORS,
}

QUEUES: Final = Queues(
    processes=411,
    total=12_003,
    longest=12_001,
    over={0: 3, 10: 1, 100: 1, 1_000: 1, 10_000: 1, 100_000: 0, 1_000_000: 0},
)
ALLOCATORS: Final = Allocators(
    (
        AllocatorRow("binary_alloc", 0, "sbcs", 0, 0, 0, 0),
        AllocatorRow("eheap_alloc", 1, "mbcs", 112, 1_176_120, 3, 1_835_008),
        AllocatorRow("eheap_alloc", 1, "mbcs_pool", 2, 4_096, 1, 262_144),
    )
)
PEER_PROCESS: Final = ProcessFigures("waiting", 8_744, 610, 233, 46_422, 8, 986, 3, 1_835)
DISTRIBUTION: Final = Distribution(
    (
        Peer(
            "tai_ledger@10.0.0.7",
            "up",
            has_queue=17,
            port=PortFigures(1_633, 114, 48, 9),
            socket=SocketFigures(1_768, 20, 208, 88, 16, 1_763, 19, 207, 92, 5),
            processes={"dist": PEER_PROCESS, "tls_connection": PEER_PROCESS, "tls_sender": PEER_PROCESS},
        ),
        Peer("tai_gone@10.0.0.8", "pending", has_queue=None, port=None, socket=None, processes={}),
    )
)
MNESIA: Final = Mnesia(
    RunningMnesia(
        3, 1, 5, 900, 7, 40, 9_002_440, (MnesiaTable("receipts", 70, 9_000_000), MnesiaTable("schema", 2, 2_440))
    )
)
STATES: Final = (
    *("aux", "check_io", "emulator", "gc", "other", "port", "sleep"),
    *("alloc", "bif", "busy_wait", "ets", "gc_full", "nif", "send", "timers"),
)
MICROSTATES: Final = Microstates(
    (
        Thread("scheduler", 1, {state: float(number) for number, state in enumerate(STATES)}),
        Thread("poll", 0, dict.fromkeys(STATES, 0.25)),
    )
)
SHARED: Final[Mapping[str, Result]] = {
    "allocators": ALLOCATORS,
    "distribution": DISTRIBUTION,
    "mnesia": MNESIA,
    "microstates": MICROSTATES,
    "mailboxes": Mailboxes(QUEUES, ()),
    "processes": Processes(QUEUES, 14_680_064, 4_203_992, (), ()),
}

_SYSTEM_ITEMS: Final[Mapping[str, Term]] = {
    "process_count": 412,
    "process_limit": 2_097_152,
    "port_count": 12,
    "port_limit": 65_536,
    "atom_count": 18_211,
    "atom_limit": 1_048_576,
    "ets_count": 61,
    "ets_limit": 8192,
    "schedulers": 2,
    "schedulers_online": 2,
    "dirty_cpu_schedulers": 4,
    "dirty_cpu_schedulers_online": 3,
    "dirty_io_schedulers": 10,
    "logical_processors": 6,
    "logical_processors_available": 5,
    "logical_processors_online": 8,
    "thread_pool_size": 1,
    "wordsize": 8,
    "smp_support": TRUE,
    "threads": TRUE,
    "time_correction": FALSE,
    "otp_release": [*b"26"],
    "version": [*b"14.2.1"],
    "start_time": -86_400_500_000_000,
}
_STATISTICS_ITEMS: Final[Mapping[str, Term]] = {
    "io": ((Atom("input"), 7_340_032), (Atom("output"), 2_097_153)),
    "context_switches": (1_204_551, 0),
    "garbage_collection": (50_231, 90_871_230, 0),
    "reductions": (81_023_441, 1),
    "runtime": (51_250, 1),
    "run_queue_lengths_all": [2, 2, 3, 1],
}
_REGISTERED: Final = {"governance_sup": 123, "receipt_ledger_sup": 124}


def _system_info(item: Atom) -> Term:
    return _SYSTEM_ITEMS[item.name]


def _statistics(item: Atom) -> Term:
    return _STATISTICS_ITEMS[item.name]


def _whereis(name: Atom) -> Term:
    return Pid(Atom(NODE), _REGISTERED[name.name], 0, CREATION) if name.name in _REGISTERED else UNDEFINED


# What a function of the node does: gives a value, raises, or is computed from its arguments.
Behaviour: TypeAlias = "Term | Exception | Callable[..., Term]"
# What an expression does there: the same, from its bindings; an `Evaluated` says also what its worker spent.
Evaluation: TypeAlias = "Term | Evaluated | Exception | Callable[[Mapping[str, Term]], Term | Evaluated]"

_BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    "erlang:memory": [(Atom(kind), getattr(MEMORY, kind)) for kind in Memory.__dataclass_fields__],
    "erlang:system_info": _system_info,
    "erlang:statistics": _statistics,
    "erlang:monotonic_time": 0,
    "erlang:convert_time_unit": 1_000_000_000,
    "ets:info": UNDEFINED,
    "erlang:binary_to_existing_atom": lambda name: Atom(name.decode()),
    "erlang:whereis": _whereis,
    "erlang:is_process_alive": TRUE,
}


# -------------------------------------------------------------------------------------------------------------- fakes


class FakeSession(Session):
    """Answers as a healthy node does, unless ``behaviours`` (by ``module:function``) says otherwise.

    An expression gives what ``evaluations`` has for its name. ``calls`` has every call that was made, and the names of
    the expressions that were evaluated. Between `hold` and `release` nothing is answered.
    """

    def __init__(self, name: str = NODE, creation: int = CREATION) -> None:
        self.own = Identity(NodeName.parse("2HVP0TDI4GTFO@127.0.0.1"), 7)
        self.peer = Identity(NodeName.parse(name), creation)
        self.connected_at = 0.0
        self.behaviours = dict(_BEHAVIOURS)
        self.evaluations: dict[str, Evaluation] = {}
        self.calls: list[str] = []
        self._is_closed = False
        self._counters = Counters(skipped=3)
        self._may_answer = asyncio.Event()
        self._may_answer.set()
        self._was_called = asyncio.Event()

    @property
    def counters(self) -> Counters:
        return self._counters

    @property
    def is_closed(self) -> bool:
        return self._is_closed

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
        del deadline_seconds, max_heap_words, max_answer_bytes
        self.calls.append(f"{module}:{function}")
        self._was_called.set()
        await self._may_answer.wait()
        if (module, function) == ("lists", "zipwith3"):
            return self._answer_each(arguments)
        return self._answer(f"{module}:{function}", arguments)

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
        del deadline_seconds, max_heap_words, max_answer_bytes, is_sweep
        self.calls.append(expression.name)
        self._was_called.set()
        await self._may_answer.wait()
        scripted = self.evaluations[expression.name]
        if isinstance(scripted, Exception):
            raise scripted
        value = scripted(bindings) if callable(scripted) else scripted
        return value if isinstance(value, Evaluated) else Evaluated(value, worker_seconds=0.002, reductions=300_000)

    def _answer_each(self, arguments: Sequence[Term]) -> list[Term]:
        _apply, *columns = arguments
        modules, functions, rows = (column for column in columns if isinstance(column, list))
        return [
            self._answer(f"{module.name}:{function.name}", row)
            for module, function, row in zip(modules, functions, rows, strict=True)
            if isinstance(module, Atom) and isinstance(function, Atom) and isinstance(row, list)
        ]

    def _answer(self, function: str, arguments: Sequence[Term]) -> Term:
        behaviour = self.behaviours[function]
        if isinstance(behaviour, Exception):
            raise behaviour
        return behaviour(*arguments) if callable(behaviour) else behaviour

    def hold(self) -> None:
        self._may_answer.clear()

    def release(self) -> None:
        self._may_answer.set()

    async def was_called(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._was_called.wait()

    def close(self) -> None:
        self._is_closed = True

    async def wait_closed(self) -> ConnectionLost:
        return ConnectionLost("we have closed the connection")


class FakeNode(Node):
    """Is connected and disconnected by the test, and makes no connection of its own."""

    def __init__(self, name: str = NODE, session: FakeSession | None = None) -> None:
        super().__init__(Target.parse(name), Cookie("a cookie that no test reads"))
        self.is_entered = False
        self.askers = 0  # that looked at the state so far, to ask or to join a question
        self._one_more = asyncio.Event()
        if session is None:
            self.disconnect(NodeUnreachable(f"{name} on port 9100: nothing listens there"))
        else:
            self.connect(session)

    def connect(self, session: FakeSession) -> None:
        self._state = Up(session)

    def disconnect(self, error: AgentError) -> None:
        self._state = Down(error, 1)

    @property
    def state(self) -> State:
        self.askers += 1
        self._one_more.set()
        return super().state

    async def was_asked(self, times: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.askers < times:
                self._one_more.clear()
                await self._one_more.wait()

    async def __aenter__(self) -> Self:
        self.is_entered = True
        return self

    async def __aexit__(self, *_about: object) -> None:
        self.is_entered = False


class FakeClock:
    """Stands in for the module ``time`` where one is read; it moves when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


# ----------------------------------------------------------------------------------------------------------- builders


def answered(result: Result, duration_seconds: float = 0.004) -> Answered:
    return Answered(result, MOMENT, duration_seconds)


def failed(error: AgentError, duration_seconds: float = 0.5) -> Failed:
    return Failed(error, duration_seconds)


def snapshot(name: str = NODE, /, **changes: Outcome) -> Snapshot:
    """Build the snapshot of a healthy node in a scrape, but for these probes."""
    shared = {probe: answered(result, 0.016) for probe, result in SHARED.items()}
    return Snapshot(
        Target.parse(name),
        MOMENT,
        peer=Identity(NodeName.parse(name), CREATION),
        outcomes={probe: answered(result) for probe, result in RESULTS.items()}
        | {probe: outcome for probe, outcome in changes.items() if probe not in shared},
        shared=shared | {probe: outcome for probe, outcome in changes.items() if probe in shared},
        costs={"memory": 0.0117, "mailboxes": 0.25, "processes": 1.75},
        made_at=MOMENT + timedelta(seconds=0.25),
    )


def snapshot_down(name: str = NODE, *, internal_errors: int = 0) -> Snapshot:
    """Build the snapshot of a node that is not connected."""
    trouble = NodeUnreachable(f"{name} on port 9100: nothing listens there")
    return Snapshot(Target.parse(name), MOMENT, trouble=trouble, internal_errors=internal_errors)


def watch(node: FakeNode, instance_id: str | None = None) -> WatchedNode:
    """Watch a node with all the probes of the service."""
    return WatchedNode(node, vital_signs(EXPECTED_SUPERVISORS), lambda: instance_id)


def fleet_of(*sessions: FakeSession) -> Fleet:
    """Watch a connected node for each session."""
    return Fleet([watch(FakeNode(str(session.peer.name), session)) for session in sessions])


def fleet_down(*names: str) -> Fleet:
    """Watch nodes that are not connected."""
    return Fleet([watch(FakeNode(name)) for name in names])


# ---------------------------------------------------------------------------------------------------------- over HTTP


@contextlib.asynccontextmanager
async def serving(
    fleet: Fleet, settings: Settings | None = None, trends: Trends | None = None, asker: str = "127.0.0.1"
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a fleet without a socket, and close it at the end; an error of the app becomes the answer it would be."""
    app = create_app(fleet, settings or Settings(), trends)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(asker, 50_000))
    async with fleet, httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9750") as client:
        yield client


@contextlib.contextmanager
def serving_on_a_port(app: FastAPI, address: str = "127.0.0.1") -> Iterator[str]:
    """Serve on a real port, from a thread, for code that makes its own requests. Gives the URL."""
    with socket.create_server((address, 0)) as listener:
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", proxy_headers=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://{address}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()


def own_address() -> str:
    """Return an address of this machine that is not its loopback one, or skip the test where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as towards:
        try:
            towards.connect(("198.51.100.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address but its loopback ones")
        address: str = towards.getsockname()[0]
        return address


def assert_problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """Assert the one shape that every error has over HTTP, and return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert set(problem) - {"node"} == {"type", "title", "status", "detail"}
    assert problem["type"] == f"urn:beamwarden:{kind}"
    assert problem["title"] == HTTPStatus(status).phrase
    assert problem["status"] == status
    assert isinstance(problem["detail"], str)
    assert problem["detail"]
    if "node" in problem:
        assert set(problem["node"]) == {"name", "creation", "instance_id"}
    return problem
