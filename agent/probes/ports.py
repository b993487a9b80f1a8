"""How many ports are there, and which have data waiting that nobody takes?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.probes.sweep import evaluate_over_all
from agent.terms import Port, Term, format_term

TOP: Final = 100  # the most that anybody may ask for
CHUNK: Final = 4_000  # as for processes
WAIT_SECONDS: Final = 0.5  # for all ports together that do not answer at once
HEAP_WORDS_PER_PORT: Final = (
    20  # the list of ports, and for each that does not answer a reference to what it may answer
)

SWEEP: Final = Expression.load("ports")


@dataclass(frozen=True, slots=True)
class PortRow:
    """One port: a socket, a file descriptor, a program outside.

    ``id`` is printed as Erlang does: ``#Port<0.5>``. ``name`` is that of its driver (``tcp_inet``), or the program that
    it runs, without arguments: these may be secret. ``owner`` is the pid of the process that it is connected to.
    ``queue_bytes`` wait inside for the outside to take them. ``input_bytes`` and ``output_bytes`` are what was read
    and written so far.
    """

    id: str
    name: str
    owner: str
    owner_name: str | None
    queue_bytes: int
    input_bytes: int
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Ports:
    """All ports together, and those with the longest queues, the longest first.

    Sockets of OTP's ``socket`` module are no ports. A port that was closed while it was looked at is in no row.
    ``not_answering`` are ids of ports whose driver does not let go of them: nothing is known of these, and ``left_out``
    says how many there are.
    """

    count: int
    limit: int
    queue_bytes: int
    by_queue: tuple[PortRow, ...]
    not_answering: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every port was looked at."""
        return not self.left_out


async def ask(shell: Shell, deadline_seconds: float) -> Ports:
    """Look at the queue of every port.

    Cost: 1 us for each port, and up to half a second of waiting when one is at work or hangs. A port answers when its
    driver lets go of it (``erts_port_info`` in OTP's ``io.c``).
    """
    answer = await evaluate_over_all(
        shell,
        "port_count",
        SWEEP,
        {"K": TOP, "Chunk": CHUNK, "Wait_milliseconds": round(WAIT_SECONDS * 1000)},
        deadline_seconds,
        heap_words_for_each=HEAP_WORDS_PER_PORT,
    )
    match answer.value:
        case (count, limit, queue_bytes, silent, list() as silent_ones, list() as found):
            return Ports(
                count=rows.count(count),
                limit=rows.count(limit),
                queue_bytes=rows.count(queue_bytes),
                by_queue=tuple(sorted(map(_read, found), key=_order)[:TOP]),
                not_answering=tuple(map(_id, silent_ones[:TOP])),
                left_out=_left_out(rows.count(silent)),
            )
    raise UnexpectedAnswer("the node gives something else for its ports than was asked for")


def _read(term: Term) -> PortRow:
    match term:
        case (port, name, owner, owner_name, queue_bytes, input_bytes, output_bytes):
            return PortRow(
                id=_id(port),
                name=rows.text(name),
                owner=rows.pid(owner),
                owner_name=rows.name(owner_name),
                queue_bytes=rows.count(queue_bytes),
                input_bytes=rows.count(input_bytes),
                output_bytes=rows.count(output_bytes),
            )
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for a port")


def _id(term: Term) -> str:
    if isinstance(term, Port):
        return format_term(term)
    raise UnexpectedAnswer(f"the node gives {format_term(term, 80)} for a port")


def _order(row: PortRow) -> tuple[int, int, str]:
    return -row.queue_bytes, len(row.id), row.id


def _left_out(silent: int) -> tuple[str, ...]:
    if not silent:
        return ()
    return (f"ports that gave no answer within {WAIT_SECONDS:g} s, as a driver is at work in them or hangs: {silent}",)
