"""The metrics of our connections to nodes, and of which life of a node it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from agent.node import Node, Up
from agent.probes.identity import NodeIdentity
from collector.metrics.family import NODE_LABEL, OwnFamily, Samples
from collector.metrics.labelled import NodeSeries, Row, Subject
from collector.snapshot import Snapshot
from collector.version import VERSION

START: Final = "beam_node_start_time_seconds"

_ROWS: Final = (
    Row(
        START,
        GaugeMetricFamily,
        "When the node was started, in seconds since 1970. A new start is a new life.",
        (),
        ("identity",),
    ),
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


CONNECTED: Final = OwnFamily(
    "beamwarden_node_connected", GaugeMetricFamily, "Whether a connection to the node stands.", (NODE_LABEL,)
)
MADE: Final = OwnFamily(
    "beamwarden_node_connections_total", CounterMetricFamily, "Connections to the node that were made.", (NODE_LABEL,)
)
RECEIVED: Final = OwnFamily(
    "beamwarden_node_received_bytes_total", CounterMetricFamily, "Bytes that the node has sent us.", (NODE_LABEL,)
)
SENT: Final = OwnFamily(
    "beamwarden_node_sent_bytes_total", CounterMetricFamily, "Bytes that we have sent the node.", (NODE_LABEL,)
)
BUILD: Final = OwnFamily(
    "beamwarden_build_info", GaugeMetricFamily, "Which release of beamwarden this is.", ("version",)
)


def connection_metrics(nodes: Mapping[str, Node]) -> Iterable[Metric]:
    """Tell of each connection whether it stands, how often it was made, and what has passed over it."""
    connected = GaugeMetricFamily(CONNECTED.name, CONNECTED.help, labels=CONNECTED.labels)
    made = CounterMetricFamily(MADE.name, MADE.help, labels=MADE.labels)
    received = CounterMetricFamily(RECEIVED.name, RECEIVED.help, labels=RECEIVED.labels)
    sent = CounterMetricFamily(SENT.name, SENT.help, labels=SENT.labels)
    for name, node in nodes.items():
        traffic = node.traffic
        connected.add_metric((name,), float(isinstance(node.state, Up)))
        made.add_metric((name,), node.connections)
        received.add_metric((name,), traffic.bytes_received)
        sent.add_metric((name,), traffic.bytes_sent)
    return connected, made, received, sent


def build_info() -> Metric:
    """Tell which release of beamwarden it is."""
    info = GaugeMetricFamily(BUILD.name, BUILD.help, labels=BUILD.labels)
    info.add_metric((VERSION,), 1)
    return info
