"""Are the supervisors that must be there registered and alive?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.batch import Caller, Question, ask_all
from agent.terms import TRUE, Atom, Pid, format_pid


@dataclass(frozen=True, slots=True)
class Supervisor:
    """One expected name: the process that bears it, printed as on its node, or None when nobody alive does."""

    name: str
    pid: str | None

    @property
    def is_running(self) -> bool:
        """Whether a live process is registered under the name."""
        return self.pid is not None


@dataclass(frozen=True, slots=True)
class Supervisors:
    """All expected supervisors, in the order in which they were named."""

    expected: tuple[Supervisor, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of those that do not run."""
        return tuple(supervisor.name for supervisor in self.expected if not supervisor.is_running)


async def ask(names: Sequence[str], caller: Caller, deadline_seconds: float) -> Supervisors:
    """Look up each name; no process is sent a message. Cost: three lookups a name, up to three round trips.

    The names are settings of ours and travel as binaries. A name that is no atom on the node cannot be registered
    there, and asking must not make it one: an atom stays for ever.
    """
    atoms = await _ask_each(
        caller,
        {name: Question("erlang", "binary_to_existing_atom", (name.encode(),)) for name in names},
        deadline_seconds,
    )
    pids = await _ask_each(
        caller,
        {name: Question("erlang", "whereis", (atom,)) for name, atom in atoms.items() if isinstance(atom, Atom)},
        deadline_seconds,
    )
    registered = {name: pid for name, pid in pids.items() if isinstance(pid, Pid)}
    # A process that is ending may still bear its name.
    alive = await _ask_each(
        caller,
        {name: Question("erlang", "is_process_alive", (pid,)) for name, pid in registered.items()},
        deadline_seconds,
    )
    running = {name: format_pid(pid) for name, pid in registered.items() if alive[name] == TRUE}
    return Supervisors(tuple(Supervisor(name, running.get(name)) for name in names))


async def _ask_each(caller: Caller, questions: dict[str, Question], deadline_seconds: float) -> dict[str, object]:
    if not questions:
        return {}
    answers = await ask_all(caller, tuple(questions.values()), deadline_seconds)
    return dict(zip(questions, answers, strict=True))
