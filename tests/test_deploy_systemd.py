"""deploy/systemd: read as systemd reads it, by its own programs where they are, and held against this program."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import typer.main

from collector import cli
from collector.access.shell_token import IMAGE_FILE
from tests.deployment import DEPLOY, bytes_of, installed, is_set_for_tai, settings_of

UNIT: Final = DEPLOY / "systemd" / "beamwarden.service"
PROGRAM: Final = "/opt/beamwarden/bin/beamwarden"
MOST_EXPOSURE: Final = 15  # in tenths, of 100: what is left is the network, which it is for
SPECIFIERS: Final = {"%d": "/run/credentials/beamwarden.service", "%S": "/var/lib", "%t": "/run"}
# In every version of systemd that has LoadCredential with DynamicUser (247).
HARDENED: Final = {
    "DynamicUser": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "MemoryDenyWriteExecute": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "IPAddressDeny": "any",
}


def directives() -> list[tuple[str, str, str]]:
    """Return (section, name, value) of each line. A section of another form, or a line of none, is an error."""
    section, found = "", []
    for line in UNIT.read_text().splitlines():
        if head := re.fullmatch(r"\[(Unit|Service|Install)\]", line):
            section = head[1]
        elif line and not line.startswith("#"):
            name, separator, value = line.partition("=")
            assert section, line
            assert separator, line
            assert re.fullmatch(r"[A-Z][A-Za-z]+", name), line
            found.append((section, name, value))
    return found


def service(name: str) -> list[str]:
    return [value for section, each, value in directives() if (section, each) == ("Service", name)]


def environment() -> dict[str, str]:
    text = "\n".join(service("Environment"))
    for specifier, value in SPECIFIERS.items():
        text = text.replace(specifier, value)
    assert "%" not in text
    return dict(line.split("=", 1) for line in text.splitlines())


def test_the_settings_are_those_of_this_program_and_of_tai() -> None:
    assert is_set_for_tai(settings_of(environment()))


def test_the_command_is_one_of_this_program() -> None:
    program, command = shlex.split(service("ExecStart")[0])
    assert program == PROGRAM
    assert command in typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]  # a group


def test_the_cookie_is_the_credential_that_systemd_hands_on() -> None:
    (credential,) = service("LoadCredential")
    assert settings_of(environment()).cookie_file == Path(SPECIFIERS["%d"]) / credential.partition(":")[0]


def test_what_it_writes_lies_where_it_may_write() -> None:
    settings = settings_of(environment())
    assert settings.journal is not None
    assert settings.shell_token_file is not None
    assert settings.journal.parent == Path("/var/lib") / service("StateDirectory")[0]
    assert settings.shell_token_file.parent == Path("/run") / service("RuntimeDirectory")[0]
    assert settings.shell_token_file == IMAGE_FILE  # so that a shell finds it without a setting


def test_it_starts_again_however_often_it_ends() -> None:
    assert service("Restart") == ["always"]
    assert ("Unit", "StartLimitIntervalSec", "0") in directives()


def test_our_own_ceiling_is_below_the_memory_from_which_on_systemd_slows_us() -> None:
    (high,), (most,) = service("MemoryHigh"), service("MemoryMax")
    assert settings_of(environment()).memory_ceiling_bytes < bytes_of(f"{high}i") < bytes_of(f"{most}i")


@pytest.mark.parametrize(("name", "value"), HARDENED.items())
def test_it_may_little(name: str, value: str) -> None:
    assert service(name) == [value]


@pytest.fixture(scope="module")
def installed_unit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unit with a program that is here, since systemd looks whether it is."""
    unit: Path = tmp_path_factory.mktemp("unit") / UNIT.name
    unit.write_text(UNIT.read_text().replace(PROGRAM, str(Path(sys.executable).with_name("beamwarden"))))
    return unit


@installed("systemd-analyze")
def test_systemd_finds_nothing_wrong(installed_unit: Path) -> None:
    command = ["systemd-analyze", "verify", str(installed_unit)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert [line for line in ended.stderr.splitlines() if UNIT.name in line] == []


@installed("systemd-analyze")
def test_systemd_finds_it_hardly_exposed(installed_unit: Path) -> None:
    threshold = f"--threshold={MOST_EXPOSURE}"
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", threshold, str(installed_unit)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
