"""An illness of a real node becomes an alert at a webhook, by way of a real Prometheus and a real Alertmanager."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from erlang_fixtures.beam import Beam
from tests.fakes import until
from tests.live.illnesses import ill
from tests.live.nodes import join
from tests.live.prometheus import alertmanager, needs, prometheus
from tests.live.test_service import serving, watching

pytestmark = [pytest.mark.live, needs("prometheus", "prometheus-alertmanager")]

DEPLOY = Path(__file__).parent.parent.parent / "deploy"


class Webhook(ThreadingHTTPServer):
    """Takes what Alertmanager sends; ``alerts`` are all of them, in the order that they came."""

    daemon_threads = True

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Takes)

    def status_of(self, name: str) -> list[str]:
        """What was told of an alert, one after the other."""
        return [alert["status"] for alert in self.alerts if alert["labels"]["alertname"] == name]


class _Takes(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        self.server.alerts += json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the library has it
        """Say nothing."""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        taking = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        taking.start()
        yield server
        server.shutdown()
        taking.join()


def hurried_rules(folder: Path) -> list[Path]:
    """Our rules, but an alert waits for a second where it waits for minutes."""
    made = []
    for file in (DEPLOY / "prometheus" / "rules").glob("*.yml"):
        hurried = folder / file.name
        hurried.write_text(re.sub(r"(?m)^(\s+for:) \S+$", r"\1 1s", file.read_text()))
        made.append(hurried)
    return made


def told_here(folder: Path, webhook: Webhook) -> Path:
    """Our Alertmanager's routes, all of whose receivers are the webhook, and none of which waits."""
    ours = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    here = {"url": f"http://127.0.0.1:{webhook.server_port}/", "send_resolved": True}
    ours["receivers"] = [{"name": each["name"], "webhook_configs": [here]} for each in ours["receivers"]]
    ours["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    ours["templates"] = [str(DEPLOY / "alertmanager" / "tai.tmpl")]
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(ours))
    return file


@pytest.mark.parametrize("erl", ["otp25"], indirect=True)
async def test_an_illness_becomes_an_alert_and_resolves(beam: Beam, webhook: Webhook, tmp_path: Path) -> None:
    session = await join(beam)
    async with contextlib.AsyncExitStack() as stack:
        service = await stack.enter_async_context(serving(*watching(beam)))
        await service.is_up()
        (line,) = service.said("serving on")
        address = str(line["message"]).removeprefix("serving on http://")
        manager = await stack.enter_async_context(alertmanager(tmp_path, told_here(tmp_path, webhook)))
        server = await stack.enter_async_context(
            prometheus(tmp_path, {"beamwarden": address}, hurried_rules(tmp_path), manager)
        )
        await server.gives("beam_process_message_queue_length_max >= 0")
        assert webhook.status_of("BeamMailboxLong") == []
        async with ill(session, "ill_mailbox_flood", messages=20_000):
            await until(lambda: "firing" in webhook.status_of("BeamMailboxLong"), "it fires", deadline_seconds=60)
        await until(lambda: "resolved" in webhook.status_of("BeamMailboxLong"), "it resolves", deadline_seconds=120)
        fired = next(alert for alert in webhook.alerts if alert["labels"]["alertname"] == "BeamMailboxLong")
        assert fired["annotations"]["command"] == "beamwarden mailboxes"
        assert fired["labels"]["erlang_node"] == beam.name
    session.close()
    await asyncio.sleep(0)
