"""The program that is attacked: it connects, asks, and prints what became of it.

It first does all the same with a peer that is well: what is allocated, imported and opened once is not the attacker's.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import importlib
import json
import logging
import os
import sys
import threading
import traceback
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

from agent.batch import ask_all, system_info
from agent.handshake import Cookie
from agent.limits import MIN_MAX_MEMORY_BYTES, Limits
from agent.names import NodeName, Target
from agent.node import Down, Node, State
from agent.probes import vital_signs
from agent.probes.identity import NodeIdentity
from agent.session import Options, Session, connect
from agent.terms import Atom
from collector.changes import ChangeLog
from collector.logs import JsonFormatter
from collector.metrics.page import to_families
from collector.snapshot import Failed, Snapshot
from collector.vitals import vital_signs as vital_signs_to_log
from collector.watched import WatchedNode

BATCH = (system_info("schedulers"), system_info("wordsize"))
HELD_UP_SECONDS = 5.0  # after its limit, when a client whose event loop does not get round to it is ended all the same
_LIFTED = 1 << 40
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Plan:
    """What the client does, besides connecting."""

    memory_bytes: int = MIN_MAX_MEMORY_BYTES
    questions: int = 0
    """How many are asked with `Session.call`, all at the same time."""

    rounds: int = 1
    """How often they are asked, one time after the other."""

    batches: int = 0
    """How many it asks with `ask_all`, as the probes do, all at the same time."""

    max_answer_bytes: int = 1024 * 1024
    deadline_seconds: float = 60.0
    keeps_errors: bool = False
    """Whether the asker keeps the errors that it gets, as who reports them later does."""

    waits_for_end: bool = False
    """Whether it waits until the connection ends by itself."""

    asks_next: bool = True
    snapshots: int = 0
    """How often a `WatchedNode` asks for vital signs."""

    changes: int = 0
    """A `WatchedNode` is watched until it was connected or not so often."""

    measures_apart: bool = False
    """Whether the size of the process is measured without the tracing of allocations, which takes memory itself."""

    by_epmd: bool = False
    limit_seconds: float = 110.0
    """After this a client that has not ended says what it waits for, and ends. Nothing comes near."""

    patches: tuple[tuple[str, float], ...] = ()
    lifted: tuple[str, ...] = ()
    healthy_port: int = 0
    hostile_port: int = 0


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        if self.count <= 100:
            self.lines.append(record.getMessage())


class _Audit:
    """Sees whatever is run, loaded, opened or written."""

    WATCHED = ("os.", "subprocess.", "import", "exec", "compile", "open", "pty.", "ctypes.", "pickle.", "shutil.")
    WATCHED_SOCKET = frozenset({"socket.bind", "socket.getaddrinfo", "socket.sendto"})

    def __init__(self) -> None:
        self.is_on = False
        self.seen: list[str] = []
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.is_on and (event.startswith(self.WATCHED) or event in self.WATCHED_SOCKET):
            self.seen.append(f"{event} {arguments!r:.100}")


class Client:
    """Goes through a plan, as often as it is told to."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.ended = ""
        self.outcomes: Counter[str] = Counter()
        self.texts: set[str] = set()
        self.next = ""
        self._kept: list[Exception] = []

    async def run(self) -> None:
        plan = self.plan
        options = Options(limits=Limits(plan.memory_bytes), epmd_port=plan.hostile_port)
        target = Target(NodeName("tai", "127.0.0.1"), None if plan.by_epmd else plan.hostile_port)
        cookie = Cookie("this is the secret")
        if plan.snapshots or plan.changes:
            await self._watch(target, cookie, options)
            return
        try:
            session = await connect(target, cookie, options)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what is asked for
            self.ended = self._tell(error)
            return
        try:
            for _ in range(plan.rounds):
                questions = (self._ask(session) for _ in range(plan.questions))
                await asyncio.gather(*questions, *(self._ask_batch(session) for _ in range(plan.batches)))
            if plan.waits_for_end:
                self.ended = self._tell(await session.wait_closed())
            elif plan.asks_next:
                self.next = await self._outcome(session, "next")
        finally:
            session.close()

    async def _ask(self, session: Session) -> None:
        outcome = await self._outcome(session, "question")
        self.outcomes[outcome.partition(":")[0]] += 1

    async def _ask_batch(self, session: Session) -> None:
        try:
            await ask_all(session, BATCH, self.plan.deadline_seconds)
            outcome = "a value"
        except Exception as error:  # noqa: BLE001  # as above
            outcome = self._tell(error)
        self.outcomes[outcome.partition(":")[0]] += 1

    async def _outcome(self, session: Session, function: str) -> str:
        plan = self.plan
        allowed = plan.max_answer_bytes
        try:
            value = await session.call(
                "m", function, [], deadline_seconds=plan.deadline_seconds, max_answer_bytes=allowed
            )
        except Exception as error:  # noqa: BLE001  # as above
            if plan.keeps_errors:
                self._kept.append(error)
            return self._tell(error)
        return "ok" if value == Atom("ok") else "a value"

    async def _watch(self, target: Target, cookie: Cookie, options: Options) -> None:
        changes: list[type[State]] = []
        log = ChangeLog(str(target.node))

        def change(state: State) -> None:
            changes.append(type(state))
            if isinstance(state, Down):
                self._tell(state.error)
            else:
                self.texts.add(str(state.session.own.name))
            log(state)

        node = Node(target, cookie, options, on_change=change)
        watched = WatchedNode(node, vital_signs(["one_sup", "other_sup"]), lambda: None)
        async with node:
            while len(changes) < max(self.plan.changes, 1):  # noqa: ASYNC110  # the test has a deadline
                await asyncio.sleep(0.01)
            for _ in range(self.plan.snapshots):
                snapshot = await watched.snapshot(self.plan.deadline_seconds)
                for outcome in snapshot.outcomes.values():
                    if isinstance(outcome, Failed):
                        self.outcomes[self._tell(outcome.error).partition(":")[0]] += 1
                    else:
                        self.outcomes["ok"] += 1
                self._pass_on(snapshot)
                if identity := snapshot.result(NodeIdentity):
                    self.texts |= {identity.otp_release, identity.erts_version}
            self.ended = self._tell(node.state.error) if isinstance(node.state, Down) else ""
            await watched.close()

    def _pass_on(self, snapshot: Snapshot) -> None:
        """Make of it what the service does: metrics for all nodes, and a line in the log."""
        try:
            list(to_families([snapshot]))
            JsonFormatter().format(logging.makeLogRecord(vital_signs_to_log(snapshot)))
        except Exception as error:  # noqa: BLE001  # as above
            self.outcomes[type(error).__name__] += 1

    def _tell(self, error: Exception) -> str:
        if len(self.texts) < 100:
            self.texts.add(str(error))
        return f"{type(error).__name__}: {error}"


