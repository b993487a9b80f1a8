from __future__ import annotations

import dataclasses

import pytest

from agent.errors import DeadlineExceeded, WorkerDied
from agent.probes import Result
from collector.freshness import PARTS, PERSON_MAX_AGE_SECONDS, Asker, Budget
from collector.known import FAILURE_KEPT_SECONDS, MAX_FAILURES, MAX_KEPT_OF_A_PROBE, STALE_SECONDS, Known
from collector.question import Question
from collector.snapshot import Answered, Failed, Outcome, TooSoon
from tests.collector_fakes import CREATION, MEMORY, MOMENT, FakeSession

PROGRAM, PERSON = Asker.PROGRAM, Asker.PERSON
BUDGET = Budget()
T0 = 1000.0
KILLED = WorkerDied("the worker met its heap limit")
LATE = DeadlineExceeded("no answer within 10 s")


async def never(_shell: object, _deadline_seconds: float) -> Result:
    raise AssertionError("nothing is asked here")


PROCESSES = Question("processes", never, is_sweep=True)
LOOKUP = Question("process", never, "0.123.0")


def busy(window_seconds: float) -> Question:
    return Question("busy", never, window_seconds, is_sweep=True, window_seconds=window_seconds)


def answer(cost_seconds: float = 0.003) -> Answered:
    return Answered(MEMORY, MOMENT, 0.02, cost_seconds)


@pytest.fixture
async def session() -> FakeSession:
    return FakeSession()


@pytest.fixture
async def known(session: FakeSession) -> Known:
    known = Known(BUDGET)
    known.enter(session)
    return known


def ask(known: Known, question: Question, asker: Asker, at: float, outcome: Outcome, seconds: float = 0.0) -> float:
    """Ask a question that takes so long, as whoever finds nothing known does, and return what it is said to cost."""
    assert known.look(question, asker, at) is None
    return known.end(known.begin(question, asker, at), outcome, at + seconds)


def wait_of(found: Outcome | None) -> float:
    """How long the asker is told to wait."""
    assert isinstance(found, Failed)
    assert isinstance(found.error, TooSoon), found.error
    return found.error.retry_after_seconds


# ------------------------------------------------------------------------------------------------------------- answers


async def test_a_person_shares_an_answer_for_five_seconds(known: Known) -> None:
    given = answer()
    ask(known, PROCESSES, PERSON, T0, given)
    assert known.look(PROCESSES, PERSON, T0 + PERSON_MAX_AGE_SECONDS) is given
    assert known.look(PROCESSES, PERSON, T0 + PERSON_MAX_AGE_SECONDS + 0.001) is None
    assert PERSON_MAX_AGE_SECONDS == 5.0


async def test_a_program_shares_an_answer_for_as_long_as_its_cost_demands(known: Known) -> None:
    given = answer(cost_seconds=0.3)
    interval_seconds = BUDGET.interval_seconds("processes", 0.3)
    ask(known, PROCESSES, PERSON, T0, given)
    assert interval_seconds > PERSON_MAX_AGE_SECONDS
    assert known.look(PROCESSES, PROGRAM, T0 + interval_seconds) is given
    assert known.look(PROCESSES, PROGRAM, T0 + interval_seconds + 0.001) is None


async def test_an_answer_is_as_old_as_when_the_question_was_put_and_not_as_when_it_came(known: Known) -> None:
    ask(known, PROCESSES, PERSON, T0, answer(), seconds=9.0)
    assert known.look(PROCESSES, PERSON, T0 + 9.0) is None


async def test_what_looked_for_a_while_is_as_old_as_the_end_of_that(known: Known) -> None:
    given = answer()
    ask(known, busy(10.0), PERSON, T0, given, seconds=10.0)
    assert known.look(busy(10.0), PERSON, T0 + 14.9) is given
    assert known.look(busy(10.0), PERSON, T0 + 15.1) is None


async def test_other_arguments_are_another_question(known: Known) -> None:
    ask(known, busy(1.0), PERSON, T0, answer())
    assert known.look(busy(2.0), PERSON, T0 + 2.0) is None


