"""The harnesses of tests/fuzz: a short run of each, and whether each would notice."""

from __future__ import annotations

import hmac
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

from agent import control, epmd, protocol, strangers
from tests.fakes import WORKER
from tests.fuzz.__main__ import HARNESSES, load

ROOT: Final = Path(__file__).parents[2]
REQUIREMENTS: Final = [
    Requirement(line)
    for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    if isinstance(line, str) and line.startswith("atheris")
]
needs_atheris: Final = pytest.mark.skipif(
    not any(requirement.marker is None or requirement.marker.evaluate() for requirement in REQUIREMENTS),
    reason="atheris has no wheel for this Python or this platform",
)
RUNS: Final = {"terms": 1_000, "handshake": 1_000, "control_messages": 1_000, "epmd": 1_000, "connection": 150}


def fuzz(*arguments: str, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    # Measuring coverage there would only be slow: atheris does it too, and ends the process before it is written.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *arguments],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(path), "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


@needs_atheris
@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
@pytest.mark.parametrize("name", HARNESSES)
def test_a_short_run_of_each_harness_finds_nothing(name: str) -> None:
    done = fuzz(name, "--runs", str(RUNS[name]))
    assert done.returncode == 0, done.stdout
    told = re.search(r"^Done (\d+) runs", done.stdout, re.MULTILINE)
    assert told is not None, done.stdout
    assert int(told[1]) >= RUNS[name], done.stdout  # what it has begun with one input it ends


encode: Final = importlib.import_module("agent.etf.encode")  # the package has a function of that name


def write_float_as_integer(out: bytearray, value: float, depth: int) -> None:
    encode._write_int(out, int(value), depth)


# What is broken, and the one harness that has to notice.
BROKEN: Final[dict[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "terms": lambda patch: patch.setitem(encode._WRITERS, float, write_float_as_integer),
    "handshake": lambda patch: patch.setattr(hmac, "compare_digest", lambda *_: True),
    "control_messages": lambda patch: patch.setattr(
        strangers, "_answer_ping", lambda _: control.message(WORKER, bytes(10_000))
    ),
    "epmd": lambda patch: patch.setattr(epmd, "parse_port_reply", lambda reply, _: reply[3]),
    "connection": lambda patch: patch.setattr(protocol, "_TICK", bytes(3)),
}


def check_seeds(name: str) -> None:
    harness = load(name)
    for seed in harness.seeds():
        harness.check(seed)


@pytest.mark.parametrize("name", HARNESSES)
def test_the_seeds_of_a_harness_pass(name: str) -> None:
    check_seeds(name)


@pytest.mark.parametrize("name", HARNESSES)
def test_a_harness_notices_what_is_broken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BROKEN[name](monkeypatch)
    with pytest.raises((AssertionError, IndexError)):
        check_seeds(name)


@needs_atheris
def test_a_finding_is_printed_with_the_way_to_see_it_again(tmp_path: Path) -> None:
    tmp_path.joinpath("broken.py").write_text(
        "def seeds(): yield bytes.fromhex('00ff')\ndef check(data): assert data[:1] != b'\\0', 'it is broken'\n"
    )
    found = fuzz("broken", "--runs", "100", path=tmp_path)
    assert found.returncode == 1, found.stdout
    assert "broken: crash on the input 00ff" in found.stdout
    assert "-m tests.fuzz broken --replay '00ff'" in found.stdout
    again = fuzz("broken", "--replay", "00ff", path=tmp_path)
    assert again.returncode == 1
    assert "AssertionError: it is broken" in again.stdout
