"""What is asked for and what is answered about the two: the same models for the REST API and the command line."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from collector.models import NodeReference, Problem
from collector.restarts.models import MAX_REASON_CHARACTERS, GuardRefusal, Name

MAX_KEY_CHARACTERS = 10_000


class CleaningRequest(BaseModel):
    """What both have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str = Field(
        default="",
        max_length=MAX_REASON_CHARACTERS,
        description="Why, for the journal. Must be there unless it is a dry run.",
        examples=["binaries grow"],
    )
    dry_run: bool = Field(default=False, description="Only plan: nothing changes.", examples=[False])


class CollectionRequest(CleaningRequest):
    """Which process collects its garbage."""

    process: Name = Field(description="Its pid or its registered name.", examples=["<0.123.0>", "receipt_store"])


class DeletionRequest(CleaningRequest):
    """Which key of which table is deleted."""

    table: Name = Field(description="Its name, or its printed reference.", examples=["receipt_ledger"])
    key: str = Field(
        min_length=1,
        max_length=MAX_KEY_CHARACTERS,
        description="The key as Erlang prints it.",
        examples=["42", '<<"acme">>', '{acme,"2026-11"}'],
    )
    max_rows: int | None = Field(
        default=None,
        ge=1,
        description="How many rows with this key were agreed to; when there are more, nothing is done.",
        examples=[1],
    )


class CleaningState(StrEnum):
    """How it ended."""

    PLANNED = "planned"  # it was a dry run
    DONE = "done"
    ASKED = "asked"  # the process is busy, and does it when it comes to it
    NOT_DONE = "not done"
    UNKNOWN = "unknown"


class FootprintAnswer(BaseModel):
    """What a process takes."""

    memory_bytes: int = Field(description="Heap, stack and messages.", examples=[102_400])
    binary_bytes: int = Field(description="Binaries outside of the heap that it refers to.", examples=[52_428_800])
    message_queue_len: int = Field(examples=[0])


class ProcessCleaned(BaseModel):
    """The process. Null where it was not looked at."""

    pid: str = Field(examples=["<0.123.0>"])
    name: str | None = Field(default=None, examples=["receipt_store"])
    before: FootprintAnswer | None = Field(default=None)
    after: FootprintAnswer | None = Field(default=None)
    seconds: float | None = Field(default=None, description="For how long it took or was waited for.", examples=[0.01])


class KeyCleaned(BaseModel):
    """The key, and its table."""

    table: str = Field(examples=["receipt_ledger"])
    id: str = Field(description="The table as Erlang prints it.", examples=["receipt_ledger"])
    key: str = Field(examples=["42"])
    objects: int = Field(description="How many rows have the key.", examples=[1])
    rows_before: int = Field(examples=[812])
    rows_after: int | None = Field(default=None, examples=[811])


class CleaningAnswer(BaseModel):
    """What would be done, or what was."""

    node: NodeReference
    action: Literal["gc", "ets-delete"] = Field(examples=["gc"])
    state: CleaningState = Field(examples=["done"])
    action_id: str | None = Field(
        description="What the journal calls it; null for a dry run.", examples=["5f3a9c2b81d0"]
    )
    allowed: bool = Field(examples=[True])
    refusals: list[GuardRefusal] = Field(default=[])
    warnings: list[str] = Field(default=[], examples=[["its heap has 300 MiB: …"]])
    process: ProcessCleaned | None = Field(default=None, description="Of gc.")
    key: KeyCleaned | None = Field(default=None, description="Of ets-delete.")
    found: str | None = Field(default=None, description="What was found out, where that is not all.", examples=[None])


class CleaningProblem(Problem):
    """One that guards refuse (RFC 9457): ``type`` names the first of them."""

    refusals: list[GuardRefusal]
    action_id: str | None = Field(description="What the journal calls the refusal.", examples=["5f3a9c2b81d0"])
