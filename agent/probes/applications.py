"""Which applications are there, and which of those that should have processes have none?

Not asked: the application controller. It may be stuck, and then answers nobody. So it is not known whether an
application was started as permanent, transient or temporary, nor whether one that does not run was ever started.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.terms import Atom, Term, format_term

MAX_APPLICATIONS: Final = 1_000  # a large system has two hundred
HEAP_WORDS: Final = 4_000_000  # what is read of an application names all its modules
MAX_ANSWER_BYTES: Final = 2 * 1024 * 1024

APPLICATIONS: Final = Expression.load("application_top", "applications")
_NONE: Final = Atom("none")


class ApplicationState(StrEnum):
    """What can be read of an application without asking the application controller."""

    RUNNING = "running"
    STARTING = "starting"  # or ending: it has its master and no top process
    NOT_RUNNING = "not running"  # it has a start function and no process: it was stopped, has crashed, or never started
    INCLUDED = "included"  # another application starts it as a part of itself
    LIBRARY = "library"  # it has no start function, and so no process that could be gone


@dataclass(frozen=True, slots=True)
class Application:
    """One loaded application. ``top`` is the pid of its top process, ``top_name`` the name that it is registered by.

    ``needed_by`` are those that run and that need one which does not: it ran when they were started.
    """

    name: str
    version: str
    description: str
    state: ApplicationState
    top: str | None
    top_name: str | None
    needed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Applications:
    """All loaded applications, by name. ``left_out`` says what is not in the answer and why."""

    applications: tuple[Application, ...]
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every loaded application is in it."""
        return not self.left_out

    @property
    def not_running(self) -> tuple[str, ...]:
        """Those that have something to run and do not run: what a port that still answers does not show."""
        return tuple(one.name for one in self.applications if one.state is ApplicationState.NOT_RUNNING)


async def ask(shell: Shell, deadline_seconds: float) -> Applications:
    """Read every loaded application out of the application controller's table, and find its top process.

    Nobody is sent anything. Cost: some 50 us for each application.
    """
    answer = await shell.evaluate(
        APPLICATIONS,
        {"Max_applications": MAX_APPLICATIONS},
        deadline_seconds=deadline_seconds,
        max_heap_words=HEAP_WORDS,
        max_answer_bytes=MAX_ANSWER_BYTES,
        is_sweep=True,
    )
    loaded = [_read_loaded(each) for each in rows.elements(answer.value)]
    included = {name for each in loaded for name in each.includes}
    needed_by: defaultdict[str, list[str]] = defaultdict(list)
    for each in loaded:
        for name in each.needs if each.tops else ():
            needed_by[name].append(each.name)
    applications = tuple(_application(each, included, needed_by) for each in loaded[:MAX_APPLICATIONS])
    too_many = (f"applications after the first {MAX_APPLICATIONS}",) if len(loaded) > MAX_APPLICATIONS else ()
    return Applications(applications, too_many)


class _Loaded(NamedTuple):
    name: str
    version: str
    description: str
    includes: tuple[str, ...]
    is_library: bool
    tops: Sequence[tuple[str, str | None]] | None  # None: it has no master
    needs: tuple[str, ...]


def _application(loaded: _Loaded, included: set[str], needed_by: Mapping[str, Sequence[str]]) -> Application:
    top, top_name = loaded.tops[0] if loaded.tops else (None, None)
    state = _state(loaded, included)
    needing = tuple(needed_by.get(loaded.name, ())) if state is ApplicationState.NOT_RUNNING else ()
    return Application(loaded.name, loaded.version, loaded.description, state, top, top_name, needing)


def _state(loaded: _Loaded, included: set[str]) -> ApplicationState:
    if loaded.tops is not None:
        return ApplicationState.RUNNING if loaded.tops else ApplicationState.STARTING
    if loaded.is_library:
        return ApplicationState.LIBRARY
    return ApplicationState.INCLUDED if loaded.name in included else ApplicationState.NOT_RUNNING


def _read_loaded(loaded: Term) -> _Loaded:
    match loaded:
        case (name, version, description, includes, is_library, tops, needs):
            return _Loaded(
                name=rows.atom(name),
                version=rows.text(version),
                description=rows.text(description),
                includes=tuple(rows.atom(each) for each in rows.elements(includes)),
                is_library=rows.boolean(is_library),
                tops=None if tops == _NONE else [_read_top(top) for top in rows.elements(tops)],
                needs=tuple(rows.atom(each) for each in rows.elements(needs)),
            )
    raise UnexpectedAnswer(f"the node gives {format_term(loaded, 80)} for an application")


def _read_top(top: Term) -> tuple[str, str | None]:
    match top:
        case (pid, name):
            return rows.pid(pid), rows.name(name)
    raise UnexpectedAnswer(f"the node gives {format_term(top, 80)} for an application's top process")
