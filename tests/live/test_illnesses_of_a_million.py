"""The illnesses that come in any number, at a million: they are there in time, and gone completely."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent import Session
from agent.terms import Atom
from erlang_fixtures.beam import Beam
from tests.live.illnesses import ill, item
from tests.live.nodes import join, number

pytestmark = [pytest.mark.live, pytest.mark.slow]

MILLION = 1_000_000


@pytest.fixture(scope="module")
async def session(erl: Path) -> AsyncIterator[Session]:
    """One connection for all: while a former one ends, its process on the node would be counted."""
    with Beam(erl, arguments=["+P", "2000000"]) as node:
        session = await join(node)
        yield session
        session.close()


async def counts(session: Session) -> tuple[int, int]:
    """How many processes and tables there are."""
    processes = await number(session, "erlang:system_info", Atom("process_count"))
    return processes, await number(session, "erlang:system_info", Atom("ets_count"))


@pytest.mark.parametrize(
    ("illness", "option", "more"),
    [
        ("ill_idle_processes", "processes", (MILLION + 1, 0)),  # and the illness's owner
        ("ill_many_children", "children", (MILLION + 2, 0)),  # and the owner and the supervisor
        ("ill_many_tables", "tables", (11, MILLION)),  # the owner, and ten that own the tables
    ],
)
async def test_a_million_come_and_go(session: Session, illness: str, option: str, more: tuple[int, int]) -> None:
    processes, tables = await counts(session)
    async with ill(session, illness, **{option: MILLION}):
        assert await counts(session) == (processes + more[0], tables + more[1])
    assert await counts(session) == (processes, tables)


async def test_a_million_messages_and_rows_come_and_go(session: Session) -> None:
    healthy = await counts(session)
    async with (
        ill(session, "ill_mailbox_flood", messages=MILLION),
        ill(session, "ill_ets_growth", rows=MILLION),
        ill(session, "ill_stuck_governor", messages=MILLION),
    ):
        assert await item(session, "flooded_mailbox", "message_queue_len") == MILLION
        assert await item(session, "stuck_governor", "message_queue_len") == MILLION
        assert await number(session, "ets:info", Atom("growing_table"), Atom("size")) == MILLION
    assert await counts(session) == healthy
