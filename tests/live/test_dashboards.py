"""Every query of our dashboards, and of the public ones for the BEAM, gives data in a real Prometheus."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collector.diagnosis import history
from collector.diagnosis.history import History
from collector.diagnosis.service_facts import Latency, QueueDepth, Receipts, Traffic
from erlang_fixtures.beam import Beam
from scripts.dashboard_pages import PAGES, queries
from scripts.dashboard_pages.panels import Page
from tests.collector.diagnosis.tai_service import tai_service
from tests.live.prometheus import Server, needs, prometheus
from tests.live.test_service import serving, watching

pytestmark = [pytest.mark.live, needs("prometheus"), pytest.mark.parametrize("erl", ["otp25"], indirect=True)]

RULES = Path(__file__).parent.parent.parent / "deploy" / "prometheus" / "rules" / "recording.yml"
OF_GRAFANA = {"$job": ".*", "$instance": ".*", "$__rate_interval": "15s", "[10m]": "[15s]", "[5m]": "[15s]"}

# What the public dashboards ask for: those of github.com/deadtrickster/beam-dashboards and RabbitMQ's Erlang ones, by
# names and labels. They were made for the names before prometheus.erl 6.
PUBLIC = (
    "erlang_vm_memory_bytes_total",
    'erlang_vm_memory_bytes_total{kind="processes"}',
    'erlang_vm_memory_bytes_total{kind="system"}',
    'erlang_vm_memory_system_bytes_total{usage="atom"}',
    'erlang_vm_memory_system_bytes_total{usage="binary"}',
    'erlang_vm_memory_system_bytes_total{usage="code"}',
    'erlang_vm_memory_system_bytes_total{usage="ets"}',
    'erlang_vm_memory_processes_bytes_total{usage="used"}',
    'erlang_vm_memory_processes_bytes_total{usage="free"}',
    'erlang_vm_memory_atom_bytes_total{usage="used"}',
    'erlang_vm_memory_atom_bytes_total{usage="free"}',
    "erlang_vm_process_count",
    "erlang_vm_process_limit",
    "erlang_vm_port_count",
    "erlang_vm_port_limit",
    "erlang_vm_atom_count",
    "erlang_vm_atom_limit",
    "erlang_vm_memory_ets_tables",
    "erlang_vm_memory_dets_tables",
    "rate(erlang_vm_statistics_bytes_output_total[15s])",
    "rate(erlang_vm_statistics_bytes_received_total[15s])",
    "rate(erlang_vm_statistics_context_switches[15s])",
    "rate(erlang_vm_statistics_garbage_collection_number_of_gcs[15s])",
    "rate(erlang_vm_statistics_garbage_collection_bytes_reclaimed[15s])",
    "rate(erlang_vm_statistics_garbage_collection_words_reclaimed[15s])",
    "rate(erlang_vm_statistics_reductions_total[15s])",
    "rate(erlang_vm_statistics_runtime_milliseconds[15s])",
    "rate(erlang_vm_statistics_wallclock_time_milliseconds[15s])",
    "erlang_vm_statistics_run_queues_length",
    "erlang_vm_schedulers_online",
    "erlang_vm_logical_processors",
    'erlang_vm_allocators{usage="carriers_size", kind="mbcs"}',
    'erlang_vm_allocators{usage="blocks_size", kind="sbcs", alloc="eheap_alloc"}',
)


@pytest.fixture(scope="module")
async def server(beam: Beam, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with contextlib.AsyncExitStack() as stack:
        service = await stack.enter_async_context(serving(*watching(beam)))
        await service.is_up()
        (line,) = service.said("serving on")
        tai = stack.enter_context(tai_service())
        tai.server_errors = 0.01
        targets = {
            "beamwarden": str(line["message"]).removeprefix("serving on http://"),
            "tai": tai.url.removeprefix("http://"),
        }
        # Rates of fifteen seconds here, where people want those of five minutes.
        folder = tmp_path_factory.mktemp("prometheus")
        hurried = folder / "recording.yml"
        hurried.write_text(re.sub(r"\[5m\]", "[15s]", RULES.read_text()))
        yield await stack.enter_async_context(prometheus(folder, targets, [hurried]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.uid)
async def test_every_query_of_a_dashboard_gives_data(page: Page, server: Server) -> None:
    for query in queries(page):
        expression = query.text
        for of_grafana, here in OF_GRAFANA.items():
            expression = expression.replace(of_grafana, here)
        await server.gives(expression)


async def test_what_public_dashboards_ask_for_is_there(server: Server) -> None:
    for expression in PUBLIC:
        await server.gives(expression)


async def test_the_names_of_the_service_s_documents_are_recorded(server: Server) -> None:
    for expression in ('erlang_memory_bytes{type="total"}', 'erlang_memory_bytes{type="ets"}', "erlang_process_count"):
        await server.gives(expression)


async def test_a_diagnosis_has_the_service_s_figures_from_a_real_prometheus(server: Server) -> None:
    await server.gives('increase(tai_http_requests_total{job="tai"}[15s]) > 0')
    facts = await history.ask(History(server.url, 'job="tai"'), no_token, least_requests=1)
    assert isinstance(facts.traffic, Traffic)
    assert 0.0 < facts.traffic.error_rate < 0.05
    assert set(facts.traffic.by_status) == {"200", "503"}
    assert isinstance(facts.latency, Latency)
    assert facts.latency.p99_seconds < 1.0
    assert isinstance(facts.receipts, Receipts)
    assert isinstance(facts.queue, QueueDepth)


async def no_token() -> str | None:
    """A Prometheus of our own lets everybody ask."""
    return None
