"""`make demo`: a real Erlang node in the shape of TAI Erlang Autonomics, and Beamwarden beside it, until Ctrl-C.

The node runs without epmd and with a name, a cookie and a port that only this demo knows. It halts when we end, however
we end.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NoReturn

from erlang_fixtures.beam import Beam, build_fixtures, otp25

BEAMWARDEN = Path(sys.executable).with_name("beamwarden")
# The two that incident-response-playbook.md looks for and the system has. (It names governor_sup too, which does not
# exist in the real system either.)
SUPERVISORS = "tai_autonomics_sup,governance_sup"
STOP_SECONDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description="Show Beamwarden at work beside a real Erlang node.")
    parser.add_argument("--listen", default="127.0.0.1:9750", help="address:port to serve on (default: %(default)s)")
    listen = parser.parse_args().listen
    erl = otp25()
    if erl is None:
        sys.exit("demo: there is no erl on PATH; run make setup.")
    # All three by name: a shell that starts us in the background lets us ignore Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        with ExitStack() as stack:
            run(stack, erl, listen)
    except KeyboardInterrupt:
        say("Ended; nothing is left running.")


def run(stack: ExitStack, erl: Path, listen: str) -> None:
    build_fixtures()
    beam = stack.enter_context(Beam(erl, name="tai_autonomics@127.0.0.1", applications=["tai_autonomics"]))
    say(f"A node runs: {beam.name}, process {beam.pid}.")
    command = [str(BEAMWARDEN), "serve", "--node", beam.target, "--cookie-file", str(beam.cookie_file)]
    command += ["--listen", listen, "--expected-supervisors", SUPERVISORS, "--log-format", "text"]
    command += ["--service-url", "none"]  # the node of this demo has processes, and serves nobody
    command += ["--journal", str(beam.cookie_file.with_name("journal.db"))]
    collector = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    stack.callback(stop, collector)
    assert collector.stdout is not None
    for line in collector.stdout:
        say(line.rstrip())
        if serving := re.search(r"serving on (\S+)", line):
            explain(serving[1], beam)
    sys.exit(
        f"demo: beamwarden ended with {collector.wait()}. If another one runs, give this one another address: "
        "make demo LISTEN=127.0.0.1:9751"
    )


def explain(url: str, beam: Beam) -> None:
    program = BEAMWARDEN.relative_to(Path.cwd()) if BEAMWARDEN.is_relative_to(Path.cwd()) else BEAMWARDEN
    at = "" if url == "http://127.0.0.1:9750" else f" --url {url}"
    say(f"""
Open    {url}/
        {url}/metrics
        {url}/health
        {url}/api/v1/nodes

Try     {program} diagnose{at}
        {program} top{at}
        {program} node{at}
        {program} memory{at}
        {program} memory --node {beam.target} --cookie-file {beam.cookie_file}
        curl -s {url}/health

Ctrl-C ends everything.
""")


def stop(collector: subprocess.Popen[str]) -> None:
    collector.terminate()
    try:
        collector.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        collector.kill()
        collector.wait()
    if collector.stdout is not None:
        collector.stdout.close()


def say(text: str) -> None:
    print(text, flush=True)


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
