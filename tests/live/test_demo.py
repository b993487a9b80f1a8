"""`make demo`, as somebody sees it who has just cloned the project."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.live

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 90


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def parent_of(stat: Path) -> int | None:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return None


def children_of(pid: int) -> list[int]:
    """All processes below one, however deep."""
    found = [int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if parent_of(stat) == pid]
    return found + [below for child in found for below in children_of(child)]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_the_demo_serves_what_it_prints_and_leaves_nothing_running(number: signal.Signals) -> None:
    command = [sys.executable, "scripts/demo.py", "--listen", "127.0.0.1:0"]
    demo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    too_late = threading.Timer(DEADLINE_SECONDS, demo.kill)
    too_late.start()
    try:
        assert demo.stdout is not None
        printed = ""
        for line in demo.stdout:
            printed += line
            if "connected as" in line:
                break
        addresses = re.findall(r"^(?:Open)? +(http://\S+)$", printed, re.MULTILINE)
        assert len(addresses) == 4, printed
        assert [httpx.get(address, trust_env=False).status_code for address in addresses] == [200] * 4
        started = children_of(demo.pid)
        assert len(started) >= 2
        demo.send_signal(number)
        last_words = demo.stdout.read()
        assert demo.wait(DEADLINE_SECONDS) == 0
    finally:
        too_late.cancel()
        demo.kill()
        demo.wait()
        if demo.stdout is not None:
            demo.stdout.close()
    assert last_words.strip().endswith("Ended; nothing is left running.")
    assert [pid for pid in started if is_running(pid)] == []
