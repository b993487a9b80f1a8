"""Metrics of what we have changed on nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Final, Protocol

from prometheus_client.core import CounterMetricFamily, Metric, SummaryMetricFamily

from collector.cleaning.models import CleaningState
from collector.metrics.family import NODE_LABEL, OwnFamily
from collector.restarts.models import RestartState

_RESTARTS: Final = (("restart", "start"), [state for state in RestartState if state is not RestartState.RUNNING])
_CLEANING: Final = (
    ("gc", "ets-delete"),
    [*(state for state in CleaningState if state is not CleaningState.PLANNED), "refused"],
)


ACTIONS: Final = OwnFamily(
    "beamwarden_actions_total",
    CounterMetricFamily,
    "Actions that were asked for here, by how they ended.",
    labels=(NODE_LABEL, "action", "outcome"),
)
DURATIONS: Final = OwnFamily(
    "beamwarden_action_duration_seconds",
    SummaryMetricFamily,
    "How long actions took from intent to outcome.",
    labels=(NODE_LABEL, "action"),
)


class Counted(Protocol):
    """What counts its actions on one node, by action and how they ended, and how many took how long in all."""

    outcomes: Counter[tuple[str, str]]
    durations: dict[str, tuple[int, float]]


def action_metrics(restarts: Mapping[str, Counted], cleaning: Mapping[str, Counted]) -> Iterable[Metric]:
    """Tell what became of the actions that were asked for here since we began, and how long they took."""
    actions = CounterMetricFamily(ACTIONS.name, ACTIONS.help, labels=ACTIONS.labels)
    durations = SummaryMetricFamily(DURATIONS.name, DURATIONS.help, labels=DURATIONS.labels)
    for of_nodes, (names, endings) in ((restarts, _RESTARTS), (cleaning, _CLEANING)):
        for node, of_node in of_nodes.items():
            # Also those that never were, or nobody could tell the first one from none.
            for action, outcome in product(names, endings):
                actions.add_metric((node, action, outcome.replace(" ", "_")), of_node.outcomes[action, outcome])
            for action, (count, seconds) in of_node.durations.items():
                durations.add_metric((node, action), count_value=count, sum_value=seconds)
    return actions, durations
