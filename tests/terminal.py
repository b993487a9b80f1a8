"""A terminal, and the program in it as a person runs it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("beamwarden")
SECONDS = 30.0
_SEQUENCE = re.compile(rb"\x1b(?:\[[0-9;?<>=$]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9]|[=>])")


class Terminal:
    """A terminal of so many cells, and the program in it. ``written`` is all that was written to it."""

    def __init__(self, arguments: Sequence[str], width: int, height: int) -> None:
        self._ours, self._theirs = pty.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.before = termios.tcgetattr(self._theirs)
        self.written = b""
        self._looked_at = 0
        # Where these are set they count for more than the terminal, with every program of this kind.
        size_by_decree = {"COLUMNS", "LINES"}
        environment = {name: value for name, value in os.environ.items() if name not in size_by_decree}
        self.process = subprocess.Popen(
            ["setsid", "--ctty", PROGRAM, *arguments],  # or Ctrl-C would reach nobody
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            env={**environment, "TERM": "xterm-256color"},
        )

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def read(self, wait_seconds: float = 0.05) -> None:
        """Take what was written until now."""
        while select.select([self._ours], [], [], wait_seconds)[0]:
            try:
                self.written += os.read(self._ours, 1 << 16)
            except OSError:  # Linux's, when the last who had it open is gone
                return

    def until_it_says(self, *words: str) -> None:
        """Wait until all of these were written; fail with what was."""
        too_late = time.monotonic() + SECONDS
        while not all(word in self.text for word in words):
            assert time.monotonic() < too_late, self.text
            has_ended = self.process.poll() is not None
            self.read()
            assert not has_ended or all(word in self.text for word in words), self.text

    def forget(self) -> None:
        """Look only at what is written from now on."""
        self._looked_at = len(self.written)

    @property
    def text(self) -> str:
        return _SEQUENCE.sub(b" ", self.written[self._looked_at :]).decode(errors="replace")

    def settings(self) -> list[object]:
        """How the terminal is set: which keys do what, and whether it shows what is typed."""
        return list(termios.tcgetattr(self._theirs))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@contextlib.contextmanager
def terminal(*arguments: str, width: int = 80, height: int = 24) -> Iterator[Terminal]:
    opened = Terminal(arguments, width, height)
    try:
        yield opened
    finally:
        opened.close()


def ends(shown: Terminal) -> int:
    """Wait until the program has ended, and take the rest of what it wrote."""
    too_late = time.monotonic() + SECONDS
    while shown.process.poll() is None:
        assert time.monotonic() < too_late, shown.text
        shown.read()
    shown.read()
    return shown.process.returncode
