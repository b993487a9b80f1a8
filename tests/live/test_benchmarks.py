"""`make bench` still runs. How fast anything was is nobody's business here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.broker import SERVER

pytestmark = pytest.mark.live

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 120


SIZES = ("1,000", "2,000")
SHORT = ("--rounds=1", "--calls=100", "--milliseconds=1", "--sizes=2000,1000", "--seconds=0.05", "--sweeps=10")
NUMBERS = r"  +[\d,.]+(?: +[\d,.]+)*"


def test_the_benchmarks_print_a_row_for_everything_they_measure() -> None:
    command = [sys.executable, "-m", "benchmarks", *SHORT]
    printed = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=True
    ).stdout
    rows = dict(re.findall(rf"^(\S.*?)({NUMBERS})$", printed, re.MULTILINE))
    of_25 = {head.removeprefix("OTP 25, "): numbers for head, numbers in rows.items() if head.startswith("OTP 25")}
    assert list(of_25) == ["one after another", "100 at once", *SIZES, "the most of it", "to the first good scrape"]
    assert [len(of_25[size].split()) for size in SIZES] == [10, 10]
    codec = [head for head in rows if head.startswith(("encode ", "decode "))]
    assert len(codec) == 10
    pages = [head for head in rows if head.endswith(("scraper", "scrapers at once"))]
    assert pages == (["one scraper", "50 scrapers at once"] if SERVER.exists() else [])
