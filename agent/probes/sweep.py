"""A question that looks at each of many things: its worker's heap may grow as large as that takes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from agent.expression import Evaluated, Expression, Shell
from agent.probes import rows
from agent.rpc import DEFAULT_MAX_ANSWER_BYTES
from agent.terms import Atom, Term

HEAP_WORDS: Final = 4_000_000  # for what is looked at together, however many there are
MOST: Final = 1 << 27  # the most processes or ports that a node may have; one that counts more lies


async def evaluate_over_all(  # noqa: PLR0913  # four say what is asked, and two what it may take
    shell: Shell,
    counted_by: str,
    expression: Expression,
    bindings: Mapping[str, Term],
    deadline_seconds: float,
    *,
    heap_words_for_each: int,
    max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
) -> Evaluated:
    """Evaluate a sweep. ``counted_by`` is what ``erlang:system_info/1`` counts them by: ``ets_count``."""
    clock = asyncio.get_running_loop().time
    too_late = clock() + deadline_seconds
    count = rows.count(await shell.call("erlang", "system_info", [Atom(counted_by)], deadline_seconds=deadline_seconds))
    return await shell.evaluate(
        expression,
        bindings,
        deadline_seconds=too_late - clock(),
        max_heap_words=HEAP_WORDS + heap_words_for_each * min(count, MOST),
        max_answer_bytes=max_answer_bytes,
        is_sweep=True,
    )
