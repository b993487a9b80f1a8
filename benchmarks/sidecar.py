"""What the sidecar costs, beside nodes of three kinds and at three scrape intervals: ``make costs``.

For each node three collectors run at once, each as in production, and each is scraped at an interval of its own. The
figures are of the process and of the node's own clock, over the minutes after its first scrapes. They are no ratios, so
they are of the machine that COSTS.md names; what is busy there beside them makes the processor time longer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from agent import Target, connect, read_cookie_file
from agent.terms import Atom, Map, Term
from benchmarks.machine import print_machine
from benchmarks.results import written_to
from erlang_fixtures.beam import Beam, build_fixtures, otp25

PROGRAM: Final = Path(sys.executable).with_name("beamwarden")
INTERVALS_SECONDS: Final = (10.0, 30.0, 60.0)
SETTLING_SECONDS: Final = 20.0  # the first answers of every kind, which are not of the steady state
ANSWER_SECONDS: Final = 30.0
DAY_SECONDS: Final = 86_400.0
TITLE: Final = "What the sidecar costs"
COLUMNS: Final = (
    "node, scraped every",
    "CPU, % of a core",
    "most memory, MiB",
    "node's time, % of a scheduler",
    "scrape, ms",
    "page, KiB",
    "series",
    "log, MiB a day",
    "wire, KiB/s",
)

Illnesses = Mapping[str, Mapping[str, int]]
NODES: Final[Mapping[str, Illnesses]] = {
    "idle": {},
    "busy": {
        "ill_idle_processes": {"processes": 5_000, "come_and_go_per_second": 2_000},
        "ill_busy_scheduler": {"processes": 1},
    },
    "100,000 processes": {"ill_idle_processes": {"processes": 100_000}},
}


@dataclass(frozen=True, slots=True)
class Costs:
    """What one collector took within its window."""

    cpu_share: float
    resident_bytes: int
    node_share: float
    scrape_seconds: float
    page_bytes: int
    series: int
    log_bytes_per_day: float
    wire_bytes_per_second: float

    def cells(self) -> Sequence[str]:
        """Write the figures below `COLUMNS`."""
        return (
            f"{self.cpu_share * 100:.1f}",
            f"{self.resident_bytes / (1 << 20):.0f}",
            f"{self.node_share * 100:.2f}",
            f"{self.scrape_seconds * 1000:.0f}",
            f"{self.page_bytes / 1024:.0f}",
            f"{self.series:,}",
            f"{self.log_bytes_per_day / (1 << 20):.2f}",
            f"{self.wire_bytes_per_second / 1024:.1f}",
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="make costs", description="Measure what the sidecar costs.")
    parser.add_argument("--minutes", type=float, default=5.0, help="for each node (default: %(default)s)")
    parser.add_argument("--results", type=Path, help="a file of Markdown to write what is printed to, when all is")
    arguments = parser.parse_args()
    erl = otp25()
    if erl is None:
        sys.exit("costs: there is no erl on PATH; run make setup.")
    build_fixtures()
    with written_to(arguments.results, TITLE, f"make costs MINUTES={arguments.minutes:g}"):
        print_machine({"OTP 25": erl})
        widths = [24, *(max(len(column), 8) for column in COLUMNS[1:])]
        print("  ".join(column.rjust(width) for column, width in zip(COLUMNS, widths, strict=True)), flush=True)
        for name, illnesses in NODES.items():
            found = asyncio.run(measure(erl, illnesses, arguments.minutes * 60))
            for interval_seconds, costs in zip(INTERVALS_SECONDS, found, strict=True):
                cells = (f"{name}, {interval_seconds:g} s", *costs.cells())
                print("  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)), flush=True)


async def measure(erl: Path, illnesses: Illnesses, window_seconds: float) -> Sequence[Costs]:
    """Run a node that has these illnesses, and a collector for each interval beside it."""
    with Beam(erl, applications=["tai_autonomics"]) as beam:
        session = await connect(Target.parse(beam.target), read_cookie_file(beam.cookie_file))
        for illness, options in illnesses.items():
            chosen: Term = Map((Atom(name), value) for name, value in options.items())
            await session.call(illness, "on", [chosen], deadline_seconds=ANSWER_SECONDS)
        session.close()
        await session.wait_closed()
        return await asyncio.gather(*(_watch(beam, interval, window_seconds) for interval in INTERVALS_SECONDS))


async def _watch(beam: Beam, interval_seconds: float, window_seconds: float) -> Costs:
    async with _collector(beam) as collector, httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS) as scraper:
        settled_at = time.monotonic() + SETTLING_SECONDS
        while time.monotonic() < settled_at:
            await scraper.get(f"{collector.url}/metrics")
            await asyncio.sleep(interval_seconds / 10)
        before = await collector.counted(scraper)
        start, scrapes = time.monotonic(), []
        while True:
            asked_at = time.monotonic()
            page = await scraper.get(f"{collector.url}/metrics")
            scrapes.append(time.monotonic() - asked_at)
            if time.monotonic() - start >= window_seconds:
                break
            await asyncio.sleep(max(0.0, asked_at + interval_seconds - time.monotonic()))
        seconds = time.monotonic() - start
        after = await collector.counted(scraper)
        grown = {name: (after[name] - before[name]) / seconds for name in after}
        return Costs(
            cpu_share=grown["cpu_seconds"],
            resident_bytes=collector.most_resident_bytes(),
            node_share=grown["node_seconds"],
            scrape_seconds=median(scrapes),
            page_bytes=len(page.content),
            series=sum(len(family.samples) for family in text_string_to_metric_families(page.text)),
            log_bytes_per_day=grown["log_bytes"] * DAY_SECONDS,
            wire_bytes_per_second=grown["wire_bytes"],
        )


class _Collector:
    """The program at work."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._log_bytes = 0
        self.url = ""

    async def read_log(self, has_connected: asyncio.Event) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._log_bytes += len(line)
            message = str(json.loads(line)["message"])
            if serving := re.match(r"serving on (\S+)", message):
                self.url = serving[1]
            if message.startswith("connected as"):
                has_connected.set()

    async def counted(self, scraper: httpx.AsyncClient) -> dict[str, float]:
        """Return what only grows."""
        page = (await scraper.get(f"{self.url}/metrics")).text
        samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]

        def total(*names: str) -> float:
            return sum(sample.value for sample in samples if sample.name in names)

        return {
            "cpu_seconds": self.cpu_seconds(),
            "node_seconds": total("beamwarden_node_cost_seconds_total"),
            "wire_bytes": total("beamwarden_node_received_bytes_total", "beamwarden_node_sent_bytes_total"),
            "log_bytes": self._log_bytes,
        }

    def cpu_seconds(self) -> float:
        # proc(5): of the fields behind the command's name, the 12th and the 13th are user and system time in ticks.
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def most_resident_bytes(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        [line] = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        return int(line) * 1024


@contextlib.asynccontextmanager
async def _collector(beam: Beam) -> AsyncIterator[_Collector]:
    journal = beam.cookie_file.with_name(f"journal-{time.monotonic_ns()}.db")
    command = ["serve", "--node", beam.target, "--cookie-file", str(beam.cookie_file), "--journal", str(journal)]
    command += ["--expected-supervisors", "tai_autonomics_sup,governance_sup", "--service-url", "none"]
    command += ["--listen", "127.0.0.1:0", "--log-format", "json"]
    process = await asyncio.create_subprocess_exec(PROGRAM, *command, stdout=asyncio.subprocess.PIPE)
    collector, has_connected = _Collector(process), asyncio.Event()
    reading = asyncio.create_task(collector.read_log(has_connected))
    try:
        await asyncio.wait_for(has_connected.wait(), ANSWER_SECONDS)
        yield collector
    finally:
        process.terminate()
        await process.wait()
        await reading


if __name__ == "__main__":
    main()
