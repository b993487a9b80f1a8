"""Throws bytes at what reads a peer's bytes, led by which of our branches they reach.

    python -m tests.fuzz [HARNESS ...] [--seconds N | --runs N] [--corpus DIRECTORY]
    python -m tests.fuzz HARNESS --replay HEX

A harness is a module of this folder with ``check(data)``, which raises when something does not hold, and ``seeds()``.
Any other module with these two will do under its whole name.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol, cast

HARNESSES: Final = ["terms", "handshake", "control_messages", "epmd", "connection"]
MAX_INPUT_BYTES: Final = 4096
MAX_INPUT_SECONDS: Final = 10  # some milliseconds is what the worst input should take
MAX_MEMORY_MIB: Final = 512


class Harness(Protocol):
    """What a module of this folder has."""

    check: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]


def load(name: str) -> Harness:
    return cast("Harness", importlib.import_module(f"{__package__}.{name}" if name in HARNESSES else name))


def fuzz_here(name: str, flags: Sequence[str]) -> None:
    """Fuzz in this process, which ends with it."""
    import atheris  # noqa: PLC0415  # there is none on some platforms, and replaying needs none

    # The harness too: what it tells apart is worth reaching.
    with atheris.instrument_imports(include=["agent", "tests.fuzz"]):
        check = load(name).check
    atheris.Setup([sys.argv[0], *flags], check)
    atheris.Fuzz()


def fuzz(name: str, limits: Sequence[str], corpus: Path | None) -> bool:
    """Fuzz in a process of its own, which may hang or be killed, and say what it found. True when that is nothing."""
    with tempfile.TemporaryDirectory(prefix="beamwarden-fuzz-") as folder:
        seeds, found = Path(folder, "seeds"), Path(folder, "found")
        seeds.mkdir()
        found.mkdir()
        for number, seed in enumerate(load(name).seeds()):
            (seeds / f"{number:04}").write_bytes(seed)
        flags = [
            *limits,
            f"-max_len={MAX_INPUT_BYTES}",
            f"-timeout={MAX_INPUT_SECONDS}",
            f"-rss_limit_mb={MAX_MEMORY_MIB}",
            f"-artifact_prefix={found}/",
            # Most changes to a message spoil it; more than a few at once spoil everything.
            "-mutate_depth=2",
            "-print_final_stats=1",
            # New inputs go to the first folder.
            *([str(corpus)] if corpus else []),
            str(seeds),
        ]
        command = [sys.executable, "-m", __package__, name, "--here", *flags]
        code = subprocess.run(command, check=False).returncode
        for artifact in sorted(found.iterdir()):
            data = artifact.read_bytes().hex()
            say(f"{name}: {artifact.name.partition('-')[0]} on the input {data or '(nothing)'}")
            say(f"Again: {Path(sys.executable).name} -m {__package__} {name} --replay '{data}'")
        return code == 0


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}")
    parser.add_argument("harness", nargs="*", default=HARNESSES)
    parser.add_argument("--seconds", type=int, default=60, help="for each harness (60)")
    parser.add_argument("--runs", type=int, help="so many inputs instead, the same each time")
    parser.add_argument("--corpus", type=Path, help="a folder of inputs to begin with and to add to")
    parser.add_argument("--replay", metavar="HEX", help="one input, without fuzzing")
    options = parser.parse_args()
    if options.replay is not None:
        (name,) = options.harness
        load(name).check(bytes.fromhex(options.replay))
        return 0
    limits = [f"-runs={options.runs}", "-seed=1"] if options.runs else [f"-max_total_time={options.seconds}"]
    failed = []
    for name in options.harness:
        say(f"--- {name}")
        if not fuzz(name, limits, options.corpus):
            failed.append(name)
    say(f"Failed: {', '.join(failed)}." if failed else "Nothing found.")
    return bool(failed)


if __name__ == "__main__":
    if "--here" in sys.argv:
        position = sys.argv.index("--here")
        fuzz_here(sys.argv[position - 1], sys.argv[position + 1 :])
    else:
        sys.exit(main())
