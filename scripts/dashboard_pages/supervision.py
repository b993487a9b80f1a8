"""Supervisors, their children, applications and governors."""

from __future__ import annotations

from typing import Final

from scripts.dashboard_pages.panels import Page, Row, one

SUPERVISION: Final = Page(
    "beam-supervision",
    "BEAM: supervision",
    "What runs, what was restarted, and how many restarts are left before a supervisor ends with all below it.",
    (
        Row(
            "Supervisors",
            (
                one("Up", "bool_yes_no", "beam_supervisor_up{of}", "{{supervisor}} {{instance}}"),
                one("Restarts left", "short", "beam_supervisor_restart_budget_left{of}", "{{supervisor}} {{instance}}"),
                one(
                    "Restarts within the period",
                    "short",
                    "beam_supervisor_restarts_in_period{of}",
                    "{{supervisor}} {{instance}}",
                ),
                one(
                    "Children restarted in ten minutes",
                    "short",
                    "topk(20, increase(beam_supervisor_child_restarts_total{of}[10m]))",
                    "{{supervisor}} {{child}} {{instance}}",
                ),
                one(
                    "Children by state",
                    "short",
                    "sum by (state, instance) (beam_supervisor_children{of})",
                    "{{state}} {{instance}}",
                ),
            ),
        ),
        Row(
            "Applications and governors",
            (
                one("Application runs", "bool_yes_no", "beam_application_running{of}", "{{application}} {{instance}}"),
                one(
                    "Governors", "short", "sum by (supervisor, state) (beam_governors{of})", "{{supervisor}} {{state}}"
                ),
            ),
        ),
    ),
)
