"""The small cures on real nodes: garbage is collected, one key is deleted, and the journal says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent import Session
from agent.actions.guards import Guard
from agent.terms import Atom, Term
from collector.cleaning.models import CleaningState, CollectionRequest, DeletionRequest
from collector.cleaning.runner import Cleaning, CleaningRefused
from collector.journal.chain import Kind
from collector.journal.journal import Journal
from erlang_fixtures.beam import Beam
from tests.live.illnesses import ill
from tests.live.nodes import ask, join, number

pytestmark = pytest.mark.live


@dataclass
class Place:
    """A node that is reached over one connection."""

    session: Session
    name: str
    instance_id: str | None = None

    async def connection(self) -> Session:
        return self.session


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()
    await session.wait_closed()


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with Journal(tmp_path / "journal.db", lambda _entry: None) as opened:
        yield opened


@pytest.fixture
def cleaning(beam: Beam, session: Session, journal: Journal) -> Cleaning:
    return Cleaning(Place(session, beam.name), journal, may_delete=True)


async def kinds(journal: Journal) -> list[Kind]:
    return [entry.kind for entry in await journal.read(lambda reader: reader.entries(newest_first=False))]


async def test_a_process_collects_its_garbage_and_the_journal_says_so(
    session: Session, cleaning: Cleaning, journal: Journal
) -> None:
    async with ill(session, "ill_heap_leak"):
        done = await cleaning.collect_garbage(CollectionRequest(process="leaking_heap", reason="grows"), "anna")
    assert done.state is CleaningState.DONE
    assert done.process is not None
    assert done.process.before is not None
    assert done.process.after is not None
    assert done.process.before.memory_bytes > 1_000_000
    assert await kinds(journal) == [Kind.INTENT, Kind.OUTCOME]


async def test_one_key_is_deleted_and_the_others_stay(session: Session, cleaning: Cleaning, journal: Journal) -> None:
    rows: list[Term] = [(key, b"row") for key in (1, 2, (Atom("acme"), b"x"))]
    assert await ask(session, "ets:insert", Atom("receipt_ledger"), rows) == Atom("true")
    try:
        wanted = DeletionRequest(table="receipt_ledger", key='{acme,<<"x">>}', reason="by hand")
        done = await cleaning.delete_key(wanted, "anna")
        assert done.state is CleaningState.DONE
        assert done.key is not None
        assert (done.key.objects, done.key.rows_before, done.key.rows_after) == (1, 3, 2)
        assert await ask(session, "ets:lookup", Atom("receipt_ledger"), (Atom("acme"), b"x")) == []
        assert await ask(session, "ets:lookup", Atom("receipt_ledger"), 1) == [(1, b"row")]
    finally:
        await ask(session, "ets:delete_all_objects", Atom("receipt_ledger"))
    assert await kinds(journal) == [Kind.INTENT, Kind.OUTCOME]


async def test_no_key_is_deleted_where_that_is_not_allowed(beam: Beam, session: Session, journal: Journal) -> None:
    await ask(session, "ets:insert", Atom("receipt_ledger"), (1, b"row"))
    try:
        forbidding = Cleaning(Place(session, beam.name), journal, may_delete=False)
        with pytest.raises(CleaningRefused) as refused:
            await forbidding.delete_key(DeletionRequest(table="receipt_ledger", key="1", reason="by hand"), "anna")
        assert [one.guard for one in refused.value.answer.refusals] == [Guard.ETS_DELETE_OFF]
        assert await ask(session, "ets:lookup", Atom("receipt_ledger"), 1) == [(1, b"row")]
    finally:
        await ask(session, "ets:delete_all_objects", Atom("receipt_ledger"))
    assert await kinds(journal) == [Kind.REFUSED]


async def test_a_key_with_an_unknown_atom_is_not_there_and_makes_none(session: Session, cleaning: Cleaning) -> None:
    wanted = DeletionRequest(table="receipt_ledger", key="{never_seen_before_ab12,1}", reason="by hand")
    with pytest.raises(CleaningRefused):  # once before, so that what loads by itself is loaded
        await cleaning.delete_key(wanted.model_copy(update={"key": "never_seen_before_ab11"}), "anna")
    atoms = await number(session, "erlang:system_info", Atom("atom_count"))
    with pytest.raises(CleaningRefused) as refused:
        await cleaning.delete_key(wanted, "anna")
    assert [one.guard for one in refused.value.answer.refusals] == [Guard.NO_KEY]
    assert await number(session, "erlang:system_info", Atom("atom_count")) == atoms
