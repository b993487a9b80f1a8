"""The screens of the tests and an answer of /trend, and the files that hold how each of them looks.

When one is meant to change, write them anew and read the difference::

    .venv/bin/python -m tests.top_golden
    git diff tests/collector/top/golden tests/collector/golden_trend.json
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from collector.models import Answer
from collector.top.pages import Subject
from collector.top.panes import applications, governors, ports, processes, supervisors, tables
from collector.top.schedule import Latest
from collector.top.screen import Screen
from collector.top.state import State
from collector.trend import Point
from tests.collector_fakes import CREATION, MOMENT
from tests.collector_results import as_golden as as_golden_answer
from tests.top_source import VIEWS, known_of, point, trend_of

GOLDEN: Final = Path(__file__).parent / "collector" / "top" / "golden"
SIZES: Final = ((80, 24), (140, 45))
GOLDEN_TREND: Final = Path(__file__).parent / "collector" / "golden_trend.json"
NOW: Final = 100.0

# Two lives of a node, and a moment between them at which it did not answer.
SHORT_TREND: Final = trend_of(
    point(0), point(1), Point(None, trouble="node not connected: nothing listens there"), point(3, CREATION + 1)
)

ANSWERS: Final[Mapping[str, Answer]] = {
    processes.BY_MEMORY.key: VIEWS["processes"],
    processes.BY_QUEUE.key: VIEWS["mailboxes"],
    processes.BY_REDUCTIONS.key: VIEWS["busy"],
    tables.BY_MEMORY.key: VIEWS["ets"],
    tables.BY_ROWS.key: VIEWS["ets"],
    supervisors.ALL.key: VIEWS["supervisors"],
    applications.ALL.key: VIEWS["applications"],
    governors.ALL.key: VIEWS["governors"],
    ports.ALL.key: VIEWS["ports"],
}
SUBJECTS: Final[Mapping[str, Subject[Any]]] = {
    "processes by memory": processes.BY_MEMORY,
    "processes by waiting messages": processes.BY_QUEUE,
    "processes by reductions": processes.BY_REDUCTIONS,
    "tables": tables.BY_MEMORY,
    "supervisors": supervisors.ALL,
    "applications": applications.ALL,
    "governors": governors.ALL,
    "ports": ports.ALL,
}


def screen(state: State = State(), **more: Answer) -> Screen:  # noqa: B008  # frozen
    """What is shown when everything has just been answered, and more by its key."""
    return Screen(state, known_of(NOW, **{**ANSWERS, **more}), NOW + 1.0, MOMENT, 2.0)


def looking() -> Screen:
    """What is shown of the first process when it is looked at alone."""
    shown = screen()
    state = shown.state.opened(shown.page)
    assert state.look is not None
    return screen(state, **{state.look.key: VIEWS["process"]})


def in_trouble() -> Screen:
    """What is shown when the node was there and is gone."""
    shown = screen()
    trouble = "tai_autonomics@127.0.0.1 on port 9100: nothing listens there"
    known = {key: replace(latest, trouble=trouble) for key, latest in shown.known.items()}
    return replace(shown, known=known, now=NOW + 34.0)


SCREENS: Final[Mapping[str, Screen]] = {
    **{name: screen(State().with_subject(subject)) for name, subject in SUBJECTS.items()},
    "one process": looking(),
    "help": screen(State().helped()),
    "a node that is gone": in_trouble(),
    "at the start": Screen(State(), {}, NOW, MOMENT, 2.0),
    "paused, the second row chosen": screen(State().paused().moved(1, screen().page)),
    "of a collector that keeps no trend": replace(
        screen(), known={**screen().known, "trend": Latest(NOW, None, NOW, "no trend is kept here")}
    ),
}


def as_golden(width: int, height: int) -> str:
    """Print every screen in one size."""
    drawn = []
    for name, shown in SCREENS.items():
        lines = [line.plain.rstrip() for line in shown.lines(width, height)]
        drawn.append("\n".join([f"{f' {name} ':=^{width}}", *lines]))
    return "\n".join(drawn) + "\n"


def write_golden() -> None:
    """Write all files anew."""
    GOLDEN.mkdir(exist_ok=True)
    for width, height in SIZES:
        (GOLDEN / f"{width}x{height}.txt").write_text(as_golden(width, height), encoding="utf-8")
    GOLDEN_TREND.write_text(as_golden_answer(SHORT_TREND), encoding="utf-8")


if __name__ == "__main__":
    write_golden()
