"""Restarts of one node: what is begun, what the journal has of it, and what is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from agent.actions.guards import Guard
from agent.actions.plan import Policy
from collector.diagnosis.service_facts import Health
from collector.journal.chain import Entry, Json, Kind
from collector.journal.journal import Journal
from collector.restarts import account, finding_out, runner
from collector.restarts.models import RestartRequest, RestartState
from collector.restarts.planning import NotThere, Planned
from collector.restarts.runner import KeyReused, Refused, Restarts, Rules
from tests.fakes import until
from tests.restart_node import CHILD, FIRST_PID, SUPERVISOR, FakeSite, RestartNode

REQUEST = RestartRequest(child=CHILD, supervisor=SUPERVISOR, reason="it hangs")
QUICK = Rules(Policy(cooldown_seconds=0.0, max_actions=1_000), watch_seconds=0.0)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def healthy(_url: str) -> Health:
        return Health(200, "ok")

    monkeypatch.setattr(finding_out, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(finding_out, "WATCH_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(runner, "LOOK_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(runner, "health_of", healthy)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with Journal(tmp_path / "journal.db", lambda _entry: None) as opened:
        yield opened


@pytest.fixture
def node() -> RestartNode:
    return RestartNode()


async def entries(journal: Journal) -> list[Entry]:
    return await journal.read(lambda reader: reader.entries(newest_first=False))


async def kinds(journal: Journal) -> list[Kind]:
    return [entry.kind for entry in await entries(journal)]


async def test_a_restart_is_told_from_its_intent_to_its_outcome(node: RestartNode, journal: Journal) -> None:
    restarts = Restarts(FakeSite(node), journal, QUICK)
    begun = await restarts.begin(REQUEST, "anna")
    assert (begun.state, begun.who, begun.reason) == (RestartState.RUNNING, "anna", "it hangs")
    await restarts.wait(begun.id)
    told = await restarts.book.find(begun.id)
    assert told is not None
    assert told.state is RestartState.DONE
    assert told.verdict is not None
    assert (told.verdict.pid_before, told.verdict.pid_now) == (f"<0.{FIRST_PID}.0>", f"<0.{FIRST_PID + 1}.0>")
    assert await kinds(journal) == [Kind.INTENT, Kind.OUTCOME]


async def test_the_intent_is_on_disk_before_the_node_hears_of_it(node: RestartNode, journal: Journal) -> None:
    restarts = Restarts(FakeSite(node, loses="before"), journal, QUICK)
    await restarts.begin(REQUEST, "anna")
    assert await kinds(journal) == [Kind.INTENT]
    assert node.restarted_by == []
    await restarts.close()


async def test_a_journal_that_cannot_be_written_lets_nothing_be_done(node: RestartNode, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    async with Journal(tmp_path / "file" / "journal.db", lambda _entry: None) as journal:
        with pytest.raises(Exception, match="journal"):
            await Restarts(FakeSite(node), journal, QUICK).begin(REQUEST, "anna")
    assert node.restarted_by == []


async def test_a_dry_run_leaves_nothing_in_the_journal_and_nothing_on_the_node(
    node: RestartNode, journal: Journal
) -> None:
    plan = await Restarts(FakeSite(node), journal, QUICK).plan(REQUEST)
    assert plan.allowed
    assert plan.next_step is not None
    assert "top of the application" in plan.next_step.detail
    assert await entries(journal) == []
    assert node.restarted_by == []


async def test_what_guards_refuse_is_in_the_journal_with_all_their_names(node: RestartNode, journal: Journal) -> None:
    node.rows, node.temporary = 3, 2
    with pytest.raises(Refused) as refused:
        await Restarts(FakeSite(node), journal, QUICK).begin(REQUEST, "anna")
    assert [one.guard for one in refused.value.plan.refusals] == [Guard.DATA_LOSS, Guard.CHILDREN_LOST]
    (entry,) = await entries(journal)
    assert entry.kind is Kind.REFUSED
    assert [one["guard"] for one in entry.body["refusals"]] == [Guard.DATA_LOSS, Guard.CHILDREN_LOST]  # type: ignore[union-attr, index, call-overload]  # JSON of ours
    assert node.restarted_by == []


async def test_losses_that_are_accepted_are_no_hindrance(node: RestartNode, journal: Journal) -> None:
    node.rows, node.temporary = 3, 2
    restarts = Restarts(FakeSite(node), journal, QUICK)
    accepting = REQUEST.model_copy(update={"accept_data_loss": ["ledger"], "accept_lost_children": True})
    begun = await restarts.begin(accepting, "anna")
    await restarts.wait(begun.id)
    told = await restarts.book.find(begun.id)
    assert told is not None
    assert told.verdict is not None
    assert (told.verdict.rows_before, told.verdict.rows_now) == (3, 0)
    assert (told.verdict.children_before, told.verdict.children_now) == (2, 0)


async def test_a_plan_that_is_not_true_any_more_is_refused_with_the_new_one(
    node: RestartNode, journal: Journal
) -> None:
    restarts = Restarts(FakeSite(node), journal, QUICK)
    plan = await restarts.plan(REQUEST)
    node.child = 777
    with pytest.raises(Refused) as refused:
        await restarts.begin(REQUEST.model_copy(update={"plan_id": plan.plan_id}), "anna")
    assert refused.value.plan.refusals[0].guard == Guard.PLAN_CHANGED
    assert refused.value.plan.plan_id != plan.plan_id


async def test_a_node_started_anew_with_the_same_pids_makes_a_plan_untrue(node: RestartNode, journal: Journal) -> None:
    restarts = Restarts(FakeSite(node), journal, QUICK)
    plan = await restarts.plan(REQUEST)
    node.start_anew()
    again = await restarts.plan(REQUEST)
    assert plan.child is not None
    assert again.child is not None
    assert again.child.pid == plan.child.pid
    assert again.plan_id != plan.plan_id


async def test_the_same_key_twice_is_done_once(node: RestartNode, journal: Journal) -> None:
    restarts = Restarts(FakeSite(node), journal, QUICK)
    first, second = await asyncio.gather(*(restarts.begin(REQUEST, "anna", "key") for _ in range(2)))
    assert first.id == second.id
    await restarts.wait(first.id)
    third = await restarts.begin(REQUEST, "anna", "key")
    assert (third.id, third.state) == (first.id, RestartState.DONE)
    assert node.restarted_by == [first.id]


async def test_a_key_of_another_request_is_refused(node: RestartNode, journal: Journal) -> None:
    restarts = Restarts(FakeSite(node), journal, QUICK)
    await restarts.wait((await restarts.begin(REQUEST, "anna", "key")).id)
    with pytest.raises(KeyReused):
        await restarts.begin(REQUEST.model_copy(update={"reason": "another"}), "anna", "key")


async def test_a_child_that_was_just_restarted_is_left_in_peace(node: RestartNode, journal: Journal) -> None:
    restarts = Restarts(FakeSite(node), journal, Rules(Policy(cooldown_seconds=60), watch_seconds=0.0))
    await restarts.wait((await restarts.begin(REQUEST, "anna")).id)
    with pytest.raises(Refused) as refused:
        await restarts.begin(REQUEST, "bert")
    (refusal,) = refused.value.plan.refusals
    assert refusal.guard == Guard.COOLDOWN
    assert refusal.retry_after_seconds is not None
    assert 0 < refusal.retry_after_seconds <= 60


async def test_of_two_that_were_planned_at_the_same_time_the_second_meets_the_cooldown(
    node: RestartNode, journal: Journal
) -> None:
    rules = Rules(Policy(cooldown_seconds=60), watch_seconds=0.0)
    sidecars = [Restarts(FakeSite(node), journal, rules) for _ in range(2)]
    ended = await asyncio.gather(*(one.begin(REQUEST, "anna") for one in sidecars), return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == ["Refused", "RestartAnswer"]
    await until(lambda: len(node.restarted_by) == 1, "the first has acted")


async def test_two_sidecars_with_journals_of_their_own_meet_the_lock_on_the_node(
    node: RestartNode, tmp_path: Path
) -> None:
    node.hold = asyncio.Event()
    async with (
        Journal(tmp_path / "a" / "journal.db", lambda _entry: None) as one,
        Journal(tmp_path / "b" / "journal.db", lambda _entry: None) as other,
    ):
        sidecars = [Restarts(FakeSite(node), journal, QUICK) for journal in (one, other)]
        plans = [await sidecar._plan(await sidecar._site.connection(), REQUEST, []) for sidecar in sidecars]
        assert all(plan.plan.is_allowed for plan in plans)
        first = await sidecars[0].begin(REQUEST, "anna")
        await until(lambda: node.lock is not None, "the first has the lock")
        with pytest.raises(Refused) as refused:
            await sidecars[1].begin(REQUEST, "bert")
        assert Guard.ACTION_RUNNING in [one.guard for one in refused.value.plan.refusals]
        node.hold.set()
        await sidecars[0].wait(first.id)
    assert node.restarted_by == [first.id]


async def test_starts_that_fail_a_few_times_are_tried_again(node: RestartNode, journal: Journal) -> None:
    node.failing_starts = 2
    restarts = Restarts(FakeSite(node), journal, QUICK)
    begun = await restarts.begin(REQUEST, "anna")
    await restarts.wait(begun.id)
    told = await restarts.book.find(begun.id)
    assert told is not None
    assert told.state is RestartState.DONE
    assert told.verdict is not None
    assert told.verdict.tries == 3


async def test_a_child_that_does_not_come_up_is_told_with_the_reason_and_what_to_type(
    node: RestartNode, journal: Journal
) -> None:
    node.failing_starts = 100
    restarts = Restarts(FakeSite(node), journal, QUICK)
    begun = await restarts.begin(REQUEST, "anna")
    await restarts.wait(begun.id)
    told = await restarts.book.find(begun.id)
    assert told is not None
    assert told.state is RestartState.FAILED
    assert "{bad,config}" in told.text
    assert f"beamwarden restart {CHILD} --under {SUPERVISOR}" in told.text
    plan = await restarts.plan(REQUEST)
    assert (plan.action, plan.allowed) == ("start", True)


@pytest.mark.parametrize(("loses", "state"), [("before", RestartState.NOT_DONE), ("behind", RestartState.UNKNOWN)])
async def test_what_became_of_a_restart_that_was_lost_from_sight_is_found_out(
    node: RestartNode, journal: Journal, loses: str, state: RestartState
) -> None:
    restarts = Restarts(FakeSite(node, loses=loses), journal, QUICK)
    begun = await restarts.begin(REQUEST, "anna")
    await until(lambda: not node.is_connected, "the connection is cut")
    node.is_connected = True
    await restarts.wait(begun.id)
    told = await restarts.book.find(begun.id)
    assert told is not None
    assert told.state is state
    assert f"child runs as <0.{node.child}.0>" in told.text


async def test_an_intent_without_an_end_is_closed_after_a_start(node: RestartNode, journal: Journal) -> None:
    node.hold = asyncio.Event()
    before = Restarts(FakeSite(node), journal, QUICK)
    begun = await before.begin(REQUEST, "anna")
    await until(lambda: node.lock is not None, "it works on the node")
    await before.close()
    after = Restarts(FakeSite(node), journal, QUICK)
    assert not await after.close_open_intents()
    assert await kinds(journal) == [Kind.INTENT]
    node.hold.set()
    await until(lambda: node.lock is None, "it has ended on the node")
    assert await after.close_open_intents()
    told = await after.book.find(begun.id)
    assert told is not None
    assert told.state is RestartState.UNKNOWN
    assert f"unknown: child runs as <0.{FIRST_PID + 1}.0> (was <0.{FIRST_PID}.0>)" in told.text


async def test_a_child_that_is_down_after_an_intent_without_an_end_is_told_to_be(
    node: RestartNode, journal: Journal
) -> None:
    before = Restarts(FakeSite(node, loses="behind"), journal, QUICK)
    node.failing_starts = 100
    begun = await before.begin(REQUEST, "anna")
    await until(lambda: node.went_down_under, "it has failed on the node")
    await before.close()
    node.is_connected = True
    after = Restarts(FakeSite(node), journal, QUICK)
    assert await after.close_open_intents()
    told = await after.book.find(begun.id)
    assert told is not None
    assert told.state is RestartState.FAILED
    assert "child is down" in told.text


@pytest.mark.parametrize("ending", ["held", "child ended", "node anew"])
async def test_a_watch_says_whether_it_held(node: RestartNode, journal: Journal, ending: str) -> None:
    restarts = Restarts(FakeSite(node), journal, Rules(QUICK.policy, watch_seconds=0.05 if ending == "held" else 60.0))
    begun = await restarts.begin(REQUEST, "anna")
    await until(lambda: restarts.outcomes, "it has ended")
    while (told := await restarts.book.find(begun.id)) is None or told.state is RestartState.RUNNING:
        await asyncio.wait({asyncio.create_task(journal.check())})  # its outcome is being written
    assert told.is_watched
    if ending == "child ended":
        node.child = 999
    if ending == "node anew":
        node.start_anew()
    await restarts.wait(begun.id)
    told = await restarts.book.find(begun.id)
    assert told is not None
    assert told.held is (ending == "held")
    assert ("it held" if ending == "held" else "did NOT hold") in told.text


async def test_a_child_that_is_not_there_is_answered_with_those_that_are(node: RestartNode, journal: Journal) -> None:
    with pytest.raises(NotThere, match=f"{SUPERVISOR} has no child governor_sup; .* {CHILD}"):
        await Restarts(FakeSite(node), journal, QUICK).plan(REQUEST.model_copy(update={"child": "governor_sup"}))


async def test_the_latest_come_first_and_those_that_were_refused_too(node: RestartNode, journal: Journal) -> None:
    restarts = Restarts(FakeSite(node), journal, QUICK)
    begun = await restarts.begin(REQUEST, "anna")
    await restarts.wait(begun.id)
    node.rows = 1
    with pytest.raises(Refused):
        await restarts.begin(REQUEST, "bert")
    assert [(one.who, one.state) for one in (await restarts.book.latest(10)).restarts] == [
        ("bert", RestartState.REFUSED),
        ("anna", RestartState.DONE),
    ]
    assert restarts.outcomes == {("restart", RestartState.DONE): 1, ("restart", RestartState.REFUSED): 1}


# ------------------------------------------------------------------------------------------- a watcher that was ended


@pytest.mark.parametrize(("ending", "held"), [("same", True), ("child ended", None), ("node anew", None)])
async def test_a_watch_that_nobody_ended_is_looked_at_when_its_time_is_over(
    node: RestartNode, journal: Journal, monkeypatch: pytest.MonkeyPatch, ending: str, *, held: bool | None
) -> None:
    monkeypatch.setattr(account, "WATCHER_LATE_SECONDS", 0.0)
    before = Restarts(FakeSite(node), journal, Rules(QUICK.policy, watch_seconds=0.2))
    begun = await before.begin(REQUEST, "anna")
    await until(lambda: before.outcomes, "it has ended")
    await before.close()
    if ending == "child ended":
        node.child = 999
    if ending == "node anew":
        node.start_anew()
    after = Restarts(FakeSite(node), journal, QUICK)
    async with asyncio.timeout(10):
        while (told := await after.book.find(begun.id)) is None or told.is_watched:
            assert await after.close_open_intents()
    assert told.held is held
    assert ("it held" if held else "whether it held is not known: nobody watched it to the end") in told.text
    assert await kinds(journal) == [Kind.INTENT, Kind.OUTCOME, Kind.WATCHED]


async def test_a_watch_that_goes_on_is_left_to_whoever_watches(
    node: RestartNode, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "WATCHER_LATE_SECONDS", -60.0)  # as if its time were over already
    restarts = Restarts(FakeSite(node), journal, Rules(QUICK.policy, watch_seconds=30.0))
    begun = await restarts.begin(REQUEST, "anna")
    await until(lambda: restarts.outcomes, "it has ended")
    assert await restarts.close_open_intents()
    told = await restarts.book.find(begun.id)
    assert told is not None
    assert told.is_watched
    await restarts.close()


async def test_a_watch_of_a_node_that_does_not_answer_ends_without_knowing(node: RestartNode, journal: Journal) -> None:
    restarts = Restarts(FakeSite(node), journal, Rules(QUICK.policy, watch_seconds=0.3))
    begun = await restarts.begin(REQUEST, "anna")
    await until(lambda: restarts.outcomes, "it has ended")
    node.is_connected = False
    await restarts.wait(begun.id)
    told = await restarts.book.find(begun.id)
    assert told is not None
    assert told.held is None
    assert "whether it held is not known: the node does not answer" in told.text


async def test_what_was_lost_from_sight_is_given_up_in_time_and_stays_open(node: RestartNode, journal: Journal) -> None:
    rules = Rules(QUICK.policy, watch_seconds=0.0, give_up_seconds=0.05)
    restarts = Restarts(FakeSite(node, loses="behind"), journal, rules)
    begun = await restarts.begin(REQUEST, "anna")
    await restarts.wait(begun.id)
    told = await restarts.book.find(begun.id)
    assert told is not None
    assert told.state is RestartState.RUNNING
    assert await kinds(journal) == [Kind.INTENT]


async def test_an_intent_of_ours_is_not_looked_up_before_its_worker_is_sent(
    node: RestartNode, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    restarts = Restarts(FakeSite(node), journal, QUICK)
    intend = restarts.book.intend

    async def intend_and_look(action_id: str, planned: Planned, body: Mapping[str, Json]) -> Entry:
        intent = await intend(action_id, planned, body)
        assert await restarts.close_open_intents()
        return intent

    monkeypatch.setattr(restarts.book, "intend", intend_and_look)
    await restarts.wait((await restarts.begin(REQUEST, "anna")).id)
    assert await kinds(journal) == [Kind.INTENT, Kind.OUTCOME]


async def test_what_is_found_out_is_not_written_behind_what_was_told(node: RestartNode, journal: Journal) -> None:
    before = Restarts(FakeSite(node, loses="behind"), journal, QUICK)
    begun = await before.begin(REQUEST, "anna")
    await until(lambda: not node.is_connected, "the connection is cut")
    await before.close()
    node.is_connected = True
    after = [Restarts(FakeSite(node), journal, QUICK) for _ in range(3)]
    assert await asyncio.gather(*(one.close_open_intents() for one in after)) == [True] * 3
    assert await kinds(journal) == [Kind.INTENT, Kind.RECONCILED]
    assert sum(sum(one.outcomes.values()) for one in after) == 1
    assert begun.id == (await entries(journal))[0].action_id
