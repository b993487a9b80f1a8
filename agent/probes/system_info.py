"""How many processes, ports, atoms and tables are there, how many may there be, and on what does the emulator run?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.batch import Caller, Question, ask_all, system_info
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Term


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """Counts and limits. None: the node does not know (``logical_processors`` in some containers), or not any more."""

    processes: int | None
    process_limit: int | None
    ports: int | None
    port_limit: int | None
    atoms: int | None
    atom_limit: int | None
    ets_tables: int | None
    ets_limit: int | None
    dets_tables: int | None
    schedulers: int | None
    schedulers_online: int | None
    dirty_cpu_schedulers: int | None
    dirty_cpu_schedulers_online: int | None
    dirty_io_schedulers: int | None
    logical_processors: int | None
    logical_processors_available: int | None
    logical_processors_online: int | None
    thread_pool_size: int | None
    word_size_bytes: int | None
    smp_support: bool | None
    threads: bool | None
    time_correction: bool | None


_COUNTS: Final = {
    "processes": system_info("process_count"),
    "process_limit": system_info("process_limit"),
    "ports": system_info("port_count"),
    "port_limit": system_info("port_limit"),
    "atoms": system_info("atom_count"),
    "atom_limit": system_info("atom_limit"),
    "ets_tables": system_info("ets_count"),
    "ets_limit": system_info("ets_limit"),
    # Not dets:all(): it starts dets' two servers on a node that never used dets.
    "dets_tables": Question("ets", "info", (Atom("dets_registry"), Atom("size"))),
    "schedulers": system_info("schedulers"),
    "schedulers_online": system_info("schedulers_online"),
    "dirty_cpu_schedulers": system_info("dirty_cpu_schedulers"),
    "dirty_cpu_schedulers_online": system_info("dirty_cpu_schedulers_online"),
    "dirty_io_schedulers": system_info("dirty_io_schedulers"),
    "logical_processors": system_info("logical_processors"),
    "logical_processors_available": system_info("logical_processors_available"),
    "logical_processors_online": system_info("logical_processors_online"),
    "thread_pool_size": system_info("thread_pool_size"),
    "word_size_bytes": system_info("wordsize"),
}
_FLAGS: Final = {
    "smp_support": system_info("smp_support"),
    "threads": system_info("threads"),
    "time_correction": system_info("time_correction"),
}


async def ask(caller: Caller, deadline_seconds: float) -> SystemInfo:
    """Ask ``erlang:system_info/1`` for each. Cost: counters and constants."""
    answers = await ask_all(caller, (*_COUNTS.values(), *_FLAGS.values()), deadline_seconds)
    counts = dict(zip(_COUNTS, answers, strict=False))
    flags = dict(zip(_FLAGS, answers[len(_COUNTS) :], strict=True))
    return SystemInfo(
        **{name: _count(name, answer) for name, answer in counts.items()},
        smp_support=_flag(flags["smp_support"]),
        threads=_flag(flags["threads"]),
        time_correction=_flag(flags["time_correction"]),
    )


def _count(name: str, answer: Term | None) -> int | None:
    if name == "dets_tables" and answer == UNDEFINED:
        return 0  # nobody has opened a dets table, so the registry is not there
    return answer if isinstance(answer, int) else None


def _flag(answer: Term | None) -> bool | None:
    return {TRUE: True, FALSE: False}.get(answer) if isinstance(answer, Atom) else None
