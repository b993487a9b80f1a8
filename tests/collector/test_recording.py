from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from agent.errors import DeadlineExceeded, NodeUnreachable, RemoteError
from agent.expression import Evaluated
from agent.probes.processes import Mailboxes, Queues
from agent.probes.watched_tables import WatchedName, WatchedTables
from agent.terms import Atom, Term
from collector import recording
from collector import watched as watched_module
from collector.fleet import Fleet
from collector.recording import MAX_TABLES, Trends, point_of, record_trends
from collector.settings import Settings
from collector.snapshot import Answered, Failed, Snapshot
from collector.trend import LONGEST_QUEUE, MEMORY_KINDS, PROCESS_COUNT, RUN_QUEUE, WAITING, memory_of, table_of
from tests.collector_fakes import (
    CREATION,
    MEMORY,
    MOMENT,
    NODE,
    OTHER_NODE,
    SYSTEM_INFO,
    FakeClock,
    FakeNode,
    FakeSession,
    answered,
    assert_problem,
    failed,
    serving,
    snapshot,
    snapshot_down,
    watch,
)

LATE = failed(DeadlineExceeded("no answer within 2 s"))
SETTINGS = Settings(watch_tables=("receipt_ledger",))
MAILBOXES = Mailboxes(Queues(412, 12_003, 12_001, {}), ())
TABLES = WatchedTables((WatchedName("receipt_ledger", 1, 0, 81_023, 14_680_064),))


def asked(result: Mailboxes | WatchedTables, at: datetime = MOMENT) -> Answered:
    return Answered(result, at, 0.004, 0.002)


def with_sweeps(found: Snapshot, **sweeps: Answered | Failed) -> Snapshot:
    return dataclasses.replace(found, shared=sweeps)


# -------------------------------------------------------------------------------------------------------- from answers


def test_every_figure_has_its_place() -> None:
    found = with_sweeps(snapshot(), mailboxes=asked(MAILBOXES), watched_tables=asked(TABLES))
    point = point_of(found, {})
    assert point.creation == CREATION
    assert point.values == {memory_of(kind): getattr(MEMORY, kind) for kind in MEMORY_KINDS} | {
        PROCESS_COUNT: 412,
        RUN_QUEUE: 7,
        LONGEST_QUEUE: 12_001,
        WAITING: 12_003,
        table_of("receipt_ledger", "count"): 1,
        table_of("receipt_ledger", "size"): 81_023,
        table_of("receipt_ledger", "memory"): 14_680_064,
    }
    assert point.cost_seconds == pytest.approx(0.004)
    assert point.trouble is None


@pytest.mark.parametrize(
    ("probe", "lost"),
    [
        ("memory", {memory_of(kind) for kind in MEMORY_KINDS}),
        ("system_info", {PROCESS_COUNT}),
        ("statistics", {RUN_QUEUE}),
    ],
)
def test_what_was_not_answered_is_missing_and_nothing_else(probe: str, lost: set[tuple[str, ...]]) -> None:
    point = point_of(snapshot(**{probe: LATE}), {})
    assert point_of(snapshot(), {}).values.keys() - point.values.keys() == lost
    assert point.trouble == "no answer within 2 s"


def test_a_process_count_that_the_node_does_not_know_is_missing() -> None:
    info = dataclasses.replace(SYSTEM_INFO, processes=None)
    assert PROCESS_COUNT not in point_of(snapshot(system_info=answered(info)), {}).values


def test_a_sweep_that_failed_is_missing_and_the_point_says_why() -> None:
    point = point_of(with_sweeps(snapshot(), mailboxes=LATE, watched_tables=asked(TABLES)), {})
    assert not {LONGEST_QUEUE, WAITING} & point.values.keys()
    assert point.values[table_of("receipt_ledger", "size")] == 81_023
    assert point.trouble == "no answer within 2 s"


