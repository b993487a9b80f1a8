"""The names from before prometheus.erl 6.0, as its module for them and its releases before that have them."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from collector.metrics.exposition import write_page
from collector.metrics.legacy import LEGACY, Naming, exposed_name, named
from collector.metrics.page import FAMILIES, to_families
from tests.collector_fakes import snapshot

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
MOST = 100_000

# What promtool says of the old names, and would say of prometheus.erl's own page: nobody can change them any more.
EXCEPTIONS = {
    *(
        f'erlang_vm_{kind}_count non-histogram and non-summary metrics should not have "_count" suffix'
        for kind in ("atom", "port", "process")
    ),
    *(
        f'erlang_vm_statistics_{kind}_milliseconds use base unit "seconds" instead of "milliseconds"'
        for kind in ("runtime", "wallclock_time")
    ),
}


def families(naming: Naming) -> dict[str, Metric]:
    found = [*named(to_families([snapshot()]), naming)]
    by_name = {exposed_name(family): family for family in found}
    assert len(by_name) == len(found)
    return by_name


def page(naming: Naming, accept: str = "") -> tuple[str, str]:
    found = write_page(to_families([snapshot()]), accept, naming, MOST)
    return found.body.decode(), found.content_type


def values(family: Metric) -> dict[frozenset[tuple[str, str]], float]:
    return {frozenset(sample.labels.items()): sample.value for sample in family.samples}


def test_every_name_that_has_changed_is_one_of_ours() -> None:
    assert set(LEGACY) <= {family.name for family in FAMILIES}


def test_each_name_there_is_comes_once() -> None:
    v6, legacy, both = families(Naming.V6), families(Naming.LEGACY), families(Naming.BOTH)
    assert legacy.keys() == v6.keys() - LEGACY.keys() | {old.name for old in LEGACY.values()}
    assert both.keys() == v6.keys() | legacy.keys()


@pytest.mark.parametrize("new", LEGACY)
def test_the_values_under_an_old_name_are_those_under_the_new_one(new: str) -> None:
    found, old = families(Naming.BOTH), LEGACY[new]
    factor = 1_000 if old.name.endswith("_milliseconds") else 1
    assert values(found[old.name]) == {labels: factor * value for labels, value in values(found[new]).items()}


@pytest.mark.parametrize("new", LEGACY)
def test_the_samples_have_the_old_name_too(new: str) -> None:
    old = LEGACY[new].name
    assert {sample.name for sample in families(Naming.LEGACY)[old].samples} == {old}


@pytest.mark.parametrize(
    ("old", "kind"),
    [
        ("erlang_vm_memory_bytes_total", "untyped"),
        ("erlang_vm_statistics_context_switches", "untyped"),
        ("erlang_vm_statistics_runtime_milliseconds", "untyped"),
        ("erlang_mnesia_committed_transactions", "untyped"),
        ("erlang_vm_process_count", "gauge"),
    ],
)
def test_what_has_the_suffix_of_another_type_is_untyped(old: str, kind: str) -> None:
    assert f"\n# TYPE {old} {kind}\n" in page(Naming.BOTH)[0]


def test_what_was_never_renamed_is_what_it_was() -> None:
    metric = CounterMetricFamily("erlang_vm_statistics_reductions", "Reductions.", value=7)
    assert [*named([metric], Naming.LEGACY)] == [metric]


@pytest.mark.parametrize("naming", [Naming.LEGACY, Naming.BOTH])
def test_old_names_are_never_told_as_openmetrics(naming: Naming) -> None:
    assert page(naming, OPENMETRICS) == page(naming, "")
    assert page(naming)[1] == "text/plain; version=0.0.4; charset=utf-8"


def test_new_names_alone_are_openmetrics_for_those_who_ask() -> None:
    text, content_type = page(Naming.V6, OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(text)}  # type: ignore[no-untyped-call]
    assert {"erlang_vm_allocators", "erlang_vm_dist_recv_cnt", "erlang_vm_msacc_gc_seconds"} <= names


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is part of Debian's package prometheus")
@pytest.mark.parametrize("naming", [Naming.LEGACY, Naming.BOTH])
def test_prometheus_s_own_linter_says_what_is_known_of_the_old_names(naming: Naming) -> None:
    body, _ = page(naming)
    told = subprocess.run(
        ["promtool", "check", "metrics"], input=body, capture_output=True, check=False, timeout=60, text=True
    )
    assert {*told.stderr.splitlines()} == EXCEPTIONS
    assert told.stdout == ""
