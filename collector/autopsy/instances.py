"""Puts the entries of a log together by instance, and keeps of each what tells how it died, however long the log is."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice, pairwise
from operator import itemgetter
from typing import Final

from pydantic import ValidationError

from collector.autopsy.reading import Entry, Where
from collector.autopsy.signs import Sign, sign_of
from collector.blackbox.bounding import tame
from collector.blackbox.models import MESSAGE, BlackBoxLine, Vitals

MAX_INSTANCES: Final = 200
MAX_VITALS: Final = 1_000
MAX_BOXES: Final = 100
MAX_SIGNS: Final = 200
MAX_BACKWARDS: Final = 20_000  # two weeks of one instance, at a line a minute
LATE_SECONDS: Final = 10.0  # that a line of ours may be written after what ended it
SILENT_SECONDS: Final = 180.0  # three lines of vital signs
MAX_HEAD: Final = 1_000
MOMENTS: Final = 30  # that tell whether time goes backwards
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class At:
    """A line of ours with figures, when it was written, and the how manieth of the log it is: clocks may go back."""

    at: datetime
    place: int
    line: Vitals


@dataclass(frozen=True, slots=True)
class Box(At):
    """A line of the black box."""

    line: BlackBoxLine


@dataclass(slots=True)
class Instance:
    """What the log has of one instance. ``boxes`` are lines of the black box; each of them is in ``vitals`` too."""

    name: str | None
    where: Where = field(default_factory=Where)
    lines: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    vitals: deque[At] = field(default_factory=lambda: deque(maxlen=MAX_VITALS))
    boxes: deque[Box] = field(default_factory=lambda: deque(maxlen=MAX_BOXES))
    signs: deque[Sign] = field(default_factory=lambda: deque(maxlen=MAX_SIGNS))

    def take(self, entry: Entry, place: int) -> None:
        """Take one line of this instance, the how manieth of the log."""
        self.lines += 1
        self.where = Where(
            *(new if new is not None else old for new, old in zip(_all(entry.where), _all(self.where), strict=True))
        )
        if entry.at is not None:
            self.first_at = self.first_at or entry.at
            self.last_at = max(self.last_at or entry.at, entry.at)
        at = entry.at or self.last_at
        if at is None:
            return
        if entry.is_ours:
            self._take_figures(at, entry, place)
        sign = sign_of(at, entry, place)
        if sign is not None:
            self.signs.append(sign)

    def join(self, later: Instance) -> None:
        """Take all that is known of another run of the same instance, which began later."""
        self.lines += later.lines
        self.first_at = self.first_at or later.first_at
        self.last_at = later.last_at or self.last_at
        self.vitals.extend(later.vitals)
        self.boxes.extend(later.boxes)
        self.signs.extend(later.signs)

    def _take_figures(self, at: datetime, entry: Entry, place: int) -> None:
        try:
            if entry.text.startswith(MESSAGE):
                # Tamed as it was when it was written: what stands in a file, anybody may have put there.
                box = BlackBoxLine.model_validate({name: tame(value) for name, value in entry.facts.items()})
                self.boxes.append(Box(at, place, box))
                self.vitals.append(At(at, place, box))
            elif entry.text.startswith("vital signs"):
                figures = {name: tame(entry.facts[name]) for name in Vitals.model_fields if name in entry.facts}
                self.vitals.append(At(at, place, Vitals.model_validate(figures)))
        except ValidationError:
            return  # of a release that writes other figures, or cut: its text still counts


def _all(where: Where) -> tuple[str | None, ...]:
    return where.instance, where.revision, where.service, where.region, where.project


def gather(entries: Iterable[Entry]) -> list[Instance]:
    """Sort entries by instance, the one whose last line is the latest first.

    A line that names no instance is of the only one there is, or of the one that wrote last before it; but where it
    tells of an end and there are several, it is of the one that had written its last line then. Where nothing is named,
    each run of a collector is one: ``run 1`` and so on, and the last of them without a name.
    """
    ends: deque[tuple[int, Entry]] = deque(maxlen=MAX_SIGNS)
    found: OrderedDict[str | None, Instance] = OrderedDict()
    latest: str | None = None
    runs = 0
    for place, entry in enumerate(in_order(entries)):
        if entry.where.instance is None and entry.is_ours and entry.text.startswith("serving on"):
            latest = None
            if None in found and found[None].vitals:
                runs += 1
                _rename(found, None, f"run {runs}")
        if entry.where.instance is None and len(found) > 1 and _tells(entry) and not entry.is_ours:
            ends.append((place, entry))
            continue
        name = entry.where.instance or latest
        if latest is None and name is not None and None in found:
            # What came before the first name is of the one that has it: its first lines know no instance yet.
            _rename(found, None, name)
        latest = name
        if name not in found:
            if len(found) >= MAX_INSTANCES:
                found.popitem(last=False)
            found[name] = Instance(name)
        found.move_to_end(name)
        found[name].take(entry, place)
    for place, entry in ends:
        if ended := _had_fallen_silent(found.values(), entry.at):
            ended.take(entry, place)
    told = [one for one in found.values() if one.vitals or one.signs]
    return sorted(told, key=lambda one: one.last_at or _LONG_AGO, reverse=True)


def _had_fallen_silent(instances: Iterable[Instance], at: datetime | None) -> Instance | None:
    """Return the one that wrote its last figures shortly before; of several the one whose memory was the fullest."""
    silent = [
        one
        for one in instances
        if at is not None and one.vitals and -LATE_SECONDS <= (at - one.vitals[-1].at).total_seconds() <= SILENT_SECONDS
    ]
    return max(silent, key=lambda one: one.vitals[-1].line.memory_limit_share or 0.0, default=None)


def _rename(found: OrderedDict[str | None, Instance], old: str | None, new: str) -> None:
    instance = found.pop(old)
    if new in found:
        found[new].join(instance)
    else:
        instance.name = new
        found[new] = instance


def in_order(entries: Iterable[Entry]) -> Iterable[Entry]:
    """Give entries in the order of time: those of Google come the newest first, and a file of ours in its order.

    Whether the first of them go backwards more often than forwards is looked at: a file may be too long to be sorted,
    and where several containers write, a line may stand before one that is a little older. Of one that goes backwards
    only what tells anything is kept, of that the newest, and in the order of time also where several such were put
    into one file.
    """
    head: list[Entry] = []
    rest = iter(entries)
    moments: list[datetime] = []
    for entry in islice(rest, MAX_HEAD):
        head.append(entry)
        if entry.at is not None and (not moments or entry.at != moments[-1]):
            moments.append(entry.at)
        if len(moments) == MOMENTS:
            break
    backwards = sum(later < earlier for earlier, later in pairwise(moments))
    if 2 * backwards > len(moments) - 1:
        return _by_time(reversed([*head, *islice(filter(_tells, rest), MAX_BACKWARDS)]))
    return chain(head, rest)


def _by_time(entries: Iterable[Entry]) -> list[Entry]:
    """Sort entries; one without a time stays behind the one before it."""
    at, timed = _LONG_AGO, []
    for entry in entries:
        at = entry.at or at
        timed.append((at, entry))
    return [entry for _, entry in sorted(timed, key=itemgetter(0))]


def _tells(entry: Entry) -> bool:
    return entry.is_ours or (entry.at is not None and sign_of(entry.at, entry, 0) is not None)
