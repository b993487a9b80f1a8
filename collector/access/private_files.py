"""Small files that only their owner should change, or even read: what they hold, and whether they are closed enough."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.errors import SettingError

MAX_FILE_BYTES: Final = 1024 * 1024  # some ten thousand tokens


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when a file does."""

    modified_ns: int
    changed_ns: int
    size_bytes: int
    inode: int
    device: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        """Take it from what the system says of a file."""
        return cls(found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a file; None when it cannot be looked at, which reading it will explain."""
    try:
        return Stamp.of(path.stat())
    except OSError:
        return None


def read_private_file(
    path: Path, what: str, error_type: type[SettingError], closed_modes: int = 0o022
) -> tuple[os.stat_result, bytes] | None:
    """Read a file that others may not change, or not even read; None when there is none.

    ``what`` names it in errors, which are of ``error_type`` and never show what it holds. ``closed_modes`` are the
    modes that it may not have.
    """
    try:
        # Not blocking: opening a pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise error_type(f"the {what} {path} is no regular file")
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(MAX_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise error_type(f"the {what} {path} cannot be read: {error.strerror}") from None
    # A secret volume is mounted read-only, with modes that nobody can mend.
    if found.st_mode & closed_modes and os.access(Path(os.path.realpath(path)).parent, os.W_OK):
        raise error_type(f"the {what} {path} is open to others than its owner: chmod 600 {path}")
    if len(content) > MAX_FILE_BYTES:
        raise error_type(f"the {what} {path} is too long")
    return found, content
