"""Metrics of what we have changed on nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, Metric, SummaryMetricFamily

from collector.metrics import NODE_LABEL
from collector.restarts.account import ACTIONS
from collector.restarts.models import RestartState
from collector.restarts.runner import Restarts

_OUTCOMES: Final = [state for state in RestartState if state is not RestartState.RUNNING]


def action_metrics(restarts: Mapping[str, Restarts]) -> Iterable[Metric]:
    """Tell what became of the actions that were asked for here since we began, and how long they took."""
    actions = CounterMetricFamily(
        "beamwarden_actions",
        "Actions that were asked for here, by how they ended.",
        labels=(NODE_LABEL, "action", "outcome"),
    )
    durations = SummaryMetricFamily(
        "beamwarden_action_duration_seconds",
        "How long actions took from intent to outcome.",
        labels=(NODE_LABEL, "action"),
    )
    for node, of_node in restarts.items():
        # Also those that never were, or nobody could tell the first one from none.
        for action in sorted(ACTIONS):
            for outcome in _OUTCOMES:
                count = of_node.outcomes[action, outcome]
                actions.add_metric((node, action, outcome.replace(" ", "_")), count)
        for action, (count, seconds) in of_node.durations.items():
            durations.add_metric((node, action), count_value=count, sum_value=seconds)
    return actions, durations
