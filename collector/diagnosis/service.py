"""What the service says of itself now: its ``/health``, and its figures, from history or from two looks at them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Final

from collector.blackbox.bounding import tame_text
from collector.diagnosis import history
from collector.diagnosis.exposition import Look, NotExposition, facts_between, read
from collector.diagnosis.fetching import NotFetched, fetch
from collector.diagnosis.history import History, Token
from collector.diagnosis.service_facts import Health, NotKnown, ServiceFacts

REQUEST_SECONDS: Final = 1.5
HEALTH_SECONDS: Final = 3.0  # one that is slow is not down, and the figures take as long
DEADLINE_SECONDS: Final = 3.5  # for all figures: somebody waits
MAX_HEALTH_BYTES: Final = 16 * 1024
MAX_METRICS_BYTES: Final = 4 * 1024 * 1024
MAX_TEXT_CHARACTERS: Final = 160
TEXT_FORMAT: Final = {"Accept": "text/plain;version=0.0.4"}

# One percent of fewer requests cannot be told from none.
LEAST_REQUESTS: Final = 100


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service is asked, and for how long. With a ``history`` that is asked in place of its ``/metrics``."""

    url: str
    history: History | None = None
    window_seconds: float = 2.0
    least_requests: int = LEAST_REQUESTS


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """All that the service says of itself."""

    health: Health
    facts: ServiceFacts


async def ask(service: Service, token: Token, deadline_seconds: float = DEADLINE_SECONDS) -> ServiceReport:
    """Ask for all of it. Never raises."""
    health, facts = await asyncio.gather(health_of(service.url), _figures(service, token, deadline_seconds))
    return ServiceReport(health, facts)


async def _figures(service: Service, token: Token, deadline_seconds: float) -> ServiceFacts:
    asked = service.url if service.history is None else service.history.url
    try:
        async with asyncio.timeout(deadline_seconds):
            return await (_look_twice(service) if service.history is None else _past(service, service.history, token))
    except TimeoutError:
        why = NotKnown(f"{asked} has not told its figures within {deadline_seconds:g} s")
        return ServiceFacts(asked, why, why, why, why)


async def health_of(url: str) -> Health:
    """Ask for the service's ``/health``. Never raises."""
    try:
        answer = await fetch(
            f"{url.rstrip('/')}/health", deadline_seconds=HEALTH_SECONDS, max_bytes=MAX_HEALTH_BYTES, is_cut=True
        )
    except NotFetched as error:
        return Health(None, str(error))
    return Health(answer.status, _summary(answer.body))


async def _past(service: Service, past: History, token: Token) -> ServiceFacts:
    return await history.ask(past, token, service.least_requests)


async def _look_twice(service: Service) -> ServiceFacts:
    url = f"{service.url.rstrip('/')}/metrics"
    try:
        before = await _look(url)
        await asyncio.sleep(service.window_seconds)
        after = await _look(url)
    except (NotFetched, NotExposition) as error:
        why = NotKnown(str(error))
        return ServiceFacts(url, why, why, why, why)
    return facts_between(before, after, url, service.least_requests)


async def _look(url: str) -> Look:
    clock = asyncio.get_running_loop().time
    answer = await fetch(url, deadline_seconds=REQUEST_SECONDS, max_bytes=MAX_METRICS_BYTES, headers=TEXT_FORMAT)
    if answer.status != 200:
        raise NotFetched(f"{url} answers {answer.status}, so the service tells no figures there")
    at_seconds = clock()
    # In a thread: four megabytes take a second to read, and the connections to nodes would wait for it.
    return await asyncio.to_thread(lambda: read(answer.body.decode(errors="replace"), at_seconds))


def _summary(body: bytes) -> str:
    """Return the reason or the status that the playbook's /health has, else the beginning of the body."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        for key in ("reason", "status"):
            if isinstance(content.get(key), str):
                return _one_line(content[key])
    return _one_line(body.decode(errors="replace"))


def _one_line(text: str) -> str:
    return tame_text(" ".join(text.split()), MAX_TEXT_CHARACTERS)
