from __future__ import annotations

import runpy
import socket
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse

from collector.app import create_app
from collector.liveness import why_not_alive
from collector.settings import Settings
from tests.certificates import Authority
from tests.collector_fakes import NODE, fleet_down, serving_on_a_port
from tests.web_port import USERS, serving_with, with_tls, write


def port_of(url: str) -> str:
    return url.rpartition(":")[2]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])  # noqa: S104  # nothing listens there
def test_a_collector_whose_node_is_down_is_alive(host: str) -> None:
    with serving_on_a_port(create_app(fleet_down(NODE), Settings())) as url:
        assert why_not_alive({"BEAMWARDEN_LISTEN": f"{host}:{port_of(url)}"}) is None


def test_a_port_that_speaks_tls_is_alive_also_where_it_wants_certificates(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    rules = f"  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: {authority.file}\n"
    with serving_with(write(tmp_path / "web.yml", with_tls(authority.certificate("127.0.0.1"), rules))) as port:
        assert why_not_alive({"BEAMWARDEN_LISTEN": f"127.0.0.1:{port.number}"}) is None


def test_a_collector_that_asks_for_passwords_is_alive(tmp_path: Path) -> None:
    with serving_with(write(tmp_path / "web.yml", USERS)) as port:
        assert why_not_alive({"BEAMWARDEN_LISTEN": f"127.0.0.1:{port.number}"}) is None


def test_another_bad_request_is_not_alive() -> None:
    app = FastAPI()
    app.add_route("/livez", lambda _request: PlainTextResponse("no", 400))
    with serving_on_a_port(app) as url:
        assert why_not_alive({"BEAMWARDEN_LISTEN": f"127.0.0.1:{port_of(url)}"}) == "/livez answers 400"


def test_an_answer_of_another_status_is_not_alive() -> None:
    app = FastAPI()
    app.add_route("/livez", lambda _request: PlainTextResponse("no", 503))
    with serving_on_a_port(app) as url:
        assert why_not_alive({"BEAMWARDEN_LISTEN": f"127.0.0.1:{port_of(url)}"}) == "/livez answers 503"


def test_a_port_where_nobody_listens_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("BEAMWARDEN_LISTEN", f"127.0.0.1:{port}")
    monkeypatch.delitem(sys.modules, "collector.liveness")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("collector.liveness", run_name="__main__")
    assert str(ended.value.code).startswith("/livez does not answer: ")
