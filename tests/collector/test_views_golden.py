"""Every answer as JSON. How to write the files anew stands in `tests.collector_results`."""

from __future__ import annotations

import pytest

from tests.collector_results import ANSWERS, GOLDEN, as_golden


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_as_it_was(name: str) -> None:
    assert as_golden(ANSWERS[name]) == (GOLDEN / f"{name}.json").read_text(encoding="utf-8")


def test_there_is_no_golden_file_without_an_answer() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_client_reads_what_the_collector_has_written(name: str) -> None:
    answer = ANSWERS[name]
    assert type(answer).model_validate_json(as_golden(answer)) == answer
