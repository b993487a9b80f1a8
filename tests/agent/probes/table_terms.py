"""Tables as a node tells them, for the tests of what reads that."""

from __future__ import annotations

from agent.terms import FALSE, TRUE, Atom, Pid, Reference, Term

NODE = Atom("tai@127.0.0.1")
OWNER = Pid(NODE, 50, 0, 77)


def reference(number: int) -> Reference:
    return Reference(NODE, 77, (number, 2, 1))


def row(number: int, name: str = "tai_receipts_store", size: Term = 10, memory: Term = 1_000) -> tuple[Term, ...]:
    """An unnamed table as ``table_row.expr`` gives it."""
    return (
        reference(number),
        Atom(name),
        FALSE,
        Atom("ordered_set"),
        Atom("protected"),
        OWNER,
        Atom("receipt_store"),
        size,
        memory,
    )


def named_row(name: str, size: Term = 10, memory: Term = 1_000) -> tuple[Term, ...]:
    """A named one."""
    return (Atom(name), Atom(name), TRUE, *row(1, name, size, memory)[3:])
