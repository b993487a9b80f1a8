"""Questions in flight on one connection: each runs in a worker process of its own on the node, and always ends.

A call is one SPAWN_REQUEST of a function that OTP has (`agent.worker`): nothing of ours is loaded. The worker ends by
exiting with its answer as the reason. There are two ways to ask:

`Calls.call` asks. The worker is linked to us, so it dies with our connection; it has a heap limit; and we kill it
when the deadline passes or the caller is cancelled. Nobody's mailbox is used, so nothing can be left in one.

`Calls.call_detached` changes things. The worker is monitored, not linked, and has no limits: killed half-way, it
would do the harm itself. When we stop waiting, it goes on.

Both take the node's ``init`` as group leader. With a process of ours, whatever the called code prints or logs would
be sent to us, and a printing worker would wait for our answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from agent import control, etf
from agent.errors import (
    AnswerTooLarge,
    ConnectionLost,
    DeadlineExceeded,
    DecodeError,
    LimitExceeded,
    LocalProtocolError,
    SpawnRefused,
    TooManyQuestions,
    UnexpectedAnswer,
)
from agent.limits import DEFAULT_LIMITS, Limits
from agent.terms import FALSE, TRUE, Atom, Map, Pid, Reference, Term, format_term
from agent.worker import ERPC, Form

DEFAULT_MAX_HEAP_WORDS: Final = 1_000_000  # 8 MB, for a question that looks at a handful of counters
DEFAULT_MAX_ANSWER_BYTES: Final = 1024 * 1024
MAX_REPORT_BYTES: Final = 8 * 1024 * 1024  # of what a worker has changed: that has happened, and has to be told
MAX_IN_FLIGHT: Final = 4096  # each costs a process on the node, one that hangs also when its asker has given up
INLINE_DECODE_BYTES: Final = 16 * 1024  # some milliseconds of work; anything above is decoded in a thread

_KILL: Final = Atom("kill")
MAX_TERMS_PER_BYTE: Final = 4  # no term that is read in place counts for more (`agent.etf`), but one made to be slow

# Each connection has one answer decoded at a time, since terms take many times their bytes. Two threads, so that one
# node that keeps one of them busy does not hold up the others; not more, as each keeps some freed memory for itself.
_DECODER: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="decode")


@dataclass(slots=True)
class _Worker:
    """One question: asked, then running under a pid, then ended. ``outcome`` is the reason that it ended with."""

    request: Reference
    form: Form
    outcome: asyncio.Future[control.Encoded]
    is_detached: bool
    pid: Pid | None = None
    is_abandoned: bool = False
    kept_bytes: int = 0  # of its answer, until the asker has read it


@lru_cache(maxsize=16)  # these options are half of a small question, and nearly always the same
def _guarded(max_heap_words: int, *, is_sweep: bool) -> etf.Fragment:
    """The options of a worker that dies with us, and of too large a heap."""
    # include_shared_binaries: OTP 27 and later count binaries outside the heap too; earlier ones ignore the key.
    heap = Map(
        [
            (Atom("size"), max_heap_words),
            (_KILL, TRUE),
            (Atom("error_logger"), FALSE),
            (Atom("include_shared_binaries"), TRUE),
        ]
    )
    options: list[Term] = [Atom("link"), (Atom("max_heap_size"), heap)]
    if is_sweep:  # what it looks at goes first: on a saturated node a sweep waits, and nothing waits for it
        options.append((Atom("priority"), Atom("low")))
    return etf.Fragment.of(options)


class Calls:
    """The calls of one connection. The shell hands in what arrives, by `receive` and `lost`."""

    def __init__(
        self, own: Pid, peer_init: Pid, send: Callable[[control.Outgoing], None], limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self.form: Form = ERPC
        self._own = own
        self._peer_init = peer_init
        self._send = send
        self._limits = limits
        self._waiting_bytes = 0  # of answers that have come and are not decoded yet
        self._turn = asyncio.Lock()  # to have an answer decoded in the thread, which does one of ours at a time
        self._asked: dict[Reference, _Worker] = {}  # all that have not ended
        self._running: dict[Pid, _Worker] = {}  # those of them that the node has started
        self._sequence = 0
        self._lost: ConnectionLost | None = None

    async def call(  # noqa: PLR0913  # three of them, and the rest by name
        self,
        module: str,
        function: str,
        arguments: Sequence[Term],
        *,
        deadline_seconds: float,
        max_heap_words: int = DEFAULT_MAX_HEAP_WORDS,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
        is_sweep: bool = False,
    ) -> Term:
        """Apply a function on the node and return its value.

        The worker is killed when the deadline passes, when we are cancelled, when it needs more than
        ``max_heap_words``, and when the connection ends, for whatever cause. ``is_sweep`` runs it at low priority.
        Cost on the node: one process.

        Raises `RemoteError` when the function raises, another `CallError` when there is no answer, `ConnectionLost`
        when the connection ends, `LocalProtocolError` when the arguments cannot be sent.
        """
        options = _guarded(max_heap_words, is_sweep=is_sweep)
        worker = self._spawn(module, function, arguments, options, is_detached=False)
        try:
            async with asyncio.timeout(deadline_seconds):
                return await self._read_answer(worker, await worker.outcome, max_answer_bytes)
        except TimeoutError:
            raise DeadlineExceeded(f"{module}:{function} gave no answer within {deadline_seconds:g} s") from None
        finally:
            self._abandon(worker)

    async def call_detached(
        self, module: str, function: str, arguments: Sequence[Term], *, deadline_seconds: float
    ) -> Term:
        """Apply a function on the node in a worker that goes on whatever happens to us, and return its value.

        ``deadline_seconds`` ends our waiting, not the worker: after `DeadlineExceeded`, `ConnectionLost` or a
        cancellation it is not known whether the function was, is or will be run. Raises what `call` raises.
        """
        # 0 is no limit, also where the node was started with one for all processes (erl +hmax).
        options: list[Term] = [Atom("monitor"), (Atom("max_heap_size"), 0)]
        worker = self._spawn(module, function, arguments, options, is_detached=True)
        try:
            async with asyncio.timeout(deadline_seconds):
                return await self._read_answer(worker, await worker.outcome, MAX_REPORT_BYTES)
        except TimeoutError:
            raise DeadlineExceeded(
                f"{module}:{function} has not ended within {deadline_seconds:g} s and goes on; its outcome is unknown"
            ) from None
        finally:
            self._abandon(worker)

    def receive(self, message: control.SpawnReply | control.Exit | control.MonitorExit) -> bool:
        """Take a message that concerns a call; False when it concerns none of ours."""
        if isinstance(message, control.SpawnReply):
            return self._started(message)
        if isinstance(message, control.Exit):
            worker = self._running.get(message.sender)
        else:
            worker = self._asked.get(message.reference)
        if worker is None:
            return False
        self._ended(worker)
        if not worker.outcome.done():
            self._take(worker, message.reason)
        return True

    def lost(self, error: ConnectionLost) -> None:
        """Give everybody who waits this error; nothing can be asked any more."""
        self._lost = error
        for worker in self._asked.values():
            if not worker.outcome.done():
                worker.outcome.set_exception(error)
        self._asked.clear()
        self._running.clear()

    def _spawn(
        self,
        module: str,
        function: str,
        arguments: Sequence[Term],
        options: list[Term] | etf.Fragment,
        *,
        is_detached: bool,
    ) -> _Worker:
        if self._lost is not None:
            raise self._lost.with_traceback(None)  # or each raise would add its frames to the last one's
        if len(self._asked) >= MAX_IN_FLIGHT:
            raise TooManyQuestions(f"{MAX_IN_FLIGHT} questions wait for the node already; it seems to hang")
        request = self._next_reference()
        form = self.form
        wrapped = form.arguments(request, module, function, arguments)
        worker = _Worker(request, form, asyncio.get_running_loop().create_future(), is_detached)
        self._asked[request] = worker  # before sending, which may be what loses the connection
        is_sent = False
        try:
            self._send(control.spawn_request(request, self._own, self._peer_init, form.function, wrapped, options))
            is_sent = True
        finally:
            if not is_sent:
                self._ended(worker)
        return worker

    def _next_reference(self) -> Reference:
        self._sequence += 1
        # erl_ext_dist, NEW_REFERENCE_EXT: of the first word 18 bits are significant. Later formats do not say so.
        return Reference(self._own.node, self._own.creation, (self._sequence & 0x3FFFF, self._sequence >> 18, 0))

    def _started(self, reply: control.SpawnReply) -> bool:
        worker = self._asked.get(reply.request)
        if worker is None or worker.pid is not None:
            return False
        if isinstance(reply.result, Atom):
            self._ended(worker)
            if not worker.outcome.done():
                why = format_term(reply.result)
                worker.outcome.set_exception(SpawnRefused(f"the node would not start a worker: {why}"))
            return True
        worker.pid = reply.result
        self._running[reply.result] = worker
        if worker.is_abandoned:
            self._let_go(worker, reply.result)
        return True

    def _abandon(self, worker: _Worker) -> None:
        """Nobody waits for this worker any more: if it has not ended, end it, or let it go when it is detached."""
        self._waiting_bytes -= worker.kept_bytes
        if worker.outcome.done() and not worker.outcome.cancelled():
            worker.outcome.exception()  # looked at, or asyncio would complain that nobody did
        if worker.request not in self._asked:
            return
        worker.outcome.cancel()
        worker.is_abandoned = True
        if worker.pid is not None:
            self._let_go(worker, worker.pid)

    def _let_go(self, worker: _Worker, pid: Pid) -> None:
        if worker.is_detached:
            self._ended(worker)
            message = control.demonitor(self._own, pid, worker.request)
        else:
            message = control.exit_signal(self._own, pid, _KILL)
        with contextlib.suppress(LocalProtocolError):  # the connection has just ended, and workers with it
            self._send(message)

    def _ended(self, worker: _Worker) -> None:
        self._asked.pop(worker.request, None)
        if worker.pid is not None:
            self._running.pop(worker.pid, None)

    def _take(self, worker: _Worker, reason: control.Encoded) -> None:
        """Keep an answer until its asker takes it, if there is room."""
        if self._waiting_bytes + len(reason.frame) > self._limits.max_waiting_bytes:
            worker.outcome.set_exception(
                AnswerTooLarge(f"the answer has {reason.size_bytes} bytes, too many beside others that wait to be read")
            )
            return
        worker.kept_bytes = len(reason.frame)
        self._waiting_bytes += worker.kept_bytes
        worker.outcome.set_result(reason)

    async def _read_answer(self, worker: _Worker, reason: control.Encoded, max_bytes: int) -> Term:
        if reason.size_bytes > max_bytes:
            raise AnswerTooLarge(
                f"the answer has {reason.size_bytes} bytes, more than the {max_bytes} that were allowed"
            )
        max_terms = min(self._limits.max_terms, MAX_TERMS_PER_BYTE * reason.size_bytes)
        limits = etf.Limits(max_bytes=max_bytes, max_terms=max_terms)
        if reason.size_bytes <= INLINE_DECODE_BYTES:
            outcome = _decode(reason, limits)
        else:
            outcome = await self._decode_in_thread(worker, reason, limits)
        if isinstance(outcome, LimitExceeded):
            raise AnswerTooLarge(f"the answer takes more memory than it may: {outcome}")
        if isinstance(outcome, DecodeError):
            raise UnexpectedAnswer(f"the answer cannot be read: {outcome}")
        return worker.form.read(worker.request, outcome)

    async def _decode_in_thread(
        self, worker: _Worker, reason: control.Encoded, limits: etf.Limits
    ) -> Term | DecodeError:
        """Decode a large answer. A thread does not make it faster; it lets ticks and other answers through meanwhile.

        It cannot be stopped: when the asker gives up, the answer counts as waiting until the thread is done with it.
        """
        await self._turn.acquire()
        decoding = asyncio.get_running_loop().run_in_executor(_DECODER, _decode, reason, limits)
        kept_bytes, worker.kept_bytes = worker.kept_bytes, 0

        def done(_decoded: object) -> None:
            self._waiting_bytes -= kept_bytes
            self._turn.release()

        decoding.add_done_callback(done)
        return await asyncio.shield(decoding)


def _decode(reason: control.Encoded, limits: etf.Limits) -> Term | DecodeError:
    """Decode an answer; return the error of one that cannot be read.

    Not raised: its traceback would hold all that was decoded so far, for as long as anybody holds the error, and a
    future and the frame that waits for it hold each other until the garbage collector comes by.
    """
    try:
        return reason.decode(limits)
    except DecodeError as error:
        return type(error)(str(error))
