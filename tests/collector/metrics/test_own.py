from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta

import pytest

from agent.errors import DeadlineExceeded
from agent.probes.processes import Mailboxes, Queues
from collector.metrics.exposition import write_page
from collector.metrics.legacy import Naming
from collector.metrics.page import to_families
from collector.snapshot import Answered, Outcome, Snapshot, TooSoon, UnderWay
from tests.collector_fakes import MOMENT, QUEUES, answered, failed, snapshot, snapshot_down

LATE = DeadlineExceeded("no answer within 10 s")
OF_QUEUES = {"beam_processes_with_queue_over", "beam_process_message_queue_length_max"}
OF_MEMORY = {"beam_process_memory_bytes_max"}


def samples(family: str, of: Snapshot) -> dict[str, float]:
    """The samples of one family, by what stands in their last label."""
    return {
        [*sample.labels.values()][-1]: sample.value
        for found in to_families([of])
        if found.name == family.removesuffix("_total")
        for sample in found.samples
    }


def asked_at(outcome: Outcome, seconds_before: float) -> Answered:
    assert isinstance(outcome, Answered)
    return replace(outcome, asked_at=MOMENT - timedelta(seconds=seconds_before))


# --------------------------------------------------------------------------------------------------------- processes


def test_the_largest_processes_are_told_without_their_names() -> None:
    found = snapshot()
    assert [*samples("beam_process_message_queue_length_max", found).values()] == [12_001]
    assert [*samples("beam_process_memory_bytes_max", found).values()] == [4_203_992]


def test_each_threshold_says_how_many_have_more() -> None:
    assert samples("beam_processes_with_queue_over", snapshot()) == {
        "0": 3,
        "10": 1,
        "100": 1,
        "1000": 1,
        "10000": 1,
        "100000": 0,
        "1000000": 0,
    }


@pytest.mark.parametrize(("probe", "expected"), [("mailboxes", 2), ("processes", 12_001)])
def test_queues_are_those_of_the_later_sweep(probe: str, expected: float) -> None:
    few = answered(Mailboxes(Queues(processes=411, total=2, longest=2, over=dict(QUEUES.over)), ()))
    found = snapshot(mailboxes=few)
    older = {name: asked_at(outcome, 60.0 * (name != probe)) for name, outcome in found.shared.items()}
    found = replace(found, shared=older)
    assert [*samples("beam_process_message_queue_length_max", found).values()] == [expected]


def test_one_sweep_is_enough_to_know_the_queues() -> None:
    for missing in ("mailboxes", "processes"):
        assert [*samples("beam_process_message_queue_length_max", snapshot(**{missing: failed(LATE)})).values()] == [
            12_001
        ]


@pytest.mark.parametrize("error", [LATE, UnderWay("it is under way"), TooSoon("ask again in 3 s", 3.0)])
def test_without_a_sweep_there_are_no_samples_and_no_zeros(error: DeadlineExceeded) -> None:
    found = snapshot(mailboxes=failed(error), processes=failed(error))
    assert {name for name in OF_QUEUES | OF_MEMORY if samples(name, found)} == set()


def test_the_memory_is_not_known_without_its_own_sweep() -> None:
    found = snapshot(processes=failed(LATE))
    assert {name for name in OF_QUEUES | OF_MEMORY if samples(name, found)} == OF_QUEUES


# --------------------------------------------------------------------------------------------------------- our own work


def test_a_sweep_tells_its_age_its_success_and_how_long_it_took() -> None:
    found = snapshot()
    found = replace(found, shared={"processes": asked_at(found.shared["processes"], 60.0)})
    assert samples("beam_probe_age_seconds", found)["processes"] == pytest.approx(60.25)
    assert samples("beam_probe_age_seconds", found)["memory"] == pytest.approx(0.25)
    assert samples("beam_probe_success", found)["processes"] == 1
    assert samples("beam_probe_duration_seconds", found)["processes"] == 0.016


def test_a_sweep_that_failed_has_no_age() -> None:
    found = snapshot(processes=failed(LATE, 10.0))
    assert samples("beam_probe_success", found)["processes"] == 0
    assert samples("beam_probe_duration_seconds", found)["processes"] == 10.0
    assert "processes" not in samples("beam_probe_age_seconds", found)


@pytest.mark.parametrize("error", [UnderWay("it is under way"), TooSoon("ask again in 3 s", 3.0)])
def test_a_sweep_that_has_not_answered_yet_has_neither_failed_nor_succeeded(error: DeadlineExceeded) -> None:
    found = snapshot(processes=failed(error))
    for name in ("beam_probe_success", "beam_probe_duration_seconds", "beam_probe_age_seconds"):
        assert "processes" not in samples(name, found)
        assert "mailboxes" in samples(name, found)


def test_a_clock_that_was_put_back_makes_no_age_negative() -> None:
    found = replace(snapshot(), made_at=MOMENT - timedelta(hours=1))
    assert set(samples("beam_probe_age_seconds", found).values()) == {0.0}


def test_what_the_node_was_asked_is_told_by_what_it_cost() -> None:
    costs = {"memory": 0.0117, "mailboxes": 0.25, "processes": 1.75}
    assert samples("beamwarden_node_cost_seconds_total", snapshot()) == costs


def test_what_it_has_cost_is_known_also_of_a_node_that_is_down() -> None:
    down = replace(snapshot_down(), costs={"processes": 1.75})
    assert samples("beamwarden_node_cost_seconds_total", down) == {"processes": 1.75}
    assert samples("beam_probe_success", down) == {}


# ----------------------------------------------------------------------------------------------------------------- lint


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is part of Debian's package prometheus")
def test_prometheus_s_own_linter_has_nothing_to_say() -> None:
    body = write_page(to_families([snapshot()]), "", Naming.V6, 50_000).body
    told = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False, timeout=60)
    assert (told.returncode, told.stdout, told.stderr) == (0, b"", b"")
