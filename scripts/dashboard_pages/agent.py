"""Beamwarden itself."""

from __future__ import annotations

from typing import Final

from scripts.dashboard_pages.panels import Graph, Page, Query, Row, one

AGENT: Final = Page(
    "beamwarden",
    "Beamwarden: the agent itself",
    "What watching costs a node, how old what it tells is, and what was done from here.",
    (
        Row(
            "Connection",
            (
                one("Connected", "bool_yes_no", "beamwarden_node_connected{of}", "{{erlang_node}} {{instance}}"),
                one(
                    "Connections made", "short", "beamwarden_node_connections_total{of}", "{{erlang_node}} {{instance}}"
                ),
                Graph(
                    "Traffic",
                    "Bps",
                    (
                        Query(
                            "rate(beamwarden_node_received_bytes_total{of}[$__rate_interval])", "received {{instance}}"
                        ),
                        Query("rate(beamwarden_node_sent_bytes_total{of}[$__rate_interval])", "sent {{instance}}"),
                    ),
                ),
            ),
        ),
        Row(
            "Probes",
            (
                one("Succeeded", "bool_yes_no", "beam_probe_success{of}", "{{probe}} {{instance}}"),
                one("Took", "s", "beam_probe_duration_seconds{of}", "{{probe}} {{instance}}"),
                one("Age of the answer", "s", "beam_probe_age_seconds{of}", "{{probe}} {{instance}}"),
                one(
                    "Cost: share of one scheduler",
                    "percentunit",
                    "rate(beamwarden_node_cost_seconds_total{of}[$__rate_interval])",
                    "{{probe}} {{instance}}",
                ),
            ),
        ),
        Row(
            "Program",
            (
                one("Version", "none", "beamwarden_build_info{of}", "{{version}} {{instance}}"),
                one("Actions", "short", "beamwarden_actions_total{of}", "{{action}} {{outcome}} {{instance}}"),
                Graph(
                    "Should be none",
                    "short",
                    (
                        Query("beamwarden_internal_errors_total{of}", "bugs {{instance}}"),
                        Query("beamwarden_failed_logins_total{of}", "unknown tokens {{instance}}"),
                    ),
                ),
                one("Names without a series", "short", "beamwarden_label_values_left_out{of}", "{{kind}} {{instance}}"),
                one("Scrape", "s", "scrape_duration_seconds{of}"),
            ),
        ),
    ),
)
