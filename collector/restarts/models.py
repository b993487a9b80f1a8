"""What is asked for and what is answered about a restart: the same models for the REST API and the command line."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agent.actions.guards import Refusal
from agent.actions.plan import Plan, names_to_accept, shutdown_limit_seconds
from agent.restarting import NoFacts, RestartFacts, Table
from agent.supervision import Supervisor
from collector.models import NodeReference, Problem

MAX_NAME_CHARACTERS = 1_000
MAX_REASON_CHARACTERS = 500
MAX_ACCEPTED = 1_000

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS)]


class RestartRequest(BaseModel):
    """Which child of which supervisor, why, and what may be lost by it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    child: Name = Field(
        description="Its id as Erlang prints it, a pid, or a registered name when no supervisor is named.",
        examples=["governance_sup", '{billing_governor,<<"acme">>}', "<0.123.0>"],
    )
    supervisor: Name | None = Field(
        default=None,
        description="The supervisor that has it, by registered name or pid. Null: the one that started it.",
        examples=["tai_autonomics_sup"],
    )
    reason: str = Field(
        default="",
        max_length=MAX_REASON_CHARACTERS,
        description="Why, for the journal. Must be there unless it is a dry run.",
        examples=["mailboxes of billing grow"],
    )
    dry_run: bool = Field(default=False, description="Only plan: nothing changes.", examples=[True])
    plan_id: str | None = Field(
        default=None,
        max_length=64,
        description="The plan that was agreed to; when it is no longer true, nothing is done.",
        examples=["ca48b826d1eb4375"],
    )
    accept_data_loss: list[Name] = Field(
        default=[],
        max_length=MAX_ACCEPTED,
        description="Names of tables whose rows may be lost. One that ends in * stands for all that begin so.",
        examples=[["receipt_ledger", "billing_state_*"]],
    )
    accept_lost_children: bool = Field(
        default=False, description="Whether children may be lost that no restart brings back.", examples=[False]
    )

    @field_validator("child", "supervisor", "reason")
    @classmethod
    def _is_text(cls, text: str | None) -> str | None:
        if text is not None and any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError("it has bytes that are no text")
        return text


class GuardRefusal(BaseModel):
    """One reason why it is refused."""

    guard: str = Field(examples=["data-loss"])
    detail: str = Field(examples=["rows would be lost with their owners, in receipt_ledger: …"])
    retry_after_seconds: int | None = Field(examples=[None])

    @classmethod
    def of(cls, refusal: Refusal) -> Self:
        """Make the answer of a refusal."""
        return cls(guard=refusal.guard, detail=refusal.detail, retry_after_seconds=refusal.retry_after_seconds)


class PlanSupervisor(BaseModel):
    """The supervisor whose child it is. Restarts on request use nothing of its budget."""

    name: str | None = Field(examples=["tai_autonomics_sup"])
    pid: str = Field(examples=["<0.89.0>"])
    status: str = Field(examples=["running"])
    kind: str | None = Field(examples=["supervisor"])
    strategy: str | None = Field(examples=["one_for_all"])
    restarts: int | None = Field(description="Those that count against its budget now.", examples=[0])
    intensity: int | None = Field(examples=[5])
    period_seconds: int | None = Field(examples=[60])
    budget_left: int | None = Field(description="Null: not known.", examples=[5])

    @classmethod
    def of(cls, supervisor: Supervisor) -> Self:
        """Make the answer of a supervisor."""
        return cls(
            name=supervisor.name,
            pid=supervisor.pid,
            status=supervisor.status,
            kind=supervisor.kind,
            strategy=supervisor.strategy,
            restarts=supervisor.restarts,
            intensity=supervisor.intensity,
            period_seconds=supervisor.period_seconds,
            budget_left=supervisor.budget_left,
        )


class PlanTable(BaseModel):
    """A table with rows that belongs to a process that would end."""

    name: str = Field(examples=["receipt_ledger"])
    id: str = Field(description="How Erlang prints it.", examples=["receipt_ledger"])
    rows: int = Field(examples=[812])
    memory_bytes: int = Field(examples=[91_240])
    owner: str = Field(examples=["<0.111.0>"])
    owner_name: str | None = Field(examples=["receipt_store"])
    heir: str | None = Field(description="Who gets it, if that one lives on.", examples=[None])

    @classmethod
    def of(cls, table: Table) -> Self:
        """Make the answer of a table."""
        return cls(
            name=table.name,
            id=table.id,
            rows=table.rows,
            memory_bytes=table.memory_bytes,
            owner=table.owner,
            owner_name=table.owner_name,
            heir=table.heir,
        )


