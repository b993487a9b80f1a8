from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import collector.views
from agent.errors import WorkerDied
from agent.expression import Evaluated, Expression, Shell
from agent.probes import Result, memory
from collector import question as question_module
from collector import watched as watched_module
from collector.freshness import (
    MIN_INTERVAL_SECONDS,
    OTHER,
    OTHER_PART,
    PARTS,
    PERSON_MAX_AGE_SECONDS,
    Asker,
    Budget,
    pot_of,
)
from collector.question import Question
from collector.settings import Settings
from collector.snapshot import Answered, Snapshot
from collector.watched import WatchedNode
from tests.collector_fakes import MEMORY, NODE, PATIENCE_SECONDS, FakeClock, FakeNode, FakeSession

HOUR_SECONDS = 3600


# ----------------------------------------------------------------------------------------------------------- decisions


def test_all_parts_together_are_the_whole_share() -> None:
    assert sum(PARTS.values()) + OTHER_PART == pytest.approx(1.0)


@pytest.mark.parametrize("probe", [*PARTS, "busy", "binary_holders"])
@pytest.mark.parametrize("cost_seconds", [0.0, 0.002, 0.3, 2.0, 10.0])
def test_a_probe_that_is_asked_at_its_interval_stays_within_its_part(probe: str, cost_seconds: float) -> None:
    part = PARTS.get(probe, OTHER_PART)
    interval_seconds = Budget(max_scheduler_share=0.01).interval_seconds(probe, cost_seconds)
    assert cost_seconds <= interval_seconds * 0.01 * part * (1 + 1e-9)
    assert interval_seconds >= MIN_INTERVAL_SECONDS


def test_a_larger_share_makes_the_interval_shorter() -> None:
    small, large = (Budget(max_scheduler_share=share).interval_seconds("processes", 0.3) for share in (0.01, 0.1))
    assert small == pytest.approx(10 * large)


def test_a_person_never_gets_what_is_older_than_five_seconds() -> None:
    ages = {Budget(share).max_age_seconds(Asker.PERSON, "processes", cost) for share in (0.01, 1) for cost in (0, 9)}
    assert ages == {PERSON_MAX_AGE_SECONDS} == {5.0}


def test_what_no_program_asks_by_itself_is_paid_from_one_pot() -> None:
    assert {pot_of(probe) for probe in PARTS} == set(PARTS)
    assert pot_of("busy") == pot_of("binary_holders") == OTHER


def sweeps() -> Iterator[Question]:
    """Every sweep that there is a view of, as the views themselves have it."""
    for path in Path(collector.views.__file__).parent.glob("[a-z]*.py"):
        module = __import__(f"collector.views.{path.stem}", fromlist=["x"])
        for name, found in vars(module).items():
            if isinstance(found, Question):
                yield found
            elif name.startswith("sweep_"):
                yield found(Settings())


def test_every_sweep_has_its_part_or_is_only_asked_on_request() -> None:
    assert {question.probe for question in sweeps()} <= {*PARTS, "busy", "binaries", "binary_holders"}


# ---------------------------------------------------------------------------------------- an hour of very many programs

# What it costs on a node with a million processes; the first two as measured, the others as dear as they may become.
COSTS: Mapping[str, float] = {
    "mailboxes": 0.28,
    "processes": 2.3,
    "ets": 0.14,
    "supervision_tree": 0.05,
    "governors": 0.01,
    "applications": 0.001,
    "ports": 0.004,
    "watched_tables": 0.005,
    "allocators": 0.06,
    "distribution": 0.02,
    "mnesia": 0.02,
    "microstates": 0.02,
    "busy": 0.9,
    "binary_holders": 3.0,
}


class CostlyNode:
    """A node whose sweeps cost what they say, and sometimes half of that for nothing. Keeps its own accounts."""

    def __init__(self, clock: FakeClock) -> None:
        self.spent_seconds: defaultdict[str, float] = defaultdict(float)
        self.asked: Counter[str] = Counter()
        self.is_charging = True
        self._clock = clock
        self._random = random.Random(20261124)
        self.session = FakeSession()

    def question(self, probe: str, arguments: float | None = None) -> Question:
        async def ask(shell: Shell, deadline_seconds: float) -> Result:
            cost_seconds = COSTS[probe] * self._random.uniform(0.5, 1.5)
            self.asked[probe] += 1
            if self._random.random() < 0.1:
                self.spend(probe, cost_seconds / 2)
                raise WorkerDied("the worker met its heap limit")
            self.spend(probe, cost_seconds)
            self.session.evaluations[probe] = Evaluated([], cost_seconds, reductions=round(cost_seconds / 4e-8))
            await shell.evaluate(Expression(probe, ""), {}, deadline_seconds=deadline_seconds)
            return MEMORY

        return Question(probe, ask, arguments, is_sweep=True)

    def spend(self, probe: str, seconds: float) -> None:
        self._clock.now += seconds
        if self.is_charging:
            self.spent_seconds[probe] += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    for module in (question_module, watched_module):
        monkeypatch.setattr(module, "time", clock)
    return clock


