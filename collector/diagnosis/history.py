"""The service's figures of the last minutes, from a Prometheus that scrapes it, or from Google's managed one.

Both speak the same HTTP API; of that, only ``/api/v1/query`` is used. The questions are those of TAI's own alerts.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from collector.blackbox.bounding import tame_text
from collector.diagnosis.exposition import BUCKETS, EMITTED, QUEUE, REQUESTS, STORED, VERIFIED, bound_of
from collector.diagnosis.fetching import NotFetched, fetch
from collector.diagnosis.service_facts import (
    LatencyOrNot,
    NotKnown,
    QueueDepth,
    QueueOrNot,
    Receipts,
    ReceiptsOrNot,
    ServiceFacts,
    TrafficOrNot,
    is_figure,
    latency_of,
    traffic_of,
)

MAX_ANSWER_BYTES: Final = 1024 * 1024
MAX_ROWS: Final = 2_000
MAX_TEXT_CHARACTERS: Final = 160
GOOGLE: Final = "https://monitoring.googleapis.com/"

Token = Callable[[], Awaitable[str | None]]
"""Gives an access token of Google's, or None where there is none."""


@dataclass(frozen=True, slots=True)
class History:
    """Where the history is asked for, and of what.

    ``url`` is what stands before ``/api/v1/query``. ``selector`` are label matchers that choose one service among
    several: ``job="tai",env="prod"``.
    """

    url: str
    selector: str = ""
    window_seconds: int = 300
    deadline_seconds: float = 3.0


@dataclass(frozen=True, slots=True)
class Row:
    """One series of an answer: its labels, and its value now."""

    labels: Mapping[str, str]
    value: float


Rows = tuple[Row, ...] | NotKnown


async def ask(history: History, token: Token, least_requests: int) -> ServiceFacts:
    """Ask for what happened within the window. Never raises: what cannot be asked is not known, and why."""
    headers = await authorization(history.url, token)
    chosen, window = f"{{{history.selector}}}", f"{history.window_seconds}s"
    by_status, buckets, emitted, stored, failed, depths = await asyncio.gather(
        *(
            _query(history, headers, question)
            for question in (
                f"sum by (status) (increase({REQUESTS}{chosen}[{window}]))",
                f"sum by (le) (increase({BUCKETS}{chosen}[{window}]))",
                f"sum(increase({EMITTED}{chosen}[{window}]))",
                f"sum(increase({STORED}{chosen}[{window}]))",
                f"sum by (result) (increase({VERIFIED}{chosen}[{window}]))",
                f"sum by (pool_id) ({QUEUE}{chosen})",
            )
        )
    )
    seconds = float(history.window_seconds)
    return ServiceFacts(
        history.url,
        _traffic(by_status, seconds, least_requests),
        _latency(buckets, seconds, least_requests),
        _receipts(emitted, stored, failed, seconds),
        _queue(depths),
    )


async def authorization(url: str, token: Token) -> dict[str, str]:
    """Return what a request needs to be let in."""
    # A token of Google's is for Google: no other server may see it.
    found = await token() if url.startswith(GOOGLE) else None
    return {} if found is None else {"Authorization": f"Bearer {found}"}


async def _query(history: History, headers: Mapping[str, str], question: str) -> Rows:
    try:
        answer = await fetch(
            f"{history.url.rstrip('/')}/api/v1/query",
            deadline_seconds=history.deadline_seconds,
            max_bytes=MAX_ANSWER_BYTES,
            parameters={"query": question},
            headers=headers,
        )
    except NotFetched as error:
        return NotKnown(str(error))
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        content = None
    rows = _rows(content)
    if rows is not None:
        return rows
    said = content.get("error") if isinstance(content, dict) else None
    reason = f": {tame_text(' '.join(str(said).split()), MAX_TEXT_CHARACTERS)}" if said else ""
    return NotKnown(f"{history.url} answers {answer.status} to a query{reason}")


def _rows(content: object) -> tuple[Row, ...] | None:
    """Read an instant vector; None for anything else."""
    match content:
        case {"status": "success", "data": {"resultType": "vector", "result": list() as result}}:
            rows = [_row(each) for each in result[:MAX_ROWS]]
            return tuple(row for row in rows if row is not None)
    return None


def _row(content: object) -> Row | None:
    match content:
        case {"metric": dict() as labels, "value": [_, str() as value]}:
            try:
                number = float(value)
            except ValueError:
                return None
            if is_figure(number):
                return Row({tame_text(str(name)): tame_text(str(text)) for name, text in labels.items()}, number)
    return None


def _told(rows: Rows, name: str) -> Rows:
    """Say that there is nothing where there is nothing: an empty answer is not a 0."""
    return rows or NotKnown(f"Prometheus knows no {name} of the last minutes")


def _traffic(rows: Rows, seconds: float, least_requests: int) -> TrafficOrNot:
    told = _told(rows, REQUESTS)
    if isinstance(told, NotKnown):
        return told
    if not any(row.labels.get("status") for row in told):
        return NotKnown(f"{REQUESTS} has no label status")
    return traffic_of({row.labels.get("status", ""): row.value for row in told}, seconds, least_requests)


def _latency(rows: Rows, seconds: float, least_requests: int) -> LatencyOrNot:
    told = _told(rows, BUCKETS)
    if isinstance(told, NotKnown):
        return told
    return latency_of({bound_of(row.labels.get("le")): row.value for row in told}, seconds, least_requests)


def _receipts(emitted: Rows, stored: Rows, failed: Rows, seconds: float) -> ReceiptsOrNot:
    told = _told(emitted, EMITTED)
    if isinstance(told, NotKnown):
        return told
    failures = None
    if not isinstance(failed, NotKnown) and failed:
        failures = math.fsum(row.value for row in failed if row.labels.get("result") == "failed")
    return Receipts(
        told[0].value, None if isinstance(stored, NotKnown) or not stored else stored[0].value, failures, seconds
    )


def _queue(rows: Rows) -> QueueOrNot:
    told = _told(rows, QUEUE)
    if isinstance(told, NotKnown):
        return told
    fullest = max(told, key=lambda row: row.value)
    return QueueDepth(math.fsum(row.value for row in told), fullest.value, fullest.labels.get("pool_id", ""))
