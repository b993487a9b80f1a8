"""What the live tests ask about supervisors."""

from __future__ import annotations

from agent import Session
from agent.probes import supervision_tree
from agent.probes.supervision_tree import SupervisionTree
from agent.supervision import Child, Supervisor
from agent.terms import Pid, Term
from tests.live.nodes import SECONDS

SWEEPS = 100


async def tree_of(session: Session, **options: object) -> SupervisionTree:
    return await supervision_tree.ask(session, SECONDS, **options)  # type: ignore[arg-type]  # as the test says


async def sweeps(session: Session, **options: object) -> SupervisionTree:
    """Ask a hundred times, and return the last answer."""
    for _ in range(SWEEPS - 1):
        await tree_of(session, **options)
    return await tree_of(session, **options)


async def below(session: Session, name: str, **options: object) -> Supervisor:
    (root,) = (await tree_of(session, below=name, **options)).roots
    assert root.asked_for == name
    assert root.supervisor is not None, root.why
    return root.supervisor


def named(tree: SupervisionTree, name: str) -> Supervisor:
    (found,) = (supervisor for supervisor in tree.supervisors() if supervisor.name == name)
    return found


def child_of(supervisor: Supervisor, child_id: str) -> Child:
    assert supervisor.children is not None
    (found,) = (child for child in supervisor.children if child.id == child_id)
    return found


async def supervisor_at(session: Session, pid: Pid) -> Supervisor:
    """What is found when a pid is asked for."""
    (root,) = (await tree_of(session, below=pid)).roots
    assert root.supervisor is not None
    return root.supervisor


def tuples(answer: Term) -> list[tuple[Term, ...]]:
    """A list of tuples, as an oracle gives it."""
    assert isinstance(answer, list)
    assert all(isinstance(row, tuple) for row in answer)
    return [row for row in answer if isinstance(row, tuple)]
