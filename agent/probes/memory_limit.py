"""How much memory may the node take before the kernel ends it, and how much is left?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.probes.kernel_files import Cgroup, figure, kibibytes, own_cgroups, soft_limit, whole_number
from agent.terms import Atom, Term, format_term

MAX_MOUNTS_BYTES: Final = 64 * 1024  # of mountinfo; a container's has a few kB
MAX_FILE_BYTES: Final = 8 * 1024  # of each cgroup's file; memory.stat has 1 to 2 kB
HEAP_WORDS: Final = 200_000

MEMBERSHIP: Final = "/proc/self/cgroup"
MOUNTS: Final = "/proc/self/mountinfo"
LIMITS: Final = "/proc/self/limits"
STATUS: Final = "/proc/self/status"
MACHINE: Final = "/proc/meminfo"

READ: Final = Expression.load("memory_limit")


class LimitSource(StrEnum):
    """Who sets a limit."""

    CGROUP_V2 = "cgroup v2"
    CGROUP_V1 = "cgroup v1"
    ADDRESS_SPACE = "ulimit -v"
    MACHINE = "the machine's memory"


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit, the file in which the node has found it, and what counts against it.

    ``used_bytes`` of a cgroup has caches of files in it, and of these ``reclaimable_bytes`` are what the kernel takes
    back before it kills anybody. Of ``ulimit -v`` it is the address space, of which the emulator reserves more than it
    uses.
    """

    source: LimitSource
    file: str
    limit_bytes: int
    used_bytes: int | None
    reclaimable_bytes: int | None = None

    @property
    def needed_bytes(self) -> int | None:
        """What is used and would not be given back; None when it is not known."""
        return None if self.used_bytes is None else max(0, self.used_bytes - (self.reclaimable_bytes or 0))

    @property
    def left_bytes(self) -> int | None:
        """What may still be taken; None when it is not known."""
        return None if self.needed_bytes is None else max(0, self.limit_bytes - self.needed_bytes)

    @property
    def is_the_machine_s(self) -> bool:
        """Whether it is no limit of the node's own, but all that there is."""
        return self.source is LimitSource.MACHINE


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """All limits of the node's memory. ``not_known`` says what could not be found out, and why.

    ``resident_bytes`` is what the node's operating system process has in memory now, ``resident_peak_bytes`` the most
    that it ever had. ``memory_kills`` counts how often a process of the node's own cgroup was killed because it was
    full.
    """

    limits: tuple[Limit, ...]
    resident_bytes: int | None
    resident_peak_bytes: int | None
    memory_kills: int | None
    not_known: tuple[str, ...]

    @property
    def nearest(self) -> Limit | None:
        """The limit that is reached first: of which the least is left. None when no limit is known.

        Where it is not known how much of a limit is left, it counts as the last, the smaller one before the larger.
        """
        return min(self.limits, key=_distance, default=None)


async def ask(shell: Shell, deadline_seconds: float) -> MemoryLimit:
    """Read what the kernel tells the node of its cgroup, its ulimit and its machine.

    Cost: five small files, then four for each cgroup from the node's own upward, by dirty schedulers: 0.5 ms in all.
    No file server is asked.
    """
    told = await _read(shell, (MEMBERSHIP, MOUNTS, LIMITS, STATUS, MACHINE), MAX_MOUNTS_BYTES, deadline_seconds / 2)
    cgroups = own_cgroups(told.get(MEMBERSHIP) or "", told.get(MOUNTS) or "")
    files = [
        file
        for cgroup in cgroups
        for file in (cgroup.limit_file, cgroup.usage_file, cgroup.details_file, cgroup.kills_file)
    ]
    in_cgroups = await _read(shell, files, MAX_FILE_BYTES, deadline_seconds / 2) if files else _Files({}, {})
    return MemoryLimit(
        limits=(*_of_cgroups(cgroups, in_cgroups), *_of_process(told), *_of_machine(told)),
        resident_bytes=kibibytes(told.get(STATUS), "VmRSS"),
        resident_peak_bytes=kibibytes(told.get(STATUS), "VmHWM"),
        memory_kills=_kills(cgroups, in_cgroups),
        not_known=tuple(_not_known(told, cgroups, in_cgroups)),
    )


