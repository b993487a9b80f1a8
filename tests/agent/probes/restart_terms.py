"""A supervisor's child and what would go with it, as a node tells it."""

from __future__ import annotations

from agent.terms import FALSE, UNDEFINED, Atom, Term
from tests.agent.probes.process_terms import pid
from tests.agent.probes.supervisor_terms import looked_at, told

COUNTED: Term = (Atom("not_listed"), Atom("cap"), (2, 0, 0))
ASKED = looked_at(told(COUNTED), name=Atom("receipt_ledger_sup"))
CHILD: tuple[Term, ...] = (
    b"receipt_store",
    pid(60),
    Atom("permanent"),
    FALSE,
    5_000,
    Atom("worker"),
    [Atom("tai_receipt_store")],
)
PROCESSES: tuple[Term, ...] = (
    3,
    1,
    [(Atom("receipt_store"), pid(60))],
    2,
    [(pid(80), UNDEFINED), (pid(81), Atom("x"))],
)
LOST: Term = (b"receipt_ledger", Atom("receipt_ledger"), 12, 4_096, pid(60), Atom("receipt_store"), Atom("none"))
KEPT: Term = (b"#Ref<0.1.2.3>", Atom("kept"), 3, 512, pid(60), UNDEFINED, pid(90))
TABLES: tuple[Term, ...] = ((1, 12, 4_096), [LOST], [Atom("receipt_ledger")], (1, 3, 512), [KEPT])
BELOW: tuple[Term, ...] = (
    2,
    4,
    1,
    [(b'{billing_governor,<<"acme">>}', pid(70), pid(51))],
    [(pid(52), Atom("pool_sup"), Atom("permanent"), 4)],
    [(pid(53), Atom("hanging_sup"), Atom("not_answering"))],
    5_000,
)
FINGERPRINT = b"0123456789abcdef"


def facts(
    *,
    child: Term = CHILD,
    processes: Term = PROCESSES,
    tables: Term = TABLES,
    below: Term = BELOW,
    fingerprint: Term = FINGERPRINT,
) -> tuple[Term, ...]:
    """One child, as ``restart_facts.expr`` gives it."""
    applications: Term = (Atom("tai_autonomics"), Atom("tai_autonomics"))
    return (Atom("facts"), pid(50), ASKED, child, applications, processes, tables, below, fingerprint)
