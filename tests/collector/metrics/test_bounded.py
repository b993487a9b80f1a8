"""Label values from a node: how many there may be, who has to go, and what never is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.metrics.bounded import KEPT_SECONDS, MAX_CHARACTERS, OTHER, Bounded, label_of


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("receipt_store", "receipt_store"),
        ("billing_state_<0.123.0>", "billing_state_<>"),
        ("{conn,<0.1.0>,#Ref<0.1.2.3>,#Port<0.5>}", "{conn,<>,#Ref<>,#Port<>}"),
        ('{billing_governor,<<"acme">>}', '{billing_governor,<<"acme">>}'),
        (OTHER, "'other'"),
    ],
)
def test_a_label_has_no_numbers_of_a_moment(name: str, label: str) -> None:
    assert label_of(name) == label


def test_a_long_name_is_cut() -> None:
    assert len(label_of("x" * 1_000)) == MAX_CHARACTERS


def test_who_has_a_place_keeps_it_whoever_comes() -> None:
    bounded = Bounded(2)
    assert bounded.admit(["a", "b"], 0.0) == {"a", "b"}
    assert bounded.admit(["c", "a", "b"], 10.0) == {"a", "b"}
    assert bounded.left_out == 1


def test_the_least_recently_seen_goes_after_an_hour() -> None:
    bounded = Bounded(2)
    bounded.admit(["a", "b"], 0.0)
    bounded.admit(["b"], 100.0)
    assert bounded.admit(["c"], KEPT_SECONDS - 1.0) == set()
    assert bounded.admit(["c"], KEPT_SECONDS) == {"c"}
    assert bounded.admit(["a", "b"], KEPT_SECONDS + 1.0) == {"b"}


@given(st.lists(st.lists(st.integers(0, 60).map(str)), max_size=40), st.integers(1, 20))
def test_within_an_hour_there_are_no_more_series_than_places(scrapes: list[list[str]], most: int) -> None:
    bounded = Bounded(most)
    seen = {value for number, values in enumerate(scrapes) for value in bounded.admit(values, number * 15.0)}
    assert len(seen) <= most