def dearest_seconds(pot: str) -> float:
    """What one question from a pot costs at the most."""
    return 1.5 * max(cost for probe, cost in COSTS.items() if pot_of(probe) == pot)


def is_told_true(snapshot: Snapshot) -> bool:
    """Whether no answer is said to be of another time than it is."""
    return all(
        snapshot.made_at is not None and found.asked_at <= snapshot.made_at
        for found in snapshot.shared.values()
        if isinstance(found, Answered)
    )


async def an_hour(node: CostlyNode, clock: FakeClock, share: float, *, with_people: bool) -> None:
    """Three scrapers at 10 s, a program that asks everything there is every 5 s, and people who ask now and then."""
    always = [node.question(probe) for probe in COSTS if pot_of(probe) != OTHER]
    watched = WatchedNode(
        FakeNode(NODE, node.session), {"memory": memory.ask}, lambda: None, always, Budget(max_scheduler_share=share)
    )
    dice = random.Random(4711)
    due = [(at + offset, "scrape") for at in range(0, HOUR_SECONDS, 10) for offset in (0.0, 3.3, 6.6)]
    due += [(float(at), "everything") for at in range(0, HOUR_SECONDS, 5)]
    due += [(float(at), "a person") for at in range(0, HOUR_SECONDS, 47) if with_people]
    start = clock.now
    for at, what in sorted(due):
        clock.now = max(clock.now, start + at)
        if what == "scrape":
            assert is_told_true(await watched.scrape(PATIENCE_SECONDS))
            continue
        node.is_charging = what == "everything"
        asker = Asker.PROGRAM if node.is_charging else Asker.PERSON
        for question in (*always, node.question("binary_holders"), node.question("busy", dice.uniform(0.1, 10.0))):
            await watched.answer(question, asker)
        node.is_charging = True


@pytest.mark.parametrize("share", [0.01, 0.1])
async def test_in_an_hour_programs_cost_no_more_than_the_share_and_one_question_each(
    clock: FakeClock, share: float
) -> None:
    node = CostlyNode(clock)
    await an_hour(node, clock, share, with_people=False)
    pots: defaultdict[str, float] = defaultdict(float)
    for probe, seconds in node.spent_seconds.items():
        pots[pot_of(probe)] += seconds
    elapsed_seconds = clock.now - 1000.0
    for pot, seconds in pots.items():
        part = PARTS.get(pot, OTHER_PART)
        assert seconds <= share * part * elapsed_seconds + dearest_seconds(pot), pot
    assert sum(pots.values()) <= share * elapsed_seconds + sum(map(dearest_seconds, pots))
    assert set(pots) == {*PARTS, OTHER}


async def test_the_share_is_used_where_the_node_is_large(clock: FakeClock) -> None:
    node = CostlyNode(clock)
    await an_hour(node, clock, 0.01, with_people=False)
    assert node.spent_seconds["processes"] >= 0.01 * PARTS["processes"] * HOUR_SECONDS / 2
    assert node.asked["mailboxes"] > 20


async def test_people_do_not_make_programs_cost_more(clock: FakeClock) -> None:
    node = CostlyNode(clock)
    await an_hour(node, clock, 0.01, with_people=True)
    elapsed_seconds = clock.now - 1000.0
    for probe in ("mailboxes", "processes", "ets"):
        assert node.spent_seconds[probe] <= 0.01 * PARTS[probe] * elapsed_seconds + dearest_seconds(probe)


async def test_a_small_node_is_not_asked_more_than_once_a_second(clock: FakeClock) -> None:
    node = CostlyNode(clock)
    session = node.session
    session.evaluations["mailboxes"] = Evaluated([], 0.0002, 100_000)

    async def ask(shell: Shell, deadline_seconds: float) -> Result:
        await shell.evaluate(Expression("mailboxes", ""), {}, deadline_seconds=deadline_seconds)
        return MEMORY

    sweep = Question("mailboxes", ask, is_sweep=True)
    watched = WatchedNode(FakeNode(NODE, session), {}, lambda: None, (sweep,))
    for _ in range(1000):
        await watched.scrape(PATIENCE_SECONDS)
        clock.now += 0.1
    assert session.calls.count("mailboxes") <= 100
