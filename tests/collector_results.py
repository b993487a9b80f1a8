"""What probes found on the node of the tests, and every answer that is made of it: in `ANSWERS`, by its golden file.

The golden files in ``collector/golden`` are the answers as JSON. When an answer is meant to change, write them anew and
read the difference::

    .venv/bin/python -m tests.collector_results
    git diff tests/collector/golden
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from agent.probes import Result
from agent.probes.applications import Application, Applications, ApplicationState
from agent.probes.binaries import BinaryHolder, BinaryHolders, BinaryMemory, CountedBinaries
from agent.probes.busy import Busy, BusyProcess
from agent.probes.ets import TableRow, Tables, TablesOfName
from agent.probes.governor_ages import AgedGovernors
from agent.probes.governors import Governor, Governors, GovernorState, Sightings
from agent.probes.memory_limit import Limit, LimitSource, MemoryLimit
from agent.probes.ports import PortRow, Ports
from agent.probes.process import Place, Process
from agent.probes.processes import QUEUE_THRESHOLDS, Mailboxes, Processes, ProcessRow, Queues
from agent.probes.supervision_tree import Root, SupervisionTree
from agent.probes.table import FoundTables, Table
from agent.supervision import Child, ChildState, Counts, Kind, Status, Supervisor
from collector.freshness import Asker
from collector.models import ProbeAnswer
from collector.question import Question
from collector.snapshot import Answered, Outcome, Snapshot
from collector.views import AnswerT, QueryT, View
from collector.views.applications import APPLICATIONS, ApplicationsQuery
from collector.views.binaries import BINARIES, BinariesQuery
from collector.views.governors import GOVERNOR, GOVERNORS, GovernorQuery, GovernorsQuery
from collector.views.ports import PORTS, PortsQuery
from collector.views.processes import (
    BUSY,
    MAILBOXES,
    PROCESS,
    PROCESSES,
    BusyQuery,
    MailboxesQuery,
    ProcessesQuery,
    ProcessQuery,
)
from collector.views.supervisors import SUPERVISOR, SUPERVISORS, SupervisorQuery, SupervisorsQuery
from collector.views.tables import TABLE, TABLES, TableQuery, TablesQuery
from collector.watched import WatchedNode
from tests.collector_fakes import MOMENT, NODE, FakeNode, FakeSession, snapshot

GOLDEN: Final = Path(__file__).parent / "collector" / "golden"

# ----------------------------------------------------------------------------------------------------------- processes

STORE: Final = ProcessRow(
    pid="<0.111.0>",
    name="receipt_store",
    initial_call="tai_receipt_store:init/1",
    parent="<0.110.0>",
    parent_name="receipt_ledger_sup",
    current_function="gen_server:loop/7",
    status="waiting",
    reductions=81_023,
    memory_bytes=4_203_992,
    message_queue_len=0,
)
GOVERNOR_PROCESS: Final = ProcessRow(
    pid="<0.120.0>",
    name=None,
    initial_call="tai_governor:init/1",
    parent="<0.102.0>",
    parent_name="billing_sup",
    current_function="gen_statem:loop_receive/3",
    status="running",
    reductions=1_204_551,
    memory_bytes=1_048_576,
    message_queue_len=12_001,
)
SPAWNED: Final = ProcessRow(
    pid="<0.250.0>",
    name=None,
    initial_call=None,
    parent=None,
    parent_name=None,
    current_function=None,
    status="garbage_collecting",
    reductions=77,
    memory_bytes=2_680,
    message_queue_len=2,
)
QUEUES: Final = Queues(
    processes=412,
    total=12_003,
    longest=12_001,
    over=dict(zip(QUEUE_THRESHOLDS, (2, 1, 1, 1, 1, 0, 0), strict=True)),
)
PROCESSES_FOUND: Final = Processes(
    queues=QUEUES,
    memory_bytes=14_680_064,
    largest_memory_bytes=4_203_992,
    by_memory=(STORE, GOVERNOR_PROCESS, SPAWNED),
    by_message_queue_len=(GOVERNOR_PROCESS, SPAWNED),
)
MAILBOXES_FOUND: Final = Mailboxes(QUEUES, (GOVERNOR_PROCESS, SPAWNED))
BUSY_FOUND: Final = Busy(
    processes=412,
    window_seconds=1.00031,
    reductions=2_408_001,
    busiest=(BusyProcess(1_204_551, GOVERNOR_PROCESS), BusyProcess(3_450, STORE)),
)
PROCESS_FOUND: Final = Process(
    row=STORE,
    is_trapping_exits=True,
    priority="normal",
    application="tai_autonomics",
    total_heap_bytes=4_200_112,
    minor_collections=36,
    stack=(Place("gen_server:loop/7", 871), Place("proc_lib:init_p_do_apply/3", None)),
)
HOLDERS_FOUND: Final = BinaryHolders(
    processes=412,
    memory_bytes=12_582_912,
    estimated_bytes=14_680_064,
    holders=(
        BinaryHolder(STORE, 9_633_792, CountedBinaries(1_204, 1_180, 9_437_184), None),
        BinaryHolder(GOVERNOR_PROCESS, 1_048_576, None, "it did not answer in time"),
    ),
    left_out=("the binaries of 1 process: it did not answer in time",),
)

# -------------------------------------------------------------------------------------------------------------- tables

LEDGER: Final = TableRow(
    id="receipt_ledger",
    name="receipt_ledger",
    is_named=True,
    type="ordered_set",
    protection="public",
    owner="<0.111.0>",
    owner_name="receipt_store",
    size=81_023,
    memory_bytes=14_680_064,
)
RECEIPTS: Final = tuple(
    TableRow(
        id=f"#Ref<0.1841.3.{number}>",
        name="ggen_receipts",
        is_named=False,
        type="set",
        protection="private",
        owner=f"<0.{number}.0>",
        owner_name=None,
        size=900_000 - number,
        memory_bytes=2_048 + number,
    )
    for number in (77, 78)
)
TABLES_FOUND: Final = Tables(
    count=61,
    limit=8192,
    memory_bytes=16_777_216,
    by_size=(RECEIPTS[0], RECEIPTS[1], LEDGER),
    by_memory=(LEDGER, RECEIPTS[1], RECEIPTS[0]),
    watched=(
        TablesOfName("receipt_ledger", 1, 0, LEDGER.size, LEDGER.memory_bytes, (LEDGER,)),
        TablesOfName("tai_receipts_store", 0, 0, 0, 0, ()),
        TablesOfName("ggen_receipts", 3, 1, 1_799_845, 4_251, RECEIPTS),
    ),
    left_out=("1 tables are not measured: their counters are decentralized",),
)
TABLE_FOUND: Final = FoundTables(
    asked_for="receipt_ledger",
    count=1,
    not_measured=0,
    size=LEDGER.size,
    memory_bytes=LEDGER.memory_bytes,
    tables=(
        Table(
            row=LEDGER,
            key_position=1,
            heir=None,
            is_compressed=False,
            is_fixed=True,
            read_concurrency=True,
            write_concurrency="auto",
        ),
    ),
)

# --------------------------------------------------------------------------------------------------------------- ports

PORTS_FOUND: Final = Ports(
    count=12,
    limit=65_536,
    queue_bytes=8_812,
    by_queue=(
        PortRow("#Port<0.15>", "tcp_inet", "<0.222.0>", None, 8_812, 29_388, 94),
        PortRow("#Port<0.3>", "tcp_inet", "<0.61.0>", "net_kernel", 0, 0, 0),
    ),
    not_answering=("#Port<0.7>",),
    left_out=("1 ports did not answer: their driver holds them",),
)

# -------------------------------------------------------------------------------------------------------- applications

APPLICATIONS_FOUND: Final = Applications(
    (
        Application("kernel", "8.5.3", "ERTS  CXC 138 10", ApplicationState.RUNNING, "<0.49.0>", "kernel_sup"),
        Application("ssl", "10.8.7", "Erlang/OTP SSL application", ApplicationState.NOT_RUNNING, None, None),
        Application("stdlib", "4.2", "ERTS  CXC 138 10", ApplicationState.LIBRARY, None, None),
    )
)

# --------------------------------------------------------------------------------------------------------- supervisors


def child(printed_id: str, pid: str | None, state: ChildState = ChildState.RUNNING, **changes: Any) -> Child:  # noqa: ANN401  # any field
    """Make a child that is as it should be, but for these."""
    facts: dict[str, Any] = {
        "type": "worker",
        "restart": "permanent",
        "shutdown": 5000,
        "significant": False,
        "modules": ("tai_worker",),
    }
    return Child(printed_id, pid, state, **(facts | changes))


def supervisor(pid: str, name: str | None, *children: Child, **changes: Any) -> Supervisor:  # noqa: ANN401  # any field
    """Make a supervisor that is as it should be, but for these."""
    states = [each.state for each in children]
    facts: dict[str, Any] = {
        "status": Status.RUNNING,
        "kind": Kind.SUPERVISOR,
        "module": "tai_sup",
        "initial_call": "supervisor:tai_sup/1",
        "strategy": "one_for_one",
        "intensity": 5,
        "period_seconds": 60,
        "restarts": 0,
        "counts": Counts(*(states.count(state) for state in ChildState)),
        "children": children,
        "heap_bytes": 9_760,
    }
    return Supervisor(pid, name, **(facts | changes))


def below(found: Supervisor, printed_id: str | None = None, **changes: Any) -> Child:  # noqa: ANN401  # any field
    """Make the child that a supervisor is."""
    modules = (found.module,) if found.module else ()
    facts: dict[str, Any] = {"type": "supervisor", "shutdown": "infinity", "modules": modules, "supervisor": found}
    return child(printed_id or found.name or "undefined", found.pid, **(facts | changes))


BILLING_SUP: Final = supervisor(
    "<0.102.0>",
    "billing_sup",
    child('{billing_governor,<<"acme">>}', "<0.120.0>", restart="temporary", modules=("tai_governor",)),
    child("ledger_writer", None, ChildState.UNDEFINED),
    restarts=1,
)
STUCK_SUP: Final = Supervisor(
    "<0.104.0>",
    "quota_sla_sup",
    Status.NOT_ANSWERING,
    module="tai_sup",
    initial_call="supervisor:tai_sup/1",
    current_function="proc_lib:sync_start_link/2",
    message_queue_len=3,
    heap_bytes=2_720,
)
POOL: Final = Supervisor(
    "<0.93.0>",
    None,
    Status.NOT_A_SUPERVISOR,
    initial_call="tai_action_pool:init/1",
    current_function="gen_server:loop/7",
    message_queue_len=0,
    heap_bytes=2_720,
)
CONNECTIONS: Final = supervisor(
    "<0.105.0>",
    None,
    kind=Kind.DYNAMIC_SUPERVISOR,
    module="Elixir.Tai.Connections",
    intensity=None,
    period_seconds=None,
    restarts=None,
    counts=Counts(running=199_990, restarting=10),
    children=None,
    why_not_listed="more than are listed of one supervisor",
)
ROOT_SUP: Final = supervisor(
    "<0.89.0>",
    "tai_autonomics_sup",
    below(POOL, "action_pool"),
    below(BILLING_SUP),
    below(STUCK_SUP),
    below(CONNECTIONS, "connections"),
    strategy="one_for_all",
    restarts=5,
)
TREE_FOUND: Final = SupervisionTree(
    (
        Root("tai_autonomics", None, ROOT_SUP),
        Root(None, "lonely_sup", None, "nobody is registered under this name"),
    ),
    left_out=(
        "200000 children are counted and not listed: more than are listed of one supervisor",
        "the children of supervisors: 1 not answering",
    ),
)
SUBTREE_FOUND: Final = SupervisionTree((Root(None, "<0.102.0>", BILLING_SUP),))

# ----------------------------------------------------------------------------------------------------------- governors

GOVERNORS_FOUND: Final = Governors(
    governors=(
        Governor(
            '{billing_governor,<<"acme">>}',
            "billing_sup",
            "<0.120.0>",
            ChildState.RUNNING,
            12_001,
            "tai_governor:charge/2",
        ),
        Governor(
            '{billing_governor,<<"globex">>}',
            "billing_sup",
            "<0.129.0>",
            ChildState.RUNNING,
            0,
            "gen_statem:loop_receive/3",
        ),
        Governor('{quota_governor,<<"acme">>}', "<0.125.0>", None, ChildState.UNDEFINED, None, None),
    ),
    total=3,
    alive=2,
    missing=("pricing_sup",),
    not_read=(STUCK_SUP,),
    uptime_seconds=86_400.5,
    left_out=("the children of quota_sla_sup: not answering",),
)
AGED_GOVERNORS: Final = AgedGovernors(
    GOVERNORS_FOUND,
    Sightings({"<0.120.0>": (1_000.0, None), "<0.129.0>": (4_600.0, 4_585.0)}, None),
    seen_at=4_660.0,
)
STATE_FOUND: Final = GovernorState(
    pid="<0.120.0>",
    name=None,
    state="past_due",
    why_not=None,
    is_suspended=False,
    current_function="gen_statem:loop_receive/3",
    message_queue_len=0,
)
LIMIT_FOUND: Final = MemoryLimit(
    limits=(
        Limit(LimitSource.CGROUP_V2, "/sys/fs/cgroup/memory.max", 536_870_912, 209_715_200, 52_428_800),
        Limit(LimitSource.MACHINE, "/proc/meminfo", 8_589_934_592, 2_147_483_648),
    ),
    resident_bytes=146_800_640,
    resident_peak_bytes=157_286_400,
    memory_kills=0,
    not_known=(),
)

# ------------------------------------------------------------------------------------------------------------- answers


def found(probe: str, result: Result, cost_seconds: float = 0.0021) -> Snapshot:
    """Build the snapshot in which a probe found this."""
    return snapshot(**{probe: Answered(result, MOMENT, 0.004, cost_seconds)})


def answer(view: View[QueryT, AnswerT], query: QueryT, probe: str, result: Result) -> AnswerT:
    """Make the answer of a view, as old as every answer of the tests."""
    return view.answer(found(probe, result), query).model_copy(update={"age_seconds": 0.012})


# Also what their drawings are tested with.
processes_answer: Final = answer(PROCESSES, ProcessesQuery(), "processes", PROCESSES_FOUND)
mailboxes_answer: Final = answer(MAILBOXES, MailboxesQuery(), "mailboxes", MAILBOXES_FOUND)
busy_answer: Final = answer(BUSY, BusyQuery(), "busy", BUSY_FOUND)
process_answer: Final = answer(PROCESS, ProcessQuery(pid="receipt_store"), "process", PROCESS_FOUND)
tables_answer: Final = answer(TABLES, TablesQuery(), "ets", TABLES_FOUND)
table_answer: Final = answer(TABLE, TableQuery(name="receipt_ledger"), "table", TABLE_FOUND)
ports_answer: Final = answer(PORTS, PortsQuery(), "ports", PORTS_FOUND)
binaries_answer: Final = answer(BINARIES, BinariesQuery(), "binaries", BinaryMemory(12_582_912))
holders_answer: Final = answer(BINARIES, BinariesQuery(processes=True), "binary_holders", HOLDERS_FOUND)
applications_answer: Final = answer(APPLICATIONS, ApplicationsQuery(), "applications", APPLICATIONS_FOUND)
supervisors_answer: Final = answer(SUPERVISORS, SupervisorsQuery(), "supervision_tree", TREE_FOUND)
supervisor_answer: Final = answer(SUPERVISOR, SupervisorQuery(name="billing_sup"), "supervisor", SUBTREE_FOUND)
governors_answer: Final = answer(GOVERNORS, GovernorsQuery(), "governors", AGED_GOVERNORS)
governor_answer: Final = answer(GOVERNOR, GovernorQuery(pid="0.120.0"), "governor", STATE_FOUND)

ANSWERS: Final[Mapping[str, ProbeAnswer]] = {
    "applications": applications_answer,
    "binaries": binaries_answer,
    "binaries_processes": holders_answer,
    "busy": busy_answer,
    "ets": tables_answer,
    "governor": governor_answer,
    "governors": governors_answer,
    "mailboxes": mailboxes_answer,
    "ports": ports_answer,
    "process": process_answer,
    "processes": processes_answer,
    "supervisor": supervisor_answer,
    "supervisors": supervisors_answer,
    "table": table_answer,
}


# What each probe finds, by its name.
RESULTS_BY_PROBE: Final[Mapping[str, Result]] = {
    "applications": APPLICATIONS_FOUND,
    "binaries": BinaryMemory(12_582_912),
    "binary_holders": HOLDERS_FOUND,
    "busy": BUSY_FOUND,
    "ets": TABLES_FOUND,
    "governor": STATE_FOUND,
    "governors": AGED_GOVERNORS,
    "mailboxes": MAILBOXES_FOUND,
    "memory_limit": LIMIT_FOUND,
    "ports": PORTS_FOUND,
    "process": PROCESS_FOUND,
    "processes": PROCESSES_FOUND,
    "supervision_tree": TREE_FOUND,
    "supervisor": SUBTREE_FOUND,
    "table": TABLE_FOUND,
}


class AnsweringNode(WatchedNode):
    """A node on which each probe finds what it finds in the tests, unless ``outcomes`` says otherwise.

    ``asked`` has every question with who asked it.
    """

    def __init__(self, name: str = NODE, /, **outcomes: Outcome) -> None:
        super().__init__(FakeNode(name, FakeSession(name)), {}, lambda: None)
        self.asked: list[tuple[Question, Asker]] = []
        self._outcomes: dict[str, Outcome] = {
            probe: Answered(result, MOMENT, 0.004, 0.0021) for probe, result in RESULTS_BY_PROBE.items()
        }
        self._outcomes |= outcomes

    async def answer(self, question: Question, asker: Asker) -> Snapshot:
        self.asked.append((question, asker))
        return self.found(question)

    async def look(
        self, vital: Iterable[str], more: Iterable[Question], deadline_seconds: float, asker: Asker = Asker.PROGRAM
    ) -> Snapshot:
        asked = list(more)
        self.asked += [(question, asker) for question in asked]
        wanted = [*vital, *(one.probe for one in asked)]
        whole = snapshot(self.name, **{name: self._outcomes[name] for name in wanted if name in self._outcomes})
        known = {**whole.outcomes, **whole.shared}
        sweeps = {one.probe for one in asked if one.is_sweep}
        names = {*vital, *(one.probe for one in asked if not one.is_sweep)}
        return replace(
            whole,
            outcomes={name: known[name] for name in sorted(names) if name in known},
            shared={name: known[name] for name in sorted(sweeps)},
        )

    def found(self, question: Question) -> Snapshot:
        """Return the answer to a question."""
        return snapshot(self.name, **{question.probe: self._outcomes[question.probe]})


def as_golden(made: ProbeAnswer) -> str:
    """Print an answer as its golden file has it."""
    return json.dumps(made.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def write_golden() -> None:
    """Write all golden files anew."""
    GOLDEN.mkdir(exist_ok=True)
    for name, made in ANSWERS.items():
        (GOLDEN / f"{name}.json").write_text(as_golden(made), encoding="utf-8")


if __name__ == "__main__":
    write_golden()
