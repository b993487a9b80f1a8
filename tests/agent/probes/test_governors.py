from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from agent.errors import UnexpectedAnswer
from agent.probes import governors
from agent.probes.governors import Governor, Governors, GovernorState, Sightings
from agent.supervision import ChildState, Counts, Status
from agent.terms import UNDEFINED, Atom, Pid, Term
from tests.agent.probes.process_terms import function
from tests.agent.probes.supervisor_terms import NONE, looked_at, pid, told
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies
from tests.terms_strategies import QUICK

BILLING = Atom("billing_sup")
LOOP = function("gen_statem", "loop_receive", 3)
ACME: tuple[Term, ...] = (b'{billing_governor,<<"acme">>}', pid(60), BILLING, (0, LOOP))


def answer(
    *listed: tuple[Term, ...],
    roots: tuple[Term, ...] = (pid(50),),
    counts: Term = (1, 1),
    unread: tuple[Term, ...] = (),
    uptime: Term = 12_500_000,
) -> tuple[Term, ...]:
    """What ``governors.expr`` gives: each governor is (id, process, supervisor, what is seen of it)."""
    columns: tuple[Term, ...] = tuple([row[index] for row in listed] for index in range(4))
    return (list(roots), columns, counts, list(unread), uptime, 8)


async def ask(said: Term, *names: str) -> Governors:
    return await governors.ask(names or ("governance_sup",), FakeShell(said), 1.0)


async def test_every_field_has_its_place() -> None:
    found = await ask(answer(ACME))
    governor = Governor(
        id='{billing_governor,<<"acme">>}',
        supervisor="billing_sup",
        pid="<0.60.0>",
        state=ChildState.RUNNING,
        message_queue_len=0,
        current_function="gen_statem:loop_receive/3",
    )
    assert found == Governors((governor,), total=1, alive=1, missing=(), not_read=(), uptime_seconds=12.5)
    assert governor.is_alive
    assert found.complete


async def test_it_is_a_sweep_with_names_as_binaries() -> None:
    shell = FakeShell(answer(roots=(UNDEFINED, UNDEFINED)))
    await governors.ask(["governance_sup", "governor_sup"], shell, 10.0)
    (asked,) = shell.evaluations
    assert asked.is_sweep
    assert asked.bindings["Names"] == [b"governance_sup", b"governor_sup"]


async def test_supervisors_that_nobody_bears_are_missing() -> None:
    found = await ask(answer(ACME, roots=(UNDEFINED, pid(50))), "governor_sup", "governance_sup")
    assert found.missing == ("governor_sup",)


@pytest.mark.parametrize(
    ("process", "look", "state", "printed"),
    [
        (pid(60), (7, LOOP), ChildState.RUNNING, "<0.60.0>"),
        (pid(60), UNDEFINED, ChildState.TERMINATED, "<0.60.0>"),
        (UNDEFINED, UNDEFINED, ChildState.UNDEFINED, None),
        ((Atom("restarting"), pid(60)), UNDEFINED, ChildState.RESTARTING, None),
        (Atom("restarting"), UNDEFINED, ChildState.RESTARTING, None),
        (Pid(Atom("other@h"), 60, 0, 1), Atom("elsewhere"), ChildState.UNKNOWN, "<0.60.0> on other@h"),
    ],
)
async def test_each_state_of_a_governor(process: Term, look: Term, state: ChildState, printed: str | None) -> None:
    (governor,) = (await ask(answer((b"id", process, BILLING, look)))).governors
    assert (governor.state, governor.pid) == (state, printed)
    assert governor.is_alive == (state is ChildState.RUNNING)
    assert governor.message_queue_len == (7 if governor.is_alive else None)


async def test_an_unregistered_supervisor_is_named_by_its_pid() -> None:
    (governor,) = (await ask(answer((b"id", pid(60), pid(51), UNDEFINED)))).governors
    assert governor.supervisor == "<0.51.0>"


async def test_governors_that_are_not_listed_are_left_out() -> None:
    found = await ask(answer(ACME, counts=(28, 27)))
    assert (found.total, found.alive) == (28, 27)
    assert found.left_out == ("27 governors: 1000 are listed, without a process or with the longest queues first",)


async def test_supervisors_whose_governors_are_not_known_say_why() -> None:
    counted: Term = (Atom("not_listed"), Atom("cap"), (20_000, 0, 0))
    pool: Term = (Atom("noted"), (Atom("poolboy"), Atom("init"), 1))
    found = await ask(
        answer(
            unread=(
                (pid(51), looked_at(NONE, status="not_answering", name=BILLING)),
                (pid(52), looked_at(told(counted), name=[])),
                (pid(53), Atom("not_looked_at")),
                (pid(54), Atom("gone")),
                (pid(55), looked_at(NONE, status="not_a_supervisor", call=pool)),
            ),
            counts=(0, 0),
        )
    )
    assert [one.status for one in found.not_read] == [
        Status.NOT_ANSWERING,
        Status.RUNNING,
        Status.NOT_LOOKED_AT,
        Status.GONE,
        Status.NOT_A_SUPERVISOR,
    ]
    assert found.not_read[1].counts == Counts(running=20_000)
    assert found.left_out == (
        "the children of billing_sup: not answering",
        "the 20000 children of <0.52.0>: more than are listed of one supervisor",
        "the children of <0.53.0>: not looked at",
        "the children of <0.54.0>: gone",
    )


