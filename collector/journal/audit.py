"""What is shown of the journal: the same models over HTTP and on the command line."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from collector.journal.chain import Entry, Fault, FaultKind, Row, Verified, format_time, to_canonical
from collector.journal.file import Reader

DEFAULT_ENTRIES: Final = 20
MAX_ENTRIES: Final = 200  # of which each may have a whole plan in it

_HASH: Final = "f1aa6f4ce9b8d1f58dd5e4cbe2a6b3c70d6f1f2b7a0c2f1b8f4f6a4f1f0e9d3c"
_BODY: Final = {
    "action": "restart",
    "who": "anna",
    "supervisor": "tai_autonomics_sup",
    "child": "governance_sup",
    "reason": "governors hang",
}

EntryLimit = Annotated[int, Field(ge=1, le=MAX_ENTRIES, description=f"How many entries, 1 to {MAX_ENTRIES}.")]


class AuditQuery(BaseModel):
    """Parameters of ``/api/v1/audit``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: EntryLimit = DEFAULT_ENTRIES
    after: int | None = Field(
        default=None,
        ge=0,
        le=1 << 62,
        description="Only entries behind the one of this number, the oldest first, to follow the journal; "
        "without it the newest come first.",
    )
    node: str | None = Field(default=None, description="Only entries about this node.")


class AuditEntry(BaseModel):
    """One entry of the journal."""

    seq: int = Field(description="Its number, from 1.", examples=[7])
    at: str = Field(description="When it was written, in UTC.", examples=["2026-11-23T03:14:07.125000Z"])
    kind: str = Field(description="intent, refused, outcome, watched or reconciled.", examples=["intent"])
    action_id: str = Field(description="What the entries of one action have in common.", examples=["r-3f9c2b"])
    node: str = Field(description="Which node it is about; empty where none is known.", examples=["tai@127.0.0.1"])
    body: dict[str, Any] = Field(description="The facts, by their names.", examples=[_BODY])
    previous: str = Field(description="The hash of the entry before it; 64 zeros for the first.", examples=["0" * 64])
    hash: str = Field(description="Its own hash, over all of the above.", examples=[_HASH])

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Show an entry."""
        return cls(
            seq=entry.seq,
            at=format_time(entry.at),
            kind=entry.kind.value,
            action_id=entry.action_id,
            node=entry.node,
            body=dict(entry.body),
            previous=entry.previous,
            hash=entry.hash,
        )

    def row(self) -> Row:
        """Return the entry as it stands in the journal, so that the chain can be followed elsewhere too."""
        return Row(**self.model_dump(exclude={"body"}), body=to_canonical(self.body))


class AuditAnswer(BaseModel):
    """Entries of the journal."""

    head: str | None = Field(
        description="The hash of the newest entry of all; null while there is none.", examples=[_HASH]
    )
    entries: list[AuditEntry]

    @classmethod
    def of(cls, reader: Reader, query: AuditQuery) -> Self:
        """Read what is asked for. Raises `JournalError`."""
        if query.after is None:
            entries = reader.entries(node=query.node, limit=query.limit)
        else:
            entries = reader.entries_behind(query.after, node=query.node, limit=query.limit)
        head = reader.head()
        return cls(head=head.hash if head.seq else None, entries=[AuditEntry.of(entry) for entry in entries])


class ChainFault(BaseModel):
    """The first entry that is wrong."""

    seq: int
    kind: FaultKind
    detail: str

    @classmethod
    def of(cls, fault: Fault) -> Self:
        """Show a fault."""
        return cls(seq=fault.seq, kind=fault.kind, detail=str(fault))


class ChainAnswer(BaseModel):
    """Whether the chain holds: over how many entries, up to which hash, and the fault behind them."""

    holds: bool
    entries: int
    head: str | None
    fault: ChainFault | None

    @classmethod
    def of(cls, verified: Verified) -> Self:
        """Show how far a chain holds."""
        return cls(
            holds=verified.fault is None,
            entries=verified.entries,
            head=verified.head,
            fault=None if verified.fault is None else ChainFault.of(verified.fault),
        )
