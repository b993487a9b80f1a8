"""Which node is this, and how long has it been up?"""

from __future__ import annotations

from dataclasses import dataclass

from agent.batch import Caller, Question, ask_all, system_info
from agent.errors import UnexpectedAnswer
from agent.terms import Atom, Term, format_term


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What runs there; name and creation are known from the handshake."""

    otp_release: str
    erts_version: str
    uptime_seconds: float


async def ask(caller: Caller, deadline_seconds: float) -> NodeIdentity:
    """Ask for releases and uptime. Cost: a handful of constants.

    Not ``statistics(wall_clock)``: that one resets the "since the last call" half of its answer for everybody.
    """
    questions = (
        system_info("otp_release"),
        system_info("version"),
        Question("erlang", "monotonic_time"),
        system_info("start_time"),
        Question("erlang", "convert_time_unit", (1, Atom("second"), Atom("native"))),
    )
    match await ask_all(caller, questions, deadline_seconds):
        case [list() as otp, list() as erts, int() as now, int() as start, int() as per_second] if per_second > 0:
            return NodeIdentity(_text(otp), _text(erts), (now - start) / per_second)
        case answers:
            shown = ", ".join("nothing" if answer is None else format_term(answer, 40) for answer in answers)
            raise UnexpectedAnswer(f"the node does not say which release it is: {shown}")


def _text(codes: list[Term]) -> str:
    # People read it in a terminal, and a node may say anything.
    if not all(isinstance(code, int) and 32 <= code < 127 for code in codes):
        raise UnexpectedAnswer(f"the node's release is no text: {format_term(codes, 40)}")
    return bytes(codes).decode("ascii")  # type: ignore[arg-type]  # all are integers