class _Files:
    """What stands in files, and why nothing does."""

    def __init__(self, contents: Mapping[str, str], errors: Mapping[str, str]) -> None:
        self.errors = errors
        self.get = contents.get


async def _read(shell: Shell, paths: Sequence[str], max_bytes: int, deadline_seconds: float) -> _Files:
    answer = await shell.evaluate(
        READ,
        {"Paths": [path.encode() for path in paths], "Max": max_bytes},
        deadline_seconds=deadline_seconds,
        max_heap_words=HEAP_WORDS,
    )
    found = rows.elements(answer.value)
    if len(found) != len(paths):
        raise UnexpectedAnswer("the node gives something else for the files of its memory limit than was asked for")
    contents, errors = dict[str, str](), dict[str, str]()
    for path, term in zip(paths, found, strict=True):
        match term:
            case bytes() if len(term) <= max_bytes:
                contents[path] = term.decode(errors="replace")
            case Atom(name=why):
                errors[path] = why
            case _:
                raise UnexpectedAnswer(f"the node gives {_printed(term)} for what stands in {path}")
    return _Files(contents, errors)


def _printed(term: Term) -> str:
    return format_term(term, 80)


def _of_cgroups(cgroups: Sequence[Cgroup], files: _Files) -> Iterator[Limit]:
    top = next((cgroup for cgroup in reversed(cgroups) if cgroup.version == 1), None)
    for cgroup in cgroups:
        details = files.get(cgroup.details_file)
        limit_bytes = whole_number(files.get(cgroup.limit_file))
        if cgroup == top:
            # Those above it are not mounted here, and this is all that is told of them.
            above = figure(details, "hierarchical_memory_limit")
            limit_bytes = min((each for each in (limit_bytes, above) if each is not None), default=None)
        if limit_bytes is not None:
            yield Limit(
                LimitSource.CGROUP_V2 if cgroup.version == 2 else LimitSource.CGROUP_V1,
                cgroup.limit_file,
                limit_bytes,
                whole_number(files.get(cgroup.usage_file)),
                figure(details, "inactive_file" if cgroup.version == 2 else "total_inactive_file"),
            )


def _of_process(files: _Files) -> Iterator[Limit]:
    limit_bytes = soft_limit(files.get(LIMITS), "Max address space")
    if limit_bytes is not None:
        yield Limit(LimitSource.ADDRESS_SPACE, LIMITS, limit_bytes, kibibytes(files.get(STATUS), "VmSize"))


def _of_machine(files: _Files) -> Iterator[Limit]:
    total_bytes = kibibytes(files.get(MACHINE), "MemTotal")
    if total_bytes is not None:
        available_bytes = kibibytes(files.get(MACHINE), "MemAvailable")
        used_bytes = None if available_bytes is None else max(0, total_bytes - available_bytes)
        yield Limit(LimitSource.MACHINE, MACHINE, total_bytes, used_bytes)


def _kills(cgroups: Sequence[Cgroup], files: _Files) -> int | None:
    """Those of the nearest cgroup that tells them: one of a hierarchy without the memory controller does not."""
    counts = (figure(files.get(cgroup.kills_file), "oom_kill") for cgroup in cgroups)
    return next((count for count in counts if count is not None), None)


def _not_known(told: _Files, cgroups: Sequence[Cgroup], in_cgroups: _Files) -> Iterator[str]:
    if MEMBERSHIP in told.errors and MACHINE in told.errors:
        yield f"the memory limit: the node has no /proc to read, so it is not on Linux ({told.errors[MACHINE]})"
        return
    for path in (LIMITS, STATUS, MACHINE):
        if path in told.errors:
            yield f"what {path} says: {told.errors[path]}"
    for path in (MEMBERSHIP, MOUNTS):
        if path in told.errors:
            yield f"the limit of its cgroup: {path} is not read ({told.errors[path]})"
            return
    if not cgroups:
        yield "the limit of its cgroup: none with a memory controller is mounted where the node sees it"
    elif not any(in_cgroups.get(cgroup.limit_file) or in_cgroups.get(cgroup.details_file) for cgroup in cgroups):
        own = cgroups[0].limit_file
        yield f"the limit of its cgroup: {own} is not read ({in_cgroups.errors.get(own, 'it is empty')})"


def _distance(limit: Limit) -> tuple[bool, int, int]:
    return limit.left_bytes is None, limit.left_bytes or 0, limit.limit_bytes
