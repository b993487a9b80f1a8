"""The rules of the playbook's first section: what should run and does not, or is stuck."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.actions.guards import PLATFORM_APPLICATIONS
from agent.probes.applications import Applications, ApplicationState
from agent.probes.governor_ages import AgedGovernors
from agent.probes.governors import Governor
from agent.probes.supervision_tree import SupervisionTree
from agent.probes.supervisors import Supervisors
from agent.supervision import ChildState, Status
from collector.diagnosis.causes import EXHAUSTED, OF_HEALTH
from collector.diagnosis.exhaustion import is_exhausted, judged
from collector.diagnosis.findings import Evidence, NodeThresholds, Rule, Seen
from collector.diagnosis.kinship import Seat, down, seats
from collector.diagnosis.own_steps import (
    look_at_process,
    look_at_supervisor,
    restart_at,
    restart_process,
    start_child,
)
from collector.diagnosis.service_facts import NotKnown
from collector.diagnosis.severity import Severity

SHOWN: Final = 5
CRASHES: Final = 3  # of children of one supervisor, as many as it still bears: fewer happen in a node that is well

_WHY_DOWN: Final = {
    ChildState.UNDEFINED: "does not run: somebody has terminated it, or its start function gave ignore",
    ChildState.TERMINATED: "has ended, and its supervisor has not taken notice of it",
    ChildState.RESTARTING: "does not start: its supervisor tries it again and again",
}


def _applications_down(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.applications, Applications)
    fits, excluded = judged(EXHAUSTED, is_so=is_exhausted(evidence, thresholds))
    for one in evidence.applications.applications:
        # Those of OTP and Elixir may be loaded and not started in a node that is well.
        if one.state is not ApplicationState.NOT_RUNNING or one.name in PLATFORM_APPLICATIONS:
            continue
        # RabbitMQ ends syslog by itself: what others do without need not be missed.
        those = f"{', '.join(one.needed_by[:SHOWN])} {'runs' if len(one.needed_by) == 1 else 'run'} without it"
        yield Seen(
            Severity.MEDIUM if one.needed_by else Severity.CRITICAL,
            f"the application {one.name} does not run, although the node does"
            + (": a port that answers shows nothing of it" if not one.needed_by else f"; {those}"),
            ("somebody has stopped it, or it has crashed",) if one.needed_by else (),
            fits=fits,
            excluded=excluded,
            steps=("beamwarden applications", "beamwarden supervisors"),
        )


def _supervisors_missing(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.supervisors, Supervisors)
    fits, excluded = judged(EXHAUSTED, is_so=is_exhausted(evidence, thresholds))
    for name in evidence.supervisors.missing:
        yield Seen(
            Severity.CRITICAL,
            f"supervisor {name} not running",
            fits=fits,
            excluded=excluded,
            steps=("beamwarden supervisors", *start_child(evidence.tree, name)),
        )


def _supervisors_stuck(evidence: Evidence, _thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.tree, SupervisionTree)
    for supervisor in evidence.tree.supervisors():
        # One that starts a child is busy as well, and a node that is well has such ones at any time.
        has_not_answered = supervisor.status is Status.NOT_ANSWERING and supervisor.pid in evidence.still_not_answering
        if supervisor.status is Status.SUSPENDED or has_not_answered:
            name = supervisor.name or supervisor.pid
            where = (
                f"it is in {supervisor.current_function}"
                if supervisor.current_function
                else "where it is, is not known"
            )
            yield Seen(
                Severity.HIGH,
                f"supervisor {name} is {supervisor.status}: it restarts nothing that ends meanwhile",
                (where, f"{supervisor.message_queue_len or 0} messages wait for it"),
                steps=(look_at_process(name), *restart_process(evidence.tree, supervisor.pid)),
            )


def _children_down(evidence: Evidence, _thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.tree, SupervisionTree)
    # Each is told once: the supervisors that are expected and the governors have rules of their own.
    told = set() if isinstance(evidence.supervisors, NotKnown) else set(evidence.supervisors.missing)
    governors = {(dead.supervisor, dead.id) for dead in _dead_governors(evidence)}
    for seat in down(evidence.tree):
        # One that has just crashed is down too, and a node that is well has such ones now and then.
        is_still = (seat.parent.pid, seat.child.id) in evidence.still_down
        if is_still and seat.child.id not in told and (seat.parent_name, seat.child.id) not in governors:
            yield _child_down(seat)


def _child_down(seat: Seat) -> Seen:
    child = seat.child
    is_worse = child.type == "supervisor" or child.state is not ChildState.UNDEFINED
    return Seen(
        Severity.HIGH if is_worse else Severity.MEDIUM,
        f"{child.id} below {seat.parent_name} {_WHY_DOWN[child.state]}",
        (f"a {child.restart} {child.type or 'child'} of {seat.application or 'no application'}",),
        steps=(look_at_supervisor(seat.parent_name), *restart_at(seat)),
    )


def _restarts_used_up(evidence: Evidence, thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.tree, SupervisionTree)
    fits, excluded = judged(EXHAUSTED, is_so=is_exhausted(evidence, thresholds))
    for supervisor in evidence.tree.supervisors():
        left, restarts = supervisor.budget_left, supervisor.restarts
        if left is None or not restarts:
            continue
        is_nearly_used_up = left <= thresholds.restarts_left
        if not is_nearly_used_up and not (restarts >= CRASHES and restarts >= left):
            continue
        name = supervisor.name or supervisor.pid
        yield Seen(
            Severity.HIGH if is_nearly_used_up else Severity.MEDIUM,
            f"children of {name} crash again and again: {left} more restarts within {supervisor.period_seconds} s, and "
            "it ends itself and all that is below it",
            (f"{supervisor.restarts} of {supervisor.intensity} restarts used",),
            fits=fits,
            excluded=excluded,
            steps=(look_at_supervisor(name),),
        )


def _governors_dead(evidence: Evidence, _thresholds: NodeThresholds) -> Iterator[Seen]:
    assert isinstance(evidence.governors, AgedGovernors)
    found = evidence.governors.found
    dead = list(_dead_governors(evidence))
    if not dead:
        return
    more = f" and {len(dead) - SHOWN} more" if len(dead) > SHOWN else ""
    yield Seen(
        Severity.MEDIUM if found.alive else Severity.HIGH,
        f"{len(dead)} of {found.total} governors have no process: "
        + ", ".join(governor.id for governor in dead[:SHOWN])
        + more,
        tuple(f"{governor.id} below {governor.supervisor}: {governor.state}" for governor in dead[:SHOWN]),
        steps=(
            "beamwarden governors",
            *(step for governor in dead[:SHOWN] for step in start_child(evidence.tree, governor.id)),
        ),
    )


def _dead_governors(evidence: Evidence) -> Iterator[Governor]:
    """All that have no process and get none; not those that are being restarted, or have just ended."""
    if isinstance(evidence.governors, NotKnown):
        return
    well = set() if isinstance(evidence.tree, NotKnown) else set(_transient(evidence.tree))
    for governor in evidence.governors.found.governors:
        if governor.state is ChildState.UNDEFINED and (governor.supervisor, governor.id) not in well:
            yield governor


def _transient(tree: SupervisionTree) -> Iterator[tuple[str, str]]:
    """Those that may have ended because their work was done."""
    return ((seat.parent_name, seat.child.id) for seat in seats(tree) if seat.child.restart == "transient")


OF_APPLICATIONS: Final = Rule(
    "application_down",
    "Playbook 1",
    OF_HEALTH,
    ("errors", "rollback"),
    ("applications",),
    _applications_down,
    "An application that has something to run and does not run, while the node answers: Critical, or Medium where "
    "others run that need it. Not those of OTP and Elixir.",
)
OF_EXPECTED: Final = Rule(
    "supervisor_missing",
    "Playbook 1",
    OF_HEALTH,
    ("errors", "rollback"),
    ("supervisors",),
    _supervisors_missing,
    "A supervisor that must run and is not registered.",
    ("expected_supervisors",),
)
OF_STUCK: Final = Rule(
    "supervisor_stuck",
    "Playbook 1",
    OF_HEALTH,
    ("errors",),
    ("tree",),
    _supervisors_stuck,
    "A supervisor that is suspended, or did not answer at two looks.",
)
OF_CHILDREN: Final = Rule(
    "child_down",
    "Playbook 1",
    OF_HEALTH,
    ("errors", "rollback"),
    ("tree",),
    _children_down,
    "A permanent child without a process at two looks, or one whose start fails again and again.",
)
OF_RESTARTS: Final = Rule(
    "restarts_used_up",
    "Playbook 1",
    OF_HEALTH,
    ("errors", "rollback"),
    ("tree",),
    _restarts_used_up,
    "A supervisor that has few restarts left before it gives up: High. Medium from three on, and half of them used.",
    ("diagnosis_restarts_left",),
)
OF_GOVERNORS: Final = Rule(
    "governors_dead",
    "Playbook 2",
    ("governor_not_ready",),
    ("service_errors", "errors"),
    ("governors",),
    _governors_dead,
    "Governors that their supervisor has and that have no process. Of temporary ones that have died nothing is left.",
    ("governor_supervisors",),
)
