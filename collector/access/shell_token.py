"""The token of a shell beside the collector, so that its command line may act there without any setting.

Whoever may read the file runs as the collector does, or as root: they could read the cookie too, which is more. The
token is made at each start and ends with the process, and the file holds nothing that is of use elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from collector.access.permissions import Role
from collector.access.tokens import PREFIX, SHELL, Entry, TokensError, read_token_file

IMAGE_FILE: Final = Path("/run/beamwarden/shell.token")  # where the image has it: a shell may lack its environment


@contextlib.contextmanager
def shell_token(path: Path) -> Iterator[Entry]:
    """Keep a new token of role operator in ``path`` meanwhile, for its owner alone. Raises `TokensError`."""
    token = PREFIX + secrets.token_urlsafe(32)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123  # Path opens no descriptor
            file.write(f"{token}\n")
        beside.replace(path)
    except OSError as error:
        raise TokensError(f"the shell's token file {path} cannot be written: {error.strerror}") from None
    try:
        yield Entry(SHELL, Role.OPERATOR, datetime.now(UTC), hashlib.sha256(token.encode()).digest())
    finally:
        # Another collector may have left its own there since, as when one takes the place of another.
        with contextlib.suppress(OSError, TokensError):
            if read_token_file(path) == token:
                path.unlink()


def read_shell_token(path: Path | None) -> str | None:
    """Return the token of the collector beside us; None where there is none that we may read. Raises `TokensError`."""
    path = path or IMAGE_FILE
    return read_token_file(path) if os.access(path, os.R_OK) else None
