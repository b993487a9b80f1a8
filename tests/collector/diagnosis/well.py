"""A node and a service that are well, and what the rules find when something of them is not."""

from __future__ import annotations

import shlex
from dataclasses import fields, replace
from functools import cache

from typer.core import TyperGroup
from typer.main import get_command

from agent.probes.applications import Application, Applications, ApplicationState
from agent.probes.governor_ages import AgedGovernors
from agent.probes.governors import Governor, Governors, Sightings
from agent.probes.ports import Ports
from agent.probes.processes import Mailboxes, ProcessRow, Queues
from agent.probes.supervision_tree import Root, SupervisionTree
from agent.probes.supervisors import Supervisor as Expected
from agent.probes.supervisors import Supervisors
from agent.probes.system_info import SystemInfo
from agent.supervision import Child, ChildState, Kind, Status, Supervisor
from collector.cli import app
from collector.diagnosis.findings import Evidence, NodeThresholds, Seen
from collector.diagnosis.growth import Growth, Pattern
from collector.diagnosis.of_settings import KnownLimit
from collector.diagnosis.rules import apply
from collector.diagnosis.service_facts import Health, Latency, NotKnown, QueueDepth, Receipts, ServiceFacts, Traffic
from collector.diagnosis.what_grows import WhatGrows
from tests.collector_fakes import STATISTICS

MIB = 1024 * 1024
STEADY = Growth(Pattern.STEADY, 360, 3_590.0)
NOBODY = NotKnown("the node does not answer")


def application(name: str, state: ApplicationState = ApplicationState.RUNNING) -> Application:
    return Application(name, "1", "", state, None, None)


def row(messages: int, name: str | None = "receipt_store") -> ProcessRow:
    return ProcessRow(
        "<0.123.0>", name, "tai:init/1", "<0.9.0>", "a_sup", "gen_server:loop/7", "waiting", 1, 1, messages
    )


def mailboxes(*rows: ProcessRow) -> Mailboxes:
    return Mailboxes(Queues(100, 0, max((one.message_queue_len for one in rows), default=0), {}), rows)


def tree(*supervisors: Supervisor) -> SupervisionTree:
    return SupervisionTree(tuple(Root("tai_autonomics", None, one) for one in supervisors))


def supervisor(**changes: object) -> Supervisor:
    well = Supervisor(
        "<0.5.0>", "governance_sup", Status.RUNNING, Kind.SUPERVISOR, intensity=5, period_seconds=60, restarts=0
    )
    return replace(well, **changes)  # type: ignore[arg-type]  # a test's own


def child(printed_id: str, pid: str | None = "<0.200.0>", **changes: object) -> Child:
    state = ChildState.RUNNING if pid else ChildState.UNDEFINED
    well = Child(printed_id, pid, state, "worker", "permanent", 5_000, significant=False, modules=())
    return replace(well, **changes)  # type: ignore[arg-type]  # a test's own


def governors(*rows: Governor) -> AgedGovernors:
    alive = sum(row.is_alive for row in rows)
    return AgedGovernors(Governors(rows, len(rows), alive, (), (), 60.0), Sightings(), 0.0)


def governor(messages: int = 0, printed_id: str = "{billing_governor,1}", **changes: object) -> Governor:
    well = Governor(printed_id, "billing_sup", "<0.130.0>", ChildState.RUNNING, messages, "gen_statem:loop_receive/3")
    return replace(well, **changes)  # type: ignore[arg-type]  # a test's own


def traffic(**by_status: int) -> Traffic:
    """So many requests of each status, ``s503=2``; and so many more that were answered well that there are 1,000."""
    counts = {name.removeprefix("s"): float(count) for name, count in by_status.items()}
    return Traffic({"200": 1_000.0 - sum(counts.values()), **counts}, 300.0)


def facts(**changes: object) -> ServiceFacts:
    well = ServiceFacts(
        "http://127.0.0.1:8080/metrics",
        traffic(),
        Latency(0.08, is_at_least=False, requests=1_000.0, window_seconds=300.0),
        Receipts(990.0, 990.0, 0.0, 300.0),
        QueueDepth(3.0, 2.0, "default"),
    )
    return replace(well, **changes)  # type: ignore[arg-type]  # a test's own


SYSTEM = SystemInfo(**{field.name: None for field in fields(SystemInfo)})
WELL = Evidence(
    applications=Applications((application("tai_autonomics"), application("mnesia", ApplicationState.NOT_RUNNING))),
    supervisors=Supervisors((Expected("governance_sup", "<0.5.0>"),)),
    tree=tree(supervisor(), supervisor(intensity=0)),
    mailboxes=mailboxes(row(12)),
    system=replace(SYSTEM, processes=700, process_limit=1_000, schedulers_online=2),
    memory=WhatGrows(STEADY, ()),
    limit=KnownLimit(512 * MIB, "cgroup v2", 300 * MIB),
    contact="tai@127.0.0.1",
    ports=Ports(12, 65_536, 0, (), ()),
    governors=governors(governor(), governor(printed_id="{billing_governor,2}")),
    statistics=STATISTICS,
    run_queues=(0, 3),
    health=Health(200, "ok"),
    service=facts(),
)


@cache
def parser() -> TyperGroup:
    """The program's own."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def told(seen: Seen) -> Seen:
    """What a rule has seen, when each step of it is a command of ours: fails as the program would."""
    for step in seen.steps:
        program, command, *arguments = shlex.split(step)
        assert program == "beamwarden"
        parser().commands[command].make_context(command, arguments).close()
    return seen


def found(**ill: object) -> list[tuple[str, Seen]]:
    evidence = replace(WELL, **ill)  # type: ignore[arg-type]  # a test's own
    return [(finding.rule.name, told(finding.seen)) for finding in apply(evidence).found]


def found_in(service: ServiceFacts, thresholds: NodeThresholds | None = None) -> list[tuple[str, Seen]]:
    """What is found of a service with these figures, beside a node that is well."""
    return [(each.rule.name, told(each.seen)) for each in apply(replace(WELL, service=service), thresholds).found]
