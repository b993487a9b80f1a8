"""The memory limit, what memory is for, and the allocators."""

from __future__ import annotations

from typing import Final

from scripts.dashboard_pages.panels import Graph, Page, Query, Row, one

MEMORY: Final = Page(
    "beam-memory",
    "BEAM: memory and allocators",
    "How near the limit is, what memory is for, and how much of it the allocators hold without using it.",
    (
        Row(
            "Limit",
            (
                Graph(
                    "Against the limit",
                    "bytes",
                    (
                        Query("beam_memory_limit_bytes{of}", "limit {{instance}}"),
                        Query("beam_memory_limit_used_bytes{of}", "counts against it {{instance}}"),
                        Query("beam_resident_memory_bytes{of}", "resident {{instance}}"),
                    ),
                ),
                one(
                    "Limit taken",
                    "percentunit",
                    "beam_memory_limit_used_bytes{of} / beam_memory_limit_bytes{of}",
                ),
            ),
        ),
        Row(
            "Kinds",
            (
                one("Memory", "bytes", "erlang_vm_memory_bytes{of}", "{{kind}} {{instance}}"),
                one("System memory", "bytes", "erlang_vm_memory_system_bytes{of}", "{{usage}} {{instance}}"),
                one("Atoms", "bytes", "erlang_vm_memory_atom_bytes{of}", "{{usage}} {{instance}}"),
            ),
        ),
        Row(
            "Allocators",
            (
                one(
                    "Carriers",
                    "bytes",
                    'sum by (alloc, instance) (erlang_vm_allocators{of, usage="carriers_size"})',
                    "{{alloc}} {{instance}}",
                ),
                one(
                    "Blocks",
                    "bytes",
                    'sum by (alloc, instance) (erlang_vm_allocators{of, usage="blocks_size"})',
                    "{{alloc}} {{instance}}",
                ),
                one(
                    "Used of what is held",
                    "percentunit",
                    'sum by (alloc, instance) (erlang_vm_allocators{of, usage="blocks_size"})'
                    ' / (sum by (alloc, instance) (erlang_vm_allocators{of, usage="carriers_size"}) > 0)',
                    "{{alloc}} {{instance}}",
                ),
            ),
        ),
    ),
)
