from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from collector.diagnosis.growth import Criteria, Pattern
from collector.diagnosis.what_grows import Holder, WhatGrows, holder, table_falls, table_growth, what_grows
from collector.trend import Point, Series, Trend, Window, all_series, memory_of, table_of

MIB = 1024 * 1024
SIZES = {
    "processes": 40 * MIB,
    "atom": 1 * MIB,
    "binary": 10 * MIB,
    "code": 20 * MIB,
    "ets": 8 * MIB,
    "other": 12 * MIB,
}
Change = Callable[[int], int]


def nothing(_point: int) -> int:
    return 0


def one(_point: int) -> int:
    return 1


def window(changes: Mapping[str, Change], points: int = 120, creation: Callable[[int], int] = lambda _: 7) -> Window:
    """A trend in which these kinds of memory have so many bytes more at each point."""
    kept = Trend(10.0, all_series(["receipt_ledger"]))
    chance = random.Random(4)
    for number in range(points):
        sizes = {
            kind: size + changes.get(kind, nothing)(number) + chance.randrange(MIB // 100)
            for kind, size in SIZES.items()
        }
        system = sum(size for kind, size in sizes.items() if kind != "processes")
        values: dict[Series, int] = {memory_of(kind): size for kind, size in sizes.items() if kind != "other"}
        values |= {memory_of("system"): system, memory_of("total"): system + sizes["processes"]}
        rows = changes.get("rows", nothing)(number)
        values |= {
            table_of("receipt_ledger", "count"): changes.get("tables", one)(number),
            table_of("receipt_ledger", "size"): 1_000 + rows,
            table_of("receipt_ledger", "memory"): 100 * (1_000 + rows),
        }
        kept.record(Point(creation(number), values), 10.0 * number)
    return kept.window()


def test_a_node_that_is_well_has_no_growing_parts() -> None:
    assert what_grows(window({})) == WhatGrows(what_grows(window({})).total, ())
    assert what_grows(window({})).total.pattern is Pattern.STEADY


@pytest.mark.parametrize("kind", list(SIZES))
def test_the_kind_that_grows_is_named_first_with_its_share(kind: str) -> None:
    found = what_grows(window({kind: lambda number: number * MIB // 2}))
    assert found.total.pattern is Pattern.GRADUAL
    first = found.parts[0]
    assert first.kind == kind
    assert first.share == pytest.approx(1.0, abs=0.05)
    assert first.growth.pattern is Pattern.GRADUAL
    assert first.rise_bytes == pytest.approx(60 * MIB, rel=0.1)


def test_two_that_grow_share_the_rise_and_all_shares_are_one() -> None:
    found = what_grows(window({"ets": lambda number: number * MIB // 2, "binary": lambda number: number * MIB // 4}))
    shares = {part.kind: part.share for part in found.parts}
    assert list(shares)[:2] == ["ets", "binary"]
    assert shares["ets"] == pytest.approx(2 / 3, abs=0.05)
    assert sum(shares.values()) == pytest.approx(1.0, abs=0.02)


def test_one_that_shrinks_has_a_negative_share() -> None:
    found = what_grows(window({"ets": lambda number: number * MIB, "processes": lambda number: -number * MIB // 5}))
    assert found.parts[-1].kind == "processes"
    assert found.parts[-1].share < 0


def test_a_sudden_rise_is_counted_from_before_it() -> None:
    found = what_grows(window({"binary": lambda number: 90 * MIB if number >= 80 else 0}))
    assert found.total.pattern is Pattern.SUDDEN
    assert found.parts[0].kind == "binary"
    assert found.parts[0].rise_bytes == pytest.approx(90 * MIB, rel=0.02)


@pytest.mark.parametrize("since", [2, 3, 4, 5, 6])
def test_a_sudden_rise_is_of_what_rose_also_when_it_was_a_moment_ago(since: int) -> None:
    found = what_grows(window({"ets": lambda number: 34 * MIB if number >= 120 - since else 0}))
    assert found.total.pattern is Pattern.SUDDEN
    assert found.parts[0].kind == "ets"
    assert found.parts[0].share == pytest.approx(1.0, abs=0.1)
    assert found.parts[0].rise_bytes == pytest.approx(34 * MIB, rel=0.1)


@pytest.mark.parametrize("lost", [1, 6, 30])
def test_what_grew_until_the_node_was_lost_is_told_afterwards_as_well(lost: int) -> None:
    before = window({"ets": lambda number: number * MIB // 2})
    gone = replace(
        before, values={series: (*values[lost:], *[None] * lost) for series, values in before.values.items()}
    )
    found = what_grows(gone)
    assert found.parts[0].kind == "ets"
    assert found.parts[0].share == pytest.approx(1.0, abs=0.05)


def test_a_table_that_had_fewer_rows_before_the_node_was_lost_had_fewer_rows() -> None:
    before = window({"rows": lambda number: 0 if number == 100 else number})
    size = table_of("receipt_ledger", "size")
    gone = replace(before, values={**before.values, size: (*before.values[size][30:], *[None] * 30)})
    assert (table_falls(before, "receipt_ledger", 300.0), table_falls(gone, "receipt_ledger", 300.0)) == (1, 1)


def test_what_was_before_the_node_was_started_anew_does_not_count() -> None:
    found = what_grows(
        window(
            {"ets": lambda number: 500 * MIB if number >= 60 else 0}, creation=lambda number: 8 if number >= 60 else 7
        )
    )
    assert found.total.pattern is Pattern.STEADY
    assert found.total.points == 60


def test_a_young_trend_has_not_enough_data() -> None:
    assert what_grows(window({"ets": lambda number: number * MIB}, points=20)).total.pattern is Pattern.NOT_ENOUGH_DATA
    assert what_grows(Trend(10.0, all_series([])).window()).total.pattern is Pattern.NOT_ENOUGH_DATA


def test_a_watched_table_is_judged_by_its_rows_and_by_its_memory() -> None:
    leaking = window({"rows": lambda number: 50 * number})
    for what in ("size", "memory"):
        found = table_growth(leaking, "receipt_ledger", what)
        assert found is not None
        assert found.pattern is Pattern.GRADUAL
    steady = table_growth(window({}), "receipt_ledger", "size")
    assert steady is not None
    assert steady.pattern is Pattern.STEADY


def test_a_table_that_was_not_there_before_has_not_grown_from_nothing() -> None:
    found = table_growth(window({"tables": lambda number: int(number >= 100)}), "receipt_ledger", "size")
    assert found is not None
    assert found.points == 20


def test_of_a_table_that_is_not_there_nothing_is_said() -> None:
    assert table_growth(window({"tables": lambda _: 0}), "receipt_ledger", "size") is None
    assert table_growth(window({}), "another", "size") is None


def test_the_criteria_are_those_that_are_given() -> None:
    slight = window({"ets": lambda number: number * MIB // 20})
    assert what_grows(slight, Criteria(least_rise_share=0.2)).total.pattern is Pattern.STEADY
    assert what_grows(slight, Criteria(least_rise_share=0.02)).total.pattern is Pattern.GRADUAL


def test_who_has_most_of_a_kind_is_named() -> None:
    assert holder([("<0.5.0>", 10), ("receipt_store", 60)], 100) == Holder("receipt_store", 60, 0.6)
    assert holder([("<0.5.0>", 10), ("receipt_store", 40)], 100) is None
    assert holder([("receipt_store", 120)], 100) == Holder("receipt_store", 120, 1.0)


@pytest.mark.parametrize(("largest", "all_bytes"), [([], 100), ([("a", 5)], 0)])
def test_where_nothing_is_there_nobody_has_most_of_it(largest: list[tuple[str, int]], all_bytes: int) -> None:
    assert holder(largest, all_bytes) is None
