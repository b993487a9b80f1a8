"""`make bench` still runs. How fast anything was is nobody's business here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 120


def test_the_benchmarks_print_a_row_for_everything_they_measure() -> None:
    command = [sys.executable, "-m", "benchmarks", "--rounds", "1", "--calls", "100", "--milliseconds", "1"]
    printed = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=True
    ).stdout
    heads = re.findall(r"^(\S.*?)  +[\d,.]+(?: +[\d,.]+)*$", printed, re.MULTILINE)
    calls = [head for head in heads if head.startswith("OTP 25")]
    codec = [head for head in heads if head.startswith(("encode ", "decode "))]
    assert calls == ["OTP 25, one after another", "OTP 25, 100 at once"]
    assert len(codec) == len(set(codec)) == 10
