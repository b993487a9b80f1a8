"""How fast terms become bytes and bytes terms, beside pickle on the same shapes.

pickle is C and trusts its input; ours is Python and counts, limits and checks. So the ratio does not say how good ours
is. It is there because it is nearly the same on a slow and on a fast machine, and a change of ours moves it.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Final

from agent import etf
from agent.terms import FALSE, TRUE, Atom, Map, Pid, Reference, Term

WARDEN: Final = Atom("1PRD6EF1LQH73@127.0.0.1")
NODE: Final = Atom("tai_autonomics@127.0.0.1")
CREATION: Final = 1718000000


def spawn_request() -> Term:
    """What each question begins with: see `agent.control.spawn_request`."""
    heap = Map(
        [
            (Atom("size"), 1_000_000),
            (Atom("kill"), TRUE),
            (Atom("error_logger"), FALSE),
            (Atom("include_shared_binaries"), TRUE),
        ]
    )
    options: list[Term] = [Atom("link"), (Atom("max_heap_size"), heap)]
    own, init = Pid(WARDEN, 1, 0, CREATION), Pid(NODE, 0, 0, CREATION)
    function = (Atom("erpc"), Atom("execute_call"), 4)
    return (29, Reference(WARDEN, CREATION, (1, 0, 0)), own, init, function, options)


def process_info(processes: int) -> Term:
    """``erlang:process_info(Pid, Items)`` of many processes, five items each."""
    return [
        [
            (Atom("memory"), 2_688 + 8 * number),
            (Atom("message_queue_len"), number % 3),
            (Atom("reductions"), 997 * number),
            (Atom("status"), Atom("waiting")),
            (Atom("current_function"), (Atom("gen_server"), Atom("loop"), 7)),
        ]
        for number in range(processes)
    ]


def pids(count: int) -> Term:
    """``erlang:processes()``."""
    return [Pid(NODE, number, 0, CREATION) for number in range(count)]


SHAPES: Final[dict[str, Term]] = {
    "spawn request": spawn_request(),
    "process_info, 7,000 x 5": process_info(7_000),
    "7,000 pids": pids(7_000),
    "50,000 integers": [7_919 * number % (1 << 31) for number in range(50_000)],
    "1,000 binaries of 1 KiB": [number.to_bytes(2, "big") * 512 for number in range(1_000)],
}


@dataclass(frozen=True, slots=True)
class Rate:
    """What one direction came to: median seconds for the whole shape, ours and pickle's."""

    seconds: float
    pickle_seconds: float


@dataclass(frozen=True, slots=True)
class CodecRates:
    """One shape: its size, and both directions."""

    shape: str
    size_bytes: int
    terms: int
    encode: Rate
    decode: Rate


def measure_codec(rounds: int, round_seconds: float) -> list[CodecRates]:
    """Encode and decode each shape, ours and pickle taking turns, for about so long in each turn."""
    return [_measure(shape, term, rounds, round_seconds) for shape, term in SHAPES.items()]


def _measure(shape: str, term: Term, rounds: int, round_seconds: float) -> CodecRates:
    plain = _plain(term)
    encoded, pickled = etf.encode(term), pickle.dumps(plain)
    return CodecRates(
        shape,
        len(encoded),
        _count(term),
        _in_turns(lambda: etf.encode(term), lambda: pickle.dumps(plain), rounds, round_seconds),
        _in_turns(lambda: etf.decode(encoded), lambda: pickle.loads(pickled), rounds, round_seconds),  # noqa: S301  # our own
    )


def _in_turns(ours: Callable[[], object], theirs: Callable[[], object], rounds: int, round_seconds: float) -> Rate:
    pairs = [(_seconds(ours, round_seconds), _seconds(theirs, round_seconds)) for _ in range(rounds)]
    return Rate(median(pair[0] for pair in pairs), median(pair[1] for pair in pairs))


def _seconds(work: Callable[[], object], round_seconds: float) -> float:
    """Return what ``work`` takes once, on average over ``round_seconds``, or over one time if that is longer."""
    times = 0
    start = now = time.perf_counter()
    while times == 0 or now < start + round_seconds:
        work()
        times += 1
        now = time.perf_counter()
    return (now - start) / times


def _plain(term: Term) -> object:
    """Return the same shape of what pickle knows best: an atom is a ``str``, a pid or a reference a tuple."""
    match term:
        case Atom(name=name):
            return name
        case Pid():
            return (term.node.name, term.id, term.serial, term.creation)
        case Reference():
            return (term.node.name, term.creation, term.words)
        case Map():
            return {_plain(key): _plain(value) for key, value in term.items()}
        case list():
            return [_plain(element) for element in term]
        case tuple():
            return tuple(_plain(element) for element in term)
    return term


def _count(term: Term) -> int:
    """Return how many terms there are in one, itself included."""
    match term:
        case Map():
            return 1 + sum(_count(key) + _count(value) for key, value in term.items())
        case list() | tuple():
            return 1 + sum(map(_count, term))
    return 1
