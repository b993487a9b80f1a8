"""Governors: the workers below the supervisors that hold them, and the state of one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from agent.expression import Shell
from agent.probes import Probe, Result, governor_ages, governors, lookup
from agent.probes.governor_ages import AgedGovernors
from agent.probes.governors import Governor, GovernorState
from agent.probes.process import NoProcess, is_printed_pid
from agent.supervision import ChildState, Status
from collector.models import ProbeAnswer
from collector.question import SWEEP_SECONDS, Question
from collector.settings import Settings
from collector.snapshot import Snapshot
from collector.views import NotFound, Query, View, head, need

DEFAULT_GOVERNORS: Final = 100
MAX_GOVERNORS: Final = governors.MAX_LISTED

# ------------------------------------------------------------------------------------------------------- all governors


class GovernorsQuery(Query):
    """Parameters of ``/governors``."""

    limit: Annotated[int, Field(ge=1, le=MAX_GOVERNORS)] = Field(
        default=DEFAULT_GOVERNORS, description=f"How many rows, 1 to {MAX_GOVERNORS}. Of more governors the worst."
    )


class GovernorRow(BaseModel):
    """One governor. Null: it has no process, or it has just gone."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="Its id in its supervisor, printed.", examples=['{billing_governor,<<"acme">>}'])
    supervisor: str = Field(description="The registered name of its supervisor, or the pid.", examples=["billing_sup"])
    pid: str | None = Field(examples=["<0.130.0>"])
    state: ChildState = Field(description="Of its process; undefined: there is none.", examples=["running"])
    is_alive: bool = Field(examples=[True])
    message_queue_len: int | None = Field(examples=[0])
    current_function: str | None = Field(examples=["gen_statem:loop_receive/3"])
    age_at_least_seconds: float | None = Field(
        description="For how long it has been seen. Erlang keeps no time at which a process began.", examples=[930.5]
    )
    age_at_most_seconds: float | None = Field(
        description="Since when it was not seen yet; for one that was there when it was asked for the first time, how "
        "long the node is up.",
        examples=[945.7],
    )


class UnreadSupervisor(BaseModel):
    """A supervisor whose children are not known."""

    model_config = ConfigDict(from_attributes=True)

    pid: str = Field(examples=["<0.125.0>"])
    name: str | None = Field(examples=["quota_sla_sup"])
    status: Status = Field(examples=["not answering"])
    why_not_listed: str | None = Field(examples=[None])
    current_function: str | None = Field(examples=["proc_lib:sync_start_link/2"])
    message_queue_len: int | None = Field(examples=[3])


class GovernorsAnswer(ProbeAnswer):
    """All governors together, and which they are. Of too many the worst: no process first, then the longest queues."""

    governor_count: int = Field(examples=[24])
    alive: int = Field(examples=[23])
    missing: list[str] = Field(
        description="Those of `governor_supervisors` that nobody is registered as.", examples=[["governance_sup"]]
    )
    not_read: list[UnreadSupervisor] = Field(description="Supervisors below them whose children are not known.")
    governors: list[GovernorRow]

    @classmethod
    def of(cls, snapshot: Snapshot, query: GovernorsQuery) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer`."""
        aged = need(snapshot, "governors", AgedGovernors)
        found = aged.found
        return cls.model_validate(
            head(snapshot, "governors", found.left_out)
            | {
                "governor_count": found.total,
                "alive": found.alive,
                "missing": found.missing,
                "not_read": found.not_read,
                "governors": [_row(aged, each) for each in _chosen(found.governors, query.limit)],
            }
        )


def _chosen(listed: Sequence[Governor], limit: int) -> Sequence[Governor]:
    """Return all in the order of the tree; of more than are wanted the worst."""
    if len(listed) <= limit:
        return listed
    return sorted(listed, key=lambda one: (one.is_alive, -(one.message_queue_len or 0)))[:limit]


def _row(aged: AgedGovernors, governor: Governor) -> dict[str, object]:
    age = aged.age(governor)
    return {
        "id": governor.id,
        "supervisor": governor.supervisor,
        "pid": governor.pid,
        "state": governor.state,
        "is_alive": governor.is_alive,
        "message_queue_len": governor.message_queue_len,
        "current_function": governor.current_function,
        "age_at_least_seconds": None if age is None else round(age.at_least_seconds, 1),
        "age_at_most_seconds": None if age is None else round(age.at_most_seconds, 1),
    }


def sweep_governors(settings: Settings) -> Question:
    """Ask for the governors below the supervisors that these settings name."""
    supervisors = settings.governor_supervisors

    def follow_up(before: Result) -> Probe:
        return partial(governor_ages.ask, supervisors, before if isinstance(before, AgedGovernors) else None)

    ask = partial(governor_ages.ask, supervisors, None)
    return Question("governors", ask, supervisors, deadline_seconds=SWEEP_SECONDS, is_sweep=True, follow_up=follow_up)


GOVERNORS = View("governors", lambda _query, settings: sweep_governors(settings), GovernorsAnswer, GovernorsAnswer.of)


# -------------------------------------------------------------------------------------------------------- one governor


class GovernorQuery(Query):
    """Parameters of ``/governor``."""

    pid: Annotated[str, Field(min_length=1, max_length=1024)] = Field(
        description="A pid, 0.123.0 or <0.123.0>, a registered name, or an id as /governors prints it.",
        examples=['{billing_governor,<<"acme">>}'],
    )


class GovernorAnswer(ProbeAnswer):
    """The state that one gen_statem is in. Its data stays on the node."""

    pid: str = Field(examples=["<0.130.0>"])
    name: str | None = Field(description="Its registered name.", examples=[None])
    state: str | None = Field(description="The name of its state; null: why_not says why.", examples=["active"])
    why_not: str | None = Field(examples=["not answering"])
    is_suspended: bool = Field(description="By sys:suspend.", examples=[False])
    current_function: str | None = Field(examples=["gen_statem:loop_receive/3"])
    message_queue_len: int | None = Field(examples=[0])

    @classmethod
    def of(cls, snapshot: Snapshot, query: GovernorQuery) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer` and `NotFound`."""
        missing = snapshot.result(NoProcess)
        found = None if missing else need(snapshot, "governor", GovernorState)
        if found is None or found.pid is None or found.why_not == "gone":
            is_pid = is_printed_pid(query.pid)
            what = f"no process {query.pid} is alive" if is_pid else f"no process and no single governor is {query.pid}"
            raise NotFound(snapshot, what, missing.nearest if missing else ())
        facts = {name: getattr(found, name) for name in GovernorState.__dataclass_fields__}
        return cls.model_validate(head(snapshot, "governor") | facts)


def _ask_governor(query: GovernorQuery, settings: Settings) -> Question:
    async def ask(shell: Shell, deadline_seconds: float) -> GovernorState | NoProcess:
        found = await lookup.find_governor(query.pid, settings.governor_supervisors, shell, deadline_seconds * 2 / 3)
        return found if isinstance(found, NoProcess) else await governors.ask_state(found, shell, deadline_seconds / 3)

    return Question("governor", ask, (query.pid, settings.governor_supervisors), deadline_seconds=SWEEP_SECONDS)


GOVERNOR = View("governor", _ask_governor, GovernorAnswer, GovernorAnswer.of)
