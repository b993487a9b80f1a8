from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import typer.main

from agent.handshake import Cookie
from agent.names import Target
from agent.node import Up
from agent.session import Options
from collector import cli
from collector.access.permissions import Role
from collector.access.tokens import create_token
from collector.app import create_app
from collector.command_line import reaching, showing
from collector.command_line.client import ClientError
from collector.diagnosis_settings import DiagnosisSettings
from collector.load import load_settings
from collector.models import MemoryAnswer, NodeAnswer
from collector.setting_words import REACHING
from collector.settings import Address, Settings
from collector.version import VERSION
from tests.collector_fakes import (
    MEMORY,
    NODE,
    OTHER_NODE,
    FakeSession,
    fleet_down,
    fleet_of,
    serving_on_a_port,
    snapshot,
)
from tests.command_line import Ran, Run


@pytest.fixture
def cookie_file() -> Path:
    file = Path("cookie")
    file.write_text("a-cookie", encoding="ascii")
    file.chmod(0o400)
    return file.absolute()


# ------------------------------------------------------------------------------------------------- asking a collector


@pytest.fixture(scope="module")
def collector() -> Iterator[str]:
    """A real collector that watches one node."""
    with serving_on_a_port(create_app(fleet_of(FakeSession()), Settings())) as url:
        yield url


@pytest.fixture(scope="module")
def collector_of_two() -> Iterator[str]:
    fleet = fleet_of(FakeSession(), FakeSession(OTHER_NODE))
    with serving_on_a_port(create_app(fleet, Settings())) as url:
        yield url


def test_memory_is_shown_as_a_table(run: Run, collector: str) -> None:
    ran = run("memory", "--url", collector)
    assert (ran.status, ran.errors) == (0, "")
    lines = ran.output.splitlines()
    assert lines[0].startswith(f"{NODE}, ")
    assert lines[3].split()[:4] == ["total", "46.0", "MiB", "100%"]


def test_a_node_is_shown_as_a_table(run: Run, collector: str) -> None:
    ran = run("node", "--url", collector)
    assert (ran.status, ran.errors) == (0, "")
    assert "up, as 2HVP0TDI4GTFO@127.0.0.1" in ran.output
    assert "running <0.123.0>" in ran.output


def test_memory_as_json_is_the_model(run: Run, collector: str) -> None:
    ran = run("memory", "--url", collector, "--json")
    assert (ran.status, ran.errors) == (0, "")
    assert MemoryAnswer.model_validate_json(ran.output).total_bytes == MEMORY.total


def test_a_node_as_json_is_the_model(run: Run, collector: str) -> None:
    ran = run("node", "--url", collector, "--json")
    assert (ran.status, ran.errors) == (0, "")
    assert NodeAnswer.model_validate_json(ran.output).node.name == NODE


def test_one_of_several_nodes_is_named_with_url_and_node(run: Run, collector_of_two: str) -> None:
    ran = run("memory", "--url", collector_of_two, "--node", OTHER_NODE, "--json")
    assert ran.status == 0
    assert MemoryAnswer.model_validate_json(ran.output).node.name == OTHER_NODE


def test_of_several_nodes_one_has_to_be_named(run: Run, collector_of_two: str) -> None:
    assert run("memory", "--url", collector_of_two) == Ran(
        1,
        "",
        f"beamwarden: several nodes are watched here: name one of {NODE}, {OTHER_NODE}. Say which with --url and "
        "--node\n",
    )


@pytest.mark.parametrize("command", ["memory", "node"])
def test_without_a_collector_it_says_what_to_do(run: Run, command: str) -> None:
    ran = run(command, "--url", "http://127.0.0.1:1")
    assert (ran.status, ran.output) == (1, "")
    assert ran.errors.startswith("beamwarden: no collector answers at http://127.0.0.1:1 (")
    assert "'beamwarden serve'" in ran.errors
    assert "--url" in ran.errors
    assert "--node" in ran.errors


def test_a_node_that_is_down_gives_no_memory(run: Run) -> None:
    with serving_on_a_port(create_app(fleet_down(NODE), Settings())) as url:
        ran = run("memory", "--url", url)
    assert ran == Ran(1, "", f"beamwarden: {NODE} on port 9100: nothing listens there\n")


# ------------------------------------------------------------------------------------------------------ whom it asks


class Asked(list[tuple[object, ...]]):
    """What the command line made its source of."""

    def source(self, *about: object) -> Asked:
        self.append(about)
        return self

    def memory(self) -> MemoryAnswer:
        return MemoryAnswer.of(snapshot())

    def node(self) -> NodeAnswer:
        return NodeAnswer.of(snapshot(), Up(FakeSession()))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()
    monkeypatch.setattr(
        reaching, "Collector", lambda url, node, _id_token, **_shown: asked.source("collector", url, node)
    )
    monkeypatch.setattr(
        showing,
        "Direct",
        lambda target, _cookie, options, settings: asked.source("node", target, options, settings.expected_supervisors),
    )
    return asked


