from __future__ import annotations

from dataclasses import replace

import pytest

from collector.models import Answer, ProbeAnswer
from collector.top.pages import Subject
from collector.top.panes import applications, processes, supervisors
from collector.top.schedule import LOOKING_SHARE, SELDOM_SECONDS, Latest, due
from collector.top.state import State
from tests.collector_fakes import NODE as NODE_NAME
from tests.collector_results import processes_answer
from tests.top_golden import ANSWERS
from tests.top_source import NODE, TREND, VIEWS, FakeSource, known_of, trend_of

NOW, REFRESH = 1_000.0, 2.0
LATER = NOW + REFRESH
KNOWN = known_of(NOW, **ANSWERS)


def asked(state: State, known: dict[str, Latest], now: float, *, is_wanted_now: bool = False) -> list[str]:
    """The questions that are put, as `FakeSource` has them: with ! behind it what is asked as a person."""
    source = FakeSource()
    for wish in due(state, known, now, REFRESH, is_wanted_now=is_wanted_now):
        wish.ask(source)
    return source.asked


def costing(answer: Answer, cost_seconds: float, age_seconds: float = 0.0) -> Answer:
    return answer.model_copy(update={"cost_seconds": cost_seconds, "age_seconds": age_seconds})


def with_answer(known: dict[str, Latest], key: str, answer: Answer, **changes: float | str) -> dict[str, Latest]:
    return {**known, key: replace(known[key], answer=answer, **changes)}  # type: ignore[arg-type]  # of different types


def test_at_the_start_everything_that_is_shown_is_asked_and_the_pane_for_a_person() -> None:
    assert asked(State(), {}, NOW) == ["memory", "system", "", "trend", "processes!", "supervisors", "applications"]


def test_what_has_just_been_answered_is_not_asked() -> None:
    assert asked(State(), KNOWN, NOW + REFRESH / 2) == []


def test_after_the_interval_the_vital_signs_and_the_pane_are_asked_as_a_program_asks() -> None:
    assert asked(State(), KNOWN, LATER) == ["memory", "system", "processes"]


def test_what_changes_seldom_is_asked_seldom() -> None:
    assert asked(State(), KNOWN, NOW + SELDOM_SECONDS) == [
        *("memory", "system", "", "trend", "processes!", "supervisors", "applications")
    ]


def test_of_the_panes_only_the_one_that_is_shown_is_asked() -> None:
    known = {key: latest for key, latest in KNOWN.items() if key not in ANSWERS}
    known |= {one.key: KNOWN[one.key] for one in (supervisors.ALL, applications.ALL)}
    assert asked(State().with_subject(processes.BY_QUEUE), known, NOW) == ["mailboxes!"]
    assert asked(State().with_subject(processes.BY_REDUCTIONS), known, NOW) == ["busy!"]


@pytest.mark.parametrize("subject", [supervisors.ALL, applications.ALL])
def test_a_pane_that_is_also_asked_in_the_background_is_asked_once(subject: Subject[ProbeAnswer]) -> None:
    found = asked(State().with_subject(subject), {}, NOW)
    assert len([one for one in found if one.startswith(("supervisors", "applications"))]) == 2


def test_an_answer_that_a_person_finds_too_old_is_asked_for_a_person() -> None:
    key = processes.BY_MEMORY.key
    old = with_answer(KNOWN, key, costing(VIEWS["processes"], 0.002, age_seconds=6.0))
    assert "processes!" in asked(State(), old, LATER)


def test_what_has_cost_much_is_asked_less_often_also_while_somebody_looks() -> None:
    key, cost_seconds = processes.BY_MEMORY.key, 3.0
    dear = with_answer(KNOWN, key, costing(VIEWS["processes"], cost_seconds))
    for seconds in (6.0, 30.0, cost_seconds / LOOKING_SHARE - 1.0):
        assert "processes!" not in asked(State(), dear, NOW + seconds)
    assert "processes!" in asked(State(), dear, NOW + cost_seconds / LOOKING_SHARE + 1.0)


def test_a_key_has_everything_that_is_shown_asked_now_for_a_person() -> None:
    assert asked(State(), KNOWN, NOW, is_wanted_now=True) == ["memory", "system", "", "trend", "processes!"]


def test_who_has_asked_too_often_gets_what_programs_get() -> None:
    key = processes.BY_MEMORY.key
    refused = with_answer(
        KNOWN, key, costing(VIEWS["processes"], 0.002, age_seconds=60.0), too_soon_until=NOW + 30.0, trouble="too soon"
    )
    assert "processes" in asked(State(), refused, LATER)
    assert "processes!" in asked(State(), refused, NOW + 31.0)


def test_a_paused_screen_asks_nothing_but_on_a_key() -> None:
    paused = State().paused()
    assert asked(paused, {}, NOW) == []
    assert "processes!" in asked(paused, KNOWN, LATER, is_wanted_now=True)


def test_while_one_thing_is_looked_at_the_pane_is_not_asked() -> None:
    state = State()
    looking = state.opened(processes.BY_MEMORY.page(processes_answer, TREND))
    assert asked(looking, KNOWN, LATER) == ["memory", "system", "process!"]


def test_a_look_that_has_cost_much_is_taken_less_often() -> None:
    looking = State().opened(processes.BY_MEMORY.page(processes_answer, TREND))
    assert looking.look is not None
    dear = {**KNOWN, looking.look.key: Latest(NOW, costing(VIEWS["process"], 1.0), NOW)}
    assert "process!" not in asked(looking, dear, NOW + 19.0)
    assert "process!" in asked(looking, dear, NOW + 21.0)


def test_a_node_that_is_in_trouble_is_looked_at_more_often() -> None:
    down = NODE.model_copy(update={"trouble": f"{NODE_NAME} on port 9100: nothing listens there"})
    assert "" in asked(State(), with_answer(KNOWN, "node", down), LATER)
    assert "" in asked(State(), {**KNOWN, "node": Latest(NOW, NODE, NOW, "no collector answers")}, LATER)
    assert "" not in asked(State(), KNOWN, LATER)


@pytest.mark.parametrize(("interval_seconds", "is_asked"), [(1.0, True), (10.0, False)])
def test_a_trend_is_asked_for_as_often_as_it_has_points(interval_seconds: float, *, is_asked: bool) -> None:
    known = with_answer(KNOWN, "trend", trend_of(interval_seconds=interval_seconds))
    assert ("trend" in asked(State(), known, NOW + 5.0)) is is_asked


def test_an_answer_grows_old_from_when_it_was_collected() -> None:
    latest = Latest(NOW, costing(VIEWS["processes"], 0.0, age_seconds=3.0), NOW)
    assert latest.age_seconds(NOW + 4.0) == 7.0
