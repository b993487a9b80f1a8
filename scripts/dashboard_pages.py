"""What the dashboards of deploy/grafana show: pages of rows of panels, each with its queries.

In a query ``{of}`` stands for the labels that choose the job and the instances. ``scripts.dashboards`` builds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OF: Final = 'job=~"$job", instance=~"$instance"'


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression, and what its lines are called."""

    expression: str
    legend: str = ""

    @property
    def text(self) -> str:
        """As Grafana sends it, but for its own variables."""
        return self.expression.replace("{of}", "{" + OF + "}").replace("{of,", "{" + OF + ",")


@dataclass(frozen=True, slots=True)
class Graph:
    """Lines over time. ``at_most`` is where the axis ends, for shares."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    description: str = ""
    at_most: float | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """One figure, as it is now. It is red from ``bad_from`` on, or below ``bad_below``."""

    title: str
    unit: str
    query: Query
    bad_from: float | None = None
    bad_below: float | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below one heading."""

    title: str
    panels: tuple[Graph | Number, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One dashboard."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]


def _one(title: str, unit: str, expression: str, legend: str = "{{instance}}", description: str = "") -> Graph:
    return Graph(title, unit, (Query(expression, legend),), description)


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
                _one("Memory", "bytes", "erlang_vm_memory_bytes{of}", "{{kind}} {{instance}}"),
                _one("System memory", "bytes", "erlang_vm_memory_system_bytes{of}", "{{usage}} {{instance}}"),
                _one("Run queue", "short", "erlang_vm_statistics_run_queues_length{of}"),
                _one(
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
                _one(
                    "Requests a second, by status",
                    "reqps",
                    "sum by (status) (rate(tai_http_requests_total[$__rate_interval]))",
                    "{{status}}",
                ),
                _one("Requests that fail", "percentunit", "tai:http_errors:ratio_rate5m", "{{instance}}"),
                _one("Latency, 99th percentile", "s", "tai:http_request_duration_seconds:p99_5m", "{{instance}}"),
            ),
        ),
    ),
)

