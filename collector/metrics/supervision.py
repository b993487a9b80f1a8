"""The metrics of supervisors and what they supervise, of applications and of governors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from agent.probes.applications import Applications, ApplicationState
from agent.probes.governor_ages import AgedGovernors
from agent.probes.supervision_tree import SupervisionTree
from agent.probes.supervisors import Supervisors
from agent.supervision import Status, Supervisor
from collector.metrics.bounded import label_of
from collector.metrics.family import Samples
from collector.metrics.labelled import ChildRestarts, NodeSeries, Row, Subject
from collector.snapshot import Snapshot

UP: Final = "beam_supervisor_up"
CHILDREN: Final = "beam_supervisor_children"
BUDGET: Final = "beam_supervisor_restart_budget_left"
LATELY: Final = "beam_supervisor_restarts_in_period"
RESTARTS: Final = "beam_supervisor_child_restarts_total"
RUNNING: Final = "beam_application_running"
GOVERNORS: Final = "beam_governors"

_NO_SUPERVISOR: Final = {Status.NOT_A_SUPERVISOR, Status.GONE}
_STATES: Final = ("running", "restarting", "terminated", "undefined", "unknown")
# A library has no process, and what another application includes is that one's.
_HAVE_PROCESSES: Final = {ApplicationState.RUNNING, ApplicationState.STARTING, ApplicationState.NOT_RUNNING}

_ROWS: Final = (
    Row(
        UP,
        GaugeMetricFamily,
        "Whether a supervisor runs: the expected ones, and all in the tree.",
        ("supervisor",),
        ("supervision_tree", "supervisors"),
    ),
    Row(
        CHILDREN,
        GaugeMetricFamily,
        "Children of a supervisor, by their state.",
        ("supervisor", "state"),
        ("supervision_tree",),
    ),
    Row(
        BUDGET,
        GaugeMetricFamily,
        "How many more restarts a supervisor bears now before it ends itself.",
        ("supervisor",),
        ("supervision_tree",),
    ),
    Row(
        LATELY,
        GaugeMetricFamily,
        "Restarts that count against a supervisor's intensity now.",
        ("supervisor",),
        ("supervision_tree",),
    ),
    Row(
        RESTARTS,
        CounterMetricFamily,
        "How often a child had another pid than at the look before: restarts between two looks count once.",
        ("supervisor", "child"),
        ("supervision_tree",),
    ),
    Row(
        RUNNING,
        GaugeMetricFamily,
        "Whether an application runs that has processes.",
        ("application",),
        ("applications",),
    ),
    Row(
        GOVERNORS,
        GaugeMetricFamily,
        "Governors below a supervisor, by their state.",
        ("supervisor", "state"),
        ("governors",),
    ),
)


def _fill(snapshot: Snapshot, series: NodeSeries, now: float) -> Mapping[str, Samples]:
    tree, expected = snapshot.result(SupervisionTree), snapshot.result(Supervisors)
    named = dict(_named(tree)) if tree else {}
    names = [*(one.name for one in expected.expected)] if expected else []
    governors = _counted(snapshot)
    admitted = series.supervisors.admit((*map(label_of, names), *named, *(name for name, _ in governors)), now)
    shown = {name: one for name, one in named.items() if name in admitted}
    filled: dict[str, Samples] = {UP: {(name,): 1.0 for name in shown}}
    if tree is not None and snapshot.peer is not None:
        filled |= _of_tree(shown, series, snapshot.peer.creation, now)
    if expected is not None:  # which was asked now, and the tree maybe some time ago
        filled[UP] = {**filled[UP], **{(label_of(one.name),): float(one.is_running) for one in expected.expected}}
    filled[GOVERNORS] = {
        (name, state): float(governors[name, state])
        for name in {name for name, _ in governors if name in admitted}
        for state in _STATES
    }
    return filled | _applications(snapshot, series, now)


def _of_tree(shown: Mapping[str, Supervisor], series: NodeSeries, creation: int, now: float) -> dict[str, Samples]:
    filled: dict[str, Samples] = {}
    filled[CHILDREN] = {
        (name, state): float(getattr(one.counts, state))
        for name, one in shown.items()
        if one.counts is not None
        for state in _STATES
    }
    filled[BUDGET] = {(name,): float(left) for name, one in shown.items() if (left := one.budget_left) is not None}
    filled[LATELY] = {(name,): float(one.restarts) for name, one in shown.items() if one.restarts is not None}
    _count_restarts(series.restarts, creation, shown)
    of_children = series.children.admit((f"{name}\0{child}" for name, child in series.restarts.counts), now)
    filled[RESTARTS] = {
        (name, child): float(count)
        for (name, child), count in series.restarts.counts.items()
        if f"{name}\0{child}" in of_children
    }
    return filled


def _named(tree: SupervisionTree) -> Iterator[tuple[str, Supervisor]]:
    """Name each supervisor: as it is registered, else by its parent's name and its id there."""
    for root in tree.roots:
        if root.supervisor is not None:
            yield from _below(root.supervisor, root.application or root.asked_for or "")


