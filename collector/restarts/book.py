"""The restarts of one node in the journal: how they get there, and how they are told again."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from agent.actions.guards import Refusal
from agent.actions.plan import Policy, too_soon
from collector.journal.chain import Entry, Json, Kind
from collector.journal.file import Reader
from collector.journal.journal import Journal
from collector.journal.schema import JournalError
from collector.restarts import account
from collector.restarts.models import RestartAnswer, RestartRequest, RestartsAnswer
from collector.restarts.planning import Planned

REMEMBERED_HOURS: Final = 24.0  # for which earlier actions and Idempotency-Keys count
OPEN_DAYS: Final = 7.0  # for which the end of an intent is looked for; after that nobody can tell any more
MAX_READ: Final = 10_000  # entries, to find the latest actions among them
MAX_JOURNALLED: Final = 20  # names, tables and children of a plan each: what a post-mortem reads

_LOG: Final = logging.getLogger(__name__)


class JournalUnwritable(Exception):
    """No action runs that could not be written down; the message says why, and what to do."""


class AskedBefore(Exception):
    """The same request was made before; ``entry`` is what became of it at first."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        super().__init__(entry.action_id)


class TooSoon(Exception):
    """Another action came in between a plan and its intent."""

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        self.refusals = refusals
        super().__init__()


class ToldMeanwhile(Exception):
    """What was found out of an action is known already."""


class Book:
    """What the journal knows of the restarts of one node."""

    def __init__(self, journal: Journal, node: str, policy: Policy) -> None:
        self._journal = journal
        self._node = node
        self._policy = policy

    async def need_writable(self) -> None:
        """Raise `JournalUnwritable` unless the journal can be written, as far as is known."""
        if self._journal.trouble is not None and (trouble := await self._journal.check()) is not None:
            raise JournalUnwritable(trouble)

    async def recent(self) -> list[Entry]:
        """Return the entries of the last day."""
        since = datetime.now(UTC) - timedelta(hours=REMEMBERED_HOURS)
        return await self._journal.read(lambda reader: reader.entries(node=self._node, since=since))

    async def intend(self, action_id: str, planned: Planned, body: Mapping[str, Json]) -> Entry:
        """Write an intent; it is on disk then. Raises `AskedBefore`, `TooSoon` and `JournalError`.

        Both are looked at where nobody can come in between: in the transaction that writes it.
        """
        return await self._journal.append(
            Kind.INTENT,
            action_id=action_id,
            node=self._node,
            body=body,
            guard=lambda reader: self._check(reader, planned, body.get("idempotency_key")),
        )

    async def refuse(self, action_id: str, body: Mapping[str, Json], refusals: list[Json]) -> None:
        """Write that somebody wanted it and guards refused. Raises `JournalError`."""
        await self._journal.append(
            Kind.REFUSED, action_id=action_id, node=self._node, body={**body, "refusals": refusals}
        )

    async def follow(
        self, kind: Kind, intent: Entry, body: Mapping[str, Json], guard: Callable[[Reader], None] | None = None
    ) -> bool:
        """Write what follows an intent. If it cannot be written the log has it, and the next start looks it up.

        False: with a ``guard`` of `unless_told`, it was told already.
        """
        about = {name: intent.body.get(name) for name in ("action", "who", "supervisor", "child")}
        try:
            await self._journal.append(
                kind,
                action_id=intent.action_id,
                node=intent.node,
                body={**about, **body},
                guard=guard,
            )
        except ToldMeanwhile:
            _LOG.debug("whoever began %s has told its end", intent.action_id)
            return False
        except JournalError as error:
            _LOG.error("the end of %s is not in the journal: %s", intent.action_id, error, extra={"entry": dict(body)})
        return True

    async def find(self, action_id: str) -> RestartAnswer | None:
        """Tell one action; None when there is none of this node with that id."""
        entries = await self._journal.read(
            lambda reader: reader.entries(action_id=action_id, node=self._node, newest_first=False)
        )
        actions = account.group(entries)
        return account.answer_of(actions[0]) if actions else None

    async def latest(self, limit: int) -> RestartsAnswer:
        """Tell the latest actions on this node, the newest first."""
        # One has few entries; but between them stand requests that were refused, as many as somebody has made.
        read = 8 * limit
        while True:
            entries = await self._read_newest(read)
            actions = account.group(entries)
            if len(actions) >= limit or len(entries) < read or read >= MAX_READ:
                break
            read *= 8
        return RestartsAnswer(restarts=[account.answer_of(action) for action in reversed(actions)][:limit])

    async def open_intents(self) -> list[Entry]:
        """Return the intents of which no end is known."""
        since = datetime.now(UTC) - timedelta(days=OPEN_DAYS)
        return account.open_intents(
            await self._journal.read(lambda reader: reader.entries(node=self._node, since=since))
        )

    async def left_watches(self) -> list[account.LeftWatch]:
        """Return the watches whose watcher was ended before it could tell."""
        now = datetime.now(UTC)
        entries = await self._journal.read(
            lambda reader: reader.entries(node=self._node, since=now - timedelta(days=OPEN_DAYS))
        )
        return account.left_watches(entries, now)

    async def _read_newest(self, limit: int) -> list[Entry]:
        return await self._journal.read(lambda reader: reader.entries(node=self._node, limit=limit))

    async def with_key(self, key: str) -> Entry | None:
        """Return what was asked for with an Idempotency-Key within the last day."""
        return account.with_key(await self.recent(), key)

    def _check(self, reader: Reader, planned: Planned, key: Json) -> None:
        now = datetime.now(UTC)
        entries = reader.entries(node=self._node, since=now - timedelta(hours=REMEMBERED_HOURS))
        if isinstance(key, str) and (before := account.with_key(entries, key)) is not None:
            raise AskedBefore(before)
        past = account.past_of(entries, planned.supervisor_name, planned.child_id, now)
        if refusals := tuple(too_soon(self._policy, past)):
            raise TooSoon(refusals)


