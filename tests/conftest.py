"""In which order tests run, and what is measured.

In `make pytest` that is agent/ by its own tests, in `make coverage` all of the code by all of the tests. To
measure which lines run makes a test take up to three times as long.
"""

from __future__ import annotations

import os

import pytest
from coverage import Coverage


@pytest.hookimpl(trylast=True)  # Hypothesis has marked its own by then
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that at the end the workers share what is short."""
    items.sort(key=lambda item: item.get_closest_marker("live") is None)
    if "MEASURE_ALL" not in os.environ:
        for item in items:
            if item.get_closest_marker("hypothesis") is not None or item.name.startswith("test_no_part_of_"):
                item.add_marker(pytest.mark.no_cover)  # hundreds of answers in a test; others run the same lines


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart(session: pytest.Session) -> object:
    """Let a worker of pytest-xdist be measured by one alone, which pytest-cov starts now and stops where it should.

    To coverage a worker is one more program that the tests start, and pytest-cov has begun in it once already. Each
    goes on when the one that began later pauses, so that a test marked ``no_cover`` would be measured all the same.
    """
    if hasattr(session.config, "workerinput"):
        while (measuring := Coverage.current()) is not None:
            measuring.stop()
    result = yield
    if "MEASURE_ALL" not in os.environ:
        os.environ.pop("COVERAGE_PROCESS_CONFIG", None)  # what the tests start is not measured
    return result