async def test_the_answer_to_a_lookup_is_not_kept(known: Known) -> None:
    ask(known, LOOKUP, PROGRAM, T0, answer())
    assert known.look(LOOKUP, PROGRAM, T0) is None
    assert known.latest(LOOKUP) is None


async def test_the_latest_answer_is_there_however_old_it_is(known: Known) -> None:
    assert known.latest(PROCESSES) is None
    given = answer()
    ask(known, PROCESSES, PERSON, T0, given)
    assert known.latest(PROCESSES) is given


async def test_the_answer_before_is_given_until_it_is_too_old_for_anything(known: Known, session: FakeSession) -> None:
    given = answer()
    ask(known, PROCESSES, PERSON, T0, given)
    assert known.before(PROCESSES, session, T0 + STALE_SECONDS) is given
    assert known.before(PROCESSES, session, T0 + STALE_SECONDS + 1) is None


async def test_the_answer_before_may_be_older_where_each_is_dear(known: Known, session: FakeSession) -> None:
    given = answer(cost_seconds=2.0)
    ask(known, PROCESSES, PERSON, T0, given)
    interval_seconds = BUDGET.interval_seconds("processes", 2.0)
    assert interval_seconds > STALE_SECONDS
    assert known.before(PROCESSES, session, T0 + 2 * interval_seconds) is given


# ------------------------------------------------------------------------------------------------- what programs pay


async def test_programs_wait_until_what_they_have_asked_is_paid(known: Known) -> None:
    ask(known, busy(1.0), PROGRAM, T0, answer(cost_seconds=0.01))
    paid_seconds = BUDGET.interval_seconds("busy", 0.01)
    assert wait_of(known.look(busy(2.0), PROGRAM, T0 + 10)) == pytest.approx(paid_seconds - 10)
    assert known.look(busy(2.0), PROGRAM, T0 + paid_seconds) is None


async def test_what_a_person_asks_is_not_paid_by_programs(known: Known) -> None:
    ask(known, busy(1.0), PERSON, T0, answer(cost_seconds=1.0))
    assert known.look(busy(2.0), PROGRAM, T0 + 10) is None


async def test_what_programs_have_asked_does_not_keep_a_person_from_asking(known: Known) -> None:
    ask(known, PROCESSES, PROGRAM, T0, answer(cost_seconds=2.0))
    assert known.look(PROCESSES, PERSON, T0 + 6) is None


async def test_probes_that_no_program_asks_by_itself_are_paid_from_one_pot(known: Known) -> None:
    ask(known, busy(1.0), PROGRAM, T0, answer(cost_seconds=0.01))
    other = Question("binary_holders", never, is_sweep=True)
    assert wait_of(known.look(other, PROGRAM, T0 + 10)) > 0
    assert "busy" not in PARTS
    assert other.probe not in PARTS


async def test_a_probe_with_a_part_of_its_own_is_not_held_back_by_another(known: Known) -> None:
    ask(known, PROCESSES, PROGRAM, T0, answer(cost_seconds=2.0))
    assert known.look(Question("mailboxes", never, is_sweep=True), PROGRAM, T0) is None


async def test_until_it_is_paid_programs_get_the_answer_that_there_is(known: Known) -> None:
    ask(known, PROCESSES, PROGRAM, T0, answer(cost_seconds=2.0))
    cheap = answer()
    ask(known, PROCESSES, PERSON, T0 + 10, cheap)
    assert known.look(PROCESSES, PROGRAM, T0 + 100) is cheap


async def test_debts_of_questions_that_overlap_add_up(known: Known) -> None:
    other = Question("binary_holders", never, is_sweep=True)
    first, second = known.begin(busy(1.0), PROGRAM, T0), known.begin(other, PROGRAM, T0)
    known.end(first, answer(cost_seconds=0.01), T0 + 1)
    known.end(second, answer(cost_seconds=0.02), T0 + 1)
    paid_seconds = BUDGET.interval_seconds("busy", 0.03)
    assert wait_of(known.look(busy(3.0), PROGRAM, T0 + 1)) == pytest.approx(paid_seconds - 1)


