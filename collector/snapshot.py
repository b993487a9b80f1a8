"""What a node answered at one moment: everything that metrics, health and API are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias, TypeVar

from agent.errors import AgentError
from agent.handshake import Identity
from agent.names import Target
from agent.probes import Result

_Kind = TypeVar("_Kind", bound=Result)


class Bug(AgentError):
    """A probe met a bug of ours; the log has the details."""


class TooSoon(AgentError):
    """The same question was asked a moment ago, and the settings have us wait before it is asked again."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Answered:
    """A probe that has its result, when it was asked and how long that took.

    ``cost_seconds`` is what its workers took of one scheduler of the node, as far as they measure themselves: those
    that look at a handful of counters do not, and count for nothing.
    """

    result: Result
    asked_at: datetime
    duration_seconds: float
    cost_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """A probe that has none, and why."""

    error: AgentError
    duration_seconds: float


Outcome: TypeAlias = Answered | Failed


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One node at one moment. ``trouble`` is set, and nothing was asked, when it is not connected."""

    target: Target
    collected_at: datetime
    instance_id: str | None = None
    peer: Identity | None = None
    trouble: AgentError | None = None
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    shared: Mapping[str, Outcome] = field(default_factory=dict)  # of sweeps; these may be from before
    costs: Mapping[str, float] = field(default_factory=dict)  # seconds of one scheduler so far, by probe
    internal_errors: int = 0  # bugs of ours that were met with this node so far

    @property
    def name(self) -> str:
        """The node's name, as people and labels have it."""
        return str(self.target.node)

    @property
    def is_up(self) -> bool:
        """Whether the node answered anything at all this time (a connection that stands says nothing of it)."""
        return any(isinstance(outcome, Answered) for outcome in self.outcomes.values())

    def result(self, kind: type[_Kind]) -> _Kind | None:
        """Return the result of that kind, or None when its probe failed or was not asked."""
        for outcome in (*self.outcomes.values(), *self.shared.values()):
            if isinstance(outcome, Answered) and isinstance(outcome.result, kind):
                return outcome.result
        return None

    def why_no(self, probe: str) -> AgentError | None:
        """Return why a probe has no result; None when it has one, or was not asked."""
        outcome = self.outcomes.get(probe) or self.shared.get(probe)
        return outcome.error if isinstance(outcome, Failed) else self.trouble
