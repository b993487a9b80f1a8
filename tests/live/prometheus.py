"""A real Prometheus and a real Alertmanager on ports of their own, for the tests that need them."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from erlang_fixtures.beam import free_port

DEADLINE_SECONDS = 60.0
SCRAPE_SECONDS = 1


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip a test where these programs are not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)}: of Debian's packages prometheus and "
                              "prometheus-alertmanager")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs, and where it answers."""

    url: str
    http: httpx.AsyncClient

    async def query(self, expression: str) -> list[Mapping[str, Any]]:
        """Ask a Prometheus for what an expression gives now."""
        answer = await self.http.get(f"{self.url}/api/v1/query", params={"query": expression})
        content = answer.json()
        assert content["status"] == "success", (expression, content)
        result = content["data"]["result"]
        assert isinstance(result, list)
        return result

    async def gives(self, expression: str) -> list[Mapping[str, Any]]:
        """Wait until an expression gives something, and return it."""
        until = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < until:
            if found := await self.query(expression):
                return found
            await asyncio.sleep(0.2)
        raise AssertionError(f"nothing within {DEADLINE_SECONDS:g} s: {expression}")


@contextlib.asynccontextmanager
async def prometheus(
    folder: Path,
    targets: Mapping[str, str],
    rules: Sequence[Path] = (),
    alertmanager: str | None = None,
    how: Mapping[str, Mapping[str, object]] | None = None,
) -> AsyncIterator[Server]:
    """Run a Prometheus that scrapes each of these jobs (``host:port``) every second, with these files of rules.

    ``how`` has further settings of a job: its scheme, password, certificates.
    """
    configuration: dict[str, object] = {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": f"{SCRAPE_SECONDS}s"},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [target]}], **(how or {}).get(job, {})}
            for job, target in targets.items()
        ],
        "rule_files": [str(file) for file in rules],
    }
    if alertmanager is not None:
        configuration["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    port = free_port()
    async with _running(
        *("prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"),
        ready=f"http://127.0.0.1:{port}/-/ready",
    ) as http:
        yield Server(f"http://127.0.0.1:{port}", http)


@contextlib.asynccontextmanager
async def alertmanager(folder: Path, configuration: Path) -> AsyncIterator[str]:
    """Run an Alertmanager with this configuration; gives its ``host:port``."""
    port = free_port()
    async with _running(
        *("prometheus-alertmanager", f"--config.file={configuration}", f"--storage.path={folder / 'alerts'}"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=warn"),
        ready=f"http://127.0.0.1:{port}/-/ready",
    ):
        yield f"127.0.0.1:{port}"


@contextlib.asynccontextmanager
async def _running(*command: str, ready: str) -> AsyncIterator[httpx.AsyncClient]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            await _answers(http, ready, process)
            yield http
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), DEADLINE_SECONDS)


async def _answers(http: httpx.AsyncClient, url: str, process: asyncio.subprocess.Process) -> None:
    until = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < until:
        assert process.returncode is None, f"it ended with {process.returncode} before it answered at {url}"
        with contextlib.suppress(httpx.TransportError):
            if (await http.get(url)).status_code == HTTPStatus.OK:
                return
        await asyncio.sleep(0.1)
    raise AssertionError(f"nothing answers at {url}")
