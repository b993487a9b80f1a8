"""ETS tables: the largest, those that are watched, and one of them."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from agent.expression import Shell
from agent.probes import ets, table
from agent.probes.ets import Tables, TablesOfName
from agent.probes.table import FoundTables, NoTable
from collector.models import ProbeAnswer
from collector.question import SWEEP_SECONDS, Question
from collector.settings import Settings
from collector.snapshot import Snapshot
from collector.views import DEFAULT_LIMIT, Limit, NotFound, Query, View, head, need


class TableAnswerRow(BaseModel):
    """One table."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(
        description="What to ask for it by: its name when it is a named one, else a reference.",
        examples=["#Ref<0.1841.3.77>"],
    )
    name: str = Field(
        description="Unnamed tables have one too, and many may have the same.", examples=["ggen_receipts"]
    )
    is_named: bool = Field(examples=[False])
    type: str = Field(examples=["ordered_set"])
    protection: str = Field(examples=["protected"])
    owner: str = Field(examples=["<0.123.0>"])
    owner_name: str | None = Field(description="Its registered name.", examples=["receipt_store"])
    size: int = Field(description="How many rows it has.", examples=[81_023])
    memory_bytes: int = Field(description="Without what large binaries in the rows take.", examples=[14_680_064])


class WatchedTables(BaseModel):
    """All tables of one of the names in `watch_tables`."""

    name: str = Field(examples=["receipt_ledger"])
    count: int = Field(description="How many tables have that name; 0: there is none.", examples=[1])
    not_measured: int = Field(description="Of these not in size and memory.", examples=[0])
    size: int | None = Field(
        description="How many rows all of them have; null: there is none, or none was measured.", examples=[81_023]
    )
    memory_bytes: int | None = Field(examples=[14_680_064])
    largest: list[TableAnswerRow] = Field(description="Those with the most memory, at most 10.")

    @classmethod
    def of(cls, found: TablesOfName) -> Self:
        """Show what was found under one name."""
        return cls(
            name=found.name,
            count=found.count,
            not_measured=found.not_measured,
            **_sums(found),
            largest=[TableAnswerRow.model_validate(one) for one in found.largest],
        )


def _sums(found: TablesOfName | FoundTables) -> dict[str, int | None]:
    """Return what was measured of all together; nothing where nothing was."""
    is_known = found.count > found.not_measured
    return {"size": found.size if is_known else None, "memory_bytes": found.memory_bytes if is_known else None}


# ---------------------------------------------------------------------------------------------------------- all tables


class TablesQuery(Query):
    """Parameters of ``/ets``."""

    sort: Literal["memory", "size"] = Field(default="memory", description="What the first has most of.")
    limit: Limit = DEFAULT_LIMIT


class TablesAnswer(ProbeAnswer):
    """All tables together, those that are watched, and those with the most memory or the most rows."""

    table_count: int = Field(examples=[61])
    table_limit: int = Field(
        description="What the node was started with; more tables than that can be made all the same.", examples=[8192]
    )
    memory_bytes: int = Field(description="Of all tables together.", examples=[16_777_216])
    watched: list[WatchedTables]
    sort: Literal["memory", "size"] = Field(examples=["memory"])
    tables: list[TableAnswerRow]

    @classmethod
    def of(cls, snapshot: Snapshot, query: TablesQuery) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer`."""
        found = need(snapshot, "ets", Tables)
        top = found.by_memory if query.sort == "memory" else found.by_size
        return cls.model_validate(
            head(snapshot, "ets", found.left_out)
            | {
                "table_count": found.count,
                "table_limit": found.limit,
                "memory_bytes": found.memory_bytes,
                "watched": [WatchedTables.of(one) for one in found.watched],
                "sort": query.sort,
                "tables": top[: query.limit],
            }
        )


def sweep_tables(settings: Settings) -> Question:
    """Ask for all tables, with those that these settings watch."""
    watch = settings.watch_tables
    return Question("ets", partial(ets.ask, watch), watch, deadline_seconds=SWEEP_SECONDS, is_sweep=True)


TABLES = View("ets", lambda _query, settings: sweep_tables(settings), TablesAnswer, TablesAnswer.of)


# ----------------------------------------------------------------------------------------------------------- one table


class TableQuery(Query):
    """Parameters of ``/table``."""

    name: Annotated[str, Field(min_length=1, max_length=4096)] = Field(
        description="A name, or a reference as /ets prints it.", examples=["receipt_ledger"]
    )


class FoundTable(TableAnswerRow):
    """One table, with what it was made with."""

    key_position: int = Field(description="Where the key is in each row.", examples=[1])
    heir: str | None = Field(
        description="Who gets the table when its owner dies; null: it is deleted then.", examples=["<0.120.0>"]
    )
    is_compressed: bool = Field(examples=[False])
    is_fixed: bool = Field(
        description="Somebody goes through it, and until then no deleted row gives its memory back.", examples=[False]
    )
    read_concurrency: bool = Field(examples=[True])
    write_concurrency: str = Field(description="false, true or auto.", examples=["false"])


class TableAnswer(ProbeAnswer):
    """The table of that reference, or all tables of that name."""

    asked_for: str = Field(examples=["receipt_ledger"])
    table_count: int = Field(description="How many tables have that name.", examples=[1])
    not_measured: int = Field(description="Of these not in size, memory and the list.", examples=[0])
    size: int | None = Field(description="How many rows all of them have; null: none was measured.", examples=[81_023])
    memory_bytes: int | None = Field(examples=[14_680_064])
    tables: list[FoundTable] = Field(description="Those with the most memory first.")

    @classmethod
    def of(cls, snapshot: Snapshot, query: TableQuery) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer` and `NotFound`."""
        if missing := snapshot.result(NoTable):
            raise NotFound(snapshot, f"there is no table {query.name}", missing.nearest)
        found = need(snapshot, "table", FoundTables)
        return cls.model_validate(
            head(snapshot, "table", found.left_out)
            | {
                "asked_for": query.name,
                "table_count": found.count,
                "not_measured": found.not_measured,
                **_sums(found),
                "tables": [asdict(one.row) | asdict(one) for one in found.tables],
            }
        )


def _ask_table(query: TableQuery, _settings: Settings) -> Question:
    async def ask(shell: Shell, deadline_seconds: float) -> FoundTables | NoTable:
        return await table.ask(query.name, shell, deadline_seconds)

    return Question("table", ask, query.name, deadline_seconds=SWEEP_SECONDS)


TABLE = View("table", _ask_table, TableAnswer, TableAnswer.of)
