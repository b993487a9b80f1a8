"""From metrics to the page that a scraper gets: in which names, in which format, and no longer than is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from collector.metrics.family import OwnFamily
from collector.metrics.legacy import Naming, exposed_name, named

LEFT_OUT: Final = OwnFamily(
    "beamwarden_scrape_series_left_out",
    GaugeMetricFamily,
    "Series that this scrape would have had beyond scrape_max_series. The log names their families.",
)
# Whoever is told nothing else has still to be told this.
_ALWAYS_TOLD: Final = {"beam_up", LEFT_OUT.name}


@dataclass(frozen=True, slots=True)
class Page:
    """What a scraper gets; and how many series each family had that was left out."""

    body: bytes
    content_type: str
    left_out: Mapping[str, int] = field(default_factory=dict)


class _Gathered(Collector):
    """Families that are made already, in the form in which prometheus_client wants them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def write_page(metrics: Iterable[Metric], accept: str, naming: Naming, max_series: int) -> Page:
    """Write a page.

    What has old names is always text: OpenMetrics is stricter about names.
    """
    kept, left_out = within_limit(list(named(metrics, naming)), max_series)
    told = GaugeMetricFamily(LEFT_OUT.name, LEFT_OUT.help, value=sum(left_out.values()))
    families = _Gathered([*kept, told])
    try:
        encode, content_type = choose_encoder(accept if naming is Naming.V6 else "")
        return Page(encode(families), content_type, left_out)
    except TypeError:  # prometheus_client's, for a version that is no number
        encode, content_type = choose_encoder("")
        return Page(encode(families), content_type, left_out)


def within_limit(metrics: Sequence[Metric], max_series: int) -> tuple[list[Metric], Mapping[str, int]]:
    """Leave out the largest families until the rest fits. Whole ones: part of one would be taken for all of it."""
    series = sum(len(metric.samples) for metric in metrics) + 1
    left_out: dict[str, int] = {}
    largest_first = sorted(metrics, key=lambda metric: (-len(metric.samples), metric.name))
    for metric in largest_first:
        if series <= max_series:
            break
        if metric.name not in _ALWAYS_TOLD:
            left_out[exposed_name(metric)] = len(metric.samples)
            series -= len(metric.samples)
    return [metric for metric in metrics if exposed_name(metric) not in left_out], left_out
