from __future__ import annotations

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families as parse_text

from collector.metrics.exposition import within_limit, write_page
from collector.metrics.legacy import Naming


def family(name: str, series: int) -> Metric:
    metric = GaugeMetricFamily(name, "Something.", labels=("label",))
    for number in range(series):
        metric.add_metric((str(number),), number)
    return metric


FAMILIES = [family("beam_up", 30), family("small", 5), family("large", 20), family("larger", 21)]
ALL = 76  # and one that says how many there are not


def names(kept: list[Metric]) -> list[str]:
    return [metric.name for metric in kept]


def test_what_fits_is_left_as_it_is() -> None:
    assert within_limit(FAMILIES, ALL + 1) == (FAMILIES, {})


@pytest.mark.parametrize(
    ("max_series", "kept", "left_out"),
    [
        (ALL, ["beam_up", "small", "large"], {"larger": 21}),
        (56, ["beam_up", "small", "large"], {"larger": 21}),
        (55, ["beam_up", "small"], {"larger": 21, "large": 20}),
        (36, ["beam_up", "small"], {"larger": 21, "large": 20}),
        (35, ["beam_up"], {"larger": 21, "large": 20, "small": 5}),
        (1, ["beam_up"], {"larger": 21, "large": 20, "small": 5}),
    ],
)
def test_the_largest_families_go_first_and_whether_a_node_is_up_stays(
    max_series: int, kept: list[str], left_out: dict[str, int]
) -> None:
    found = within_limit(FAMILIES, max_series)
    assert (names(found[0]), found[1]) == (kept, left_out)


def test_what_was_left_out_is_told_on_the_page_and_never_is_not() -> None:
    def told(max_series: int) -> float:
        text = write_page(FAMILIES, "", Naming.V6, max_series).body.decode()
        samples = [sample for one in parse_text(text) for sample in one.samples]
        assert len(samples) <= max_series
        return next(sample.value for sample in samples if sample.name == "beamwarden_scrape_series_left_out")

    assert told(ALL + 1) == 0
    assert told(ALL) == 21


def test_a_page_of_nothing_says_that_nothing_is_left_out() -> None:
    assert b"\nbeamwarden_scrape_series_left_out 0.0\n" in write_page([], "", Naming.BOTH, 1_000).body


def test_both_names_of_a_family_count() -> None:
    metric = family("erlang_vm_memory_bytes", 10)
    assert write_page([metric], "", Naming.V6, 15).left_out == {}
    assert write_page([metric], "", Naming.BOTH, 15).left_out == {"erlang_vm_memory_bytes": 10}


@pytest.mark.parametrize("accept", ["text/plain;version=junk", "application/openmetrics-text;version=junk", "junk"])
def test_a_scraper_that_accepts_nothing_known_gets_the_text_format(accept: str) -> None:
    assert write_page(FAMILIES, accept, Naming.V6, 1_000).content_type.startswith("text/plain; version=0.0.4")
