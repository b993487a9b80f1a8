from __future__ import annotations

import httpx
import pytest

from collector.app import create_app
from collector.load import load_settings
from collector.settings import Settings
from tests.collector_fakes import NODE, FakeSession, assert_problem, fleet_down, fleet_of, serving, serving_on_a_port

OF_THE_API = ["/api/v1/nodes", "/api/v1/nodes/-", "/api/v1/nodes/-/memory", "/api/v1/nodes/-/system"]
FOR_EXPORTERS = ["/metrics", "/health", "/livez", "/readyz", "/", "/openapi.json"]


def listening_on(address: str, *, insecure_no_auth: bool = False) -> Settings:
    return load_settings({"listen": address, "insecure_no_auth": insecure_no_auth}, {})


async def get(settings: Settings, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    async with serving(fleet_of(FakeSession()), settings) as client:
        return await client.get(path, headers=headers)


@pytest.mark.parametrize("path", OF_THE_API)
@pytest.mark.parametrize("address", ["0.0.0.0:9750", "[::]:9750", "10.0.0.7:80"])
async def test_the_api_is_closed_where_others_can_ask(address: str, path: str) -> None:
    problem = assert_problem(await get(listening_on(address), path), 403, "api-closed")
    assert address in problem["detail"]
    assert "listen on 127.0.0.1" in problem["detail"]
    assert "--insecure-no-auth" in problem["detail"]


@pytest.mark.parametrize("path", OF_THE_API)
@pytest.mark.parametrize("host", ["a?", "a/b?", "a#", "a/", "127.0.0.1", "localhost:9750"])
async def test_no_host_header_opens_the_api(host: str, path: str) -> None:
    assert_problem(await get(listening_on("0.0.0.0:9750"), path, {"Host": host}), 403, "api-closed")


@pytest.mark.parametrize(
    "path", ["//api/v1/nodes", "/./api/v1/nodes", "/%61pi/v1/nodes", "/api//v1/nodes", "/API/v1/nodes"]
)
async def test_no_other_spelling_of_the_path_opens_the_api(path: str) -> None:
    response = await get(listening_on("0.0.0.0:9750"), path)
    assert response.status_code in {403, 404}


@pytest.mark.parametrize("path", FOR_EXPORTERS)
async def test_what_exporters_serve_is_open_everywhere(path: str) -> None:
    assert (await get(listening_on("0.0.0.0:9750"), path)).status_code == 200


@pytest.mark.parametrize("path", OF_THE_API)
async def test_the_api_can_be_opened_to_everybody(path: str) -> None:
    assert (await get(listening_on("0.0.0.0:9750", insecure_no_auth=True), path)).status_code == 200


@pytest.mark.parametrize("path", [*OF_THE_API, *FOR_EXPORTERS])
@pytest.mark.parametrize("address", ["127.0.0.1:9750", "localhost:9750", "[::1]:9750"])
async def test_all_is_open_to_this_machine(address: str, path: str) -> None:
    assert (await get(listening_on(address), path)).status_code == 200


@pytest.mark.parametrize("path", [*OF_THE_API, *FOR_EXPORTERS])
async def test_small_and_large_answers_survive_compression(path: str) -> None:
    response = await get(Settings(), path, {"Accept-Encoding": "gzip"})
    assert response.status_code == 200
    assert ("content-encoding" in response.headers) == (len(response.content) >= 500)


@pytest.mark.parametrize("path", ["/livez", "/metrics", "/health", "/api/v1/nodes"])
def test_head_is_answered_as_get_without_a_body(path: str) -> None:
    with serving_on_a_port(create_app(fleet_down(NODE), listening_on("127.0.0.1:9750"))) as url:
        head, get = httpx.head(url + path, trust_env=False), httpx.get(url + path, trust_env=False)
    assert head.status_code == get.status_code
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.content == b""
