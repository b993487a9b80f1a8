"""What is in force while files change, hang, or are open to others. Renewed certificates: test_tls_port.py."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from collector.port import known_web_config
from collector.port.known_web_config import KnownWebConfig, read_web_config
from collector.port.web_config import WebConfigError
from tests.certificates import Authority
from tests.web_port import USERS, with_tls, write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "web.yml", USERS)


@pytest.fixture
def looked_at_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_web_config, "LOOK_SECONDS", 0.0)


def users(known: KnownWebConfig) -> set[str]:
    return set(known.now.config.basic_auth_users)


@pytest.mark.usefixtures("looked_at_always")
async def test_what_has_changed_is_in_force_at_the_next_look(file: Path) -> None:
    known = KnownWebConfig(file, read_web_config(file))
    write(file, USERS.replace("prometheus:", "grafana:"))
    assert set((await known.look()).config.basic_auth_users) == {"grafana"}


async def test_between_two_looks_a_second_passes(file: Path) -> None:
    known = KnownWebConfig(file, read_web_config(file))
    await known.look()
    write(file, "")
    assert await known.look() is known.now
    assert users(known) == {"prometheus"}


@pytest.mark.usefixtures("looked_at_always")
async def test_a_file_that_is_as_it_was_is_not_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_web_config, "SETTLED_NS", -(1 << 62))  # it was written a moment ago
    known = KnownWebConfig(file, read_web_config(file))
    first = await known.look()
    assert await known.look() is first
    write(file, USERS + "\n")
    assert await known.look() is not first


@pytest.mark.usefixtures("looked_at_always")
async def test_while_files_cannot_be_read_what_was_read_stays_and_one_look_waits(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    may_go_on, looks = threading.Event(), 0

    def hang(_path: Path) -> None:
        nonlocal looks
        looks += 1
        may_go_on.wait(10)

    known = KnownWebConfig(file, read_web_config(file))
    monkeypatch.setattr(known_web_config, "FILE_SECONDS", 0.05)
    monkeypatch.setattr(known_web_config, "stamp_of", hang)
    for _ in range(3):
        assert users(known) == set((await known.look()).config.basic_auth_users) == {"prometheus"}
    assert looks == 1
    may_go_on.set()
    assert "no answer within 0.05 s; what was read before stays in force" in caplog.text


@pytest.mark.usefixtures("looked_at_always")
async def test_trouble_is_told_once(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    known = KnownWebConfig(file, read_web_config(file))
    write(file, "junk: 1\nmore: 2\n")
    await known.look()
    await known.look()
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{file}, line 1: junk: there is no such key")
    assert "; " + f"{file}, line 2: more: there is no such key" in record.getMessage()


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        (b"\xff", 0o600, "is no UTF-8"),
        (b"", 0o602, "is open to others than its owner"),
        (b"", 0o646, "is open to others"),
    ],
)
def test_what_cannot_be_used_is_told(file: Path, content: bytes, mode: int, told: str) -> None:
    file.write_bytes(content)
    file.chmod(mode)
    with pytest.raises(WebConfigError, match=told):
        read_web_config(file)


def test_no_file_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(WebConfigError, match=r"cannot be read: No such file or directory$"):
        read_web_config(tmp_path / "gone.yml")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda text: text.replace("-key.pem", "-gone.pem"), "cannot be read: No such file or directory"),
        (
            lambda text: text + "  client_auth_type: VerifyClientCertIfGiven\n  client_ca: junk\n",
            "client_ca holds no cert",
        ),
        (
            lambda text: "tls_server_config: {cert: junk, key: junk}",
            "the line cert with the key in the line key cannot be",
        ),
    ],
    ids=["gone", "authorities", "inline"],
)
def test_of_certificates_that_cannot_be_used_the_reason_is_told(tmp_path: Path, spoil: object, told: str) -> None:
    own = Authority(tmp_path, "ours").certificate("127.0.0.1")
    file = write(tmp_path / "web.yml", spoil(with_tls(own)))  # type: ignore[operator]  # one of the functions above
    with pytest.raises(WebConfigError, match=told) as caught:
        read_web_config(file)
    assert str(caught.value).startswith(f"{file}: tls_server_config: ")
