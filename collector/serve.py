"""Run the collector: one process, one event loop, until SIGTERM or Ctrl-C. Nothing else ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Final

from agent.handshake import Cookie
from agent.node import Node
from agent.probes import vital_signs
from collector import logs
from collector.access.shell_token import shell_token
from collector.access.tokens import TokensError
from collector.app import create_app
from collector.blackbox.recording import BlackBox
from collector.changes import ChangeLog
from collector.diagnosis.diagnosing import numbers_of
from collector.fleet import Fleet
from collector.freshness import Budget
from collector.instance import Instance
from collector.journal.journal import Journal
from collector.load import journal_path, load_options
from collector.memory_ceiling import begin_to_collect
from collector.port.http_server import Complaints, Server, listen, on_stop_signals
from collector.port.known_web_config import KnownWebConfig, read_web_config
from collector.port.web_headers import WebHeaders
from collector.recording import Trends, record_trends
from collector.restarts.reconciling import reconcile
from collector.scraping import questions_of
from collector.settings import Address, Settings
from collector.vitals import log_vital_signs
from collector.watched import WatchedNode

_LOG: Final = logging.getLogger(__name__)


class ServerEnded(Exception):
    """The HTTP server has ended although nobody told it to: a bug, or a system in need."""


def serve(settings: Settings, cookie: Cookie, environ: Mapping[str, str]) -> None:
    """Serve until a signal ends us.

    Raises `SettingsError` when the address cannot be had, and `WebConfigError` for a web configuration that is wrong.
    """
    with listen(settings.listen) as listener, logs.in_a_thread():
        asyncio.run(serve_on(listener, settings, cookie, environ))


def make_fleet(settings: Settings, cookie: Cookie, instance: Instance) -> Fleet:
    """Make the fleet of all nodes in the settings, not connected yet."""
    probes = vital_signs(settings.expected_supervisors)
    options = load_options(settings)
    if settings.tls_insecure_no_verify:
        _LOG.warning("tls_insecure_no_verify is set: whoever answers at a node's address is taken for the node")
    return Fleet(
        [
            WatchedNode(
                Node(target, cookie, options, ChangeLog(str(target.node))),
                probes,
                instance.id,
                questions_of(settings),
                Budget(settings.max_scheduler_share, settings.fresh_min_interval_seconds),
            )
            for target in settings.node
        ]
    )


async def serve_on(listener: socket.socket, settings: Settings, cookie: Cookie, environ: Mapping[str, str]) -> None:
    """Serve on this socket until a signal ends us, and close it. Raises `WebConfigError`, or `ServerEnded`."""
    web = _web_config(settings)
    instance = Instance()
    fleet = make_fleet(settings, cookie, instance)
    trends = Trends(fleet.nodes, settings)
    journal = Journal(journal_path(settings, environ))
    app = create_app(fleet, settings, trends, journal, web)
    server = Server(app if web is None else WebHeaders(app, web), web)
    address = Address(*listener.getsockname()[:2])
    stopped = on_stop_signals()
    asyncio.get_running_loop().set_exception_handler(Complaints())
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(journal)
        await stack.enter_async_context(fleet)
        for diagnoser in app.state.diagnosers.values():
            stack.push_async_callback(diagnoser.close)
        for restarts in app.state.restarts.values():
            stack.push_async_callback(restarts.close)
        boxes = _black_boxes(fleet, settings, trends)
        vitals = log_vital_signs(fleet, settings.vitals_interval_seconds, _limit_facts(boxes))
        stack.enter_context(_in_background("vital signs", vitals))
        for name, box in boxes.items():
            stack.enter_context(_in_background(f"black box of {name}", box.record()))
        stack.enter_context(_in_background("trends", record_trends(fleet, trends)))
        stack.enter_context(_in_background("journal", journal.keep_checking()))
        stack.enter_context(
            _in_background("restarts", reconcile([*app.state.restarts.values(), *app.state.cleaning.values()]))
        )
        stack.enter_context(_in_background("instance", instance.learn(environ)))
        if settings.shell_token_file is not None:
            try:
                app.state.tokens.of_shell = (stack.enter_context(shell_token(settings.shell_token_file)),)
            except TokensError as error:
                _LOG.warning("%s; a shell on this machine needs a token of its own to act", error)
        stack.enter_context(_in_background("memory ceiling", app.state.ceiling.watch()))
        with contextlib.suppress(TokensError):  # the log has it now, and not only when somebody needs them
            await app.state.tokens.entries()
        begin_to_collect()
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
        scheme = "https" if server.has_tls else "http"
        _LOG.info("serving on %s://%s", scheme, address, extra={"nodes": [*fleet.nodes], "pid": os.getpid()})
        ends: set[asyncio.Future[Any]] = {serving, stopped}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if stopped.done() and stopped.result() is signal.SIGTERM:
            for box in boxes.values():
                box.write_last_words()
        server.should_exit = True
    # The fleet is closed now, so whoever waited for a node has an answer, which only has to leave.
    await server.end(serving)
    if not stopped.done():
        raise ServerEnded("the HTTP server has ended by itself")
    _LOG.info("ended")


def _web_config(settings: Settings) -> KnownWebConfig | None:
    if settings.web_config_file is None:
        return None
    web = KnownWebConfig(settings.web_config_file, read_web_config(settings.web_config_file))
    if web.now.config.basic_auth_users and not web.now.has_tls and not settings.listen.is_loopback:
        _LOG.warning("basic_auth_users without tls_server_config: passwords can be read on their way here")
    return web


def _black_boxes(fleet: Fleet, settings: Settings, trends: Trends) -> dict[str, BlackBox]:
    if not settings.black_box:
        return {}
    numbers = numbers_of(settings)
    return {name: BlackBox(node, settings, trends.window_of(name), numbers) for name, node in fleet.nodes.items()}


def _limit_facts(boxes: Mapping[str, BlackBox]) -> Callable[[str], Mapping[str, object]]:
    return lambda name: boxes[name].limit_facts() if name in boxes else {}


@contextlib.contextmanager
def _in_background(name: str, work: Coroutine[object, object, None]) -> Iterator[None]:
    """Run ``work`` meanwhile. A bug in it is logged, and ends nothing but itself."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_log_bug)
    try:
        yield
    finally:
        task.cancel()


def _log_bug(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (bug := task.exception()) is not None:
        _LOG.error("%s met a bug and has ended", task.get_name(), exc_info=bug)
