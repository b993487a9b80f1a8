"""The web configuration that is in force: read anew when a file of it has changed, so that certificates are renewed.

At the start a mistake ends us. Later what was read before stays in force, and the log says why: a half-written file
must neither open the port nor close it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collector.access.private_files import Stamp, read_private_file, stamp_of
from collector.port.web_config import WebConfig, WebConfigError, parse_web_config
from collector.port.web_tls import server_context

LOOK_SECONDS: Final = 1.0  # between two looks at the files
FILE_SECONDS: Final = 2.0  # a network volume may hang
SETTLED_NS: Final = 1_000_000_000  # clocks of file systems are coarse: what changed just now may change unseen

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadWebConfig:
    """What was read: the configuration, TLS as it says (None: none), and the files that it was read from."""

    config: WebConfig
    context: ssl.SSLContext | None
    files: tuple[Path, ...]

    @property
    def has_tls(self) -> bool:
        """Whether the port speaks TLS."""
        return self.context is not None


def read_web_config(path: Path) -> ReadWebConfig:
    """Read the file, and the certificates that it names. Raises `WebConfigError`."""
    found = read_private_file(path, "web configuration", WebConfigError, 0o002)
    if found is None:
        raise WebConfigError(f"the web configuration {path} cannot be read: No such file or directory")
    try:
        text = found[1].decode()
    except UnicodeDecodeError:
        raise WebConfigError(f"{path}: is no UTF-8") from None
    config = parse_web_config(text, path)
    tls = config.tls_server_config
    return ReadWebConfig(
        config,
        None if tls is None else server_context(tls, path),
        (path, *(Path(file) for file in (tls and (tls.cert_file, tls.key_file, tls.client_ca_file)) or () if file)),
    )


class KnownWebConfig:
    """Looks at the files once a second, when it is asked; ``now`` is what is in force."""

    def __init__(self, path: Path, first: ReadWebConfig) -> None:
        self.now = first
        self._path = path
        self._stamps: tuple[Stamp | None, ...] | None = None  # None: to be read again
        self._looked_at = -math.inf
        self._looking: Future[None] | None = None  # the latest look, which may hang
        self._told = ""
        # One thread, so that a volume that hangs takes no more; it also means that reads come one after the other.
        self._thread = ThreadPoolExecutor(1, "web configuration")

    async def look(self) -> ReadWebConfig:
        """Return what is in force, after a look at the files if the last one was long ago."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS and (self._looking is None or self._looking.done()):
            self._looked_at = now
            self._looking = self._thread.submit(self._read_changed)
            try:
                async with asyncio.timeout(FILE_SECONDS):
                    await asyncio.wrap_future(self._looking)
            except TimeoutError:
                self._tell(f"the web configuration {self._path} cannot be read: no answer within {FILE_SECONDS:g} s")
        return self.now

    def _read_changed(self) -> None:
        stamps = tuple(map(stamp_of, self.now.files))
        if stamps == self._stamps:
            return
        self._stamps = None
        try:
            found = read_web_config(self._path)
            if found.has_tls != self.now.has_tls:
                begins = "begins" if found.has_tls else "ends"
                raise WebConfigError(f"{self._path}: tls_server_config: TLS {begins} only when the collector starts")
        except WebConfigError as error:
            self._tell("; ".join(str(error).splitlines()))
            return
        self.now = found
        if self._told:
            self._told = ""
            _LOG.info("the web configuration %s is read again", self._path)
        if all(one is not None and time.time_ns() - one.modified_ns > SETTLED_NS for one in stamps):
            self._stamps = stamps

    def _tell(self, trouble: str) -> None:
        if trouble != self._told:
            self._told = trouble
            _LOG.error("%s; what was read before stays in force", trouble)
