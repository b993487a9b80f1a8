"""The table of metrics, against a table of its own and against the whole text for one fixed snapshot.

When the text changes on purpose, remake ``golden.txt`` and read what changed::

    .venv/bin/python -m tests.collector.metrics.test_page && git diff tests/collector/golden.txt
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from agent.errors import DeadlineExceeded
from collector.metrics.page import to_families
from collector.snapshot import Outcome, Snapshot
from tests.collector_fakes import (
    MEMORY,
    NODE,
    OTHER_NODE,
    SHARED,
    STATISTICS,
    SYSTEM_INFO,
    answered,
    failed,
    snapshot,
    snapshot_down,
)

GOLDEN = Path(__file__).with_name("golden.txt")
LATE = DeadlineExceeded("no answer within 2 s")

# What prometheus.erl 6.1.1 exposes of memory, statistics and system_info, seen by running its collectors: name, type,
# label, and the label's values. Its allocators are left out: they cost the node more than a counter.
V6 = [
    ("erlang_vm_memory_atom_bytes", "gauge", "usage", {"used", "free"}),
    ("erlang_vm_memory_bytes", "gauge", "kind", {"system", "processes"}),
    ("erlang_vm_memory_dets_tables", "gauge", None, set()),
    ("erlang_vm_memory_ets_tables", "gauge", None, set()),
    ("erlang_vm_memory_processes_bytes", "gauge", "usage", {"used", "free"}),
    ("erlang_vm_memory_system_bytes", "gauge", "usage", {"atom", "binary", "code", "ets", "other"}),
    ("erlang_vm_statistics_bytes_output_total", "counter", None, set()),
    ("erlang_vm_statistics_bytes_received_total", "counter", None, set()),
    ("erlang_vm_statistics_context_switches_total", "counter", None, set()),
    ("erlang_vm_statistics_dirty_cpu_run_queue_length", "gauge", None, set()),
    ("erlang_vm_statistics_dirty_io_run_queue_length", "gauge", None, set()),
    ("erlang_vm_statistics_garbage_collection_number_of_gcs_total", "counter", None, set()),
    ("erlang_vm_statistics_garbage_collection_bytes_reclaimed_total", "counter", None, set()),
    ("erlang_vm_statistics_garbage_collection_words_reclaimed_total", "counter", None, set()),
    ("erlang_vm_statistics_reductions_total", "counter", None, set()),
    ("erlang_vm_statistics_run_queues_length", "gauge", None, set()),
    ("erlang_vm_statistics_runtime_seconds_total", "counter", None, set()),
    ("erlang_vm_statistics_wallclock_time_seconds_total", "counter", None, set()),
    ("erlang_vm_dirty_cpu_schedulers", "gauge", None, set()),
    ("erlang_vm_dirty_cpu_schedulers_online", "gauge", None, set()),
    ("erlang_vm_dirty_io_schedulers", "gauge", None, set()),
    ("erlang_vm_ets_limit", "gauge", None, set()),
    ("erlang_vm_logical_processors", "gauge", None, set()),
    ("erlang_vm_logical_processors_available", "gauge", None, set()),
    ("erlang_vm_logical_processors_online", "gauge", None, set()),
    ("erlang_vm_ports", "gauge", None, set()),
    ("erlang_vm_port_limit", "gauge", None, set()),
    ("erlang_vm_processes", "gauge", None, set()),
    ("erlang_vm_process_limit", "gauge", None, set()),
    ("erlang_vm_schedulers", "gauge", None, set()),
    ("erlang_vm_schedulers_online", "gauge", None, set()),
    ("erlang_vm_smp_support", "untyped", None, set()),
    ("erlang_vm_threads", "untyped", None, set()),
    ("erlang_vm_time_correction", "untyped", None, set()),
    ("erlang_vm_thread_pool_size", "gauge", None, set()),
    ("erlang_vm_wordsize_bytes", "gauge", None, set()),
    ("erlang_vm_atoms", "gauge", None, set()),
    ("erlang_vm_atom_limit", "gauge", None, set()),
]

# The same of its other collectors, with all labels.
PEER = {"tai_ledger@10.0.0.7"}
THREADS = {"type": {"scheduler", "poll"}, "id": {"0", "1"}}
MORE_OF_V6: list[tuple[str, str, dict[str, set[str]]]] = [
    (
        "erlang_vm_allocators",
        "gauge",
        {
            "alloc": {"binary_alloc", "eheap_alloc"},
            "instance_no": {"0", "1"},
            "kind": {"mbcs", "mbcs_pool", "sbcs"},
            "usage": {"blocks", "blocks_size", "carriers", "carriers_size"},
        },
    ),
    *(
        (f"erlang_vm_dist_{name}", "gauge", {"peer": PEER})
        for name in (
            *("recv_bytes", "recv_cnt", "recv_max_bytes", "recv_avg_bytes", "recv_dvi_bytes"),
            *("send_bytes", "send_cnt", "send_max_bytes", "send_avg_bytes", "send_pend_bytes"),
            *("port_input_bytes", "port_output_bytes", "port_memory_bytes", "port_queue_size_bytes"),
            "node_queue_size_bytes",
        )
    ),
    ("erlang_vm_dist_node_state", "gauge", {"peer": PEER | {"tai_gone@10.0.0.8"}}),
    *(
        (f"erlang_vm_dist_proc_{name}", "gauge", {"peer": PEER, "type": {"dist", "tls_connection", "tls_sender"}})
        for name in (
            *("memory_bytes", "heap_size_words", "min_heap_size_words", "min_bin_vheap_size_words", "stack_size_words"),
            *("total_heap_size_words", "message_queue_len", "reductions", "status"),
        )
    ),
    *((f"erlang_mnesia_{name}", "gauge", {}) for name in ("held_locks", "lock_queue", "memory_usage_bytes")),
    *(
        (f"erlang_mnesia_{name}_transactions_total", "counter", {})
        for name in ("failed", "committed", "logged", "restarted")
    ),
    *(
        (f"erlang_mnesia_tablewise_{name}", "gauge", {"table": {"receipts", "schema"}})
        for name in ("memory_usage_bytes", "size")
    ),
    *(
        (f"erlang_vm_msacc_{name}_seconds_total", "counter", THREADS)
        for name in (
            *("aux", "check_io", "emulator", "gc", "other", "port", "sleep"),
            *("alloc", "bif", "busy_wait", "ets", "gc_full", "nif", "send", "timers"),
        )
    ),
]

# Which families go with which probe.
OF_PROBE = {
    "identity": {"erlang_vm_statistics_wallclock_time_seconds_total"},
    "memory": {
        "erlang_vm_memory_atom_bytes",
        "erlang_vm_memory_bytes",
        "erlang_vm_memory_processes_bytes",
        "erlang_vm_memory_system_bytes",
    },
    "statistics": {
        name
        for name, *_ in V6
        if name.startswith("erlang_vm_statistics_") and name != "erlang_vm_statistics_wallclock_time_seconds_total"
    },
    "system_info": {
        "erlang_vm_memory_dets_tables",
        "erlang_vm_memory_ets_tables",
        *(name for name, *_ in V6 if not name.startswith(("erlang_vm_memory_", "erlang_vm_statistics_"))),
    },
    "supervisors": set(),
}

Key = tuple[str, tuple[tuple[str, str], ...]]


class Families(Collector):
    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self._families = list(to_families(snapshots))

    def collect(self) -> Iterable[Metric]:
        return self._families


def text(*snapshots: Snapshot) -> str:
    return generate_latest(Families(snapshots)).decode()


def values(families: Iterable[Metric]) -> dict[Key, float]:
    """Give every sample by its name and labels, and refuse one that comes twice."""
    found: dict[Key, float] = {}
    for family in families:
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def exposed(*snapshots: Snapshot) -> dict[Key, float]:
    return values(parse_text(text(*snapshots)))


def value(found: Mapping[Key, float], name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


def names(found: Mapping[Key, float]) -> set[str]:
    return {name for name, _labels in found}


# ------------------------------------------------------------------------------------------------------------- whole


def test_the_whole_text_is_the_golden_one() -> None:
    assert text(snapshot()) == GOLDEN.read_text(encoding="utf-8")


def test_both_formats_parse_and_have_the_same_values() -> None:
    nodes = [snapshot(NODE), snapshot(OTHER_NODE, memory=failed(LATE)), snapshot_down("tai_third@127.0.0.1")]
    in_openmetrics = openmetrics.generate_latest(Families(nodes)).decode()  # type: ignore[no-untyped-call]
    found = exposed(*nodes)
    assert values(parse_openmetrics(in_openmetrics)) == found  # type: ignore[no-untyped-call]
    assert len(found) > 100


# ------------------------------------------------------------------------------------------------- names of version 6


def types_and_labels(exposition: str) -> dict[str, tuple[str, dict[str, set[str]]]]:
    """Read names, types and labels from the text itself, as prometheus.erl prints them."""
    found: dict[str, tuple[str, dict[str, set[str]]]] = {}
    for line in exposition.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            found[name] = kind, {}
        elif not line.startswith("#"):
            name = line.partition("{")[0].partition(" ")[0]
            for label, content in re.findall(r'(\w+)="([^"]*)"', line):
                found[name][1].setdefault(label, set()).add(content)
    return found


def test_names_types_and_labels_are_those_of_prometheus_erl_6() -> None:
    found = types_and_labels(text(snapshot()))
    of_the_vm = {name: about for name, about in found.items() if name.startswith("erlang_")}
    first = {name: (kind, {} if label is None else {label: contents}) for name, kind, label, contents in V6}
    assert of_the_vm == first | {name: (kind, labels) for name, kind, labels in MORE_OF_V6}


def test_all_else_is_ours() -> None:
    found = types_and_labels(text(snapshot()))
    probes = {*OF_PROBE, *SHARED}
    costs = {"memory", "mailboxes", "processes"}
    thresholds = {"0", "10", "100", "1000", "10000", "100000", "1000000"}
    assert {name: about for name, about in found.items() if not name.startswith("erlang_")} == {
        "beam_up": ("gauge", {"erlang_node": {NODE}}),
        "beam_probe_success": ("gauge", {"erlang_node": {NODE}, "probe": probes}),
        "beam_probe_duration_seconds": ("gauge", {"erlang_node": {NODE}, "probe": probes}),
        "beam_probe_age_seconds": ("gauge", {"erlang_node": {NODE}, "probe": probes}),
        "beam_processes_with_queue_over": ("gauge", {"erlang_node": {NODE}, "threshold": thresholds}),
        "beam_process_message_queue_length_max": ("gauge", {"erlang_node": {NODE}}),
        "beam_process_memory_bytes_max": ("gauge", {"erlang_node": {NODE}}),
        "beamwarden_node_cost_seconds_total": ("counter", {"erlang_node": {NODE}, "probe": costs}),
        "beamwarden_internal_errors_total": ("counter", {}),
    }


# ------------------------------------------------------------------------------------------------------------- values


def test_what_is_not_used_is_free() -> None:
    found = exposed(snapshot())
    assert value(found, "erlang_vm_memory_processes_bytes", usage="used") == MEMORY.processes_used
    assert value(found, "erlang_vm_memory_processes_bytes", usage="free") == MEMORY.processes - MEMORY.processes_used
    assert value(found, "erlang_vm_memory_atom_bytes", usage="used") == MEMORY.atom_used
    assert value(found, "erlang_vm_memory_atom_bytes", usage="free") == MEMORY.atom - MEMORY.atom_used


def test_the_parts_of_the_system_memory_add_up() -> None:
    found = exposed(snapshot())
    parts = [
        value(found, "erlang_vm_memory_system_bytes", usage=usage)
        for usage in ("atom", "binary", "code", "ets", "other")
    ]
    assert sum(parts) == MEMORY.system == value(found, "erlang_vm_memory_bytes", kind="system")


def test_words_are_also_told_in_bytes() -> None:
    found = exposed(snapshot())
    words = value(found, "erlang_vm_statistics_garbage_collection_words_reclaimed_total")
    assert words == STATISTICS.garbage_collected_words
    assert value(found, "erlang_vm_statistics_garbage_collection_bytes_reclaimed_total") == 8 * words


def test_seconds_are_seconds() -> None:
    found = exposed(snapshot())
    assert value(found, "erlang_vm_statistics_runtime_seconds_total") == 51.25
    assert value(found, "erlang_vm_statistics_wallclock_time_seconds_total") == 86_400.5


def test_flags_are_one_and_zero() -> None:
    found = exposed(snapshot())
    assert value(found, "erlang_vm_threads") == 1
    assert value(found, "erlang_vm_time_correction") == 0


# --------------------------------------------------------------------------------------------------------- many nodes


def test_one_node_is_not_named_by_the_families_of_the_vm() -> None:
    for name, labels in exposed(snapshot()):
        is_of_the_vm = name.startswith("erlang_") or name == "beamwarden_internal_errors_total"
        assert ("erlang_node" in dict(labels)) != is_of_the_vm, name


def test_two_nodes_are_named_by_every_family() -> None:
    found = exposed(snapshot(NODE), snapshot(OTHER_NODE))
    for name, labels in found:
        assert dict(labels).get("erlang_node") in (
            {NODE, OTHER_NODE} if name != "beamwarden_internal_errors_total" else {None}
        )
    of_one = {(name, labels) for name, labels in found if dict(labels).get("erlang_node") == NODE}
    of_other = {(name, labels) for name, labels in found if dict(labels).get("erlang_node") == OTHER_NODE}
    assert len(of_one) == len(of_other) == len(exposed(snapshot())) - 1


def test_the_node_is_named_also_while_the_other_is_down() -> None:
    found = exposed(snapshot(NODE), snapshot_down(OTHER_NODE))
    assert value(found, "erlang_vm_processes", erlang_node=NODE) == SYSTEM_INFO.processes
    assert value(found, "beam_up", erlang_node=NODE) == 1
    assert {key: found[key] for key in found if ("erlang_node", OTHER_NODE) in key[1]} == {
        ("beam_up", (("erlang_node", OTHER_NODE),)): 0
    }


# ------------------------------------------------------------------------------------------------------ not knowing it


def test_of_a_node_that_is_down_nothing_but_that_is_told() -> None:
    assert exposed(snapshot_down()) == {
        ("beam_up", (("erlang_node", NODE),)): 0,
        ("beamwarden_internal_errors_total", ()): 0,
    }


def test_a_family_without_a_value_is_not_even_announced() -> None:
    assert types_and_labels(text(snapshot_down())).keys() == {"beam_up", "beamwarden_internal_errors_total"}


def test_of_a_node_that_answers_nothing_nothing_but_that_is_told_and_what_it_has_cost() -> None:
    found = exposed(snapshot(**dict.fromkeys(OF_PROBE, failed(LATE))))
    costs = {key for key in found if key[0] == "beamwarden_node_cost_seconds_total"}
    assert len(costs) == 3
    assert {key: found[key] for key in found.keys() - costs} == exposed(snapshot_down())


@pytest.mark.parametrize("probe", OF_PROBE)
def test_a_failed_probe_leaves_its_families_out(probe: str) -> None:
    outcomes: dict[str, Outcome] = {probe: failed(LATE, 1.5)}
    found = exposed(snapshot(**outcomes))
    assert names(exposed(snapshot())) - names(found) == OF_PROBE[probe]
    assert value(found, "beam_up", erlang_node=NODE) == 1
    assert value(found, "beam_probe_duration_seconds", erlang_node=NODE, probe=probe) == 1.5
    success = {
        dict(labels)["probe"]: sample for (name, labels), sample in found.items() if name == "beam_probe_success"
    }
    assert success == {name: float(name != probe) for name in (*OF_PROBE, *SHARED)}


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(SYSTEM_INFO)])
def test_what_the_node_does_not_know_is_left_out(field: str) -> None:
    known = exposed(snapshot())
    found = exposed(snapshot(system_info=answered(dataclasses.replace(SYSTEM_INFO, **{field: None}))))
    assert len(known.keys() - found.keys()) == 1
    assert found.items() <= known.items()


def test_bugs_are_added_up_over_all_nodes() -> None:
    found = exposed(snapshot_down(NODE, internal_errors=2), snapshot_down(OTHER_NODE, internal_errors=3))
    assert value(found, "beamwarden_internal_errors_total") == 5


# --------------------------------------------------------------------------------------------------------------- lint


def families() -> list[Metric]:
    return list(to_families([snapshot()]))


def test_no_family_comes_twice() -> None:
    found = [family.name for family in families()]
    assert len(set(found)) == len(found)


def test_counters_end_with_total_and_nothing_else_does() -> None:
    for family in families():
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name


def test_names_are_lower_case_and_in_base_units() -> None:
    other_units = r"_(milli|micro|nano|minutes|hours|days|kilo|mega|bits|percent|ms|kb|mb)(_|$)"
    for family in families():
        assert re.fullmatch(r"(erlang_vm|erlang_mnesia|beam|beamwarden)(_[a-z]+)+", family.name), family.name
        assert not re.search(other_units, family.name), family.name


def test_labels_are_lower_case_and_none_is_taken_by_others() -> None:
    taken = {"node", "instance", "job", "pod", "namespace", "cluster", "type", "le", "quantile"}
    # prometheus.erl's own name for the kind of a thread, and of a process of a connection.
    named_type = [name for name, _, labels in MORE_OF_V6 if "type" in labels]
    for family in families():
        labels = {label for sample in family.samples for label in sample.labels}
        assert all(re.fullmatch("[a-z_]+", label) for label in labels), family.name
        is_theirs = f"{family.name}_total" in named_type or family.name in named_type
        assert labels & taken == ({"type"} if is_theirs else set()), family.name


def test_help_is_a_sentence() -> None:
    for family in families():
        assert re.fullmatch(r"[A-Z0-9][^\n]*[^.]\.", family.documentation), family.name


def test_no_value_is_infinite_or_no_number() -> None:
    assert all(math.isfinite(sample) for sample in exposed(snapshot()).values())


if __name__ == "__main__":
    GOLDEN.write_text(text(snapshot()), encoding="utf-8")
