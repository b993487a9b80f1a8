"""Who restarts for the command line: a collector, or we ourselves on a node, with the same guards and journal."""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, TypeVar

from pydantic import ValidationError

from agent import preflight
from agent.errors import AgentError
from agent.session import Session, connect
from collector.command_line.client import ClientError, Collector, Direct, NotHeard, ProblemAnswer
from collector.journal.journal import Journal
from collector.journal.log import print_entry
from collector.journal.schema import JournalError
from collector.load import journal_path
from collector.restarts.book import JournalUnwritable
from collector.restarts.models import (
    GuardRefusal,
    PlanAnswer,
    RefusalProblem,
    RestartAnswer,
    RestartRequest,
    RestartState,
)
from collector.restarts.planning import NotThere, SeveralMeant
from collector.restarts.rules import rules_of
from collector.restarts.runner import KeyReused, Refused, Restarts

POLL_SECONDS: Final = 0.5
MAX_SILENCE_SECONDS: Final = 30.0  # of a collector or a node that does not answer while a restart is under way

_T = TypeVar("_T")
_Model = TypeVar("_Model", PlanAnswer, RestartAnswer)


class RefusedWithoutPlan(ClientError):
    """It was refused before anything was planned: by the collector's gate, or for lack of a journal."""


class LostSight(ClientError):
    """It has begun, and what became of it is not known."""


class RefusedByGuards(Exception):
    """Guards refuse the restart. ``plan`` is what is true now."""

    def __init__(self, plan: PlanAnswer) -> None:
        self.plan = plan
        super().__init__("; ".join(one.detail for one in plan.refusals))

    @property
    def refusals(self) -> list[GuardRefusal]:
        """Which guards, and why."""
        return self.plan.refusals


class Operator(Protocol):
    """Somebody who restarts children of one node."""

    def plan(self, request: RestartRequest) -> PlanAnswer:
        """Plan, and change nothing. Raises `ClientError`."""
        ...

    def restart(
        self, request: RestartRequest, tell: Callable[[RestartAnswer], None], *, until_held: bool
    ) -> RestartAnswer:
        """Restart, and return what became of it. Raises `ClientError` and `RefusedByGuards`.

        ``tell`` gets it when it has begun, and again when it has ended and is watched further.
        """
        ...


@dataclass(frozen=True, slots=True)
class RemoteOperator:
    """A collector."""

    collector: Collector

    def plan(self, request: RestartRequest) -> PlanAnswer:
        """Plan, and change nothing. Raises `ClientError`."""
        return self._post(request.model_copy(update={"dry_run": True}), PlanAnswer)

    def restart(
        self, request: RestartRequest, tell: Callable[[RestartAnswer], None], *, until_held: bool
    ) -> RestartAnswer:
        """Restart, and return what became of it. Raises `ClientError` and `RefusedByGuards`."""
        begun = self._begin(request)
        tell(begun)
        is_told = False
        answer, answered_at = begun, time.monotonic()
        while answer.state is RestartState.RUNNING or (until_held and answer.is_watched):
            time.sleep(POLL_SECONDS)
            try:
                answer, answered_at = self.collector.get(f"/restarts/{begun.id}", RestartAnswer), time.monotonic()
            except ClientError as error:
                if time.monotonic() - answered_at > MAX_SILENCE_SECONDS:
                    raise LostSight(f"what became of the restart {begun.id} is not known: {error}") from None
            if answer.is_watched and not is_told:
                tell(answer)
                is_told = True
        return answer

    def _begin(self, request: RestartRequest) -> RestartAnswer:
        """Ask for it until there is an answer; by its key it is done once, however often it is asked for."""
        key, asked_at = secrets.token_hex(16), time.monotonic()
        may_have_begun = False
        while True:
            try:
                return self._post(request, RestartAnswer, key)
            except (ProblemAnswer, RefusedWithoutPlan):
                raise
            except ClientError as error:
                may_have_begun = may_have_begun or isinstance(error, NotHeard)
                if not may_have_begun:
                    raise
                if time.monotonic() - asked_at > MAX_SILENCE_SECONDS:
                    raise LostSight(f"whether the restart has begun is not known: {error}") from None
            time.sleep(POLL_SECONDS)

    def _post(self, request: RestartRequest, model: type[_Model], key: str | None = None) -> _Model:
        try:
            return self.collector.post("/restarts", request, model, key)
        except ProblemAnswer as problem:
            try:
                raise RefusedByGuards(RefusalProblem.model_validate_json(problem.content).plan) from None
            except ValidationError:  # it is another problem
                raise (RefusedWithoutPlan(str(problem)) if problem.is_refusal else problem) from None


@dataclass(slots=True)
class LocalOperator:
    """We ourselves, on a node: who holds its cookie may."""

    direct: Direct
    name: str = field(init=False)
    _session: Session | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.name = str(self.direct.target.node)

    @property
    def instance_id(self) -> str | None:
        """Not known: a plan that a collector has made is not one of ours."""
        return None

    async def connection(self) -> Session:
        """Return the connection that stands, or a new one. Raises `AgentError`."""
        if self._session is None or self._session.is_closed:
            self._session = await connect(self.direct.target, self.direct.cookie, self.direct.options)
            await preflight.check(self._session)
        return self._session

    def plan(self, request: RestartRequest) -> PlanAnswer:
        """Plan, and change nothing. Raises `ClientError`."""
        return self._run(lambda restarts: restarts.plan(request), watch=False)

    def restart(
        self, request: RestartRequest, tell: Callable[[RestartAnswer], None], *, until_held: bool
    ) -> RestartAnswer:
        """Restart, and return what became of it. Raises `ClientError` and `RefusedByGuards`."""

        async def begin(restarts: Restarts) -> RestartAnswer:
            begun = await restarts.begin(request, operating_user())
            tell(begun)
            await restarts.wait(begun.id)
            return await restarts.book.find(begun.id) or begun

        return self._run(begin, watch=until_held)

    def _run(self, work: Callable[[Restarts], Awaitable[_T]], *, watch: bool) -> _T:
        try:
            return asyncio.run(self._with_journal(work, watch=watch))
        except Refused as refused:
            raise RefusedByGuards(refused.plan) from None
        except JournalUnwritable as error:
            raise RefusedWithoutPlan(f"no action runs that cannot be written down: {error}") from None
        except (AgentError, NotThere, SeveralMeant, KeyReused, JournalError) as error:
            raise ClientError(str(error)) from None

    async def close(self) -> None:
        """End the connection, if there is one."""
        if self._session is not None:
            self._session.close()
            await self._session.wait_closed()

    async def _with_journal(self, work: Callable[[Restarts], Awaitable[_T]], *, watch: bool) -> _T:
        rules = replace(rules_of(self.direct.settings, is_watched=watch), give_up_seconds=MAX_SILENCE_SECONDS)
        async with Journal(journal_path(self.direct.settings, os.environ), print_entry) as journal:
            restarts = Restarts(self, journal, rules)
            try:
                if journal.trouble is None:
                    await restarts.close_open_intents()  # of a command line before this one, which was ended
                return await work(restarts)
            finally:
                await restarts.close()
                await self.close()


def operating_user() -> str:
    """Return who types, as this machine knows it."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user often has no name
        user = f"uid {os.getuid()}"
    return f"{user} on {socket.gethostname()}"
