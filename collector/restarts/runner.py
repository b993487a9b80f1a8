"""Runs the restarts of one node: plan, intent in the journal, the worker on the node, verdict, and whether it held."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Protocol

from agent.actions.guards import Guard, Refusal
from agent.actions.plan import Policy, shutdown_limit_seconds
from agent.actions.restart import DEFAULT_RETRIES, PAUSE_MILLISECONDS, Changed, Done, Locked, Report, Start, execute
from agent.errors import AgentError
from agent.restarting import RestartFacts
from collector.diagnosis.service import health_of
from collector.journal.chain import Entry, Json, Kind
from collector.journal.journal import Journal
from collector.journal.schema import JournalError
from collector.models import NodeReference
from collector.restarts import account, finding_out, planning
from collector.restarts.book import (
    AskedBefore,
    Book,
    JournalUnwritable,
    TooSoon,
    body_without_plan,
    digest_of,
    intent_body,
    unless_told,
)
from collector.restarts.models import GuardRefusal, PlanAnswer, RestartAnswer, RestartRequest, RestartState
from collector.restarts.planning import Connection, NotThere, Planned, SeveralMeant

MAX_WAIT_SECONDS: Final = 3_600.0  # for a shutdown that nothing limits; the worker goes on, and is looked up later
MARGIN_SECONDS: Final = 60.0  # for the start itself, which may take as long as it likes
LOOK_AGAIN_SECONDS: Final = 1.0
DEFAULT_WATCH_MINUTES: Final = 5.0
DEFAULT_SERVICE_URL: Final = "http://127.0.0.1:8080"

_LOG: Final = logging.getLogger(__name__)


class Site(Protocol):
    """Where a node is reached."""

    @property
    def name(self) -> str:
        """The node's name."""
        ...

    @property
    def instance_id(self) -> str | None:
        """The instance beside which we run."""
        ...

    async def connection(self) -> Connection:
        """Return a connection that stands. Raises `AgentError`."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say of restarts."""

    policy: Policy = field(default_factory=Policy)
    retries: int = DEFAULT_RETRIES
    watch_seconds: float = DEFAULT_WATCH_MINUTES * 60
    service_url: str | None = DEFAULT_SERVICE_URL
    give_up_seconds: float = math.inf  # for what became of a restart that we lost sight of; it stays open then


class Refused(Exception):
    """Guards refuse it, and the journal says so. ``plan`` is what is true now."""

    def __init__(self, plan: PlanAnswer, refusals: tuple[Refusal, ...], action_id: str) -> None:
        self.plan = plan
        self.refusals = refusals
        self.action_id = action_id
        super().__init__("; ".join(one.detail for one in refusals))


class KeyReused(Exception):
    """The Idempotency-Key was used before, for something else."""


