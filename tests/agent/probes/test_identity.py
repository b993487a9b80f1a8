from __future__ import annotations

import pytest

from agent.errors import UnexpectedAnswer
from agent.probes import identity
from agent.probes.identity import NodeIdentity
from agent.terms import Term
from tests.fakes import FakeCaller


def codes(text: str) -> list[Term]:
    return [ord(character) for character in text]


async def test_uptime_is_told_in_seconds_whatever_the_node_s_time_unit() -> None:
    # A start time may be negative: monotonic time has no zero that means anything.
    answer: Term = [codes("28"), codes("16.4"), 500_000, -1_000_000, 1_000]
    found = await identity.ask(FakeCaller({"lists:zipwith3": answer}), 1.0)
    assert found == NodeIdentity("28", "16.4", 1500.0)


@pytest.mark.parametrize("answer", [[1, 2, 3, 4, 5], [codes("28"), codes("16.4"), 5, 4, 0]])
async def test_an_answer_of_another_shape_is_an_error(answer: list[Term]) -> None:
    with pytest.raises(UnexpectedAnswer):
        await identity.ask(FakeCaller({"lists:zipwith3": answer}), 1.0)
