"""From the start of `beamwarden serve` to the first scrape with a node's figures, and from SIGTERM to its end."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from erlang_fixtures.beam import Beam, free_port

AIM_SECONDS: Final = 1.5
END_SECONDS: Final = 1.0
DEADLINE_SECONDS: Final = 60.0

_PROGRAM: Final = Path(sys.executable).with_name("beamwarden")


@dataclass(frozen=True, slots=True)
class Start:
    """One start. ``cpu_seconds`` is what the processor worked for it, however busy the machine is with others."""

    seconds: float
    cpu_seconds: float
    resident_bytes: float
    end_seconds: float


def measure_start(erl: Path, rounds: int) -> Start:
    """Return the medians of several starts beside one node."""
    with Beam(erl) as beam:
        starts = [_start_and_end(beam) for _ in range(rounds)]
    return Start(*(statistics.median(getattr(one, name) for one in starts) for name in Start.__slots__))


def _start_and_end(beam: Beam) -> Start:
    listen = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as folder:
        command: Sequence[str | Path] = [
            _PROGRAM, "serve", "--listen", listen, "--journal", f"{folder}/journal.db",
            "--node", beam.target, "--cookie-file", str(beam.cookie_file),
        ]  # fmt: skip
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _until_scraped(f"http://{listen}/metrics", begin + DEADLINE_SECONDS)
            seconds = time.monotonic() - begin
            cpu_seconds, resident_bytes = _cpu_seconds(process.pid), _resident_bytes(process.pid)
            begin = time.monotonic()
            process.terminate()
            process.wait(DEADLINE_SECONDS)
            return Start(seconds, cpu_seconds, resident_bytes, time.monotonic() - begin)
        finally:
            process.kill()
            process.wait()


def _until_scraped(url: str, deadline: float) -> None:
    with httpx.Client(trust_env=False, timeout=DEADLINE_SECONDS) as http:
        while time.monotonic() < deadline:
            try:
                if "\nbeam_up{" in (page := http.get(url).text) and "erlang_vm_memory_bytes" in page:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.01)
    raise TimeoutError(f"no scrape with a node's figures within {DEADLINE_SECONDS:g} s")


def _cpu_seconds(pid: int) -> float:
    # proc(5): utime and stime, counted from behind the name, which may have spaces in it.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
