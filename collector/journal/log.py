"""Each entry of the journal as a line of the log: who cuts or rewrites the journal cannot change what left us before.

``journal_head`` of the newest line is what ``beamwarden audit verify --head`` wants.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from typing import Final, TextIO

from collector.journal.chain import Entry, Json
from collector.logs import NOTICE, JsonFormatter

# Of one fact, as a plan has them; Cloud Logging takes lines of up to 256 KiB. The journal has it whole.
MAX_FACT_CHARACTERS: Final = 4_000

_LOG: Final = logging.getLogger(__name__)
# Names that a line has anyway, or that Python's logging keeps for itself.
_TAKEN: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    *("severity", "time", "message", "logger", "stack_trace", "asctime", "taskName"),
    *("journal_entry", "journal_kind", "journal_head", "action_id", "erlang_node"),
}


def log_entry(entry: Entry) -> None:
    """Log an entry as everything is logged."""
    _LOG.log(NOTICE, _message(entry), extra=_facts(entry))


def print_entry(entry: Entry, stream: TextIO | None = None) -> None:
    """Print an entry as a line of JSON to ``stream`` (standard error), for a command whose output is its answer.

    To a person, on a terminal, only its number and its hash: the rest stands in the answer.
    """
    stream = stream or sys.stderr
    # What is written is written: a terminal that has gone is no reason to say that it failed.
    with contextlib.suppress(OSError, ValueError):
        stream.write(f"journal entry {entry.seq}: {entry.hash}\n" if stream.isatty() else f"{_line(entry)}\n")
        stream.flush()


def _line(entry: Entry) -> str:
    record = _LOG.makeRecord(_LOG.name, NOTICE, "", 0, _message(entry), (), None, extra=_facts(entry))
    return JsonFormatter().format(record)


def _message(entry: Entry) -> str:
    action = entry.body.get("action")
    return f"{action if isinstance(action, str) else 'action'}: {entry.kind}"


def _facts(entry: Entry) -> dict[str, Json]:
    own: dict[str, Json] = {
        "journal_entry": entry.seq,
        "journal_kind": entry.kind.value,
        "journal_head": entry.hash,
        "action_id": entry.action_id,
        "erlang_node": entry.node,
    }
    return own | {f"of_{name}" if name in _TAKEN else name: _short(value) for name, value in entry.body.items()}


def _short(value: Json) -> Json:
    length = len(value) if isinstance(value, str) else len(json.dumps(value))
    return value if length <= MAX_FACT_CHARACTERS else f"{length:,} characters, in the journal"
