from __future__ import annotations

import pytest

from agent.supervision import ChildState, Counts, Status, Supervisor


@pytest.mark.parametrize(
    ("intensity", "restarts", "left"),
    [(5, 0, 5), (5, 5, 0), (5, 6, 0), (0, 0, 0), (None, 0, None), (5, None, None)],
)
def test_the_budget_left_is_what_may_still_happen(
    intensity: int | None, restarts: int | None, left: int | None
) -> None:
    supervisor = Supervisor("<0.50.0>", None, Status.RUNNING, intensity=intensity, restarts=restarts)
    assert supervisor.budget_left == left


def test_counts_have_one_field_for_each_state_of_a_child_in_its_order() -> None:
    assert list(Counts.__slots__) == [state.value for state in ChildState]
    assert Counts(1, 2, 3, 4, 5).total == 15
