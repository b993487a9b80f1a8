"""How are the governors: the workers below the supervisors that hold them?

How old is a governor? Erlang does not keep when a process was started, neither for ``process_info/2`` nor anywhere
else (OTP 25 to 28). What can be known is when *we* first saw its pid, and that the answer before did not have it: who
keeps answers can say so from the pids (`Sightings`), and from ``uptime_seconds`` that it is no older than its node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.errors import UnexpectedAnswer
from agent.expression import Expression, Shell
from agent.probes import rows
from agent.probes.supervisor_rows import read_process, read_supervisor
from agent.supervision import ChildState, Status, Supervisor
from agent.terms import UNDEFINED, Atom, Pid, Term, format_pid, format_term

DEFAULT_SUPERVISORS: Final = ("governance_sup",)
MAX_CHILDREN: Final = 10_000  # of one supervisor: each is looked at
MAX_LISTED: Final = 1_000
MAX_LEVELS: Final = 32
MAX_SUPERVISOR_HEAP_WORDS: Final = 4_000_000  # as in the supervision tree
HEAP_WORDS: Final = 4 * MAX_SUPERVISOR_HEAP_WORDS
MAX_ANSWER_BYTES: Final = 1024 * 1024  # a thousand rows, each with an id of 200 characters at most
QUESTION_SECONDS: Final = 1.0
SHARE_FOR_WALKING: Final = 0.7  # of the deadline: the rest is for sending what has been found until then
MAX_GOVERNOR_HEAP_WORDS: Final = 1_000_000  # one with more is not asked for its state, since that copies its data
STATE_HEAP_WORDS: Final = 4 * MAX_GOVERNOR_HEAP_WORDS

GOVERNORS: Final = Expression.load("supervisor", "governors")
STATE: Final = Expression.load("supervisor", "governor_state")

_NOT_LOOKED_AT: Final = Atom("not_looked_at")
_ELSEWHERE: Final = Atom("elsewhere")
_WHY_NO_STATE: Final = {
    "not_an_atom": "not an atom",
    "not_answering": "not answering",
    "too_large": "too large",
    "kind_unknown": "kind unknown",
    "not_a_gen_statem": "not a gen_statem",
    "gone": "gone",
}


@dataclass(frozen=True, slots=True)
class Governor:
    """One worker. None for ``message_queue_len`` and ``current_function``: there is no process, or it has just gone.

    ``id`` is its id in the supervisor, printed: ``{billing_governor,<<"acme">>}``. ``supervisor`` is the registered
    name of that one, or its pid.
    """

    id: str
    supervisor: str
    pid: str | None
    state: ChildState
    message_queue_len: int | None
    current_function: str | None

    @property
    def is_alive(self) -> bool:
        """Whether it has a living process."""
        return self.state is ChildState.RUNNING


@dataclass(frozen=True, slots=True)
class Governors:
    """The governors that were listed: all, in the order of the tree; or, of too many, the worst.

    The worst are those without a process, then those with the longest queues. ``total`` and ``alive`` count all that
    were found. ``missing`` are the supervisors to start from that are not registered. ``not_read`` are supervisors on
    the way whose children are not known, with the reason in their status, or in ``why_not_listed``.
    """

    governors: tuple[Governor, ...]
    total: int
    alive: int
    missing: tuple[str, ...]
    not_read: tuple[Supervisor, ...]
    uptime_seconds: float
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every governor is listed."""
        return not self.left_out


@dataclass(frozen=True, slots=True)
class GovernorState:
    """The state that one gen_statem is in: its name, or None and the reason why there is none to tell.

    Its data never leaves the node. ``pid`` is None when nobody is registered under the name.
    """

    pid: str | None
    name: str | None
    state: str | None
    why_not: str | None
    is_suspended: bool = False
    current_function: str | None = None
    message_queue_len: int | None = None


@dataclass(frozen=True, slots=True)
class Sightings:
    """Since when we know each pid, for one life of a node: what takes the place of the age that Erlang does not keep.

    ``first_seen`` holds when a pid was first in an answer, and when the answer before was taken (None: there was none,
    so it may be as old as its node). Only pids of the last answer are kept.
    """

    first_seen: Mapping[str, tuple[float, float | None]] = field(default_factory=dict)
    last_answer_at: float | None = None

    def after(self, governors: Governors, now: float) -> Sightings:
        """Return the sightings with one more answer, taken at ``now`` on any clock that only goes forward."""
        pids = [governor.pid for governor in governors.governors if governor.pid is not None]
        return Sightings({pid: self.first_seen.get(pid, (now, self.last_answer_at)) for pid in pids}, now)

    def age_seconds(self, pid: str, now: float) -> tuple[float, float | None] | None:
        """Return how old it is at least and at most; no upper bound is known for one that was there from the start.

        The upper bound holds only while every answer lists all governors.
        """
        if pid not in self.first_seen:
            return None
        seen_at, absent_at = self.first_seen[pid]
        return now - seen_at, None if absent_at is None else now - absent_at