def intent_body(request: RestartRequest, planned: Planned, who: str, key: str | None) -> dict[str, Json]:
    """Return what the journal keeps of a request and its plan."""
    answer = planned.answer
    shown: Json = answer.model_dump(mode="json", exclude={"node", "refusals"})
    return {
        "action": planned.plan.action,
        "who": who,
        "reason": request.reason,
        "supervisor": planned.supervisor_name,
        "child": planned.child_id,
        "pid": answer.child.pid if answer.child else None,
        "creation": answer.node.creation,
        "instance_id": answer.node.instance_id,
        "plan_id": planned.plan.id,
        "plan": _shortened(shown),
        "accept_data_loss": list(request.accept_data_loss[:MAX_JOURNALLED]),
        "accept_lost_children": request.accept_lost_children,
        "asked_for": request.child,
        "idempotency_key": key,
        "request_digest": digest_of(request, who),
    }


def body_without_plan(request: RestartRequest, who: str) -> dict[str, Json]:
    """Return what the journal keeps of a request for something that is not there."""
    return {
        "action": "restart",
        "who": who,
        "reason": request.reason,
        "supervisor": request.supervisor,
        "child": request.child,
    }


def digest_of(request: RestartRequest, who: str) -> str:
    """Return what is the same for two requests only if the same person asks for the same."""
    return hashlib.sha256(f"{who}\n{request.model_dump_json()}".encode(errors="replace")).hexdigest()


def unless_told(intent: Entry, *kinds: Kind) -> Callable[[Reader], None]:
    """Make the guard for what was found out: it is worth less than what was told by whoever did it."""

    def check(reader: Reader) -> None:
        if reader.entries(action_id=intent.action_id, node=intent.node, kinds=kinds):
            raise ToldMeanwhile(intent.action_id)

    return check


def _shortened(value: Json) -> Json:
    """Cut the lists of a plan: names and tables may be hundreds, and their numbers stand beside them."""
    if isinstance(value, Mapping):
        return {name: _shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value[:MAX_JOURNALLED]]
    return value
