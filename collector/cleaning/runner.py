"""Runs the two on one node: plan, intent in the journal, the worker on the node, and the outcome."""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from agent.actions import garbage_collect, table_key
from agent.actions.guards import Guard, Refusal
from agent.actions.restart import holder
from agent.actions.table_key import KeyFacts
from agent.errors import AgentError, TermTextError
from agent.probes import lookup, process
from agent.probes.process import NoProcess
from agent.terms import format_term
from collector.cleaning import doing
from collector.cleaning.models import (
    CleaningAnswer,
    CleaningRequest,
    CleaningState,
    CollectionRequest,
    DeletionRequest,
    KeyCleaned,
    ProcessCleaned,
)
from collector.cleaning.repeated import answer_again, digest_of
from collector.journal.chain import Entry, Json, Kind
from collector.journal.file import Reader
from collector.journal.journal import Journal
from collector.journal.schema import JournalError
from collector.models import NodeReference
from collector.restarts.account import with_key
from collector.restarts.book import OPEN_DAYS, REMEMBERED_HOURS, AskedBefore, JournalUnwritable
from collector.restarts.models import GuardRefusal
from collector.restarts.planning import LOOK_SECONDS, Connection, action_running
from collector.restarts.runner import KeyReused, Site

MAX_KEY_SHOWN: Final = 200
ACTIONS: Final = frozenset({"gc", "ets-delete"})

_LOG: Final = logging.getLogger(__name__)


class WrongKey(Exception):
    """The key is no Erlang term as we read them; the message says where."""


class CleaningRefused(Exception):
    """Guards refuse it; the journal says so, unless it was a dry run."""

    def __init__(self, answer: CleaningAnswer) -> None:
        self.answer = answer
        super().__init__("; ".join(one.detail for one in answer.refusals))


@dataclass(frozen=True, slots=True)
class _Planned:
    """What would be done, what stands against it, and how it is done."""

    answer: CleaningAnswer
    refusals: tuple[Refusal, ...]
    body: Mapping[str, Json]
    do: Callable[[str], Awaitable[CleaningAnswer]] | None = None