class OfCollector(NamedTuple):
    """Settings and arguments by which a collector is asked: at which URL, about which node."""

    environ: Mapping[str, str]
    arguments: list[str]
    url: str
    node: str | None = None


@pytest.mark.parametrize("command", ["memory", "node"])
@pytest.mark.parametrize(
    "case",
    [
        OfCollector({}, [], "http://127.0.0.1:9750"),
        OfCollector({"BEAMWARDEN_LISTEN": "0.0.0.0:8080"}, [], "http://127.0.0.1:8080"),
        OfCollector({"BEAMWARDEN_LISTEN": "[::]:8080"}, [], "http://[::1]:8080"),
        OfCollector({"BEAMWARDEN_LISTEN": "0.0.0.0:8080", "BEAMWARDEN_URL": "http://env"}, [], "http://env"),
        OfCollector({"BEAMWARDEN_URL": "http://env"}, ["--url", "http://flag"], "http://flag"),
        OfCollector({"BEAMWARDEN_NODE": "a@b,c@d"}, [], "http://127.0.0.1:9750"),
        OfCollector({"BEAMWARDEN_NODE": "a@b", "BEAMWARDEN_COOKIE_FILE": "/cookie"}, [], "http://127.0.0.1:9750"),
        OfCollector({}, ["--url", "http://flag", "--node", "a@b"], "http://flag", "a@b"),
        OfCollector({}, ["--url", "http://flag", "--node", "a@b:9100"], "http://flag", "a@b"),
    ],
)
def test_a_collector_is_asked(
    run: Run, asked: Asked, monkeypatch: pytest.MonkeyPatch, command: str, case: OfCollector
) -> None:
    for name, value in case.environ.items():
        monkeypatch.setenv(name, value)
    assert run(command, *case.arguments).status == 0
    assert asked == [("collector", case.url, case.node)]


class OfNode(NamedTuple):
    """Settings and arguments by which a node itself is asked: where, in which way, for which supervisors."""

    environ: Mapping[str, str]
    arguments: list[str]
    target: str
    options: Options = Options()
    supervisors: tuple[str, ...] = ()


@pytest.mark.parametrize("command", ["memory", "node"])
@pytest.mark.parametrize(
    "case",
    [
        OfNode({}, ["--node", "a@b"], "a@b"),
        OfNode({"BEAMWARDEN_URL": "http://env"}, ["--node", "a@b:9100"], "a@b:9100"),
        OfNode({"BEAMWARDEN_NODE": "c@d"}, ["--node", "a@b"], "a@b"),
        OfNode({"BEAMWARDEN_EXPECTED_SUPERVISORS": "x,y"}, ["--node", "a@b"], "a@b", supervisors=("x", "y")),
        OfNode(
            {"BEAMWARDEN_EPMD_PORT": "4000"},
            ["--node", "a@b", "--own-name", "warden", "--epmd-port", "4001"],
            "a@b",
            Options(own_name="warden", epmd_port=4001),
        ),
    ],
)
def test_the_node_itself_is_asked(
    run: Run, asked: Asked, cookie_file: Path, monkeypatch: pytest.MonkeyPatch, command: str, case: OfNode
) -> None:
    for name, value in case.environ.items():
        monkeypatch.setenv(name, value)
    assert run(command, *case.arguments, "--cookie-file", str(cookie_file)).status == 0
    assert asked == [("node", Target.parse(case.target), case.options, case.supervisors)]


@pytest.mark.usefixtures("asked")
def test_a_collector_is_asked_without_a_cookie_but_a_node_is_not(run: Run) -> None:
    assert run("memory").status == 0
    ran = run("memory", "--node", "a@b")
    assert ran.status == 2
    assert "no cookie is given, and ~/.erlang.cookie is not there; name the file with --cookie-file" in ran.errors


@pytest.mark.parametrize(("token", "status"), [("bw_" + "f" * 43, 1), (None, 0)])
def test_the_token_of_the_environment_is_shown_to_a_collector(
    run: Run, monkeypatch: pytest.MonkeyPatch, token: str | None, status: int
) -> None:
    file = Path("tokens")
    monkeypatch.setenv("BEAMWARDEN_TOKEN", token or create_token(file, "maria", Role.VIEWER))
    with serving_on_a_port(create_app(fleet_of(FakeSession()), Settings(tokens_file=file))) as url:
        ran = run("memory", "--url", url)
    assert ran.status == status
    assert ("this token is not known here" in ran.errors) == bool(status)