# ---------------------------------------------------------------------------------------------------------- asked often


async def test_the_same_question_is_never_too_soon_while_its_answer_is_fresh(known: Known) -> None:
    given = answer()
    ask(known, PROCESSES, PERSON, T0, given)
    assert known.look(PROCESSES, PERSON, T0 + 0.01) is given


async def test_with_a_minimum_above_five_seconds_a_person_is_told_when_to_ask_again(session: FakeSession) -> None:
    known = Known(Budget(fresh_min_interval_seconds=30.0))
    known.enter(session)
    ask(known, PROCESSES, PERSON, T0, answer())
    found = known.look(PROCESSES, PERSON, T0 + 6)
    assert wait_of(found) == pytest.approx(24.0)
    assert "ask again in 24.0 s, or without fresh=true" in str(isinstance(found, Failed) and found.error)
    assert known.look(PROCESSES, PERSON, T0 + 30) is None


async def test_the_minimum_counts_also_what_programs_have_asked(session: FakeSession) -> None:
    known = Known(Budget(fresh_min_interval_seconds=30.0))
    known.enter(session)
    ask(known, PROCESSES, PROGRAM, T0, answer())
    assert wait_of(known.look(PROCESSES, PERSON, T0 + 6)) == pytest.approx(24.0)


async def test_another_window_right_after_the_first_is_too_soon(known: Known) -> None:
    ask(known, busy(0.1), PERSON, T0, answer(), seconds=0.1)
    assert wait_of(known.look(busy(0.2), PERSON, T0 + 0.25)) == pytest.approx(0.75)
    assert known.look(busy(0.2), PERSON, T0 + 1.0) is None


@pytest.mark.parametrize("asker", Asker)
async def test_another_window_waits_for_the_one_that_is_under_way(known: Known, asker: Asker) -> None:
    begun = known.begin(busy(10.0), PERSON, T0)
    assert wait_of(known.look(busy(5.0), asker, T0 + 4)) == pytest.approx(7.0)
    assert wait_of(known.look(busy(5.0), asker, T0 + 12)) == pytest.approx(1.0)
    known.end(begun, answer(), T0 + 12.5)
    assert known.look(busy(5.0), asker, T0 + 12.5) is None


@pytest.mark.parametrize("asker", Asker)
async def test_who_waits_for_another_window_is_told_just_that(known: Known, asker: Asker) -> None:
    known.begin(busy(10.0), PERSON, T0)
    found = known.look(busy(5.0), asker, T0 + 4)
    assert isinstance(found, Failed)
    assert str(found.error) == "busy is under way with other parameters, and there is one at a time: ask again in 7.0 s"


async def test_a_question_that_was_given_up_is_not_under_way_any_more(known: Known) -> None:
    assert known.end(known.begin(busy(10.0), PERSON, T0), None, T0 + 2) == 0.0
    assert known.look(busy(5.0), PERSON, T0 + 2) is None


async def test_nobody_has_to_wait_where_the_minimum_is_nought(session: FakeSession) -> None:
    known = Known(Budget(fresh_min_interval_seconds=0.0))
    known.enter(session)
    ask(known, busy(0.1), PERSON, T0, answer())
    assert known.look(busy(0.2), PERSON, T0) is None


async def test_a_lookup_is_never_too_soon(known: Known) -> None:
    ask(known, LOOKUP, PERSON, T0, answer())
    assert known.look(LOOKUP, PERSON, T0) is None


# ------------------------------------------------------------------------------------------------------------ failures


async def test_a_failure_just_before_is_told_as_itself_and_not_as_too_soon(known: Known) -> None:
    failed = Failed(KILLED, 0.2, 0.2)
    ask(known, PROCESSES, PERSON, T0, failed, seconds=0.2)
    assert known.look(PROCESSES, PERSON, T0 + 1.1) is failed
    assert known.look(PROCESSES, PERSON, T0 + 1.2) is None


