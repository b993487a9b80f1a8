"""What has the emulator done since it started, and what waits to be done now?"""

from __future__ import annotations

from dataclasses import dataclass

from agent.batch import Caller, ask_all, statistics, system_info
from agent.errors import UnexpectedAnswer
from agent.terms import Atom, format_term


@dataclass(frozen=True, slots=True)
class Statistics:
    """Totals since the node started, and the lengths of the run queues now.

    ``run_queue_length`` counts the normal and the dirty CPU queues, as ``statistics(run_queue)`` does.
    """

    input_bytes: int
    output_bytes: int
    context_switches: int
    garbage_collections: int
    garbage_collected_words: int
    word_size_bytes: int
    reductions: int
    runtime_seconds: float
    run_queue_length: int
    dirty_cpu_run_queue_length: int
    dirty_io_run_queue_length: int


async def ask(caller: Caller, deadline_seconds: float) -> Statistics:
    """Ask ``erlang:statistics/1`` for each.

    Cost: counters that exist anyway. ``run_queue_lengths_all`` and not ``run_queue``, which locks every queue to be
    exact. One trace is left: ``reductions`` and ``runtime`` have a "since the last call" half that all who ask share.
    """
    questions = (
        statistics("io"),
        statistics("context_switches"),
        statistics("garbage_collection"),
        system_info("wordsize"),
        statistics("reductions"),
        statistics("runtime"),
        statistics("run_queue_lengths_all"),
    )
    answers = await ask_all(caller, questions, deadline_seconds)
    match answers:
        case [
            ((Atom(), int() as received), (Atom(), int() as sent)),
            (int() as switches, _),
            (int() as collections, int() as words, _),
            int() as word_size,
            (int() as reductions, _),
            (int() as runtime_milliseconds, _),
            [*normal, int() as dirty_cpu, int() as dirty_io],
        ]:
            return Statistics(
                input_bytes=received,
                output_bytes=sent,
                context_switches=switches,
                garbage_collections=collections,
                garbage_collected_words=words,
                word_size_bytes=word_size,
                reductions=reductions,
                runtime_seconds=runtime_milliseconds / 1000,
                run_queue_length=sum(length for length in normal if isinstance(length, int)) + dirty_cpu,
                dirty_cpu_run_queue_length=dirty_cpu,
                dirty_io_run_queue_length=dirty_io,
            )
    shown = ", ".join("nothing" if answer is None else format_term(answer, 40) for answer in answers)
    raise UnexpectedAnswer(f"erlang:statistics/1 answers in a way that is not known: {shown}")
