"""`make bench`: how fast we are, beside something that does the same on the same machine in the same minute.

Small calls are measured beside a native hidden Erlang node, the codec beside pickle. Look at the ratios: rates differ
between machines, and on a shared one from minute to minute, which both sides feel alike. Each rate is the median of
rounds in which both sides take turns. Nothing is judged here: compare a run without your change and one with it.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.calls import TOGETHER, measure_calls
from benchmarks.codec import measure_codec
from erlang_fixtures.beam import otp25, otp28


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure small calls and the codec.")
    parser.add_argument("--rounds", type=int, default=9, help="rounds for each figure (default: %(default)s)")
    parser.add_argument(
        "--calls", type=int, default=1_000, help=f"in each round, a multiple of {TOGETHER} (default: %(default)s)"
    )
    parser.add_argument(
        "--milliseconds", type=int, default=50, help="of each round of the codec, at least (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.calls < TOGETHER or arguments.calls % TOGETHER:
        parser.error(f"--rounds is at least 1, and --calls a multiple of {TOGETHER}")
    system_erl = otp25()
    if system_erl is None:
        sys.exit("bench: there is no erl on PATH; run make setup.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that both nodes and their folders go with us
    print_calls(system_erl, arguments.calls, arguments.rounds)
    print_codec(arguments.rounds, arguments.milliseconds / 1000)


def print_calls(system_erl: Path, calls: int, rounds: int) -> None:
    print_row("erlang:node/0, calls a second", "ours", "native", "ours/native")
    for release, erl in (("OTP 25", system_erl), ("OTP 28", otp28())):
        if erl is None:
            print_row(f"{release}: not on this machine")
            continue
        for rates in measure_calls(erl, system_erl, calls, rounds):
            ratio = f"{rates.ours / rates.native:.2f}"
            print_row(f"{release}, {rates.way}", f"{rates.ours:,.0f}", f"{rates.native:,.0f}", ratio)
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
