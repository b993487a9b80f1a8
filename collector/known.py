"""What we know of one life of a node, and when it may be asked again. No clock, no task: time comes as an argument.

Answers of sweeps are kept, so that all who look at a node share them; failures are remembered for a moment, so that a
crowd does not hammer at a sick node. What programs have asked is paid for from a part of our share of a scheduler
(`collector.freshness`), and until it is paid back they get what there is. All of it is bounded, whatever is asked.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from agent.handshake import Identity
from agent.session import Session
from collector.freshness import Asker, Budget, pot_of
from collector.question import Question
from collector.snapshot import Answered, Failed, Outcome, TooSoon

FAILURE_KEPT_SECONDS: Final = 1.0  # of a small question
MAX_FAILURES: Final = 256  # people may look for very many names, and a sick node fails them all
MAX_KEPT_OF_A_PROBE: Final = 4  # answers, to questions with other arguments; the least recently used goes first
STALE_SECONDS: Final = 300.0  # Prometheus too takes nothing that is older for what is so now

_LONG_AGO: Final = -1e9
_Key = tuple[str, Hashable]


class Known:
    """Answers, failures and debts of one node. `enter` tells which life and connection the rest is about."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._life: Identity | None = None
        self._session: Session | None = None
        self._kept: defaultdict[str, OrderedDict[Hashable, _Kept]] = defaultdict(OrderedDict)
        self._failures: OrderedDict[_Key, _Failure] = OrderedDict()
        self._under_way: dict[str, Begun] = {}  # the sweep of each probe
        self._begun_at: dict[str, float] = {}
        self._paid_at: dict[str, float] = {}  # of each pot, when programs may ask again
        self._usual_cost_seconds: dict[str, float] = {}

    def enter(self, session: Session) -> None:
        """Forget what was said over another connection that holds no longer, and all about another life of the node.

        Pids and counters of a former life mean something else now. An answer outlives its connection.
        """
        if session is self._session:
            return
        self._session = session
        self._failures.clear()
        self._under_way.clear()
        if session.peer != self._life:
            self._life = session.peer
            for of_a_life in (self._kept, self._begun_at, self._paid_at, self._usual_cost_seconds):
                of_a_life.clear()

    def forget(self) -> None:
        """Forget what can be asked again. What is owed for it is not forgotten, so the node is asked no more often."""
        self._kept.clear()
        self._failures.clear()

    def look(self, question: Question, asker: Asker, now: float) -> Outcome | None:
        """Return what this asker is to have; None: the node is to be asked now."""
        kept = self._kept[question.probe].get(question.arguments) if question.is_sweep else None
        if kept is not None:
            self._kept[question.probe].move_to_end(question.arguments)
            cost_seconds = kept.answered.cost_seconds
            if now - kept.seen_at <= self._budget.max_age_seconds(asker, question.probe, cost_seconds):
                return kept.answered
        failure = self._failures.get(question.key)
        if failure is not None and now < failure.until(asker):
            return failure.failed
        too_soon = self._too_soon(question, asker, now) if question.is_sweep else None
        if too_soon is not None and asker is Asker.PROGRAM and kept is not None:
            return kept.answered
        return None if too_soon is None else Failed(too_soon, 0.0)

    def latest(self, question: Question) -> Answered | None:
        """Return the latest answer, however old it is."""
        kept = self._kept[question.probe].get(question.arguments) if question.is_sweep else None
        return None if kept is None else kept.answered

    def before(self, question: Question, session: Session, now: float) -> Answered | None:
        """Return the latest answer, for who cannot wait for the one under way; None when it is too old for anything."""
        kept = self._kept[question.probe].get(question.arguments) if question.is_sweep else None
        if kept is None or session.peer != self._life:
            return None
        interval_seconds = self._budget.interval_seconds(question.probe, kept.answered.cost_seconds)
        return kept.answered if now - kept.seen_at <= max(STALE_SECONDS, 2 * interval_seconds) else None

    def begin(self, question: Question, asker: Asker, now: float) -> Begun:
        """Note that the node is asked now."""
        assert self._session is not None
        begun = Begun(self._session, question, asker, now)
        if question.is_sweep:
            self._under_way[question.probe] = begun
            self._begun_at[question.probe] = now
        return begun

    def end(self, begun: Begun, outcome: Outcome | None, now: float) -> float:
        """Take what has become of a question (None: it was given up), and return what it has cost, in seconds."""
        question, probe = begun.question, begun.question.probe
        if self._under_way.get(probe) is begun:
            del self._under_way[probe]
        if outcome is None:
            return 0.0
        if begun.session.peer != self._life:
            return outcome.cost_seconds
        cost_seconds = self._cost_seconds(probe, outcome)
        if question.is_sweep and begun.asker is Asker.PROGRAM:
            self._charge(begun, cost_seconds)
        if isinstance(outcome, Answered):
            self._failures.pop(question.key, None)
            if question.is_sweep:
                self._usual_cost_seconds[probe] = cost_seconds
                self._keep(question, _Kept(outcome, begun.at + question.window_seconds))
        elif begun.session is self._session:
            self._remember(begun, outcome, now)
        return cost_seconds

    def _cost_seconds(self, probe: str, outcome: Outcome) -> float:
        """Return what an outcome has cost. Of a failure that is not known: it is at most what `Failed` says.

        A sweep that was ended before it was done has not cost more than a whole one did the last time, nor more than
        twice that if the node has grown; only one that overran has.
        """
        usual_seconds = self._usual_cost_seconds.get(probe)
        if isinstance(outcome, Answered) or outcome.is_overrun or usual_seconds is None:
            return outcome.cost_seconds
        return min(outcome.cost_seconds, 2 * usual_seconds)

    def _charge(self, begun: Begun, cost_seconds: float) -> None:
        """Let programs pay for what they have asked: until then nothing is asked for them from the same pot."""
        probe, pot = begun.question.probe, pot_of(begun.question.probe)
        since = max(begun.at, self._paid_at.get(pot, _LONG_AGO))
        self._paid_at[pot] = since + self._budget.interval_seconds(probe, cost_seconds)

    def _keep(self, question: Question, kept: _Kept) -> None:
        of_probe = self._kept[question.probe]
        of_probe[question.arguments] = kept
        of_probe.move_to_end(question.arguments)
        if len(of_probe) > MAX_KEPT_OF_A_PROBE:
            of_probe.popitem(last=False)

    def _remember(self, begun: Begun, failed: Failed, now: float) -> None:
        question = begun.question
        until_seconds = now + FAILURE_KEPT_SECONDS
        until = dict.fromkeys(Asker, until_seconds)
        if question.is_sweep:
            until = {
                Asker.PERSON: now + self._budget.fresh_min_interval_seconds,
                Asker.PROGRAM: max(until_seconds, self._paid_at.get(pot_of(question.probe), _LONG_AGO)),
            }
        self._failures[question.key] = _Failure(failed, until[Asker.PERSON], until[Asker.PROGRAM])
        self._failures.move_to_end(question.key)
        if len(self._failures) > MAX_FAILURES:
            self._failures.popitem(last=False)

    def _too_soon(self, question: Question, asker: Asker, now: float) -> TooSoon | None:
        """Return why this asker has to wait until the node may be asked, and for how long; None: not at all.

        There is one sweep of a probe at a time: each of several with other arguments would hold something for every
        process of the node. Who asks for the same takes part in the one that is under way, and does not come here.
        """
        probe, minimum_seconds = question.probe, self._budget.fresh_min_interval_seconds
        if asker is Asker.PERSON:
            why = f"{probe} was asked a moment ago: ask again in {{}}, or without fresh=true for what is known already"
            wait_seconds = self._begun_at.get(probe, _LONG_AGO) + minimum_seconds - now
        else:
            why = (
                f"{probe} has been asked as often as programs may have it asked within our share of a scheduler: "
                "ask again in {}, or with fresh=true"
            )
            wait_seconds = self._paid_at.get(pot_of(probe), _LONG_AGO) - now
        other = self._under_way.get(probe)
        if other is not None:
            its_seconds = max(0.0, other.at + other.question.window_seconds - now) + max(minimum_seconds, 1.0)
            if its_seconds > wait_seconds:
                why = f"{probe} is under way with other parameters, and there is one at a time: ask again in {{}}"
                wait_seconds = its_seconds
        return TooSoon(why.format(f"{wait_seconds:.1f} s"), wait_seconds) if wait_seconds > 0 else None


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """A question that the node was asked: over which connection, for whom, and when."""

    session: Session
    question: Question
    asker: Asker
    at: float


@dataclass(frozen=True, slots=True)
class _Kept:
    answered: Answered
    seen_at: float  # when the question was put, or the end of the window that it looked at


@dataclass(frozen=True, slots=True)
class _Failure:
    failed: Failed
    until_for_persons: float
    until_for_programs: float

    def until(self, asker: Asker) -> float:
        return self.until_for_persons if asker is Asker.PERSON else self.until_for_programs
