"""The journal: what was done, and whether its chain holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from collector.journal.audit import AuditAnswer, AuditEntry, ChainAnswer
from collector.journal.chain import Kind
from collector.render.parts import cell, counted, listing

# By which names an entry may say what was acted on.
_SUBJECTS: Final = ("child", "process", "pid", "table")
_VERDICTS: Final = ("outcome", "verdict", "guard")
_STYLES: Final[Mapping[str, str]] = {Kind.REFUSED: "yellow", Kind.RECONCILED: "yellow"}


def audit_table(answer: AuditAnswer) -> RenderableType:
    """Show entries, the newest first."""
    if not answer.entries:
        return Text("no such entry" if answer.head else "nothing was done or refused so far")
    table = listing(
        "UTC", "who", "what", "on", "under", "node", "outcome", "reason",
        folds=("on", "outcome", "reason"), clips=("under", "node"),
    )  # fmt: skip
    for entry in answer.entries:
        table.add_row(
            cell(entry.at[:19].replace("T", " ")),
            cell(_fact(entry, "who")),
            cell(_fact(entry, "action"), "bold"),
            cell(_fact(entry, *_SUBJECTS)),
            cell(_fact(entry, "supervisor")),
            cell(entry.node or None),
            cell(_outcome(entry), _STYLES.get(entry.kind, "")),
            cell(_fact(entry, "reason")),
        )
    return Group(table, Text(), cell(f"head {answer.head}", "dim"))


def chain_text(answer: ChainAnswer) -> RenderableType:
    """Say whether the chain holds, and where not."""
    before = f"{counted(answer.entries, 'entry', 'entries')} {'holds' if answer.entries == 1 else 'hold'}"
    head = [] if answer.head is None else [cell(f"head {answer.head}")]
    if answer.fault is None:
        return Group(Text(f"the chain holds: {counted(answer.entries, 'entry', 'entries')}", "green"), *head)
    return Group(
        cell(f"the chain does not hold: {answer.fault.detail}", "bold red"), Text(f"before it {before}"), *head
    )


def _outcome(entry: AuditEntry) -> str:
    verdict = _fact(entry, *_VERDICTS)
    if verdict is None:
        return entry.kind
    return verdict if entry.kind == Kind.OUTCOME else f"{entry.kind}: {verdict}"


def _fact(entry: AuditEntry, *names: str) -> str | None:
    """Return the first of these facts that an entry has and that fits into a cell."""
    found = (entry.body.get(name) for name in names)
    return next((str(value) for value in found if isinstance(value, str | int | float)), None)
