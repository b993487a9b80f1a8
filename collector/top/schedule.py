"""What is asked when. A timer asks as programs do, and a key that is pressed as a person does.

While a pane is shown, its question may cost the node more than programs may: a person looks. But a screen that was left
open is no person any more, so what is dear is asked less often then too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from collector.command_line.keeping import KeptSource
from collector.freshness import PERSON_MAX_AGE_SECONDS, Asker
from collector.models import Answer, NodeAnswer, ProbeAnswer
from collector.top.pages import Look, Subject
from collector.top.panes import applications, supervisors
from collector.top.state import State
from collector.views.trend import TrendAnswer

DEFAULT_REFRESH_SECONDS: Final = 2.0
SELDOM_SECONDS: Final = 10.0  # for what changes seldom: what the node is, its supervisors and applications as a whole
TREND_SECONDS: Final = 4.0  # at least, for an hour of figures
LOOKING_SHARE: Final = 0.05  # of one scheduler: the most that what is shown may cost, as long as nobody presses a key

NODE: Final = "node"
MEMORY: Final = "memory"
SYSTEM: Final = "system"
TREND: Final = "trend"


@dataclass(frozen=True, slots=True)
class Wish:
    """One question that is due; ``key`` tells it from others."""

    key: str
    ask: Callable[[KeptSource], Answer]


@dataclass(frozen=True, slots=True)
class Latest:
    """What is known to a question: the latest answer, and why the last time gave none. Times are a clock's.

    ``too_soon_until``: a person has asked too often, and until then it is asked as a program asks.
    """

    asked_at: float
    answer: Answer | None = None
    received_at: float = 0.0
    trouble: str | None = None
    too_soon_until: float = 0.0

    def age_seconds(self, now: float) -> float:
        """How old the answer is."""
        return now - self.received_at + self.answer.age_seconds if self.answer else 0.0


Known = Mapping[str, Latest]


def due(state: State, known: Known, now: float, refresh_seconds: float, *, is_wanted_now: bool = False) -> list[Wish]:
    """Return what is to be asked. ``is_wanted_now``: a person has just asked for what is shown, fresh."""
    if state.is_paused and not is_wanted_now:
        return []
    wishes = [*_vital_signs(known, now, refresh_seconds, is_wanted_now=is_wanted_now)]
    if state.look is not None:
        thing = state.look
        if is_wanted_now or _is_due(known.get(thing.key), now, _pause_seconds(known.get(thing.key), refresh_seconds)):
            wishes.append(_wish(thing, Asker.PERSON))
        return wishes
    subject = state.subject
    latest = known.get(subject.key)
    if is_wanted_now or _is_due(latest, now, refresh_seconds):
        wishes.append(_wish(subject, Asker.PERSON if is_wanted_now or _is_too_old(latest, now) else Asker.PROGRAM))
    others = (other for other in (supervisors.ALL, applications.ALL) if other is not subject)
    wishes += [_wish(other, Asker.PROGRAM) for other in others if _is_due(known.get(other.key), now, SELDOM_SECONDS)]
    return wishes


def _vital_signs(known: Known, now: float, refresh_seconds: float, *, is_wanted_now: bool) -> list[Wish]:
    trend = known.get(TREND)
    found = trend.answer if trend is not None else None
    pauses = {
        MEMORY: refresh_seconds,
        SYSTEM: refresh_seconds,
        NODE: refresh_seconds if _is_in_trouble(known.get(NODE)) else SELDOM_SECONDS,
        TREND: max(
            refresh_seconds,
            TREND_SECONDS,
            found.interval_seconds if isinstance(found, TrendAnswer) else refresh_seconds,
        ),
    }
    asks: Mapping[str, Callable[[KeptSource], Answer]] = {
        MEMORY: lambda source: source.memory(),
        SYSTEM: lambda source: source.system(),
        NODE: lambda source: source.node(),
        TREND: lambda source: source.trend(),
    }
    return [
        Wish(key, asks[key])
        for key, pause_seconds in pauses.items()
        if is_wanted_now or _is_due(known.get(key), now, pause_seconds)
    ]


def _is_in_trouble(latest: Latest | None) -> bool:
    if latest is None or latest.trouble is not None:
        return True
    return isinstance(latest.answer, NodeAnswer) and latest.answer.trouble is not None


def _wish(what: Subject[Any] | Look, asker: Asker) -> Wish:
    return Wish(what.key, lambda source: what.ask(source, asker))


def _is_due(latest: Latest | None, now: float, pause_seconds: float) -> bool:
    return latest is None or now - latest.asked_at >= pause_seconds


def _is_too_old(latest: Latest | None, now: float) -> bool:
    """Whether a person who looks is to have it asked anew, whatever programs may."""
    if latest is not None and now < latest.too_soon_until:
        return False
    return latest is None or latest.answer is None or latest.age_seconds(now) > _pause_seconds(latest, 0.0)


def _pause_seconds(latest: Latest | None, least_seconds: float) -> float:
    """Return how old an answer may become that cost what the latest has cost."""
    answer = latest.answer if latest is not None else None
    if not isinstance(answer, ProbeAnswer):
        return least_seconds
    return max(least_seconds or PERSON_MAX_AGE_SECONDS, answer.cost_seconds / LOOKING_SHARE)