def most_resident_bytes() -> int:
    """How large the process has been at most: its own figure, for ``ru_maxrss`` begins with the parent's."""
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def lift(limit: str) -> None:
    """Take one limit away."""
    if hasattr(Limits, limit):
        setattr(Limits, limit, property(lambda _: _LIFTED))
    elif limit == "known atoms":
        decode = importlib.import_module("agent.etf.decode")
        vars(decode)["_known_atom"] = lru_cache(maxsize=None)(vars(decode)["_new_atom"])
    elif limit == "an idle decoder":  # other nodes keep it busy
        busy = ThreadPoolExecutor(1)
        busy.submit(threading.Event().wait)
        patch("agent.rpc._DECODER", busy)
    else:
        patch(limit, _LIFTED)


def patch(name: str, value: object) -> None:
    module, _, constant = name.rpartition(".")
    before = vars(importlib.import_module(module))
    assert constant in before
    before[constant] = value


async def no_tasks() -> list[str]:
    """Return the names of the tasks that still run when all had time to end."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=5)
    return [task.get_name() for task in left]


def give_up() -> None:
    """Print all tasks, each with what it waits for, from the outside to the inside, and end the process."""
    for task in asyncio.all_tasks():
        sys.stderr.write(f"{task!r}, told {task.cancelling()} times to end\n")
        waiting: object = task.get_coro()
        while (frame := getattr(waiting, "cr_frame", None)) is not None:
            assert isinstance(frame, FrameType)
            sys.stderr.write(f"    {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}\n")
            waiting = getattr(waiting, "cr_await", None)
        sys.stderr.write(f"    {waiting!r}\n")
    sys.stderr.flush()
    os._exit(1)


async def measure(plan: Plan, log: _Log, audit: _Audit) -> dict[str, Any]:
    """Go through the plan with a peer that is well, then with one that attacks."""
    asyncio.get_running_loop().call_later(plan.limit_seconds, give_up)
    await Client(replace(plan, hostile_port=plan.healthy_port, waits_for_end=False, changes=0, by_epmd=False)).run()
    gc.collect()
    log.count, log.lines = 0, []
    resident_before, resident_bytes = most_resident_bytes(), 0
    audit.is_on = True
    if plan.measures_apart:
        await Client(plan).run()
        audit.is_on = False
        resident_bytes = most_resident_bytes() - resident_before
        audit.is_on = True
        log.count = 0
        gc.collect()
    tracemalloc.start()
    before, client = tracemalloc.get_traced_memory()[0], Client(plan)
    await client.run()
    traced_bytes = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    tasks = await no_tasks()
    audit.is_on = False
    return {
        "ended": client.ended,
        "outcomes": client.outcomes,
        "texts": sorted(client.texts | set(log.lines)),
        "next": client.next,
        "traced_bytes": traced_bytes,
        "resident_bytes": resident_bytes or most_resident_bytes() - resident_before,
        "log_lines": log.count,
        "tasks": tasks,
        "ran": audit.seen,
    }


def go(plan: Plan) -> str:
    """Follow the plan and return the report."""
    for name, value in plan.patches:
        patch(name, value)
    for limit in plan.lifted:
        lift(limit)
    if plan.changes:
        patch("agent.node.backoff_seconds", lambda *_, **__: 0.0)
    faulthandler.dump_traceback_later(plan.limit_seconds + HELD_UP_SECONDS, exit=True)
    log, audit = _Log(), _Audit()
    logging.basicConfig(level=logging.INFO, handlers=[log])
    return json.dumps(asyncio.run(measure(plan, log, audit)))


def main() -> None:
    """Take plans, one a line; follow each in a process of its own, and print its report, or an empty line."""
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            status = 1
            try:
                sys.stdout.write(go(Plan(**json.loads(line))) + "\n")
                sys.stdout.flush()
                status = 0
            except Exception:  # noqa: BLE001  # the parent sees it on standard error
                traceback.print_exc()
            finally:
                os._exit(status)  # without waiting for the thread that decodes
        if os.waitpid(child, 0)[1]:
            sys.stdout.write("\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
