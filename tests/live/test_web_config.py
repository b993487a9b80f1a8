"""The program with a web configuration, scraped by a real Prometheus over TLS with a password, and asked beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from erlang_fixtures.beam import Beam
from tests.certificates import Authority
from tests.live.prometheus import needs, prometheus
from tests.live.test_service import PROGRAM, serving, watching
from tests.web_port import HASH, with_tls, write

pytestmark = [pytest.mark.live]

USER = "scraper"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


def configured(folder: Path, authority: Authority) -> Path:
    """A web configuration with TLS, clients that show a certificate, and a password."""
    own = authority.certificate("127.0.0.1")
    rules = f"  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: {authority.file}\n  min_version: TLS13\n"
    return write(folder / "web.yml", with_tls(own, rules) + f"basic_auth_users: {{{USER}: {HASH}}}\n")


@needs("prometheus")
async def test_prometheus_scrapes_over_tls_with_the_password_and_not_with_another(
    beam: Beam, authority: Authority, tmp_path: Path
) -> None:
    web = configured(tmp_path, authority)
    mine = authority.certificate("prometheus.internal")

    def scraping(password: str) -> Mapping[str, object]:
        return {
            "scheme": "https",
            "basic_auth": {"username": USER, "password": password},
            "tls_config": {
                "ca_file": str(authority.file),
                "cert_file": str(mine.file),
                "key_file": str(mine.key_file),
            },
        }

    async with serving(*watching(beam), "--web.config.file", str(web)) as service:
        (line,) = service.said("serving on https://")
        address = str(line["message"]).removeprefix("serving on https://")
        jobs = {"right": address, "wrong": address, "plain": address}
        how = {"right": scraping("right"), "wrong": scraping("wrong")}
        async with prometheus(tmp_path, jobs, how=how) as server:
            await server.gives('up{job="right"} == 1')
            await server.gives('beam_up{job="right"} == 1')
            await server.gives('up{job="wrong"} == 0')
            await server.gives('up{job="plain"} == 0')
            assert await server.query('up{job="wrong"} == 1 or up{job="plain"} == 1') == []
            assert await server.query('beam_up{job!="right"}') == []


async def test_beside_it_the_command_line_needs_no_flag(beam: Beam, authority: Authority, tmp_path: Path) -> None:
    web = configured(tmp_path, authority)
    shell = str(tmp_path / "shell.token")
    async with serving(*watching(beam), "--web-config-file", str(web), "--shell-token-file", shell) as service:
        (line,) = service.said("serving on https://")
        listen = str(line["message"]).removeprefix("serving on https://")
        environ = {
            "BEAMWARDEN_WEB_CONFIG_FILE": str(web),
            "BEAMWARDEN_LISTEN": listen,
            "BEAMWARDEN_SHELL_TOKEN_FILE": shell,
        }
        command = await asyncio.create_subprocess_exec(
            *(PROGRAM, "memory"),
            cwd=tmp_path,
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await asyncio.wait_for(command.communicate(), 60)
    assert (command.returncode, errors) == (0, b"")
    assert beam.name in output.decode()


async def test_a_mistake_ends_it_with_2_and_its_line(tmp_path: Path) -> None:
    web = write(tmp_path / "web.yml", "tls_server_config:\n  min_version: TLS9\n")
    command = await asyncio.create_subprocess_exec(
        *(PROGRAM, "serve", "--node", "a@127.0.0.1:1", "--listen", "127.0.0.1:0", "--web.config.file", str(web)),
        env={"BEAMWARDEN_COOKIE": "a cookie that no test reads"},
        stderr=asyncio.subprocess.PIPE,
    )
    _output, errors = await asyncio.wait_for(command.communicate(), 60)
    assert command.returncode == 2
    assert f"beamwarden: {web}, line 2: tls_server_config.min_version: 'TLS9' is no version of TLS" in errors.decode()
