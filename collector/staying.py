"""A collector that stays, whatever is wrong when it begins: on Cloud Run a container that ends takes all others along.

While its settings are wrong it says so in the log and over HTTP (`collector.waiting`), reads them again and again, as a
volume may come late or somebody may mend a file, and begins when they are right.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Final, TypeAlias

from agent.errors import SettingError
from agent.handshake import Cookie
from collector import logs
from collector.memory_ceiling import begin_to_collect
from collector.port.http_server import Complaints, Server, listen, on_stop_signals
from collector.serve import serve_on
from collector.settings import Address, Settings, SettingsError
from collector.waiting import Trouble, Waiting

LOOK_AGAIN_SECONDS: Final = 5.0
AFTER_A_BUG_SECONDS: Final = 60.0
TELL_AGAIN_SECONDS: Final = 60.0

_LOG: Final = logging.getLogger(__name__)

# Gives what a collector begins with, or raises `SettingError`.
Read: TypeAlias = Callable[[], tuple[Settings, Cookie]]


def stay(read: Read, address: Address, environ: Mapping[str, str]) -> None:
    """Serve until a signal ends us, whatever happens. ``address`` is served on until ``read`` says which it is."""
    stayer = _Stayer(read, address, environ)
    with logs.in_a_thread():
        stayer.run()
    if stayer.is_reading:  # from a volume that hangs, perhaps, and Python's own end would wait for it
        os._exit(0)


class _Stayer:
    def __init__(self, read: Read, address: Address, environ: Mapping[str, str]) -> None:
        self._read = read
        self._environ = environ
        self._door = _Door(address)
        self._bugs = 0
        self._told = ("", -math.inf)
        self._thread = ThreadPoolExecutor(1, "settings")
        self._reading: asyncio.Future[tuple[Settings, Cookie]] | None = None

    @property
    def is_reading(self) -> bool:
        return self._reading is not None and not self._reading.done()

    def run(self) -> None:
        trouble: Trouble | None = None
        while True:
            _obey_signals()
            try:
                if trouble is None:
                    asyncio.run(self._begin())
                    return
                if asyncio.run(self._wait(trouble)):
                    return
                trouble = None
            except SettingError as error:
                trouble = Trouble.of(error)
            except Exception:  # noqa: BLE001  # the border of the program: a bug of ours must not take the instance down
                self._bugs += 1
                _LOG.exception("the collector met a bug when it began; it tries again in %g s", AFTER_A_BUG_SECONDS)
                if trouble is not None:  # nothing was waited for, or not for long
                    time.sleep(LOOK_AGAIN_SECONDS)
                trouble = Trouble.of_bug()

    async def _begin(self) -> None:
        """Serve until a signal ends us. Raises `SettingError`, or whatever a bug raises."""
        settings, cookie = self._read()
        with self._door.open(settings.listen).dup() as listener:
            await serve_on(listener, settings, cookie, self._environ)

    async def _wait(self, trouble: Trouble) -> bool:
        """Say what is wrong until that may be over: False, or True when a signal has ended us."""
        begin_to_collect()
        stopped = on_stop_signals()
        asyncio.get_running_loop().set_exception_handler(Complaints())
        pause_seconds = AFTER_A_BUG_SECONDS if trouble.is_bug else LOOK_AGAIN_SECONDS
        waiting = Waiting(trouble, self._bugs, pause_seconds)
        async with AsyncExitStack() as stack:
            unserved: str | None = ""
            while True:
                if unserved is not None:
                    unserved = self._serve(waiting, stack)
                self._tell(
                    waiting.trouble.reason + (f"; nor can that be told over HTTP: {unserved}" if unserved else "")
                )
                if (await asyncio.wait({stopped}, timeout=pause_seconds))[0]:
                    return True
                self._reading = asyncio.get_running_loop().run_in_executor(self._thread, self._read)
                ends: set[asyncio.Future[object]] = {stopped, self._reading}  # type: ignore[arg-type]  # only waited for
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if stopped.done():
                    return True
                try:
                    self._reading.result()
                except SettingError as error:
                    waiting.trouble = Trouble.of(error)
                else:
                    return False

    def _serve(self, waiting: Waiting, stack: AsyncExitStack) -> str | None:
        """Serve from now on; when the address cannot be had, return why."""
        try:
            listener = self._door.open()
        except SettingsError as error:
            return str(error)
        server = Server(waiting)
        serving = asyncio.create_task(server.serve(sockets=[listener.dup()]), name="http")
        stack.push_async_callback(server.end, serving)
        return None

    def _tell(self, reason: str) -> None:
        told, at = self._told
        if reason != told or time.monotonic() - at >= TELL_AGAIN_SECONDS:
            self._told = reason, time.monotonic()
            _LOG.error("%s", reason, extra={"pid": os.getpid()})


class _Door:
    """The address that we listen on, kept open from one server to the next, so that nobody finds it closed."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._listener: socket.socket | None = None

    def open(self, address: Address | None = None) -> socket.socket:
        """Return what listens, on another address from now on if one is given. Raises `SettingsError`."""
        if address is not None and address != self._address:
            self._address = address
            if self._listener is not None:
                self._listener.close()
                self._listener = None
        if self._listener is None:
            self._listener = listen(self._address)
        return self._listener


def _obey_signals() -> None:
    """See to signals where no event loop does. The first process of a container is ended by none by default."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for other in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(other, signal.SIG_IGN)
