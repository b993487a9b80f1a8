"""Makes a line fit: whatever stands in it, it is one line of JSON of a bounded length, which says what it lacks.

Names come from the node, and a node may name things as it likes: with line breaks, with what a terminal obeys, with
halves of characters that cannot be written at all, and in any length that an atom or a printed term has.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Final

MAX_LINE_BYTES: Final = 32_000  # as it is written, with its end
HEAD_BYTES: Final = 600  # of the line: what `collector.logs` puts before our fields
MAX_TEXT_CHARACTERS: Final = 300
MAX_NUMBER: Final = 2**53  # beyond it Cloud Logging, which keeps numbers as doubles, would make another of it
MAX_ROWS: Final = 100  # of a list, before anything is measured
MAX_INNER_ROWS: Final = 20  # of a list in a row
MAX_DEPTH: Final = 6

# How dear a row of a list is; what is not named here, 1. The list with the most bytes for its price loses its last row.
PRICES: Final[Mapping[str, float]] = {
    "reasons": 20.0,
    "findings": 4.0,
    "top_processes": 3.0,
    "supervisors": 2.0,
    "applications_not_running": 2.0,
    "top_mailboxes": 2.0,
    "not_known": 0.2,
}


def bounded(facts: Mapping[str, object], max_bytes: int = MAX_LINE_BYTES) -> dict[str, object]:
    """Return the facts, tamed and shortened, so that they and the head of the line take no more than that.

    Rows of lists are dropped from the end; ``left_out`` says of which and how many.
    """
    line = {name: tame(value) for name, value in facts.items()}
    too_long = [name for name, value in line.items() if not isinstance(value, list) and _size(value) > max_bytes // 4]
    for name in too_long:  # rows are what is long: the rest is worth more than one other thing of this size
        del line[name]
    dropped = {
        name: len(value) - MAX_ROWS
        for name, value in facts.items()
        if isinstance(value, list) and len(value) > MAX_ROWS
    }
    rows = {name: [_size(row) for row in value] for name, value in line.items() if isinstance(value, list) and value}
    rows.pop("left_out", None)
    # What says that something was left out, is longer than that nothing was.
    spare_bytes = HEAD_BYTES + 60 * (len(rows) + 1)
    size_bytes = _size(line) + spare_bytes
    while size_bytes > max_bytes and (kept := [name for name, sizes in rows.items() if sizes]):
        longest = max(kept, key=lambda name: sum(rows[name]) / PRICES.get(name, 1.0))
        size_bytes -= rows[longest].pop() + len(", ")
        dropped[longest] = dropped.get(longest, 0) + 1
    for name, sizes in rows.items():
        whole = line[name]
        assert isinstance(whole, list)
        line[name] = whole[: len(sizes)]
    told = [*too_long, *(f"{count} of {name}" for name, count in dropped.items())]
    while size_bytes > max_bytes:
        longest = max(line, key=lambda name: _size(line[name]))
        size_bytes -= _size(line.pop(longest))
        told.append(longest)
    if told:
        before = line.get("left_out")
        line["left_out"] = [*(before if isinstance(before, list) else []), *told]
    return line


def _size(value: object) -> int:
    """As `collector.logs` writes it."""
    return len(json.dumps(value, ensure_ascii=False).encode())


def tame(value: object, depth: int = 0) -> object:
    """Return a value as a line may have it: texts and numbers bounded, and lists that stand in others."""
    match value:
        case None | bool():
            return value
        case str():
            return tame_text(value)
        case int():
            return max(-MAX_NUMBER, min(MAX_NUMBER, value))
        case float():
            return round(value, 4) if math.isfinite(value) else None
        case Mapping() if depth < MAX_DEPTH:
            return {tame_text(str(name)): tame(each, depth + 1) for name, each in list(value.items())[:64]}
        case list() | tuple() if depth < MAX_DEPTH:
            return [tame(each, depth + 1) for each in value[: MAX_INNER_ROWS if depth else MAX_ROWS]]
    return tame_text(str(value))


def tame_text(text: str, most: int = MAX_TEXT_CHARACTERS) -> str:
    """Return a text without what breaks a line or a terminal, cut where it is too long."""
    shown = text[: most + 1]
    if not shown.isprintable():
        shown = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in shown)
    return shown if len(shown) <= most else shown[: most - 1] + "…"