async def test_a_failure_of_programs_backs_off_by_what_it_may_have_cost(known: Known) -> None:
    failed = Failed(KILLED, 0.2, 0.2)
    ask(known, PROCESSES, PROGRAM, T0, failed, seconds=0.2)
    back_off_seconds = BUDGET.interval_seconds("processes", 0.2)
    assert known.look(PROCESSES, PROGRAM, T0 + back_off_seconds - 0.1) is failed
    assert known.look(PROCESSES, PROGRAM, T0 + back_off_seconds) is None


async def test_a_failure_of_programs_keeps_people_off_for_a_moment_only(known: Known) -> None:
    failed = Failed(KILLED, 0.2, 0.2)
    ask(known, PROCESSES, PROGRAM, T0, failed, seconds=0.2)
    assert known.look(PROCESSES, PERSON, T0 + 1.1) is failed
    assert known.look(PROCESSES, PERSON, T0 + 1.3) is None


async def test_a_failure_of_a_person_keeps_programs_off_for_a_moment_only(known: Known) -> None:
    failed = Failed(KILLED, 0.2, 0.2)
    ask(known, PROCESSES, PERSON, T0, failed, seconds=0.2)
    assert known.look(PROCESSES, PROGRAM, T0 + 0.2) is failed
    assert known.look(PROCESSES, PROGRAM, T0 + 0.2 + FAILURE_KEPT_SECONDS) is None


async def test_programs_get_an_answer_that_will_do_rather_than_a_later_failure(known: Known) -> None:
    given = answer(cost_seconds=0.3)
    ask(known, PROCESSES, PROGRAM, T0, given)
    ask(known, PROCESSES, PERSON, T0 + 10, Failed(KILLED, 0.2, 0.2))
    assert known.look(PROCESSES, PROGRAM, T0 + 10) is given


async def test_programs_are_told_why_there_is_none_rather_than_an_old_answer(known: Known) -> None:
    ask(known, PROCESSES, PERSON, T0, answer())
    failed = Failed(KILLED, 0.2, 0.2)
    ask(known, PROCESSES, PROGRAM, T0 + 10, failed)
    assert known.look(PROCESSES, PROGRAM, T0 + 11) is failed


async def test_the_answer_of_a_person_ends_the_failure_of_programs(known: Known) -> None:
    ask(known, PROCESSES, PROGRAM, T0, Failed(LATE, 10.0, 10.0, is_overrun=True))
    given = answer()
    ask(known, PROCESSES, PERSON, T0 + 20, given)
    assert known.look(PROCESSES, PROGRAM, T0 + 25) is given


async def test_the_failure_of_a_lookup_is_remembered_for_a_second(known: Known) -> None:
    failed = Failed(KILLED, 0.2)
    ask(known, LOOKUP, PERSON, T0, failed)
    assert known.look(LOOKUP, PROGRAM, T0 + FAILURE_KEPT_SECONDS - 0.01) is failed
    assert known.look(LOOKUP, PROGRAM, T0 + FAILURE_KEPT_SECONDS) is None


async def test_a_failure_costs_no_more_than_twice_what_it_usually_does(known: Known) -> None:
    assert ask(known, PROCESSES, PERSON, T0, answer(cost_seconds=0.05)) == 0.05
    assert ask(known, PROCESSES, PERSON, T0 + 10, Failed(LATE, 10.0, 1.25)) == 0.1


async def test_a_failure_of_what_has_never_succeeded_costs_the_most_that_it_can(known: Known) -> None:
    assert ask(known, PROCESSES, PERSON, T0, Failed(LATE, 10.0, 1.25)) == 1.25


async def test_what_overran_costs_all_of_its_time_whatever_it_usually_does(known: Known) -> None:
    ask(known, PROCESSES, PERSON, T0, answer(cost_seconds=0.05))
    assert ask(known, PROCESSES, PROGRAM, T0 + 100, Failed(LATE, 10.0, 10.0, is_overrun=True), seconds=10.0) == 10.0
    found = known.look(PROCESSES, PROGRAM, T0 + 100 + BUDGET.interval_seconds("processes", 10.0) - 1)
    assert isinstance(found, Failed)


# ------------------------------------------------------------------------------------------------------- life and death


