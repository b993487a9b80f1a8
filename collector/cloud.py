"""In which project, region, service and revision of Cloud Run do we run, and by which token may we ask Google?

Source: https://cloud.google.com/run/docs/container-contract, "Environment variables" and "Metadata server".
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from collector.instance import DEFAULT_HOST, REQUEST_SECONDS

RENEW_SECONDS: Final = 60.0  # before a token ends, the next one is asked for
MAX_TOKEN_SECONDS: Final = 3_600.0

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.:-]{0,99}")
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,8192}")
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CloudPlace:
    """Where we run, beside the service. None is what is not known, as all of it is outside of Cloud Run."""

    project: str | None = None
    region: str | None = None
    service: str | None = None
    revision: str | None = None


class Cloud:
    """What Cloud Run tells of itself. It is asked when somebody needs it, and again when it did not answer."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._host = environ.get("GCE_METADATA_HOST", DEFAULT_HOST) if "K_SERVICE" in environ else None
        self._place = CloudPlace(service=_name(environ.get("K_SERVICE")), revision=_name(environ.get("K_REVISION")))
        self._token: str | None = None
        self._token_until = 0.0

    async def place(self) -> CloudPlace:
        """Return where we run. Never raises; takes two seconds at the most."""
        if self._host is not None and (self._place.project is None or self._place.region is None):
            project = await self._metadata("project/project-id")
            region = await self._metadata("instance/region")  # projects/NUMBER/regions/REGION
            self._place = CloudPlace(
                _name(project) or self._place.project,
                _name((region or "").rpartition("/")[2]) or self._place.region,
                self._place.service,
                self._place.revision,
            )
        return self._place

    async def token(self) -> str | None:
        """Return an access token of the service account that we run as; None where there is none. Never raises."""
        if self._token is not None and time.monotonic() < self._token_until:
            return self._token
        answer = await self._metadata("instance/service-accounts/default/token")
        match _parsed(answer):
            case {"access_token": str() as token, "expires_in": int() as seconds} if _TOKEN.fullmatch(token):
                self._token = token
                self._token_until = time.monotonic() + min(seconds, MAX_TOKEN_SECONDS) - RENEW_SECONDS
            case _:
                self._token = None
        return self._token

    async def _metadata(self, path: str) -> str | None:
        if self._host is None:
            return None
        try:
            async with httpx.AsyncClient(timeout=REQUEST_SECONDS / 2, trust_env=False) as client:
                answer = await client.get(
                    f"http://{self._host}/computeMetadata/v1/{path}", headers={"Metadata-Flavor": "Google"}
                )
                answer.raise_for_status()
        except httpx.HTTPError as error:
            _LOG.debug("the metadata server does not tell %s: %s", path, error)
            return None
        return answer.text.strip()


def _name(text: str | None) -> str | None:
    """Return the text when it is a name as Google gives them: it becomes part of commands."""
    return text if text is not None and _NAME.fullmatch(text) else None


def _parsed(text: str | None) -> object:
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        return None
