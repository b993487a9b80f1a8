"""Writes deploy/grafana/*.json anew from `scripts.dashboard_pages`: .venv/bin/python -m scripts.dashboards

A test compares, so nothing in those files is edited by hand.
"""

from __future__ import annotations

from pathlib import Path
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueGraphMode, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)

from scripts.dashboard_pages import PAGES
from scripts.dashboard_pages.panels import Graph, Number, Page, Query

FOLDER = Path(__file__).parent.parent / "deploy" / "grafana"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH = 24
GRAPH_WIDTH, GRAPH_HEIGHT = 12, 8
NUMBER_WIDTH, NUMBER_HEIGHT = 4, 4


def build(page: Page) -> str:
    """Return a page as Grafana imports it."""
    made = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.description)
        .tags(["beamwarden", "erlang"])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("utc")
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_variable("job", "Job", "label_values(beam_up, job)"))
        .with_variable(_variable("instance", "Instance", 'label_values(beam_up{job=~"$job"}, instance)'))
    )
    for row in page.rows:
        made = made.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            made = made.with_panel(_graph(panel) if isinstance(panel, Graph) else _number(panel))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    everything = VariableOption(selected=True, text="All", value="$__all")
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(multi=True)
        .include_all(include_all=True)
        .current(everything)
    )


def _target(query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.text).legend_format(query.legend or "__auto")


def _graph(graph: Graph) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(graph.title)
        .description(graph.description)
        .datasource(SOURCE)
        .unit(graph.unit)
        .axis_soft_min(0)
        .fill_opacity(8)
        .span(GRAPH_WIDTH)
        .height(GRAPH_HEIGHT)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
    )
    if graph.at_most is not None:
        panel = panel.max(graph.at_most)
    for letter, query in zip(ascii_uppercase, graph.queries, strict=False):
        panel = panel.with_target(_target(query).ref_id(letter))
    return panel


def _number(number: Number) -> stat.Panel:
    return (
        stat.Panel()
        .title(number.title)
        .description(number.description)
        .datasource(SOURCE)
        .unit(number.unit)
        .graph_mode(BigValueGraphMode.AREA)
        .span(NUMBER_WIDTH)
        .height(NUMBER_HEIGHT)
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(_steps(number)))
        .with_target(_target(number.query).ref_id("A"))
    )


def _steps(number: Number) -> list[Threshold]:
    if number.bad_below is not None:
        return [Threshold(color="red", value=None), Threshold(color="green", value=number.bad_below)]
    steps = [Threshold(color="green", value=None)]
    return steps if number.bad_from is None else [*steps, Threshold(color="red", value=number.bad_from)]


def write() -> None:
    """Write all pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for page in PAGES:
        (FOLDER / f"{page.uid}.json").write_text(build(page), encoding="utf-8")


if __name__ == "__main__":
    write()
