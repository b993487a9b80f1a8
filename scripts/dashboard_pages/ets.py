"""ETS tables."""

from __future__ import annotations

from typing import Final

from scripts.dashboard_pages.panels import Page, Row, one

ETS: Final = Page(
    "beam-ets",
    "BEAM: ETS",
    "Which tables grow, and whether anybody deletes rows.",
    (
        Row(
            "All tables",
            (
                one("Memory of all tables", "bytes", 'erlang_vm_memory_system_bytes{of, usage="ets"}'),
                one("Tables", "short", "erlang_vm_memory_ets_tables{of}"),
            ),
        ),
        Row(
            "By name",
            (
                one("Rows", "short", "topk(20, beam_ets_table_size{of})", "{{table}} {{instance}}"),
                one("Memory", "bytes", "topk(20, beam_ets_table_memory_bytes{of})", "{{table}} {{instance}}"),
                one(
                    "Rows a second more",
                    "short",
                    'topk(20, deriv(beam_ets_table_size{of, table!="other"}[10m]))',
                    "{{table}} {{instance}}",
                    "Above zero all day: the retention policy keeps too much, or does not work.",
                ),
            ),
        ),
    ),
)
