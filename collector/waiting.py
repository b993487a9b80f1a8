"""What is answered while the settings are wrong: that we live, and why nothing else can be said.

The whole reason is for who asks on this machine. It quotes what was set, and who has put a secret into the wrong
variable would find it there; from elsewhere only the names of the settings are told, and that the log has the rest.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from agent.errors import CookieError, SettingError, TlsSettingError
from collector.access import origins
from collector.metrics.connections import build_info
from collector.metrics.exposition import write_page
from collector.metrics.legacy import Naming
from collector.metrics.own import settings_valid
from collector.metrics.page import bugs_survived
from collector.port import problems
from collector.port.problems import ProblemError
from collector.port.web_config import WebConfigError
from collector.scrape_settings import ScrapeSettings
from collector.settings import SettingsError

MAX_REASON_LETTERS: Final = 4000


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why we cannot begin: ``reason`` for who may see it all, ``outline`` for everybody."""

    kind: str
    reason: str
    outline: str

    @property
    def is_bug(self) -> bool:
        """Whether it is our own fault."""
        return self.kind == "bug"

    @classmethod
    def of(cls, error: SettingError) -> Self:
        """Take it from what is wrong with the settings."""
        match error:
            case SettingsError(settings=names):
                wrong: Collection[str] = names
            case CookieError():
                wrong = ("the cookie",)
            case TlsSettingError():
                wrong = ("the certificates in [tls]",)
            case WebConfigError():
                wrong = ("web_config_file",)
            case _:
                wrong = ()
        which = f" ({', '.join(wrong)})" if wrong else ""
        reason = "; ".join(str(error).splitlines())[:MAX_REASON_LETTERS]
        return cls(
            "settings-wrong",
            f"the settings of this collector are wrong, so it watches nothing until they are mended: {reason}",
            f"the settings of this collector are wrong{which}, so it watches nothing until they are mended: its log "
            "says how, and so does 'beamwarden diagnose' on its own machine",
        )

    @classmethod
    def of_bug(cls) -> Self:
        """Make it of a bug, whose details are for the log."""
        told = "this collector met a bug of beamwarden when it began, and will try again; its log has the details"
        return cls("bug", told, told)


class Waiting:
    """Answers requests, all of them, while there is ``trouble``."""

    def __init__(self, trouble: Trouble, bugs: int, retry_seconds: float) -> None:
        self.trouble = trouble
        self._bugs = bugs
        self._retry_seconds = retry_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request."""
        if scope["type"] == "http":
            await self._response(scope)(scope, receive, send)

    def _response(self, scope: Scope) -> Response:
        path, headers = scope["path"], Headers(scope=scope)
        if path == "/livez":
            return JSONResponse({"status": "ok"})
        if path == "/metrics":
            return self._metrics(headers.get("accept", ""))
        reason = self.trouble.reason if _is_shown_all(scope, headers) else self.trouble.outline
        again = {"Retry-After": str(math.ceil(self._retry_seconds))}
        if path in {"/readyz", "/health"}:
            answer = {"status": "unavailable", "reason": reason, "nodes": []}
            return JSONResponse(answer, HTTPStatus.SERVICE_UNAVAILABLE, again)
        return problems.respond(ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, self.trouble.kind, reason), again)

    def _metrics(self, accept: str) -> Response:
        families = [build_info(), settings_valid(is_valid=False), bugs_survived(self._bugs)]
        defaults = ScrapeSettings()
        page = write_page(families, accept, Naming(defaults.naming), defaults.scrape_max_series)
        return Response(page.body, headers={"Content-Type": page.content_type})


def _is_shown_all(scope: Scope, headers: Headers) -> bool:
    # A page from elsewhere may lead a browser of this machine here, under a name of its own.
    host = origins.asked_host(headers)
    return origins.is_local(scope) and host is not None and origins.is_known_host(host, ())