class Cleaning:
    """The small cures of one node."""

    def __init__(self, site: Site, journal: Journal, *, may_delete: bool) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.durations: dict[str, tuple[int, float]] = {}
        self._site = site
        self._journal = journal
        self._may_delete = may_delete
        self._under_way: set[str] = set()

    async def collect_garbage(self, request: CollectionRequest, who: str, key: str | None = None) -> CleaningAnswer:
        """Have a process collect its garbage; with an Idempotency-Key once.

        Raises `CleaningRefused`, `KeyReused`, `JournalUnwritable` and `AgentError`.
        """
        return await self._run(request, who, key, lambda connection: self._plan_collection(connection, request))

    async def delete_key(self, request: DeletionRequest, who: str, key: str | None = None) -> CleaningAnswer:
        """Delete a key. Raises `WrongKey` and what `collect_garbage` does."""
        return await self._run(request, who, key, lambda connection: self._plan_deletion(connection, request))

    async def close_open_intents(self) -> bool:
        """Write of intents without an end that nobody knows it. False: one is running on the node still."""
        since = datetime.now(UTC) - timedelta(days=OPEN_DAYS)
        entries = await self._journal.read(lambda reader: reader.entries(node=self._site.name, since=since))
        ended = {entry.action_id for entry in entries if entry.kind in (Kind.OUTCOME, Kind.RECONCILED)}
        is_all = True
        for entry in entries:
            is_ours = entry.kind is Kind.INTENT and entry.body.get("action") in ACTIONS
            if not is_ours or entry.action_id in ended or entry.action_id in self._under_way:
                continue
            if await holder(await self._site.connection(), LOOK_SECONDS) == entry.action_id:
                is_all = False
                continue
            found = "unknown: whether it was done was not told to anybody"
            await self._close(Kind.RECONCILED, entry, CleaningState.UNKNOWN, {"found": found})
        return is_all

    async def _run(
        self,
        request: CleaningRequest,
        who: str,
        key: str | None,
        plan: Callable[[Connection], Awaitable[_Planned]],
    ) -> CleaningAnswer:
        trouble = None if self._journal.trouble is None else await self._journal.check()
        if trouble is not None and not request.dry_run:
            raise JournalUnwritable(trouble)
        if key is not None and not request.dry_run:
            recent = await self._journal.read(self._recent)
            if (before := with_key(recent, key)) is not None:
                return await self._again(before, request, who)
        connection = await self._site.connection()
        planned = await plan(connection)
        if trouble is not None:
            unwritable = Refusal(Guard.JOURNAL, f"what is done could not be written down: {trouble}")
            planned = replace(planned, refusals=(*planned.refusals, unwritable))
        if (running := await holder(connection, LOOK_SECONDS)) is not None:
            planned = replace(planned, refusals=(*planned.refusals, action_running(running)))
        if request.dry_run:
            return _told(planned, None)
        action_id = secrets.token_hex(6)
        self._under_way.add(action_id)
        try:
            return await self._act(action_id, planned, request, who, key)
        except AskedBefore as before_us:
            return await self._again(before_us.entry, request, who)
        except JournalError as error:
            raise JournalUnwritable(str(error)) from None
        finally:
            self._under_way.discard(action_id)

    def _recent(self, reader: Reader) -> list[Entry]:
        return reader.entries(node=self._site.name, since=datetime.now(UTC) - timedelta(hours=REMEMBERED_HOURS))

    async def _again(self, before: Entry, request: CleaningRequest, who: str) -> CleaningAnswer:
        """Answer a request that was made before with what became of it then."""
        if before.body.get("request_digest") != digest_of(request, who):
            raise KeyReused(f"this Idempotency-Key was used for another request, {before.action_id}: take a new one")
        entries = await self._journal.read(
            lambda reader: reader.entries(action_id=before.action_id, node=self._site.name, newest_first=False)
        )
        return answer_again(entries, self._site.instance_id)

    async def _act(
        self, action_id: str, planned: _Planned, request: CleaningRequest, who: str, key: str | None
    ) -> CleaningAnswer:
        answer = _told(planned, action_id)
        body: dict[str, Json] = {
            "action": answer.action,
            "who": who,
            "reason": request.reason,
            "creation": answer.node.creation,
            **planned.body,
        }
        if planned.refusals or planned.do is None:
            told: list[Json] = [one.model_dump(mode="json") for one in answer.refusals]
            await self._journal.append(
                Kind.REFUSED, action_id=action_id, node=self._site.name, body={**body, "refusals": told}
            )
            self.outcomes[answer.action, "refused"] += 1
            raise CleaningRefused(answer)

        def check(reader: Reader) -> None:  # where nobody can come in between
            if key is not None and (before := with_key(self._recent(reader), key)) is not None:
                raise AskedBefore(before)

        if key is not None:
            body |= {"idempotency_key": key, "request_digest": digest_of(request, who)}
        intent = await self._journal.append(
            Kind.INTENT, action_id=action_id, node=self._site.name, body=body, guard=check
        )
        began = time.monotonic()
        try:
            done = await planned.do(action_id)
        except AgentError as error:
            done = answer.model_copy(update={"state": CleaningState.UNKNOWN, "found": f"unknown: {error}"})
        done = done.model_copy(update={"action_id": action_id})
        result: Json = done.model_dump(mode="json", include={"process", "key"}, exclude_none=True)
        try:
            await self._close(Kind.OUTCOME, intent, done.state, {"result": result, "found": done.found})
        except JournalError as error:  # it is done all the same: the log has it, and the next start closes the intent
            _LOG.error("the end of %s is not in the journal: %s", action_id, error, extra={"entry": result})
        ended, seconds = self.durations.get(answer.action, (0, 0.0))
        self.durations[answer.action] = (ended + 1, seconds + time.monotonic() - began)
        return done

    async def _close(self, kind: Kind, intent: Entry, state: CleaningState, body: Mapping[str, Json]) -> None:
        about = {name: intent.body.get(name) for name in ("action", "who", "process", "table")}
        self.outcomes[str(intent.body.get("action")), state] += 1
        await self._journal.append(
            kind, action_id=intent.action_id, node=intent.node, body={**about, "outcome": state, **body}
        )

    def _answer(self, connection: Connection, action: Literal["gc", "ets-delete"]) -> CleaningAnswer:
        node = NodeReference(
            name=self._site.name, creation=connection.peer.creation, instance_id=self._site.instance_id
        )
        return CleaningAnswer(node=node, action=action, state=CleaningState.PLANNED, action_id=None, allowed=True)

    async def _plan_collection(self, connection: Connection, request: CollectionRequest) -> _Planned:
        found = await process.ask(connection, LOOK_SECONDS, request.process)
        plan = garbage_collect.make_plan(found)
        answer = self._answer(connection, "gc").model_copy(update={"warnings": list(plan.warnings)})
        if isinstance(found, NoProcess):
            return _Planned(answer, plan.refusals, {"process": request.process})
        answer = answer.model_copy(update={"process": ProcessCleaned(pid=found.row.pid, name=found.row.name)})
        pid = await lookup.find(found.row.pid, connection, LOOK_SECONDS)
        body: dict[str, Json] = {"process": found.row.name or found.row.pid, "pid": found.row.pid}
        if isinstance(pid, NoProcess):
            return _Planned(answer, garbage_collect.make_plan(pid).refusals, body)
        return _Planned(
            answer, plan.refusals, body, lambda action_id: doing.collect(connection, answer, found, pid, action_id)
        )

    async def _plan_deletion(self, connection: Connection, request: DeletionRequest) -> _Planned:
        answer = self._answer(connection, "ets-delete")
        body: dict[str, Json] = {"table": request.table, "key": request.key[:MAX_KEY_SHOWN]}
        try:
            found = await table_key.ask(connection, LOOK_SECONDS, request.table, request.key)
        except TermTextError as error:
            raise WrongKey(f"key: {error}") from None
        plan = table_key.make_plan(found)
        refusals = plan.refusals
        if not self._may_delete:
            off = Refusal(
                Guard.ETS_DELETE_OFF,
                "rows are deleted here only where the setting allow_ets_delete says so: receipts are an audited ledger",
            )
            refusals = (off, *refusals)
        answer = answer.model_copy(update={"warnings": list(plan.warnings)})
        if not isinstance(found, KeyFacts):
            return _Planned(answer, refusals, body)
        key = KeyCleaned(
            table=found.table.name,
            id=found.table.id,
            key=format_term(found.key, MAX_KEY_SHOWN),
            objects=found.objects,
            rows_before=found.table.size,
        )
        answer = answer.model_copy(update={"key": key})
        if request.max_rows is not None and found.objects > request.max_rows:
            more = f"{found.objects} rows have this key now, and {request.max_rows} were agreed to: look again"
            refusals = (Refusal(Guard.PLAN_CHANGED, more), *refusals)
        return _Planned(answer, refusals, body, lambda action_id: doing.delete(connection, answer, found, action_id))


def _told(planned: _Planned, action_id: str | None) -> CleaningAnswer:
    refusals = [GuardRefusal.of(one) for one in planned.refusals]
    return planned.answer.model_copy(update={"allowed": not refusals, "refusals": refusals, "action_id": action_id})
