"""Which Cloud Run instance is this? Nobody chooses the one that answers, so every answer names it.

Source: https://cloud.google.com/run/docs/container-contract, "Metadata server".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

import httpx

DEFAULT_HOST: Final = "metadata.google.internal"
REQUEST_SECONDS: Final = 2.0
PAUSES_SECONDS: Final = (0.0, 1.0, 5.0, 30.0)  # the server may not be there in the first moments of an instance

_LOG: Final = logging.getLogger(__name__)


class Instance:
    """The identity of the instance we run in, once it is known."""

    def __init__(self, instance_id: str | None = None) -> None:
        self._id = instance_id

    def id(self) -> str | None:
        """Return the instance's id; None outside Cloud Run, and until the metadata server has told it."""
        return self._id

    async def learn(self, environ: Mapping[str, str]) -> None:
        """Ask the metadata server for the id, when we run on Cloud Run at all (which sets K_SERVICE)."""
        if "K_SERVICE" not in environ:
            return
        host = environ.get("GCE_METADATA_HOST", DEFAULT_HOST)
        async with httpx.AsyncClient(timeout=REQUEST_SECONDS, trust_env=False) as client:
            for pause_seconds in PAUSES_SECONDS:
                await asyncio.sleep(pause_seconds)
                try:
                    answer = await client.get(
                        f"http://{host}/computeMetadata/v1/instance/id", headers={"Metadata-Flavor": "Google"}
                    )
                    answer.raise_for_status()
                except httpx.HTTPError as error:
                    _LOG.debug("the metadata server does not answer: %s", error)
                    continue
                self._id = answer.text.strip()
                return
        _LOG.warning("the metadata server has not told the instance's id; answers will not name the instance")
