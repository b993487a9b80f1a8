"""How many ETS tables are there, which are the largest, and how large are those that are watched?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# The playbook's, and what the receipts' own code calls its tables: these are unnamed, and so only found by listing.
DEFAULT_WATCH_TABLES: Final = (
    "receipt_ledger",
    "tai_receipts_store",
    "tai_receipts_dedup",
    "tai_receipts_chain",
    "ggen_receipts",
)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One table.

    ``id`` is what it can be asked for by, printed as Erlang does: the name of a named table, quoted where it must be,
    and a reference like ``#Ref<0.1.2.3>`` of any other. ``name`` is as it is, without quotes: unnamed tables have one
    too, and many may have the same. ``owner`` is a pid, ``owner_name`` the name that it is registered by.
    ``size`` counts rows. ``memory_bytes`` is without binaries outside of the table.
    """

    id: str
    name: str
    is_named: bool
    type: str
    protection: str
    owner: str
    owner_name: str | None
    size: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class TablesOfName:
    """All tables of one name together, and the largest of them.

    ``count``, ``size`` and ``memory_bytes`` are those of all. Where ``count`` is 0 there is no such table: that is not
    the same as an empty one. ``largest`` are those with the most memory, the largest first.
    """

    name: str
    count: int
    size: int
    memory_bytes: int
    largest: tuple[TableRow, ...]

    @property
    def is_absent(self) -> bool:
        """Whether no table has that name."""
        return self.count == 0


@dataclass(frozen=True, slots=True)
class Tables:
    """All tables together, the largest first, and the watched ones in the order of the settings.

    ``limit`` is what the node was started with; from OTP 21 on it does not stop anybody from making more. Sums are
    those of the sweep; each row is as the table was a moment later. A table that was deleted meanwhile is in no row.
    ``left_out`` says what is not in the answer and why.
    """

    count: int
    limit: int
    memory_bytes: int
    by_size: tuple[TableRow, ...]
    by_memory: tuple[TableRow, ...]
    watched: tuple[TablesOfName, ...]
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every table was looked at."""
        return not self.left_out


@dataclass(frozen=True, slots=True)
class Table:
    """One table in detail.

    ``key_position`` is that of the key in each row. ``heir`` is the pid that gets the table when its owner dies; None:
    then it is deleted. ``is_fixed``: somebody goes through it, and until then no deleted row gives its memory back.
    ``write_concurrency`` is ``false``, ``true`` or ``auto``.
    """

    row: TableRow
    key_position: int
    heir: str | None
    is_compressed: bool
    is_fixed: bool
    read_concurrency: bool
    write_concurrency: str


@dataclass(frozen=True, slots=True)
class FoundTables:
    """The tables that were asked for, by id or by name: those with the most memory first.

    ``count``, ``size`` and ``memory_bytes`` are those of all, also of those that are not among ``tables``.
    """

    asked_for: str
    count: int
    size: int
    memory_bytes: int
    tables: tuple[Table, ...]
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every table of that name is among ``tables``."""
        return not self.left_out


@dataclass(frozen=True, slots=True)
class NoTable:
    """There is no such table. ``nearest`` are names of tables that look like what was asked for."""

    asked_for: str
    nearest: tuple[str, ...]
