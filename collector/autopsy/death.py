"""Decides how an instance died: pure. What nobody has written is not made up: "not known" is an answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from collector.autopsy.instances import Instance
from collector.autopsy.signs import Sign, What

FULL: Final = 0.95  # of the limit, when the last line was written
TOGETHER_SECONDS: Final = 10.0  # what Cloud Run leaves between a signal to end and a kill
NEARLY_FULL: Final = 0.85  # from which memory may have gone the rest of the way between two lines


class Cause(StrEnum):
    """How it ended."""

    MEMORY = "memory"
    TOLD_TO_END = "told to end"
    NODE_GONE = "node gone"
    CRASHED = "crashed"
    APPLICATION_GONE = "application gone"
    NOT_KNOWN = "not known"


class Confidence(StrEnum):
    """How sure that is."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


@dataclass(frozen=True, slots=True)
class Death:
    """How an instance died, and what says so."""

    cause: Cause
    confidence: Confidence
    sentence: str
    why: tuple[str, ...]


def decide(instance: Instance) -> Death:
    """Say how it died, by the strongest sign that there is of the node's last life."""
    return next(_deaths(_last_life(instance)))


def _last_life(instance: Instance) -> Instance:
    """Leave out what was before the node came back for the last time: of that it did not die."""
    back = _last(instance, What.CONNECTED)
    if back is None:
        return instance
    return replace(
        instance,
        vitals=deque(each for each in instance.vitals if each.place >= back.place),
        boxes=deque(box for box in instance.boxes if box.place >= back.place),
        signs=deque(sign for sign in instance.signs if sign.place >= back.place),
    )


def _deaths(instance: Instance) -> Iterator[Death]:
    share, at = last_share(instance)
    memory = () if share is None or at is None else (f"{share:.0%} of the memory limit was taken at {_clock(at)}",)
    if exceeded := _last(instance, What.MEMORY_LIMIT):
        yield Death(
            Cause.MEMORY,
            Confidence.CERTAIN,
            "the kernel ended it: its memory limit was exceeded",
            (f"Cloud Run: {exceeded.text}", *memory),
        )
    if refused := _last(instance, What.NO_MEMORY):
        yield Death(
            Cause.MEMORY,
            Confidence.CERTAIN,
            "the emulator ended itself: it got no more memory",
            (f"the emulator: {refused.text}", *memory),
        )
    if killed := _last(instance, What.KILLED):
        is_full = share is not None and share >= NEARLY_FULL
        yield Death(
            Cause.MEMORY if is_full else Cause.NOT_KNOWN,
            Confidence.LIKELY if is_full else Confidence.POSSIBLE,
            "it was killed, most likely for its memory" if is_full else "it was killed, and nothing here says for what",
            (killed.text, *memory),
        )
    ended = _last(instance, What.ENDED)
    if ended is not None and not _had_gone_before(instance, ended, share):
        yield _told_to_end(ended, memory)
    yield from _while_it_lived_on(instance, share, memory)
    if crashed := _last(instance, What.CRASHED):
        yield Death(Cause.CRASHED, Confidence.LIKELY, "the emulator ended itself", (crashed.text, *memory))
    if ended is not None:
        yield _told_to_end(ended, memory)
    if share is not None and share >= NEARLY_FULL:
        yield Death(
            Cause.MEMORY,
            Confidence.LIKELY if share >= FULL else Confidence.POSSIBLE,
            "the kernel ended it, most likely: its memory was full, and then it wrote nothing more",
            (*memory, "nobody told it to end", _silence(instance)),
        )
    yield Death(
        Cause.NOT_KNOWN,
        Confidence.POSSIBLE,
        "nothing here says how it ended: the log may end before it did",
        (*memory, _silence(instance)),
    )


def _told_to_end(ended: Sign, memory: tuple[str, ...]) -> Death:
    return Death(
        Cause.TOLD_TO_END,
        Confidence.CERTAIN,
        "it was told to end: a new revision, or one instance fewer",
        (f"it took a signal to end, at {_clock(ended.at)}", *memory),
    )


def _while_it_lived_on(instance: Instance, share: float | None, memory: tuple[str, ...]) -> Iterator[Death]:
    """The node, or its application, went while the sidecar went on writing."""
    lost = _last(instance, What.LOST)
    if lost is not None:
        is_full = share is not None and share >= NEARLY_FULL
        crashed = _last(instance, What.CRASHED)
        yield Death(
            Cause.MEMORY if is_full else Cause.NODE_GONE,
            Confidence.LIKELY,
            "the node went, and the instance lived on" + (": its memory was full" if is_full else ""),
            (lost.text, *([crashed.text] if crashed else []), *memory),
        )
    for box in reversed(instance.boxes):
        gone = [each.what for each in box.line.reasons if each.kind in {"application", "supervisor"}]
        if gone:
            yield Death(
                Cause.APPLICATION_GONE,
                Confidence.LIKELY,
                "the node lived on, and what it is for did not",
                (*(f"{what}, at {_clock(box.at)}" for what in gone[:5]), *memory),
            )


def _had_gone_before(instance: Instance, ended: Sign, share: float | None) -> bool:
    """Say whether the node had gone of itself: a signal to end goes to all at once, and ends us first."""
    lost = _last(instance, What.LOST)
    if lost is None:
        return False
    is_full = share is not None and share >= NEARLY_FULL
    return is_full or (ended.at - lost.at).total_seconds() > TOGETHER_SECONDS


def last_share(instance: Instance) -> tuple[float | None, datetime | None]:
    """Return how much of the memory limit was taken when that was written for the last time."""
    for each in reversed(instance.vitals):
        if each.line.memory_limit_share is not None:
            return each.line.memory_limit_share, each.at
    return None, None


def _last(instance: Instance, what: What) -> Sign | None:
    return next((sign for sign in reversed(instance.signs) if sign.what is what), None)


def _silence(instance: Instance) -> str:
    return "there is no line of it" if instance.last_at is None else f"the last line is of {_clock(instance.last_at)}"


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
