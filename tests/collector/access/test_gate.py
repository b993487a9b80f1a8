"""The gate before a route that tells who got through: every kind of route, every kind of asker, every guard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Scope

from collector.access import gate, refusals
from collector.access.attempts import MAX_REFUSALS, Attempts
from collector.access.gate import Gate
from collector.access.known_tokens import KnownTokens
from collector.access.permissions import FOR_MACHINES, PERMISSIONS, Permissions, Role
from collector.access.tokens import create_token, revoke_token
from collector.app import create_app
from collector.settings import Settings
from tests.collector_fakes import NODE, assert_problem, fleet_down, own_address, serving_on_a_port

RESTARTS: Final = "/api/v1/nodes/{node}/restarts"
TABLE: Final = {
    **PERMISSIONS,
    ("POST", RESTARTS): Role.OPERATOR,
    ("GET", RESTARTS): Role.LOCAL,
    ("DELETE", RESTARTS): Role.OPERATOR,
    ("GET", "/for-viewers"): Role.VIEWER,
}
READ: Final = "/api/v1/nodes/-/memory"
ACT: Final = "/api/v1/nodes/-/restarts"
HERE: Final = "127.0.0.1"
ELSEWHERE: Final = "198.51.100.7"
WRONG: Final = "bw_" + "x" * 43


@dataclass
class Served:
    """An app behind a gate, and what came of asking it."""

    tokens_file: Path
    settings: Settings = field(default_factory=Settings)
    refused: list[tuple[str | None, str, str, str]] = field(default_factory=list)
    attempts: Attempts = field(default_factory=Attempts)
    bodies: list[bytes] = field(default_factory=list)

    def app(self) -> Starlette:
        app = Starlette()
        app.state.on_refusal = self._keep
        app.add_route("/{path:path}", self._answer, ["GET", "POST", "DELETE", "PUT", "OPTIONS"])
        app.add_middleware(
            Gate,
            settings=self.settings,
            tokens=KnownTokens(self.tokens_file),
            attempts=self.attempts,
            permissions=Permissions(TABLE),
        )
        return app

    async def _keep(self, name: str | None, method: str, path: str, reason: str) -> None:
        self.refused.append((name, method, path, reason))

    async def _answer(self, request: Request) -> PlainTextResponse:
        self.bodies.append(await request.body())
        return PlainTextResponse(f"{request.state.principal.name} {request.state.principal.role}")

    @contextlib.asynccontextmanager
    async def asked_from(self, asker: str) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app(), client=(asker, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9750") as client:
            yield client

    async def ask(self, method: str, path: str, asker: str = HERE, **more: Any) -> httpx.Response:  # noqa: ANN401
        async with self.asked_from(asker) as client:
            return await client.request(method, path, **more)


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path / "tokens")


@pytest.fixture
def operator(served: Served) -> str:
    return create_token(served.tokens_file, "maria", Role.OPERATOR)


@pytest.fixture
def viewer(served: Served) -> str:
    return create_token(served.tokens_file, "grafana", Role.VIEWER)


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# ------------------------------------------------------------------------------------------ every route, every asker

FROM: Final = {
    "local": (HERE, {}),
    "local over IPv6": ("::1", {}),
    "local over both": ("::ffff:127.0.0.1", {}),
    "through a proxy": (HERE, {"X-Forwarded-For": "127.0.0.1"}),
    "from elsewhere": (ELSEWHERE, {}),
}
# What the answer is to a request for a route that needs this role at least.
WITHOUT_TOKEN: Final = {
    "local": {Role.ANYONE: 200, Role.LOCAL: 200, Role.VIEWER: 401, Role.OPERATOR: 401},
    "local over IPv6": {Role.ANYONE: 200, Role.LOCAL: 200, Role.VIEWER: 401, Role.OPERATOR: 401},
    "local over both": {Role.ANYONE: 200, Role.LOCAL: 200, Role.VIEWER: 401, Role.OPERATOR: 401},
    "through a proxy": {Role.ANYONE: 200, Role.LOCAL: 401, Role.VIEWER: 401, Role.OPERATOR: 401},
    "from elsewhere": {Role.ANYONE: 200, Role.LOCAL: 401, Role.VIEWER: 401, Role.OPERATOR: 401},
}
WITH_TOKEN: Final = {
    "viewer": {Role.ANYONE: 200, Role.LOCAL: 200, Role.VIEWER: 200, Role.OPERATOR: 403},
    "operator": {Role.ANYONE: 200, Role.LOCAL: 200, Role.VIEWER: 200, Role.OPERATOR: 200},
    "wrong": {Role.ANYONE: 200, Role.LOCAL: 401, Role.VIEWER: 401, Role.OPERATOR: 401},
}
OPENED: Final = {Role.ANYONE: 200, Role.LOCAL: 200, Role.VIEWER: 401, Role.OPERATOR: 401}


def path_of(route: str) -> str:
    return route.replace("{node}", "-")


@pytest.mark.parametrize("asker", FROM)
async def test_without_a_token_the_origin_decides(served: Served, operator: str, asker: str) -> None:
    del operator
    host, headers = FROM[asker]
    for (method, route), least in TABLE.items():
        served.attempts = Attempts()
        response = await served.ask(method, path_of(route), host, headers=headers)
        assert (route, response.status_code) == (route, WITHOUT_TOKEN[asker][least])


@pytest.mark.parametrize("asker", FROM)
@pytest.mark.parametrize("kind", WITH_TOKEN)
async def test_with_a_token_its_role_decides(served: Served, operator: str, viewer: str, kind: str, asker: str) -> None:
    token = {"viewer": viewer, "operator": operator, "wrong": WRONG}[kind]
    host, headers = FROM[asker]
    for (method, route), least in TABLE.items():
        served.attempts = Attempts()
        response = await served.ask(method, path_of(route), host, headers=headers | bearing(token))
        assert (route, response.status_code) == (route, WITH_TOKEN[kind][least])


@pytest.mark.parametrize("asker", FROM)
async def test_insecure_no_auth_opens_reading_and_never_acting(served: Served, operator: str, asker: str) -> None:
    del operator
    served.settings = Settings(insecure_no_auth=True)
    host, headers = FROM[asker]
    for (method, route), least in TABLE.items():
        served.attempts = Attempts()
        response = await served.ask(method, path_of(route), host, headers=headers)
        assert (route, response.status_code) == (route, OPENED[least])


async def test_a_route_learns_who_asks(served: Served, operator: str, viewer: str) -> None:
    said = [
        (await served.ask("GET", READ)).text,
        (await served.ask("GET", "/livez", ELSEWHERE)).text,
        (await served.ask("GET", READ, ELSEWHERE, headers=bearing(viewer))).text,
        (await served.ask("POST", ACT, headers=bearing(operator))).text,
    ]
    assert said == ["local local", "anyone anyone", "grafana viewer", "maria operator"]


# -------------------------------------------------------------------------------------------------- what is no route


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nodes/-/memory/", "/api/v1/nodes/-/secrets", "/docs"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_path_without_a_row_leads_nowhere_for_anybody(
    served: Served, operator: str, method: str, path: str
) -> None:
    response = await served.ask(method, path, headers=bearing(operator))
    assert assert_problem(response, 404, "not-found")["detail"] == f"there is no {path} here"
    assert served.bodies == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "OPTIONS", "CONNECT"])
async def test_a_method_without_a_row_leads_nowhere_for_anybody(served: Served, operator: str, method: str) -> None:
    response = await served.ask(method, ACT, headers=bearing(operator))
    assert assert_problem(response, 405, "method-not-allowed")["detail"] == f"{ACT} takes DELETE, GET, POST only"
    assert response.headers["allow"] == "DELETE, GET, POST"
    assert served.bodies == []


async def test_head_is_let_through_as_get_is(served: Served) -> None:
    assert (await served.ask("HEAD", READ, ELSEWHERE)).status_code == 401
    assert (await served.ask("HEAD", READ)).status_code == 200


async def test_there_are_no_websockets(served: Served) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(dict(message))

    async def receive() -> Message:
        raise AssertionError("nobody should listen")

    scope: Scope = {"type": "websocket", "path": "/livez", "headers": [], "client": (HERE, 1), "scheme": "ws"}
    await served.app()(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


# ------------------------------------------------------------------------------------------------ how a token is shown


@pytest.mark.parametrize("text", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "Bearer {} "])
async def test_the_scheme_may_be_spelled_as_http_allows(served: Served, operator: str, text: str) -> None:
    response = await served.ask("POST", ACT, headers={"Authorization": text.format(operator)})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"Bearer",
        b"Bearer ",
        b"Basic dXNlcjpwYXNz",
        b"Token {}",
        b"Bearer{}",
        b"{}",
        b"Bearer ey.of.another",
        b"Bearer \xff\xfe",
        b"\xc3\xa9",
    ],
)
async def test_what_is_no_token_of_ours_is_as_none(served: Served, operator: str, text: bytes) -> None:
    headers = [(b"Authorization", text.replace(b"{}", operator.encode()))]
    assert_problem(await served.ask("POST", ACT, headers=headers), 401, "token-needed")
    assert_problem(await served.ask("GET", READ, ELSEWHERE, headers=headers), 401, "token-needed")
    assert (await served.ask("GET", READ, headers=headers)).status_code == 200
    assert served.attempts.failed_logins == 0


@pytest.mark.parametrize(
    "text",
    [
        b"Bearer bw_",
        b"Bearer bw_" + b"x" * 42,
        b"Bearer bw_" + b"x" * 44,
        b"Bearer bw_" + b"\xe9" * 43,
        b"Bearer {}x",
        b"Bearer {}, Bearer {}",
        b"Bearer {} {}",
        b"Bearer " + WRONG.encode(),
    ],
)
async def test_a_wrong_token_is_refused_wherever_tokens_count(served: Served, operator: str, text: bytes) -> None:
    headers = [(b"Authorization", text.replace(b"{}", operator.encode()))]
    for method, path, asker in (("POST", ACT, HERE), ("GET", READ, ELSEWHERE), ("GET", READ, HERE)):
        response = await served.ask(method, path, asker, headers=headers)
        assert_problem(response, 401, "wrong-token")
        assert response.headers["www-authenticate"] == 'Bearer realm="beamwarden", error="invalid_token"'
        assert operator not in response.text
    assert served.attempts.failed_logins == 3


async def test_where_everybody_may_a_wrong_token_does_not_matter(served: Served) -> None:
    assert (await served.ask("GET", "/metrics", ELSEWHERE, headers=bearing(WRONG))).status_code == 200
    assert served.attempts.failed_logins == 0


async def test_several_authorization_headers_are_refused(served: Served, operator: str) -> None:
    headers = [("Authorization", f"Bearer {operator}"), ("authorization", f"Bearer {operator}")]
    response = await served.ask("POST", ACT, headers=headers)
    assert assert_problem(response, 401, "wrong-token")["detail"] == "there is more than one Authorization header"


@pytest.mark.parametrize("place", ["?token={}", "?access_token={}"])
async def test_a_token_in_the_address_does_not_count(served: Served, operator: str, place: str) -> None:
    assert_problem(await served.ask("POST", ACT + place.format(operator)), 401, "token-needed")


# ---------------------------------------------------------------------------------------------------- what is answered


async def test_a_viewer_who_acts_is_told_which_role_is_needed(served: Served, viewer: str) -> None:
    response = await served.ask("POST", ACT, headers=bearing(viewer))
    problem = assert_problem(response, 403, "role-too-low")
    assert problem["detail"].startswith("the token grafana has the role viewer, and this needs the role operator")
    assert response.headers["www-authenticate"] == 'Bearer realm="beamwarden", error="insufficient_scope"'


async def test_who_acts_without_a_token_is_told_to_bring_one(served: Served, operator: str) -> None:
    del operator
    response = await served.ask("POST", ACT)
    detail = assert_problem(response, 401, "token-needed")["detail"]
    assert detail.startswith("acting needs a token of role operator, from everywhere: give one with --token-file")
    assert response.headers["www-authenticate"] == 'Bearer realm="beamwarden"'


@pytest.mark.parametrize("headers", [{}, bearing(WRONG)])
@pytest.mark.parametrize("asker", [HERE, ELSEWHERE])
async def test_where_there_are_no_tokens_who_acts_is_told_how_to_make_one(
    served: Served, asker: str, headers: dict[str, str]
) -> None:
    detail = assert_problem(await served.ask("POST", ACT, asker, headers=headers), 403, "no-tokens")["detail"]
    assert "beamwarden token create --role operator --name NAME" in detail
    assert served.attempts.failed_logins == len(headers)


# ------------------------------------------------------------------------------------------------ while it is running


async def test_a_revoked_token_opens_nothing_any_more(served: Served, operator: str, viewer: str) -> None:
    del viewer
    async with served.asked_from(ELSEWHERE) as client:
        before = await client.get(READ, headers=bearing(operator))
        revoke_token(served.tokens_file, "maria")
        after = await client.get(READ, headers=bearing(operator))
        acting = await client.post(ACT, headers=bearing(operator))
    assert before.status_code == 200
    assert_problem(after, 401, "wrong-token")
    assert_problem(acting, 401, "wrong-token")


async def test_a_new_token_opens_at_once(served: Served) -> None:
    async with served.asked_from(ELSEWHERE) as client:
        assert (await client.post(ACT)).status_code == 403
        token = create_token(served.tokens_file, "maria", Role.OPERATOR)
        assert (await client.post(ACT, headers=bearing(token))).status_code == 200


async def test_while_the_file_is_broken_nobody_is_known_and_this_machine_reads_on(
    served: Served, operator: str
) -> None:
    with served.tokens_file.open("a") as file:
        file.write("junk\n")
    headers = bearing(operator)
    assert_problem(await served.ask("POST", ACT, headers=headers), 503, "tokens-unusable")
    assert_problem(await served.ask("GET", READ, ELSEWHERE, headers=headers), 503, "tokens-unusable")
    assert (await served.ask("GET", READ, headers=headers)).text == "local local"


async def test_when_the_file_is_gone_nobody_may_act(served: Served, operator: str) -> None:
    async with served.asked_from(HERE) as client:
        assert (await client.post(ACT, headers=bearing(operator))).status_code == 200
        revoke_token(served.tokens_file, "maria")
        assert_problem(await client.post(ACT, headers=bearing(operator)), 403, "no-tokens")


# -------------------------------------------------------------------------------------------- hosts, pages of elsewhere


@pytest.mark.parametrize("host", ["evil.example:9750", "localhost.evil.example", "collector.example", "", "a b"])
async def test_another_name_is_refused_however_one_asks(served: Served, operator: str, host: str) -> None:
    for method, path in (("GET", READ), ("POST", ACT), ("GET", "/"), ("GET", "/openapi.json")):
        response = await served.ask(method, path, headers=bearing(operator) | {"Host": host})
        assert_problem(response, 421, "unknown-host")


async def test_who_is_refused_for_a_name_is_told_the_setting(served: Served) -> None:
    response = await served.ask("GET", READ, headers={"Host": "Collector.example:9750"})
    detail = assert_problem(response, 421, "unknown-host")["detail"]
    assert "add that name to allowed_hosts (--allowed-hosts collector.example)" in detail


@pytest.mark.parametrize("path", sorted(FOR_MACHINES))
async def test_machines_may_ask_under_any_name(served: Served, path: str) -> None:
    assert (await served.ask("GET", path, ELSEWHERE, headers={"Host": "some-service:9750"})).status_code == 200


@pytest.mark.parametrize("host", ["collector.example", "COLLECTOR.example:443", "collector.example."])
async def test_a_name_of_the_settings_is_ours(served: Served, host: str) -> None:
    served.settings = Settings(allowed_hosts=("collector.example",))
    assert (await served.ask("GET", READ, headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:9750"},
        {"Origin": "http://127.0.0.1:9751"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:9750"},
    ],
)
async def test_a_page_of_elsewhere_does_not_act_even_with_a_token(
    served: Served, operator: str, headers: dict[str, str]
) -> None:
    for method in ("POST", "DELETE"):
        response = await served.ask(method, ACT, headers=bearing(operator) | headers)
        assert_problem(response, 403, "other-origin")
    assert (await served.ask("GET", READ, headers=headers)).status_code == 200


async def test_a_page_of_ours_may_act(served: Served, operator: str) -> None:
    headers = bearing(operator) | {"Origin": "http://127.0.0.1:9750", "Sec-Fetch-Site": "same-origin"}
    assert (await served.ask("POST", ACT, headers=headers)).status_code == 200


async def test_no_preflight_is_answered(served: Served) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    response = await served.ask("OPTIONS", ACT, headers=headers)
    assert response.status_code == 405
    assert [name for name in response.headers if name.startswith("access-control-")] == []


# ---------------------------------------------------------------------------------------------------- too many refusals


async def test_who_is_refused_too_often_is_told_to_wait(served: Served, operator: str) -> None:
    del operator
    async with served.asked_from(ELSEWHERE) as client:
        answers = [await client.get(READ, headers=bearing(WRONG)) for _ in range(MAX_REFUSALS + 1)]
    assert [answer.status_code for answer in answers[:-1]] == [401] * MAX_REFUSALS
    assert_problem(answers[-1], 429, "refused-too-often")
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert served.attempts.failed_logins == MAX_REFUSALS + 1


async def test_a_right_token_is_taken_whatever_others_of_its_address_did(served: Served, operator: str) -> None:
    async with served.asked_from(ELSEWHERE) as client:
        for _ in range(MAX_REFUSALS + 5):
            await client.post(ACT, headers=bearing(WRONG))
        assert (await client.post(ACT, headers=bearing(operator))).status_code == 200


async def test_other_addresses_are_not_kept_waiting(served: Served, operator: str) -> None:
    del operator
    for _ in range(MAX_REFUSALS + 1):
        await served.ask("GET", READ, ELSEWHERE, headers=bearing(WRONG))
    assert_problem(await served.ask("GET", READ, "198.51.100.8", headers=bearing(WRONG)), 401, "wrong-token")


async def test_reading_without_a_token_is_no_attempt(served: Served) -> None:
    for _ in range(MAX_REFUSALS + 5):
        assert_problem(await served.ask("GET", READ, ELSEWHERE), 401, "token-needed")


# ------------------------------------------------------------------------------------------ what is told of refusals


async def test_refused_actions_are_told_with_who_and_why(served: Served, viewer: str) -> None:
    await served.ask("POST", ACT)
    await served.ask("POST", ACT, headers=bearing(WRONG))
    await served.ask("POST", ACT, headers=bearing(viewer))
    await served.ask("POST", ACT, headers={"Host": "evil.example"})
    await served.ask("POST", ACT, headers={"Origin": "null"})
    assert served.refused == [
        (None, "POST", ACT, "token-needed"),
        (None, "POST", ACT, "wrong-token"),
        ("grafana", "POST", ACT, "role-too-low"),
        (None, "POST", ACT, "unknown-host"),
        (None, "POST", ACT, "other-origin"),
    ]


async def test_what_is_refused_for_being_too_much_is_not_told(served: Served) -> None:
    for _ in range(MAX_REFUSALS + 20):
        await served.ask("POST", ACT)
    assert len(served.refused) == MAX_REFUSALS


async def test_of_reading_and_of_what_is_no_route_nothing_is_told(served: Served, operator: str) -> None:
    del operator
    await served.ask("GET", READ, ELSEWHERE, headers=bearing(WRONG))
    await served.ask("POST", "/nowhere")
    await served.ask("PUT", ACT)
    assert served.refused == []


async def test_what_is_let_through_is_not_told(served: Served, operator: str) -> None:
    await served.ask("POST", ACT, headers=bearing(operator))
    assert served.refused == []


# --------------------------------------------------------------------------------------------------------------- bodies


async def test_a_small_body_reaches_the_route_whole(served: Served, operator: str) -> None:
    body = b"x" * refusals.MAX_BODY_BYTES
    assert (await served.ask("POST", ACT, headers=bearing(operator), content=body)).status_code == 200
    assert served.bodies == [body]


async def test_a_body_in_pieces_reaches_the_route_whole(served: Served, operator: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"abc"

    await served.ask("POST", ACT, headers=bearing(operator), content=pieces())
    assert served.bodies == [b"abc" * 4]


async def test_a_body_that_is_announced_too_large_is_not_read(served: Served, operator: str) -> None:
    body = b"x" * (refusals.MAX_BODY_BYTES + 1)
    response = await served.ask("POST", ACT, headers=bearing(operator), content=body)
    assert "at most 65536 bytes" in assert_problem(response, 413, "body-too-large")["detail"]
    assert served.bodies == []
    assert served.refused == [("maria", "POST", ACT, "body-too-large")]


async def test_a_body_without_end_is_read_up_to_the_limit(served: Served, operator: str) -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"x" * 1024

    response = await served.ask("POST", ACT, headers=bearing(operator), content=endless())
    assert_problem(response, 413, "body-too-large")
    assert given <= 66


@pytest.mark.parametrize("announced", ["9" * 5000, "-1", "²", "1e3"])
async def test_no_announcement_of_a_size_breaks_it(served: Served, operator: str, announced: str) -> None:
    headers = [("Authorization", f"Bearer {operator}"), ("Content-Length", announced.encode("latin-1"))]
    assert_problem(await served.ask("POST", ACT, headers=headers), 413, "body-too-large")


async def asgi(served: Served, token: str, *messages: Message) -> list[Message]:
    """Ask with these messages, and with nothing behind them."""
    waiting = list(messages)
    sent: list[Message] = []

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(dict(message))

    headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {token}".encode())]
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": ACT,
        "query_string": b"",
        "headers": headers,
        "client": (HERE, 50_000),
    }
    await served.app()(scope, receive, send)
    return sent


async def test_a_body_that_does_not_come_is_not_waited_for(
    served: Served, operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.05)
    sent = await asgi(served, operator, {"type": "http.request", "body": b"a", "more_body": True})
    assert sent[0]["status"] == 408
    assert served.refused == [("maria", "POST", ACT, "body-too-slow")]


async def test_an_asker_who_hangs_up_is_told_to_the_route(served: Served, operator: str) -> None:
    with pytest.raises(ClientDisconnect):
        await asgi(served, operator, {"type": "http.disconnect"})


# --------------------------------------------------------------------------------------------------- over real sockets


@pytest.fixture
def tokens_file(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


@contextlib.contextmanager
def service(tokens_file: Path, address: str) -> Iterator[str]:
    with serving_on_a_port(create_app(fleet_down(NODE), Settings(tokens_file=tokens_file)), address) as url:
        yield url


def status(url: str, path: str = "/api/v1/nodes", **headers: str) -> int:
    return httpx.get(url + path, headers={name.replace("_", "-"): text for name, text in headers.items()}).status_code


def test_on_a_loopback_address_reading_needs_no_token(tokens_file: Path) -> None:
    with service(tokens_file, "127.0.0.2") as url:
        assert status(url) == 200
        assert status(url, X_Forwarded_For="127.0.0.1") == 401
        assert status(url, Host="evil.example") == 421
        assert status(url, "/metrics", Host="evil.example") == 200


def test_on_another_address_reading_needs_a_token(tokens_file: Path) -> None:
    token = create_token(tokens_file, "grafana", Role.VIEWER)
    with service(tokens_file, own_address()) as url:
        assert status(url) == 401
        assert status(url, X_Forwarded_For="127.0.0.1") == 401
        assert status(url, Authorization=f"Bearer {token}") == 200
        assert status(url, "/metrics") == 200


def test_failed_logins_are_in_the_metrics(tokens_file: Path) -> None:
    with service(tokens_file, "127.0.0.1") as url:
        for _ in range(2):
            assert status(url, Authorization=f"Bearer {WRONG}") == 401
        assert "\nbeamwarden_failed_logins_total 2.0\n" in httpx.get(f"{url}/metrics").text
