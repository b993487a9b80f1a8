"""What do the supervisors supervise, how are their children, and how many restarts have they left?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.probes.supervisor_rows import read_supervisor
from agent.supervision import Child, ChildState, Status, Supervisor
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Pid, Term, format_pid, format_term

MAX_CHILDREN: Final = 1_000  # of one supervisor; of one with more, children are only counted
MAX_LISTED: Final = 5_000  # of all supervisors together: a table that nobody reads to its end
# With what is told of each supervisor, the answer stays below 4 MiB and 180,000 terms: what the smallest memory limit
# (`agent.limits`) lets through.
MAX_BYTES: Final = 2_500_000
MAX_LEVELS: Final = 32  # so that what is made of the tree may call itself
MAX_APPLICATIONS: Final = 1_000
# Asking a supervisor copies what it holds, so one with a larger heap is not asked. 200,000 children without specs of
# their own take 2,800,000 words, 5,000 with specs 600,000.
MAX_SUPERVISOR_HEAP_WORDS: Final = 4_000_000
# That copy, another one while it is garbage collected, and what is made of it.
HEAP_WORDS: Final = 4 * MAX_SUPERVISOR_HEAP_WORDS
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
QUESTION_SECONDS: Final = 1.0  # for one supervisor; it was idle just before
# Of the deadline: the rest is for sending what has been found until then.
SHARE_FOR_WALKING: Final = 0.7

TREE: Final = Expression.load("supervisor", "application_top", "supervision_tree")


@dataclass(frozen=True, slots=True)
class Root:
    """Where a tree begins: an application's top process, or what was asked for by its name or pid.

    ``supervisor`` is None where there is none; ``why`` says why. An application whose start function has started
    several processes is there once for each.
    """

    application: str | None
    asked_for: str | None
    supervisor: Supervisor | None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class SupervisionTree:
    """All trees that were asked for. ``left_out`` says what is not in the answer and why; then it is not complete."""

    roots: tuple[Root, ...]
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every child of every supervisor is listed."""
        return not self.left_out

    def supervisors(self) -> Iterator[Supervisor]:
        """All supervisors, and what is declared to be one: each before its children."""
        stack = [root.supervisor for root in reversed(self.roots) if root.supervisor]
        while stack:
            supervisor = stack.pop()
            yield supervisor
            stack.extend(child.supervisor for child in reversed(supervisor.children or ()) if child.supervisor)


async def ask(
    shell: Shell,
    deadline_seconds: float,
    *,
    below: str | Pid | None = None,
    extra_roots: Sequence[str] = (),
    max_children: int = MAX_CHILDREN,
    max_listed: int = MAX_LISTED,
) -> SupervisionTree:
    """Ask for the tree of every application and below each extra root; or only ``below`` a registered name or a pid.

    No name becomes an atom on the node. What is asked of which process, and what is not, stands in
    ``supervisor.expr``. Cost: 0.2 ms for each supervisor, and a copy of what it holds of its children, which the
    supervisor makes. With 5,000 children it is 10 ms when they are listed and 2 ms when they are counted, with 200,000
    that share a spec 25 ms. Start arguments that several children share are copied once for each of them: one large
    term in the specs of very many children takes as much memory for a moment.
    """
    asked_for: Sequence[str | Pid] = extra_roots if below is None else [below]
    answer = await shell.evaluate(
        TREE,
        {
            "Max_heap_words": MAX_SUPERVISOR_HEAP_WORDS,
            "Question_milliseconds": int(QUESTION_SECONDS * 1000),
            "Milliseconds": int(deadline_seconds * 1000 * SHARE_FOR_WALKING),
            "Below": [each if isinstance(each, Pid) else each.encode() for each in asked_for],
            "With_applications": TRUE if below is None else FALSE,
            "Max_applications": MAX_APPLICATIONS,
            "Max_children": max_children,
            "Max_listed": max_listed,
            "Max_bytes": MAX_BYTES,
            "Max_levels": MAX_LEVELS,
        },
        deadline_seconds=deadline_seconds,
        max_heap_words=HEAP_WORDS,
        max_answer_bytes=MAX_ANSWER_BYTES,
        is_sweep=True,
    )
    match answer.value:
        case (applications, extra, found, int() as word_bytes) if 0 < word_bytes <= 8:
            forest = _Forest(rows.elements(found), word_bytes)
            roots = [
                *_application_roots(forest, rows.elements(applications)),
                *_extra_roots(forest, asked_for, rows.elements(extra)),
            ]
            tree = SupervisionTree(tuple(roots))
            return replace(tree, left_out=_left_out(tree, len(rows.elements(applications))))
    raise UnexpectedAnswer("the node gives something else for its supervisors than was asked for")


