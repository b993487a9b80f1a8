from __future__ import annotations

import pytest

from agent.limits import DEFAULT_MAX_MEMORY_BYTES, MIN_MAX_MEMORY_BYTES, TERM_BYTES, Limits

DOES_NOT_SCALE_BYTES = 16 * 1024 * 1024


@pytest.mark.parametrize("max_memory_bytes", [MIN_MAX_MEMORY_BYTES, DEFAULT_MAX_MEMORY_BYTES, 1 << 32])
def test_the_parts_together_stay_below_the_limit(max_memory_bytes: int) -> None:
    limits = Limits(max_memory_bytes)
    incoming = 2.2 * limits.max_frame_bytes
    given_up_and_copied = 2 * limits.max_frame_bytes
    terms = limits.max_terms * TERM_BYTES
    together = incoming + given_up_and_copied + limits.max_waiting_bytes + terms + DOES_NOT_SCALE_BYTES
    assert together <= max_memory_bytes
