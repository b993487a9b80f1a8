"""What stands in the files by which Linux tells a process of its memory and of its limits.

Source: the kernel's documentation, ``admin-guide/cgroup-v2.rst``, ``admin-guide/cgroup-v1/memory.rst`` and
``filesystems/proc.rst``. All of it is a node's word: what is of another shape is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

MAX_LEVELS: Final = 16  # of cgroups above the node's own; a container has three or four
MAX_CGROUPS: Final = 2 * MAX_LEVELS  # of both versions together
MAX_FOLDER_CHARACTERS: Final = 1_024
MAX_DIGITS: Final = 20
UNLIMITED: Final = 1 << 62  # version 1 says 2^63 - 4096, or what its page size makes of that

_OCTAL: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A memory cgroup's folder, as the node sees it. ``version`` is that of cgroups, 1 or 2."""

    version: int
    folder: str

    @property
    def limit_file(self) -> str:
        """Where the most that it may take stands."""
        return f"{self.folder}/{'memory.max' if self.version == 2 else 'memory.limit_in_bytes'}"

    @property
    def usage_file(self) -> str:
        """Where stands what it takes, caches of files included."""
        return f"{self.folder}/{'memory.current' if self.version == 2 else 'memory.usage_in_bytes'}"

    @property
    def details_file(self) -> str:
        """Where stands what that is made of."""
        return f"{self.folder}/memory.stat"

    @property
    def kills_file(self) -> str:
        """Where stands how often a process in it was killed since there was no memory left."""
        return f"{self.folder}/{'memory.events' if self.version == 2 else 'memory.oom_control'}"


def own_cgroups(membership: str, mounts: str) -> tuple[Cgroup, ...]:
    """Return the folders of the node's memory cgroups, its own before those above it, as far as the node sees them.

    ``membership`` is ``/proc/self/cgroup``, ``mounts`` is ``/proc/self/mountinfo``. Both hierarchies may be there: the
    one without the memory controller has no such files.
    """
    places = dict(_memory_places(membership))
    found: list[Cgroup] = []
    for version, root, mount_point in _memory_mounts(mounts):
        if version in places:
            found += (Cgroup(version, folder) for folder in _folders(places[version], root, mount_point))
    return tuple(islice(dict.fromkeys(found), MAX_CGROUPS))


def whole_number(text: str | None) -> int | None:
    """Return the number that a file consists of; None when it is none, such as ``max``, or too large to be a limit."""
    digits = (text or "").strip()
    if not digits.isascii() or not digits.isdigit() or len(digits) > MAX_DIGITS:
        return None
    number = int(digits)
    return None if number >= UNLIMITED else number


def figure(text: str | None, name: str) -> int | None:
    """Return the number in the line that begins with this name, as ``memory.stat`` has it."""
    found = re.search(rf"^{re.escape(name)} (\d{{1,{MAX_DIGITS}}})$", text or "", re.MULTILINE | re.ASCII)
    return None if found is None else whole_number(found[1])


def kibibytes(text: str | None, name: str) -> int | None:
    """Return the bytes in the line that begins with this name, as ``/proc/meminfo`` has it."""
    found = re.search(rf"^{re.escape(name)}:\s+(\d{{1,{MAX_DIGITS}}}) kB$", text or "", re.MULTILINE | re.ASCII)
    number = None if found is None else whole_number(found[1])
    return None if number is None else number * 1024


def soft_limit(text: str | None, name: str) -> int | None:
    """Return the soft limit of this name in ``/proc/self/limits``; None where it is unlimited or not there."""
    found = re.search(rf"^{re.escape(name)}\s+(\d{{1,{MAX_DIGITS}}})\s", text or "", re.MULTILINE | re.ASCII)
    return None if found is None else whole_number(found[1])


def _memory_places(membership: str) -> Iterator[tuple[int, str]]:
    for line in membership.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not path.startswith("/"):
            continue
        if number == "0" and not controllers:
            yield 2, path
        elif "memory" in controllers.split(","):
            yield 1, path


def _memory_mounts(mounts: str) -> Iterator[tuple[int, str, str]]:
    """Give the version, which cgroup is mounted, and where."""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        root, mount_point = (_OCTAL.sub(lambda octal: chr(int(octal[1], 8)), field) for field in fields[3:5])
        if kind[0] == "cgroup2":
            yield 2, root, mount_point
        elif kind[0] == "cgroup" and "memory" in kind[2].split(","):
            yield 1, root, mount_point


def _folders(place: str, root: str, mount_point: str) -> Iterator[str]:
    """Give the folders from a place in the hierarchy up to where it is mounted.

    A container may see its own cgroup mounted as if it were the whole hierarchy, while its place is still told as from
    outside, or as ``/..``: then what is mounted is its own.
    """
    top = root.rstrip("/")
    inside = place[len(top) :] if place == top or place.startswith(f"{top}/") else ""
    names = [name for name in inside.split("/") if name]
    if ".." in names:
        names = []
    depths = list(range(len(names), -1, -1))
    if len(depths) > MAX_LEVELS:
        depths = [*depths[: MAX_LEVELS - 1], 0]
    for depth in depths:
        folder = "/".join((mount_point.rstrip("/"), *names[:depth]))
        if len(folder) <= MAX_FOLDER_CHARACTERS:
            yield folder
