from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from agent.errors import NodeUnreachable
from agent.node import Down, State, Up
from collector.changes import LINES_AT_ONCE, SECONDS_PER_LINE, ChangeLog
from tests.collector_fakes import CREATION, NODE, OFFERS, FakeSession


def down(why: str) -> State:
    return Down(NodeUnreachable(why), 1)


def test_a_state_that_lasts_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    log = ChangeLog(NODE)
    for _ in range(3):
        log(down("nothing listens there"))
    [line] = caplog.records
    assert line.levelno == logging.WARNING
    assert line.getMessage() == "not connected: nothing listens there"
    assert vars(line)["erlang_node"] == NODE


def test_every_change_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = ChangeLog(NODE)
    up = Up(FakeSession())
    for state in (down("refused"), up, down("refused"), down("refused"), down("no route"), up):
        log(state)
    assert [line.getMessage() for line in caplog.records] == [
        "not connected: refused",
        "connected as 2HVP0TDI4GTFO@127.0.0.1",
        "not connected: refused",
        "not connected: no route",
        "connected as 2HVP0TDI4GTFO@127.0.0.1",
    ]
    facts = vars(caplog.records[-1])
    assert (facts["erlang_node"], facts["creation"]) == (NODE, CREATION)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_node_that_fails_in_another_way_each_time_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = ChangeLog(NODE, clock)
    for attempt in range(1000):
        log(down(f"this time it was {attempt}"))
    assert len(caplog.records) == LINES_AT_ONCE


def test_a_line_after_many_that_were_left_out_says_how_many(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = ChangeLog(NODE, clock)
    for attempt in range(LINES_AT_ONCE + 7):
        log(down(f"this time it was {attempt}"))
    clock.now += SECONDS_PER_LINE
    log(down("one more"))
    log(down("and one more"))
    assert caplog.records[-1].getMessage() == "not connected: one more"
    assert vars(caplog.records[-1])["changes_left_out"] == 7


def test_the_last_state_of_a_node_that_came_and_went_is_logged_in_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock, up = Clock(), Up(FakeSession())
    log = ChangeLog(NODE, clock)
    for attempt in range(100):
        log(down(f"this time it was {attempt}"))
    for _ in range(3):
        log(up)
        clock.now += SECONDS_PER_LINE / 2
    assert caplog.records[-1].getMessage() == "connected as 2HVP0TDI4GTFO@127.0.0.1"


def test_after_a_quiet_time_every_change_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = ChangeLog(NODE, clock)
    for attempt in range(100):
        log(down(f"this time it was {attempt}"))
    clock.now += 10_000 * SECONDS_PER_LINE
    caplog.clear()
    for attempt in range(100):
        log(down(f"that time it was {attempt}"))
    assert len(caplog.records) == LINES_AT_ONCE


def test_what_a_node_does_not_offer_is_said(caplog: pytest.LogCaptureFixture) -> None:
    ChangeLog(NODE)(Up(FakeSession(), replace(OFFERS, code_server_answers=False)))
    [line] = caplog.records
    assert line.levelno == logging.WARNING
    assert "but its code server does not answer" in line.getMessage()


def test_that_a_node_has_recovered_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log, session = ChangeLog(NODE), FakeSession()
    log(Up(session, replace(OFFERS, code_server_answers=False)))
    log(Up(session, OFFERS))
    assert [line.levelno for line in caplog.records] == [logging.WARNING, logging.INFO]
