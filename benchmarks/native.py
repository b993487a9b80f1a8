"""The native hidden node beside our client: ``native_node.erl``, on the system's ``erl``."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from erlang_fixtures.beam import Beam

SOURCE: Final = Path(__file__).with_name("native_node.erl")
ANSWER_SECONDS: Final = 120.0  # to start and connect, or for one order


class NativeError(Exception):
    """The native node ended instead of answering."""


class NativeNode:
    """The running node. Each method orders calls and returns how many seconds they took, by the node's own clock."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        if self._answer() != "connected":
            raise NativeError("the native node did not connect")

    def one_by_one(self, calls: int) -> float:
        return self._order(f"one_by_one {calls}")

    def at_once(self, calls: int, together: int) -> float:
        return self._order(f"at_once {calls} {together}")

    def _order(self, order: str) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        return int(self._answer()) / 1e6

    def _answer(self) -> str:
        assert self._process.stdout is not None
        too_late = threading.Timer(ANSWER_SECONDS, self._process.kill)
        too_late.start()
        try:
            line = self._process.stdout.readline()
        finally:
            too_late.cancel()
        if not line:
            raise NativeError("the native node has ended; what it said is above")
        return line.strip()


@contextmanager
def compiled(erl: Path, source: Path) -> Iterator[str]:
    """Compile an Erlang module for as long as the block lasts, which is told the folder that it is in."""
    with tempfile.TemporaryDirectory(prefix="native-") as ebin:
        subprocess.run([erl.with_name("erlc"), "-Werror", "-o", ebin, source], check=True)
        yield ebin


@contextmanager
def native_node(erl: Path, beam: Beam) -> Iterator[NativeNode]:
    """Start the native node, connected to ``beam``, and end it whatever happens."""
    with compiled(erl, SOURCE) as ebin:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ERL_")}
        process = subprocess.Popen(
            [erl, *_arguments(beam, ebin)],
            env=environment | {"HOME": str(beam.cookie_file.parent)},  # where the cookie is
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield NativeNode(process)
        finally:
            process.kill()
            process.communicate()


def _arguments(beam: Beam, ebin: str) -> list[str]:
    arguments = ["-noshell", "-hidden", "-name", f"native_{beam.name}", "-dist_listen", "false"]
    # Without epmd, and straight to the port of the one node that there is.
    arguments += ["-start_epmd", "false", "-erl_epmd_port", str(beam.port)]
    return [*arguments, "-pa", ebin, "-run", "native_node", "start", beam.name]
