from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.top.sparkline import LEVELS, NOT_KNOWN, STARTED_ANEW, carried, sparkline


def test_each_value_has_its_level() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == LEVELS


def test_the_lowest_level_is_the_smallest_value() -> None:
    assert sparkline([1_000, 1_700], 2) == "▁█"


def test_what_begins_at_zero_shows_how_much_it_is_of_the_largest() -> None:
    assert sparkline([1_000, 2_000], 2, is_from_zero=True) == "▅█"


def test_a_value_that_hardly_changes_does_not_look_as_if_it_did() -> None:
    assert set(sparkline([1_000, 1_001, 1_002], 3)) <= {"▄", "▅"}


@pytest.mark.parametrize("is_from_zero", [True, False])
def test_nothing_but_zeros_is_low(is_from_zero: bool) -> None:  # noqa: FBT001  # a parameter of a test
    assert sparkline([0, 0, 0], 3, is_from_zero=is_from_zero) == "▁▁▁"


def test_what_is_not_known_is_a_blank_and_not_the_lowest_level() -> None:
    assert sparkline([0, None, 7], 3) == f"▁{NOT_KNOWN}█"


def test_a_new_life_of_the_node_is_marked() -> None:
    assert sparkline([7, 7, 0, 1], 4, births=[2]) == f"██{STARTED_ANEW}▂"


def test_of_several_moments_in_one_cell_the_largest_is_shown() -> None:
    assert sparkline([0, 0, 0, 9, 0, 0], 2, is_from_zero=True) == "▁█"


def test_one_moment_that_is_known_is_enough_for_a_cell() -> None:
    assert sparkline([None, 3, None, None], 2, is_from_zero=True) == f"█{NOT_KNOWN}"


def test_without_room_or_values_there_is_nothing() -> None:
    assert sparkline([1, 2], 0) == sparkline([], 10) == ""


@given(
    st.lists(st.none() | st.integers(0, 1 << 64), max_size=400),
    st.integers(0, 100),
    st.sets(st.integers(0, 400)),
    st.booleans(),
)
def test_it_never_needs_more_room_than_there_is(
    values: list[int | None],
    cells: int,
    births: set[int],
    is_from_zero: bool,  # noqa: FBT001
) -> None:
    drawn = sparkline(values, cells, births=births, is_from_zero=is_from_zero)
    assert len(drawn) == min(len(values), cells)
    assert set(drawn) <= {*LEVELS, NOT_KNOWN, STARTED_ANEW}


# ------------------------------------------------------------------------------------------------------------- carried

YES, NO = True, False


def test_a_figure_that_is_measured_less_often_stands_until_the_next() -> None:
    assert carried([5, None, None, 7, None], [YES] * 5, 10.0) == [5, 5, 5, 7, 7]


def test_it_does_not_stand_where_the_node_did_not_answer_nor_behind_that() -> None:
    assert carried([5, None, None, None], [YES, YES, NO, YES], 10.0) == [5, 5, None, None]


def test_it_does_not_stand_in_another_life() -> None:
    assert carried([5, None, None], [YES] * 3, 10.0, births=[2]) == [5, 5, None]


def test_it_does_not_stand_for_ever() -> None:
    assert carried([5, *[None] * 20], [YES] * 21, 10.0) == [5] * 16 + [None] * 5


def test_what_was_never_measured_stays_unknown() -> None:
    assert carried([None, None], [YES] * 2, 10.0) == [None, None]
