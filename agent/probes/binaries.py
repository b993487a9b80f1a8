"""How much memory do binaries outside of all heaps take, and who keeps them?"""

from __future__ import annotations

from dataclasses import dataclass

from agent.probes.processes import ProcessRow


@dataclass(frozen=True, slots=True)
class BinaryMemory:
    """``erlang:memory(binary)``: what all binaries outside of heaps take. Each counts once, whoever refers to it."""

    memory_bytes: int


@dataclass(frozen=True, slots=True)
class CountedBinaries:
    """The binaries of one process, each of them looked at.

    Several ``references`` may be to one of its ``binaries``; ``size_bytes`` counts each binary once, and as a whole,
    also where the process needs a part of it only.
    """

    references: int
    binaries: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BinaryHolder:
    """A process that refers to binaries outside of its heap.

    ``estimated_bytes`` is what the emulator adds up to know when to collect garbage: a binary counts once for each
    reference to it, also one that is garbage already. ``counted`` is None where there are too many references to look
    at each, or the process was gone or busy: ``why_not_counted`` says which.
    """

    process: ProcessRow
    estimated_bytes: int
    counted: CountedBinaries | None
    why_not_counted: str | None


@dataclass(frozen=True, slots=True)
class BinaryHolders:
    """The processes that refer to most bytes in binaries, by the estimate, the largest first.

    ``estimated_bytes`` is the sum of all processes' estimates. It is more than ``memory_bytes``, which is
    ``erlang:memory(binary)``, where processes share binaries.
    """

    processes: int
    memory_bytes: int
    estimated_bytes: int
    holders: tuple[BinaryHolder, ...]
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the binaries of each holder were counted."""
        return not self.left_out
