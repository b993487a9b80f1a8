"""The metrics of the emulator, as prometheus.erl has them.

The ``erlang_vm_*`` families have the names, types and labels of prometheus.erl 6, so that what is made for it works
here. Three values differ on purpose: seconds are seconds (it sends milliseconds under these two names), what the node
does not know is left out (it sends NaN), and the count of dets tables is read without starting dets on the node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client.core import GaugeMetricFamily, UnknownMetricFamily

from agent.probes.identity import NodeIdentity
from agent.probes.memory import Memory
from agent.probes.statistics import Statistics
from agent.probes.system_info import SystemInfo
from collector.metrics.family import Family, counter, each_of, gauge, of


def _flag(name: str, help_text: str, read: Callable[[SystemInfo], bool | None]) -> Family:
    # prometheus.erl's "boolean" is untyped.
    return Family(name, UnknownMetricFamily, help_text, of(SystemInfo, read), probes=("system_info",))


_MEMORY: Final = (
    Family(
        "erlang_vm_memory_bytes",
        GaugeMetricFamily,
        "The total amount of memory currently allocated, by kind.",
        each_of(Memory, {"system": lambda m: m.system, "processes": lambda m: m.processes}),
        labels=("kind",),
        probes=("memory",),
    ),
    Family(
        "erlang_vm_memory_processes_bytes",
        GaugeMetricFamily,
        "The memory allocated for processes, by usage.",
        each_of(Memory, {"used": lambda m: m.processes_used, "free": lambda m: m.processes - m.processes_used}),
        labels=("usage",),
        probes=("memory",),
    ),
    Family(
        "erlang_vm_memory_system_bytes",
        GaugeMetricFamily,
        "The memory allocated for the emulator itself and not for processes, by usage.",
        each_of(
            Memory,
            {
                "atom": lambda m: m.atom,
                "binary": lambda m: m.binary,
                "code": lambda m: m.code,
                "ets": lambda m: m.ets,
                "other": lambda m: m.system - m.atom - m.binary - m.code - m.ets,
            },
        ),
        labels=("usage",),
        probes=("memory",),
    ),
    Family(
        "erlang_vm_memory_atom_bytes",
        GaugeMetricFamily,
        "The memory allocated for atoms, by usage.",
        each_of(Memory, {"used": lambda m: m.atom_used, "free": lambda m: m.atom - m.atom_used}),
        labels=("usage",),
        probes=("memory",),
    ),
    gauge("erlang_vm_memory_ets_tables", "The number of ETS tables.", SystemInfo, lambda s: s.ets_tables),
    gauge("erlang_vm_memory_dets_tables", "The number of open DETS tables.", SystemInfo, lambda s: s.dets_tables),
)

_STATISTICS: Final = (
    counter(
        "erlang_vm_statistics_bytes_received_total",
        "Bytes received through ports.",
        Statistics,
        lambda s: s.input_bytes,
    ),
    counter("erlang_vm_statistics_bytes_output_total", "Bytes output to ports.", Statistics, lambda s: s.output_bytes),
    counter(
        "erlang_vm_statistics_context_switches_total",
        "Context switches since the node started.",
        Statistics,
        lambda s: s.context_switches,
    ),
    gauge(
        "erlang_vm_statistics_dirty_cpu_run_queue_length",
        "The length of the dirty CPU run queue.",
        Statistics,
        lambda s: s.dirty_cpu_run_queue_length,
    ),
    gauge(
        "erlang_vm_statistics_dirty_io_run_queue_length",
        "The length of the dirty IO run queue.",
        Statistics,
        lambda s: s.dirty_io_run_queue_length,
    ),
    counter(
        "erlang_vm_statistics_garbage_collection_number_of_gcs_total",
        "Garbage collections since the node started.",
        Statistics,
        lambda s: s.garbage_collections,
    ),
    counter(
        "erlang_vm_statistics_garbage_collection_words_reclaimed_total",
        "Words reclaimed by garbage collections.",
        Statistics,
        lambda s: s.garbage_collected_words,
    ),
    counter(
        "erlang_vm_statistics_garbage_collection_bytes_reclaimed_total",
        "Bytes reclaimed by garbage collections.",
        Statistics,
        lambda s: s.garbage_collected_words * s.word_size_bytes,
    ),
    counter(
        "erlang_vm_statistics_reductions_total",
        "Reductions since the node started.",
        Statistics,
        lambda s: s.reductions,
    ),
    gauge(
        "erlang_vm_statistics_run_queues_length",
        "The length of all normal and dirty CPU run queues.",
        Statistics,
        lambda s: s.run_queue_length,
    ),
    counter(
        "erlang_vm_statistics_runtime_seconds_total",
        "The sum of the runtime of all threads in the emulator.",
        Statistics,
        lambda s: s.runtime_seconds,
    ),
    counter(
        "erlang_vm_statistics_wallclock_time_seconds_total",
        "How long the node has been up.",
        NodeIdentity,
        lambda n: n.uptime_seconds,
    ),
)


def _count(name: str, help_text: str, read: Callable[[SystemInfo], int | None]) -> Family:
    return gauge(f"erlang_vm_{name}", help_text, SystemInfo, read)


_SYSTEM_INFO: Final = (
    _count("atoms", "The number of atoms that exist.", lambda s: s.atoms),
    _count("atom_limit", "The most atoms that there may be.", lambda s: s.atom_limit),
    _count("dirty_cpu_schedulers", "Dirty CPU scheduler threads.", lambda s: s.dirty_cpu_schedulers),
    _count(
        "dirty_cpu_schedulers_online", "Dirty CPU schedulers that are online.", lambda s: s.dirty_cpu_schedulers_online
    ),
    _count("dirty_io_schedulers", "Dirty IO scheduler threads.", lambda s: s.dirty_io_schedulers),
    _count("ets_limit", "The most ETS tables that there may be (no limit from OTP 21 on).", lambda s: s.ets_limit),
    _count("logical_processors", "Logical processors of the machine.", lambda s: s.logical_processors),
    _count(
        "logical_processors_available",
        "Logical processors that the emulator may use.",
        lambda s: s.logical_processors_available,
    ),
    _count("logical_processors_online", "Logical processors that are online.", lambda s: s.logical_processors_online),
    _count("ports", "The number of ports that exist.", lambda s: s.ports),
    _count("port_limit", "The most ports that there may be.", lambda s: s.port_limit),
    _count("processes", "The number of processes that exist.", lambda s: s.processes),
    _count("process_limit", "The most processes that there may be.", lambda s: s.process_limit),
    _count("schedulers", "Scheduler threads.", lambda s: s.schedulers),
    _count("schedulers_online", "Schedulers that are online.", lambda s: s.schedulers_online),
    _count("thread_pool_size", "Async threads for drivers.", lambda s: s.thread_pool_size),
    _count("wordsize_bytes", "The size of a word of the emulator.", lambda s: s.word_size_bytes),
    _flag("erlang_vm_smp_support", "1 if the emulator supports several schedulers.", lambda s: s.smp_support),
    _flag("erlang_vm_threads", "1 if the emulator supports threads.", lambda s: s.threads),
    _flag("erlang_vm_time_correction", "1 if time correction is enabled.", lambda s: s.time_correction),
)

VM: Final = (*_MEMORY, *_STATISTICS, *_SYSTEM_INFO)
