"""The metrics of microstate accounting, as prometheus.erl has them, where a node has it on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client.core import CounterMetricFamily

from agent.probes.microstates import Microstates
from collector.metrics.family import Family, Samples
from collector.snapshot import Snapshot

# The last eight are told only by an emulator that was built with --with-microstate-accounting=extra.
_STATES: Final = {
    "aux": "handling auxiliary jobs",
    "check_io": "checking for input and output",
    "emulator": "executing processes",
    "gc": "collecting garbage; where gc_full is told too, without full sweeps",
    "other": "doing what is not accounted for",
    "port": "executing ports",
    "sleep": "sleeping",
    "alloc": "managing memory",
    "bif": "in built-in functions",
    "busy_wait": "waiting busily",
    "ets": "in built-in functions of ETS",
    "gc_full": "collecting garbage in full sweeps",
    "nif": "in native functions",
    "send": "sending messages",
    "timers": "managing timers",
}


def _seconds_in(state: str) -> Callable[[Snapshot], Samples]:
    def samples(snapshot: Snapshot) -> Samples:
        found = snapshot.result(Microstates)
        if found is None:
            return {}
        return {(thread.type, str(thread.number)): thread.seconds.get(state) for thread in found.threads}

    return samples


MICROSTATES: Final = tuple(
    Family(
        f"erlang_vm_msacc_{state}_seconds_total",
        CounterMetricFamily,
        f"The time that threads of the emulator have spent {doing}.",
        _seconds_in(state),
        labels=("type", "id"),
        probes=("microstates",),
    )
    for state, doing in _STATES.items()
)