class PlanChild(BaseModel):
    """The child, and what would end with it at least: links are seen, monitors and code are not."""

    id: str = Field(examples=["governance_sup"])
    pid: str | None = Field(description="Null: it has no process, so it is only started.", examples=["<0.100.0>"])
    state: str = Field(examples=["running"])
    type: str | None = Field(examples=["supervisor"])
    restart: str | None = Field(examples=["permanent"])
    application: str | None = Field(examples=["tai_autonomics"])
    processes: int = Field(description="How many end, the child itself among them.", examples=[37])
    names: list[str] = Field(description="The registered names among them, 200 at most.", examples=[["billing_sup"]])
    names_count: int = Field(examples=[10])
    children_lost_count: int = Field(
        description="Living children that no restart brings back: temporary ones, and those that share a spec.",
        examples=[27],
    )
    children_lost: list[str] = Field(examples=[['{billing_governor,<<"acme">>}', "3 children of pool_sup"]])
    tables_lost_count: int = Field(examples=[27])
    rows_lost: int = Field(examples=[81])
    bytes_lost: int = Field(examples=[71_712])
    tables_lost: list[PlanTable] = Field(description="The largest, 200 at most.")
    tables_to_accept: list[str] = Field(
        description="What accept_data_loss has to name.", examples=[["receipt_ledger", "billing_state_*"]]
    )
    tables_kept: list[PlanTable] = Field(description="Those that an heir gets who lives on.")
    shutdown_limit_seconds: float | None = Field(
        description="How long its shutdown may take by the children's own values. Null: without limit, or not known.",
        examples=[5.0],
    )

    @classmethod
    def of(cls, facts: RestartFacts) -> Self:
        """Make the answer of what is known of a child."""
        subtree = facts.subtree
        lost = [one.id for one in subtree.temporary]
        lost += [f"{one.count} children of {one.supervisor_name or one.supervisor}" for one in subtree.shared]
        limit_seconds = shutdown_limit_seconds(facts)
        return cls(
            id=facts.id,
            pid=facts.pid,
            state=facts.state,
            type=facts.type,
            restart=facts.restart,
            application=facts.application or facts.supervisor_application,
            processes=subtree.processes,
            names=[one.name for one in subtree.names if one.name is not None],
            names_count=subtree.named,
            children_lost_count=subtree.children_lost,
            children_lost=lost,
            tables_lost_count=facts.lost_tables.count,
            rows_lost=facts.lost_tables.rows,
            bytes_lost=facts.lost_tables.memory_bytes,
            tables_lost=[PlanTable.of(table) for table in facts.lost_tables.shown],
            tables_to_accept=list(names_to_accept(facts.lost_tables.names)),
            tables_kept=[PlanTable.of(table) for table in facts.kept_tables.shown],
            shutdown_limit_seconds=None if limit_seconds == float("inf") else limit_seconds,
        )


class NextStep(BaseModel):
    """What would be restarted next if this does not help. Nobody does it by itself."""

    supervisor: str = Field(examples=["tai_autonomics_sup"])
    allowed: bool = Field(examples=[False])
    detail: str = Field(examples=["it is the top of the application tai_autonomics, …"])
    command: str | None = Field(examples=[None])