PROCESSES: Final = Page(
    "beam-processes",
    "BEAM: processes and mailboxes",
    "Who waits, who grows: registered processes by name, all others together.",
    (
        Row(
            "Mailboxes",
            (
                _one("Longest mailbox", "short", "beam_process_message_queue_length_max{of}"),
                _one(
                    "Processes with more messages than",
                    "short",
                    "beam_processes_with_queue_over{of}",
                    "> {{threshold}}",
                ),
                _one(
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
                _one("Largest process", "bytes", "beam_process_memory_bytes_max{of}"),
                _one(
                    "Memory by name", "bytes", "topk(20, beam_named_process_memory_bytes{of})", "{{name}} {{instance}}"
                ),
                _one("Process memory", "bytes", "erlang_vm_memory_processes_bytes{of}", "{{usage}} {{instance}}"),
            ),
        ),
        Row(
            "Work",
            (
                _one("Processes", "short", "erlang_vm_processes{of}"),
                _one(
                    "Context switches a second",
                    "short",
                    "rate(erlang_vm_statistics_context_switches_total{of}[$__rate_interval])",
                ),
                _one(
                    "Garbage collections a second",
                    "short",
                    "rate(erlang_vm_statistics_garbage_collection_number_of_gcs_total{of}[$__rate_interval])",
                ),
                _one(
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

ETS: Final = Page(
    "beam-ets",
    "BEAM: ETS",
    "Which tables grow, and whether anybody deletes rows.",
    (
        Row(
            "All tables",
            (
                _one("Memory of all tables", "bytes", 'erlang_vm_memory_system_bytes{of, usage="ets"}'),
                _one("Tables", "short", "erlang_vm_memory_ets_tables{of}"),
            ),
        ),
        Row(
            "By name",
            (
                _one("Rows", "short", "topk(20, beam_ets_table_size{of})", "{{table}} {{instance}}"),
                _one("Memory", "bytes", "topk(20, beam_ets_table_memory_bytes{of})", "{{table}} {{instance}}"),
                _one(
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

SUPERVISION: Final = Page(
    "beam-supervision",
    "BEAM: supervision",
    "What runs, what was restarted, and how many restarts are left before a supervisor ends with all below it.",
    (
        Row(
            "Supervisors",
            (
                _one("Up", "bool_yes_no", "beam_supervisor_up{of}", "{{supervisor}} {{instance}}"),
                _one(
                    "Restarts left", "short", "beam_supervisor_restart_budget_left{of}", "{{supervisor}} {{instance}}"
                ),
                _one(
                    "Restarts within the period",
                    "short",
                    "beam_supervisor_restarts_in_period{of}",
                    "{{supervisor}} {{instance}}",
                ),
                _one(
                    "Children restarted in ten minutes",
                    "short",
                    "topk(20, increase(beam_supervisor_child_restarts_total{of}[10m]))",
                    "{{supervisor}} {{child}} {{instance}}",
                ),
                _one(
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
                _one("Application runs", "bool_yes_no", "beam_application_running{of}", "{{application}} {{instance}}"),
                _one(
                    "Governors", "short", "sum by (supervisor, state) (beam_governors{of})", "{{supervisor}} {{state}}"
                ),
            ),
        ),
    ),
)

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
                _one(
                    "Limit taken",
                    "percentunit",
                    "beam_memory_limit_used_bytes{of} / beam_memory_limit_bytes{of}",
                ),
            ),
        ),
        Row(
            "Kinds",
            (
                _one("Memory", "bytes", "erlang_vm_memory_bytes{of}", "{{kind}} {{instance}}"),
                _one("System memory", "bytes", "erlang_vm_memory_system_bytes{of}", "{{usage}} {{instance}}"),
                _one("Atoms", "bytes", "erlang_vm_memory_atom_bytes{of}", "{{usage}} {{instance}}"),
            ),
        ),
        Row(
            "Allocators",
            (
                _one(
                    "Carriers",
                    "bytes",
                    'sum by (alloc, instance) (erlang_vm_allocators{of, usage="carriers_size"})',
                    "{{alloc}} {{instance}}",
                ),
                _one(
                    "Blocks",
                    "bytes",
                    'sum by (alloc, instance) (erlang_vm_allocators{of, usage="blocks_size"})',
                    "{{alloc}} {{instance}}",
                ),
                _one(
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

AGENT: Final = Page(
    "beamwarden",
    "Beamwarden: the agent itself",
    "What watching costs a node, how old what it tells is, and what was done from here.",
    (
        Row(
            "Connection",
            (
                _one("Connected", "bool_yes_no", "beamwarden_node_connected{of}", "{{erlang_node}} {{instance}}"),
                _one(
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
                _one("Succeeded", "bool_yes_no", "beam_probe_success{of}", "{{probe}} {{instance}}"),
                _one("Took", "s", "beam_probe_duration_seconds{of}", "{{probe}} {{instance}}"),
                _one("Age of the answer", "s", "beam_probe_age_seconds{of}", "{{probe}} {{instance}}"),
                _one(
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
                _one("Version", "none", "beamwarden_build_info{of}", "{{version}} {{instance}}"),
                _one("Actions", "short", "beamwarden_actions_total{of}", "{{action}} {{outcome}} {{instance}}"),
                Graph(
                    "Should be none",
                    "short",
                    (
                        Query("beamwarden_internal_errors_total{of}", "bugs {{instance}}"),
                        Query("beamwarden_failed_logins_total{of}", "unknown tokens {{instance}}"),
                    ),
                ),
                _one(
                    "Names without a series", "short", "beamwarden_label_values_left_out{of}", "{{kind}} {{instance}}"
                ),
                _one("Scrape", "s", "scrape_duration_seconds{of}"),
            ),
        ),
    ),
)

PAGES: Final = (OVERVIEW, PROCESSES, ETS, SUPERVISION, MEMORY, AGENT)


def queries(page: Page) -> tuple[Query, ...]:
    """Return all queries of a page."""
    panels = [panel for row in page.rows for panel in row.panels]
    return tuple(query for panel in panels for query in (panel.queries if isinstance(panel, Graph) else (panel.query,)))
