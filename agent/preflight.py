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
from agent.errors import CallError, IncompatiblePeer
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
    """What a node offers. ``otp_release`` None: it did not say.

    ``has_erpc`` False: it is asked without (`agent.worker.PLAIN`), since it could not load it. ``can_evaluate`` says
    whether stdlib's evaluator of expressions is loaded, or can be.
    """

    otp_release: int | None
    code_server_answers: bool
    has_erpc: bool
    can_evaluate: bool
    ticks: Ticks

    @property
    def trouble(self) -> str | None:
        """What is missing, for a person, as the rest of a sentence about the node; None when nothing is."""
        if not self.code_server_answers:
            return "its code server does not answer: what needs a module that is not loaded yet gets no answer"
        if not self.has_erpc:
            return "it cannot load OTP's erpc: a question that fails there leaves a line in its log"
        if not self.can_evaluate:
            return "it has not all of stdlib's erl_scan, erl_parse and erl_eval: expressions cannot be evaluated there"
        return None


async def check(session: Session, before: Preflight | None = None) -> Preflight:
    """Find out what the node offers, and set the session up for it. Raises `IncompatiblePeer` and `ConnectionLost`.

    ``before`` is what was found the last time. Others may be asking already then.

    Takes a few milliseconds, and at most three times `PREFLIGHT_SECONDS` where something hangs. Cost on the node: five
    short questions, one of them to its net_kernel and a few to its code server; erpc is loaded if it is not.
    """
    if before is None or not before.has_erpc:
        session.ask_by(PLAIN)  # until we know that erpc is there; none of these functions raises
    loaded = [Question("erlang", "module_loaded", (Atom(module),)) for module in ("erpc", *_EVALUATOR)]
    constants, root_dir, ticks = await asyncio.gather(
        _ask_several(session, (system_info("otp_release"), *loaded)),
        _ask(session, Question("code", "root_dir")),  # one of those that its code server still answers itself in OTP 28
        ask_ticks(session, DEFAULT_TICKS if before is None else before.ticks),
    )
    otp_release = _parse_release(constants[0])
    if otp_release is not None and otp_release < OLDEST_OTP:
        raise IncompatiblePeer(
            f"{session.peer.name} runs OTP {otp_release}. Nodes from OTP {OLDEST_OTP} on can be watched: upgrade it"
        )
    has_erpc, *has_evaluator = (answer == TRUE for answer in constants[1:])
    code_server_answers = root_dir is not None
    if not has_erpc and code_server_answers:
        module = await _ask(session, Question("code", "ensure_loaded", (Atom("erpc"),)))
        has_erpc = module == (Atom("module"), Atom("erpc"))
    if has_erpc:
        session.ask_by(ERPC)
    session.set_ticks(ticks)
    can_evaluate = all(has_evaluator) or (code_server_answers and await _can_load_evaluator(session))
    return Preflight(otp_release, code_server_answers, has_erpc, can_evaluate, ticks)


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


async def _can_load_evaluator(session: Session) -> bool:
    """Whether a call would load the modules: a node in embedded mode loads nothing after its start."""
    questions = [Question("code", "get_mode"), *(Question("code", "which", (Atom(module),)) for module in _EVALUATOR)]
    mode, *found = await _ask_several(session, questions)
    return mode == _INTERACTIVE and all(where not in (None, _NON_EXISTING) for where in found)


async def _ask_several(session: Session, questions: Sequence[Question]) -> Sequence[Term | None]:
    try:
        return await ask_all(session, questions, PREFLIGHT_SECONDS)
    except CallError:
        return [None] * len(questions)


async def _ask(session: Session, question: Question) -> Term | None:
    return (await _ask_several(session, [question]))[0]


def _parse_release(answer: Term | None) -> int | None:
    try:
        return int(bytes(answer)) if isinstance(answer, list) else None  # type: ignore[arg-type]  # else TypeError
    except (TypeError, ValueError):
        return None
