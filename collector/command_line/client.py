"""Where the command line gets its answers: from a collector, or straight from a node. Both give the same models."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
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
from collector.diagnosis.diagnosing import DIAGNOSIS_SECONDS
from collector.journal.audit import AuditAnswer, AuditQuery
from collector.models import MemoryAnswer, NoAnswer, NodeAnswer, Problem, SystemAnswer
from collector.question import QUESTION_SECONDS, Question, put
from collector.settings import Address, Settings
from collector.snapshot import Snapshot
from collector.views import AnswerT, NotFound, QueryT, View
from collector.views.diagnosis import DiagnosisAnswer
from collector.views.trend import TrendAnswer

REQUEST_SECONDS: Final = QUESTION_SECONDS + 3.0
ACT_SECONDS: Final = 60.0  # for a plan of a large tree, which takes several questions
DEFAULT_RETRY_SECONDS: Final = 1.0

_TURNED_AWAY: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})

_Model = TypeVar("_Model", bound=BaseModel)


class ClientError(Exception):
    """There is no answer; the message says why and what to do."""


class ProblemAnswer(ClientError):
    """The collector answered with a problem of this status; ``content`` is all of it."""

    def __init__(self, message: str, status: int, content: bytes) -> None:
        self.status = status
        self.content = content
        super().__init__(message)

    @property
    def is_refusal(self) -> bool:
        """Whether it was turned away before it was looked at: by the collector's gate, or for lack of a journal."""
        return self.status in _TURNED_AWAY or b"urn:beamwarden:journal-not-writable" in self.content


class NotHeard(ClientError):
    """It was sent, and there is no answer: whether it was heard is not known."""


class AskAgain(ClientError):
    """The collector has been asked the same a moment ago; it may be asked again after ``retry_after_seconds``."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class Source(Protocol):
    """Something that answers questions about one node."""

    def memory(self) -> MemoryAnswer:
        """Return the node's memory by kind. Raises `ClientError`."""
        ...

    def node(self) -> NodeAnswer:
        """Return what the node is. Raises `ClientError`."""
        ...

    def view(self, view: View[QueryT, AnswerT], query: QueryT) -> AnswerT:
        """Return what a view shows, no older than a person wants it. Raises `ClientError`."""
        ...