class _Forest:
    """The supervisors that were found, each of which is taken once: into the tree where it is met first."""

    def __init__(self, found: Sequence[Term], word_bytes: int) -> None:
        self._found: dict[str, tuple[Supervisor, tuple[Child, ...]]] = {}
        for each in found:
            match each:
                case (Pid() as pid, looked):
                    supervisor, children = read_supervisor(pid, looked, word_bytes)
                    self._found.setdefault(supervisor.pid, (supervisor, children))
                case _:
                    raise UnexpectedAnswer(f"the node gives {format_term(each, 80)} for a supervisor")

    def take(self, pid: str, levels: int = MAX_LEVELS) -> Supervisor:
        """Return the tree that begins at a pid; the parts that were not looked at say so."""
        supervisor, children = self._found.pop(pid, (None, ()))
        if supervisor is None or levels == 0:
            return Supervisor(pid, None, Status.NOT_LOOKED_AT)
        if supervisor.children is None:
            return supervisor
        return replace(supervisor, children=tuple(self._with_its_own(child, levels - 1) for child in children))

    def _with_its_own(self, child: Child, levels: int) -> Child:
        if child.type != "supervisor" or child.pid is None or child.state is not ChildState.RUNNING:
            return child
        return replace(child, supervisor=self.take(child.pid, levels))


def _application_roots(forest: _Forest, applications: Sequence[Term]) -> Iterator[Root]:
    for each in applications[:MAX_APPLICATIONS]:
        match each:
            case (Atom(name=application), list() as tops):
                for top in tops:
                    yield Root(application, None, forest.take(rows.pid(top)))
                if not tops:
                    yield Root(application, None, None, "it has no top process: it is starting or ending")
            case _:
                raise UnexpectedAnswer(f"the node gives {format_term(each, 80)} for an application")


def _extra_roots(forest: _Forest, asked_for: Sequence[str | Pid], extra: Sequence[Term]) -> Iterator[Root]:
    if len(extra) != len(asked_for):
        raise UnexpectedAnswer(f"{len(asked_for)} supervisors were asked for, and not as many answers came")
    for asked, found in zip(asked_for, extra, strict=True):
        name = format_pid(asked) if isinstance(asked, Pid) else asked
        match found:
            case (Pid() as pid, is_in_an_application):
                if rows.boolean(is_in_an_application):
                    yield Root(None, name, None, "it stands in the tree of an application")
                else:
                    yield Root(None, name, forest.take(format_pid(pid)))
            case _ if found == UNDEFINED:
                yield Root(None, name, None, "nobody is registered under this name")
            case _:
                raise UnexpectedAnswer(f"the node gives {format_term(found, 80)} for a supervisor that was asked for")


def _left_out(tree: SupervisionTree, applications: int) -> tuple[str, ...]:
    reasons: list[str] = []
    if applications > MAX_APPLICATIONS:
        reasons.append(f"{applications - MAX_APPLICATIONS} applications: more than {MAX_APPLICATIONS}")
    not_listed: Counter[str] = Counter()
    not_known: Counter[Status] = Counter()
    for supervisor in tree.supervisors():
        if supervisor.counts is not None:
            if supervisor.why_not_listed is not None and supervisor.counts.total:
                not_listed[supervisor.why_not_listed] += supervisor.counts.total
        elif supervisor.status is not Status.NOT_A_SUPERVISOR:
            not_known[supervisor.status] += 1
    reasons += [f"{children} children are counted and not listed: {why}" for why, children in not_listed.items()]
    if not_known:
        told = ", ".join(f"{number} {status}" for status, number in not_known.items())
        reasons.append(f"the children of supervisors: {told}")
    return tuple(reasons)
