"""The metrics of our connections to nodes, and of which life of a node it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from agent.node import Node, Up
from agent.probes.identity import NodeIdentity
from collector.metrics.family import NODE_LABEL, Samples
from collector.metrics.labelled import NodeSeries, Row, Subject
from collector.snapshot import Snapshot
from collector.version import VERSION

START: Final = "beam_node_start_time_seconds"

_ROWS: Final = (
    Row(START, GaugeMetricFamily, "When the node was started, in seconds since 1970. A new start is a new life.", ()),
)


def _fill(snapshot: Snapshot, series: NodeSeries, _now: float) -> Mapping[str, Samples]:
    identity = snapshot.result(NodeIdentity)
    if identity is None or snapshot.peer is None:
        return {}
    # Kept, or the way that each answer takes would make it another moment at each scrape.
    if series.started_at is None or series.started_at[0] != snapshot.peer.creation:
        started_at = snapshot.collected_at.timestamp() - identity.uptime_seconds
        series.started_at = snapshot.peer.creation, round(started_at, 1)
    return {START: {(): series.started_at[1]}}


LIFE: Final = Subject(_ROWS, _fill)


def connection_metrics(nodes: Mapping[str, Node]) -> Iterable[Metric]:
    """Tell of each connection whether it stands, how often it was made, and what has passed over it."""
    connected = GaugeMetricFamily(
        "beamwarden_node_connected", "Whether a connection to the node stands.", labels=(NODE_LABEL,)
    )
    made = CounterMetricFamily(
        "beamwarden_node_connections", "Connections to the node that were made.", labels=(NODE_LABEL,)
    )
    received = CounterMetricFamily(
        "beamwarden_node_received_bytes", "Bytes that the node has sent us.", labels=(NODE_LABEL,)
    )
    sent = CounterMetricFamily("beamwarden_node_sent_bytes", "Bytes that we have sent the node.", labels=(NODE_LABEL,))
    for name, node in nodes.items():
        traffic = node.traffic
        connected.add_metric((name,), float(isinstance(node.state, Up)))
        made.add_metric((name,), node.connections)
        received.add_metric((name,), traffic.bytes_received)
        sent.add_metric((name,), traffic.bytes_sent)
    return connected, made, received, sent


def build_info() -> Metric:
    """Tell which release of beamwarden it is."""
    info = GaugeMetricFamily("beamwarden_build_info", "Which release of beamwarden this is.", labels=("version",))
    info.add_metric((VERSION,), 1)
    return info