@dataclass(frozen=True, slots=True)
class Collector:
    """A collector at ``url``. ``node`` None is the only node that it watches."""

    url: str
    node_name: str | None = None
    id_token: str | None = field(default=None, repr=False)
    http: httpx.Client | None = field(default=None, repr=False)  # one that is kept open; None: a connection for each
    token: str | None = field(default=None, repr=False)
    login: str | None = field(default=None, repr=False)  # user:password, where it has a web configuration
    trust: ssl.SSLContext | None = field(default=None, repr=False)  # whose certificates; None: of public authorities

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine. Raises `ClientError` when the URL is none."""
        try:
            return Address(httpx.URL(self.url).host, 0).is_loopback
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ClientError(f"{self.url} is no URL: {error}") from None

    def memory(self) -> MemoryAnswer:
        """Return the node's memory by kind. Raises `ClientError`."""
        return self._get("/memory", MemoryAnswer)

    def node(self) -> NodeAnswer:
        """Return what the node is. Raises `ClientError`."""
        return self._get("", NodeAnswer)

    def system(self) -> SystemAnswer:
        """Return the node's counts, limits and totals. Raises `ClientError`."""
        return self._get("/system", SystemAnswer)

    def trend(self) -> TrendAnswer:
        """Return the node's last hour, as the collector has kept it. Raises `ClientError`."""
        return self._get("/trend", TrendAnswer)

    def diagnosis(self) -> DiagnosisAnswer:
        """Return the playbook, held against what is known of the node and its service. Raises `ClientError`."""
        return self._get("/diagnosis", DiagnosisAnswer, {"fresh": True}, DIAGNOSIS_SECONDS + REQUEST_SECONDS)

    def view(self, view: View[QueryT, AnswerT], query: QueryT, *, fresh: bool = True) -> AnswerT:
        """Return what a view shows: ``fresh`` no older than a person wants it, else as old as programs get it.

        Raises `ClientError`.
        """
        parameters = query.model_dump(mode="json", exclude_none=True) | {"fresh": fresh}
        deadline_seconds = view.question(query, Settings()).deadline_seconds
        return self._get(f"/{view.path}", view.model, parameters, deadline_seconds + REQUEST_SECONDS)

    def audit(self, query: AuditQuery) -> AuditAnswer:
        """Return entries of the collector's journal. Raises `ClientError`."""
        return self._request("GET", "/audit", AuditAnswer, query.model_dump(exclude_none=True))

    def get(self, below_node: str, model: type[_Model]) -> _Model:
        """Return what stands at an address below the node. Raises `ClientError`."""
        return self._get(below_node, model)

    def post(self, below_node: str, body: BaseModel, model: type[_Model], key: str | None = None) -> _Model:
        """Ask for something to be done; with a ``key`` the same request is not done twice. Raises `ClientError`.

        A refusal is `ProblemAnswer`, and `NotHeard` when it may have been done all the same.
        """
        return self._request(
            "POST",
            self._below(below_node),
            model,
            timeout_seconds=ACT_SECONDS,
            content=body.model_dump_json(exclude_none=True),
            headers={"Content-Type": "application/json"} | ({} if key is None else {"Idempotency-Key": key}),
        )

    def _get(
        self,
        below_node: str,
        model: type[_Model],
        parameters: Mapping[str, str | int | float] | None = None,
        timeout_seconds: float = REQUEST_SECONDS,
    ) -> _Model:
        return self._request("GET", self._below(below_node), model, parameters, timeout_seconds)

    def _below(self, below_node: str) -> str:
        return f"/nodes/{quote(self.node_name or '-', safe='@')}{below_node}"

    def _request(  # noqa: PLR0913  # three say what is asked, the rest by name
        self,
        method: str,
        path: str,
        model: type[_Model],
        parameters: Mapping[str, str | int | float] | None = None,
        timeout_seconds: float = REQUEST_SECONDS,
        *,
        content: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> _Model:
        url = f"{self.url.rstrip('/')}/api/v1{path}"
        send = partial(
            httpx.Client.request,
            method=method,
            url=url,
            params=parameters,
            content=content,
            headers=self._headers(is_here=self.is_here) | dict(headers or {}),
            timeout=timeout_seconds,
        )
        try:
            if self.http is not None:
                answer = send(self.http)
            else:
                with self.client() as http:
                    answer = send(http)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise ClientError(f"{self.url} is no URL: {error}") from None
        except httpx.HTTPError as error:
            if isinstance(cause := _cause(error, ssl.SSLError), ssl.SSLError):
                raise ClientError(_of_tls(self.url, cause)) from None
            is_sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
            raise (NotHeard if is_sent else ClientError)(_of_silence(self.url, error)) from None
        try:
            if answer.is_success:
                return model.model_validate_json(answer.content)
            problem = Problem.model_validate_json(answer.content)
        except ValidationError:
            raise ClientError(f"what answers at {url} is no collector (HTTP {answer.status_code})") from None
        if method != "GET":
            raise ProblemAnswer(problem.detail + _hint(problem), answer.status_code, answer.content)
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise AskAgain(problem.detail, _seconds(answer.headers.get("Retry-After")))
        raise ClientError(problem.detail + _hint(problem))

    def client(self) -> httpx.Client:
        """Make what can ask it, for ``http``. A proxy of the environment never leads to this machine itself."""
        return httpx.Client(trust_env=not self.is_here, verify=True if self.trust is None else self.trust)

    def _headers(self, *, is_here: bool) -> dict[str, str]:
        """Return who we are: to the collector, and to a front of Cloud Run, which leaves Authorization to it."""
        given = (
            ("Authorization", self.token, "token", "--token-file and no BEAMWARDEN_TOKEN"),
            ("Authorization", self.login, "password", "--basic-auth-file and no BEAMWARDEN_BASIC_AUTH"),
            ("X-Serverless-Authorization", self.id_token, "token", "--id-token"),
        )
        for _header, secret, what, options in given:
            if secret is not None and not is_here and not self.url.lower().startswith("https:"):
                raise ClientError(
                    f"{self.url} is not encrypted, and others could read the {what}: use https, or no {options}"
                )
        headers = {} if self.id_token is None else {"X-Serverless-Authorization": f"Bearer {self.id_token}"}
        # One header for both: a token says more of who we are, and does in place of a password.
        if self.token is not None:
            return headers | {"Authorization": f"Bearer {self.token}"}
        if self.login is not None:
            return headers | {"Authorization": f"Basic {b64encode(self.login.encode()).decode('ascii')}"}
        return headers


def _cause(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """Find the error of this kind that led to another one."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, kind):
        found = found.__cause__ or found.__context__
    return found


def _of_silence(url: str, error: httpx.HTTPError) -> str:
    """Say what it means that there is no answer, and what to do."""
    # With TLS 1.3 the other side looks at our certificate when TLS stands for us, and Python's then just hangs up.
    is_cut_off = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError) and url.lower().startswith("https:")
    hint = "It may want a certificate of yours (--url-certificate-file); its log says why. " if is_cut_off else ""
    return (
        f"no collector answers at {url} ({error}). {hint}Start one with 'beamwarden serve', name one with --url, or "
        "ask a node itself with --node and --cookie-file"
    )


def _of_tls(url: str, error: ssl.SSLError) -> str:
    """Say what it means that TLS failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of what answers at {url} is not believed ({error.verify_message}): name the file of its "
            "authority with --url-ca-file, and ask it by a name that it is for"
        )
    reason = str(error.reason or "").lower().replace("_", " ")
    if "certificate required" in reason or "handshake failure" in reason:
        return f"{url} wants a certificate of yours: give --url-certificate-file and --url-key-file"
    if "wrong version number" in reason or "record layer failure" in reason:
        return f"what answers at {url} speaks no TLS: ask it by http"
    return f"TLS with {url} failed: {reason or error}"


def _seconds(retry_after: str | None) -> float:
    """Read what a collector sends; what stands before it may send a date, which is as good as nothing."""
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else DEFAULT_RETRY_SECONDS


def _hint(problem: Problem) -> str:
    return ". Say which with --url and --node" if problem.type == "urn:beamwarden:unknown-node" else ""


@dataclass(frozen=True, slots=True)
class Direct:
    """A node, asked over a connection of our own that ends with the answer."""

    target: Target
    cookie: Cookie
    options: Options
    settings: Settings = field(default_factory=Settings)

    def memory(self) -> MemoryAnswer:
        """Return the node's memory by kind. Raises `ClientError`."""
        try:
            return MemoryAnswer.of(asyncio.run(self._ask(*self._vital("memory")))[0])
        except (NoAnswer, AgentError) as error:
            raise ClientError(str(error)) from None

    def node(self) -> NodeAnswer:
        """Return what the node is. Raises `ClientError`."""
        try:
            snapshot, state = asyncio.run(self._ask(*self._vital("identity", "supervisors")))
        except AgentError as error:
            raise ClientError(str(error)) from None
        return NodeAnswer.of(snapshot, state)

    def view(self, view: View[QueryT, AnswerT], query: QueryT) -> AnswerT:
        """Return what a view shows. Raises `ClientError`."""
        try:
            return view.answer(asyncio.run(self._ask(view.question(query, self.settings)))[0], query)
        except (NoAnswer, NotFound, AgentError) as error:
            raise ClientError(str(error)) from None

    def _vital(self, *names: str) -> list[Question]:
        probes = vital_signs(self.settings.expected_supervisors)
        return [Question(name, probes[name], deadline_seconds=QUESTION_SECONDS) for name in names]

    async def _ask(self, *questions: Question) -> tuple[Snapshot, Up]:
        session = await connect(self.target, self.cookie, self.options)
        try:
            found = await preflight.check(session)
            asked_at = datetime.now(UTC)
            outcomes = {one.probe: await put(one, session) for one in questions}
            return Snapshot(self.target, asked_at, peer=session.peer, outcomes=outcomes), Up(session, found)
        finally:
            session.close()
            await session.wait_closed()
