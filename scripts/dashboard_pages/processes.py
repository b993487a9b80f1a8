"""Processes and their mailboxes."""

from __future__ import annotations

from typing import Final

from scripts.dashboard_pages.panels import Graph, Page, Query, Row, one

PROCESSES: Final = Page(
    "beam-processes",
    "BEAM: processes and mailboxes",
    "Who waits, who grows: registered processes by name, all others together.",
    (
        Row(
            "Mailboxes",
            (
                one("Longest mailbox", "short", "beam_process_message_queue_length_max{of}"),
                one(
                    "Processes with more messages than",
                    "short",
                    "beam_processes_with_queue_over{of}",
                    "> {{threshold}}",
                ),
                one(
                    "Mailboxes by name",
                    "short",
                    "topk(20, beam_named_process_message_queue_length{of})",
                    "{{name}} {{instance}}",
                ),
            ),
        ),
        Row(
            "Memory",
            (
                one("Largest process", "bytes", "beam_process_memory_bytes_max{of}"),
                one(
                    "Memory by name", "bytes", "topk(20, beam_named_process_memory_bytes{of})", "{{name}} {{instance}}"
                ),
                one("Process memory", "bytes", "erlang_vm_memory_processes_bytes{of}", "{{usage}} {{instance}}"),
            ),
        ),
        Row(
            "Work",
            (
                one("Processes", "short", "erlang_vm_processes{of}"),
                one(
                    "Context switches a second",
                    "short",
                    "rate(erlang_vm_statistics_context_switches_total{of}[$__rate_interval])",
                ),
                one(
                    "Garbage collections a second",
                    "short",
                    "rate(erlang_vm_statistics_garbage_collection_number_of_gcs_total{of}[$__rate_interval])",
                ),
                one(
                    "Reclaimed a second",
                    "Bps",
                    "rate(erlang_vm_statistics_garbage_collection_bytes_reclaimed_total{of}[$__rate_interval])",
                ),
                Graph(
                    "Run queues",
                    "short",
                    (
                        Query("erlang_vm_statistics_run_queues_length{of}", "all {{instance}}"),
                        Query("erlang_vm_statistics_dirty_cpu_run_queue_length{of}", "dirty CPU {{instance}}"),
                        Query("erlang_vm_statistics_dirty_io_run_queue_length{of}", "dirty IO {{instance}}"),
                        Query("erlang_vm_schedulers_online{of}", "schedulers {{instance}}"),
                    ),
                ),
            ),
        ),
    ),
)
