"""Writes docs/metrics.md anew from the tables that the metrics are made of: .venv/bin/python -m scripts.metrics

A test compares, so nothing in that page is edited by hand.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from collector.metrics.actions import ACTIONS, DURATIONS
from collector.metrics.allocators import ALLOCATORS
from collector.metrics.connections import BUILD, CONNECTED, LIFE, MADE, RECEIVED, SENT
from collector.metrics.distribution import DISTRIBUTION
from collector.metrics.exposition import LEFT_OUT
from collector.metrics.family import NODE_LABEL, Family, OwnFamily
from collector.metrics.labelled import Row
from collector.metrics.legacy import LEGACY
from collector.metrics.limits import LIMITS
from collector.metrics.microstates import MICROSTATES
from collector.metrics.mnesia import MNESIA
from collector.metrics.named import NAMED
from collector.metrics.own import FAILED_LOGINS, OURS, SETTINGS_VALID
from collector.metrics.own_memory import CEILING, REFUSALS, RESIDENT, SHEDS
from collector.metrics.page import BUGS, LABELS_LEFT_OUT
from collector.metrics.processes import PROCESSES
from collector.metrics.supervision import SUPERVISION
from collector.metrics.tables import TABLES
from collector.metrics.vm import VM
from collector.scrape_settings import PROBES

PAGE: Final = Path(__file__).parent.parent / "docs" / "metrics.md"

HEAD: Final = f"""\
<!-- Made by `.venv/bin/python -m scripts.metrics` from collector/metrics/. -->

# Metrics

All of `/metrics`. A metric comes only where it is known: what a node does not tell is left out, and never 0 or NaN.
Everything about a node has the label `{NODE_LABEL}`, but the `erlang_*` families where one node is watched: so
prometheus.erl, whose names, types and labels these have, does not name it.

## Two sets of names

Version 6.0 of prometheus.erl gave some metrics other names, and most public dashboards still ask for the old ones. The
setting `naming` says which there are: `v6`, `legacy`, or `both`, which is the default. What is named alike comes once.

- With `legacy` and `both` a scrape is always in the text format: OpenMetrics is stricter about names. With `v6` a
  scraper that asks for OpenMetrics gets it.
- By its old name a metric is untyped here: the old names have counters without `_total`, and gauges with it.
- Under the two names that end in `_milliseconds` are milliseconds. Version 6 sends these also under the names that
  replaced them and end in `_seconds_total`; here those are seconds.
- What prometheus.erl counts under `erlang_vm_dist_` is declared as gauges there, and so here.
- Not there is what only a process could say that may be stuck: `erlang_mnesia_transaction_participants` and
  `_coordinators`. Nor are tables of mnesia that are on disc alone, or only on other nodes. No peer is the connection of
  this program, nor any other whose name the node has given for that connection alone.

## Which of them a scrape has

A scrape asks these probes:

    {textwrap.fill(", ".join(PROBES), width=110, subsequent_indent="    ")}

- `scrape_without = ["allocators"]` leaves probes out of every scrape.
- `/metrics?collect[]=memory&collect[]=mailboxes` asks these alone, and `identity`, which says whether the node is up.
- `microstates` has samples only where somebody has let the node count them (`erlang:system_flag(microstate_accounting,
  true)`), `mnesia` where mnesia runs.
- A scrape of more than `scrape_max_series` series leaves out its largest families, whole ones:
  `{LEFT_OUT.name}` says how many series that were, and the log which.
"""

_TYPES: Final = {
    "GaugeMetricFamily": "gauge",
    "CounterMetricFamily": "counter",
    "SummaryMetricFamily": "summary",
    "UnknownMetricFamily": "untyped",
}
_Described = Family | Row | OwnFamily

SUBJECTS: Final[tuple[tuple[str, tuple[_Described, ...]], ...]] = (
    ("Whether the node answers, and what asking it costs", (*OURS, *LIFE.rows)),
    ("Processes and their mailboxes", (*PROCESSES, *NAMED.rows)),
    ("Supervisors, applications and governors", SUPERVISION.rows),
    ("ETS tables", TABLES.rows),
    ("The memory limit", LIMITS),
    ("The emulator", VM),
    ("Allocators", ALLOCATORS),
    ("Peers", DISTRIBUTION),
    ("Mnesia", MNESIA),
    ("Microstates", MICROSTATES),
    (
        "Beamwarden itself",
        (
            BUILD,
            SETTINGS_VALID,
            RESIDENT,
            CEILING,
            REFUSALS,
            SHEDS,
            CONNECTED,
            MADE,
            RECEIVED,
            SENT,
            ACTIONS,
            DURATIONS,
            FAILED_LOGINS,
            BUGS,
            LABELS_LEFT_OUT,
            LEFT_OUT,
        ),
    ),
)


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for title, rows in SUBJECTS:
        parts += [f"## {title}", "", *_table(rows), ""]
    return "\n".join(parts)


def _table(rows: Iterable[_Described]) -> Iterable[str]:
    yield "| metric | type | labels | from | |"
    yield "|---|---|---|---|---|"
    for row in rows:
        legacy = f"<br>before 6.0 `{LEGACY[row.name].name}`" if row.name in LEGACY else ""
        labels = ", ".join(f"`{label}`" for label in row.labels if label != NODE_LABEL)
        probes = "" if isinstance(row, OwnFamily) else ", ".join(f"`{probe}`" for probe in row.probes)
        yield f"| `{row.name}`{legacy} | {_TYPES[row.kind.__name__]} | {labels} | {probes} | {row.help} |"


if __name__ == "__main__":
    PAGE.write_text(page())
