from __future__ import annotations

from agent.probes import governor_ages
from agent.probes.governor_ages import Age, AgedGovernors
from agent.probes.governors import Governor, Governors, Sightings
from agent.supervision import ChildState
from agent.terms import Atom, Term
from tests.agent.probes.process_terms import function, pid
from tests.fakes import FakeShell

UPTIME_SECONDS = 100_000.0


def governors(*numbers: int, total: int | None = None) -> Term:
    """What ``governors.expr`` gives; of more in ``total`` than there are numbers, some are left out."""
    columns: tuple[Term, ...] = (
        [b"a_governor" for _ in numbers],
        [pid(number) for number in numbers],
        [Atom("billing_sup") for _ in numbers],
        [(0, function("gen_statem", "loop_receive", 3)) for _ in numbers],
    )
    count = len(numbers) if total is None else total
    return ([pid(50)], columns, (count, count), [], round(UPTIME_SECONDS * 1e6), 8)


async def look(said: Term, before: AgedGovernors | None = None) -> AgedGovernors:
    return await governor_ages.ask(["governance_sup"], before, FakeShell(said), 10.0)


async def age(aged: AgedGovernors, number: int) -> Age:
    (governor,) = [one for one in aged.found.governors if one.pid == f"<0.{number}.0>"]
    found = aged.age(governor)
    assert found is not None
    return found


async def test_one_that_is_there_from_the_start_may_be_as_old_as_its_node() -> None:
    assert await age(await look(governors(60)), 60) == Age(0.0, UPTIME_SECONDS)


async def test_one_that_is_seen_again_is_at_least_as_old_as_the_time_between() -> None:
    first = await look(governors(60))
    second = await look(governors(60), first)
    assert await age(second, 60) == Age(second.seen_at - first.seen_at, UPTIME_SECONDS)


async def test_one_that_was_not_there_before_is_at_most_as_old_as_the_time_between() -> None:
    first = await look(governors(60))
    second = await look(governors(60, 61), first)
    assert await age(second, 61) == Age(0.0, second.seen_at - first.seen_at)


async def test_one_that_may_have_been_left_out_before_may_be_as_old_as_its_node() -> None:
    first = await look(governors(60, total=2_000))
    assert not first.found.complete
    second = await look(governors(60, 61), first)
    assert (await age(second, 61)).at_most_seconds == UPTIME_SECONDS


async def test_one_that_came_back_is_a_new_one() -> None:
    first = await look(governors(60))
    second = await look(governors(), first)
    third = await look(governors(60), second)
    assert await age(third, 60) == Age(0.0, third.seen_at - second.seen_at)


def test_one_without_a_process_has_no_age() -> None:
    dead = Governor("a_governor", "billing_sup", None, ChildState.UNDEFINED, None, None)
    found = Governors((dead,), 1, 0, (), (), UPTIME_SECONDS)
    assert AgedGovernors(found, Sightings(), 0.0).age(dead) is None


def test_none_is_older_than_its_node() -> None:
    one = Governor("a_governor", "billing_sup", "<0.60.0>", ChildState.RUNNING, 0, None)
    found = Governors((one,), 1, 1, (), (), uptime_seconds=5.0)
    assert AgedGovernors(found, Sightings({"<0.60.0>": (0.0, None)}), seen_at=60.0).age(one) == Age(5.0, 5.0)
