"""Erlang expressions that run on the node as they are: nothing is compiled, nothing is loaded but OTP's own evaluator.

An expression is a file beside the probe that asks it. The first time it is asked over a connection the node itself
reads it (``erl_scan``, ``erl_parse``); each time it is evaluated (``erl_eval``) in a guarded worker. So one round trip
answers, and only what the expression gives crosses the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final, Protocol, Self, cast

from agent.batch import Caller
from agent.errors import CannotEvaluate, LocalProtocolError, UnexpectedAnswer
from agent.etf import Fragment
from agent.rpc import DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_HEAP_WORDS
from agent.terms import Atom, Map, Term

PARSE_SECONDS: Final = 5.0  # for either step: 50 lines take 10 ms; the first ones wait for the parser to be loaded

# In a fun, since erl_eval would send every variable back. It measures itself: what a worker costs only it can know.
# An expression that pauses puts for how long into its worker's dictionary.
_WRAPPED: Final = """(fun() ->
Beamwarden_started = erlang:monotonic_time(microsecond),
Beamwarden_value = (fun() ->
{body}
end)(),
{{_, Beamwarden_reductions}} = erlang:process_info(erlang:self(), reductions),
Beamwarden_paused = case erlang:get(paused_microseconds) of undefined -> 0; Beamwarden_pause -> Beamwarden_pause end,
Beamwarden_elapsed = erlang:monotonic_time(microsecond) - Beamwarden_started,
{{Beamwarden_elapsed - Beamwarden_paused, Beamwarden_reductions, Beamwarden_value}}
end)().
"""
_LINES_BEFORE_BODY: Final = 3
_OK: Final = Atom("ok")
_VALUE: Final = Atom("value")


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression: Erlang as an engineer would type it, without the dot at its end. It may use its bindings."""

    name: str
    body: str

    @classmethod
    def load(cls, *names: str) -> Self:
        """Read ``NAME.expr``, after those that define what it needs. The last name is the expression's.

        It stands in ``agent/probes``, or in ``agent/actions`` where that is said: ``actions/restart``.
        """
        files = resources.files("agent")
        paths = [f"{name}.expr" if "/" in name else f"probes/{name}.expr" for name in names]
        return cls(names[-1], ",\n".join(files.joinpath(path).read_text(encoding="utf-8") for path in paths))

    @property
    def source(self) -> str:
        """What the node reads: the expression, and around it what measures it."""
        return _WRAPPED.format(body=self.body)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an expression gave, and what its worker spent: the time from its start to its end, its pauses left out."""

    value: Term
    worker_seconds: float
    reductions: int


class Call(Protocol):
    """`agent.rpc.Calls.call`."""

    async def __call__(  # noqa: PLR0913  # three of them, and the rest by name
        self,
        module: str,
        function: str,
        arguments: Sequence[Term],
        *,
        deadline_seconds: float,
        max_heap_words: int = ...,
        max_answer_bytes: int = ...,
        is_sweep: bool = ...,
    ) -> Term:
        """Apply a function on the node."""
        ...


class Shell(Caller, Protocol):
    """Whatever can ask a node all that we ask: a `Session`, or a fake in a test."""

    async def evaluate(
        self,
        expression: Expression,
        bindings: Mapping[str, Term],
        *,
        deadline_seconds: float,
        max_heap_words: int = ...,
        max_answer_bytes: int = ...,
        is_sweep: bool = ...,
    ) -> Evaluated:
        """Evaluate an expression on the node: see `Evaluator.evaluate`."""
        ...


class DetachedCall(Protocol):
    """`agent.rpc.Calls.call_detached`."""

    async def __call__(self, module: str, function: str, arguments: Sequence[Term], *, deadline_seconds: float) -> Term:
        """Apply a function on the node, in a worker that goes on whatever happens to us."""
        ...


class ActingShell(Shell, Protocol):
    """Whatever can also change something on a node: a `Session`, or a fake in a test."""

    async def evaluate_detached(
        self, expression: Expression, bindings: Mapping[str, Term], *, deadline_seconds: float
    ) -> Evaluated:
        """Evaluate an expression that changes something: see `Evaluator.evaluate_detached`."""
        ...


class Evaluator:
    """The expressions of one connection, as the node has read them."""

    def __init__(self, call: Call, call_detached: DetachedCall) -> None:
        self.is_there: bool | None = None  # whether the node has what is needed, once the pre-flight knows
        self._call = call
        self._call_detached = call_detached
        self._forms: dict[Expression, Fragment] = {}

    async def evaluate(
        self,
        expression: Expression,
        bindings: Mapping[str, Term],
        *,
        deadline_seconds: float,
        max_heap_words: int = DEFAULT_MAX_HEAP_WORDS,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
        is_sweep: bool = False,
    ) -> Evaluated:
        """Evaluate an expression on the node; reading it there, the first time, is within the deadline.

        Text from outside travels in ``bindings`` only, and there as binaries: what stands in the source becomes atoms.
        Raises what `agent.rpc.Calls.call` raises; `CannotEvaluate` when the node lacks stdlib's evaluator.
        """
        clock = asyncio.get_running_loop().time
        too_late = clock() + deadline_seconds
        answer = await self._call(
            "erl_eval",
            "exprs",
            await self._arguments(expression, bindings, deadline_seconds),
            deadline_seconds=too_late - clock(),
            max_heap_words=max_heap_words,
            max_answer_bytes=max_answer_bytes,
            is_sweep=is_sweep,
        )
        return self._read(expression, answer)

    async def evaluate_detached(
        self, expression: Expression, bindings: Mapping[str, Term], *, deadline_seconds: float
    ) -> Evaluated:
        """Evaluate an expression that changes something, in a worker that goes on whatever happens to us.

        Raises what `agent.rpc.Calls.call_detached` raises, and what `evaluate` does before anything was changed.
        """
        clock = asyncio.get_running_loop().time
        too_late = clock() + deadline_seconds
        arguments = await self._arguments(expression, bindings, deadline_seconds)
        answer = await self._call_detached("erl_eval", "exprs", arguments, deadline_seconds=too_late - clock())
        return self._read(expression, answer)

    async def _arguments(
        self, expression: Expression, bindings: Mapping[str, Term], deadline_seconds: float
    ) -> list[Term]:
        forms = self._forms.get(expression)
        if forms is None:
            forms = self._forms[expression] = await self._parse(expression, min(PARSE_SECONDS, deadline_seconds / 2))
        # A Fragment stands for the term that it is, wherever one is sent. A map, not the
        # list of pairs that erl_eval takes too: with that it is four times slower at each argument of a call.
        return [cast("Term", forms), Map((Atom(name), value) for name, value in bindings.items())]

    @staticmethod
    def _read(expression: Expression, answer: Term) -> Evaluated:
        match answer:
            case (tag, (int() as microseconds, int() as reductions, value), _bindings) if tag == _VALUE:
                if 0 <= microseconds < 1 << 53 and 0 <= reductions < 1 << 63:
                    return Evaluated(value, microseconds / 1e6, reductions)
        raise UnexpectedAnswer(f"the expression {expression.name} gave something of a shape that we do not know")

    async def _parse(self, expression: Expression, step_seconds: float) -> Fragment:
        if self.is_there is False:
            raise CannotEvaluate(
                "stdlib's erl_scan, erl_parse and erl_eval are not loaded on the node, and it cannot load them now"
            )
        source: list[Term] = [ord(character) for character in expression.source]
        scanned = await self._call("erl_scan", "string", [source], deadline_seconds=step_seconds)
        match scanned:
            case (tag, list() as tokens, _end) if tag == _OK:
                parsed = await self._call("erl_parse", "parse_exprs", [tokens], deadline_seconds=step_seconds)
            case _:
                raise self._refused(expression, scanned)
        match parsed:
            case (tag, list() as forms) if tag == _OK:
                return Fragment.of(forms)
        raise self._refused(expression, parsed)

    @staticmethod
    def _refused(expression: Expression, answer: Term) -> LocalProtocolError:
        match answer:
            case (_, (int() as line, Atom(name=module), _what), *_rest):
                where = f"line {line - _LINES_BEFORE_BODY}, says {module}"
            case _:
                where = "with an answer of a shape that we do not know"
        return LocalProtocolError(f"the node does not understand the expression {expression.name}: {where}")
