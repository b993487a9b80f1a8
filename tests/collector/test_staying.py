"""The program as it is run in an image: nothing that is wrong with its settings ends it."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx
import pytest

from agent.errors import SettingError
from collector import cli
from collector.load import glance
from erlang_fixtures.beam import free_port

# Looks again at once, and meets the bug that it is told of.
PROGRAM = """\
import sys
from collector import cli, staying
staying.LOOK_AGAIN_SECONDS = staying.AFTER_A_BUG_SECONDS = 0.05
bugs = int(sys.argv.pop(1))
serve_on = staying.serve_on
async def with_bugs(*about):
    global bugs
    bugs -= 1
    if bugs >= 0:
        raise ZeroDivisionError("a bug in the wiring")
    await serve_on(*about)
staying.serve_on = with_bugs
cli.main()
"""
SECONDS = 60.0


class Stayer:
    """A collector that stays, and what it has logged."""

    def __init__(self, process: subprocess.Popen[str], log: Path, url: str) -> None:
        self.process = process
        self._log = log
        self._url = url

    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def get(self, path: str) -> httpx.Response | None:
        """Ask; None when nobody listens."""
        try:
            return httpx.get(self._url + path, trust_env=False, timeout=10)
        except httpx.TransportError:
            return None

    def until_health_says(self, words: str) -> None:
        deadline = time.monotonic() + SECONDS
        said = ""
        while words not in said:
            assert self.process.poll() is None, "it has ended"
            assert time.monotonic() < deadline, said
            answer = self.get("/health")
            said = "" if answer is None else answer.text
            time.sleep(0.02)

    def until_it_logs(self, words: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not [line for line in self.log() if words in str(line["message"])]:
            assert self.process.poll() is None, "it has ended"
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


@contextlib.contextmanager
def staying(
    folder: Path, *arguments: str, bugs: int = 0, port: int | None = None, environ: Mapping[str, str] | None = None
) -> Iterator[Stayer]:
    port = free_port() if port is None else port
    log = folder / "log"
    command = [sys.executable, "-c", PROGRAM, str(bugs), "serve", "--listen", f"127.0.0.1:{port}", *arguments]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, text=True, stdout=output, env=environ)
    try:
        yield Stayer(process, log, f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BEAMWARDEN_STAY", "true")
    monkeypatch.setenv("BEAMWARDEN_JOURNAL", str(tmp_path / "journal.db"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.mark.usefixtures("environ")
def test_a_cookie_that_comes_late_is_taken_without_a_restart(tmp_path: Path) -> None:
    cookie_file = tmp_path / "cookie"
    with staying(tmp_path, "--node", "nobody@127.0.0.1:1", "--cookie-file", str(cookie_file)) as stayer:
        stayer.until_health_says(f"the cookie file {cookie_file} cannot be read: No such file or directory")
        stayer.process.send_signal(signal.SIGHUP)  # which ends a program that does not know it
        cookie_file.touch(0o600)
        stayer.until_health_says(f"the cookie file {cookie_file} holds no cookie")
        cookie_file.write_text("late-but-right")
        stayer.until_health_says("nothing listens there")
        assert stayer.end() == 0
        told = [line for line in stayer.log() if line["severity"] == "ERROR"]
        assert len(told) == 2, "each reason once, however often it is met"
        assert "late-but-right" not in str(stayer.log())


@pytest.mark.usefixtures("environ")
def test_a_web_configuration_is_waited_for_until_it_is_right(tmp_path: Path) -> None:
    cookie_file, web = tmp_path / "cookie", tmp_path / "web.yml"
    cookie_file.touch(0o600)
    cookie_file.write_text("a-cookie-that-no-test-reads")
    web.write_text("tls_server_config: {min_version: TLS9}")
    arguments = ("--node", "nobody@127.0.0.1:1", "--cookie-file", str(cookie_file), "--web.config.file", str(web))
    with staying(tmp_path, *arguments) as stayer:
        stayer.until_health_says("'TLS9' is no version of TLS")
        web.write_text("http_server_config: {http2: false}")
        stayer.until_health_says("nothing listens there")
        assert stayer.end() == 0


@pytest.mark.usefixtures("environ")
def test_a_bug_at_the_start_is_logged_and_counted_and_survived(tmp_path: Path) -> None:
    cookie_file = tmp_path / "cookie"
    cookie_file.touch(0o600)
    cookie_file.write_text("a-cookie")
    with staying(tmp_path, "--node", "nobody@127.0.0.1:1", "--cookie-file", str(cookie_file), bugs=2) as stayer:
        stayer.until_health_says("nothing listens there")
        assert stayer.end() == 0
        traces = [str(line["stack_trace"]) for line in stayer.log() if "stack_trace" in line]
        assert len(traces) == 2
        assert all("a bug in the wiring" in trace for trace in traces)


@pytest.mark.usefixtures("environ")
def test_an_address_that_is_taken_is_had_once_it_is_free_and_a_signal_ends_it_before(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        staying(tmp_path, "--no-such-option", port=taken.getsockname()[1]) as stayer,
    ):
        stayer.until_it_logs("nor can that be told over HTTP: cannot listen on")
        taken.close()
        stayer.until_health_says("the command line: No such option: --no-such-option")
        assert stayer.end() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-option"],
        ["--listen"],
        ["stray"],
        [],
        ["--node", "no name"],
        ["--node", "a@b", "--cookie-file", "/no/such/cookie"],
        ["--node", "a@b", "--tls-ca-file", "/no/such/ca"],
        ["--node", "a@b", "--config", "/no/such/settings"],
        ["--node", "a@b", "--web-config-file", "/no/such/web/configuration"],
    ],
)
def test_whatever_is_wrong_is_an_error_of_settings_and_ends_nothing(arguments: Sequence[str]) -> None:
    with pytest.raises(SettingError):
        cli._read(arguments)


def test_variables_count_where_the_command_line_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"NODE": "a@b:1,c@d:2", "WATCH_TABLES": "e,f", "COOKIE": "cookie", "LOG_FORMAT": "json"}.items():
        monkeypatch.setenv(f"BEAMWARDEN_{name}", value)
    settings, _ = cli._read(["--log-format", "text"])
    assert [str(target.node) for target in settings.node] == ["a@b", "c@d"]
    assert settings.watch_tables == ("e", "f")
    assert settings.log_format == "text"


@pytest.mark.parametrize("value", ["true", "1", "perhaps", ""])
def test_it_stays_when_it_is_told_to_and_when_it_cannot_know(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stayed = []
    monkeypatch.setattr("collector.staying.stay", lambda *about: stayed.append(about))
    monkeypatch.setattr(cli, "set_up_logging", lambda _format: None)
    monkeypatch.setenv("BEAMWARDEN_STAY", value)
    with pytest.raises(SystemExit, match="0"):
        cli._stay_if_wanted(["serve", "--no-such-option", "--listen", "127.0.0.1:81", "--config=/no/such/file"])
    ((_, address, _),) = stayed
    assert str(address) == "127.0.0.1:81"


@pytest.mark.parametrize("value", ["false", "0"])
def test_it_does_not_stay_otherwise(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEAMWARDEN_STAY", value)
    cli._stay_if_wanted(["serve", "--node", "wrong"])


def test_a_file_can_say_so_too() -> None:
    Path("beamwarden.toml").write_text("stay = true\nnode = 5\nlisten = '127.0.0.1:0'")
    assert glance("stay", {}, {}, None, default=False)


def test_other_commands_and_the_help_do_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEAMWARDEN_STAY", "true")
    for arguments in (["memory"], ["serve", "--help"], []):
        cli._stay_if_wanted(arguments)
