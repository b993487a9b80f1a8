"""When is a line of the black box to be written? From what was so before, what is seen now and the time: pure.

A condition begins, holds, and ends only when it is well below where it began: what sways around a threshold is told
once. One that begins while no line may be written is told as soon as one may, if it still holds; else it is counted.

Gone is what was there before in this life of the node: an application may be loaded and never meant to run, and a node
that starts has none of its supervisors yet. An expected supervisor must run, so one that never came is gone as well,
once the node has had `STARTED_SECONDS` for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

from collector.blackbox.pacing import OF_ALL_ELSE, OF_MEMORY, Turns

MEMORY_FALL: Final = 0.05  # below a level, until it counts as crossed again
MAILBOX_FALL: Final = 0.5  # of the threshold, likewise
BUDGET_RISE: Final = 2  # restarts more than those that are left when it is told
STARTED_SECONDS: Final = 60.0
SILENT_SECONDS: Final = 10.0  # on a connection that stands: a busy node is late for a moment


class Kind(StrEnum):
    """What a condition is about."""

    MEMORY = "memory"
    MAILBOX = "mailbox"
    RESTARTS = "restarts"
    APPLICATION = "application"
    SUPERVISOR = "supervisor"
    CONTACT = "contact"
    SIGTERM = "sigterm"


class Key(NamedTuple):
    """One condition: its kind, and which level, application or supervisor it is about."""

    kind: Kind
    of: str


@dataclass(frozen=True, slots=True)
class Marks:
    """From which figures on a condition holds."""

    memory_shares: tuple[float, ...]
    mailbox: int
    restarts_left: int


@dataclass(frozen=True, slots=True)
class Restarts:
    """What a supervisor has left of its budget: ``used`` of ``of`` are gone."""

    used: int
    of: int

    @property
    def left(self) -> int:
        """How many more it bears."""
        return max(0, self.of - self.used)


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a node now. None is what was not looked at, or not answered: there all stays as it was.

    ``creation`` says of which life; None while there is no connection, and ``lost`` then says why. ``mailbox`` is the
    longest: whose, and how many messages.
    """

    creation: int | None = None
    lost: str | None = None
    is_answering: bool | None = None
    uptime_seconds: float | None = None
    memory_share: float | None = None
    mailbox: tuple[str, int] | None = None
    budgets: Mapping[str, Restarts] | None = None
    applications: Mapping[str, bool] | None = None  # whether each runs
    supervisors: Mapping[str, bool] | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a line is written."""

    kind: Kind
    what: str
    since: float


@dataclass(frozen=True, slots=True)
class Holds:
    """A condition that holds, since when, and whether a line has told it."""

    what: str
    since: float
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """All that is remembered between two looks."""

    of_memory: Turns
    of_all_else: Turns
    creation: int | None = None
    silent_since: float | None = None
    conditions: Mapping[Key, Holds] = field(default_factory=dict)
    ran: frozenset[Key] = frozenset()
    held_back: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def new(cls, now: float) -> State:
        """Begin."""
        return cls(Turns.full(OF_MEMORY, now), Turns.full(OF_ALL_ELSE, now))


@dataclass(frozen=True, slots=True)
class Due:
    """A line that is to be written now. ``held_back`` is how many conditions of each kind no line has told."""

    reasons: tuple[Reason, ...]
    held_back: Mapping[str, int]


_ENDED: Final = None
_Verdict = tuple[Key, str | None]  # what it is, or that it has ended; of a condition without one nothing is new


def step(state: State, sight: Sight, now: float, marks: Marks) -> tuple[State, Due | None]:
    """Take what is seen, and say whether a line is due."""
    state = _silence(_enter(state, sight, now), sight, now)
    conditions, held_back = dict(state.conditions), dict(state.held_back)
    for key, what in _verdicts(state, sight, now, marks):
        before = conditions.get(key)
        if what is not None:
            conditions[key] = Holds(what, now) if before is None else replace(before, what=what)
        elif before is not None:
            del conditions[key]
            if not before.is_told:
                held_back[key.kind] = held_back.get(key.kind, 0) + 1
    state = replace(state, conditions=conditions, held_back=held_back, ran=state.ran | _running(sight))
    return _tell(state, now)


def lost(state: State) -> str | None:
    """Return why there is no contact with the node; None while there is."""
    held = next((held for key, held in state.conditions.items() if key.kind is Kind.CONTACT), None)
    return None if held is None else held.what


def untold(state: State) -> tuple[Reason, ...]:
    """Return what holds and no line has told, the first first."""
    reasons = [Reason(key.kind, held.what, held.since) for key, held in state.conditions.items() if not held.is_told]
    return tuple(sorted(reasons, key=lambda reason: reason.since))


def _tell(state: State, now: float) -> tuple[State, Due | None]:
    """Say all that is untold in one line, if there is a turn for it."""
    reasons = untold(state)
    if not reasons:
        return state, None
    kinds = {each.kind for each in reasons}
    of_memory = state.of_memory.take(now) if Kind.MEMORY in kinds else None
    of_all_else = state.of_all_else.take(now) if of_memory is None and kinds != {Kind.MEMORY} else None
    if of_memory is None and of_all_else is None:
        return state, None
    told = {key: replace(held, is_told=True) for key, held in state.conditions.items()}
    after = replace(
        state,
        of_memory=of_memory or state.of_memory,
        of_all_else=of_all_else or state.of_all_else,
        conditions=told,
        held_back={},
    )
    return after, Due(reasons, state.held_back)


def _enter(state: State, sight: Sight, now: float) -> State:
    """Begin anew for another life of the node: what held of the former one has ended with it."""
    if sight.creation is None or sight.creation == state.creation:
        return state
    conditions = {key: held for key, held in state.conditions.items() if key.kind is Kind.CONTACT}
    held_back = dict(state.held_back)
    for key, held in state.conditions.items():
        if key not in conditions and not held.is_told:
            held_back[key.kind] = held_back.get(key.kind, 0) + 1
    if state.creation is not None and not conditions:
        what = "the node is another one than a moment ago: nobody saw how its former life ended"
        conditions[Key(Kind.CONTACT, str(state.creation))] = Holds(what, now)
    return replace(
        state,
        creation=sight.creation,
        conditions=conditions,
        held_back=held_back,
        ran=frozenset(),
        silent_since=None,
    )


def _silence(state: State, sight: Sight, now: float) -> State:
    if sight.is_answering is None or sight.lost is not None:
        return state
    if sight.is_answering:
        return replace(state, silent_since=None)
    return replace(state, silent_since=now if state.silent_since is None else state.silent_since)


def _verdicts(state: State, sight: Sight, now: float, marks: Marks) -> Iterator[_Verdict]:
    yield from _of_contact(state, sight, now)
    yield from _of_memory(sight, marks)
    yield from _of_mailbox(sight, marks)
    yield from _of_restarts(state, sight, marks)
    yield from _of_applications(state, sight)
    yield from _of_supervisors(state, sight)


def _of_contact(state: State, sight: Sight, now: float) -> Iterator[_Verdict]:
    key = Key(Kind.CONTACT, "")
    if sight.lost is not None:
        if state.creation is not None:  # one that was never there is not lost
            yield key, f"the node is not connected any more: {sight.lost}"
    elif sight.is_answering:
        yield key, _ENDED
        for other in state.conditions:
            # Of a former life, which nothing brings back; kept until a line has told it.
            if other.kind is Kind.CONTACT and other != key and state.conditions[other].is_told:
                yield other, _ENDED
    elif state.silent_since is not None and now - state.silent_since >= SILENT_SECONDS:
        yield key, f"the node is connected, and has not answered for {now - state.silent_since:.0f} s"


def _of_memory(sight: Sight, marks: Marks) -> Iterator[_Verdict]:
    share = sight.memory_share
    if share is None:
        return
    for level in marks.memory_shares:
        key = Key(Kind.MEMORY, f"{level:g}")
        if share >= level:
            yield key, f"{share:.0%} of the memory limit is taken, above {level:.0%}"
        elif share < level - MEMORY_FALL:
            yield key, _ENDED


def _of_mailbox(sight: Sight, marks: Marks) -> Iterator[_Verdict]:
    if sight.mailbox is None:
        return
    name, messages = sight.mailbox
    if messages > marks.mailbox:
        yield Key(Kind.MAILBOX, ""), f"{messages} messages wait for {name}"
    elif messages < marks.mailbox * MAILBOX_FALL:
        yield Key(Kind.MAILBOX, ""), _ENDED


def _of_restarts(state: State, sight: Sight, marks: Marks) -> Iterator[_Verdict]:
    if sight.budgets is None:
        return
    for name, restarts in sight.budgets.items():
        key = Key(Kind.RESTARTS, name)
        if restarts.used and restarts.left <= marks.restarts_left:
            yield key, f"{restarts.used} of {restarts.of} restarts of {name} are used, {restarts.left} left"
        elif not restarts.used or restarts.left >= marks.restarts_left + BUDGET_RISE:
            yield key, _ENDED
    for key in state.conditions:
        if key.kind is Kind.RESTARTS and key.of not in sight.budgets:
            yield key, _ENDED


def _of_applications(state: State, sight: Sight) -> Iterator[_Verdict]:
    for name, is_running in (sight.applications or {}).items():
        key = Key(Kind.APPLICATION, name)
        if is_running:
            yield key, _ENDED
        elif key in state.ran:
            yield key, f"the application {name} ran, and does not run any more"


def _of_supervisors(state: State, sight: Sight) -> Iterator[_Verdict]:
    has_started = sight.uptime_seconds is not None and sight.uptime_seconds >= STARTED_SECONDS
    for name, is_running in (sight.supervisors or {}).items():
        key = Key(Kind.SUPERVISOR, name)
        if is_running:
            yield key, _ENDED
        elif key in state.ran:
            yield key, f"supervisor {name} not running, and it ran before"
        elif has_started:
            yield key, f"supervisor {name} not running"


def _running(sight: Sight) -> frozenset[Key]:
    of_kinds = ((Kind.APPLICATION, sight.applications), (Kind.SUPERVISOR, sight.supervisors))
    return frozenset(
        Key(kind, name) for kind, found in of_kinds for name, is_running in (found or {}).items() if is_running
    )