async def test_another_life_of_the_node_is_told_nothing_of_the_former(known: Known) -> None:
    ask(known, PROCESSES, PROGRAM, T0, answer(cost_seconds=2.0))
    ask(known, LOOKUP, PERSON, T0, Failed(KILLED, 0.2))
    known.enter(FakeSession(creation=CREATION + 1))
    for question in (PROCESSES, LOOKUP):
        for asker in Asker:
            assert known.look(question, asker, T0) is None
    assert known.latest(PROCESSES) is None


async def test_what_a_former_life_still_says_is_not_taken_for_this_one(known: Known, session: FakeSession) -> None:
    begun = known.begin(PROCESSES, PROGRAM, T0)
    known.enter(FakeSession(creation=CREATION + 1))
    assert known.end(begun, answer(cost_seconds=0.3), T0 + 1) == 0.3
    assert known.look(PROCESSES, PROGRAM, T0 + 1) is None
    assert known.before(PROCESSES, session, T0 + 1) is None


async def test_who_asked_a_former_life_gets_no_answer_of_this_one(known: Known, session: FakeSession) -> None:
    known.enter(FakeSession(creation=CREATION + 1))
    ask(known, PROCESSES, PERSON, T0, answer())
    assert known.before(PROCESSES, session, T0) is None


async def test_an_answer_and_a_debt_outlive_their_connection(known: Known) -> None:
    given = answer(cost_seconds=2.0)
    ask(known, PROCESSES, PROGRAM, T0, given)
    ask(known, busy(1.0), PROGRAM, T0, answer(cost_seconds=2.0))
    known.enter(FakeSession())
    assert known.look(PROCESSES, PROGRAM, T0 + 10) is given
    assert wait_of(known.look(busy(2.0), PROGRAM, T0 + 10)) > 0


async def test_a_failure_does_not_outlive_its_connection(known: Known) -> None:
    ask(known, LOOKUP, PERSON, T0, Failed(KILLED, 0.2))
    begun = known.begin(dataclasses.replace(LOOKUP, arguments="0.124.0"), PERSON, T0)
    known.enter(FakeSession())
    known.end(begun, Failed(KILLED, 0.2), T0)
    assert known.look(LOOKUP, PERSON, T0) is None
    assert known.look(begun.question, PERSON, T0) is None


async def test_what_was_under_way_over_a_lost_connection_holds_nobody_up(known: Known) -> None:
    known.begin(busy(10.0), PERSON, T0)
    known.enter(FakeSession())
    assert known.look(busy(5.0), PERSON, T0 + 2) is None


# -------------------------------------------------------------------------------------------------------------- bounded


async def test_ten_thousand_names_that_fail_are_not_all_remembered(known: Known) -> None:
    for number in range(10_000):
        ask(known, Question("process", never, f"name_{number}"), PERSON, T0, Failed(KILLED, 0.2))
    remembered = [
        number for number in range(10_000) if known.look(Question("process", never, f"name_{number}"), PERSON, T0)
    ]
    assert remembered == list(range(10_000 - MAX_FAILURES, 10_000))


async def test_very_many_windows_are_not_all_kept_and_drive_nothing_else_out(known: Known) -> None:
    processes = answer()
    ask(known, PROCESSES, PERSON, T0, processes)
    for number in range(100):
        ask(known, busy(0.1 + number / 100), PERSON, T0 + 2 * number, answer())
    kept = [number for number in range(100) if known.latest(busy(0.1 + number / 100))]
    assert kept == list(range(100 - MAX_KEPT_OF_A_PROBE, 100))
    assert known.latest(PROCESSES) is processes


async def test_what_is_looked_at_is_kept_before_what_is_not(known: Known) -> None:
    for number in range(MAX_KEPT_OF_A_PROBE):
        ask(known, busy(1.0 + number), PERSON, T0 + 20 * number, answer())
    known.look(busy(1.0), PERSON, T0 + 200)
    ask(known, busy(9.0), PERSON, T0 + 200, answer())
    assert known.latest(busy(1.0)) is not None
    assert known.latest(busy(2.0)) is None
