"""`make bench`: how fast we are, beside something that does the same on the same machine in the same minute.

Small calls are measured beside a native hidden Erlang node, sweeps beside a module loaded on the node, a page of
metrics beside that of the exporter inside a RabbitMQ, the codec beside pickle. Look at the ratios: rates differ between
machines, and on a shared one from minute to minute, which both sides feel alike. Each rate is the median of rounds in
which both sides take turns. Only the sweeps have aims, and what misses them is told; else compare a run without your
change and one with it. RESULTS.md has a whole one: `make bench SIZES=all RESULTS=benchmarks/RESULTS.md`.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.broker import SERVER
from benchmarks.calls import TOGETHER, measure_calls
from benchmarks.codec import measure_codec
from benchmarks.machine import load, print_machine
from benchmarks.pages import measure_pages
from benchmarks.resident import MAX_RESIDENT_BYTES, TENTHS, measure_resident
from benchmarks.results import written_to
from benchmarks.start import AIM_SECONDS, END_SECONDS, measure_start
from benchmarks.sweeps import AIMS, MANY, measure_sweeps, missed_aims
from erlang_fixtures.beam import otp25, otp28

QUICK_SIZES = (1_000, 10_000, 100_000)
ALL_SIZES = (*QUICK_SIZES, 1_000_000)
SWEEPS = """\
Sweeps in ms: of memory and mailboxes, ours (from Python) and compiled (on the node); of mailboxes alone, and the bare
zipwith. How many times as long it takes to ask one process after the other. KiB on the wire. The 99th percentile of a
ping on the node in ms, at rest and while we sweep without end."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure small calls, sweeps and the codec.")
    parser.add_argument("--rounds", type=int, default=9, help="rounds for each figure (default: %(default)s)")
    parser.add_argument(
        "--calls", type=int, default=1_000, help=f"in each round, a multiple of {TOGETHER} (default: %(default)s)"
    )
    parser.add_argument(
        "--milliseconds", type=int, default=50, help="of each round of the codec, at least (default: %(default)s)"
    )
    parser.add_argument(
        "--sizes", type=parse_sizes, default=QUICK_SIZES, help="of the nodes that are swept: 1000,10000, or all"
    )
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="for which a node pings itself (default: %(default)s)"
    )
    parser.add_argument(
        "--sweeps", type=int, default=1_000, help="over which our memory is watched (default: %(default)s)"
    )
    parser.add_argument("--results", type=Path, help="a file of Markdown to write what is printed to, when all is")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.calls < TOGETHER or arguments.calls % TOGETHER:
        parser.error(f"--rounds is at least 1, and --calls a multiple of {TOGETHER}")
    system_erl = otp25()
    if system_erl is None:
        sys.exit("bench: there is no erl on PATH; run make setup.")
    if arguments.sweeps < TENTHS or arguments.seconds <= 0:
        parser.error(f"--sweeps is at least {TENTHS}, and --seconds more than 0")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that both nodes and their folders go with us
    with written_to(arguments.results, "What `make bench` said", "make bench SIZES=all"):
        print_machine(dict(releases(system_erl)))
        print_calls(system_erl, arguments.calls, arguments.rounds)
        print_sweeps(system_erl, arguments.sizes, arguments.rounds, arguments.seconds)
        print_memory(system_erl, arguments.sweeps)
        print_starts(system_erl, arguments.rounds)
        print_pages(arguments.rounds)
        print_codec(arguments.rounds, arguments.milliseconds / 1000)
        print(f"\nLoad average at the end: {load()}")


def parse_sizes(text: str) -> tuple[int, ...]:
    """Read ``1000,10000``, or ``all``. Raises ValueError, which argparse turns into an error for a person."""
    sizes = ALL_SIZES if text == "all" else tuple(sorted(int(size) for size in text.split(",")))
    if sizes[0] < 1:
        raise ValueError(text)
    return sizes


def releases(system_erl: Path) -> Iterator[tuple[str, Path]]:
    """The releases that are here; of one that is not, say so."""
    for release, erl in (("OTP 25", system_erl), ("OTP 28", otp28())):
        if erl is None:
            print_row(f"{release}: not on this machine")
        else:
            yield release, erl


