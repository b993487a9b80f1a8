from __future__ import annotations

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.errors import CookieError, SettingError, TlsSettingError
from collector.access.permissions import PERMISSIONS
from collector.port.web_config import WebConfigError
from collector.settings import SettingsError
from collector.waiting import Trouble, Waiting

REASON = "BEAMWARDEN_NODE (environment): 's3cret' is no node name"
TROUBLE = Trouble.of(SettingsError(REASON, ["node"]))
HERE = "127.0.0.1"


async def ask(path: str, client: str = HERE, trouble: Trouble = TROUBLE, **more: object) -> httpx.Response:
    waiting = httpx.ASGITransport(Waiting(trouble, bugs=2, retry_seconds=4.2), client=(client, 1))
    async with httpx.AsyncClient(transport=waiting, base_url="http://127.0.0.1:9750") as http:
        return await http.request("GET", path, **more)  # type: ignore[arg-type]  # httpx's own arguments


async def test_it_is_alive() -> None:
    answer = await ask("/livez", "192.0.2.1")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/health", "/readyz"])
async def test_it_is_not_ready_and_says_why(path: str) -> None:
    answer = await ask(path)
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "reason": TROUBLE.reason, "nodes": []}
    assert REASON in TROUBLE.reason


@pytest.mark.parametrize(
    "path", sorted({path for _, path in PERMISSIONS} - {"/livez", "/readyz", "/health", "/metrics"})
)
async def test_whatever_else_is_asked_for_is_answered_with_the_reason(path: str) -> None:
    answer = await ask(path)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert (answer.json()["type"], answer.json()["detail"]) == ("urn:beamwarden:settings-wrong", TROUBLE.reason)
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        ("192.0.2.1", {}),
        (HERE, {"X-Forwarded-For": "192.0.2.1"}),
        (HERE, {"Host": "a-page-of.example"}),
    ],
    ids=["from elsewhere", "through a proxy", "by a name that is not ours"],
)
@pytest.mark.parametrize("path", ["/health", "/readyz", "/api/v1/nodes", "/metrics"])
async def test_what_was_set_is_not_told_to_everybody(path: str, client: str, headers: dict[str, str]) -> None:
    assert "s3cret" not in (await ask(path, client, headers=headers)).text


async def test_everybody_is_told_which_setting_is_wrong() -> None:
    reason = (await ask("/health", "192.0.2.1")).json()["reason"]
    assert "the settings of this collector are wrong (node)" in reason
    assert "its log says how" in reason


@pytest.mark.parametrize(
    ("error", "which"),
    [
        (CookieError("the cookie file /run/s3cret is gone"), " (the cookie)"),
        (TlsSettingError("the CA file /run/s3cret is none"), " (the certificates in [tls])"),
        (WebConfigError("/run/s3cret, line 1: the whole: it is no table of keys"), " (web_config_file)"),
        (SettingsError("the command line: s3cret"), ""),
        (SettingError("s3cret"), ""),
    ],
)
def test_the_outline_names_what_is_wrong_and_no_value(error: SettingError, which: str) -> None:
    trouble = Trouble.of(error)
    assert f"the settings of this collector are wrong{which}, so" in trouble.outline
    assert "s3cret" not in trouble.outline
    assert "s3cret" in trouble.reason


def test_a_reason_has_an_end() -> None:
    assert len(Trouble.of(SettingsError("x" * 1_000_000)).reason) < 5_000


async def test_the_metrics_say_that_it_only_waits_and_nothing_of_a_node() -> None:
    families = {family.name: family for family in text_string_to_metric_families((await ask("/metrics")).text)}
    assert families["beamwarden_settings_valid"].samples[0].value == 0
    assert families["beamwarden_internal_errors"].samples[0].value == 2
    assert "beamwarden_build_info" in families
    assert not [name for name in families if name.startswith(("beam_", "erlang_"))]


async def test_of_a_bug_the_details_are_for_the_log() -> None:
    answer = await ask("/api/v1/nodes", trouble=Trouble.of_bug())
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:beamwarden:bug")
    assert "its log has the details" in answer.json()["detail"]
