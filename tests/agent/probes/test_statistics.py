from __future__ import annotations

import pytest

from agent.errors import UnexpectedAnswer
from agent.probes import statistics
from agent.probes.statistics import Statistics
from agent.terms import Atom, Term
from tests.fakes import FakeCaller

ANSWER: list[Term] = [
    ((Atom("input"), 11), (Atom("output"), 22)),
    (33, 0),
    (44, 55, 0),
    8,
    (66, 5),
    (7_500, 3),
    [1, 2, 3, 40, 500],
]


async def test_every_value_has_its_place() -> None:
    found = await statistics.ask(FakeCaller({"lists:zipwith3": ANSWER}), 1.0)
    assert found == Statistics(
        input_bytes=11,
        output_bytes=22,
        context_switches=33,
        garbage_collections=44,
        garbage_collected_words=55,
        word_size_bytes=8,
        reductions=66,
        runtime_seconds=7.5,
        run_queue_length=46,  # as statistics(run_queue): the normal ones and dirty CPU, not dirty IO
        dirty_cpu_run_queue_length=40,
        dirty_io_run_queue_length=500,
    )


@pytest.mark.parametrize("place", range(len(ANSWER)))
@pytest.mark.parametrize("odd", [None, Atom("undefined")])
async def test_one_answer_of_another_shape_is_an_error_and_not_zero(place: int, odd: Term) -> None:
    answers = [*ANSWER[:place], odd, *ANSWER[place + 1 :]]
    with pytest.raises(UnexpectedAnswer):
        await statistics.ask(FakeCaller({"lists:zipwith3": answers}), 1.0)