def test_a_token_file_that_is_not_there_ends_with_2(run: Run) -> None:
    ran = run("memory", "--token-file", "/no/such/token")
    assert (ran.status, ran.output) == (2, "")
    assert ran.errors == "beamwarden: the token file /no/such/token cannot be read: No such file or directory\n"


# --------------------------------------------------------------------------------------------------- settings, statuses


@pytest.mark.parametrize("command", ["memory", "node", "serve"])
def test_a_wrong_flag_ends_with_2_and_is_named(run: Run, command: str) -> None:
    ran = run(command, "--node", "a@b", "--epmd-port", "none")
    assert (ran.status, ran.output) == (2, "")
    assert ran.errors.startswith("beamwarden: --epmd-port: ")
    assert ran.errors.endswith("1 to 65535\n")


@pytest.mark.parametrize("command", ["memory", "node", "serve"])
def test_a_wrong_variable_ends_with_2_and_is_named(run: Run, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEAMWARDEN_LISTEN", "nowhere")
    ran = run(command)
    assert (ran.status, ran.output) == (2, "")
    assert ran.errors.startswith("beamwarden: BEAMWARDEN_LISTEN (environment): 'nowhere' is no address with a port")


@pytest.mark.parametrize("command", ["memory", "node", "serve"])
def test_every_mistake_has_a_line_of_its_own(run: Run, command: str) -> None:
    Path("wrong.toml").write_text('epmd_port = 0\nlisten = "here"\nlog_fromat = "json"', encoding="utf-8")
    ran = run(command, "--config", "wrong.toml")
    assert ran.status == 2
    assert sorted(line.split(": ")[:3] for line in ran.errors.splitlines()) == [
        ["beamwarden", "wrong.toml", "epmd_port"],
        ["beamwarden", "wrong.toml", "listen"],
        ["beamwarden", "wrong.toml", "log_fromat"],
    ]


@pytest.mark.parametrize("command", ["memory", "node", "serve"])
def test_an_empty_node_is_a_wrong_one(run: Run, command: str) -> None:
    ran = run(command, "--node", "")
    assert ran.status == 2
    assert ran.errors.startswith("beamwarden: --node: '' is no node name")


@pytest.mark.parametrize("command", ["memory", "node", "serve"])
def test_a_name_of_ours_that_cannot_work_ends_with_2_and_is_named(run: Run, command: str) -> None:
    ran = run(command, "--node", "a@127.0.0.1", "--own-name", "warden@shorthost")
    assert ran.status == 2
    assert ran.errors.startswith("beamwarden: --own-name: warden@shorthost cannot talk to a@127.0.0.1")


@pytest.mark.parametrize("arguments", [["nodes"], ["memory", "--nood", "a@b"], ["memory", "extra"], []])
def test_a_wrong_command_line_ends_with_2(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).status == 2


@pytest.mark.parametrize("command", ["memory", "node", "serve"])
def test_a_cookie_has_no_place_on_the_command_line(run: Run, command: str) -> None:
    assert run(command, "--node", "a@b", "--cookie", "secret").status == 2


def test_a_failure_to_answer_ends_with_1(run: Run, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: Asked) -> MemoryAnswer:
        raise ClientError("the first line\nthe second")

    monkeypatch.setattr(Asked, "memory", fail)
    assert run("memory") == Ran(1, "", "beamwarden: the first line\nbeamwarden: the second\n")
    assert len(asked) == 1


def test_the_version_is_printed(run: Run) -> None:
    assert run("--version") == Ran(0, f"beamwarden {VERSION}\n", "")


def test_python_runs_it_as_a_module() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "collector", "--version"],
        cwd=Path(cli.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == f"beamwarden {VERSION}\n"


# --------------------------------------------------------------------------------------------------------------- serve


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, Cookie, Mapping[str, str]]]:
    """What the collector was started with."""
    started: list[tuple[Settings, Cookie, Mapping[str, str]]] = []
    monkeypatch.setattr("collector.serve.serve", lambda *about: started.append(about))
    return started


