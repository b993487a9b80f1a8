"""The rules about the node as a whole: is it there, and what of it is used up?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.probes.ports import Ports
from agent.probes.system_info import SystemInfo
from collector.diagnosis.causes import CONGESTION, EXHAUSTED, NETWORK, OF_HEALTH, OF_LATENCY, RESOURCES
from collector.diagnosis.exhaustion import is_processor_short, limits
from collector.diagnosis.findings import NOT_ASKED, Evidence, NodeThresholds, NotLetIn, Rule, Seen
from collector.diagnosis.own_steps import look_at_process
from collector.diagnosis.service_facts import Health, NotKnown
from collector.diagnosis.severity import Severity

SHOWN: Final = 5
MIB: Final = 1024 * 1024
_STEPS: Final = {"ports": "beamwarden ports", "atoms": "beamwarden memory"}


def _node_lost(evidence: Evidence, _thresholds: NodeThresholds) -> Iterator[Seen]:
    contact = evidence.contact
    if not isinstance(contact, NotKnown) or isinstance(contact, NotLetIn) or contact == NOT_ASKED:
        return
    is_down = isinstance(evidence.health, Health) and not evidence.health.is_ok
    is_alive = isinstance(evidence.health, Health) and evidence.health.is_ok
    yield Seen(
        Severity.CRITICAL if is_down else Severity.HIGH,
        f"the node does not answer: {contact.why}",
        _health_lines(evidence.health),
        fits=(NETWORK,) if is_alive else (),
        steps=("beamwarden node",),
    )


def _not_let_in(evidence: Evidence, _thresholds: NodeThresholds) -> Iterator[Seen]:
    contact = evidence.contact
    if isinstance(contact, NotLetIn):
        yield Seen(
            Severity.LOW,
            f"the node does not let us in, and nothing is known of it: {contact.why}",
            ("it is we who are wrong: nothing of this says that the node is ill",),
            steps=("beamwarden node",),
        )


def _health_lines(health: Health | NotKnown) -> tuple[str, ...]:
    if isinstance(health, NotKnown):
        return ()
    if health.is_ok:
        return (f"/health: {health.line}, so the service runs: it may be the way to the node that is blocked",)
    return (f"/health: {health.line}",)


def _limits_near(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.system, SystemInfo)
    medium, high = thresholds.limit_share
    for what, count, limit in limits(evidence.system):
        if count >= medium * limit:
            yield Seen(
                Severity.HIGH if count >= high * limit else Severity.MEDIUM,
                f"the node has {count} {what} of {limit} that it may have",
                (f"{count / limit:.0%}", *(("a full atom table ends the node",) if what == "atoms" else ())),
                fits=(EXHAUSTED,),
                steps=(_STEPS.get(what, "beamwarden processes"),),
            )
    tables, wanted = evidence.system.ets_tables, evidence.system.ets_limit
    if tables is not None and wanted and tables >= medium * wanted:
        yield Seen(
            Severity.LOW,
            f"the node has {tables} ETS tables, and was started for {wanted}",
            ("that limit stops nobody from making more, as it did before OTP 21; but somebody makes tables and keeps "
             "them",),
            steps=("beamwarden ets",),
        )  # fmt: skip


def _run_queue_long(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.system, SystemInfo)
    if is_processor_short(evidence, thresholds):
        schedulers = evidence.system.schedulers_online
        yield Seen(
            Severity.MEDIUM,
            f"{evidence.run_queues[-1]} processes wait for one of {schedulers} schedulers: the node has more to do "
            "than it gets done",
            (f"at the last looks {', '.join(map(str, evidence.run_queues))} waited",),
            fits=(RESOURCES,),
            steps=("beamwarden busy",),
        )


def _ports_long(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.ports, Ports)
    for row in evidence.ports.by_queue[:SHOWN]:
        if row.queue_bytes > thresholds.port_queue_bytes:
            owner = row.owner_name or row.owner
            yield Seen(
                Severity.MEDIUM,
                f"{row.queue_bytes // MIB} MiB wait in the port {row.id} ({row.name}) for the other side to take them",
                (f"it belongs to {owner}", f"{row.output_bytes // MIB} MiB written so far"),
                fits=(CONGESTION,),
                steps=("beamwarden ports", look_at_process(owner)),
            )


def _ports_silent(evidence: Evidence, _thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.ports, Ports)
    silent = evidence.ports.not_answering
    if silent:
        yield Seen(
            Severity.MEDIUM,
            f"ports do not answer, since a driver is at work in them or hangs: {', '.join(silent[:SHOWN])}",
            evidence.ports.left_out,
            steps=("beamwarden ports",),
        )


OF_CONTACT: Final = Rule(
    "node_lost",
    "Playbook 1",
    OF_HEALTH,
    ("errors", "memory_kills", "restart_service", "rollback"),
    (),
    _node_lost,
    "The node does not answer. Critical when `/health` fails too.",
)
OF_ENTRY: Final = Rule(
    "node_not_letting_in",
    "Playbook 1",
    (),
    (),
    (),
    _not_let_in,
    "The node does not let us in, as with a wrong cookie. It may be well.",
)
OF_LIMITS: Final = Rule(
    "limit_near",
    "Playbook 1",
    OF_HEALTH,
    ("errors",),
    ("system",),
    _limits_near,
    "As many processes, ports or atoms as there may nearly be. Many ETS tables are Low: their limit stops nobody.",
    ("diagnosis_limit_share_medium", "diagnosis_limit_share_high"),
)
OF_RUN_QUEUE: Final = Rule(
    "run_queue_long",
    "Playbook 3",
    OF_LATENCY,
    ("latency", "more_instances"),
    ("system", "statistics"),
    _run_queue_long,
    "More processes wait for each scheduler, at every look, than it gets to.",
    ("diagnosis_run_queue_length",),
)
OF_PORT_QUEUES: Final = Rule(
    "port_queue_long",
    "Playbook 3",
    OF_LATENCY,
    ("slow_requests", "more_instances"),
    ("ports",),
    _ports_long,
    "A socket or a program outside that does not take what is sent to it.",
    ("diagnosis_port_queue_bytes",),
)
OF_SILENT_PORTS: Final = Rule(
    "port_not_answering",
    "Playbook 3",
    OF_LATENCY,
    ("errors",),
    ("ports",),
    _ports_silent,
    "A port whose driver does not let go of it for half a second.",
)
