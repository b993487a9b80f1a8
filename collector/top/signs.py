"""The vital signs: each with what it is now, a line of how it came there, and by how much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rich.cells import set_cell_size
from rich.text import Text

from collector.models import MemoryAnswer, SystemAnswer
from collector.render.parts import format_bytes, format_count
from collector.top.over_time import OverTime
from collector.views.trend import SeriesRow, TrendAnswer

ROWS: Final = 6

_LABEL_CELLS: Final = (11, 13)  # at the left and at the right
_VALUE_CELLS: Final = 9
_NOTE_CELLS: Final = 5
_FIXED_CELLS: Final = sum(_LABEL_CELLS) + 2 * (_VALUE_CELLS + _NOTE_CELLS + 3)  # each with a gap behind it
_BETWEEN: Final = " | "
_MEMORY: Final = (
    ("memory", "total"),
    ("  processes", "processes"),
    ("  binary", "binary"),
    ("  ets", "ets"),
    ("  code", "code"),
    ("  atom", "atom"),
)


def vital_lines(
    memory: MemoryAnswer | None, system: SystemAnswer | None, trend: TrendAnswer | None, width: int
) -> list[Text]:
    """Draw memory by kind at the left, and what there is and waits at the right, in `ROWS` lines."""
    cells = max(0, (width - len(_BETWEEN) - _FIXED_CELLS) // 2)
    over_time = None if trend is None else OverTime(trend)
    pairs = zip(_memory_signs(memory, over_time), _count_signs(system, over_time), strict=True)
    lines = []
    for pair in pairs:
        left, right = (_drawn(one, label, cells, over_time) for one, label in zip(pair, _LABEL_CELLS, strict=True))
        line = Text.assemble(left, (_BETWEEN, "dim"), right)
        line.truncate(width)
        lines.append(line)
    return lines


@dataclass(frozen=True, slots=True)
class _Sign:
    """One vital sign. ``is_from_zero``: its line begins at 0. ``note`` is what stands behind it."""

    label: str
    value: str
    series: SeriesRow | None = None
    note: str = ""
    is_from_zero: bool = True


def _memory_signs(memory: MemoryAnswer | None, over_time: OverTime | None) -> Iterator[_Sign]:
    for label, kind in _MEMORY:
        size_bytes: int | None = None if memory is None else getattr(memory, f"{kind}_bytes")
        value = "not known" if size_bytes is None else format_bytes(size_bytes)
        if over_time is None:
            yield _Sign(label, value)
        else:
            series: SeriesRow = getattr(over_time.trend.memory, f"{kind}_bytes")
            yield _Sign(label, value, series, over_time.growth(series), is_from_zero=False)


def _count_signs(system: SystemAnswer | None, over_time: OverTime | None) -> Iterator[_Sign]:
    trend = None if over_time is None else over_time.trend
    queue, waiting = (trend.longest_message_queue, trend.messages_waiting) if trend else (None, None)
    run_queue, processes = (trend.run_queue_length, trend.process_count) if trend else (None, None)
    yield _Sign("run queue", _count(None if system is None else system.run_queue_length), run_queue)
    yield _Sign("longest queue", _last(queue), queue)
    yield _Sign("all queues", _last(waiting), waiting)
    if system is None:
        for label in ("processes", "ets tables", "atoms"):
            yield _Sign(label, "not known")
        return
    yield _Sign("processes", _count(system.processes), processes, _share(system.processes, system.process_limit))
    yield _Sign("ets tables", _count(system.ets_tables), note=_share(system.ets_tables, system.ets_limit))
    yield _Sign("atoms", _count(system.atoms), note=_share(system.atoms, system.atom_limit))


def _drawn(sign: _Sign, label_cells: int, line_cells: int, over_time: OverTime | None) -> Text:
    line = ""
    if over_time is not None and sign.series is not None:
        line = over_time.line(sign.series, line_cells, is_from_zero=sign.is_from_zero)
    return Text.assemble(
        (set_cell_size(sign.label, label_cells), "dim"),
        " ",
        (sign.value.rjust(_VALUE_CELLS), "bold"),
        " ",
        (line.rjust(line_cells), "cyan"),
        " ",
        sign.note.rjust(_NOTE_CELLS),
    )


def _count(count: int | None) -> str:
    return "not known" if count is None else format_count(count)


def _last(series: SeriesRow | None) -> str:
    return _count(None if series is None or series.change is None else series.change.last)


def _share(count: int | None, limit: int | None) -> str:
    """Say how much of its limit is used up."""
    if count is None or not limit:
        return ""
    share = count / limit
    return "<1%" if 0 < share < 0.01 else f"{share:.0%}"