def test_an_answer_that_a_point_was_made_of_already_is_not_taken_for_a_new_one() -> None:
    found = with_sweeps(snapshot(), mailboxes=asked(MAILBOXES))
    assert LONGEST_QUEUE in point_of(found, {"mailboxes": MOMENT - timedelta(seconds=10)}).values
    again = point_of(found, {"mailboxes": MOMENT})
    assert LONGEST_QUEUE not in again.values
    assert again.cost_seconds == 0.0


def test_a_table_that_is_not_there_has_no_rows_and_not_0() -> None:
    found = WatchedTables((WatchedName("receipt_ledger", 0, 0, 0, 0),))
    values = point_of(with_sweeps(snapshot(), watched_tables=asked(found)), {}).values
    assert values[table_of("receipt_ledger", "count")] == 0
    assert table_of("receipt_ledger", "size") not in values


def test_of_tables_that_were_not_all_measured_no_sum_is_told() -> None:
    found = WatchedTables((WatchedName("receipt_ledger", 3, 1, 20, 2_000),))
    values = point_of(with_sweeps(snapshot(), watched_tables=asked(found)), {}).values
    assert values[table_of("receipt_ledger", "count")] == 3
    assert table_of("receipt_ledger", "memory") not in values


def test_a_node_that_is_down_has_no_life_and_the_point_says_why() -> None:
    point = point_of(snapshot_down(), {})
    assert (point.creation, point.values) == (None, {})
    assert point.trouble == f"node not connected: {NODE} on port 9100: nothing listens there"


def test_a_node_that_is_connected_and_silent_has_no_life_either() -> None:
    silent = snapshot(identity=LATE, memory=LATE, statistics=LATE, system_info=LATE, supervisors=LATE)
    assert point_of(silent, {}).creation is None


# ------------------------------------------------------------------------------------------------------------ for ever


class Intervals:
    """Stands in for ``asyncio``: time passes only in ``sleep``, which calls what is to happen then, and ends it all."""

    def __init__(self, clock: FakeClock, *events: Callable[[], None]) -> None:
        self.clock = clock
        self.events = list(events)
        self.slept: list[float] = []
        self.gather = asyncio.gather

    def get_running_loop(self) -> SimpleNamespace:
        return SimpleNamespace(time=self.clock.monotonic)

    async def sleep(self, seconds: float) -> None:
        if not self.events:
            raise asyncio.CancelledError
        self.slept.append(seconds)
        self.clock.now += seconds
        self.events.pop(0)()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(watched_module, "time", clock)
    return clock


def well(session: FakeSession) -> FakeSession:
    """Let a fake node answer the two sweeps, with one message and one row more at each."""
    seen = {"longest": 0, "rows": 100}

    def mailboxes(_bindings: object) -> Term:
        seen["longest"] += 1
        return (412, (seen["longest"], seen["longest"], [1, 0, 0, 0, 0, 0, 0]), (0, 0), [])

    def tables(_bindings: object) -> Term:
        seen["rows"] += 1
        return [(1, seen["rows"], 1_000, 0)]

    session.evaluations |= {"processes": mailboxes, "watched_tables": tables}
    return session


async def recorded(
    node: FakeNode, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, *events: Callable[[], None]
) -> tuple[Trends, Intervals]:
    fleet = Fleet([watch(node)])
    trends, intervals = Trends(fleet.nodes, SETTINGS), Intervals(clock, *events)
    monkeypatch.setattr(recording, "asyncio", intervals)
    with pytest.raises(asyncio.CancelledError):
        await record_trends(fleet, trends)
    return trends, intervals


def nothing() -> None: ...


