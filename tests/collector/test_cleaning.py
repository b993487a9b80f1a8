"""The small cures of one node: what the journal has of them, and what is told. The node is tests/live's to be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agent.actions import table_key
from agent.actions.guards import Guard
from agent.actions.table_key import KeyFacts
from agent.errors import ConnectionLost
from agent.expression import Evaluated, Expression
from agent.handshake import Identity
from agent.terms import Atom, Term
from collector.cleaning.models import CleaningState, CollectionRequest, DeletionRequest
from collector.cleaning.runner import Cleaning, CleaningRefused, WrongKey
from collector.journal.chain import Entry, Kind
from collector.journal.journal import Journal
from collector.journal.schema import JournalError
from collector.restarts.book import JournalUnwritable
from collector.restarts.runner import KeyReused
from tests.agent.actions.test_table_key import FACTS
from tests.agent.probes.process_terms import pid
from tests.agent.probes.test_process import GONE, THERE
from tests.fakes import PEER_NAME, FakeShell

BEFORE: Term = (5_000, 3, 4_000, 900_000)
AFTER: Term = (3_000, 3, 2_000, 0)
COLLECT = CollectionRequest(process="<0.123.0>", reason="binaries grow")


class Patient(FakeShell):
    """A node with one process, which collects its garbage as the test wants."""

    peer = Identity(PEER_NAME, 77)

    def __init__(self, collecting: Term | Exception) -> None:
        super().__init__(Atom("none"), {"erlang:list_to_pid": pid(123)})
        self.answers: dict[str, Term | Exception] = {
            "actions/lock": Atom("none"),
            "process": THERE,
            "actions/garbage_collect": collecting,
        }

    async def evaluate(self, expression: Expression, bindings: Mapping[str, Term], **limits: float) -> Evaluated:
        self.value = self.answers[expression.name]
        return await super().evaluate(expression, bindings, deadline_seconds=limits["deadline_seconds"])

    async def evaluate_detached(
        self, expression: Expression, bindings: Mapping[str, Term], *, deadline_seconds: float
    ) -> Evaluated:
        raise AssertionError(f"{expression.name} changes nothing here: {bindings}, {deadline_seconds}")


@dataclass
class Place:
    """Where it is reached."""

    patient: Patient
    name: str = str(PEER_NAME)
    instance_id: str | None = None
    asked: int = field(default=0)

    async def connection(self) -> Patient:
        self.asked += 1
        return self.patient


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with Journal(tmp_path / "journal.db", lambda _entry: None) as opened:
        yield opened


async def entries(journal: Journal) -> list[Entry]:
    return await journal.read(lambda reader: reader.entries(newest_first=False))


def cleaning(patient: Patient, journal: Journal) -> Cleaning:
    return Cleaning(Place(patient), journal, may_delete=False)


async def test_a_collection_is_told_with_what_it_gave(journal: Journal) -> None:
    done = await cleaning(Patient((Atom("collected"), 12_000, BEFORE, AFTER)), journal).collect_garbage(COLLECT, "anna")
    assert done.state is CleaningState.DONE
    assert done.process is not None
    assert done.process.before is not None
    assert done.process.after is not None
    assert (done.process.before.binary_bytes, done.process.after.binary_bytes) == (900_000, 0)
    intent, outcome = await entries(journal)
    assert (intent.kind, intent.body["who"], intent.body["reason"]) == (Kind.INTENT, "anna", "binaries grow")
    assert (outcome.kind, outcome.body["outcome"]) == (Kind.OUTCOME, "done")
    assert intent.action_id == outcome.action_id == done.action_id


@pytest.mark.parametrize(
    ("collecting", "state"),
    [
        ((Atom("asked"), 24_000_000, BEFORE), CleaningState.ASKED),
        (Atom("gone"), CleaningState.NOT_DONE),
        ((Atom("locked"), b"another"), CleaningState.NOT_DONE),
        (ConnectionLost("the connection has ended"), CleaningState.UNKNOWN),
    ],
    ids=["busy", "gone", "locked", "lost"],
)
async def test_how_it_ended_is_in_the_journal(
    journal: Journal, collecting: Term | Exception, state: CleaningState
) -> None:
    done = await cleaning(Patient(collecting), journal).collect_garbage(COLLECT, "anna")
    assert done.state is state
    assert (await entries(journal))[-1].body["outcome"] == state


async def test_what_is_done_is_told_though_its_end_cannot_be_written(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = journal.append

    async def full_behind_the_intent(kind: Kind, **about: Any) -> Entry:  # noqa: ANN401  # as the journal's
        if kind is Kind.OUTCOME:
            raise JournalError(Path("journal.db"), "cannot be written: the disk is full", "make room there")
        return await append(kind, **about)

    monkeypatch.setattr(journal, "append", full_behind_the_intent)
    patient = Patient((Atom("collected"), 12_000, BEFORE, AFTER))
    assert (await cleaning(patient, journal).collect_garbage(COLLECT, "anna")).state is CleaningState.DONE
    monkeypatch.undo()
    assert await cleaning(patient, journal).close_open_intents()
    assert [entry.kind for entry in await entries(journal)] == [Kind.INTENT, Kind.RECONCILED]


async def test_the_same_request_twice_is_done_once_and_told_twice(journal: Journal) -> None:
    patient = Patient((Atom("collected"), 12_000, BEFORE, AFTER))
    first = await cleaning(patient, journal).collect_garbage(COLLECT, "anna", "a key")
    patient.answers["actions/garbage_collect"] = AssertionError("it was done")
    assert await cleaning(patient, journal).collect_garbage(COLLECT, "anna", "a key") == first
    assert len(await entries(journal)) == 2


async def test_a_request_whose_end_is_not_known_yet_is_not_done_again(journal: Journal) -> None:
    patient = Patient(ConnectionLost("the connection has ended"))
    await cleaning(patient, journal).collect_garbage(COLLECT, "anna", "a key")
    again = await cleaning(patient, journal).collect_garbage(COLLECT, "anna", "a key")
    assert (again.state, again.found) == (CleaningState.UNKNOWN, "unknown: the connection has ended")


@pytest.mark.parametrize("who", ["anna", "otto"])
async def test_a_key_is_for_one_request_of_one_person(journal: Journal, who: str) -> None:
    patient = Patient((Atom("collected"), 12_000, BEFORE, AFTER))
    await cleaning(patient, journal).collect_garbage(COLLECT, "anna", "a key")
    other = COLLECT if who == "otto" else COLLECT.model_copy(update={"reason": "another"})
    with pytest.raises(KeyReused, match="take a new one"):
        await cleaning(patient, journal).collect_garbage(other, who, "a key")


async def test_a_dry_run_says_that_nothing_could_be_written_down(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    async with Journal(tmp_path / "file" / "journal.db", lambda _entry: None) as journal:
        dry = COLLECT.model_copy(update={"dry_run": True})
        planned = await cleaning(Patient(AssertionError("it is a dry run")), journal).collect_garbage(dry, "anna")
    assert [one.guard for one in planned.refusals] == [Guard.JOURNAL]


async def test_a_dry_run_leaves_nothing_in_the_journal(journal: Journal) -> None:
    patient = Patient(AssertionError("it is a dry run"))
    planned = await cleaning(patient, journal).collect_garbage(COLLECT.model_copy(update={"dry_run": True}), "anna")
    assert (planned.state, planned.allowed) == (CleaningState.PLANNED, True)
    assert await entries(journal) == []


async def test_a_process_that_is_not_there_is_refused_and_written_down(journal: Journal) -> None:
    patient = Patient(AssertionError("there is nobody"))
    patient.answers["process"] = GONE
    with pytest.raises(CleaningRefused) as refused:
        await cleaning(patient, journal).collect_garbage(COLLECT, "anna")
    assert [one.guard for one in refused.value.answer.refusals] == [Guard.NO_PROCESS]
    assert [entry.kind for entry in await entries(journal)] == [Kind.REFUSED]


async def test_another_action_on_the_node_is_waited_for(journal: Journal) -> None:
    patient = Patient(AssertionError("the other one is not over"))
    patient.answers["actions/lock"] = (Atom("held"), b"5f3a9c2b81d0")
    with pytest.raises(CleaningRefused, match="5f3a9c2b81d0"):
        await cleaning(patient, journal).collect_garbage(COLLECT, "anna")


async def test_nothing_is_done_that_cannot_be_written_down(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    async with Journal(tmp_path / "file" / "journal.db", lambda _entry: None) as journal:
        place = Place(Patient(AssertionError("nothing is asked")))
        with pytest.raises(JournalUnwritable):
            await Cleaning(place, journal, may_delete=True).collect_garbage(COLLECT, "anna")
    assert place.asked == 0


async def test_a_key_that_is_no_term_is_told_where(journal: Journal) -> None:
    wrong = DeletionRequest(table="receipt_ledger", key="{a,", reason="by hand")
    with pytest.raises(WrongKey, match="character 4"):
        await cleaning(Patient(Atom("gone")), journal).delete_key(wrong, "anna")


async def test_an_intent_without_an_end_is_closed_as_not_known(journal: Journal) -> None:
    patient = Patient(Atom("gone"))
    body = {"action": "gc", "who": "anna", "process": "receipt_store"}
    await journal.append(Kind.INTENT, action_id="one", node=str(PEER_NAME), body=body)
    patient.answers["actions/lock"] = (Atom("held"), b"one")
    assert not await cleaning(patient, journal).close_open_intents()
    patient.answers["actions/lock"] = Atom("none")
    assert await cleaning(patient, journal).close_open_intents()
    last = (await entries(journal))[-1]
    assert (last.kind, last.action_id, last.body["outcome"]) == (Kind.RECONCILED, "one", "unknown")
    assert await cleaning(patient, journal).close_open_intents()
    assert len(await entries(journal)) == 2


async def test_no_more_rows_are_deleted_than_were_agreed_to(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(*_about: object) -> KeyFacts:
        return replace(FACTS, table=replace(FACTS.table, type="bag"), objects=3)

    monkeypatch.setattr(table_key, "ask", ask)
    wanted = DeletionRequest(table="receipt_ledger", key="42", reason="by hand", max_rows=2)
    allowing = Cleaning(Place(Patient(Atom("gone"))), journal, may_delete=True)
    with pytest.raises(CleaningRefused) as refused:
        await allowing.delete_key(wanted, "anna")
    assert [one.guard for one in refused.value.answer.refusals] == [Guard.PLAN_CHANGED]
    planned = await allowing.delete_key(wanted.model_copy(update={"max_rows": 3, "dry_run": True}), "anna")
    assert planned.allowed