@pytest.mark.usefixtures("root_logging")
def test_serve_runs_the_collector_with_its_options(
    run: Run, started: list[tuple[Settings, Cookie, Mapping[str, str]]], cookie_file: Path
) -> None:
    ran = run(
        *("serve", "--node", "a@127.0.0.1", "--node", "b@127.0.0.1:9100", "--cookie-file", str(cookie_file)),
        *("--listen", "0.0.0.0:80", "--expected-supervisors", "x_sup, y_sup", "--own-name", "warden"),
        *("--epmd-port", "4370", "--insecure-no-auth", "--answer-memory-bytes", "70000000"),
        *("--vitals-interval-seconds", "5", "--log-format", "json"),
    )
    assert (ran.status, ran.errors) == (0, "")
    [(settings, cookie, environ)] = started
    assert settings == Settings.model_construct(
        node=(Target.parse("a@127.0.0.1"), Target.parse("b@127.0.0.1:9100")),
        cookie_file=cookie_file,
        own_name="warden",
        epmd_port=4370,
        tls_ca_file=None,
        tls_certificate_file=None,
        tls_key_file=None,
        tls_server_name=None,
        tls_insecure_no_verify=False,
        answer_memory_bytes=70_000_000,
        listen=Address("0.0.0.0", 80),  # noqa: S104  # read, not bound
        url=None,
        insecure_no_auth=True,
        journal=None,
        expected_supervisors=("x_sup", "y_sup"),
        vitals_interval_seconds=5.0,
        log_format="json",
    )
    assert cookie.digest(1) == Cookie("a-cookie").digest(1)
    assert "PATH" in environ


@pytest.mark.usefixtures("root_logging")
def test_serve_runs_with_the_environment_alone(
    run: Run,
    started: list[tuple[Settings, Cookie, Mapping[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environ = {"BEAMWARDEN_NODE": "a@b,c@d", "BEAMWARDEN_COOKIE": "a-cookie", "BEAMWARDEN_LISTEN": "127.0.0.1:0"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert run("serve").status == 0
    assert started[0][0] == load_settings({}, environ)


def test_serve_needs_a_node(run: Run, started: list[tuple[Settings, Cookie, Mapping[str, str]]]) -> None:
    assert run("serve") == Ran(
        2,
        "",
        "beamwarden: --node: none is given; it should be a node to watch: name@host, or name@host:port when no epmd "
        "runs there\n",
    )
    assert started == []


@pytest.mark.usefixtures("root_logging")
def test_serve_needs_a_cookie(run: Run, started: list[tuple[Settings, Cookie, Mapping[str, str]]]) -> None:
    ran = run("serve", "--node", "a@b")
    assert ran.status == 2
    assert "no cookie is given, and ~/.erlang.cookie is not there; name the file with --cookie-file" in ran.errors
    assert started == []


def test_serve_needs_certificates_that_can_be_used(run: Run, cookie_file: Path) -> None:
    node = ("--node", "a@b", "--cookie-file", str(cookie_file), "--tls-ca-file", "/no/such/ca")
    ran = run("serve", "--listen", "127.0.0.1:0", *node)
    assert (ran.status, ran.output) == (2, "")
    assert "the CA file /no/such/ca cannot be read: No such file or directory" in ran.errors


@pytest.mark.parametrize("name", ["serve", "diagnose", "restart", "processes"])
def test_the_help_cuts_no_option_short_in_80_columns(run: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = run(name, "--help")
    command = typer.main.get_command(cli.app).commands[name]  # type: ignore[attr-defined]  # a group
    flags = [flag for parameter in command.params for flag in parameter.opts if flag.startswith("--")]
    assert [flag for flag in flags if f"{flag} " not in ran.output] == []


def test_serve_has_an_option_for_every_setting_but_those_of_the_command_line() -> None:
    command = typer.main.get_command(cli.app)
    options = {parameter.name for parameter in command.commands["serve"].params}  # type: ignore[attr-defined]
    assert options - {"config", "help"} == set(Settings.model_fields) - {*REACHING, *DiagnosisSettings.names()}


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_a_node_that_is_down_is_shown_and_ends_with_1(run: Run, arguments: tuple[str, ...]) -> None:
    with serving_on_a_port(create_app(fleet_down(NODE), load_settings({}, {}))) as url:
        ran = run("node", "--url", url, *arguments)
    assert ran.status == 1
    assert "nothing listens there" in ran.output
    assert ran.errors == ""


def test_an_output_that_knows_no_bars_still_shows_the_numbers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", plain)
    with serving_on_a_port(create_app(fleet_of(FakeSession()), load_settings({}, {}))) as url:
        run("memory", "--url", url)
    plain.flush()
    assert isinstance(plain.buffer, io.BytesIO)
    assert b"processes" in plain.buffer.getvalue()


@pytest.mark.parametrize("flag", ["--web-config-file", "--web.config.file"])
def test_the_web_configuration_is_named_as_ours_or_as_prometheus_has_it(
    run: Run, cookie_file: Path, tmp_path: Path, flag: str
) -> None:
    here = ("--listen", "127.0.0.1:0", "--cookie-file", str(cookie_file))
    ran = run("serve", "--node", "a@b", *here, flag, str(tmp_path / "none.yml"))
    assert ran.status == 2
    assert "none.yml" in ran.errors
