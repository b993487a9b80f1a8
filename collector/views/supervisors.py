"""Supervisors: the tree of every application, with the restarts that each has left; or the tree below one of them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from agent.expression import Shell
from agent.probes import lookup, supervision_tree
from agent.probes.process import NoProcess, is_printed_pid
from agent.probes.supervision_tree import SupervisionTree
from agent.supervision import ChildState, Kind, Status
from collector.models import ProbeAnswer
from collector.question import SWEEP_SECONDS, Question
from collector.settings import Settings
from collector.snapshot import Snapshot
from collector.views import NotFound, Query, View, head, need


class ChildCounts(BaseModel):
    """How many children a supervisor has, by their state."""

    model_config = ConfigDict(from_attributes=True)

    total: int = Field(examples=[2])
    running: int = Field(examples=[1])
    restarting: int = Field(examples=[0])
    terminated: int = Field(description="Dead, and their supervisor has not noticed yet.", examples=[0])
    undefined: int = Field(description="There is no process.", examples=[1])
    unknown: int = Field(description="A process of another node.", examples=[0])


class ChildRow(BaseModel):
    """One child, as its supervisor has it. Null: this kind of supervisor does not keep it."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="Printed as Erlang does.", examples=['{billing_governor,<<"acme">>}'])
    pid: str | None = Field(description="Null: there is no process.", examples=["<0.123.0>"])
    state: ChildState = Field(
        description="restarting: its start failed and is tried again; terminated: dead, and its supervisor has not "
        "noticed yet; undefined: there is no process; unknown: a process of another node.",
        examples=["running"],
    )
    type: str | None = Field(examples=["worker"])
    restart: str | None = Field(examples=["permanent"])
    shutdown: int | str | None = Field(description="Milliseconds, brutal_kill or infinity.", examples=[5000])
    significant: bool | None = Field(examples=[False])
    modules: list[str] = Field(description="Empty: it says dynamic.", examples=[["tai_governor"]])
    supervisor: SupervisorRow | None = Field(
        description="What a living child is that is declared a supervisor.", examples=[None]
    )


class SupervisorRow(BaseModel):
    """One supervisor, or what is declared to be one. Null: not known, or this kind does not keep it."""

    model_config = ConfigDict(from_attributes=True)

    pid: str = Field(examples=["<0.120.0>"])
    name: str | None = Field(description="Its registered name.", examples=["governance_sup"])
    status: Status = Field(
        description="not answering: busy or stuck, so it got no question; suspended: by sys:suspend, it restarts "
        "nothing; not a supervisor: although its parent says so, so it got no question; too large: asking would copy "
        "too much.",
        examples=["running"],
    )
    kind: Kind | None = Field(description="Which code it runs.", examples=["supervisor"])
    module: str | None = Field(description="Its callback module.", examples=["tai_sup"])
    initial_call: str | None = Field(examples=["supervisor:tai_sup/1"])
    strategy: str | None = Field(examples=["one_for_one"])
    intensity: int | None = Field(description="How many restarts it bears within period_seconds.", examples=[5])
    period_seconds: int | None = Field(examples=[60])
    restarts: int | None = Field(description="Of these it has made so many.", examples=[1])
    budget_left: int | None = Field(
        description="How many more it bears now before it ends; null: the budget is unknown.", examples=[4]
    )
    counts: ChildCounts | None = Field(description="Null: not even counted.")
    children: list[ChildRow] | None = Field(description="Null: not listed.")
    why_not_listed: str | None = Field(examples=["more than are listed of one supervisor"])
    current_function: str | None = Field(
        description="Of one that got no question.", examples=["proc_lib:sync_start_link/2"]
    )
    message_queue_len: int | None = Field(description="Of one that got no question.", examples=[0])
    heap_bytes: int | None = Field(examples=[22_880])
    may_be_suspended: bool = Field(
        description="It hibernates, and this release does not let us tell that from a suspended one.", examples=[False]
    )


