"""What a node answered at one moment: everything that metrics, health and API are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias, TypeVar

from agent.errors import AgentError, DeadlineExceeded
from agent.handshake import Identity
from agent.names import Target
from agent.probes import Result

_Kind = TypeVar("_Kind", bound=Result)


class Bug(AgentError):
    """A probe met a bug of ours; the log has the details."""


class UnderWay(DeadlineExceeded):
    """The question is being answered, and nobody has an answer to it yet."""


class TooSoon(AgentError):
    """The same question was asked a moment ago, and the settings have us wait before it is asked again."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Answered:
    """A probe that has its result, when it was asked and how long that took.

    ``cost_seconds`` is what it took of one scheduler of the node, as `collector.question` reckons.
    """

    result: Result
    asked_at: datetime
    duration_seconds: float
    cost_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """A probe that has none, and why.

    ``cost_seconds`` is the most that a sweep can have cost all the same. ``is_overrun``: it was still running when its
    time was over, and so costs more than it ever did.
    """

    error: AgentError
    duration_seconds: float
    cost_seconds: float = 0.0
    is_overrun: bool = False


Outcome: TypeAlias = Answered | Failed


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One node at one moment. ``trouble`` is set, and nothing was asked, when it is not connected.

    ``outcomes`` are of what was asked now, ``shared`` of sweeps, whose answers may be from before.
    ``costs`` has what each probe has cost the node so far, in seconds of one scheduler.
    """

    target: Target
    collected_at: datetime
    instance_id: str | None = None
    peer: Identity | None = None
    trouble: AgentError | None = None
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    shared: Mapping[str, Outcome] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    made_at: datetime | None = None  # when it was put together; what is older than that was there before
    internal_errors: int = 0  # bugs of ours that were met with this node so far

    @property
    def name(self) -> str:
        """The node's name, as people and labels have it."""
        return str(self.target.node)

    @property
    def is_up(self) -> bool:
        """Whether the node answered anything at all this time.

        A connection that stands says nothing of it, nor does the answer of a sweep, which may be from before.
        """
        return any(isinstance(outcome, Answered) for outcome in self.outcomes.values())

    def outcome(self, probe: str) -> Outcome | None:
        """Return what became of a probe; None when it was not asked."""
        return self.outcomes.get(probe) or self.shared.get(probe)

    def result(self, kind: type[_Kind]) -> _Kind | None:
        """Return the result of that kind, or None when its probe failed or was not asked."""
        for outcome in (*self.outcomes.values(), *self.shared.values()):
            if isinstance(outcome, Answered) and isinstance(outcome.result, kind):
                return outcome.result
        return None

    def why_no(self, probe: str) -> AgentError | None:
        """Return why a probe has no result; None when it has one, or was not asked."""
        outcome = self.outcome(probe)
        return outcome.error if isinstance(outcome, Failed) else self.trouble
