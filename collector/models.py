"""The answers of the REST API and of the command line: the same models, with units in the names of their fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import AgentError, ConnectionLost
from agent.node import Down, State, Up
from agent.preflight import Preflight
from agent.probes import Result
from agent.probes.identity import NodeIdentity
from agent.probes.memory import Memory
from agent.probes.statistics import Statistics
from agent.probes.supervisors import Supervisors
from agent.probes.system_info import SystemInfo
from collector.snapshot import Answered, Snapshot

_Kind = TypeVar("_Kind", bound=Result)


class NoAnswer(Exception):
    """The snapshot lacks what an answer needs; ``cause`` says why, ``snapshot`` of which node."""

    def __init__(self, snapshot: Snapshot, cause: AgentError) -> None:
        self.snapshot = snapshot
        self.cause = cause
        super().__init__(str(cause))


class NodeReference(BaseModel):
    """Which life of which node answered, beside which instance of the service."""

    name: str = Field(examples=["tai_autonomics@127.0.0.1"])
    creation: int | None = Field(
        description="New each time the node starts; null while it is not connected.", examples=[1763914502]
    )
    instance_id: str | None = Field(description="The Cloud Run instance; null elsewhere.", examples=["00f46b92"])

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """Name the node that a snapshot is of."""
        creation = None if snapshot.peer is None else snapshot.peer.creation
        return cls(name=snapshot.name, creation=creation, instance_id=snapshot.instance_id)


class Answer(BaseModel):
    """What every answer about a node has."""

    model_config = ConfigDict(frozen=True)

    node: NodeReference
    collected_at: datetime = Field(description="When the node was asked, in UTC.", examples=["2026-11-23T03:14:07Z"])
    age_seconds: float = Field(description="How long ago that was when this answer left.", examples=[0.012])

    @staticmethod
    def head(snapshot: Snapshot) -> dict[str, object]:
        """Return the fields that every answer has."""
        age = datetime.now(UTC) - snapshot.collected_at
        return {
            "node": NodeReference.of(snapshot),
            "collected_at": snapshot.collected_at,
            "age_seconds": max(0.0, round(age.total_seconds(), 3)),
        }


class ProbeAnswer(Answer):
    """What every answer of probes has."""

    cost_seconds: float = Field(
        description="For how long it has occupied one scheduler of the node, at the most, as its worker has measured.",
        examples=[0.0021],
    )
    complete: bool = Field(description="Whether nothing was left out.", examples=[True])
    left_out: list[str] = Field(description="What was left out, and why.", examples=[[]])

    @staticmethod
    def head_of(snapshot: Snapshot, probes: Iterable[str], left_out: Sequence[str] = ()) -> dict[str, object]:
        """Return the fields that every such answer has, for the probes that answer it."""
        outcomes = [snapshot.outcome(probe) for probe in probes]
        cost_seconds = sum(outcome.cost_seconds for outcome in outcomes if isinstance(outcome, Answered))
        return Answer.head(snapshot) | {
            "cost_seconds": round(cost_seconds, 6),
            "complete": not left_out,
            "left_out": list(left_out),
        }


class MemoryAnswer(ProbeAnswer):
    """``erlang:memory/0`` in bytes. ``total`` is ``processes`` plus ``system``; the rest are parts of these two."""

    total_bytes: int = Field(examples=[48_234_496])
    processes_bytes: int = Field(examples=[14_680_064])
    processes_used_bytes: int = Field(examples=[14_679_040])
    system_bytes: int = Field(examples=[33_554_432])
    atom_bytes: int = Field(examples=[639_185])
    atom_used_bytes: int = Field(examples=[617_003])
    binary_bytes: int = Field(examples=[1_048_576])
    code_bytes: int = Field(examples=[12_582_912])
    ets_bytes: int = Field(examples=[2_097_152])

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer`."""
        memory = _need(snapshot, Memory, "memory")
        sizes = {f"{kind}_bytes": size_bytes for kind, size_bytes in asdict(memory).items()}
        return cls.model_validate(cls.head_of(snapshot, ("memory",)) | sizes)


