"""The metrics of our own work.

What has no answer gives no sample, and never 0: it is not known. That is so also of a probe that is asked for the first
time, and of one that programs may not have asked again yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from collector.metrics.family import Family, OwnFamily, Samples
from collector.snapshot import Answered, Outcome, Snapshot, TooSoon, UnderWay


def _decided(snapshot: Snapshot) -> Mapping[str, Outcome]:
    """Return what became of each probe, without those that are not known to have failed but have no answer yet."""
    return {
        name: found
        for name, found in {**snapshot.outcomes, **snapshot.shared}.items()
        if isinstance(found, Answered) or not isinstance(found.error, TooSoon | UnderWay)
    }


def _ages(snapshot: Snapshot) -> Samples:
    made_at = snapshot.made_at
    if made_at is None:
        return {}
    return {
        (name,): max(0.0, (made_at - found.asked_at).total_seconds())
        for name, found in _decided(snapshot).items()
        if isinstance(found, Answered)
    }


OURS: Final = (
    Family(
        "beam_up",
        GaugeMetricFamily,
        "Whether the node answered this scrape.",
        lambda snapshot: {(): snapshot.is_up},
        always_names_node=True,
        is_told_when_down=True,
    ),
    Family(
        "beam_probe_success",
        GaugeMetricFamily,
        "Whether the probe has a result, of this scrape or as old as its age says.",
        lambda snapshot: {(name,): isinstance(found, Answered) for name, found in _decided(snapshot).items()},
        labels=("probe",),
        always_names_node=True,
    ),
    Family(
        "beam_probe_duration_seconds",
        GaugeMetricFamily,
        "How long the probe took, from question to result or failure.",
        lambda snapshot: {(name,): found.duration_seconds for name, found in _decided(snapshot).items()},
        labels=("probe",),
        always_names_node=True,
    ),
    Family(
        "beam_probe_age_seconds",
        GaugeMetricFamily,
        "How long before this scrape the node was asked for the result of the probe.",
        _ages,
        labels=("probe",),
        always_names_node=True,
    ),
    Family(
        "beamwarden_node_cost_seconds_total",
        CounterMetricFamily,
        "For how long the probe has occupied one scheduler of the node, for whomever it was asked. At the most: its "
        "workers measure themselves, and of one that was killed it is what that can have taken.",
        lambda snapshot: {(name,): seconds for name, seconds in snapshot.costs.items()},
        labels=("probe",),
        always_names_node=True,
        is_told_when_down=True,
    ),
)


FAILED_LOGINS: Final = OwnFamily(
    "beamwarden_failed_logins_total",
    CounterMetricFamily,
    "Requests with a token that is not known here, or a wrong password.",
)


def failed_logins(count: int) -> Metric:
    """Return how many requests bore a token that is none of ours."""
    return CounterMetricFamily(FAILED_LOGINS.name, FAILED_LOGINS.help, value=count)


SETTINGS_VALID: Final = OwnFamily(
    "beamwarden_settings_valid",
    GaugeMetricFamily,
    "Whether this program has begun its work; 0: its settings are wrong, or it met a bug, and it waits.",
)


def settings_valid(*, is_valid: bool) -> Metric:
    """Return whether we work, and do not only wait for our settings to be mended."""
    return GaugeMetricFamily(SETTINGS_VALID.name, SETTINGS_VALID.help, value=float(is_valid))
