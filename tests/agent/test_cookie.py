from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from agent.cookie import parse_cookie, read_cookie_file, read_default_cookie_file
from agent.errors import CookieError
from tests.fakes import digest

SECRET = "MDSFOEKDSJFHEWKFH"


def cookie_file(folder: Path, content: str = SECRET, mode: int = 0o400) -> Path:
    path = folder / ".erlang.cookie"
    path.write_text(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("content", "cookie"),
    [
        (SECRET, SECRET),
        (f"{SECRET}\n", SECRET),
        (f"{SECRET}\r\n\n  \n", SECRET),
        ("with space", "with space"),
        ("trailing space \n", "trailing space "),  # auth:check_cookie/2 takes it for a part of the cookie
        ("x" * 255, "x" * 255),
    ],
)
def test_a_file_holds_one_line(content: str, cookie: str, tmp_path: Path) -> None:
    assert read_cookie_file(cookie_file(tmp_path, content)).digest(1) == digest(cookie, 1)


@pytest.mark.parametrize("content", ["", "\n", "two\nlines", "tab\there", "ümlaut", "x" * 256, "x" * 10_000])
def test_what_is_no_cookie_is_refused_without_showing_it(content: str, tmp_path: Path) -> None:
    with pytest.raises(CookieError, match="holds no cookie") as caught:
        read_cookie_file(cookie_file(tmp_path, content))
    assert not content.strip() or content not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o440, 0o604, 0o610])
def test_a_file_that_others_may_use_is_refused_with_the_cure(mode: int, tmp_path: Path) -> None:
    path = cookie_file(tmp_path, mode=mode)
    with pytest.raises(CookieError, match=f"chmod 600 {path}"):
        read_cookie_file(path)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(CookieError, match="/no/such/file cannot be read: No such file or directory"):
        read_cookie_file(Path("/no/such/file"))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(CookieError, match="no regular file"):
        read_cookie_file(tmp_path / "pipe")


READ_AS_NOBODY = """
import logging, os, sys
from pathlib import Path
from agent.cookie import read_cookie_file
if os.geteuid() == 0:  # root could change everything
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
print(read_cookie_file(Path(sys.argv[1])).digest(1).hex())
"""


def test_a_file_in_a_place_that_we_cannot_change_is_taken_with_one_warning() -> None:
    # As a secret volume has it: 0444, and nothing that we could do about it.
    with tempfile.TemporaryDirectory() as volume:
        path = cookie_file(Path(volume), mode=0o444)
        Path(volume).chmod(0o555)
        command = [sys.executable, "-c", READ_AS_NOBODY, str(path)]
        # Nobody may not write coverage's data.
        uncovered = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=uncovered)
        Path(volume).chmod(0o700)
    assert ran.stderr == ""
    warning, proof = ran.stdout.splitlines()
    assert "may be read by others" in warning
    assert SECRET not in ran.stdout
    assert proof == digest(SECRET, 1).hex()


def test_a_file_that_is_ours_alone_is_taken_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        read_cookie_file(cookie_file(tmp_path))
    assert caplog.records == []


def test_the_default_is_erlang_s_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    with pytest.raises(CookieError, match=r"no cookie is given, and ~/\.erlang\.cookie is not there"):
        read_default_cookie_file()
    in_configuration = tmp_path / ".config" / "erlang"
    in_configuration.mkdir(parents=True)
    cookie_file(in_configuration, "of the configuration")
    assert read_default_cookie_file().digest(1) == digest("of the configuration", 1)
    cookie_file(tmp_path, "of the home")
    assert read_default_cookie_file().digest(1) == digest("of the home", 1)


def test_a_user_without_a_home_is_told_that_no_cookie_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(CookieError, match="no cookie is given"):
        read_default_cookie_file()


def test_a_cookie_from_elsewhere_is_named_by_its_place() -> None:
    assert parse_cookie(SECRET, "BEAMWARDEN_COOKIE").digest(1) == digest(SECRET, 1)
    with pytest.raises(CookieError, match="BEAMWARDEN_COOKIE holds no cookie"):
        parse_cookie("", "BEAMWARDEN_COOKIE")