class RootRow(BaseModel):
    """Where a tree begins: an application's top process, or a supervisor that was asked for."""

    model_config = ConfigDict(from_attributes=True)

    application: str | None = Field(examples=["tai_autonomics"])
    asked_for: str | None = Field(
        description="One of `extra_supervisors`, which belongs to no application.", examples=["lonely_sup"]
    )
    supervisor: SupervisorRow | None = Field(description="Null: there is none.")
    why: str | None = Field(description="Why there is none.", examples=["nobody is registered under this name"])


# ------------------------------------------------------------------------------------------------------ all supervisors


class SupervisorsQuery(Query):
    """Parameters of ``/supervisors``."""


class SupervisorsAnswer(ProbeAnswer):
    """The trees of all applications, and of the supervisors outside of applications that the settings name."""

    supervisor_count: int = Field(examples=[14])
    roots: list[RootRow]

    @classmethod
    def of(cls, snapshot: Snapshot, _query: SupervisorsQuery) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer`."""
        found = need(snapshot, "supervision_tree", SupervisionTree)
        counted = sum(one.status not in {Status.NOT_A_SUPERVISOR, Status.GONE} for one in found.supervisors())
        return cls.model_validate(
            head(snapshot, "supervision_tree", found.left_out) | {"supervisor_count": counted, "roots": found.roots}
        )


def sweep_supervisors(settings: Settings) -> Question:
    """Ask for all trees, with those that begin at the supervisors that these settings name."""
    extra = settings.extra_supervisors

    async def ask(shell: Shell, deadline_seconds: float) -> SupervisionTree:
        return await supervision_tree.ask(shell, deadline_seconds, extra_roots=extra)

    return Question("supervision_tree", ask, extra, deadline_seconds=SWEEP_SECONDS, is_sweep=True)


SUPERVISORS = View(
    "supervisors", lambda _query, settings: sweep_supervisors(settings), SupervisorsAnswer, SupervisorsAnswer.of
)


# ------------------------------------------------------------------------------------------------------ one supervisor


class SupervisorQuery(Query):
    """Parameters of ``/supervisor``."""

    name: Annotated[str, Field(min_length=1, max_length=255)] = Field(
        description="A registered name, or a pid, 0.123.0 or <0.123.0>.", examples=["governance_sup"]
    )


class SupervisorAnswer(ProbeAnswer):
    """One supervisor, and the tree below it."""

    supervisor: SupervisorRow

    @classmethod
    def of(cls, snapshot: Snapshot, query: SupervisorQuery) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer` and `NotFound`."""
        if missing := snapshot.result(NoProcess):
            raise no_such_process(snapshot, query.name, missing.nearest)
        found = need(snapshot, "supervisor", SupervisionTree)
        top = found.roots[0].supervisor
        if top is None or top.status is Status.GONE:
            raise no_such_process(snapshot, query.name)
        return cls.model_validate(head(snapshot, "supervisor", found.left_out) | {"supervisor": top})


def no_such_process(snapshot: Snapshot, name: str, nearest: tuple[str, ...] = ()) -> NotFound:
    """Return what to say of a name or a pid that nobody has."""
    what = f"no process {name} is alive" if is_printed_pid(name) else f"no process is registered as {name}"
    return NotFound(snapshot, what, nearest)


def _ask_supervisor(query: SupervisorQuery, _settings: Settings) -> Question:
    async def ask(shell: Shell, deadline_seconds: float) -> SupervisionTree | NoProcess:
        found = await lookup.find(query.name, shell, deadline_seconds / 5)
        if isinstance(found, NoProcess):
            return found
        return await supervision_tree.ask(shell, deadline_seconds * 4 / 5, below=found)

    return Question("supervisor", ask, query.name, deadline_seconds=SWEEP_SECONDS)


SUPERVISOR = View("supervisor", _ask_supervisor, SupervisorAnswer, SupervisorAnswer.of)
