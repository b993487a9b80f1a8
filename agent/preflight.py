"""What a node offers, asked once when we have connected, before anybody else asks: which questions can it answer?

An ill node may be ill in the very parts that answering needs. A code server that hangs, say, holds up whoever needs a
module that is not loaded yet: without looking first, each question would wait in vain for its deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent.batch import Question, ask_all, system_info
from agent.errors import CallError, DeadlineExceeded, IncompatiblePeer
from agent.session import Session
from agent.terms import TRUE, Atom, Term
from agent.ticks import DEFAULT_TICKS, MAX_INTENSITY, MAX_NET_TICKTIME_SECONDS, MIN_INTENSITY, Ticks
from agent.worker import ERPC, PLAIN

PREFLIGHT_SECONDS: Final = 2.0  # for each of its questions; those that may hang are asked at the same time
OLDEST_OTP: Final = 25

_EVALUATOR: Final = ("erl_scan", "erl_parse", "erl_eval")  # stdlib's: what runs an expression
_INTERACTIVE: Final = Atom("interactive")
_NON_EXISTING: Final = Atom("non_existing")


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a node offers. None: not known, since it did not say; ``why_unknown`` has the reason.

    ``has_erpc`` False: it is asked without (`agent.worker.PLAIN`), since it could not load it. ``can_evaluate`` says
    whether stdlib's evaluator of expressions is loaded, or can be.
    """

    otp_release: int | None = None
    code_server_answers: bool | None = None
    has_erpc: bool | None = None
    can_evaluate: bool | None = None
    ticks: Ticks = DEFAULT_TICKS
    why_unknown: str | None = None

    @property
    def trouble(self) -> str | None:
        """What is missing, for a person, as the rest of a sentence about the node; None when nothing is."""
        if self.why_unknown is not None:
            return f"it does not say what it offers: {self.why_unknown}"
        if self.code_server_answers is False:
            return "its code server does not answer: what needs a module that is not loaded yet gets no answer"
        if self.has_erpc is False:
            return "it cannot load OTP's erpc: a question that fails there leaves a line in its log"
        if self.can_evaluate is False:
            return "it has not all of stdlib's erl_scan, erl_parse and erl_eval: expressions cannot be evaluated there"
        return None


_UNKNOWN: Final = Preflight()


async def check(session: Session, before: Preflight = _UNKNOWN) -> Preflight:
    """Find out what the node offers, and set the session up for it. Raises `IncompatiblePeer` and `ConnectionLost`.

    ``before`` is what was found the last time; what gets no answer now is as it was then. Others may be asking already.

    Takes a few milliseconds, and some `PREFLIGHT_SECONDS` where something hangs. Cost on the node: four short
    questions, one of them to its net_kernel and one to its code server; erpc is loaded if it is not.
    """
    if not before.has_erpc:
        session.ask_by(PLAIN)  # until we know that erpc is there; none of these functions raises
    loaded = [Question("erlang", "module_loaded", (Atom(module),)) for module in ("erpc", *_EVALUATOR)]
    constants, root_dir, ticks = await asyncio.gather(
        _ask_several(session, (system_info("otp_release"), *loaded)),
        _ask(session, Question("code", "root_dir")),  # one of those that its code server still answers itself in OTP 28
        ask_ticks(session, before.ticks),
    )
    session.set_ticks(ticks)
    if isinstance(constants, CallError):
        session.ask_by(PLAIN if before.has_erpc is False else ERPC)
        return replace(before, ticks=ticks, why_unknown=str(constants))
    release, has_erpc, *has_evaluator = constants
    found = replace(
        before,
        otp_release=_parse_release(release, session),
        code_server_answers=_answers(root_dir),
        ticks=ticks,
        why_unknown=None if _answers(root_dir) is not None else str(root_dir),
    )
    found = replace(found, has_erpc=has_erpc == TRUE or (found.code_server_answers and await _load_erpc(session)))
    session.ask_by(PLAIN if found.has_erpc is False else ERPC)
    is_loaded = all(answer == TRUE for answer in has_evaluator)
    can_evaluate = is_loaded or (found.code_server_answers and await _can_load_evaluator(session))
    session.set_evaluator(is_there=can_evaluate)
    return replace(found, can_evaluate=can_evaluate)


async def ask_ticks(session: Session, known: Ticks = DEFAULT_TICKS) -> Ticks:
    """Ask for the node's two settings of ticks; what it does not say is as it is ``known``.

    Cost on the node: a look at its configuration, and a message to net_kernel. Raises `ConnectionLost`.
    """
    time, intensity = await asyncio.gather(
        _ask(session, Question("net_kernel", "get_net_ticktime")),
        # What net_kernel:start/2 was given instead is in net_kernel's state alone. It decides only how early we tick.
        _ask(session, Question("application", "get_env", (Atom("kernel"), Atom("net_tickintensity")))),
    )
    seconds = time[1] if isinstance(time, tuple) and len(time) == 2 else time  # {ongoing_change_to, Seconds}
    per_ticktime = intensity[1] if isinstance(intensity, tuple) and len(intensity) == 2 else None  # {ok, Intensity}
    ticks = known
    if isinstance(seconds, int) and seconds > 0:
        ticks = replace(ticks, net_ticktime_seconds=float(min(seconds, MAX_NET_TICKTIME_SECONDS)))
    if isinstance(per_ticktime, int):
        ticks = replace(ticks, intensity=min(max(per_ticktime, MIN_INTENSITY), MAX_INTENSITY))
    return ticks


def _answers(answer: Term | CallError | None) -> bool | None:
    """Whether a process that was asked answers: one that hangs lets the deadline pass, other errors say nothing."""
    if isinstance(answer, DeadlineExceeded):
        return False
    return None if isinstance(answer, CallError) else True


async def _load_erpc(session: Session) -> bool:
    return await _ask(session, Question("code", "ensure_loaded", (Atom("erpc"),))) == (Atom("module"), Atom("erpc"))


async def _can_load_evaluator(session: Session) -> bool | None:
    """Whether a call would load the modules: a node in embedded mode loads nothing after its start."""
    questions = [Question("code", "get_mode"), *(Question("code", "which", (Atom(module),)) for module in _EVALUATOR)]
    answers = await _ask_several(session, questions)
    if isinstance(answers, CallError):
        return None
    mode, *found = answers
    return mode == _INTERACTIVE and all(where not in (None, _NON_EXISTING) for where in found)


async def _ask_several(session: Session, questions: Sequence[Question]) -> Sequence[Term | None] | CallError:
    try:
        return await ask_all(session, questions, PREFLIGHT_SECONDS)
    except CallError as error:
        error.__context__ = None
        return error.with_traceback(None)


async def _ask(session: Session, question: Question) -> Term | CallError | None:
    answers = await _ask_several(session, [question])
    return answers if isinstance(answers, CallError) else answers[0]


def _parse_release(answer: Term | None, session: Session) -> int | None:
    try:
        release = int(bytes(answer)) if isinstance(answer, list) else None  # type: ignore[arg-type]  # else TypeError
    except (TypeError, ValueError):
        return None
    if release is not None and release < OLDEST_OTP:
        raise IncompatiblePeer(
            f"{session.peer.name} runs OTP {release}. Nodes from OTP {OLDEST_OTP} on can be watched: upgrade it"
        )
    return release
