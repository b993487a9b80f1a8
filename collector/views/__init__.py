"""What a person can look at, one subject per file: how it is asked for, which question answers it, what the answer has.

A `View` is all that the REST API, the command line and `top` know of a subject. To add one: copy ``processes.py``, give
it a route in `collector.routes.diagnostics`, a drawing in `collector.render` and a command in
`collector.command_line.looking`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import ConnectionLost
from agent.probes import Result
from collector.models import NoAnswer, ProbeAnswer
from collector.question import Question
from collector.settings import Settings
from collector.snapshot import Snapshot

DEFAULT_LIMIT = 20
MAX_LIMIT = 100

Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description=f"How many rows, 1 to {MAX_LIMIT}.")]


class Query(BaseModel):
    """The parameters that every view has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fresh: bool = Field(
        default=False,
        description="Ask the node anew when the answer is older than 5 s; otherwise take what is known, which is asked "
        "anew as often as our share of a scheduler allows.",
    )


QueryT = TypeVar("QueryT", bound=Query)
AnswerT = TypeVar("AnswerT", bound=ProbeAnswer)
_Kind = TypeVar("_Kind", bound=Result)


@dataclass(frozen=True, slots=True)
class View(Generic[QueryT, AnswerT]):
    """One subject. ``path`` is its address below a node."""

    path: str
    question: Callable[[QueryT, Settings], Question]
    model: type[AnswerT]
    answer: Callable[[Snapshot, QueryT], AnswerT]


class NotFound(Exception):
    """What was named is not there; ``nearest`` are names that are."""

    def __init__(self, snapshot: Snapshot, what: str, nearest: Sequence[str] = ()) -> None:
        self.snapshot = snapshot
        self.nearest = tuple(nearest)
        super().__init__(f"{what}; the nearest that exist: {', '.join(nearest)}" if nearest else what)


def head(snapshot: Snapshot, probe: str, left_out: Sequence[str] = ()) -> dict[str, object]:
    """Return the fields that every answer of a view has, for the one probe that answers it."""
    return ProbeAnswer.head_of(snapshot, (probe,), left_out)


def need(snapshot: Snapshot, probe: str, kind: type[_Kind]) -> _Kind:
    """Return what the probe found. Raises `NoAnswer` when it found nothing."""
    result = snapshot.result(kind)
    if result is None:
        raise NoAnswer(snapshot, snapshot.why_no(probe) or ConnectionLost("it was not asked"))
    return result
