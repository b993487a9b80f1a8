"""The part that is always shown: which node it is, its vital signs, and what is the matter with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from rich.text import Text

from collector.models import Answer, MemoryAnswer, NodeAnswer, SystemAnswer
from collector.render.parts import format_count, printable
from collector.top.over_time import OverTime
from collector.top.panes import applications, supervisors
from collector.top.schedule import MEMORY, NODE, SYSTEM, TREND, Known
from collector.top.signs import vital_lines
from collector.views.applications import ApplicationsAnswer
from collector.views.supervisors import SupervisorsAnswer
from collector.views.trend import TrendAnswer

LONG_QUEUE: Final = 10_000  # messages in one mailbox: from here on it is one of the troubles
NAMED_TROUBLES: Final = 3  # of the supervisors; of more only how many

_Kind = TypeVar("_Kind", bound=Answer)


def title_line(known: Known, width: int, now: datetime, manner: str) -> Text:
    """Say which node this is and since when it runs; at the right the time, and how it is watched."""
    node = _answer(known, NODE, NodeAnswer)
    left = Text(printable(node.node.name) if node else "no answer yet", "bold")
    if node is not None:
        if node.otp_release is not None:
            left.append(f"  OTP {printable(node.otp_release)}")
        if node.uptime_seconds is not None:
            left.append(f"  up {timedelta(seconds=round(node.uptime_seconds))}")
        if node.node.instance_id is not None:
            left.append(f"  instance {printable(node.node.instance_id)}")
    right = f"{manner}  {now:%H:%M:%S} UTC"
    left.truncate(max(0, width - len(right) - 1), overflow="ellipsis")
    return Text.assemble(left, " " * max(1, width - left.cell_len - len(right)), (right, "dim"))


def signs(known: Known, width: int) -> list[Text]:
    """Draw the vital signs."""
    memory, system = _answer(known, MEMORY, MemoryAnswer), _answer(known, SYSTEM, SystemAnswer)
    return vital_lines(memory, system, _answer(known, TREND, TrendAnswer), width)


def trouble_line(known: Known, now: float) -> Text | None:
    """Say what is the matter, the worst first; None when nothing is known to be."""
    found = list(_troubles(known, now))
    return Text("! " + "; ".join(found), "bold red") if found else None


def over_time_words(known: Known) -> str:
    """Say how far back the lines reach."""
    latest = known.get(TREND)
    if latest is None or not isinstance(latest.answer, TrendAnswer):
        return "" if latest is None or latest.trouble is None else f"no lines: {latest.trouble}"
    minutes = OverTime(latest.answer).minutes
    reach = f"{minutes:.0f} min" if minutes >= 2 else f"{minutes * 60:.0f} s"
    births = len(latest.answer.lives) - 1
    return f"lines: last {reach}" + (", | started anew" if births > 0 else "")


def _troubles(known: Known, now: float) -> Iterator[str]:
    memory = known.get(MEMORY)
    for silence in silences(known):
        yield printable(silence)
    if memory is not None and memory.trouble is not None and memory.answer is not None:
        yield f"what is shown is {memory.age_seconds(now):.0f} s old"
    node = _answer(known, NODE, NodeAnswer)
    for expected in (node.supervisors or ()) if node else ():
        if not expected.is_running:
            yield f"supervisor {printable(expected.name)} not running"
    gone = _answer(known, applications.ALL.key, ApplicationsAnswer)
    if gone is not None and gone.not_running:
        yield f"not running: {printable(', '.join(gone.not_running))}"
    trend = _answer(known, TREND, TrendAnswer)
    longest = trend.longest_message_queue.change if trend else None
    if longest is not None and longest.last >= LONG_QUEUE:
        yield f"{format_count(longest.last)} messages in one mailbox"
    trees = _answer(known, supervisors.ALL.key, SupervisorsAnswer)
    if trees is not None and (unwell := supervisors.troubles(trees)):
        yield _listed(unwell)


def silences(known: Known) -> list[str]:
    """Say why there is no answer to the vital signs: each reason once, since all of them mostly have the same."""
    found: dict[str, None] = {}
    for key in (NODE, MEMORY, SYSTEM):
        latest = known.get(key)
        if latest is None:
            continue
        if latest.trouble is not None:
            found[latest.trouble] = None
        elif isinstance(latest.answer, NodeAnswer) and latest.answer.trouble is not None:
            found[latest.answer.trouble] = None
    return list(found)


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return printable(names[0])
    shown = ", ".join(printable(name) for name in names[:NAMED_TROUBLES])
    return f"{len(names)} in the supervision tree: {shown}{', ...' if len(names) > NAMED_TROUBLES else ''}"


def _answer(known: Known, key: str, kind: type[_Kind]) -> _Kind | None:
    latest = known.get(key)
    return latest.answer if latest is not None and isinstance(latest.answer, kind) else None
