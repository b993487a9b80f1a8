"""The file of tokens: who may ask from elsewhere, and who may act.

A token is shown once, when it is made. The file has a line for each, with its name, its role, when it was made and its
SHA-256, which is enough for 256 random bits: nobody can guess them, so no slow hash is needed.
"""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.errors import SettingError
from collector.access.permissions import ROLES_OF_TOKENS, Role
from collector.access.private_files import Stamp, read_private_file

PREFIX: Final = "bw_"  # so that a token is recognised where it should not be
SHELL: Final = "shell"  # whoever acts by the token that `collector.access.shell_token` leaves
LOCK_SECONDS: Final = 5.0
LOCK_AGAIN_SECONDS: Final = 0.02

_TOKEN: Final = re.compile(r"bw_[A-Za-z0-9_-]{43}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LINE: Final = re.compile(r"(?P<name>\S+)\s+(?P<role>\S+)\s+(?P<created_at>\S+)\s+sha256:(?P<digest>[0-9a-f]{64})")
# Who asks without a token of the file is called so: by their role, or as a shell beside the collector.
_NAMES_OF_OTHERS: Final = frozenset({*(str(role) for role in Role), SHELL})
_MOMENT: Final = "%Y-%m-%dT%H:%M:%SZ"
_HEAD: Final = "# Tokens of Beamwarden, a line for each: name, role, when it was made, its SHA-256.\n"


class TokensError(SettingError):
    """The file of tokens cannot be used or changed; the message says why. Never contains a token."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the file keeps of one token."""

    name: str
    role: Role
    created_at: datetime
    digest: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.name} {self.role} {self.created_at:{_MOMENT}} sha256:{self.digest.hex()}"


def is_token(text: str) -> bool:
    """Whether this has the form of a token."""
    return _TOKEN.fullmatch(text) is not None


def parse_token(text: str, place: str) -> str:
    """Read the token that stands at ``place`` (which the error names). Raises `TokensError`."""
    token = text.strip()  # files and variables often end with a line break
    if not is_token(token):
        raise TokensError(f"{place} holds no token: it should be what 'beamwarden token create' has shown, {PREFIX}…")
    return token


def read_token_file(path: Path) -> str:
    """Read a file that holds one token. Raises `TokensError`."""
    found = _read(path, "token file", 0o077)
    if found is None:
        raise TokensError(f"the token file {path} cannot be read: No such file or directory")
    return parse_token(found[1], f"the token file {path}")


def find_entry(entries: Iterable[Entry], token: str) -> Entry | None:
    """Return the entry of a token. It takes as long for a wrong token as for any right one."""
    digest = hashlib.sha256(token.encode()).digest()
    found = None
    for entry in entries:
        if hmac.compare_digest(entry.digest, digest):
            found = entry
    return found


def default_tokens_file(environ: Mapping[str, str]) -> Path | None:
    """Return where the file is when no setting says so; None for a user without a home."""
    configuration = Path(environ.get("XDG_CONFIG_HOME", ""))
    if not configuration.is_absolute():  # also when it is not set; the XDG specification wants others left alone
        try:
            configuration = Path.home() / ".config"
        except RuntimeError:
            return None
    return configuration / "beamwarden" / "tokens"


def read_tokens(path: Path) -> tuple[Stamp, tuple[Entry, ...]] | None:
    """Read the file; None when there is none. Raises `TokensError`."""
    found = _read(path)
    return None if found is None else (Stamp.of(found[0]), tuple(_entries(path, found[1]).values()))


def create_token(path: Path, name: str, role: Role) -> str:
    """Add a token to the file, which is made when there is none, and return it. Raises `TokensError`."""
    if not _is_name(name):
        raise TokensError(
            "the name of a token should be 1 to 64 letters, digits and . _ @ - beginning with a letter or digit, and "
            f"none of {', '.join(sorted(_NAMES_OF_OTHERS))}"
        )
    token = PREFIX + secrets.token_urlsafe(32)
    made = Entry(name, role, datetime.now(UTC), hashlib.sha256(token.encode()).digest())

    def add(text: str) -> str:
        if any(entry.name == name for entry in _entries(path, text).values()):
            raise TokensError(f"there is a token named {name} in {path}: revoke it first, or take another name")
        return f"{text}{'' if text.endswith(chr(10)) else chr(10)}{made}\n" if text else f"{_HEAD}{made}\n"

    _change(path, add)
    return token