def print_sweeps(system_erl: Path, sizes: Sequence[int], rounds: int, ping_seconds: float) -> None:
    print(SWEEPS)
    row = "{:<18}" + "{:>10}" * 10
    heads = ("ours", "compiled", "ratio", "mailboxes", "bare", "ratio", "one each", "KiB", "at rest", "sweeping")
    print(row.format("processes", *heads))
    missed: list[str] = []
    for release, erl in releases(system_erl):
        for times in measure_sweeps(erl, system_erl, sizes, rounds, ping_seconds):
            head = f"{release}, {times.processes:,}"
            print(
                row.format(
                    head,
                    *(f"{seconds * 1000:,.1f}" for seconds in (times.ours, times.compiled)),
                    f"{times.compiled_ratio:.2f}",
                    *(f"{seconds * 1000:,.1f}" for seconds in (times.mailboxes, times.bare)),
                    f"{times.bare_ratio:.2f}",
                    f"{times.one_by_one_ratio:,.0f}",
                    f"{times.wire_bytes / 1024:.1f}",
                    *(f"{seconds * 1000:.2f}" for seconds in (times.ping_at_rest, times.ping_while_sweeping)),
                ),
                flush=True,
            )
            missed += [f"{head}: {what}" for what in missed_aims(times)]
    print(AIMS)
    if sizes[-1] >= MANY:
        print("Missed: " + ("; ".join(missed) or "none") + ".")
    print()


def print_memory(system_erl: Path, sweeps: int) -> None:
    tenth = sweeps // TENTHS
    print_row("our resident memory in MiB", f"{tenth:,} sweeps", f"{tenth * 5:,}", f"{tenth * TENTHS:,}")
    for release, erl in releases(system_erl):
        peaks = measure_resident(erl, sweeps)
        print_row(f"{release}, the most of it", *(f"{peaks[index] / (1 << 20):.1f}" for index in (0, 4, 9)))
    print(f"Aim: steady, under {MAX_RESIDENT_BYTES >> 20} MiB.")
    print()


def print_starts(system_erl: Path, rounds: int) -> None:
    print_row("beamwarden serve", "seconds", "of CPU", "MiB then", "s to its end")
    for release, erl in releases(system_erl):
        start = measure_start(erl, rounds)
        print_row(
            f"{release}, to the first good scrape",
            *(f"{value:.2f}" for value in (start.seconds, start.cpu_seconds)),
            f"{start.resident_bytes / (1 << 20):.1f}",
            f"{start.end_seconds:.2f}",
        )
    aims = f"{AIM_SECONDS:g} s, {MAX_RESIDENT_BYTES >> 20} MiB, {END_SECONDS:g} s to its end"
    print(f"Aims: under {aims}, on a machine with nothing else to do.")
    print()


def print_calls(system_erl: Path, calls: int, rounds: int) -> None:
    print_row("erlang:node/0, calls a second", "ours", "native", "ours/native")
    for release, erl in releases(system_erl):
        for rates in measure_calls(erl, system_erl, calls, rounds):
            ratio = f"{rates.ours / rates.native:.2f}"
            print_row(f"{release}, {rates.way}", f"{rates.ours:,.0f}", f"{rates.native:,.0f}", ratio)
    print()


def print_pages(rounds: int) -> None:
    print_row("a page of one node, in ms", "ours", "RabbitMQ's", "ours/theirs", "KiB, both")
    if SERVER.exists():
        for times in measure_pages(rounds):
            in_ms = (f"{seconds * 1000:,.1f}" for seconds in (times.ours, times.theirs))
            sizes = f"{times.our_bytes / 1024:.1f}, {times.their_bytes / 1024:.1f}"
            print_row(times.way, *in_ms, f"{times.ratio:.2f}", sizes)
    else:
        print("Not measured: RabbitMQ is not on this machine (Debian: apt-get install rabbitmq-server).")
    print()


def print_codec(rounds: int, round_seconds: float) -> None:
    print_row("codec", "KiB", "MB/s", "terms/s", "time/pickle's")
    for rates in measure_codec(rounds, round_seconds):
        for direction, rate in (("encode", rates.encode), ("decode", rates.decode)):
            print_row(
                f"{direction} {rates.shape}",
                f"{rates.size_bytes / 1024:,.1f}",
                f"{rates.size_bytes / rate.seconds / 1e6:,.1f}",
                f"{rates.terms / rate.seconds:,.0f}",
                f"{rate.seconds / rate.pickle_seconds:,.1f}",
            )


def print_row(what: str, *columns: str) -> None:
    print(f"{what:<36}" + "".join(f"{column:>14}" for column in columns), flush=True)


if __name__ == "__main__":
    main()