def _below(one: Supervisor, otherwise: str) -> Iterator[tuple[str, Supervisor]]:
    stack = [(one, otherwise)]
    while stack:
        supervisor, unnamed = stack.pop()
        if supervisor.status in _NO_SUPERVISOR:
            continue
        name = label_of(supervisor.name or unnamed)
        yield name, supervisor
        stack += [
            (child.supervisor, f"{name}/{child.id}")
            for child in reversed(supervisor.children or ())
            if child.supervisor
        ]


def _count_restarts(known: ChildRestarts, creation: int, shown: Mapping[str, Supervisor]) -> None:
    """See whose pid is another one, and forget children that are no more: a tree may have new ones all day."""
    if known.creation != creation:  # pids are the same again after every boot
        known.creation, known.pids, known.counts = creation, {}, {}
    pids = {(name, child): pid for name, one in shown.items() for child, pid in _restartable(one)}
    listed = {name for name, one in shown.items() if one.children is not None}
    for key in [key for key in known.counts if key not in pids and (key[0] in listed or key[0] not in shown)]:
        del known.counts[key]
        known.pids.pop(key, None)
    for key, pid in pids.items():
        before = known.pids.get(key, pid)
        known.counts[key] = known.counts.get(key, 0) + (pid is not None and before is not None and before != pid)
        known.pids[key] = pid or before or ""


def _restartable(one: Supervisor) -> Iterator[tuple[str, str | None]]:
    """The children that are restarted under an id that is theirs alone, each with its pid."""
    ids = Counter(label_of(child.id) for child in one.children or ())
    for child in one.children or ():
        # A temporary child is never restarted: another one of that id is another one.
        if child.restart != "temporary" and child.id != "undefined" and ids[label_of(child.id)] == 1:
            yield label_of(child.id), child.pid


def _applications(snapshot: Snapshot, series: NodeSeries, now: float) -> dict[str, Samples]:
    found = snapshot.result(Applications)
    if found is None:
        return {}
    states = {one.name: one.state for one in found.applications if one.state in _HAVE_PROCESSES}
    admitted = series.applications.admit(states, now)
    return {
        RUNNING: {
            (label_of(name),): float(state is ApplicationState.RUNNING)
            for name, state in states.items()
            if name in admitted
        }
    }


def _counted(snapshot: Snapshot) -> Counter[tuple[str, str]]:
    """Count the governors by supervisor and state; none of too many, of which only the worst are listed."""
    aged = snapshot.result(AgedGovernors)
    if aged is None or not aged.found.complete:
        return Counter()
    return Counter((label_of(one.supervisor), str(one.state)) for one in aged.found.governors)


SUPERVISION: Final = Subject(_ROWS, _fill)
