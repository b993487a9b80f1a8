"""The journal for whoever has an event loop: the same as `collector.journal.file`, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from collector.journal.chain import Entry, Json, Kind, Verified
from collector.journal.file import JournalFile, Reader
from collector.journal.log import log_entry
from collector.journal.schema import NO_PLACE, JournalError

DISK_SECONDS: Final = 10.0  # for what is to be written or read; twice what another process may hold it up
END_SECONDS: Final = 2.0  # for what is under way when we are told to end
CHECK_AGAIN_SECONDS: Final = 30.0

_LOG: Final = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class Journal:
    """A journal. Entering opens it and checks that it can be written; that it cannot is told by ``trouble``.

    ``path`` None: there is no place for one, and everything raises `JournalError`, as it does for any other trouble.
    """

    def __init__(self, path: Path | None, on_append: Callable[[Entry], None] = log_entry) -> None:
        self._path = path
        self._file = None if path is None else JournalFile(path, on_append)
        self._thread = ThreadPoolExecutor(1, "journal")
        self._trouble: str | None = "the journal has not been opened yet"

    async def __aenter__(self) -> Self:
        await self.check()
        return self

    async def __aexit__(self, *_about: object) -> None:
        await self.close()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written, and what to do, as far as is known; None when it can. Then no action may run."""
        return self._trouble

    async def check(self) -> str | None:
        """Find out whether the journal can be written, and return `trouble`."""
        with contextlib.suppress(JournalError):
            await self._write(JournalFile.check_writable)
        return self._trouble

    async def append(
        self,
        kind: Kind,
        *,
        action_id: str,
        node: str,
        body: Mapping[str, Json],
        guard: Callable[[Reader], None] | None = None,
    ) -> Entry:
        """Write an entry, which is on disk then: see `JournalFile.append`.

        Raises `JournalError`, or what ``guard`` raises. Who stops waiting prevents nothing: it is written all the same.
        """
        return await self._write(lambda file: file.append(kind, action_id=action_id, node=node, body=body, guard=guard))

    async def read(self, ask: Callable[[Reader], _Result]) -> _Result:
        """Read entries; ``ask`` runs in the journal's thread. Raises `JournalError`.

        A journal that can only be read is read too.
        """
        return await self._in_thread(partial(self._read, ask), DISK_SECONDS)

    async def verify(self, head: str | None = None) -> Verified:
        """Follow the whole chain: see `collector.journal.chain.verify`. Raises `JournalError`."""
        return await self.read(lambda reader: reader.verify(head))

    async def keep_checking(self, pause_seconds: float = CHECK_AGAIN_SECONDS) -> None:
        """Say in the log when the journal cannot be written, and when it can again. Runs until it is cancelled."""
        told: str | None = None
        while True:
            trouble = self._trouble
            if trouble is not None and trouble != told:
                _LOG.warning("no action will run until the journal can be written: %s", trouble)
            elif trouble is None and told is not None:
                _LOG.info("the journal can be written again, so actions may run")
            told = trouble
            await asyncio.sleep(pause_seconds)
            if self._trouble is not None:
                await self.check()

    async def close(self) -> None:
        """Write what is under way, and close the file."""
        if self._file is not None:
            with contextlib.suppress(JournalError):
                await self._in_thread(self._file.close, END_SECONDS)
        self._thread.shutdown(wait=False)

    async def _write(self, work: Callable[[JournalFile], _Result]) -> _Result:
        def write() -> _Result:
            try:
                result = work(self._need_file())
            except JournalError as error:
                self._trouble = str(error)
                raise
            self._trouble = None
            return result

        return await self._in_thread(write, DISK_SECONDS)

    def _read(self, ask: Callable[[Reader], _Result]) -> _Result:
        file = self._need_file()
        try:
            return ask(file.reader)
        except JournalError:
            with JournalFile(file.path, is_read_only=True) as as_it_is:
                return ask(as_it_is.reader)

    def _need_file(self) -> JournalFile:
        if self._file is None:
            raise JournalError(None, "cannot be kept", f"{NO_PLACE} with --journal")
        return self._file

    async def _in_thread(self, work: Callable[[], _Result], deadline_seconds: float) -> _Result:
        try:
            future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        except RuntimeError:
            raise JournalError(self._path, "is closed", "the program is about to end") from None
        future.add_done_callback(_take)
        # Not the future itself: with its waiter gone, it would be cancelled before it has begun.
        done, _ = await asyncio.wait({future}, timeout=deadline_seconds)
        if not done:
            future.cancel()
            raise JournalError(self._path, f"has not answered for {deadline_seconds:g} s", "see to its disk")
        return future.result()


def _take(future: asyncio.Future[_Result]) -> None:
    if not future.cancelled():
        future.exception()  # of one for whom nobody waits any more; it is in `trouble`
