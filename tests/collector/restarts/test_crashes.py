"""Restarts under crashes of ours, cut connections and new lives of the node in any order: the journal stays true."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from agent.actions.plan import Policy
from agent.errors import AgentError
from collector.diagnosis.service_facts import Health
from collector.journal.chain import Entry, Kind
from collector.journal.journal import Journal
from collector.restarts import account, finding_out, runner
from collector.restarts.models import RestartAnswer, RestartRequest, RestartState
from collector.restarts.runner import Refused, Restarts, Rules
from tests.fakes import until
from tests.restart_node import CHILD, SUPERVISOR, FakeSite, RestartNode

REQUEST = RestartRequest(child=CHILD, supervisor=SUPERVISOR, reason="it hangs")
RULES = Rules(Policy(cooldown_seconds=0.0, max_actions=10_000), retries=1, watch_seconds=0.0)
_T = TypeVar("_T")


class Crashes(RuleBasedStateMachine):
    """One node, one journal, and collectors that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.node = RestartNode()
        self.journal = self.do(self._open())
        self.restarts = Restarts(FakeSite(self.node), self.journal, RULES)
        self.lost_lives: set[str] = set()
        """The actions whose worker a start of the node has ended."""

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.runner.run(work)

    async def _open(self) -> Journal:
        return await Journal(Path(self.folder.name) / "journal.db", lambda _entry: None).__aenter__()

    def teardown(self) -> None:
        if self.node.hold is not None:
            self.node.hold.set()
        self.do(self.restarts.close())
        self.do(self.journal.close())
        self.runner.close()
        self.folder.cleanup()

    async def _begin(self, loses: str | None) -> RestartAnswer | None:
        self.restarts._site = FakeSite(self.node, loses=loses)
        try:
            begun = await self.restarts.begin(REQUEST, "anna")
        except (Refused, AgentError):
            return None
        # As far as it comes by itself: to its end, to the hold on the node, or to the cut.
        await until(
            lambda: not self.restarts._under_way or self.node.lock is not None or not self.node.is_connected,
            "it came on",
        )
        return begun

    @rule(loses=st.sampled_from([None, None, "before", "behind"]), fails=st.integers(0, 3))
    def restart(self, loses: str | None, fails: int) -> None:
        self.node.failing_starts = fails
        self.do(self._begin(loses))

    @precondition(lambda self: self.node.lock is None and self.node.hold is None)
    @rule(loses=st.sampled_from([None, "behind"]))
    def restart_that_takes_long(self, loses: str | None) -> None:
        self.node.hold = asyncio.Event()
        self.do(self._begin(loses))

    @precondition(lambda self: self.node.hold is not None)
    @rule()
    def the_node_comes_on(self) -> None:
        async def come_on() -> None:
            assert self.node.hold is not None
            self.node.hold.set()
            self.node.hold = None
            await until(lambda: self.node.lock is None, "the worker has ended")

        self.do(come_on())

    @rule()
    def the_collector_is_killed(self) -> None:
        self.do(self.restarts.close())
        self.restarts = Restarts(FakeSite(self.node), self.journal, RULES)

    @rule()
    def the_connection_comes_back(self) -> None:
        self.node.is_connected = True

    @rule()
    def the_node_is_started_anew(self) -> None:
        async def start_anew() -> None:
            if self.node.lock is not None:
                self.lost_lives.add(self.node.lock)
            self.node.start_anew()
            self.node.hold = None
            await asyncio.sleep(0)

        self.do(start_anew())

    @precondition(lambda self: self.node.is_connected and self.node.lock is None)
    @rule()
    def all_is_looked_up(self) -> None:
        self.restarts._site = FakeSite(self.node)
        self.do(self.restarts.close())
        self.restarts = Restarts(FakeSite(self.node), self.journal, RULES)
        assert self.do(self.restarts.close_open_intents())
        actions = self.do(self._actions())
        assert all(told.state is not RestartState.RUNNING for told in actions)

    async def _entries(self) -> list[Entry]:
        return await self.journal.read(lambda reader: reader.entries(newest_first=False))

    async def _actions(self) -> list[RestartAnswer]:
        return [account.answer_of(action) for action in account.group(await self._entries())]

    @invariant()
    def the_chain_holds(self) -> None:
        assert self.do(self.journal.verify()).fault is None

    @invariant()
    def whatever_was_done_on_the_node_had_its_intent(self) -> None:
        intended = {entry.action_id for entry in self.do(self._entries()) if entry.kind is Kind.INTENT}
        assert set(self.node.restarted_by) <= intended
        assert len(self.node.restarted_by) == len(set(self.node.restarted_by))

    @invariant()
    def the_journal_tells_the_truth(self) -> None:
        for told in self.do(self._actions()):
            if told.state is RestartState.DONE:
                assert told.id in self.node.restarted_by
                assert told.id not in self.node.went_down_under
            if told.state is RestartState.NOT_DONE:
                assert told.id not in self.node.restarted_by
            if told.state is RestartState.REFUSED:
                assert told.id not in self.node.restarted_by

    @invariant()
    def no_fault_of_ours_leaves_the_child_down(self) -> None:
        if self.node.child is None and self.node.lock is None:
            assert self.node.went_down_under


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def healthy(_url: str) -> Health:
        return Health(200, "ok")

    monkeypatch.setattr(finding_out, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(runner, "LOOK_AGAIN_SECONDS", 0.005)
    monkeypatch.setattr(runner, "health_of", healthy)


def _run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Crashes,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_whatever_crashes_the_journal_tells_the_truth() -> None:
    _run(20, 20)


@pytest.mark.slow
def test_whatever_crashes_the_journal_tells_the_truth_at_length() -> None:
    _run(500, 50)
