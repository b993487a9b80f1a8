"""Our own memory over very many sweeps, in a process that does nothing else.

As a program it sweeps a node, and prints the most bytes that it ever had resident, after each tenth of the sweeps:
``python -m benchmarks.resident TARGET COOKIE_FILE SWEEPS``.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from pathlib import Path
from typing import Final

from agent import Target, connect, read_cookie_file
from agent.probes import processes
from erlang_fixtures.beam import Beam

DEADLINE_SECONDS: Final = 30.0
ALL_SECONDS: Final = 600.0
TENTHS: Final = 10
MAX_RESIDENT_BYTES: Final = 80 << 20  # what we aim at


def measure_resident(erl: Path, sweeps: int) -> list[int]:
    """Return the peak of our resident memory in bytes after each tenth of so many sweeps of a node."""
    with Beam(erl) as beam:
        command = [sys.executable, "-m", "benchmarks.resident", beam.target, str(beam.cookie_file), str(sweeps)]
        printed = subprocess.run(command, capture_output=True, text=True, timeout=ALL_SECONDS, check=True).stdout
    return [int(line) for line in printed.split()]


async def sweep(target: str, cookie_file: str, sweeps: int) -> None:
    session = await connect(Target.parse(target), read_cookie_file(Path(cookie_file)))
    for _ in range(TENTHS):
        for _ in range(sweeps // TENTHS):
            await processes.ask(session, DEADLINE_SECONDS)
        print(_peak_bytes(), flush=True)
    session.close()
    await session.wait_closed()


def _peak_bytes() -> int:
    # getrusage(2): in kilobytes, but on macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    asyncio.run(sweep(sys.argv[1], sys.argv[2], int(sys.argv[3])))
