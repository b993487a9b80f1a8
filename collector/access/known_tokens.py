"""The tokens that are known now: their file is read anew when it has changed, and never by the event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from collector.access.private_files import Stamp, stamp_of
from collector.access.tokens import Entry, TokensError, read_tokens

FILE_SECONDS: Final = 2.0  # a network volume may hang
SETTLED_NS: Final = 1_000_000_000  # clocks of file systems are coarse: what changed just now may change unseen

_LOG: Final = logging.getLogger(__name__)


class KnownTokens:
    """Asks the file each time. While it cannot be used nobody is known, and the log has said why once."""

    def __init__(self, path: Path | None) -> None:
        self.of_shell: tuple[Entry, ...] = ()  # not of the file, so that it is good whatever becomes of that
        self._path = path
        self._stamp: Stamp | None = None
        self._entries: tuple[Entry, ...] = ()
        self._told = ""
        # One thread, so that a volume that hangs takes no more; it also means that reads come one after the other.
        self._thread = ThreadPoolExecutor(1, "tokens")

    async def entries(self) -> tuple[Entry, ...]:
        """Return all tokens; none when there is no file. Raises `TokensError` when it cannot be used."""
        if self._path is None:
            return ()
        try:
            async with asyncio.timeout(FILE_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._thread, self._look, self._path)
        except TimeoutError:
            error = TokensError(f"the tokens file {self._path} cannot be read: no answer within {FILE_SECONDS:g} s")
        except TokensError as found:
            error = found
        self._tell(f"{error}; until that is mended nobody is known by a token")
        raise error

    def _look(self, path: Path) -> tuple[Entry, ...]:
        if self._stamp is None or self._stamp != stamp_of(path):
            self._stamp = None
            self._read(path)
        return self._entries

    def _read(self, path: Path) -> None:
        before, self._entries = self._entries, ()
        found = read_tokens(path)
        if found is None:
            if before or self._told:
                self._tell(f"the tokens file {path} is gone: nobody is known by a token")
            return
        stamp, self._entries = found
        if time.time_ns() - stamp.modified_ns > SETTLED_NS:
            self._stamp = stamp
        if self._told:
            self._told = ""
            _LOG.info("the tokens file %s is read again", path, extra={"tokens": len(self._entries)})

    def _tell(self, trouble: str) -> None:
        if trouble != self._told:
            self._told = trouble
            _LOG.warning("%s", trouble)
