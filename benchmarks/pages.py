"""Our page beside that of the exporter inside the node, of the same node and of the same families, over HTTP.

The node is RabbitMQ's, whose own exporter is prometheus.erl behind cowboy: it reads what is in its own memory. We ask
the node over the wire first, so that what is compared is the price of standing outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import httpx

from benchmarks.broker import Broker, broker, leave_only_the_machine

PROGRAM: Final = Path(sys.executable).with_name("beamwarden")
SCRAPERS: Final = 50
ANSWER_SECONDS: Final = 30.0
PROBES: Final = ("memory", "statistics", "system_info")


@dataclass(frozen=True, slots=True)
class PageTimes:
    """What one way of scraping took, in seconds: medians of all rounds. The ratio is of sides within one round."""

    way: str
    ours: float
    theirs: float
    ratio: float
    our_bytes: int
    their_bytes: int


def measure_pages(rounds: int) -> list[PageTimes]:
    """Let one scraper, and many at once, read both pages in turns."""
    with broker() as made, _collector(made) as url:
        asyncio.run(leave_only_the_machine(made))
        ours = f"{url}/metrics?" + "&".join(f"collect[]={probe}" for probe in PROBES)
        return asyncio.run(_measure((ours, made.page_url), rounds))


async def _measure(urls: Sequence[str], rounds: int) -> list[PageTimes]:
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS))
            for _ in range(SCRAPERS)
        ]
        sizes = [len((await _scrape(clients[0], url)).content) for url in urls]
        found = []
        for way, scrapers in (("one scraper", clients[:1]), (f"{SCRAPERS} scrapers at once", clients)):
            # The first round makes the connections, which a scraper keeps.
            turns = [[await _seconds(scrapers, url) for url in urls] for _ in range(rounds + 1)][1:]
            ours, theirs = (median(turn[side] for turn in turns) for side in (0, 1))
            found.append(PageTimes(way, ours, theirs, median(one / other for one, other in turns), *sizes))
        return found


async def _seconds(scrapers: Sequence[httpx.AsyncClient], url: str) -> float:
    start = time.perf_counter()
    await asyncio.gather(*(_scrape(scraper, url) for scraper in scrapers))
    return time.perf_counter() - start


async def _scrape(scraper: httpx.AsyncClient, url: str) -> httpx.Response:
    answer = await scraper.get(url)
    answer.raise_for_status()
    return answer


@contextlib.contextmanager
def _collector(made: Broker) -> Iterator[str]:
    """Run the program beside the broker, as one does, and give its address once the node answers."""
    command = [str(PROGRAM), "serve", "--node", made.target, "--cookie-file", str(made.cookie_file)]
    command += ["--listen", "127.0.0.1:0", "--log-format", "text", "--naming", "legacy", "--service-url", "none"]
    command += ["--journal", str(made.cookie_file.with_name("journal.db"))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = ""
        for line in process.stdout:
            if serving := re.search(r"serving on (\S+)", line):
                url = serving[1]
            if "connected as" in line:
                break
        yield url
    finally:
        process.terminate()
        process.communicate()