class SystemAnswer(ProbeAnswer):
    """Counts, limits and totals. Null: the node does not know, or its OTP does not tell any more."""

    processes: int | None = Field(examples=[412])
    process_limit: int | None = Field(examples=[2_097_152])
    ports: int | None = Field(examples=[12])
    port_limit: int | None = Field(examples=[65_536])
    atoms: int | None = Field(examples=[18_211])
    atom_limit: int | None = Field(examples=[1_048_576])
    ets_tables: int | None = Field(examples=[61])
    ets_limit: int | None = Field(examples=[8192])
    dets_tables: int | None = Field(examples=[0])
    schedulers: int | None = Field(examples=[2])
    schedulers_online: int | None = Field(examples=[2])
    dirty_cpu_schedulers: int | None = Field(examples=[2])
    dirty_cpu_schedulers_online: int | None = Field(examples=[2])
    dirty_io_schedulers: int | None = Field(examples=[10])
    logical_processors: int | None = Field(examples=[2])
    logical_processors_available: int | None = Field(examples=[2])
    logical_processors_online: int | None = Field(examples=[2])
    thread_pool_size: int | None = Field(examples=[1])
    word_size_bytes: int | None = Field(examples=[8])
    smp_support: bool | None = Field(examples=[True])
    threads: bool | None = Field(examples=[True])
    time_correction: bool | None = Field(examples=[True])
    run_queue_length: int = Field(examples=[0])
    dirty_cpu_run_queue_length: int = Field(examples=[0])
    dirty_io_run_queue_length: int = Field(examples=[0])
    reductions: int = Field(examples=[81_023_441])
    context_switches: int = Field(examples=[1_204_551])
    garbage_collections: int = Field(examples=[50_231])
    garbage_collected_words: int = Field(examples=[90_871_230])
    input_bytes: int = Field(examples=[7_340_032])
    output_bytes: int = Field(examples=[2_097_152])
    runtime_seconds: float = Field(examples=[51.2])

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer`."""
        info = asdict(_need(snapshot, SystemInfo, "system_info"))
        totals = asdict(_need(snapshot, Statistics, "statistics"))
        left_out = [f"{name}: this release does not tell" for name, value in info.items() if value is None]
        return cls.model_validate(cls.head_of(snapshot, ("system_info", "statistics"), left_out) | totals | info)


class SupervisorState(BaseModel):
    """One of the supervisors that must run."""

    name: str = Field(examples=["governance_sup"])
    is_running: bool = Field(examples=[True])
    pid: str | None = Field(examples=["<0.123.0>"])


class ConnectionState(BaseModel):
    """Whether we are connected to the node, and if not, why."""

    state: Literal["up", "down"] = Field(examples=["up"])
    reason: str | None = Field(description="Why it is down.", examples=[None])
    own_name: str | None = Field(description="What we are called by the node.", examples=["2HVP0TDI4GTFO@127.0.0.1"])
    skipped_messages: int | None = Field(description="Messages from the node that we had no use for.", examples=[0])

    @classmethod
    def of(cls, state: State) -> Self:
        """Describe the state of a connection."""
        if isinstance(state, Down):
            return cls(state="down", reason=str(state.error), own_name=None, skipped_messages=None)
        session = state.session
        return cls(state="up", reason=None, own_name=str(session.own.name), skipped_messages=session.counters.skipped)


class Offers(BaseModel):
    """What the node offers, as we found it when we last looked. Null: not known, ``trouble`` says why."""

    code_server_answers: bool | None = Field(
        description="Whether modules can be loaded; if not, what needs one that is not loaded gets no answer.",
        examples=[True],
    )
    has_erpc: bool | None = Field(
        description="If not, a question that fails leaves a line in the node's log.", examples=[True]
    )
    can_evaluate: bool | None = Field(
        description="Whether stdlib's evaluator of expressions is there.", examples=[True]
    )
    net_ticktime_seconds: float = Field(description="As the node has it; we tick by it.", examples=[60.0])
    tick_intensity: int = Field(examples=[4])
    trouble: str | None = Field(description="What is missing, in words; null when nothing is.", examples=[None])

    @classmethod
    def of(cls, preflight: Preflight) -> Self:
        """Make the answer of a pre-flight."""
        return cls(
            code_server_answers=preflight.code_server_answers,
            has_erpc=preflight.has_erpc,
            can_evaluate=preflight.can_evaluate,
            net_ticktime_seconds=preflight.ticks.net_ticktime_seconds,
            tick_intensity=preflight.ticks.intensity,
            trouble=preflight.trouble,
        )


class NodeAnswer(Answer):
    """What a node is. The last fields are null while it does not answer."""

    connection: ConnectionState
    trouble: str | None = Field(
        description="Why the node is not connected or does not answer; null when it does.", examples=[None]
    )
    offers: Offers | None = Field(description="Null while it is not connected.")
    otp_release: str | None = Field(examples=["26"])
    erts_version: str | None = Field(examples=["14.2.1"])
    uptime_seconds: float | None = Field(examples=[86_400.5])
    supervisors: list[SupervisorState] | None = Field(description="Those that the settings expect.")

    @classmethod
    def of(cls, snapshot: Snapshot, state: State) -> Self:
        """Make the answer of a snapshot and the state of the connection."""
        identity = snapshot.result(NodeIdentity)
        supervisors = snapshot.result(Supervisors)
        return cls.model_validate(
            Answer.head(snapshot)
            | {
                "connection": ConnectionState.of(state),
                "trouble": None if (why := snapshot.why_no("identity")) is None else str(why),
                "offers": Offers.of(state.preflight) if isinstance(state, Up) and state.preflight else None,
                "otp_release": identity and identity.otp_release,
                "erts_version": identity and identity.erts_version,
                "uptime_seconds": identity and round(identity.uptime_seconds, 3),
                "supervisors": supervisors
                and [
                    SupervisorState(name=found.name, is_running=found.is_running, pid=found.pid)
                    for found in supervisors.expected
                ],
            }
        )


class Problem(BaseModel):
    """An error (RFC 9457), for programs by ``type`` and ``status``, for people by ``detail``."""

    type: str = Field(examples=["urn:beamwarden:node-not-connected"])
    title: str = Field(examples=["Service Unavailable"])
    status: int = Field(examples=[503])
    detail: str = Field(examples=["tai_autonomics@127.0.0.1 on port 9100: nothing listens there"])
    node: NodeReference | None = Field(default=None, description="The node that the error is about.")


class NodeHealth(NodeReference):
    """One node as `/health` has it."""

    reason: str | None = Field(description="Why it is unavailable; null when it is not.", examples=[None])


class HealthAnswer(BaseModel):
    """The playbook's health: ``status``, and the worst ``reason`` when something is unavailable."""

    status: Literal["ok", "unavailable"] = Field(examples=["unavailable"])
    reason: str | None = Field(default=None, examples=["supervisor governance_sup not running"])
    nodes: list[NodeHealth]


class NodesAnswer(BaseModel):
    """All the nodes that this collector watches."""

    nodes: list[NodeAnswer]


def _need(snapshot: Snapshot, kind: type[_Kind], probe: str) -> _Kind:
    result = snapshot.result(kind)
    if result is None:
        raise NoAnswer(snapshot, snapshot.why_no(probe) or ConnectionLost("it was not asked"))
    return result
