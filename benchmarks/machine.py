"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

CPU_INFO: Final = Path("/proc/cpuinfo")
ERTS: Final = "io:put_chars(erlang:system_info(version)), halt()."
START_SECONDS: Final = 60.0


def print_machine(erl_of: Mapping[str, Path]) -> None:
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    print(f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC")
    print(f"{processor()}, {os.cpu_count()} CPUs, {memory_bytes / (1 << 30):.0f} GiB; {platform.system()}")
    erlang = ", ".join(f"{release} (ERTS {erts(erl)})" for release, erl in erl_of.items())
    print(f"{platform.python_implementation()} {platform.python_version()}; {erlang}")
    print(f"Load average at the start: {load()}\n")


def processor() -> str:
    """The processor's own name where Linux says it, else its kind."""
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def erts(erl: Path) -> str:
    command = [str(erl), "-noinput", "-boot", "start_clean", "-eval", ERTS]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=START_SECONDS).stdout


def load() -> str:
    """How many processes wanted a processor, over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"
