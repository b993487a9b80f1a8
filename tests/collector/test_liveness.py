from __future__ import annotations

import runpy
import socket
import sys

import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse

from collector.app import create_app
from collector.liveness import why_not_alive
from collector.settings import Settings
from tests.collector_fakes import NODE, fleet_down, serving_on_a_port


def port_of(url: str) -> str:
    return url.rpartition(":")[2]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])  # noqa: S104  # nothing listens there
def test_a_collector_whose_node_is_down_is_alive(host: str) -> None:
    with serving_on_a_port(create_app(fleet_down(NODE), Settings())) as url:
        assert why_not_alive({"BEAMWARDEN_LISTEN": f"{host}:{port_of(url)}"}) is None


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
