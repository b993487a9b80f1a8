"""Which applications are there, and which of those that should have processes have none?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ApplicationState(StrEnum):
    """What can be read of an application without asking the application controller, which may hang."""

    RUNNING = "running"
    STARTING = "starting"  # or ending: it has its master and no top process
    NOT_RUNNING = "not running"  # loaded, has a start function, and no process: stopped, crashed or never started
    INCLUDED = "included"  # another application starts it as a part of itself
    LIBRARY = "library"  # it has no start function, and so no process that could be gone


@dataclass(frozen=True, slots=True)
class Application:
    """One loaded application. ``top`` is the pid of its top process, ``top_name`` the name that it is registered by."""

    name: str
    version: str
    description: str
    state: ApplicationState
    top: str | None
    top_name: str | None


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
