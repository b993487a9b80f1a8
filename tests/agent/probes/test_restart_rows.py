"""What a node tells of a child, as it is read."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from agent.errors import UnexpectedAnswer
from agent.probes.restart_rows import read_facts
from agent.restarting import (
    NamedProcess,
    NoFacts,
    NoSuchChild,
    NotAsked,
    Obstacle,
    RestartFacts,
    SeveralChildren,
    SharedSpec,
    Table,
    Tables,
    TemporaryChild,
)
from agent.supervision import ChildState, Status
from agent.terms import UNDEFINED, Atom, Pid, Term
from tests.agent.probes.process_terms import pid
from tests.agent.probes.restart_terms import ASKED, BELOW, CHILD, PROCESSES, TABLES, facts
from tests.agent.probes.supervisor_terms import NONE, looked_at
from tests.lies import every_small_lie, lies, replaced
from tests.terms_strategies import QUICK

WORD_BYTES = 8
NOT_RUNNING: Term = (0, 0, [], 0, [])


def read(answer: Term) -> RestartFacts:
    found = read_facts(answer, WORD_BYTES)
    assert isinstance(found, RestartFacts)
    return found


def test_a_child_is_read_with_all_that_goes_with_it() -> None:
    found = read(facts())
    assert (found.supervisor.name, found.supervisor.status) == ("receipt_ledger_sup", Status.RUNNING)
    assert (found.id, found.pid, found.state) == ("receipt_store", "<0.60.0>", ChildState.RUNNING)
    assert (found.type, found.restart, found.shutdown, found.significant) == ("worker", "permanent", 5_000, False)
    assert (found.supervisor_application, found.application) == ("tai_autonomics", "tai_autonomics")
    below = found.subtree
    assert (below.processes, below.named, below.told_count) == (3, 1, 2)
    assert below.names == (NamedProcess("<0.60.0>", "receipt_store"),)
    assert below.told == (NamedProcess("<0.80.0>", None), NamedProcess("<0.81.0>", "x"))
    assert (below.supervisors, below.static_children, below.temporary_count, below.children_lost) == (2, 4, 1, 5)
    assert below.temporary == (TemporaryChild('{billing_governor,<<"acme">>}', "<0.70.0>", "<0.51.0>"),)
    assert below.shared == (SharedSpec("<0.52.0>", "pool_sup", "permanent", 4),)
    assert below.not_asked == (NotAsked("<0.53.0>", "hanging_sup", "not_answering"),)
    ledger = Table("receipt_ledger", "receipt_ledger", 12, 4_096, "<0.60.0>", "receipt_store", None)
    assert found.lost_tables == Tables(1, 12, 4_096, ("receipt_ledger",), (ledger,))
    kept = Table("#Ref<0.1.2.3>", "kept", 3, 512, "<0.60.0>", None, "<0.90.0>")
    assert found.kept_tables == Tables(1, 3, 512, (), (kept,))


@pytest.mark.parametrize(
    ("process", "processes", "state", "printed"),
    [
        (pid(60), PROCESSES, ChildState.RUNNING, "<0.60.0>"),
        (pid(60), NOT_RUNNING, ChildState.TERMINATED, "<0.60.0>"),
        (UNDEFINED, NOT_RUNNING, ChildState.UNDEFINED, None),
        (Atom("restarting"), NOT_RUNNING, ChildState.RESTARTING, None),
        ((Atom("restarting"), pid(60)), NOT_RUNNING, ChildState.RESTARTING, None),
        (Pid(Atom("other@127.0.0.1"), 60, 0, 1), NOT_RUNNING, ChildState.UNKNOWN, "<0.60.0>"),
    ],
)
def test_the_state_of_a_child_follows_from_its_process(
    process: Term, processes: Term, state: ChildState, printed: str | None
) -> None:
    found = read(facts(child=replaced(CHILD, 1, process), processes=processes))
    assert (found.state, found.pid) == (state, printed)


@pytest.mark.parametrize(
    ("takes", "milliseconds", "is_known"),
    [(5_000, 5_000, True), (0, 0, True), (Atom("infinity"), None, True), (Atom("unknown"), None, False)],
)
def test_the_limit_of_a_shutdown_is_a_number_none_or_not_known(
    takes: Term, milliseconds: int | None, *, is_known: bool
) -> None:
    below = read(facts(below=replaced(BELOW, 6, takes))).subtree
    assert (below.shutdown_milliseconds, below.is_shutdown_known) == (milliseconds, is_known)


@pytest.mark.parametrize(("shutdown", "expected"), [(Atom("brutal_kill"), "brutal_kill"), (2_000, 2_000)])
def test_the_shutdown_of_a_spec_is_a_word_or_milliseconds(shutdown: Term, expected: int | str) -> None:
    assert read(facts(child=replaced(CHILD, 4, shutdown))).shutdown == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((Atom("top"), Atom("kernel")), NoFacts(Obstacle.APPLICATION_TOP, application="kernel")),
        (Atom("no_parent"), NoFacts(Obstacle.NO_PARENT)),
        (Atom("supervisor_gone"), NoFacts(Obstacle.SUPERVISOR_GONE)),
        ((Atom("too_many"), 200_000), NoFacts(Obstacle.TOO_MANY)),
    ],
)
def test_why_nothing_more_is_known_is_read(answer: Term, expected: NoFacts) -> None:
    assert read_facts(answer, WORD_BYTES) == expected


@pytest.mark.parametrize(
    ("word", "obstacle"),
    [("untold", Obstacle.NOT_ASKED), ("not_static", Obstacle.SHARED_SPEC), ("not_otp", Obstacle.NOT_OTP)],
)
def test_what_could_be_seen_of_the_supervisor_is_read_beside_the_obstacle(word: str, obstacle: Obstacle) -> None:
    found = read_facts((Atom(word), pid(50), looked_at(NONE, status="suspended")), WORD_BYTES)
    assert isinstance(found, NoFacts)
    assert found.obstacle is obstacle
    assert found.supervisor is not None
    assert found.supervisor.status is Status.SUSPENDED


def test_children_that_were_not_meant_are_named_or_counted_by_their_pids() -> None:
    none = read_facts((Atom("no_such_child"), pid(50), ASKED, [b"a", b"b"]), WORD_BYTES)
    assert isinstance(none, NoSuchChild)
    assert none.ids == ("a", "b")
    children: Term = [(b"a", pid(60)), (b"a", UNDEFINED), (b"a", pid(61))]
    several = read_facts((Atom("several"), pid(50), ASKED, children), WORD_BYTES)
    assert isinstance(several, SeveralChildren)
    assert several.pids == ("<0.60.0>", "<0.61.0>")


LIES: dict[str, Term] = {
    "nothing": UNDEFINED,
    "another word": (Atom("fact"), pid(50), ASKED),
    "a digest of another length": facts(fingerprint=b"0123"),
    "fewer processes than none": facts(processes=replaced(PROCESSES, 0, -1)),
    "a process without a name": facts(processes=replaced(PROCESSES, 2, [(Atom("x"),)])),
    "a table that is none": facts(tables=replaced(TABLES, 1, [Atom("receipt_ledger")])),
    "a table with too little said of it": facts(tables=replaced(TABLES, 1, [(b"x", Atom("x"))])),
    "a limit that is none": facts(below=replaced(BELOW, 6, Atom("soon"))),
    "an id that is no text": facts(child=replaced(CHILD, 0, 5)),
}


@pytest.mark.parametrize("lie", list(LIES))
def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(lie: str) -> None:
    with pytest.raises(UnexpectedAnswer):
        read_facts(LIES[lie], WORD_BYTES)


@given(said=lies(facts()))
@QUICK
def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(said: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        read_facts(said, WORD_BYTES)


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
def test_no_part_of_the_answer_is_taken_for_granted() -> None:
    for said in every_small_lie(facts()):
        with contextlib.suppress(UnexpectedAnswer):
            read_facts(said, WORD_BYTES)