TRUTH = answer(
    ACME,
    (b"id", UNDEFINED, pid(51), UNDEFINED),
    unread=((pid(51), looked_at(NONE, status="suspended")), (pid(53), Atom("not_looked_at"))),
)
LIES: dict[str, Term] = {
    "nothing": UNDEFINED,
    "another number of roots": answer(roots=()),
    "columns of different lengths": (*answer()[:1], ([b"a"], [], [], []), *answer()[2:]),
    "a look that is none": answer((b"id", pid(60), BILLING, Atom("somewhere"))),
    "a queue of negative length": answer((b"id", pid(60), BILLING, (-1, LOOP))),
}


@pytest.mark.parametrize("lie", list(LIES))
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(lie: str) -> None:
    with pytest.raises(UnexpectedAnswer):
        await ask(LIES[lie])


@given(said=lies(TRUTH))
@QUICK
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(said: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await ask(said)


async def test_no_part_of_the_answer_is_taken_for_granted() -> None:
    for said in every_small_lie(TRUTH):
        with contextlib.suppress(UnexpectedAnswer):
            await ask(said)


def state_of(said: Term, doing: str = "idle") -> tuple[Term, ...]:
    """What ``governor_state.expr`` gives."""
    return (pid(60), [], said, Atom(doing), LOOP, 0)


CURRENT: Term = (Atom("state"), Atom("current"))


async def ask_state(said: Term) -> GovernorState:
    return await governors.ask_state(pid(60), FakeShell(said), 1.0)


async def test_the_state_s_name_is_told() -> None:
    assert await ask_state(state_of(CURRENT)) == GovernorState(
        pid="<0.60.0>",
        name=None,
        state="current",
        why_not=None,
        current_function="gen_statem:loop_receive/3",
        message_queue_len=0,
    )


async def test_a_governor_is_asked_for_by_name_as_a_binary_and_at_once() -> None:
    shell = FakeShell(UNDEFINED)
    found = await governors.ask_state("stuck_governor", shell, 1.0)
    assert found == GovernorState(None, None, None, "nobody is registered under this name")
    (asked,) = shell.evaluations
    assert asked.bindings["Who"] == b"stuck_governor"
    assert not asked.is_sweep


async def test_a_suspended_one_says_that_it_is() -> None:
    assert (await ask_state(state_of(CURRENT, "suspended"))).is_suspended


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("not_an_atom", "not an atom"),
        ("not_answering", "not answering"),
        ("too_large", "too large"),
        ("kind_unknown", "kind unknown"),
        ("not_a_gen_statem", "not a gen_statem"),
    ],
)
async def test_where_there_is_no_state_to_tell_it_is_said_why(said: str, why: str) -> None:
    found = await ask_state(state_of(Atom(said)))
    assert (found.state, found.why_not) == (None, why)


async def test_one_that_is_gone_is_said_to_be() -> None:
    assert await ask_state((pid(60), Atom("gone"))) == GovernorState("<0.60.0>", None, None, "gone")


async def test_a_state_that_is_no_atom_does_not_get_through_even_if_the_node_sends_it() -> None:
    with pytest.raises(UnexpectedAnswer):
        await ask_state(state_of((Atom("state"), (b"acme", b"owes us"))))


@given(said=lies(state_of(CURRENT)))
@QUICK
async def test_whatever_a_node_says_of_a_state_ends_in_an_answer_or_an_unexpected_answer(said: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await ask_state(said)


async def test_no_part_of_a_state_is_taken_for_granted() -> None:
    for said in every_small_lie(state_of(CURRENT)):
        with contextlib.suppress(UnexpectedAnswer):
            await ask_state(said)


def governors_with(*pids: str) -> Governors:
    listed = tuple(Governor(each, "billing_sup", each, ChildState.RUNNING, 0, None) for each in pids)
    return Governors(listed, len(pids), len(pids), (), (), 100.0)


def test_what_was_there_from_the_start_has_no_upper_bound_for_its_age() -> None:
    seen = Sightings().after(governors_with("<0.60.0>"), 10.0)
    assert seen.age_seconds("<0.60.0>", 15.0) == (5.0, None)


def test_what_came_between_two_answers_is_as_old_as_the_time_since_them() -> None:
    seen = Sightings().after(governors_with("<0.60.0>"), 10.0).after(governors_with("<0.60.0>", "<0.61.0>"), 40.0)
    assert seen.age_seconds("<0.61.0>", 45.0) == (5.0, 35.0)
    assert seen.after(governors_with("<0.61.0>"), 70.0).age_seconds("<0.61.0>", 70.0) == (30.0, 60.0)


def test_what_is_gone_is_forgotten_and_counts_as_new_when_it_comes_again() -> None:
    seen = Sightings().after(governors_with("<0.60.0>"), 10.0).after(governors_with(), 20.0)
    assert seen.age_seconds("<0.60.0>", 20.0) is None
    assert not seen.first_seen
    assert seen.after(governors_with("<0.60.0>"), 30.0).age_seconds("<0.60.0>", 31.0) == (1.0, 11.0)
