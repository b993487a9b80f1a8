"""Who is let in where a web configuration has users: by a password, a token, or not at all."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers

from collector.access import attempts, entrance
from collector.access.attempts import MAX_REFUSALS
from collector.access.entrance import Bucket, Shown
from collector.access.passwords import Busy, Passwords
from collector.access.permissions import FOR_MACHINES, PERMISSIONS, Role
from collector.access.refusals import Refused
from collector.access.shell_token import read_shell_token, shell_token
from collector.access.tokens import Entry, create_token, revoke_token
from collector.app import create_app
from collector.load import load_settings
from collector.port import known_web_config
from collector.port.known_web_config import KnownWebConfig, read_web_config
from collector.port.web_config import RateLimit
from collector.port.web_headers import WebHeaders
from tests.collector_fakes import FakeClock, FakeSession, assert_problem, fleet_of
from tests.web_port import LOGIN, USERS, serving_with, write

HERE, ELSEWHERE = "127.0.0.1", "198.51.100.7"
READ = "/api/v1/nodes/-/memory"
ACT = "/api/v1/nodes/-/restarts"


class Asked:
    """A collector with a web configuration, asked from wherever a test says."""

    def __init__(self, folder: Path) -> None:
        self.file = write(folder / "web.yml", USERS)
        self.tokens_file = folder / "tokens"
        self.settings: dict[str, object] = {}
        self.of_shell: tuple[Entry, ...] = ()

    @contextlib.asynccontextmanager
    async def from_(self, asker: str) -> AsyncIterator[httpx.AsyncClient]:
        web = KnownWebConfig(self.file, read_web_config(self.file))
        settings = load_settings({"tokens_file": str(self.tokens_file)} | self.settings, {})
        app = create_app(fleet_of(FakeSession()), settings, web=web)
        app.state.tokens.of_shell = self.of_shell
        transport = httpx.ASGITransport(WebHeaders(app, web), client=(asker, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9750") as client:
            yield client

    async def get(self, path: str, asker: str = ELSEWHERE, **more: Any) -> httpx.Response:  # noqa: ANN401
        async with self.from_(asker) as client:
            return await client.get(path, **more)


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# --------------------------------------------------------------------------------------------------------- passwords

EVERY_PATH = sorted({route.replace("{node}", "-").replace("{action_id}", "1") for _, route in PERMISSIONS})


@pytest.mark.parametrize("asker", [HERE, ELSEWHERE])
async def test_without_a_password_nothing_is_answered_but_probes(asked: Asked, asker: str) -> None:
    async with asked.from_(asker) as client:
        for path in [*EVERY_PATH, "/nothing/here"]:
            response = await client.get(path)
            if path in {"/livez", "/readyz"}:
                assert response.status_code == 200
                assert "@" not in response.text  # no name of a node
            else:
                assert_problem(response, 401, "password-needed")
                assert response.headers["www-authenticate"] == 'Basic realm="beamwarden", charset="UTF-8"'


@pytest.mark.parametrize("asker", [HERE, ELSEWHERE])
@pytest.mark.parametrize("path", [*sorted(FOR_MACHINES - {"/probe"}), READ, "/api/v1/nodes", "/"])
async def test_with_the_password_everything_is_read_from_everywhere(asked: Asked, asker: str, path: str) -> None:
    assert (await asked.get(path, asker, auth=LOGIN)).status_code == 200


@pytest.mark.parametrize("login", [("prometheus", "wrong"), ("nobody", "right"), ("prometheus", ""), ("", "")])
async def test_a_wrong_password_is_told_as_such_and_not_why(asked: Asked, login: tuple[str, str]) -> None:
    problem = assert_problem(await asked.get("/metrics", HERE, auth=login), 401, "wrong-password")
    assert problem["detail"] == "there is no such user here, or the password is another one"


async def test_with_the_password_nobody_acts(asked: Asked) -> None:
    create_token(asked.tokens_file, "maria", Role.OPERATOR)
    async with asked.from_(HERE) as client:
        assert_problem(await client.post(ACT, json={}, auth=LOGIN), 401, "token-needed")


async def test_insecure_no_auth_opens_nothing_where_there_are_users(asked: Asked) -> None:
    asked.settings["insecure_no_auth"] = True
    assert_problem(await asked.get(READ), 401, "password-needed")


async def test_a_page_under_a_name_of_its_own_is_not_answered_with_a_password_either(asked: Asked) -> None:
    response = await asked.get(READ, auth=LOGIN, headers={"Host": "elsewhere.example"})
    assert_problem(response, 421, "unknown-host")


async def test_a_configuration_without_users_changes_nothing(asked: Asked) -> None:
    write(asked.file, "http_server_config: {http2: false}")
    assert (await asked.get("/metrics")).status_code == 200
    assert (await asked.get(READ, HERE)).status_code == 200
    assert_problem(await asked.get(READ), 401, "token-needed")


async def test_a_password_that_is_changed_counts_from_then_on(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_web_config, "LOOK_SECONDS", 0.0)
    async with asked.from_(ELSEWHERE) as client:
        assert (await client.get("/metrics", auth=LOGIN)).status_code == 200
        write(asked.file, USERS.replace("prometheus:", "somebody:"))
        assert_problem(await client.get("/metrics", auth=LOGIN), 401, "wrong-password")
        assert (await client.get("/metrics", auth=("somebody", "right"))).status_code == 200


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !", "Basic bm9jb2xvbg==", "Digest a", "Bearer eyJhbGciOi", "", "Bearer"]
)
async def test_what_is_no_login_is_taken_for_none(asked: Asked, header: str) -> None:
    assert_problem(await asked.get("/metrics", headers={"Authorization": header}), 401, "password-needed")


async def test_letters_of_all_languages_may_be_in_a_password(asked: Asked) -> None:
    value = base64.b64encode("prometheus:пароль".encode()).decode()
    response = await asked.get("/metrics", headers={"Authorization": f"basic {value}"})
    assert_problem(response, 401, "wrong-password")


# ------------------------------------------------------------------------------------------------------------ tokens


@pytest.mark.parametrize("path", ["/metrics", READ])
async def test_a_token_does_in_place_of_a_password(asked: Asked, path: str) -> None:
    token = create_token(asked.tokens_file, "grafana", Role.VIEWER)
    assert (await asked.get(path, headers=bearing(token))).status_code == 200
    revoke_token(asked.tokens_file, "grafana")
    assert_problem(await asked.get(path, headers=bearing(token)), 401, "wrong-token")


async def test_the_token_of_a_shell_does_so_too(asked: Asked, tmp_path: Path) -> None:
    with shell_token(tmp_path / "shell.token") as entry:
        asked.of_shell = (entry,)
        token = read_shell_token(tmp_path / "shell.token")
        assert (await asked.get("/metrics", HERE, headers=bearing(str(token)))).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/health", "/", READ])
async def test_a_wrong_token_opens_nothing_even_here(asked: Asked, path: str) -> None:
    assert_problem(await asked.get(path, HERE, headers=bearing("bw_" + "x" * 43)), 401, "wrong-token")


async def test_while_tokens_cannot_be_read_none_opens_anything(asked: Asked) -> None:
    token = create_token(asked.tokens_file, "grafana", Role.VIEWER)
    asked.tokens_file.write_text("junk")
    assert_problem(await asked.get("/metrics", HERE, headers=bearing(token)), 503, "tokens-unusable")


async def test_with_a_token_an_operator_acts(asked: Asked) -> None:
    token = create_token(asked.tokens_file, "maria", Role.OPERATOR)
    async with asked.from_(ELSEWHERE) as client:
        response = await client.post(ACT, json={}, headers=bearing(token))
    assert_problem(response, 422, "invalid-parameter")  # past the gate, and wrong only in what is asked for


# ---------------------------------------------------------------------------------------------------------- too many


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(attempts, "time", clock)
    return clock


async def test_after_ten_wrong_passwords_no_other_is_looked_at_for_a_minute(asked: Asked, clock: FakeClock) -> None:
    async with asked.from_(ELSEWHERE) as client:
        for number in range(MAX_REFUSALS):
            response = await client.get("/metrics", auth=("prometheus", str(number)))
            assert_problem(response, 401, "wrong-password")
        response = await client.get("/metrics", auth=LOGIN)
        assert_problem(response, 429, "refused-too-often")
        assert response.headers["retry-after"] == "60"
        clock.now += 60.0
        assert (await client.get("/metrics", auth=LOGIN)).status_code == 200


@pytest.mark.usefixtures("clock")
async def test_a_password_that_was_right_before_passes_however_many_guesses_there_are(asked: Asked) -> None:
    async with asked.from_(ELSEWHERE) as client:
        assert (await client.get("/metrics", auth=LOGIN)).status_code == 200
        for number in range(MAX_REFUSALS + 2):
            await client.get("/metrics", auth=("prometheus", str(number)))
        assert (await client.get("/metrics", auth=LOGIN)).status_code == 200
        metrics = (await client.get("/metrics", auth=LOGIN)).text
    assert f"\nbeamwarden_failed_logins_total {MAX_REFUSALS}.0\n" in metrics


@pytest.mark.usefixtures("clock")
async def test_guesses_from_one_address_keep_nobody_else_out(asked: Asked) -> None:
    async with asked.from_(ELSEWHERE) as client:
        for number in range(MAX_REFUSALS + 1):
            await client.get("/metrics", auth=("prometheus", str(number)))
    assert (await asked.get("/metrics", "192.0.2.1", auth=LOGIN)).status_code == 200


async def test_while_too_many_passwords_wait_the_next_is_told_so(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_right(*_of: object) -> bool:
        raise Busy

    monkeypatch.setattr(Passwords, "is_right", is_right)
    response = await asked.get("/metrics", auth=LOGIN)
    assert_problem(response, 503, "passwords-busy")
    assert response.headers["retry-after"] == "1"


async def test_above_the_rate_limit_only_probes_are_answered(asked: Asked) -> None:
    write(asked.file, "rate_limit: {interval: 1h, burst: 2}")
    async with asked.from_(HERE) as client:
        assert [(await client.get("/metrics")).status_code for _ in range(3)] == [200, 200, 429]
        assert_problem(await client.get("/health"), 429, "rate-limited")
        assert (await client.get("/livez")).status_code == 200


def test_a_bucket_fills_again_up_to_its_burst() -> None:
    bucket = Bucket(RateLimit.model_validate({"interval": "10s", "burst": "2"}), 0.0)
    assert [bucket.take(0.0), bucket.take(0.0)] == [0.0, 0.0]
    assert bucket.take(4.0) == pytest.approx(6.0)
    assert bucket.take(10.0) == 0.0
    assert [bucket.take(1e6), bucket.take(1e6)] == [0.0, 0.0]
    assert bucket.take(1e6) == pytest.approx(10.0)


# ------------------------------------------------------------------------------------------------------ what is shown


def test_two_headers_are_refused_as_programs_would_read_different_ones() -> None:
    headers = Headers(raw=[(b"authorization", b"Basic YTpi"), (b"authorization", b"Bearer bw_x")])
    with pytest.raises(Refused):
        Shown.by(headers)


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("Bearer bw_a", Shown(token="bw_a")),
        ("bearer  bw_a ", Shown(token="bw_a")),
        ("Basic YTpiOmM=", Shown(login=("a", b"b:c"))),
        ("BASIC YTo=", Shown(login=("a", b""))),
        ("Basic Og==", Shown(login=("", b""))),
        ("Basic YWI=", Shown()),
        ("Bearer other", Shown()),
        ("", Shown()),
    ],
)
def test_one_header_shows_one_thing(header: str, shown: Shown) -> None:
    assert Shown.by(Headers({"Authorization": header})) == shown


def test_secrets_that_are_shown_are_in_no_text() -> None:
    assert "right" not in repr(Shown(login=("prometheus", b"right")))
    assert {"/livez", "/readyz"} == entrance.ALWAYS_OPEN


# ----------------------------------------------------------------------------------------------------------- headers


async def test_every_answer_has_the_headers_of_the_configuration(asked: Asked) -> None:
    write(asked.file, USERS + "http_server_config: {headers: {X-Frame-Options: deny}}")
    for response in (await asked.get("/livez"), await asked.get("/metrics"), await asked.get("/metrics", auth=LOGIN)):
        assert response.headers["x-frame-options"] == "deny"


def test_the_program_serves_so(tmp_path: Path) -> None:
    with serving_with(write(tmp_path / "web.yml", USERS)) as port:
        assert port.get("/metrics").status_code == 401
        assert port.get("/metrics", login=LOGIN).status_code == 200