async def ask(
    supervisors: Sequence[str], shell: Shell, deadline_seconds: float, wanted: str | None = None
) -> Governors:
    """Look at every worker below these supervisors, which are named as they are registered.

    With ``wanted``, the printed id of one without its blanks, only those that have it; all if none does. So one that is
    well is found however many there are.

    Cost: 0.2 ms for each supervisor, which is asked as `agent.probes.supervision_tree` asks; no worker is sent
    anything. For each that is listed, a look from outside: 12 ms for 1,000. With ``wanted`` all ids are printed.
    """
    answer = await shell.evaluate(
        GOVERNORS,
        {
            "Max_heap_words": MAX_SUPERVISOR_HEAP_WORDS,
            "Question_milliseconds": int(QUESTION_SECONDS * 1000),
            "Milliseconds": int(deadline_seconds * 1000 * SHARE_FOR_WALKING),
            "Names": [name.encode() for name in supervisors],
            "Max_children": MAX_CHILDREN,
            "Max_listed": MAX_LISTED,
            "Max_levels": MAX_LEVELS,
            "Wanted": Atom("all") if wanted is None else wanted.encode(errors="surrogatepass"),
        },
        deadline_seconds=deadline_seconds,
        max_heap_words=HEAP_WORDS,
        max_answer_bytes=MAX_ANSWER_BYTES,
        is_sweep=True,
    )
    match answer.value:
        case (list() as roots, listed, (total, alive), unread, uptime, int() as word_bytes) if (
            len(roots) == len(supervisors) and 0 < word_bytes <= 8
        ):
            own = next((root for root in roots if root != UNDEFINED), UNDEFINED)
            governors = tuple(_read_listed(listed, own))
            not_read = tuple(_read_unread(each, word_bytes) for each in rows.elements(unread))
            return Governors(
                governors=governors,
                total=rows.count(total),
                alive=rows.count(alive),
                missing=tuple(name for name, root in zip(supervisors, roots, strict=True) if root == UNDEFINED),
                not_read=not_read,
                uptime_seconds=rows.count(uptime) / 1e6,
                left_out=tuple(_left_out(rows.count(total) - len(governors), not_read)),
            )
    raise UnexpectedAnswer("the node gives something else for its governors than was asked for")


async def ask_state(governor: str | Pid, shell: Shell, deadline_seconds: float) -> GovernorState:
    """Ask one gen_statem, by its registered name or its pid, which state it is in.

    For a person who asks for this one: it is sent ``sys:get_state/2``, and copies its state and its data for our worker
    on the node. It is asked only while it waits for events with an empty mailbox, or is suspended, and has a small
    heap; and never what is not known to be a gen_statem.
    """
    answer = await shell.evaluate(
        STATE,
        {
            "Max_heap_words": MAX_GOVERNOR_HEAP_WORDS,
            "Question_milliseconds": int(QUESTION_SECONDS * 1000),
            "Milliseconds": int(deadline_seconds * 1000),
            "Who": governor if isinstance(governor, Pid) else governor.encode(),
        },
        deadline_seconds=deadline_seconds,
        max_heap_words=STATE_HEAP_WORDS,
    )
    match answer.value:
        case (Pid() as pid, Atom(name="gone")):
            return GovernorState(format_pid(pid), None, None, _WHY_NO_STATE["gone"])
        case (Pid() as pid, name, told, Atom(name=doing), function, queue):
            state, why_not = _read_state(told)
            return GovernorState(
                pid=format_pid(pid),
                name=rows.name(name),
                state=state,
                why_not=why_not,
                is_suspended=doing == "suspended",
                current_function=rows.function(function),
                message_queue_len=rows.count(queue),
            )
    if answer.value == UNDEFINED:
        return GovernorState(None, None, None, "nobody is registered under this name")
    raise UnexpectedAnswer("the node gives something else for the state of a governor than was asked for")


def _read_state(told: Term) -> tuple[str | None, str | None]:
    match told:
        case (Atom(name="state"), Atom(name=state)):
            return state, None
        case Atom(name=why) if why in _WHY_NO_STATE:
            return None, _WHY_NO_STATE[why]
    raise UnexpectedAnswer(f"the node gives {format_term(told, 80)} for the state of a governor")


def _read_listed(listed: Term, own: Term) -> Iterator[Governor]:
    match listed:
        case (list() as ids, list() as processes, list() as supervisors, list() as looks) if (
            len(ids) == len(processes) == len(supervisors) == len(looks)
        ):
            for row in zip(ids, processes, supervisors, looks, strict=True):
                yield _read_governor(row, own)
        case _:
            raise UnexpectedAnswer("the node gives columns of different lengths for its governors")


def _read_governor(row: tuple[Term, Term, Term, Term], own: Term) -> Governor:
    printed_id, process, supervisor, look = row
    pid, state = read_process(process, own)
    queue, function = None, None
    match look:
        case (length, current):
            queue, function = rows.count(length), rows.function(current)
        case _ if look == _ELSEWHERE:
            state = ChildState.UNKNOWN
        case _ if look == UNDEFINED:
            state = ChildState.TERMINATED if state is ChildState.RUNNING else state
        case _:
            raise UnexpectedAnswer(f"the node gives {format_term(look, 80)} for a governor")
    return Governor(
        id=rows.text(printed_id),
        supervisor=format_pid(supervisor) if isinstance(supervisor, Pid) else rows.atom(supervisor),
        pid=pid,
        state=state,
        message_queue_len=queue,
        current_function=function,
    )


def _read_unread(unread: Term, word_bytes: int) -> Supervisor:
    match unread:
        case (Pid() as pid, looked):
            if looked == _NOT_LOOKED_AT:
                return Supervisor(format_pid(pid), None, Status.NOT_LOOKED_AT)
            return read_supervisor(pid, looked, word_bytes)[0]
    raise UnexpectedAnswer(f"the node gives {format_term(unread, 80)} for a supervisor")


def _left_out(unlisted: int, not_read: Sequence[Supervisor]) -> Iterator[str]:
    if unlisted > 0:
        yield f"{unlisted} governors: {MAX_LISTED} are listed, without a process or with the longest queues first"
    for supervisor in not_read:
        who = supervisor.name or supervisor.pid
        if supervisor.counts is not None:
            if supervisor.counts.total:
                yield f"the {supervisor.counts.total} children of {who}: {supervisor.why_not_listed}"
        elif supervisor.status is not Status.NOT_A_SUPERVISOR:
            yield f"the children of {who}: {supervisor.status}"
