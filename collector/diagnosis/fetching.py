"""GET from a server that may be slow, hang, or never stop: what comes is bounded in time and in size."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

# Uncompressed, and never decompressed here: a few bytes can be made to become very many.
PLAIN: Final = {"Accept-Encoding": "identity"}
NO_CONNECTION: Final = "All connection attempts failed"  # httpx's words for it, of which a person learns nothing


class NotFetched(Exception):
    """There is no answer, or none that can be taken; the message says why."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, whatever its status is."""

    status: int
    body: bytes


async def fetch(
    url: str,
    *,
    deadline_seconds: float,
    max_bytes: int,
    is_cut: bool = False,
    parameters: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Fetched:
    """Get what is there; what is longer is cut when ``is_cut``, else it is no answer.

    No proxy of the environment is asked, and no redirection followed. Raises `NotFetched`.
    """
    # To load all authorities holds the event loop for 50 ms and more; only https needs them.
    has_certificate = not url.lower().startswith("http:")
    try:
        async with (
            asyncio.timeout(deadline_seconds),  # httpx's is for each step, and a server may send a byte at a time
            httpx.AsyncClient(timeout=deadline_seconds, trust_env=False, verify=has_certificate) as http,
            http.stream("GET", url, params=parameters, headers={**PLAIN, **(headers or {})}) as answer,
        ):
            body = bytearray()
            async for chunk in answer.aiter_raw(65_536):
                body += chunk
                if len(body) > max_bytes and is_cut:
                    break
                if len(body) > max_bytes:
                    raise NotFetched(f"{url} has sent more than {max_bytes} bytes")
            return Fetched(answer.status_code, bytes(body))
    except (httpx.InvalidURL, UnicodeError) as error:
        raise NotFetched(f"{url} is no URL: {error}") from None
    except (TimeoutError, httpx.TimeoutException):
        raise NotFetched(f"{url} gives no answer within {deadline_seconds:g} s") from None
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        if why == NO_CONNECTION:
            why = "nothing takes connections there"
        raise NotFetched(f"{url} does not answer: {why}") from None