class Restarts:
    """The restarts of one node. All that is known of them is in the journal; this has those that are under way here."""

    def __init__(self, site: Site, journal: Journal, rules: Rules) -> None:
        self.book = Book(journal, site.name, rules.policy)
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.durations: dict[str, tuple[int, float]] = {}  # of each action how many have ended, and their seconds
        self._site = site
        self._rules = rules
        self._beginning: set[str] = set()
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def plan(self, request: RestartRequest) -> PlanAnswer:
        """Plan, and change nothing. Raises `NotThere` and `SeveralMeant` (planning), and `AgentError`."""
        trouble, entries = None, []
        try:
            await self.book.need_writable()
            entries = await self.book.recent()
        except (JournalUnwritable, JournalError) as error:
            trouble = Refusal(Guard.JOURNAL, f"what is done could not be written down: {error}")
        answer = (await self._plan(await self._site.connection(), request, entries)).answer
        if trouble is None:
            return answer
        refusals = [*answer.refusals, GuardRefusal.of(trouble)]
        return answer.model_copy(update={"allowed": False, "refusals": refusals})

    async def begin(self, request: RestartRequest, who: str, key: str | None = None) -> RestartAnswer:
        """Begin a restart, whose intent is on disk when this returns; `wait` waits for its end.

        Raises what `plan` does, `Refused`, `KeyReused` and `JournalUnwritable` (book).
        """
        action_id = secrets.token_hex(6)
        self._beginning.add(action_id)
        try:
            return await self._begin(action_id, request, who, key)
        except JournalError as error:
            raise JournalUnwritable(str(error)) from None
        finally:
            self._beginning.discard(action_id)

    async def _begin(self, action_id: str, request: RestartRequest, who: str, key: str | None) -> RestartAnswer:
        await self.book.need_writable()
        if key is not None and (before := await self.book.with_key(key)) is not None:
            return await self._again(before, request, who)
        connection = await self._site.connection()
        try:
            planned = await self._plan(connection, request, await self.book.recent())
        except (NotThere, SeveralMeant) as error:
            refusal: Json = {"guard": "not-found", "detail": str(error), "retry_after_seconds": None}
            await self.book.refuse(action_id, body_without_plan(request, who), [refusal])
            self.outcomes["restart", RestartState.REFUSED] += 1
            raise
        if request.plan_id is not None and request.plan_id != planned.plan.id:
            planned = _changed(planned, request.plan_id)
        body = intent_body(request, planned, who, key)
        facts = planned.plan.facts
        if planned.plan.refusals or not isinstance(facts, RestartFacts):
            raise await self._refuse(action_id, planned, body, planned.plan.refusals)
        try:
            intent = await self.book.intend(action_id, planned, body)
        except AskedBefore as before_us:
            return await self._again(before_us.entry, request, who)
        except TooSoon as soon:
            raise await self._refuse(action_id, planned, body, soon.refusals) from None
        task = asyncio.create_task(self._run(connection, facts, intent), name=f"restart {action_id}")
        self._under_way[action_id] = task
        task.add_done_callback(lambda done: self._ended(action_id, done))
        return account.answer_of([intent])

    async def wait(self, action_id: str) -> None:
        """Wait until nothing more is to come of an action that was begun here."""
        task = self._under_way.get(action_id)
        if task is not None:
            await asyncio.wait({task})

    async def close_open_intents(self) -> bool:
        """Find out, once, what became of intents without an end. False: some are running on the node still."""
        left = [one for one in await self.book.open_intents() if not self._is_here(one.action_id)]
        watches = [one for one in await self.book.left_watches() if not self._is_here(one.intent.action_id)]
        if not left and not watches:
            return True
        connection = await self._site.connection()
        for one in watches:
            held = await finding_out.look_whether_it_held(connection, one)
            body: dict[str, Json] = {"held": held.held, "found": held.text}
            await self.book.follow(Kind.WATCHED, one.intent, body, unless_told(one.intent, Kind.WATCHED))
        return all([await self._find_out(connection, intent) for intent in left])

    def _is_here(self, action_id: str) -> bool:
        return action_id in self._under_way or action_id in self._beginning

    async def close(self) -> None:
        """Let go of what is under way here: on the node it goes on."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _health(self) -> str | None:
        url = self._rules.service_url
        return None if url is None else (await health_of(url)).line

    async def _plan(self, connection: Connection, request: RestartRequest, entries: Sequence[Entry]) -> Planned:
        health, now = await self._health(), datetime.now(UTC)
        node = NodeReference(
            name=self._site.name, creation=connection.peer.creation, instance_id=self._site.instance_id
        )
        return await planning.plan(
            connection,
            request,
            node,
            self._rules.policy,
            lambda supervisor, child: account.past_of(entries, supervisor, child, now),
            health,
        )

    async def _refuse(
        self, action_id: str, planned: Planned, body: Mapping[str, Json], refusals: tuple[Refusal, ...]
    ) -> Refused:
        told = [GuardRefusal.of(one) for one in refusals]
        await self.book.refuse(action_id, body, [one.model_dump(mode="json") for one in told])
        self.outcomes[planned.plan.action, RestartState.REFUSED] += 1
        return Refused(planned.answer.model_copy(update={"allowed": False, "refusals": told}), refusals, action_id)

    async def _again(self, before: Entry, request: RestartRequest, who: str) -> RestartAnswer:
        """Answer a request that was made before with what became of it then."""
        if before.body.get("request_digest") != digest_of(request, who):
            raise KeyReused(f"this Idempotency-Key was used for another request, {before.action_id}: take a new one")
        answer = await self.book.find(before.action_id)
        assert answer is not None
        return answer

    async def _run(self, connection: Connection, facts: RestartFacts, intent: Entry) -> None:
        began = time.monotonic()
        limit_seconds = shutdown_limit_seconds(facts) + PAUSE_MILLISECONDS / 1000 * 2**self._rules.retries
        deadline_seconds = min(MAX_WAIT_SECONDS, limit_seconds + MARGIN_SECONDS)
        try:
            report = await execute(connection, facts, intent.action_id, deadline_seconds, self._rules.retries)
        except AgentError as error:
            _LOG.warning("lost sight of the restart %s: %s", intent.action_id, error)
            await self._look_until_it_ended(intent)
            return
        state, body = await self._outcome(facts, report, intent)
        await self._close(Kind.OUTCOME, intent, state, body, time.monotonic() - began)
        if body.get("is_watched") and isinstance(report, Done) and isinstance(report.after, RestartFacts):
            found = await finding_out.watch(
                self._site.connection, report.after, self._rules.watch_seconds, connection.peer.creation
            )
            await self.book.follow(Kind.WATCHED, intent, {"held": found.held, "found": found.text})

    async def _outcome(
        self, facts: RestartFacts, report: Report, intent: Entry
    ) -> tuple[RestartState, dict[str, Json]]:
        match report:
            case Locked(action_id):
                return RestartState.NOT_DONE, {
                    "found": f"another action was running on the node ({action_id or 'unnamed'})"
                }
            case Changed():
                return RestartState.NOT_DONE, {
                    "found": "what the plan stands on changed at the last moment: plan again"
                }
        before = intent.body.get("plan")
        health = before.get("service_health") if isinstance(before, Mapping) else None
        verdict = account.judge(
            facts,
            report,
            health_before=health if isinstance(health, str) else None,
            health_after=await self._health(),
        )
        state = RestartState.DONE if verdict.is_up else RestartState.FAILED
        return state, {
            "verdict": verdict.model_dump(mode="json"),
            "blocker": report.pid if report.start is Start.ALREADY_STARTED else None,
            "is_watched": state is RestartState.DONE and self._rules.watch_seconds > 0 and report.after is not None,
            "watch_seconds": self._rules.watch_seconds,
        }

    async def _look_until_it_ended(self, intent: Entry) -> None:
        lost_at = time.monotonic()
        while time.monotonic() - lost_at < self._rules.give_up_seconds:
            try:
                if await self._find_out(await self._site.connection(), intent):
                    return
            except AgentError as error:
                _LOG.debug("%s cannot be looked up yet: %s", intent.action_id, error)
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _find_out(self, connection: Connection, intent: Entry) -> bool:
        found = await finding_out.find_out(connection, intent)
        if found is None:
            return False
        seconds = (datetime.now(UTC) - intent.at).total_seconds()
        await self._close(Kind.RECONCILED, intent, found.state, {"found": found.text}, seconds)
        return True

    async def _close(
        self, kind: Kind, intent: Entry, state: RestartState, body: Mapping[str, Json], seconds: float
    ) -> None:
        guard = unless_told(intent, *account.CLOSING) if kind is Kind.RECONCILED else None
        if not await self.book.follow(kind, intent, {"outcome": state, **body}, guard):
            return
        action = str(intent.body.get("action"))
        self.outcomes[action, state] += 1
        ended, seconds_so_far = self.durations.get(action, (0, 0.0))
        self.durations[action] = (ended + 1, seconds_so_far + seconds)

    def _ended(self, action_id: str, task: asyncio.Task[None]) -> None:
        self._under_way.pop(action_id, None)
        if not task.cancelled() and (bug := task.exception()) is not None:
            _LOG.error("the restart %s met a bug; what became of it is looked up", action_id, exc_info=bug)


def _changed(planned: Planned, plan_id: str) -> Planned:
    changed = Refusal(Guard.PLAN_CHANGED, f"the plan {plan_id} is no longer true: look at the new one")
    return replace(planned, plan=replace(planned.plan, refusals=(changed, *planned.plan.refusals)))
