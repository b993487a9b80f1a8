"""Delete one key of a public ETS table: the playbook's cleaning up by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from agent.actions.guards import Guard, Refusal
from agent.actions.restart import Locked, read_action_id
from agent.errors import RemoteError, UnexpectedAnswer
from agent.expression import ActingShell, Expression, Shell
from agent.probes import rows, table
from agent.probes.ets import TableRow, as_sent, plain_name
from agent.probes.table import FoundTables, NoTable
from agent.term_text import atoms_of, parse_term
from agent.terms import Atom, ExportFun, Pid, Reference, Term, format_term

_NAMED_IN_A_REFUSAL: Final = 5
_BAGS: Final = frozenset({"bag", "duplicate_bag"})

LOOK: Final = Expression.load("actions/table_key", "actions/table_key_look")
DELETE: Final = Expression.load("actions/table_key", "actions/locking", "actions/table_key_delete")


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """One key of one table. ``objects`` is how many rows have it.

    ``is_same`` is False where the table's own key is only equal to the one that was asked for, as 1.0 is to 1.
    """

    table: TableRow
    reference: Reference
    owner: Pid
    key: Term
    objects: int
    is_same: bool


@dataclass(frozen=True, slots=True)
class NoSuchKey:
    """The table is there, and the key has something in it that the node has never heard of, so it cannot be there."""

    table: TableRow


Found: TypeAlias = KeyFacts | NoSuchKey | FoundTables | NoTable


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """Whether the key may be deleted, and what goes with it."""

    found: Found
    refusals: tuple[Refusal, ...]
    warnings: tuple[str, ...]

    @property
    def is_allowed(self) -> bool:
        """Whether no guard refuses it."""
        return not self.refusals


@dataclass(frozen=True, slots=True)
class Deleted:
    """It was done. Rows are those of the whole table, which others may have changed meanwhile."""

    objects: int
    rows_before: int
    rows_after: int


@dataclass(frozen=True, slots=True)
class Changed:
    """Nothing was done: the table is gone, or another's, or has none of the key any more, or more than was planned."""


Report: TypeAlias = Deleted | Changed | Locked


async def ask(shell: Shell, deadline_seconds: float, table_name: str, key_text: str) -> Found:
    """Look at one key, given as Erlang prints it, of the table of this name or printed reference.

    No text becomes an atom on the node: the key is sent only when every atom in it is one there already. Cost: that of
    `agent.probes.table.ask`, and a copy of the key for each row that has it. Raises `TermTextError` for a key that is
    no term.
    """
    clock = asyncio.get_running_loop().time
    too_late = clock() + deadline_seconds
    key = parse_term(key_text)
    tables = await table.ask(table_name, shell, deadline_seconds)
    if isinstance(tables, NoTable) or len(tables.tables) != 1 or tables.count != 1:
        return tables
    row = tables.tables[0].row
    if not await _are_known(shell, too_late - clock(), atoms_of(key)):
        return NoSuchKey(row)
    table_id = as_sent(row.name) if row.is_named else row.id.encode()
    bindings: dict[str, Term] = {"Table_id": table_id, "Key": key}
    answer = await shell.evaluate(LOOK, bindings, deadline_seconds=too_late - clock())
    match answer.value:
        case Atom(name="gone"):
            return NoTable(table_name, ())
        case (Reference() as reference, Pid() as owner, _type, _protection, _rows, objects, is_same):
            return KeyFacts(row, reference, owner, key, rows.count(objects), rows.boolean(is_same))
    raise UnexpectedAnswer("the node gives something else for a key of a table than was asked for")


async def _are_known(shell: Shell, deadline_seconds: float, names: frozenset[str]) -> bool:
    if not names:
        return True
    encoded: list[Term] = [name.encode() for name in sorted(names)]
    resolve = ExportFun(Atom("erlang"), Atom("binary_to_existing_atom"), 1)
    try:
        await shell.call("lists", "map", [resolve, encoded], deadline_seconds=deadline_seconds)
    except RemoteError:
        return False
    return True


def make_plan(found: Found) -> KeyPlan:
    """Decide."""
    warnings = tuple(_warnings(found)) if isinstance(found, KeyFacts) else ()
    return KeyPlan(found, tuple(_refusals(found)), warnings)


def _refusals(found: Found) -> Iterator[Refusal]:
    match found:
        case NoTable(asked_for, nearest):
            near = f"; there are {', '.join(nearest)}" if nearest else ""
            yield Refusal(Guard.NO_TABLE, f"no table is called {plain_name(asked_for)}{near}")
        case FoundTables(asked_for=asked_for, count=count):
            ids = ", ".join(one.row.id for one in found.tables[:_NAMED_IN_A_REFUSAL])
            yield Refusal(
                Guard.SEVERAL_TABLES,
                f"{count} tables are called {plain_name(asked_for)}: say which one by its reference, of {ids}",
            )
        case NoSuchKey(row) | KeyFacts(table=row):
            if row.protection != "public":
                yield Refusal(
                    Guard.TABLE_NOT_PUBLIC,
                    f"{row.name} is {row.protection}: only its owner, {row.owner_name or row.owner}, can change it",
                )
            elif isinstance(found, NoSuchKey) or found.objects == 0:
                yield Refusal(Guard.NO_KEY, f"{row.name} has no such key: mind that 42, <<\"42\">> and '42' are three")


def _warnings(facts: KeyFacts) -> Iterator[str]:
    if facts.table.type in _BAGS and facts.objects > 1:
        yield f"{facts.table.name} is a {facts.table.type}: {facts.objects} rows have this key, and all of them go"
    if facts.objects and not facts.is_same:
        yield (
            f"{facts.table.name} is an ordered_set, in which 1 and 1.0 are one key: the key there is equal to "
            f"{format_term(facts.key, 80)} and not the same"
        )


async def execute(shell: ActingShell, facts: KeyFacts, action_id: str, deadline_seconds: float) -> Report:
    """Delete the key, if the table is still the same one and public, and has no more rows of the key than were told.

    Raises what `agent.rpc.Calls.call_detached` raises: then it is not known whether it was done.
    """
    bindings: dict[str, Term] = {
        "Table": facts.reference,
        "Owner": facts.owner,
        "Objects": facts.objects,
        "Key": facts.key,
        "Action": action_id.encode(),
    }
    answer = await shell.evaluate_detached(DELETE, bindings, deadline_seconds=deadline_seconds)
    return read_report(answer.value)


def read_report(answer: Term) -> Report:
    """Read what the worker says. Raises `UnexpectedAnswer`."""
    match answer:
        case (Atom(name="locked"), action_id):
            return Locked(read_action_id(action_id))
        case (Atom(name="deleted"), objects, before, after):
            return Deleted(rows.count(objects), rows.count(before), rows.count(after))
        case (Atom(name="changed"), _look):
            return Changed()
    raise UnexpectedAnswer(f"the node gives {format_term(answer, 80)} for a key that was to be deleted")
