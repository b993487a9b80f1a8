"""Where the command line gets its answers: from a collector, or straight from a node. Both give the same models."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from agent import preflight
from agent.errors import AgentError
from agent.handshake import Cookie
from agent.names import Target
from agent.node import Up
from agent.probes import vital_signs
from agent.session import Options, connect
from collector.models import MemoryAnswer, NoAnswer, NodeAnswer, Problem
from collector.question import QUESTION_SECONDS, run_probe
from collector.settings import Address
from collector.snapshot import Snapshot

REQUEST_SECONDS: Final = QUESTION_SECONDS + 3.0

_Model = TypeVar("_Model", bound=BaseModel)


class ClientError(Exception):
    """There is no answer; the message says why and what to do."""


class Source(Protocol):
    """Something that answers questions about one node."""

    def memory(self) -> MemoryAnswer:
        """Return the node's memory by kind. Raises `ClientError`."""
        ...

    def node(self) -> NodeAnswer:
        """Return what the node is. Raises `ClientError`."""
        ...


@dataclass(frozen=True, slots=True)
class Collector:
    """A collector at ``url``. ``node`` None is the only node that it watches."""

    url: str
    node_name: str | None = None

    def memory(self) -> MemoryAnswer:
        """Return the node's memory by kind. Raises `ClientError`."""
        return self._get("/memory", MemoryAnswer)

    def node(self) -> NodeAnswer:
        """Return what the node is. Raises `ClientError`."""
        return self._get("", NodeAnswer)

    def _get(self, below_node: str, model: type[_Model]) -> _Model:
        url = f"{self.url.rstrip('/')}/api/v1/nodes/{quote(self.node_name or '-', safe='@')}{below_node}"
        try:
            # A proxy that the environment names leads elsewhere, never to what listens on this machine.
            is_here = Address(httpx.URL(url).host, 0).is_loopback
            answer = httpx.get(url, timeout=REQUEST_SECONDS, trust_env=not is_here)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise ClientError(f"{self.url} is no URL: {error}") from None
        except httpx.HTTPError as error:
            raise ClientError(
                f"no collector answers at {self.url} ({error}). Start one with 'beamwarden serve', name one with "
                "--url, or ask a node itself with --node and --cookie-file"
            ) from None
        try:
            if answer.is_success:
                return model.model_validate_json(answer.content)
            problem = Problem.model_validate_json(answer.content)
        except ValidationError:
            raise ClientError(f"what answers at {url} is no collector (HTTP {answer.status_code})") from None
        raise ClientError(problem.detail + _hint(problem))


def _hint(problem: Problem) -> str:
    return ". Say which with --url and --node" if problem.type == "urn:beamwarden:unknown-node" else ""


@dataclass(frozen=True, slots=True)
class Direct:
    """A node, asked over a connection of our own that ends with the answer."""

    target: Target
    cookie: Cookie
    options: Options
    expected_supervisors: tuple[str, ...] = ()

    def memory(self) -> MemoryAnswer:
        """Return the node's memory by kind. Raises `ClientError`."""
        try:
            return MemoryAnswer.of(asyncio.run(self._ask("memory"))[0])
        except (NoAnswer, AgentError) as error:
            raise ClientError(str(error)) from None

    def node(self) -> NodeAnswer:
        """Return what the node is. Raises `ClientError`."""
        try:
            snapshot, state = asyncio.run(self._ask("identity", "supervisors"))
        except AgentError as error:
            raise ClientError(str(error)) from None
        return NodeAnswer.of(snapshot, state)

    async def _ask(self, *names: str) -> tuple[Snapshot, Up]:
        session = await connect(self.target, self.cookie, self.options)
        try:
            found = await preflight.check(session)
            probes = vital_signs(self.expected_supervisors)
            asked_at = datetime.now(UTC)
            outcomes = {name: await run_probe(name, probes[name], session, QUESTION_SECONDS) for name in names}
            return Snapshot(self.target, asked_at, peer=session.peer, outcomes=outcomes), Up(session, found)
        finally:
            session.close()
            await session.wait_closed()
