"""Binaries outside of all heaps: how much they take, and, on request, who holds them."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from agent.probes import binaries
from agent.probes.binaries import BinaryHolders, BinaryMemory
from collector.models import ProbeAnswer
from collector.question import SWEEP_SECONDS, Question
from collector.settings import Settings
from collector.snapshot import Snapshot
from collector.views import DEFAULT_LIMIT, Limit, Query, View, head, need
from collector.views.processes import ProcessAnswerRow


class BinariesQuery(Query):
    """Parameters of ``/binaries``."""

    processes: bool = Field(
        default=False,
        description="Also say which processes hold them: this looks at every process, and at every binary of some.",
    )
    limit: Limit = DEFAULT_LIMIT


class CountedBinariesRow(BaseModel):
    """The binaries of one process, each of them looked at."""

    model_config = ConfigDict(from_attributes=True)

    references: int = Field(description="How many references it has; several may be to one.", examples=[1_204])
    binaries: int = Field(examples=[1_180])
    size_bytes: int = Field(
        description="Each once, and as a whole, also where the process needs a part of it only.", examples=[9_437_184]
    )


class BinaryHolderRow(BaseModel):
    """One process that refers to binaries."""

    model_config = ConfigDict(from_attributes=True)

    process: ProcessAnswerRow
    estimated_bytes: int = Field(
        description="What the emulator adds up to know when to collect garbage: a binary counts once for each "
        "reference, also one that is garbage already.",
        examples=[9_633_792],
    )
    counted: CountedBinariesRow | None = Field(description="Null: why_not_counted says why.")
    why_not_counted: str | None = Field(examples=[None])


class BinariesAnswer(ProbeAnswer):
    """All binaries together, and the processes that hold most of them. Null: these were not asked for."""

    memory_bytes: int = Field(description="Of all together, each once.", examples=[12_582_912])
    process_count: int | None = Field(examples=[412])
    estimated_bytes: int | None = Field(description="The sum of all processes' estimates.", examples=[14_680_064])
    processes: list[BinaryHolderRow] | None

    @classmethod
    def of(cls, snapshot: Snapshot, query: BinariesQuery) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer`."""
        if not query.processes:
            memory = need(snapshot, "binaries", BinaryMemory)
            of_no_process = dict.fromkeys(("process_count", "estimated_bytes", "processes"))
            return cls.model_validate(
                head(snapshot, "binaries") | {"memory_bytes": memory.memory_bytes} | of_no_process
            )
        found = need(snapshot, "binary_holders", BinaryHolders)
        return cls.model_validate(
            head(snapshot, "binary_holders", found.left_out)
            | {
                "memory_bytes": found.memory_bytes,
                "process_count": found.processes,
                "estimated_bytes": found.estimated_bytes,
                "processes": found.holders[: query.limit],
            }
        )


ASK_BINARIES = Question("binaries", binaries.ask)
SWEEP_BINARY_HOLDERS = Question("binary_holders", binaries.ask_holders, deadline_seconds=SWEEP_SECONDS, is_sweep=True)


def _ask_binaries(query: BinariesQuery, _settings: Settings) -> Question:
    return SWEEP_BINARY_HOLDERS if query.processes else ASK_BINARIES


BINARIES = View("binaries", _ask_binaries, BinariesAnswer, BinariesAnswer.of)
