"""Is it well? The figures that the playbook looks at first."""

from __future__ import annotations

from typing import Final

from scripts.dashboard_pages.panels import Graph, Number, Page, Query, Row, one

OVERVIEW: Final = Page(
    "beam-overview",
    "BEAM: overview",
    "Is it well? The figures that the incident playbook looks at first.",
    (
        Row(
            "Now",
            (
                Number("Nodes that answer", "none", Query("sum(beam_up{of})"), bad_below=1),
                Number(
                    "Supervisors down", "none", Query("count(beam_supervisor_up{of}) - sum(beam_supervisor_up{of})"), 1
                ),
                Number("Longest mailbox", "short", Query("max(beam_process_message_queue_length_max{of})"), 10_000),
                Number(
                    "Memory limit taken",
                    "percentunit",
                    Query("max(beam_memory_limit_used_bytes{of} / beam_memory_limit_bytes{of})"),
                    0.9,
                ),
                Number(
                    "Restarts in ten minutes",
                    "short",
                    Query("sum(increase(beam_supervisor_child_restarts_total{of}[10m]))"),
                    1,
                ),
                Number(
                    "Youngest instance",
                    "s",
                    Query("min(time() - beam_node_start_time_seconds{of})"),
                    description="Where it never gets old, instances are started again and again.",
                ),
            ),
        ),
        Row(
            "Node",
            (
                one("Memory", "bytes", "erlang_vm_memory_bytes{of}", "{{kind}} {{instance}}"),
                one("System memory", "bytes", "erlang_vm_memory_system_bytes{of}", "{{usage}} {{instance}}"),
                one("Run queue", "short", "erlang_vm_statistics_run_queues_length{of}"),
                one(
                    "Reductions a second", "short", "rate(erlang_vm_statistics_reductions_total{of}[$__rate_interval])"
                ),
                Graph(
                    "Limits",
                    "percentunit",
                    (
                        Query("erlang_vm_processes{of} / erlang_vm_process_limit{of}", "processes {{instance}}"),
                        Query("erlang_vm_ports{of} / erlang_vm_port_limit{of}", "ports {{instance}}"),
                        Query("erlang_vm_atoms{of} / erlang_vm_atom_limit{of}", "atoms {{instance}}"),
                        Query("erlang_vm_memory_ets_tables{of} / erlang_vm_ets_limit{of}", "ETS tables {{instance}}"),
                    ),
                    "How much of what there may be. The limit of ETS tables stops nobody from OTP 21 on.",
                    1.0,
                ),
                Graph(
                    "Input and output",
                    "Bps",
                    (
                        Query(
                            "rate(erlang_vm_statistics_bytes_received_total{of}[$__rate_interval])", "in {{instance}}"
                        ),
                        Query(
                            "rate(erlang_vm_statistics_bytes_output_total{of}[$__rate_interval])", "out {{instance}}"
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Service, where it exports metrics",
            (
                one(
                    "Requests a second, by status",
                    "reqps",
                    "sum by (status) (rate(tai_http_requests_total[$__rate_interval]))",
                    "{{status}}",
                ),
                one("Requests that fail", "percentunit", "tai:http_errors:ratio_rate5m", "{{instance}}"),
                one("Latency, 99th percentile", "s", "tai:http_request_duration_seconds:p99_5m", "{{instance}}"),
            ),
        ),
    ),
)