class PlanAnswer(BaseModel):
    """What a restart would do, and why it is refused if it is."""

    node: NodeReference
    plan_id: str = Field(description="Stands for all that must still be so.", examples=["ca48b826d1eb4375"])
    action: str = Field(description="restart, or start for a child that has no process.", examples=["restart"])
    allowed: bool = Field(examples=[False])
    refusals: list[GuardRefusal]
    warnings: list[str] = Field(examples=[["how many restarts tai_autonomics_sup has left is not known"]])
    supervisor: PlanSupervisor | None
    child: PlanChild | None
    service_health: str | None = Field(
        description="What the service's own /health says now.", examples=["503 supervisor governance_sup not running"]
    )
    next_step: NextStep | None

    @classmethod
    def of(cls, plan: Plan, node: NodeReference, service_health: str | None, next_step: NextStep | None) -> Self:
        """Make the answer of a plan."""
        facts = plan.facts
        has_facts = not isinstance(facts, NoFacts)
        supervisor = facts.supervisor
        return cls(
            node=node,
            plan_id=plan.id,
            action=plan.action,
            allowed=plan.is_allowed,
            refusals=[GuardRefusal.of(refusal) for refusal in plan.refusals],
            warnings=list(plan.warnings),
            supervisor=None if supervisor is None else PlanSupervisor.of(supervisor),
            child=PlanChild.of(facts) if has_facts and isinstance(facts, RestartFacts) else None,
            service_health=service_health,
            next_step=next_step,
        )


class RestartState(StrEnum):
    """What is known of an action."""

    RUNNING = "running"  # its worker is on the node, as far as we know
    DONE = "done"  # the child is up again
    FAILED = "failed"  # the child is down
    NOT_DONE = "not done"  # nothing was changed
    UNKNOWN = "unknown"  # we lost sight of it; what could be found out stands in its text
    REFUSED = "refused"


class Verdict(BaseModel):
    """What was planned, and what happened."""

    is_up: bool = Field(examples=[True])
    start: str = Field(description="How its start ended.", examples=["started"])
    reason: str | None = Field(description="Why it did not come up.", examples=[None])
    tries: int = Field(examples=[1])
    shutdown_seconds: float = Field(examples=[0.003])
    start_seconds: float = Field(examples=[0.012])
    pid_before: str | None = Field(examples=["<0.100.0>"])
    pid_now: str | None = Field(examples=["<0.157.0>"])
    processes_before: int = Field(examples=[37])
    processes_now: int | None = Field(description="Null, here and below: it could not be looked at.", examples=[10])
    names_before: int = Field(examples=[10])
    names_missing: list[str] | None = Field(description="Names that are not registered again.", examples=[[]])
    children_before: int = Field(description="Those that no restart brings back.", examples=[27])
    children_now: int | None = Field(examples=[0])
    rows_before: int = Field(description="In tables of the processes that ended.", examples=[81])
    rows_now: int | None = Field(examples=[0])
    health_before: str | None = Field(examples=["503 supervisor governance_sup not running"])
    health_after: str | None = Field(examples=["200 ok"])


class RestartAnswer(BaseModel):
    """One restart, from its intent to whether it held. It is read from the journal, whoever did it."""

    id: str = Field(examples=["01hx3v9q"])
    node: str = Field(examples=["tai_autonomics@127.0.0.1"])
    state: RestartState = Field(examples=["done"])
    action: str = Field(examples=["restart"])
    who: str = Field(examples=["anna"])
    reason: str = Field(examples=["mailboxes of billing grow"])
    supervisor: str | None = Field(examples=["tai_autonomics_sup"])
    child: str = Field(examples=["governance_sup"])
    began_at: datetime = Field(examples=["2026-11-23T03:14:07Z"])
    ended_at: datetime | None = Field(examples=["2026-11-23T03:14:09Z"])
    plan_id: str | None = Field(examples=["ca48b826d1eb4375"])
    refusals: list[GuardRefusal] = Field(default=[])
    verdict: Verdict | None = None
    is_watched: bool = Field(
        default=False, description="Whether it is still being watched if it holds.", examples=[True]
    )
    held: bool | None = Field(
        default=None, description="Whether it held while it was watched. Null: not known yet.", examples=[None]
    )
    text: str = Field(
        description="All of it, fit for a chat.", examples=["RESTARTED: governance_sup below tai_autonomics_sup, …"]
    )


class RestartsAnswer(BaseModel):
    """The latest restarts of a node, the newest first."""

    restarts: list[RestartAnswer]


class RefusalProblem(Problem):
    """A restart that guards refuse (RFC 9457): ``type`` names the first of them, ``plan`` is what is true now."""

    refusals: list[GuardRefusal]
    plan: PlanAnswer
    action_id: str = Field(description="What the journal calls the refusal.", examples=["5f3a9c2b81d0"])
