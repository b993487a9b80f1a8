"""Plans of restarts as people see them, and the files that hold how each of them looks.

When one is meant to change, write them anew and read the difference::

    .venv/bin/python -m tests.restart_plans
    git diff tests/collector/restarts/golden
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console

from collector.models import NodeReference
from collector.render.restarts import plan_facts
from collector.restarts.models import (
    GuardRefusal,
    NextStep,
    PlanAnswer,
    PlanChild,
    PlanSupervisor,
    PlanTable,
    RestartRequest,
)
from tests.collector_fakes import CREATION, INSTANCE_ID, NODE

GOLDEN: Final = Path(__file__).parent / "collector" / "restarts" / "golden"
WIDTHS: Final = (80, 140)

ROOT: Final = PlanSupervisor(
    name="tai_autonomics_sup",
    pid="<0.89.0>",
    status="running",
    kind="supervisor",
    strategy="one_for_all",
    restarts=1,
    intensity=5,
    period_seconds=60,
    budget_left=4,
)
LEDGER: Final = PlanTable(
    name="receipt_ledger",
    id="receipt_ledger",
    rows=812,
    memory_bytes=91_240,
    owner="<0.111.0>",
    owner_name="receipt_store",
    heir=None,
)
GOVERNANCE: Final = PlanChild(
    id="governance_sup",
    pid="<0.100.0>",
    state="running",
    type="supervisor",
    restart="permanent",
    application="tai_autonomics",
    processes=41,
    names=["governance_sup", *(f"{name}_sup" for name in ("billing", "compliance_audit", "entitlement", "quota_sla"))],
    names_count=5,
    children_lost_count=30,
    children_lost=['{billing_governor,<<"acme">>}', '{quota_governor,<<"acme">>}', "28 children of subscription_sup"],
    tables_lost_count=1,
    rows_lost=812,
    bytes_lost=91_240,
    tables_lost=[LEDGER],
    tables_to_accept=["receipt_ledger"],
    tables_kept=[
        LEDGER.model_copy(update={"name": "tai_receipts_chain", "rows": 7, "heir": "<0.60.0>"}),
    ],
    shutdown_limit_seconds=5.0,
)
TOP: Final = NextStep(
    supervisor="tai_autonomics_sup",
    allowed=False,
    detail="it is the top of the application tai_autonomics, which no supervisor restarts: restart a child of it, or "
    "the node",
    command=None,
)
WARNINGS: Final = [
    "tai_autonomics_sup is one_for_all: after a crash it would restart siblings too. A restart on request leaves them "
    "as they are"
]
ASKED: Final = RestartRequest(child="governance_sup", supervisor="tai_autonomics_sup", reason="governors hang")
LOSSES: Final = [
    GuardRefusal(
        guard="data-loss",
        detail="rows would be lost with their owners, in receipt_ledger: accept the loss of each by its name, or save "
        "them first",
        retry_after_seconds=None,
    ),
    GuardRefusal(
        guard="children-lost",
        detail="30 children below it would be lost: no restart brings temporary ones back. Accept that, if somebody "
        "will start them again",
        retry_after_seconds=None,
    ),
]

REFUSED: Final = PlanAnswer(
    node=NodeReference(name=NODE, creation=CREATION, instance_id=INSTANCE_ID),
    plan_id="ca48b826d1eb4375",
    action="restart",
    allowed=False,
    refusals=LOSSES,
    warnings=WARNINGS,
    supervisor=ROOT,
    child=GOVERNANCE,
    service_health="503 supervisor governance_sup not running",
    next_step=TOP,
)
WORKER: Final = GOVERNANCE.model_copy(
    update={
        "id": "receipt_publisher",
        "pid": "<0.112.0>",
        "type": "worker",
        "processes": 1,
        "names": ["receipt_publisher"],
        "names_count": 1,
        "children_lost_count": 0,
        "children_lost": [],
        "tables_lost_count": 0,
        "rows_lost": 0,
        "bytes_lost": 0,
        "tables_lost": [],
        "tables_to_accept": [],
        "tables_kept": [],
    }
)
BELOW: Final = ROOT.model_copy(update={"name": "receipt_ledger_sup", "strategy": "one_for_one", "budget_left": None})
ALLOWED: Final = REFUSED.model_copy(
    update={
        "allowed": True,
        "refusals": [],
        "warnings": ["how many restarts receipt_ledger_sup has left is not known"],
        "supervisor": BELOW,
        "child": WORKER,
        "service_health": "200 ok",
        "next_step": NextStep(
            supervisor="receipt_ledger_sup",
            allowed=True,
            detail="3 processes end; rows would be lost with their owners, in receipt_ledger: accept the loss of each "
            "by its name, or save them first",
            command="beamwarden restart receipt_ledger_sup --dry-run",
        ),
    }
)
DOWN: Final = ALLOWED.model_copy(
    update={
        "action": "start",
        "child": WORKER.model_copy(
            update={"pid": None, "state": "undefined", "processes": 0, "names": [], "names_count": 0}
        ),
        "next_step": None,
    }
)
TOO_SOON: Final = ALLOWED.model_copy(
    update={
        "allowed": False,
        "refusals": [
            GuardRefusal(
                guard="cooldown",
                detail="it was restarted 13 s ago: give it 60 s to show whether that helped",
                retry_after_seconds=47,
            )
        ],
    }
)
UNSEEN: Final = REFUSED.model_copy(
    update={
        "refusals": [
            GuardRefusal(
                guard="supervisor-suspended",
                detail="tai_autonomics_sup is suspended (sys:suspend): somebody has to resume it",
                retry_after_seconds=None,
            )
        ],
        "warnings": [],
        "child": None,
        "supervisor": ROOT.model_copy(update={"strategy": None, "budget_left": None, "status": "suspended"}),
        "next_step": None,
    }
)
LONG: Final = "x" * 300
LONG_NAMES: Final = REFUSED.model_copy(
    update={
        "supervisor": ROOT.model_copy(update={"name": f"sup_{LONG}"}),
        "child": GOVERNANCE.model_copy(
            update={
                "id": f"child_{LONG}",
                "tables_lost": [LEDGER.model_copy(update={"name": f"table_{LONG}"})],
                "tables_to_accept": [f"table_{LONG}"],
            }
        ),
    }
)

PLANS: Final[Mapping[str, PlanAnswer]] = {
    "allowed": ALLOWED,
    "down": DOWN,
    "refused": REFUSED,
    "too_soon": TOO_SOON,
    "unseen": UNSEEN,
    "long_names": LONG_NAMES,
}


def drawn(plan: PlanAnswer, width: int, request: RestartRequest = ASKED) -> str:
    """Print a plan as on a terminal of that width; spaces at the ends of lines, which nobody sees, are left out."""
    console = Console(file=io.StringIO(), width=width)
    console.print(plan_facts(plan, request))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def main() -> None:
    """Write all of them."""
    GOLDEN.mkdir(exist_ok=True)
    for name, plan in PLANS.items():
        for width in WIDTHS:
            (GOLDEN / f"plan_{name}_{width}.txt").write_text(drawn(plan, width))


if __name__ == "__main__":
    main()
