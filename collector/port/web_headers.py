"""The headers that a web configuration adds to every answer, refusals and bugs too."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collector.port.known_web_config import KnownWebConfig


class WebHeaders:
    """Stands before the whole app, and adds the headers that are in force when an answer begins."""

    def __init__(self, app: ASGIApp, web: KnownWebConfig) -> None:
        self._app = app
        self._web = web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._web.now.config.http_server_config.headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)
