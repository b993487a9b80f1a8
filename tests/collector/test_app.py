from __future__ import annotations

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from collector.access.permissions import PERMISSIONS
from collector.app import create_app
from collector.load import load_settings
from collector.settings import Settings
from tests.collector_fakes import NODE, FakeSession, assert_problem, fleet_down, fleet_of, serving, serving_on_a_port

OF_THE_API = ["/api/v1/nodes", "/api/v1/nodes/-", "/api/v1/nodes/-/memory", "/api/v1/nodes/-/system"]
FOR_EVERYBODY = ["/metrics", "/health", "/livez", "/readyz", "/", "/openapi.json"]
ELSEWHERE = "198.51.100.7"


async def get(
    settings: Settings, path: str, headers: dict[str, str] | None = None, asker: str = "127.0.0.1"
) -> httpx.Response:
    async with serving(fleet_of(FakeSession()), settings, asker=asker) as client:
        return await client.get(path, headers=headers)


@pytest.mark.parametrize("path", OF_THE_API)
async def test_the_api_is_closed_to_others_than_this_machine(path: str) -> None:
    response = await get(Settings(), path, asker=ELSEWHERE)
    problem = assert_problem(response, 401, "token-needed")
    assert response.headers["www-authenticate"] == 'Bearer realm="beamwarden"'
    assert "beamwarden token create --role viewer" in problem["detail"]
    assert "--insecure-no-auth" in problem["detail"]


@pytest.mark.parametrize(
    "path",
    ["//api/v1/nodes", "/./api/v1/nodes", "/%61pi/v1/nodes", "/api//v1/nodes", "/API/v1/nodes", "/api/v1/nodes/"],
)
async def test_no_other_spelling_of_the_path_opens_the_api(path: str) -> None:
    response = await get(Settings(), path, asker=ELSEWHERE)
    assert response.status_code in {401, 404}


@pytest.mark.parametrize("path", FOR_EVERYBODY)
async def test_what_machines_ask_is_open_to_everybody(path: str) -> None:
    assert (await get(Settings(), path, asker=ELSEWHERE)).status_code == 200


@pytest.mark.parametrize("path", OF_THE_API)
async def test_reading_can_be_opened_to_everybody(path: str) -> None:
    settings = load_settings({"insecure_no_auth": True}, {})
    assert (await get(settings, path, asker=ELSEWHERE)).status_code == 200


@pytest.mark.parametrize("path", [*OF_THE_API, *FOR_EVERYBODY])
@pytest.mark.parametrize("listen", ["127.0.0.1:9750", "0.0.0.0:9750", "[::1]:9750"])
async def test_this_machine_may_read_wherever_we_listen(listen: str, path: str) -> None:
    assert (await get(load_settings({"listen": listen}, {}), path)).status_code == 200


async def test_no_answer_lets_pages_from_elsewhere_read_it() -> None:
    response = await get(Settings(), "/api/v1/nodes", {"Origin": "https://elsewhere.example"})
    assert response.status_code == 200
    assert [name for name in response.headers if name.startswith("access-control-")] == []


def test_every_route_has_a_row_of_permissions_and_every_row_a_route() -> None:
    routes = list(iter_route_contexts(create_app(fleet_down(NODE), Settings()).routes))
    found = {(method, route.path) for route in routes for method in route.methods or {"neither HTTP nor known"}}
    assert {(method, path) for method, path in found if method != "HEAD"} == set(PERMISSIONS)


@pytest.mark.parametrize("path", [*OF_THE_API, *FOR_EVERYBODY])
async def test_small_and_large_answers_survive_compression(path: str) -> None:
    response = await get(Settings(), path, {"Accept-Encoding": "gzip"})
    assert response.status_code == 200
    assert ("content-encoding" in response.headers) == (len(response.content) >= 500)


@pytest.mark.parametrize("path", ["/livez", "/metrics", "/health", "/api/v1/nodes"])
def test_head_is_answered_as_get_without_a_body(path: str) -> None:
    with serving_on_a_port(create_app(fleet_down(NODE), Settings())) as url:
        head, get = httpx.head(url + path, trust_env=False), httpx.get(url + path, trust_env=False)
    assert head.status_code == get.status_code
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.content == b""
