"""A real RabbitMQ with the exporter that it carries inside, for what is compared with one: prometheus.erl over HTTP."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from agent import Session, Target, connect, read_cookie_file
from agent.terms import Atom, Term
from erlang_fixtures.beam import Epmd, free_port

SERVER: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_SECONDS: Final = 120.0
AGAIN_SECONDS: Final = 0.2
STOP_SECONDS: Final = 30.0
CALL_SECONDS: Final = 30.0

# The families that both have. The last one counts the exporter's own scrapes, which fail without it.
COLLECTORS: Final = frozenset(
    {
        Atom("prometheus_vm_memory_collector"),
        Atom("prometheus_vm_statistics_collector"),
        Atom("prometheus_vm_system_info_collector"),
        Atom("prometheus_summary"),
    }
)
# All that the third of them has, but for the allocators: we count these among the expensive, and keep the answer.
SYSTEM: Final = (
    *("atom_count", "atom_limit", "port_count", "port_limit", "process_count", "process_limit", "ets_limit"),
    *("schedulers", "schedulers_online", "dirty_cpu_schedulers", "dirty_cpu_schedulers_online"),
    *("dirty_io_schedulers", "logical_processors", "logical_processors_available", "logical_processors_online"),
    *("smp_support", "threads", "thread_pool_size", "time_correction", "wordsize_bytes"),
)
SYSTEM_SETTING: Final = "vm_system_info_collector_metrics"


@dataclass(frozen=True)
class Broker:
    """A broker that runs: where its node is, and where its exporter has its page."""

    target: str
    cookie_file: Path
    page_url: str


@contextlib.contextmanager
def broker() -> Iterator[Broker]:
    """Run a broker with a name, ports, a cookie and folders of its own."""
    with Epmd() as epmd, tempfile.TemporaryDirectory(prefix="broker-") as folder:
        home, name = Path(folder), f"rabbit{secrets.token_hex(4)}@127.0.0.1"
        cookie_file = home / ".erlang.cookie"
        cookie_file.write_text(secrets.token_hex(16))
        cookie_file.chmod(0o400)
        dist_port, page_port = free_port(), free_port()
        (home / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{free_port()}\n"
            f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {page_port}\n"
        )
        (home / "enabled_plugins").write_text("[rabbitmq_prometheus].\n")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("ERL_", "RABBITMQ_"))}
        environment |= {
            "HOME": folder,
            "ERL_EPMD_PORT": str(epmd.port),
            "RABBITMQ_NODENAME": name,
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
        }
        with (home / "output").open("w") as output:
            # In a session of its own: the script starts the node as its child, and both have to end.
            process = subprocess.Popen([SERVER], env=environment, stdout=output, stderr=output, start_new_session=True)
        try:
            page_url = f"http://127.0.0.1:{page_port}/metrics"
            _wait_for(page_url, process, home / "output")
            yield Broker(f"{name}:{dist_port}", cookie_file, page_url)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


async def leave_only_the_machine(made: Broker) -> None:
    """Take the broker's own families from its exporter's page, which then has those of the machine alone."""
    session = await connect(Target.parse(made.target), read_cookie_file(made.cookie_file))
    registry = Atom("default")
    there = await _call(session, "prometheus_registry", "collectors", registry)
    assert isinstance(there, list)
    assert {*there} >= COLLECTORS, there
    for collector in there:
        if collector not in COLLECTORS:
            await _call(session, "prometheus_registry", "deregister_collector", registry, collector)
    of_system: Term = [Atom(name) for name in SYSTEM]
    await _call(session, "application", "set_env", Atom("prometheus"), Atom(SYSTEM_SETTING), of_system)
    session.close()
    await session.wait_closed()


async def _call(session: Session, module: str, function: str, *arguments: Term) -> Term:
    return await session.call(module, function, arguments, deadline_seconds=CALL_SECONDS)


def _wait_for(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    too_late = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < too_late:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False, timeout=CALL_SECONDS).is_success:
                return
        time.sleep(AGAIN_SECONDS)
    raise RuntimeError(f"the broker did not start:\n{output.read_text()[-4000:]}")
