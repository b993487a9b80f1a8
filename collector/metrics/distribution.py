"""The metrics of the node's connections to others, as prometheus.erl has them.

All are gauges, also what only grows: so prometheus.erl declares them, and what is made for it relies on that. Our own
connection is not among the peers, nor any other that has its name from the node and for itself alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client.core import GaugeMetricFamily

from agent.probes.distribution import Distribution, Peer, PortFigures, ProcessFigures, SocketFigures
from collector.metrics.family import Family, Samples
from collector.snapshot import Snapshot

_STATES: Final = {"pending": 1, "up_pending": 2, "up": 3}
_STATUSES: Final = {
    "exiting": 1,
    "suspended": 2,
    "runnable": 3,
    "garbage_collecting": 4,
    "running": 5,
    "waiting": 6,
}


def _peers(snapshot: Snapshot) -> tuple[Peer, ...]:
    found = snapshot.result(Distribution)
    return () if found is None else found.peers


def _of_peer(name: str, help_text: str, read: Callable[[Peer], float | None]) -> Family:
    return Family(
        f"erlang_vm_dist_{name}",
        GaugeMetricFamily,
        help_text,
        lambda snapshot: {(peer.name,): read(peer) for peer in _peers(snapshot)},
        labels=("peer",),
        probes=("distribution",),
    )


def _of_socket(name: str, help_text: str, read: Callable[[SocketFigures], int]) -> Family:
    return _of_peer(name, help_text, lambda peer: None if peer.socket is None else read(peer.socket))


def _of_port(name: str, help_text: str, read: Callable[[PortFigures], int]) -> Family:
    return _of_peer(f"port_{name}", help_text, lambda peer: None if peer.port is None else read(peer.port))


def _of_process(name: str, help_text: str, read: Callable[[ProcessFigures], int | None]) -> Family:
    def samples(snapshot: Snapshot) -> Samples:
        return {
            (peer.name, kind): read(process) for peer in _peers(snapshot) for kind, process in peer.processes.items()
        }

    return Family(
        f"erlang_vm_dist_proc_{name}",
        GaugeMetricFamily,
        help_text,
        samples,
        labels=("peer", "type"),
        probes=("distribution",),
    )


def _queue(peer: Peer) -> int | None:
    # As prometheus.erl has it: what is there and not counted is -1.
    return -1 if peer.has_queue is True else None if peer.has_queue is None else int(peer.has_queue)


DISTRIBUTION: Final = (
    _of_socket("recv_bytes", "Bytes that the socket has received.", lambda s: s.received_bytes),
    _of_socket("recv_cnt", "Packets that the socket has received.", lambda s: s.received_packets),
    _of_socket("recv_max_bytes", "The largest packet that the socket has received.", lambda s: s.received_most_bytes),
    _of_socket(
        "recv_avg_bytes", "The average packet that the socket has received.", lambda s: s.received_average_bytes
    ),
    _of_socket(
        "recv_dvi_bytes",
        "By how much the packets that the socket has received differ from the average.",
        lambda s: s.received_deviation_bytes,
    ),
    _of_socket("send_bytes", "Bytes that the socket has sent.", lambda s: s.sent_bytes),
    _of_socket("send_cnt", "Packets that the socket has sent.", lambda s: s.sent_packets),
    _of_socket("send_max_bytes", "The largest packet that the socket has sent.", lambda s: s.sent_most_bytes),
    _of_socket("send_avg_bytes", "The average packet that the socket has sent.", lambda s: s.sent_average_bytes),
    _of_socket("send_pend_bytes", "Bytes that the socket has still to send.", lambda s: s.sent_pending),
    _of_port("input_bytes", "Bytes read from the port.", lambda p: p.input_bytes),
    _of_port("output_bytes", "Bytes written to the port.", lambda p: p.output_bytes),
    _of_port("memory_bytes", "The memory of the port, without what its driver has.", lambda p: p.memory_bytes),
    _of_port("queue_size_bytes", "Bytes that wait in the port.", lambda p: p.queue_bytes),
    _of_process("memory_bytes", "The memory of the process.", lambda p: p.memory_bytes),
    _of_process("heap_size_words", "The youngest heap of the process, with its stack.", lambda p: p.heap_size_words),
    _of_process("min_heap_size_words", "The smallest heap that the process may have.", lambda p: p.min_heap_size_words),
    _of_process(
        "min_bin_vheap_size_words",
        "The smallest virtual heap of binaries that the process may have.",
        lambda p: p.min_bin_vheap_size_words,
    ),
    _of_process("stack_size_words", "The stack of the process.", lambda p: p.stack_size_words),
    _of_process(
        "total_heap_size_words",
        "All heaps of the process, with its stack and messages.",
        lambda p: p.total_heap_size_words,
    ),
    _of_process("message_queue_len", "Messages in the mailbox of the process.", lambda p: p.message_queue_len),
    _of_process("reductions", "Reductions of the process.", lambda p: p.reductions),
    _of_process(
        "status",
        "What the process does: exiting is 1, suspended 2, runnable 3, garbage_collecting 4, running 5, waiting 6.",
        lambda p: _STATUSES.get(p.status),
    ),
    _of_peer(
        "node_state",
        "The state of the connection: pending is 1, up_pending 2, up 3.",
        lambda peer: _STATES.get(peer.state),
    ),
    _of_peer(
        "node_queue_size_bytes",
        "Bytes that wait in front of the port, or -1 when some do and it is not told how many.",
        _queue,
    ),
)
