"""What the answers about tables, ports, binaries and applications are made of, and which questions they need."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.errors import WorkerDied
from agent.probes.applications import Applications
from agent.probes.binaries import BinaryMemory
from agent.probes.ets import TablesOfName
from agent.probes.table import NoTable
from collector.models import NoAnswer
from collector.settings import Settings
from collector.views import NotFound
from collector.views.applications import ApplicationsAnswer, ApplicationsQuery
from collector.views.binaries import BINARIES, BinariesAnswer, BinariesQuery
from collector.views.ports import PORTS, PortsAnswer, PortsQuery
from collector.views.tables import TABLE, TABLES, TableAnswer, TableQuery, TablesAnswer, TablesQuery
from tests.collector_fakes import failed, snapshot
from tests.collector_results import HOLDERS_FOUND, PORTS_FOUND, TABLE_FOUND, TABLES_FOUND, found

WATCHING = Settings(watch_tables=("a", "b"))


def tables(query: TablesQuery) -> TablesAnswer:
    return TablesAnswer.of(found("ets", TABLES_FOUND), query)


# -------------------------------------------------------------------------------------------------------------- tables


def test_tables_are_sorted_by_what_was_asked() -> None:
    assert [row.id for row in tables(TablesQuery(sort="memory")).tables] == [row.id for row in TABLES_FOUND.by_memory]
    assert [row.id for row in tables(TablesQuery(sort="size")).tables] == [row.id for row in TABLES_FOUND.by_size]


def test_no_more_tables_are_shown_than_were_asked_for() -> None:
    assert len(tables(TablesQuery(limit=1)).tables) == 1


def test_watched_tables_are_shown_whatever_the_limit_is() -> None:
    watched = tables(TablesQuery(limit=1)).watched
    assert [one.name for one in watched] == ["receipt_ledger", "tai_receipts_store", "ggen_receipts"]
    assert [one.count for one in watched] == [1, 0, 3]


@pytest.mark.parametrize(("count", "not_measured"), [(0, 0), (3, 3)], ids=["no such table", "none was measured"])
def test_rows_that_nobody_counted_are_not_told_as_none(count: int, not_measured: int) -> None:
    watched = TablesOfName("receipt_ledger", count, not_measured, size=0, memory_bytes=0, largest=())
    answer = TablesAnswer.of(found("ets", replace(TABLES_FOUND, watched=(watched,))), TablesQuery())
    assert (answer.watched[0].size, answer.watched[0].memory_bytes) == (None, None)


def test_an_empty_table_has_no_rows() -> None:
    watched = TablesOfName("receipt_ledger", 1, 0, size=0, memory_bytes=1_112, largest=())
    answer = TablesAnswer.of(found("ets", replace(TABLES_FOUND, watched=(watched,))), TablesQuery())
    assert (answer.watched[0].size, answer.watched[0].memory_bytes) == (0, 1_112)


def test_what_was_left_out_is_told_and_makes_the_answer_incomplete() -> None:
    answer = tables(TablesQuery())
    assert not answer.complete
    assert answer.left_out == list(TABLES_FOUND.left_out)


def test_where_nothing_was_left_out_the_answer_is_complete() -> None:
    answer = TablesAnswer.of(found("ets", replace(TABLES_FOUND, left_out=())), TablesQuery())
    assert answer.complete
    assert answer.left_out == []


def test_what_the_probe_has_cost_is_told() -> None:
    assert TablesAnswer.of(found("ets", TABLES_FOUND, cost_seconds=0.25), TablesQuery()).cost_seconds == 0.25


def test_the_tables_of_the_settings_are_watched() -> None:
    assert TABLES.question(TablesQuery(), WATCHING).arguments == ("a", "b")


def test_all_limits_and_orders_share_one_sweep() -> None:
    queries = [TablesQuery(sort="size", limit=1), TablesQuery(sort="memory", limit=100)]
    one, other = (TABLES.question(query, WATCHING) for query in queries)
    assert one.key == other.key
    assert one.is_sweep


def test_other_watched_tables_are_another_question() -> None:
    asked, other = (TABLES.question(TablesQuery(), settings) for settings in (WATCHING, Settings()))
    assert asked.key != other.key


def test_a_table_is_a_lookup_of_its_own() -> None:
    one, other = (TABLE.question(TableQuery(name=name), Settings()) for name in ("a", "b"))
    assert one.key != other.key
    assert not one.is_sweep


def test_a_name_of_no_table_is_answered_with_the_nearest() -> None:
    missing = found("table", NoTable("receipts", ("receipt_ledger", "ggen_receipts")))
    with pytest.raises(NotFound, match="there is no table receipts; the nearest that exist: receipt_ledger, ggen_rec"):
        TableAnswer.of(missing, TableQuery(name="receipts"))


def test_a_table_is_answered_under_the_name_that_was_asked_for() -> None:
    assert TableAnswer.of(found("table", TABLE_FOUND), TableQuery(name="'receipt_ledger'")).asked_for == (
        "'receipt_ledger'"
    )


def test_tables_that_could_not_be_asked_for_are_no_answer() -> None:
    died = WorkerDied("the worker met its heap limit")
    with pytest.raises(NoAnswer, match="heap limit"):
        TablesAnswer.of(snapshot(ets=failed(died)), TablesQuery())


# --------------------------------------------------------------------------------------------------------------- ports


def test_no_more_ports_are_shown_than_were_asked_for() -> None:
    answer = PortsAnswer.of(found("ports", PORTS_FOUND), PortsQuery(limit=1))
    assert [row.id for row in answer.ports] == ["#Port<0.15>"]


def test_ports_that_do_not_answer_are_named_whatever_the_limit_is() -> None:
    answer = PortsAnswer.of(found("ports", PORTS_FOUND), PortsQuery(limit=1))
    assert answer.not_answering == ["#Port<0.7>"]
    assert not answer.complete


def test_ports_are_a_sweep() -> None:
    assert PORTS.question(PortsQuery(), Settings()).is_sweep


# ------------------------------------------------------------------------------------------------------------ binaries


def test_who_holds_binaries_is_asked_on_request_only() -> None:
    assert BINARIES.question(BinariesQuery(), Settings()).probe == "binaries"
    assert not BINARIES.question(BinariesQuery(), Settings()).is_sweep
    assert BINARIES.question(BinariesQuery(processes=True), Settings()).probe == "binary_holders"
    assert BINARIES.question(BinariesQuery(processes=True), Settings()).is_sweep


def test_what_was_not_asked_about_binaries_is_null_and_not_zero() -> None:
    answer = BinariesAnswer.of(found("binaries", BinaryMemory(7)), BinariesQuery())
    assert answer.memory_bytes == 7
    assert (answer.process_count, answer.estimated_bytes, answer.processes) == (None, None, None)


def test_no_more_holders_are_shown_than_were_asked_for() -> None:
    answer = BinariesAnswer.of(found("binary_holders", HOLDERS_FOUND), BinariesQuery(processes=True, limit=1))
    assert answer.processes is not None
    assert [one.process.name for one in answer.processes] == ["receipt_store"]


# -------------------------------------------------------------------------------------------------------- applications


def test_a_node_without_applications_is_an_answer() -> None:
    answer = ApplicationsAnswer.of(found("applications", Applications(())), ApplicationsQuery())
    assert (answer.application_count, answer.not_running, answer.applications) == (0, [], [])