async def test_each_interval_has_a_point(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakeNode(NODE, well(FakeSession()))
    trends, intervals = await recorded(node, clock, monkeypatch, nothing, nothing)
    window = trends.of_node[NODE].window()
    assert intervals.slept == [10.0, 10.0]
    assert window.values[LONGEST_QUEUE] == (1, 2, 3)
    assert window.values[table_of("receipt_ledger", "size")] == (101, 102, 103)
    assert window.values[memory_of("total")] == (MEMORY.total,) * 3


async def test_it_waits_for_the_next_interval_however_long_a_look_takes(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = well(FakeSession())

    def slow() -> Term:
        clock.now += 3.0
        return [(Atom(kind), getattr(MEMORY, kind)) for kind in MEMORY.__dataclass_fields__]

    session.behaviours["erlang:memory"] = slow
    trends, intervals = await recorded(FakeNode(NODE, session), clock, monkeypatch, nothing, nothing)
    assert intervals.slept == [7.0, 7.0]
    assert trends.of_node[NODE].window().points == 3


async def test_a_node_that_goes_and_comes_again_leaves_a_gap_and_has_another_life(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = FakeNode(NODE, well(FakeSession()))
    trends, _ = await recorded(
        node,
        clock,
        monkeypatch,
        lambda: node.disconnect(NodeUnreachable("nothing listens there")),
        lambda: node.connect(well(FakeSession(creation=CREATION + 1))),
    )
    window = trends.of_node[NODE].window()
    assert window.creations == (CREATION, None, CREATION + 1)
    assert window.values[LONGEST_QUEUE] == (1, None, 1)


async def test_what_costs_more_than_its_share_is_asked_less_often(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = well(FakeSession())
    answer: Term = (412, (5, 5, [1, 0, 0, 0, 0, 0, 0]), (0, 0), [])
    seconds = Settings().max_scheduler_share * 10.0  # the share of all questions together, for one of them
    session.evaluations["processes"] = Evaluated(answer, worker_seconds=seconds, reductions=1 << 40)
    trends, _ = await recorded(FakeNode(NODE, session), clock, monkeypatch, *[nothing] * 5)
    window = trends.of_node[NODE].window()
    assert window.values[LONGEST_QUEUE] == (5, None, None, None, 5, None)
    assert None not in window.values[memory_of("total")]
    assert window.values[table_of("receipt_ledger", "size")] == (101, 102, 103, 104, 105, 106)


async def test_without_an_interval_nothing_is_asked() -> None:
    session = FakeSession()
    fleet = Fleet([watch(FakeNode(NODE, session))])
    await record_trends(fleet, Trends(fleet.nodes, Settings(trend_interval_seconds=0)))
    assert session.calls == []


async def test_without_watched_tables_none_are_looked_for(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    session = well(FakeSession())
    fleet = Fleet([watch(FakeNode(NODE, session))])
    monkeypatch.setattr(recording, "asyncio", Intervals(clock))
    with pytest.raises(asyncio.CancelledError):
        await record_trends(fleet, Trends(fleet.nodes, Settings(watch_tables=())))
    assert "processes" in session.calls
    assert "watched_tables" not in session.calls


def test_more_tables_than_are_kept_are_named_as_left_out() -> None:
    names = tuple(f"table_{number}" for number in range(MAX_TABLES + 1))
    trends = Trends([NODE], Settings(watch_tables=names))
    assert trends.tables == names[:-1]
    assert trends.left_out == (f"the table table_{MAX_TABLES}: after the first {MAX_TABLES}",)


# --------------------------------------------------------------------------------------------------------------- /trend


def trend_url(parameters: str = "", node: str = "-") -> str:
    return f"/api/v1/nodes/{node}/trend{parameters}"


async def test_the_trend_is_told_with_what_it_is_made_of(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakeNode(NODE, well(FakeSession()))
    trends, _ = await recorded(node, clock, monkeypatch, nothing, nothing)
    monkeypatch.setattr(recording, "asyncio", asyncio)
    fleet = Fleet([watch(node)])
    async with serving(fleet, SETTINGS, trends) as client:
        answer = (await client.get(trend_url())).json()
    assert answer["node"] == {"name": NODE, "creation": CREATION, "instance_id": None}
    assert (answer["interval_seconds"], answer["points"]) == (10.0, 3)
    first_at, newest_at = map(datetime.fromisoformat, (answer["first_at"], answer["collected_at"]))
    assert newest_at - first_at == timedelta(seconds=20)
    assert answer["lives"] == [{"creation": CREATION, "first_point": 0}]
    assert answer["memory"]["total_bytes"]["values"] == [MEMORY.total] * 3
    assert answer["process_count"]["values"] == [412] * 3
    assert answer["run_queue_length"]["values"] == [7] * 3
    assert answer["longest_message_queue"]["values"] == answer["messages_waiting"]["values"] == [1, 2, 3]
    (table,) = answer["tables"]
    assert (table["name"], table["count"]["values"]) == ("receipt_ledger", [1, 1, 1])
    assert table["size"] == {
        "values": [101, 102, 103],
        "change": {"first": 101, "last": 103, "smallest": 101, "largest": 103, "falls": 0, "per_minute": 6.0},
    }
    assert (answer["complete"], answer["left_out"]) == (True, [])


async def test_the_trend_of_a_node_that_is_gone_is_told(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakeNode(NODE, well(FakeSession()))
    gone = NodeUnreachable("nothing listens there")
    trends, _ = await recorded(node, clock, monkeypatch, lambda: node.disconnect(gone))
    monkeypatch.setattr(recording, "asyncio", asyncio)
    fleet = Fleet([watch(node)])
    async with serving(fleet, SETTINGS, trends) as client:
        answer = (await client.get(trend_url())).json()
    assert answer["node"]["creation"] is None
    assert answer["process_count"]["values"] == [412, None]
    assert answer["process_count"]["change"]["last"] == 412
    assert not answer["complete"]
    assert answer["left_out"] == [
        "1 of 2 points: the node did not answer",
        "at the last point: node not connected: nothing listens there",
    ]


async def test_what_was_not_asked_for_or_not_answered_is_told(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = well(FakeSession())
    session.evaluations["watched_tables"] = RemoteError(Atom("error"), Atom("system_limit"))
    trends, _ = await recorded(FakeNode(NODE, session), clock, monkeypatch, nothing)
    window = trends.of_node[NODE].window()
    assert window.trouble is not None
    monkeypatch.setattr(recording, "asyncio", asyncio)
    fleet = Fleet([watch(FakeNode(NODE, session))])
    async with serving(fleet, SETTINGS, trends) as client:
        left_out = (await client.get(trend_url())).json()["left_out"]
    assert left_out[0].startswith("watched tables at 2 of 2 points: ")
    assert left_out[1] == f"at the last point: {window.trouble}"


async def test_before_the_first_point_there_are_none() -> None:
    async with serving(Fleet([watch(FakeNode(NODE, FakeSession()))]), SETTINGS) as client:
        answer = (await client.get(trend_url())).json()
    assert (answer["points"], answer["first_at"], answer["lives"]) == (0, None, [])
    assert answer["process_count"] == {"values": [], "change": None}


async def test_the_node_is_asked_nothing_for_it() -> None:
    session = FakeSession()
    async with serving(Fleet([watch(FakeNode(NODE, session))]), SETTINGS) as client:
        await client.get(trend_url())
    assert session.calls == []


async def test_a_trend_that_is_off_is_told() -> None:
    settings = Settings(trend_interval_seconds=0)
    async with serving(Fleet([watch(FakeNode(NODE, FakeSession()))]), settings) as client:
        problem = assert_problem(await client.get(trend_url()), 404, "trend-off")
    assert "trend_interval_seconds" in problem["detail"]


@pytest.mark.parametrize("parameters", ["?minutes=0", "?minutes=61", "?minutes=all", "?hours=1"])
async def test_a_wrong_parameter_is_told(parameters: str) -> None:
    async with serving(Fleet([watch(FakeNode(NODE, FakeSession()))]), SETTINGS) as client:
        assert_problem(await client.get(trend_url(parameters)), 422, "invalid-parameter")


async def test_each_node_has_a_trend_of_its_own() -> None:
    trends = Trends([NODE, OTHER_NODE], SETTINGS)
    assert trends.of_node.keys() == {NODE, OTHER_NODE}
    assert trends.of_node[NODE] is not trends.of_node[OTHER_NODE]