def revoke_token(path: Path, name: str) -> None:
    """Take a token out of the file. Raises `TokensError`."""

    def take_out(text: str) -> str:
        entries = _entries(path, text)
        names = [entry.name for entry in entries.values()]
        if name not in names:
            near = difflib.get_close_matches(name, names) or names
            there_are = f"there {'is' if len(near) == 1 else 'are'} {', '.join(near)}" if near else "there is none"
            raise TokensError(f"no token in {path} is named {name}: {there_are}")
        lines = text.splitlines(keepends=True)
        return "".join(
            line for number, line in enumerate(lines, 1) if number not in entries or entries[number].name != name
        )

    _change(path, take_out)


def _entries(path: Path, text: str) -> dict[int, Entry]:
    """Read the lines, by their numbers. Raises `TokensError`, which names the line and never shows it."""
    entries: dict[int, Entry] = {}
    names: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            entry = _entry(line.strip())
        except ValueError as error:
            raise TokensError(f"the tokens file {path}, line {number}: {error}") from None
        if entry.name in names:
            raise TokensError(f"the tokens file {path}, line {number}: the second token named {entry.name}")
        names.add(entry.name)
        entries[number] = entry
    return entries


def _entry(line: str) -> Entry:
    parts = _LINE.fullmatch(line)
    if parts is None or not _is_name(parts["name"]):
        raise ValueError("it should be a name, a role, a moment, and sha256: with 64 digits of a SHA-256")
    if parts["role"] not in ROLES_OF_TOKENS:
        raise ValueError(f"the role of {parts['name']} should be {' or '.join(ROLES_OF_TOKENS)}")
    try:
        created_at = datetime.strptime(parts["created_at"], _MOMENT).replace(tzinfo=UTC)
    except ValueError:  # whose text would show what stands there
        raise ValueError(f"the moment of {parts['name']} should be as in 2026-11-23T03:14:07Z") from None
    return Entry(parts["name"], ROLES_OF_TOKENS[parts["role"]], created_at, bytes.fromhex(parts["digest"]))


def _is_name(text: str) -> bool:
    # A token in its place would be shown wherever names are.
    return bool(_NAME.fullmatch(text)) and text not in _NAMES_OF_OTHERS and not text.startswith(PREFIX)


def _read(path: Path, what: str = "tokens file", closed_modes: int = 0o022) -> tuple[os.stat_result, str] | None:
    found = read_private_file(path, what, TokensError, closed_modes)
    if found is None:
        return None
    if not found[1].isascii():
        raise TokensError(f"the {what} {path} has other letters than ASCII")
    return found[0], found[1].decode("ascii")


def _change(path: Path, change: Callable[[str], str]) -> None:
    """Replace the file by what ``change`` makes of its text; one after the other, and whole or not at all."""
    try:
        path = Path(os.path.realpath(path))  # of a link, what it leads to is replaced
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path.parent):
            found = _read(path)
            _replace(path, change("" if found is None else found[1]), None if found is None else found[0])
    except OSError as error:
        raise TokensError(f"the tokens file {path} cannot be written: {error.strerror}") from None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder, since the file itself is replaced by another one."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TokensError(f"another program has locked {folder}: try again when it is done") from None
                time.sleep(LOCK_AGAIN_SECONDS)
        yield
        os.fsync(descriptor)  # the new name too, or a revoked token would be back after a crash
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str, old: os.stat_result | None) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123  # Path opens no descriptor
            file.write(text.encode("ascii"))
            if old is not None:  # who could read it still can, be it another user
                os.fchown(descriptor, old.st_uid, old.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
            file.flush()
            os.fsync(descriptor)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
