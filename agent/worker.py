"""What a question's worker runs on the node, and what the reason of its end means.

There are two forms. `ERPC` is ``erpc:execute_call/4``, OTP's own since 23, which catches what the function raises. A
node that loads its modules lazily loads erpc for it, once, by its code server.

`PLAIN` is for a node whose code server hangs before that has happened. It needs nothing but ``erlang`` and ``lists``,
without which no node runs::

    lists:foldl(fun erlang:apply/2, A, [fun lists:zipwith3/4, fun erlang:exit/1])

applies zipwith3 to the list A, and exit to the list that zipwith3 gives, which has one element; A makes that the pair
of our reference and the answer. What the function raises is not caught: the node logs it as a crash. So this form is
for functions that do not raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from agent.errors import RemoteError, WorkerDied
from agent.terms import Atom, ExportFun, Reference, Term, format_term

_LISTS: Final = Atom("lists")
_ERLANG: Final = Atom("erlang")
_EXIT: Final = Atom("exit")
_ERROR: Final = Atom("error")
_KILLED: Final = Atom("killed")
_RETURN: Final = Atom("return")
_CLASSES: Final = frozenset({_ERROR, _EXIT, Atom("throw")})


class Form(Protocol):
    """One way to have a function applied and to get its value as an exit reason."""

    @property
    def function(self) -> tuple[Atom, Atom]:
        """What the worker is started with: module and name."""
        ...

    def arguments(self, request: Reference, module: str, function: str, arguments: Sequence[Term]) -> list[Term]:
        """Return its arguments."""
        ...

    def read(self, request: Reference, reason: Term) -> Term:
        """Return the value out of an exit reason. Raises `RemoteError` and `WorkerDied`."""
        ...


class _Erpc:
    function: Final = (Atom("erpc"), Atom("execute_call"))

    def arguments(self, request: Reference, module: str, function: str, arguments: Sequence[Term]) -> list[Term]:
        return [request, Atom(module), Atom(function), list(arguments)]

    def read(self, request: Reference, reason: Term) -> Term:
        # An error comes with a stack, or without one when erpc itself refused the arguments.
        match reason:
            case (ref, outcome, value) if ref == request and outcome == _RETURN:
                return value
            case (ref, Atom() as outcome, value, *stack) if ref == request and outcome in _CLASSES:
                raise RemoteError(outcome, value, *stack[:1])
        raise _died(reason)


class _Plain:
    function: Final = (_LISTS, Atom("foldl"))

    def arguments(self, request: Reference, module: str, function: str, arguments: Sequence[Term]) -> list[Term]:
        apply = ExportFun(_ERLANG, Atom("apply"), 3)
        # hd([Ref]) is Ref: applied beside the question, so that the pair of both is the outcome.
        pair: list[Term] = [
            apply,
            [_ERLANG, Atom(module)],
            [Atom("hd"), Atom(function)],
            [[[request]], list(arguments)],
        ]
        once: list[Term] = [apply, [_LISTS], [Atom("zipwith3")], [pair]]
        steps: list[Term] = [ExportFun(_LISTS, Atom("zipwith3"), 4), ExportFun(_ERLANG, _EXIT, 1)]
        return [ExportFun(_ERLANG, Atom("apply"), 2), once, steps]

    def read(self, request: Reference, reason: Term) -> Term:
        match reason:
            case [ref, value] if ref == request:
                return value
            case (raised, list() as stack):
                raise RemoteError(_ERROR, raised, stack)
        raise _died(reason)


ERPC: Final[Form] = _Erpc()
PLAIN: Final[Form] = _Plain()


def _died(reason: Term) -> WorkerDied:
    if reason == _KILLED:
        return WorkerDied("the question's worker was killed on the node: it met its heap limit, or somebody's kill")
    return WorkerDied(f"the question's worker ended on the node without an answer: {format_term(reason)}")
