"""Run the collector: one process, one event loop, until SIGTERM or Ctrl-C. Nothing else ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from agent.handshake import Cookie
from agent.node import Node
from agent.probes import vital_signs
from collector import logs
from collector.app import create_app
from collector.blackbox.recording import BlackBox
from collector.changes import ChangeLog
from collector.diagnosis.diagnosing import numbers_of
from collector.fleet import Fleet
from collector.freshness import Budget
from collector.instance import Instance
from collector.journal import Journal
from collector.known_web_config import KnownWebConfig, read_web_config
from collector.load import journal_path, load_options
from collector.recording import Trends, record_trends
from collector.restarts.reconciling import reconcile
from collector.scraping import questions_of
from collector.settings import Address, Settings, SettingsError
from collector.shell_token import shell_token
from collector.tls_port import TlsPort
from collector.tokens import TokensError
from collector.vitals import log_vital_signs
from collector.watched import WatchedNode
from collector.web_headers import WebHeaders

LAST_ANSWERS_SECONDS: Final = 0.6  # for answers on their way when we are told to end: within a second all is over
FIRST_REQUEST_SECONDS: Final = 10.0  # for a request to come on a new connection
SAME_COMPLAINT_SECONDS: Final = 60.0
KEEP_ALIVE_SECONDS: Final = 75  # longer than the usual scrape interval, so that a scraper keeps its connection

_LOG: Final = logging.getLogger(__name__)


def serve(settings: Settings, cookie: Cookie, environ: Mapping[str, str]) -> None:
    """Serve until a signal ends us.

    Raises `SettingsError` when the address cannot be had, and `WebConfigError` for a web configuration that is wrong.
    """
    web = None
    if settings.web_config_file is not None:
        web = KnownWebConfig(settings.web_config_file, read_web_config(settings.web_config_file))
        if web.now.config.basic_auth_users and not web.now.has_tls and not settings.listen.is_loopback:
            _LOG.warning("basic_auth_users without tls_server_config: passwords can be read on their way here")
    with _listen(settings.listen) as listener, logs.in_a_thread():
        asyncio.run(_serve(settings, cookie, environ, listener, web))


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


async def _serve(
    settings: Settings,
    cookie: Cookie,
    environ: Mapping[str, str],
    listener: socket.socket,
    web: KnownWebConfig | None,
) -> None:
    instance = Instance()
    fleet = make_fleet(settings, cookie, instance)
    trends = Trends(fleet.nodes, settings)
    journal = Journal(journal_path(settings, environ))
    app = create_app(fleet, settings, trends, journal, web)
    server = _Server(
        uvicorn.Config(
            app if web is None else WebHeaders(app, web),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,  # or whoever is let through by a proxy would say itself where it comes from
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            http=_Impatient,
            ws="none",
        ),
        web,
    )
    address = Address(*listener.getsockname()[:2])
    stopped = _on_stop_signals()
    asyncio.get_running_loop().set_exception_handler(_Complaints())
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
        with contextlib.suppress(TokensError):  # the log has it now, and not only when somebody needs them
            await app.state.tokens.entries()
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
    await asyncio.wait({serving}, timeout=LAST_ANSWERS_SECONDS)
    serving.cancel()
    await asyncio.wait({serving})
    if not serving.cancelled():
        serving.result()  # raises what ended the server by itself, which nothing should
    _LOG.info("ended")


class _Impatient(H11Protocol):
    """uvicorn's HTTP, but a connection on which no request comes is let go: others need its descriptor."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self.loop.call_later(FIRST_REQUEST_SECONDS, self._give_up)

    def _give_up(self) -> None:
        has_request: object = self.cycle  # None until then, which its annotation forgets
        if has_request is None and not self.transport.is_closing():
            self.transport.abort()


class _Complaints:
    """Logs what the event loop complains of, each complaint once a minute: it may come a thousand times a second."""

    def __init__(self) -> None:
        self._told_at: dict[str, float] = {}

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take a complaint (the loop calls this)."""
        message = str(context.get("message"))
        if loop.time() - self._told_at.get(message, -math.inf) >= SAME_COMPLAINT_SECONDS:
            self._told_at[message] = loop.time()
            _LOG.error(message, exc_info=context.get("exception"))


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which end the process before it has closed its connections.

    Where the web configuration has TLS, connections come from a `TlsPort`, since uvicorn reads certificates only once.
    """

    def __init__(self, config: uvicorn.Config, web: KnownWebConfig | None) -> None:
        super().__init__(config)
        self._port = TlsPort(web, self._make_protocol) if web is not None and web.now.has_tls else None
        self._accepting: asyncio.Task[None] | None = None

    @property
    def has_tls(self) -> bool:
        """Whether connections speak TLS."""
        return self._port is not None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections."""
        if self._port is None:
            await super().startup(sockets)
            return
        await super().startup([])
        assert sockets is not None
        [listener] = sockets
        self._accepting = asyncio.create_task(self._port.accept(listener), name="tls port")
        self._accepting.add_done_callback(self._end)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and give the answers that are on their way."""
        if self._accepting is not None:
            self._accepting.cancel()
        await super().shutdown(sockets)

    def _make_protocol(self) -> asyncio.Protocol:
        return _Impatient(self.config, self.server_state, self.lifespan.state)

    def _end(self, accepting: asyncio.Task[None]) -> None:
        _log_bug(accepting)
        self.should_exit = True  # a service that nobody reaches is none

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `_on_stop_signals`."""
        yield


def _black_boxes(fleet: Fleet, settings: Settings, trends: Trends) -> dict[str, BlackBox]:
    if not settings.black_box:
        return {}
    numbers = numbers_of(settings)
    return {name: BlackBox(node, settings, trends.window_of(name), numbers) for name, node in fleet.nodes.items()}


def _limit_facts(boxes: Mapping[str, BlackBox]) -> Callable[[str], Mapping[str, object]]:
    return lambda name: boxes[name].limit_facts() if name in boxes else {}


def _on_stop_signals() -> asyncio.Future[signal.Signals]:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[signal.Signals] = loop.create_future()

    def stop(by: signal.Signals) -> None:
        if not stopped.done():
            stopped.set_result(by)

    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop_signal, stop, stop_signal)
    # These would end a process that does not know them, and somebody will send one so that settings are read again.
    for other in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        loop.add_signal_handler(other, _LOG.warning, "settings are read at start only; %s does nothing", other.name)
    return stopped


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


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        listener = socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise SettingsError(f"cannot listen on {address}: {why}; give another address by --listen") from None
    # asyncio does this for listeners of its own; without it each answer on a kept connection is some 40 ms late.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
