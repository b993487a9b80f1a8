"""What the service says of itself: its own /health, which the playbook looks at before and after."""

from __future__ import annotations

import asyncio
import json
from typing import Final

import httpx

REQUEST_SECONDS: Final = 2.0
MAX_BODY_BYTES: Final = 16 * 1024
MAX_TEXT_CHARACTERS: Final = 160


async def service_health(service_url: str) -> str:
    """Return it in one line, ``503 supervisor governance_sup not running``, or why there is no answer. Never raises."""
    url = f"{service_url.rstrip('/')}/health"
    # To load all authorities holds the event loop for 50 ms and more; only https needs them.
    has_certificate = not service_url.lower().startswith("http:")
    try:
        async with (
            asyncio.timeout(REQUEST_SECONDS),  # httpx's is for each step, and a server may send a byte at a time
            httpx.AsyncClient(timeout=REQUEST_SECONDS, trust_env=False, verify=has_certificate) as http,
            http.stream("GET", url) as answer,
        ):
            body = b""
            async for chunk in answer.aiter_bytes(4096):
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    break
            return f"{answer.status_code} {_summary(body)}".rstrip()
    except (httpx.InvalidURL, UnicodeError) as error:
        return f"{service_url} is no URL: {error}"
    except (TimeoutError, httpx.TimeoutException):
        return f"{url} gives no answer within {REQUEST_SECONDS:g} s"
    except httpx.HTTPError as error:
        return f"{url} does not answer: {error}"


def _summary(body: bytes) -> str:
    """Return the reason or the status that the playbook's /health has, else the beginning of the body."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if isinstance(content, dict):
        for key in ("reason", "status"):
            if isinstance(content.get(key), str):
                return _one_line(content[key])
    return _one_line(body.decode(errors="replace"))


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT_CHARACTERS else line[:MAX_TEXT_CHARACTERS] + "…"
