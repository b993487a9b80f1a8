"""A collector's port with a web configuration: as it is served, but for the nodes, which are fakes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from collector.access.shell_token import shell_token
from collector.app import create_app
from collector.load import load_settings
from collector.port.http_server import Server
from collector.port.known_web_config import KnownWebConfig, read_web_config
from collector.port.web_headers import WebHeaders
from tests.certificates import Authority, Certificate
from tests.collector_fakes import PATIENCE_SECONDS, FakeSession, fleet_of

# Of "right", at the least cost that there is: a test waits for nothing that another test has not measured.
HASH = "$2b$04$EsX6e22IbpvQg.mS6fSmFetwbKlF21MOy3hKxqi8ZSbMX5sM2Ro5W"
LOGIN = ("prometheus", "right")
USERS = f"basic_auth_users:\n  prometheus: {HASH}\n"


@dataclass(frozen=True)
class Port:
    """Where it is, and how to ask it."""

    number: int
    scheme: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.number}"

    def get(
        self,
        path: str,
        trust: ssl.SSLContext | None = None,
        headers: dict[str, str] | None = None,
        login: tuple[str, str] | None = None,
    ) -> httpx.Response:
        """Ask over a connection of its own."""
        verify = True if trust is None else trust
        with httpx.Client(trust_env=False, verify=verify, timeout=PATIENCE_SECONDS) as http:
            return http.get(self.url + path, headers=headers, auth=login)


def write(file: Path, text: str) -> Path:
    """Write a web configuration that others may not read."""
    file.write_text(text)
    file.chmod(0o600)
    return file


def with_tls(own: Certificate, more: str = "") -> str:
    """A web configuration with this certificate; ``more`` are further lines of its table."""
    return f"tls_server_config:\n  cert_file: {own.file}\n  key_file: {own.key_file}\n{more}"


def trusting(authority: Authority, own: Certificate | None = None) -> ssl.SSLContext:
    """A client that trusts an authority, and may have a certificate of its own."""
    context = ssl.create_default_context(cafile=authority.file)
    if own is not None:
        context.load_cert_chain(own.file, own.key_file)
    return context


@contextlib.contextmanager
def serving_with(file: Path, settings: dict[str, object] | None = None, shell: Path | None = None) -> Iterator[Port]:
    """Serve a fleet of fakes on a real port, from a thread, with the web configuration of this file.

    With ``shell`` it leaves a shell's token there meanwhile.
    """
    web = KnownWebConfig(file, read_web_config(file))
    app = create_app(fleet_of(FakeSession()), load_settings(settings or {}, {}), web=web)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        if shell is not None:
            app.state.tokens.of_shell = (stack.enter_context(shell_token(shell)),)
        server = Server(WebHeaders(app, web), web)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Port(listener.getsockname()[1], "https" if server.has_tls else "http")
        finally:
            server.should_exit = True
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()
