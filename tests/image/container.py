"""Runs an image as a sidecar runs: its own user, a read-only root file system, the network of its neighbour."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.image.building import Image

SECONDS: Final = 30.0
WRITABLE: Final = ("/var/lib/beamwarden", "/run/beamwarden")
NO_ENVIRONMENT: Final[Mapping[str, str]] = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TERM": "xterm-256color"}

# Each mount is of a namespace that ends with the process, so nothing has to be unmounted.
_ENTER: Final = r"""
set -eu
tree=$1 secrets=$2 user=$3 in_memory=$4
shift 4
mount --rbind "$tree" "$tree"
mount --bind "$secrets" "$tree/mnt"
mount -t proc proc "$tree/proc"
mount --rbind /dev "$tree/dev"
for folder in $in_memory; do mount -t tmpfs -o "uid=${user%:*},gid=${user#*:},mode=700" tmpfs "$tree$folder"; done
mount -o remount,bind,ro "$tree"
exec chroot --userspec="$user" --groups= "$tree" "$@"
"""


@contextlib.contextmanager
def network() -> Iterator[str]:
    """Make a network of its own, which holds a loopback interface and nothing else, and return its name."""
    name = f"beamwarden-{secrets.token_hex(4)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@dataclass(frozen=True)
class Container:
    """The image's command, running. ``log`` is what it has written."""

    process: subprocess.Popen[str]
    log: Path

    @property
    def pid(self) -> int:
        """The process id of the program itself: what starts it becomes it."""
        return self.process.pid

    def resident_bytes(self) -> int:
        """Return the most memory that it had resident."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    def end(self) -> int:
        """Tell it to end, and return its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


@dataclass(frozen=True)
class Sidecar:
    """Where images run: a network with a node in it, and a folder of secrets that is mounted at /mnt."""

    image: Image
    network: str
    secrets: Path

    def _command(self, command: Sequence[str], environment: Mapping[str, str], in_memory: Sequence[str]) -> list[str]:
        return [
            *("ip", "netns", "exec", self.network, "unshare", "--mount", "--propagation", "private"),
            *("env", "--ignore-environment", *(f"{name}={value}" for name, value in environment.items())),
            *("sh", "-c", _ENTER, "enter", str(self.image.tree), str(self.secrets)),
            *(self.image.configuration["User"], " ".join(in_memory), *command),
        ]

    @contextlib.contextmanager
    def running(
        self, log: Path, environment: Mapping[str, str], in_memory: Sequence[str] = WRITABLE
    ) -> Iterator[Container]:
        """Run what the image runs, with these variables more, until it is told to end."""
        command = self._command(self.image.command, self.image.environment | dict(environment), in_memory)
        with log.open("w") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, text=True)
        try:
            yield Container(process, log)
        finally:
            process.kill()
            process.wait()

    def shell(
        self, container: Container, *command: str, environment: Mapping[str, str] = NO_ENVIRONMENT
    ) -> subprocess.CompletedProcess[str]:
        """Run a command beside the program, in its namespaces and as root, as Cloud Run's ssh does."""
        inside = _beside(container, environment, command)
        return subprocess.run(inside, capture_output=True, text=True, timeout=SECONDS, check=False)

    def screen(self, container: Container, command: str, until: str, then: str) -> int:
        """Run a command on a terminal of its own; once it shows this, press a key, and return how it has ended."""
        inside = _beside(
            container, NO_ENVIRONMENT, ["script", "--quiet", "--return", "--command", command, "/dev/null"]
        )
        process = subprocess.Popen(inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        too_late = threading.Timer(SECONDS, process.kill)
        too_late.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            shown = b""
            while until.encode() not in shown:
                more = os.read(process.stdout.fileno(), 1 << 16)
                assert more, shown
                shown += more
            process.stdin.write(then.encode())
            process.stdin.flush()
            while os.read(process.stdout.fileno(), 1 << 16):
                pass
            return process.wait(SECONDS)
        finally:
            too_late.cancel()
            process.kill()
            process.communicate()

    def fetch(self, path: str, until_status: int, port: int = 9750) -> str:
        """Ask the collector from a neighbour in the same network until it answers with this status."""
        fetching = (
            "import sys, httpx\n"
            "answer = httpx.get(sys.argv[1], trust_env=False)\n"
            "print(answer.text)\n"
            "sys.exit(answer.status_code != int(sys.argv[2]))\n"
        )
        url = f"http://127.0.0.1:{port}{path}"
        command = ["ip", "netns", "exec", self.network, sys.executable, "-c", fetching, url, str(until_status)]
        too_late = time.monotonic() + SECONDS
        while True:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
            if ran.returncode == 0:
                return ran.stdout
            assert time.monotonic() < too_late, ran.stdout + ran.stderr


def _beside(container: Container, environment: Mapping[str, str], command: Sequence[str]) -> list[str]:
    inside = ["nsenter", "--target", str(container.pid), "--mount", "--net", "--root", "--wd"]
    return [
        *inside,
        "env",
        "--ignore-environment",
        *(f"{name}={value}" for name, value in environment.items()),
        *command,
    ]
